// SPDX-License-Identifier: MIT
//
// Private to proc: one reader for each proc_need, in the order in which they are read.
#ifndef DMT_PROC_SOURCE_H
#define DMT_PROC_SOURCE_H

#include "proc.h"

struct proc_source {
    unsigned need;
    bool always; // every process has the file: without it there is no process
    /** Fills its part of P. -1: not to be had; errno is ESRCH or ENOENT when P is gone. */
    int (*read)(const struct procs *ps, struct proc *p);
};

extern const struct proc_source proc_sources[];
extern const size_t proc_nsources;

int proc_read_stat(const struct procs *ps, struct proc *p);

#endif
