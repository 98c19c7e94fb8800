// SPDX-License-Identifier: MIT
//
// The columns of the machine (dmt-stat(1), COLUMNS).
#ifndef DMT_STATCOL_H
#define DMT_STATCOL_H

#include "columns.h"
#include "sysstat.h"

extern const struct col stat_cols[];

/** What the getters of stat_cols take. */
struct stat_row {
    int64_t when; // hundredths of seconds since the epoch
    const char *resource;
    struct sysstat_row r;
};

#endif
