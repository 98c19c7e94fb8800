// SPDX-License-Identifier: MIT
//
// The columns of what a process or thread did (dmt-stat(1), COLUMNS).
#ifndef DMT_TASKCOL_H
#define DMT_TASKCOL_H

#include "columns.h"
#include "sample.h"

extern const struct col task_cols[];

/** What the getters of task_cols take. */
struct task_row {
    int64_t when; // hundredths of seconds since the epoch
    const struct task *t;
    uint64_t memory; // bytes of the machine
};

#endif
