// SPDX-License-Identifier: MIT
//
// CLOCK_MONOTONIC in nanoseconds.
#ifndef DMT_CLOCK_H
#define DMT_CLOCK_H

#include "dmt.h"

uint64_t clock_now(void);

/** Until then; a signal whose handler returns does not end it. */
void clock_sleep_until(uint64_t when);

#endif
