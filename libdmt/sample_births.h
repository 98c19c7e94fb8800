// SPDX-License-Identifier: MIT
//
// Private to sample: who was born since the take before, without a list of all that live.
//
// The kernel counts births ("processes" in /proc/stat), and gives numbers in ascending order: the last one is in
// /proc/loadavg (proc(5)). Where both grew by the same, each that was born has one of the numbers in between. They do not
// where the numbers began again from the lowest, where a number was chosen (clone3(2), set_tid), where a fork failed, or
// where births in other PID namespaces are counted and take no number here: then it may be any number.
#ifndef DMT_SAMPLE_BIRTHS_H
#define DMT_SAMPLE_BIRTHS_H

#include "sample.h"

/** Fills S->born. */
void births_look(struct sample *s);

/** Whether PID may be the number of one that was born. */
bool births_may_have(const struct sample *s, pid_t pid);

#endif
