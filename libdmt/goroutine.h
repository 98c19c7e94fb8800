// SPDX-License-Identifier: MIT
//
// The goroutines of a Go process, those that wait too, from its memory alone; no symbols are needed. The list is
// runtime.allgs; without its symbol it is found by what it holds. Where the fields of the runtime's g and m are depends
// on the version of Go (runtime/runtime2.go of 1.11 to 1.26): it is taken from what they hold, and each goroutine is
// checked; what fits none is refused, not guessed.
//
// Of one moment: a goroutine that does not run is read twice, its header and its stack, and given when both readings
// are the same; so threads need not be stopped. One that ran meanwhile is marked. A goroutine that runs has its
// registers in a thread, which the caller gives: with its stack, of one moment. What that stack has of others (where the
// goroutine left its own) is believed when the registers and the header are the same before and after.
#ifndef DMT_GOROUTINE_H
#define DMT_GOROUTINE_H

#include "gostack.h"

#include <sys/types.h>

enum { GOROUTINE_HELD = 128 << 10 };

struct goroutines;

struct goroutine_options {
    struct gosym *gosym;   // of the module that has the runtime
    uint64_t bias;         // as in struct gostack
    objfile_read_fn *read; // the memory of the process
    void *arg;
    uint64_t allgs;        // address of runtime.allgs; 0: to be found
    bool still;            // nothing changes: a core, or all threads are stopped
    unsigned max_frames;   // of one goroutine; 0: 1024
    /**
     * The registers of a thread (pc, sp, bp, lr, kept); in the vDSO those of who has called it, without `exact`. What
     * READ reads from then on is, GOROUTINE_HELD bytes from sp on, of the moment that they are of, until it is called
     * with RET NULL. -1: not known. NULL: of no thread.
     */
    int (*regs)(pid_t tid, struct gostack_frame *ret, void *arg);
    void *regs_arg;
};

/** -1 with ENOENT: no goroutines are found, or they are of a version that is not known. OPTIONS is copied. */
NODISCARD int goroutines_open(const struct goroutine_options *options, struct goroutines **ret);
void goroutines_close(struct goroutines *all);
#define CLEANUP_GOROUTINES CLEANUP(goroutines_close_ptr)
static inline void goroutines_close_ptr(struct goroutines **all)
{
    if (*all)
        goroutines_close(*all);
}

/** What is active in a frame; inlined calls stand before the function that they are part of, with its pc and sp. */
struct goroutine_frame {
    uint64_t pc, sp;       // as in struct gostack_frame
    uint64_t entry;        // of the function that was compiled
    const char *name, *file; // FILE NULL, LINE 0: not recorded
    unsigned line;
    bool inlined;
};

struct goroutine {
    uint64_t id;
    uint64_t g;            // address of its struct
    const char *state;     // Go's word: idle runnable running syscall waiting dead copystack preempted
    const char *reason;    // why it waits, the program's own text (`chan receive`); NULL: it does not, or not known
    pid_t tid;             // the thread that it has; 0: none
    const struct goroutine_frame *frames; // innermost first; valid during the call
    size_t n;
    bool whole;            // the last frame is the first of the stack
    bool changed;          // it ran while it was read: no frames
    const char *why;       // it is not whole: a sentence
};

/**
 * Calls FN for each goroutine that is alive, in the order of their making. Stops when FN returns other than 0, and
 * returns that.
 */
NODISCARD int goroutines_each(struct goroutines *all, int (*fn)(const struct goroutine *g, void *arg), void *arg);

/**
 * The goroutine of a thread, for steps from its system stack: fills RET, `user` with it. -1 with ENOENT: it has none
 * now. Threads are listed at the first call: for a stopped process, or a core.
 */
NODISCARD int goroutines_of_thread(struct goroutines *all, pid_t tid, struct gostack *ret);

/**
 * The same in a few reads, for a thread that is held for a moment: G is the address of its current g, which the thread
 * itself knows (x86_64: the word at fs_base - 8 where Go's linker made the program; r14 in Go's code of 1.17 on;
 * aarch64: x28). What is none is refused: G may be any number. ENODATA: G is that of a system stack, and the thread has
 * given its goroutine up.
 */
NODISCARD int goroutines_of_g(struct goroutines *all, uint64_t g, struct gostack *ret);

#endif
