// SPDX-License-Identifier: MIT
//
// ptrace(2) verbs for a thread: seized, interrupted, read, released. Never PTRACE_ATTACH, never
// PTRACE_O_EXITKILL. Every stop that may come instead of ours is handled: group-stops stay, signals are
// delivered, an exit or an exec in the middle is ESRCH. A thread that stops or dies after we stopped waiting
// for it is let go at that moment, whatever we do then: from a handler of SIGCHLD, installed when there is the first
// such thread (tracer_late.c), so calls like poll(2) may give EINTR. While a thread is seized SIGALRM and its timer are
// ours, and SIGCHLD while one is waited for. A tracee that is our own child too may be reaped with that.
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
 * Seizes and stops the thread TID of process PID, whose directory in /proc DIR is, within MAX_STOP nanoseconds: no
 * thread of another process that was given the number meanwhile. -1: ESRCH it is gone; EPERM not allowed, the sentence says
 * which check failed (YAMA, other user, not dumpable, traced by PID, it traces us, kernel thread, zombie) and the
 * cure; ETIMEDOUT it did not stop in time (it sleeps in the kernel, or is frozen): it goes on, and is held no more.
 */
NODISCARD int tracer_stop(pid_t pid, int dir, pid_t tid, uint64_t max_stop, struct tracee *ret);

/** A thread that is seized, and to be stopped. */
struct stopping {
    pid_t pid, tid;
    int dir;
    uint64_t since, end;   // when it was told, and until when we wait: nanoseconds of CLOCK_MONOTONIC
    uint64_t max_stop;
    int code, status;      // once tracer_await has returned it
};

/** The steps that follow are taken between these two, which may be nested: until the end SIGALRM is ours. */
void tracer_begin(void);
void tracer_end(void);

/**
 * tracer_stop in steps, for threads that have to wait for a processor before they can stop: those wait together.
 * tracer_seize seizes a thread, which goes on, with the errors of tracer_stop (ETIMEDOUT soon, while others are seized:
 * it may do when they are finished); tracer_interrupt, soon after, tells it to stop (-1, ESRCH: it is not ours any
 * more); tracer_await returns which of N such threads has stopped, has ended, or did not stop in time: it looks for SPIN
 * nanoseconds, and ASLEEP until one has, else N when none has; tracer_finish, to be called for that one, has the
 * result of tracer_stop.
 */
NODISCARD int tracer_seize(pid_t pid, int dir, pid_t tid, uint64_t max_stop, struct stopping *ret);
NODISCARD int tracer_interrupt(struct stopping *s);
size_t tracer_await(struct stopping *s, size_t n, uint64_t spin, bool asleep);
NODISCARD int tracer_finish(const struct stopping *s, struct tracee *ret);
enum { TRACER_SPIN = 50000 }; // nanoseconds within which a thread stops that has not to wait for a processor

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
