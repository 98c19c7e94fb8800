// SPDX-License-Identifier: MIT
//
// Private to target: what a kind of target is.
#ifndef DMT_TARGET_IMPL_H
#define DMT_TARGET_IMPL_H

#include "mem.h"
#include "target.h"

/** One kind. A missing operation is NULL: `target` says that it is not possible there. Contracts: target.h. */
struct target_kind {
    const char *name;      // "core file"
    bool is_core;
    void (*close)(struct target *t);
    int (*maps)(struct target *t, bool usage, struct maps *ret); // RET is empty; usage: MAPS_USAGE too, where it is known
    int (*each_thread)(struct target *t, int (*fn)(pid_t tid, void *arg), void *arg);
    int (*read)(struct target *t, uint64_t addr, void *to, size_t n, size_t *got);
    uint64_t (*hole)(struct target *t, uint64_t addr);
    int (*write)(struct target *t, uint64_t addr, const void *from, size_t n);
    int (*stop)(struct target *t, pid_t tid, struct tracee *ret);
    int (*regs)(struct target *t, pid_t tid, unsigned sets, struct regs *ret);
    int (*edit_regs)(struct target *t, pid_t tid, unsigned sets,
                     int (*edit)(struct regs *r, unsigned *changed, void *arg), void *arg);
    int (*stack)(struct target *t, pid_t tid, const struct stack_want *want, struct stack *ret); // RET has room
    int (*stacks)(struct target *t, const pid_t *tids, size_t n, const struct stack_want *want, struct stack *room,
                  size_t *begun, target_stack_fn *fn, void *arg); // NULL: one after the other
    bool (*unmoved)(struct target *t, pid_t tid); // NULL: never known
    int (*auxv)(struct target *t, struct buf *ret); // the bytes of the vector
    int (*open_file)(struct target *t, const struct mapping *mapping, int *ret);
    int (*open_path)(struct target *t, const char *path, int *ret);
    int (*open_jitmap)(struct target *t, int *ret);
    const char *(*own_path)(struct target *t, const char *path); // NULL: names are as it sees them
};

/** The common part, the first member of each kind's struct. */
struct target {
    const struct target_kind *kind;
    const struct procs *ps;
    struct ident id;       // the threads that are meant
    struct target_options options;
    pid_t pid;
    struct mem mem;        // read by mem_read
    struct maps maps;
    bool has_maps;
    struct buf auxv;
};

/** The live kind's stops and registers (target_live_regs.c). */
NODISCARD int live_stop(struct target *t, pid_t tid, struct tracee *ret);
NODISCARD int live_regs(struct target *t, pid_t tid, unsigned sets, struct regs *ret);
NODISCARD int live_edit_regs(struct target *t, pid_t tid, unsigned sets,
                             int (*edit)(struct regs *r, unsigned *changed, void *arg), void *arg);

/** Its stacks (target_live_stack.c). */
NODISCARD int live_stack(struct target *t, pid_t tid, const struct stack_want *want, struct stack *ret);
NODISCARD int live_stacks(struct target *t, const pid_t *tids, size_t n, const struct stack_want *want,
                          struct stack *room, size_t *begun, target_stack_fn *fn, void *arg);

bool live_unmoved(struct target *t, pid_t tid);

/** Opens, allocated, with kind and pid; or -1. The rest of the common part is zeros: target_open fills it. */
NODISCARD int target_live_open(const struct procs *ps, const struct operand *operand, struct target **ret);
NODISCARD int target_core_open(const struct procs *ps, const struct operand *operand, struct target **ret);

#endif
