// SPDX-License-Identifier: MIT
//
// Which process a text means (dmt-target(7)): `PID`, `PID:INODE`, `PID@START`, `self`, each
// with `/TID,TID-TID`. A handle that no longer fits its process is refused.
#ifndef DMT_IDENT_H
#define DMT_IDENT_H

#include "proc.h"

enum { IDENT_TIDS = 32 };

struct ident {
    pid_t pid;
    enum { IDENT_PID, IDENT_INODE, IDENT_START } by;
    uint64_t value; // the inode number of its pidfd; its start in clock ticks since boot
    struct tid_range {
        pid_t first, last;
    } tids[IDENT_TIDS];
    size_t ntids; // 0: the whole process
};

/** Pure. -1 with EINVAL and what is wrong with the N bytes of TEXT. */
NODISCARD int ident_parse(const char *text, size_t n, struct ident *ret);

/** The part behind the slash alone: `TID,TID-TID`. Pure. -1 with EINVAL. */
NODISCARD int ident_parse_tids(const char *text, struct ident *ret);

/**
 * Opens the process in P, with PROC_STAT read, and proves that it is the one meant. PIDFD
 * (may be NULL) gets a pidfd of the same process, to be closed by the caller. -1 with
 * ESRCH when it is gone or was replaced, EACCES when /proc hides it: nothing is open then.
 */
NODISCARD int ident_open(const struct procs *ps, const struct ident *id, struct proc *p, int *pidfd);

/**
 * Calls FN for each thread that ID names (all, where it names none) of the open PROCESS,
 * as proc_each_thread. A single TID that does not exist is -1 with ESRCH, after the others.
 */
NODISCARD int ident_each_thread(const struct procs *ps, const struct ident *id, const struct proc *process,
                                struct proc *p, unsigned needs, int (*fn)(struct proc *p, void *arg), void *arg);

/** The same, of their numbers alone (proc_each_tid). */
NODISCARD int ident_each_tid(const struct ident *id, const struct proc *process, int (*fn)(pid_t tid, void *arg),
                             void *arg);

/** Appends the handle of a process whose PROC_STAT, and PROC_INODE where it can be had, are read. */
void ident_handle(struct buf *out, const struct proc *p);

#endif
