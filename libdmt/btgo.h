// SPDX-License-Identifier: MIT
//
// The goroutines of a target, as rows of dmt-bt. Those that wait are read from its memory, without a stop; of one that
// runs the thread is held while its stack is copied.
#ifndef DMT_BTGO_H
#define DMT_BTGO_H

#include "btcol.h"
#include "cmd.h"

struct btgo_options {
    bool no_stop;          // those that run have no frames then
    unsigned needs;        // BTCOL_
    size_t max;            // frames of a goroutine
};

/**
 * Other than 0: standard output is gone. A goroutine whose stack is not all there makes the status 1, and the first one
 * is said as OPERAND's. -1 with ENOENT: it is no Go program, or of a version that is not known.
 */
NODISCARD int btgo_put(struct run *run, const char *operand, struct target *t, const struct btgo_options *options);

#endif
