// SPDX-License-Identifier: MIT
//
// ptrace(2) verbs for one thread at a time: seized, interrupted, read, released. Never PTRACE_ATTACH, never
// PTRACE_O_EXITKILL. Every stop that may come instead of ours is handled: group-stops stay, signals are
// delivered, an exit or an exec in the middle is ESRCH. A thread that stops or dies after we stopped waiting
// for it is let go at that moment, whatever we do then: from a handler of SIGCHLD, installed when there is the first
// such thread (tracer_late.c), so calls like poll(2) may give EINTR. While tracer_stop waits it has SIGALRM, its timer
// and SIGCHLD. A tracee that is our own child too may be reaped with that.
#ifndef DMT_TRACER_H
#define DMT_TRACER_H

#include "reg.h"

#include <sys/types.h>

/** A thread that we hold stopped. */
struct tracee {
    pid_t pid, tid;
    int signal;            // to be delivered at its release; 0: none
    bool group_stop;       // it was stopped before us, and stays so
    uint64_t since;        // when it was told to stop: nanoseconds of CLOCK_MONOTONIC
};

/**
 * Seizes and stops a thread within MAX_STOP nanoseconds. -1: ESRCH it is gone; EPERM not allowed, the sentence says
 * which check failed (YAMA, other user, not dumpable, traced by PID, it traces us, kernel thread, zombie) and the
 * cure; ETIMEDOUT it did not stop in time (it sleeps in the kernel, or is frozen): it goes on, and is held no more.
 */
NODISCARD int tracer_stop(pid_t pid, pid_t tid, uint64_t max_stop, struct tracee *ret);

/** Lets it go on as it was. A thread that died meanwhile is no error. */
void tracer_release(struct tracee *t);

/**
 * The sets of a stopped thread, into room that regs_reserve has made. -1 with ESRCH; ENOTSUP a 32-bit thread. A set
 * that the machine lacks is left out.
 */
NODISCARD int tracer_regs(const struct tracee *t, unsigned sets, struct regs *ret);

/** Writes N bytes of its memory, read-only pages too. -1 with ESRCH, EIO: those before may be written. */
NODISCARD int tracer_write(const struct tracee *t, uint64_t addr, const void *from, size_t n);

/** Writes sets; fp and vector not both (reg_join). -1 with ESRCH, EPERM a value that the kernel refuses. */
NODISCARD int tracer_set_regs(const struct tracee *t, unsigned sets, const struct regs *r);

#endif
