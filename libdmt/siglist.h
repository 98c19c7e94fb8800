// SPDX-License-Identifier: MIT
//
// The table of signals (dmt-kill -l).
#ifndef DMT_SIGLIST_H
#define DMT_SIGLIST_H

#include "cmd.h"

extern const struct col siglist_cols[];

/**
 * Adds a row of siglist_cols for each signal that the operands of RUN name, or for all. A
 * word that is none is reported.
 */
void siglist_show(struct run *run);

#endif
