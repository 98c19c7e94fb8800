// SPDX-License-Identifier: MIT
//
// Stacks counted, for flame graphs: `name;outermost;...;innermost COUNT` a line.
#ifndef DMT_FOLDED_H
#define DMT_FOLDED_H

#include "backtrace.h"

struct folded_stack {
    char name[COMM_MAX + 1]; // of the thread
    size_t name_len;
    size_t first, n;       // its addresses, innermost first
    uint64_t count;
    size_t next;           // of the same bucket, plus 1
};

enum { FOLDED_BUCKETS = 1 << 12 };

struct folded {
    struct folded_stack *stacks;
    size_t n, cap;
    uint64_t *addrs;       // as of frame_lookup
    size_t naddrs, addrs_cap;
    size_t buckets[FOLDED_BUCKETS];
};

void folded_fini(struct folded *f);
#define CLEANUP_FOLDED CLEANUP(folded_fini)

/** Counts the stacks of B that have frames. */
NODISCARD int folded_add(struct folded *f, const struct backtrace *b);

/** Adds the addresses of all stacks to N. */
NODISCARD int folded_names(const struct folded *f, struct frame_names *n);

/** Appends the lines. */
void folded_put(const struct folded *f, const struct frame_names *n, struct buf *out);

#endif
