// SPDX-License-Identifier: MIT
//
// A range of a target's memory from end to end, whatever stands in the way: bytes that are not mapped or
// cannot be read are holes.
#ifndef DMT_SPAN_H
#define DMT_SPAN_H

#include "target.h"

enum span_holes {
    SPAN_ERROR, // a hole ends it
    SPAN_ZERO,  // zeros stand in for it
    SPAN_SKIP,  // it is left out
};

struct span {
    struct target *target;
    uint64_t addr, size;
    enum span_holes holes;
    uint64_t there; // how many bytes were no hole
};

enum { SPAN_PIECE = 256 << 10 }; // bytes that are read at once

/** `error`, `zero` or `skip`. -1 with EINVAL. */
NODISCARD int span_parse_holes(const char *text, enum span_holes *ret);

/**
 * Calls FN with the bytes, piece by piece, in order; stops when FN returns other than 0, and returns that. -1: the
 * process has gone (ESRCH), or a hole with SPAN_ERROR, as target_read.
 */
NODISCARD int span_read(struct span *s, int (*fn)(uint64_t addr, const unsigned char *bytes, size_t n, void *arg),
                        void *arg);

enum { SPAN_CELL = 64 };

/**
 * The same in cells of WIDTH bytes, counted from the beginning. A cell at the edge of a hole or at the end may
 * have fewer: where it begins and how many there are is said. WIDTH is at most SPAN_CELL.
 */
NODISCARD int span_cut(struct span *s, size_t width,
                       int (*fn)(uint64_t addr, const unsigned char *bytes, size_t n, void *arg), void *arg);

/**
 * Appends the string at ADDR, without its zero byte, and at most LIMIT bytes of it. 1: a hole is its end;
 * with SPAN_ERROR that is -1, and RET has what stands before it. -1 with E2BIG: there is no zero byte within LIMIT.
 */
NODISCARD int span_string(struct target *t, uint64_t addr, enum span_holes holes, size_t limit, struct buf *ret);

#endif
