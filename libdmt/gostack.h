// SPDX-License-Identifier: MIT
//
// One step up a stack of Go code: the tables give the exact size of each frame, so that nothing is guessed and no frame
// pointer is needed (runtime/traceback.go is the model). Memory is read through a function: a copy of the stack will
// do. What is not Go's is somebody else's: a caller in C is found, and not stepped from.
#ifndef DMT_GOSTACK_H
#define DMT_GOSTACK_H

#include "gosym.h"

/** What a step needs to know of the thread. */
struct gostack {
    struct gosym *gosym;
    uint64_t bias;           // address in the process minus address of gosym; 0 for gosym_open_loaded
    objfile_read_fn *read;   // the memory of the process, as target_read gives it
    void *arg;
    // The goroutine of a thread that runs on its system stack, where it left its own (g.m.curg). HIGH 0: not known.
    struct {
        uint64_t low, high;  // of its stack
        uint64_t pc, sp, bp; // its sched
        bool in_vdso;        // pc and sp are those of who asked for the time, which is asked for on the system stack
    } user;
};

struct gostack_frame {
    uint64_t pc, sp;
    uint64_t bp;             // the frame pointer, where has_bp
    uint64_t lr;             // aarch64, of the innermost frame: the link register
    uint64_t kept;           // the register gosym_kept, where has_kept
    bool has_bp, has_kept;
    bool innermost;          // no step was made yet
    bool exact;              // PC is an instruction that runs or faults, or that a signal interrupted; else it is where
                             // a call returns to
    bool entered;            // PC and SP are what Go saved when it went into a system call
};

/**
 * F becomes its caller: 1. 0: F is the first of its stack. -1, F untouched: ENOENT pc is no Go code, or in code without
 * a known frame; ENOTSUP its function changes stacks as no table says (the way into C, a context switch); EFAULT the
 * stack cannot be read; EPROTO damaged tables.
 */
NODISCARD int gostack_step(const struct gostack *s, struct gostack_frame *f);

/** The address in gosym that has the function, line and inlined calls of F: of the call, where pc is behind it. */
uint64_t gostack_code(const struct gostack *s, const struct gostack_frame *f);

#endif
