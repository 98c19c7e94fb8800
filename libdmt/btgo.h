// SPDX-License-Identifier: MIT
//
// The goroutines of a target, as rows of dmt-bt. Those that wait are read from its memory, without a stop; of one that
// runs the thread is held while its stack is copied.
#ifndef DMT_BTGO_H
#define DMT_BTGO_H

#include "btcol.h"

struct btgo_options {
    bool no_stop;          // those that run have no frames then
    bool lines;            // file and line too
    size_t max;            // frames of a goroutine
};

/**
 * Calls FN for each frame of each goroutine, and for a goroutine without frames; the row is valid in the call, and FN
 * may set its build-id. Stops when FN returns other than 0, and returns that. -1 with ENOENT: it is no Go program, or
 * of a version that is not known.
 */
NODISCARD int btgo_each(struct target *t, const struct btgo_options *options,
                        int (*fn)(struct bt_row *row, void *arg), void *arg);

/** Whether the frames of the row's goroutine are not all there, and not because no more were asked for. */
bool btgo_is_part(const struct goroutine *g, size_t max);

#endif
