// SPDX-License-Identifier: MIT
//
// The stack of one thread, copied: its registers and the bytes from its stack pointer on, so that it can be unwound
// when the thread has long gone on. A handler on an alternate signal stack (sigaltstack(2)) has a second
// region: where its signal frame says that the thread was interrupted.
#ifndef DMT_STACK_H
#define DMT_STACK_H

#include "maps.h"
#include "procfile.h"
#include "reg.h"

enum {
    STACK_RED_ZONE = 128,       // bytes below the stack pointer that are in use too (x86-64 psABI, 3.2.2)
    STACK_WINDOW = 256 << 10,   // bytes of a region that are copied at first
    STACK_WINDOW_MAX = 8 << 20, // and where that does not reach
    STACK_REGIONS = 4,
};

struct stack_region {
    uint64_t base;
    size_t at, size;       // where in `bytes`
    bool cut;              // more is mapped behind it
};

/** The stack that a thread of Go has left for its runtime's, and where. HIGH 0: not known, or (none) there is none. */
struct stack_user {
    uint64_t low, high, pc, sp, bp;
    bool none, in_vdso;    // in_vdso: as in struct gostack
};

struct stack {
    pid_t tid;
    struct regs regs;      // gp
    bool few_regs;         // only the program counter and the stack pointer are known
    struct stack_region regions[STACK_REGIONS];
    size_t nregions;
    struct buf bytes;
    struct stack_user user;
    uint64_t pause;        // nanoseconds that the thread was held, at most; 0: it was not
    bool has_call;         // it is in a system call, or on its way out of one
    int64_t call;
    uint64_t args[6];
    char state;            // before it was stopped, as in /proc; 0: not known
    char name[COMM_MAX + 1];
    size_t name_len;       // 0: not known
};

/** What to collect. */
struct stack_want {
    size_t window;         // STACK_WINDOW to STACK_WINDOW_MAX
    bool no_stop;          // never stop it: only a thread that sleeps in a system call has a stack then
    bool task;             // state and name too
    bool name;             // the name too
    bool running;          // only threads that run; with `task`
    bool remember;         // for target_unmoved
    void (*find_user)(struct stack *s, void *arg); // fills `user`, while the thread is held; NULL: nobody does
    void *arg;
};

void stack_fini(struct stack *s);
#define CLEANUP_STACK CLEANUP(stack_fini)

/** Forgets what was collected, and makes room for WINDOW: -1 with ENOMEM. */
NODISCARD int stack_reserve(struct stack *s, size_t window);

/** The shape of mem_read. */
typedef int stack_read_fn(void *arg, uint64_t addr, void *to, size_t n, size_t *got);

/**
 * Copies what the registers of S lead to. Allocates nothing, so that it may be done while the thread is held. -1 with
 * ENOENT: the stack pointer is in no mapping of MAPS; or the error of READ.
 */
NODISCARD int stack_copy(struct stack *s, const struct maps *maps, const struct stack_want *want, stack_read_fn *read, void *arg);

/** The values of /proc/PID/task/TID/syscall (proc(5)). -1 with EBUSY: it runs; EPROTO. Pure. */
NODISCARD int stack_parse_syscall(const char *text, struct stack *ret, uint64_t *sp, uint64_t *pc);

#endif
