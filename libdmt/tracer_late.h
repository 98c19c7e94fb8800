// SPDX-License-Identifier: MIT
//
// Private to tracer: threads that are seized and running, or dying. ptrace(2) has no request that takes back a
// PTRACE_INTERRUPT or detaches a running tracee; our end would (the kernel's __ptrace_unlink clears the request),
// but we may live on for long, and blocked in a write at that.
#ifndef DMT_TRACER_LATE_H
#define DMT_TRACER_LATE_H

#include "dmt.h"

#include <sys/types.h>

/** -1 with ETIMEDOUT: there is no room to leave so many more, and one. */
NODISCARD int late_ready(size_t more);

/** From now on it is detached as soon as it stops, and reaped as soon as it dies. */
void late_leave(pid_t pid, pid_t tid);

/** Whether it was left and is still seized; it is not left any more then. */
bool late_take(pid_t tid);

/** What the handler of SIGCHLD does, for whoever has SIGCHLD blocked. */
void late_look(void);

#endif
