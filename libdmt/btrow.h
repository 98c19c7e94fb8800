// SPDX-License-Identifier: MIT
//
// The rows of a thread: of each frame one, or one for each function that it is of, or one for each variable.
#ifndef DMT_BTROW_H
#define DMT_BTROW_H

#include "btcol.h"
#include "cmd.h"

struct btrow {
    struct run *run;
    struct target *target;
    const struct backtrace *backtrace;
    const struct frame_names *names, *pointers; // pointers: what variables point to
    unsigned needs;            // BTCOL_
    bool locals;               // a row for each variable
};

/** Other than 0: standard output is gone. What could not be read of variables makes the status 1. */
NODISCARD int btrow_put(const struct btrow *rows, const struct trace *trace);

/** What the variables of all frames point to. Where that cannot be read the rows are as good without. */
NODISCARD int btrow_pointers(struct unwinder *u, const struct backtrace *b, bool raw_names, struct frame_names *ret);

#endif
