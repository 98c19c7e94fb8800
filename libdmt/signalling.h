// SPDX-License-Identifier: MIT
//
// Signals to processes, threads and groups through descriptors, and waiting for their end.
#ifndef DMT_SIGNALLING_H
#define DMT_SIGNALLING_H

#include "ident.h"

/** What is sent. */
struct message {
    int signal;     // 0: only the checks that a signal would meet
    bool has_value; // queued with a value (sigqueue(3))
    int value;
};

/** To the process of a pidfd; to a thread where the pidfd is one's. -1 with ESRCH, EPERM, ... */
NODISCARD int signal_process(int pidfd, const struct message *m);
NODISCARD int signal_thread(int pidfd, const struct message *m);

/**
 * To the process group of the open process P, with PROC_STAT read. Through the pidfd of the
 * group's leader (Linux 6.9); without one, by number, checked just before: a group that has
 * a member keeps its number. -1 with ESRCH, EPERM, ENOTSUP (a value needs the leader's pidfd).
 */
NODISCARD int signal_group(const struct procs *ps, struct proc *p, const struct message *m);

/** A thread of the open PROCESS: its pidfd, proved to be of that thread. -1 with ESRCH, ENOTSUP. */
NODISCARD int thread_pidfd(const struct procs *ps, const struct proc *process, pid_t tid, int *ret);

#endif
