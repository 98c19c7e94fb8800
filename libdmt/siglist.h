// SPDX-License-Identifier: MIT
//
// The table of signals (dmt-kill -l).
#ifndef DMT_SIGLIST_H
#define DMT_SIGLIST_H

#include "cmd.h"

extern const struct col siglist_cols[];

/** Whether the operands of RUN are signals. -1 with EINVAL: the first that is none. */
NODISCARD int siglist_check(const struct run *run);

/** Adds a row of siglist_cols for each signal that the operands of RUN name, or for all. */
void siglist_show(struct run *run);

#endif
