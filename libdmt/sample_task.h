// SPDX-License-Identifier: MIT
//
// Private to sample: one process or thread, read from its files.
#ifndef DMT_SAMPLE_TASK_H
#define DMT_SAMPLE_TASK_H

#include "sample.h"

/** Whether CPU clocks of processes are those of the processes in this /proc. */
bool task_has_clock(const struct procs *ps);

/** Whether PID is a process, and not one of its other threads. */
bool task_is_process(pid_t pid);

/** A task of the open directory AT, read for the first time. NULL: with ESRCH, it is gone. */
NODISCARD struct task *task_new(struct sample *s, bool part, const struct proc *at);
void task_free(struct sample *s, struct task *t);

/**
 * Reads T once more, through the directory DIR where a file of it is not open. 1, and nothing is
 * read: that is needed and DIR is -1. -1 with ESRCH: it is gone.
 */
NODISCARD int task_read(struct sample *s, struct task *t, int dir);

/** Whether something of the process T is the sum over its threads. */
bool task_adds_threads(const struct sample *s, const struct task *t);

#endif
