// SPDX-License-Identifier: MIT
//
// Why the kernel refused: its checks answer with one number for all of them (ptrace(2), "Ptrace access mode
// checking"); people need to know which it was, and the cure.
#ifndef DMT_REFUSAL_H
#define DMT_REFUSAL_H

#include "proc.h"

/**
 * Sets the error of an operation on process or thread PID that failed with EPERM, EACCES or ESRCH: `WHAT: Operation not
 * permitted (REASON: CURE)`, with code EPERM; ESRCH when it is gone. WHAT is a sentence like `cannot attach`. Always -1.
 * The reason is looked for afterwards, in the order of the kernel.
 */
NODISCARD int refusal(const struct procs *ps, pid_t pid, const char *what);

#endif
