// SPDX-License-Identifier: MIT
//
// The columns of a process or thread (dmt-ps(1), COLUMNS).
#ifndef DMT_PROCCOL_H
#define DMT_PROCCOL_H

#include "columns.h"
#include "proc.h"

extern const struct col proc_cols[];

/** What the getters of proc_cols take. */
struct proc_row {
    const struct procs *ps;
    const struct proc *p;
    // Texts that are put together from several facts.
    struct buf handle, ns, groups, osrel, host;
};

void proc_row_fini(struct proc_row *row);

/** Makes ROW the row of P, whose needs are read. */
void proc_row_set(struct proc_row *row, const struct procs *ps, const struct proc *p);

#endif
