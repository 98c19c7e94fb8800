// SPDX-License-Identifier: MIT
//
// Processes and threads that were signalled and whose end is awaited.
#ifndef DMT_VICTIMS_H
#define DMT_VICTIMS_H

#include "proc.h"

struct victim {
    char text[64];    // the target as it was named
    pid_t pid, tid;   // tid 0: the whole process
    bool named;       // the name is known
    char name[COMM_MAX];
    size_t name_len;
    int pidfd;        // -1: none, it was named by number (a process group)
};

struct victims {
    struct victim *at;
    size_t n, cap;
};

void victims_fini(struct victims *v); // closes their pidfds

/** Fills pid and name from an open process with PROC_STAT read. */
void victim_name(struct victim *v, const struct proc *p);

/** Adds V, whose pidfd is the list's from now on. -1: it stays the caller's. */
NODISCARD int victims_add(struct victims *list, const struct victim *v);

/** Adds every member of process group GROUP, each proved by its own pidfd, named TEXT. */
NODISCARD int victims_add_group(struct victims *list, const struct procs *ps, pid_t group, const char *text);

/** Moves all of FROM to the end of LIST. -1: those that did not fit stay. */
NODISCARD int victims_move(struct victims *list, struct victims *from);

/**
 * Takes those that have ended off the list, calling ENDED for each, until none is left or MS
 * milliseconds are over (-1: no limit). A zombie has ended.
 */
NODISCARD int victims_wait(struct victims *list, int64_t ms, void (*ended)(const struct victim *v, void *arg),
                           void *arg);

#endif
