// SPDX-License-Identifier: MIT
//
// The stacks of all threads of a target: collected thread by thread, each held only as long as its copy takes; then
// unwound, then named.
#ifndef DMT_BACKTRACE_H
#define DMT_BACKTRACE_H

#include "unwind.h"

enum backtrace_by {
    BACKTRACE_COPY,        // stop, copy, release, unwind
    BACKTRACE_NO_STOP,     // what /proc tells of threads that sleep
    BACKTRACE_LIVE,        // unwind while the thread is held, with libunwind's own means
};

struct backtrace_options {
    enum backtrace_by by;
    uint64_t max_stop;     // as of target_options, for BACKTRACE_LIVE
    size_t max;            // frames of a stack
    bool one_thread;       // the first only
    bool running;          // threads that run only
    bool task;             // state and name of threads too
    bool name;             // the name of threads too
    bool variables;        // of frames too; not of BACKTRACE_LIVE
    const char *only;      // those of that name, or NULL
    const struct backtrace *last; // the look before: who has not moved since has the stack that it had. Or NULL
};

/** The stack of one thread. */
struct trace {
    pid_t tid;
    char state;            // 0: not known
    char name[COMM_MAX + 1];
    size_t name_len;
    uint64_t pause;        // nanoseconds, 0: it was not stopped
    bool unmoved;          // it has the stack of the look before
    bool has_call;
    int64_t call;
    uint64_t args[6];
    enum unwind_end end;
    int code;              // why there is no stack: an errno code; 0: there is
    size_t reason;         // why it is not whole: where in `reasons`, plus 1; 0: it is
    size_t first, n;       // its frames
    size_t first_locals, nlocals; // what is known of their variables, of frame 0, 1, ...
};

/** The variables of a frame: of `locals` in struct backtrace, SIZE bytes AT that place, for variable_get. */
struct frame_locals {
    size_t at, size;
    unsigned levels;       // functions that it is of: those inlined there, and its own
    const char *reason;    // why nothing is known of them, or NULL
};

struct backtrace {
    struct trace *traces;
    size_t n, cap;
    struct frame *frames;  // of all
    size_t nframes, frames_cap;
    struct frame_locals *locals; // of all
    size_t nlocals, locals_cap;
    struct buf variables;
    struct buf reasons;
};

void backtrace_fini(struct backtrace *b);
#define CLEANUP_BACKTRACE CLEANUP(backtrace_fini)

/**
 * Collects and unwinds, in order of tid. Threads that end meanwhile are left out. -1: the target has gone, or there is
 * no unwinder; what keeps one thread from having a stack is its `reason`. The reader is kept in *U from one call to the
 * next (NULL at first; unwind_close at the end).
 */
NODISCARD int backtrace_collect(struct target *t, const struct backtrace_options *options, struct unwinder **u,
                                struct backtrace *ret);

/** Keeps the variables of a frame, for unwind_want_variables: ARG is the backtrace. */
NODISCARD int backtrace_take_variables(const struct frame_variables *v, void *arg);

/** Calls FN for each variable of frame I of a thread. */
NODISCARD int backtrace_variables(const struct backtrace *b, const struct trace *t, size_t i,
                                  int (*fn)(const struct variable *v, void *arg), void *arg);

/** Why nothing is known of the variables of that frame; NULL: it is. */
static inline const char *backtrace_no_variables(const struct backtrace *b, const struct trace *t, size_t i)
{
    return i < t->nlocals ? b->locals[t->first_locals + i].reason : "its debug information was not read";
}

/** Sleeps until MS milliseconds after *NEXT (0: now) on CLOCK_MONOTONIC, and puts that time there. */
void backtrace_wait(uint64_t *next, uint64_t ms);

static inline const char *trace_reason(const struct backtrace *b, const struct trace *t)
{
    return t->reason ? b->reasons.data + t->reason - 1 : NULL;
}

/** The address by which a frame's function is found: that of the call, where pc is where it returns to. */
static inline uint64_t frame_lookup(const struct frame *f)
{
    return f->pc - !f->exact;
}

/** What is known of the addresses of frames. Each address is asked for once. */
struct frame_name {
    uint64_t addr;         // frame_lookup
    uint64_t value;        // of the function
    unsigned line;
    size_t function, object, file; // where in the text, plus 1; 0: not known
    size_t inlined, ninlined; // functions inlined there, innermost first: where in `inlined`
};

struct frame_names {
    struct frame_name *at; // by address
    size_t n, cap;
    struct frame_name *inlined;
    size_t ninlined, inlined_cap;
    struct buf text;
};

void frame_names_fini(struct frame_names *n);
#define CLEANUP_FRAME_NAMES CLEANUP(frame_names_fini)

NODISCARD int frame_names_add(struct frame_names *n, uint64_t addr);

/** Looks all up. -1: some of them could not be, for this reason. */
NODISCARD int frame_names_find(struct frame_names *n, struct unwinder *u, const struct sym_options *options);
const struct frame_name *frame_names_at(const struct frame_names *n, uint64_t addr);

/** A text of it, or NULL. */
static inline const char *frame_name_text(const struct frame_names *n, size_t at)
{
    return at ? n->text.data + at - 1 : NULL;
}

#endif
