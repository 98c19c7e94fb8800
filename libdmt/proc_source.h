// SPDX-License-Identifier: MIT
//
// Private to proc: one reader for each proc_need.
#ifndef DMT_PROC_SOURCE_H
#define DMT_PROC_SOURCE_H

#include "proc.h"

struct proc_source {
    bool always; // every process has the file: without it there is no process
    /** Fills its part of P. -1: not to be had; errno is ESRCH or ENOENT when P is gone. */
    int (*read)(const struct procs *ps, struct proc *p);
};

extern const struct proc_source proc_sources[]; // the reader of 1 << I is number I

enum { PROC_TEXT_MAX = 1 << 20 }; // bytes of a file that the kernel writes

/** Opens a file of the process, through its directory or, where that is not open, by path. -1: errno. */
int proc_file(const struct procs *ps, struct proc *p, const char *name, int flags);

/** One read of a short file: its length, or -1. */
ssize_t proc_short(const struct procs *ps, struct proc *p, const char *name, char *to, size_t size);

/** All of a file, at most LIMIT bytes. */
int proc_text(const struct procs *ps, struct proc *p, const char *name, struct buf *to, size_t limit);

int proc_read_stat(const struct procs *ps, struct proc *p);
int proc_read_abi(const struct procs *ps, struct proc *p);
int proc_read_osrel(const struct procs *ps, struct proc *p);

#endif
