// SPDX-License-Identifier: MIT
//
// A descriptor that names a process for ever: a reused pid is never meant by it.
#ifndef DMT_PIDFD_H
#define DMT_PIDFD_H

#include "dmt.h"

#include <sys/types.h>

/** pidfd_open(2). -1 with ESRCH. */
NODISCARD int pidfd_open_process(pid_t pid, int *ret);

/** The same for one thread (Linux 6.9). -1 with ESRCH, ENOTSUP. */
NODISCARD int pidfd_open_thread(pid_t tid, int *ret);

/** The inode number of a pidfd, which no other process of this boot has (pidfs, Linux 6.9). -1 with ENOTSUP. */
NODISCARD int pidfd_inode(int pidfd, uint64_t *ret);

#endif
