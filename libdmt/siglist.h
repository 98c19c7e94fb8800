// SPDX-License-Identifier: MIT
//
// The table of signals (dmt-kill -l).
#ifndef DMT_SIGLIST_H
#define DMT_SIGLIST_H

#include "cmd.h"

/** Shows the signals that the operands of RUN name, or all. A word that is none is reported. */
void siglist_show(struct run *run);

#endif
