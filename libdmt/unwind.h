// SPDX-License-Identifier: MIT
//
// Frames of copied stacks. Go's own tables say how large the frames of Go code are; call frame information is read from
// the modules' files by libunwind, in the sandboxed child; where there is neither, the frame pointer is followed if it
// leads to a return address, and else the stack is searched for one. Each frame says by what it was found.
#ifndef DMT_UNWIND_H
#define DMT_UNWIND_H

#include "dwarf.h"
#include "sym.h"

enum unwind_how {
    HOW_REG,               // the registers: the innermost frame
    HOW_GO,                // the tables that a Go program has of its code
    HOW_CFI,               // call frame information
    HOW_SIG,               // the signal frame that the kernel made
    HOW_FP,                // the frame pointer
    HOW_SCAN,              // the next word of the stack that looks like a return address
    HOW_LIVE,              // libunwind-ptrace, which does not say how
    HOWS
};
extern const char *const unwind_how_names[HOWS]; // "reg", "cfi", ...

struct frame {
    uint64_t pc;
    uint64_t cfa;          // canonical frame address; 0: not known
    uint64_t addr;         // of pc in its module's file
    bool has_addr;
    bool exact;            // pc is the next instruction to run; else a return address, and the call stands before it
    enum unwind_how how;
};

/** How a stack ends. */
enum unwind_end {
    UNWIND_WHOLE,          // with the first function of the thread
    UNWIND_ENOUGH,         // there may be more frames than were asked for
    UNWIND_BROKEN,         // it could not be followed further
    UNWIND_SWITCHED,       // where Go changes to another stack, which is not known
    UNWIND_CUT,            // behind the bytes that were copied: a larger window may help
    UNWIND_STRAY,          // pc is in no mapping: what was read of them may be old
};

struct unwound {
    uint32_t index;        // as unwind_add was told
    enum unwind_end end;
    const char *reason;    // UNWIND_BROKEN and those behind it: why
    const struct frame *frames; // innermost first
    size_t n;
};

enum { UNWIND_FRAMES_MAX = 1 << 17 };

struct unwinder;

/** For stacks of T as it is mapped now. -1: its mappings cannot be read. */
NODISCARD int unwind_open(struct target *t, struct unwinder **ret);
void unwind_close(struct unwinder *u);
#define CLEANUP_UNWINDER CLEANUP(unwind_close_ptr)
static inline void unwind_close_ptr(struct unwinder **u)
{
    if (*u)
        unwind_close(*u);
}

/** Room for a stack that is to be copied. */
struct stack *unwind_room(struct unwinder *u);

/** Keeps a copy of a stack, to be unwound. -1 with ENOMEM. */
NODISCARD int unwind_add(struct unwinder *u, const struct stack *s, uint32_t index);

/** Bytes that are kept: not to grow beyond UNWIND_KEEP. */
size_t unwind_kept(const struct unwinder *u);
enum { UNWIND_KEEP = 64 << 10 };

/**
 * Calls FN for each stack that was added, in order, at most MAX frames of each. A stack that breaks the child is
 * UNWIND_BROKEN. Stops when FN returns other than 0, and returns that. -1: there is no child.
 */
NODISCARD int unwind_run(struct unwinder *u, size_t max, int (*fn)(const struct unwound *stack, void *arg), void *arg);

/** The symbols of the target, from the same child: for addresses alone. The unwinder's. */
struct syms *unwind_syms(struct unwinder *u, const struct sym_options *options);

/** The variables of a frame. */
struct frame_variables {
    uint32_t index;        // of the stack
    size_t frame;          // 0: innermost
    unsigned levels;       // functions that it is of: those inlined there, and its own
    const char *variables; // for variable_get, in order: innermost first
    size_t size;
    const char *reason;    // why nothing is known of them: NULL, or a constant text
};

extern const char unwind_no_debug[]; // the reason where there is no debug information
enum { UNWIND_VARIABLES_MAX = 1 << 14 }; // frames of a stack that have some

/**
 * Lets unwind_run call FN with the variables of each frame of each stack (those of the name ONLY; NULL: all), after the
 * frames of all. The child that reads debug information may break at it: then the frames of that file have none.
 */
void unwind_want_variables(struct unwinder *u, const char *only, int (*fn)(const struct frame_variables *v, void *arg),
                           void *arg);

/**
 * Unwinds a live thread by libunwind-ptrace, while it is held: *PAUSE nanoseconds. Calls FN once, whose index is 0. -1
 * as target_stack; EIO it crashed, or took too long.
 */
NODISCARD int unwind_live(struct target *t, pid_t tid, uint64_t max_stop, size_t max, uint64_t *pause,
                          int (*fn)(const struct unwound *stack, void *arg), void *arg);

#endif
