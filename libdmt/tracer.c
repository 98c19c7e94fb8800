// SPDX-License-Identifier: MIT
#include "tracer.h"

#include "clock.h"
#include "err.h"
#include "io.h"
#include "procfile.h"
#include "refusal.h"
#include "tracer_late.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

// --- what /proc says ---------------------------------------------------------------------------

struct task {
    bool ended;               // or about to: it cannot be stopped any more
    bool zombie;              // the whole process: its parent has to take notice
    uint64_t tracer;          // its thread, 0: none
    char state;
};

// The thread TID, 0: ourselves.
static int read_task(pid_t tid, struct task *ret)
{
    char path[64];
    (void)snprintf(path, sizeof path, tid ? "/proc/%d/status" : "/proc/thread-self/status", tid);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP_BUF struct buf text = {0};
    if (fd < 0 || io_read_file(fd, &text, 1 << 16, NULL) < 0)
        return err_set(ESRCH, "no such thread");
    const char *all = buf_cstr(&text), *state = strstr(all, "\nState:\t");
    uint64_t tgid, threads, size;
    if (!state || procfile_field(all, text.len, "TracerPid", &ret->tracer) < 0 ||
        procfile_field(all, text.len, "Tgid", &tgid) < 0 || procfile_field(all, text.len, "Threads", &threads) < 0)
        return err_set(EPROTO, "cannot understand %s", path);
    bool memory = procfile_field(all, text.len, "VmSize", &size) == 0;
    bool kernels = strstr(all, "\nNSpgid:\t0\n"); // threads of the kernel have no memory either
    ret->state = state[8];
    ret->zombie = ret->state == 'Z' && (pid_t)tgid == tid && threads <= 1;
    ret->ended = !ret->zombie && (ret->state == 'Z' || ret->state == 'X' || (!memory && !kernels));
    return 0;
}

static bool is_thread_of(pid_t pid, pid_t tid)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d", pid, tid);
    return access(path, F_OK) == 0;
}

// The same, of the process whose directory in /proc DIR is.
static bool has_thread(int dir, pid_t tid)
{
    char path[32];
    (void)snprintf(path, sizeof path, "task/%d", tid);
    return faccessat(dir, path, F_OK, 0) == 0;
}

// Whoever traces us, or traces who traces us, cannot be stopped by us: each would wait for the other for ever, and
// neither could be killed. That nobody traces us holds for a millisecond: to ask takes as long as a stop.
static bool traces_us(pid_t pid)
{
    enum { HOLDS = 1000000 };
    static uint64_t untraced;
    struct task task = {0};
    pid_t tid = 0;
    if (clock_now() - untraced < HOLDS)
        return false;
    for (unsigned depth = 0; depth < 64 && read_task(tid, &task) == 0 && task.tracer; depth++) {
        tid = (pid_t)task.tracer;
        if (is_thread_of(pid, tid))
            return true;
    }
    if (tid == 0)
        untraced = clock_now();
    return false;
}

static int refused(pid_t tid)
{
    static const char what[] = "cannot stop it";
    struct task task;
    struct procs ps;
    if (read_task(tid, &task) < 0)
        return -1;
    if (task.ended)
        return err_set(ESRCH, "that thread has ended");
    if (is_thread_of(getpid(), tid))
        return err_set(EPERM, "%s: it is this very process", what);
    if (procs_open(&ps) < 0)
        return -1;
    int done = refusal(&ps, tid, what);
    procs_close(&ps);
    return done;
}

// --- the deadline ------------------------------------------------------------------------------

static sigjmp_buf out;
static volatile sig_atomic_t may_jump;

static struct {
    unsigned depth;
    struct sigaction action;
    sigset_t mask;
} before;                  // what was set up before ours

static void on_alarm(int sig)
{
    (void)sig;
    if (may_jump)
        siglongjmp(out, 1);
}

void tracer_begin(void)
{
    struct sigaction act = {.sa_handler = on_alarm, .sa_flags = SA_NODEFER};
    sigset_t alarm;
    if (before.depth++ > 0)
        return;
    sigemptyset(&act.sa_mask);
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    (void)sigaction(SIGALRM, &act, &before.action);
    (void)sigprocmask(SIG_UNBLOCK, &alarm, &before.mask);
}

void tracer_end(void)
{
    int saved = errno;
    if (--before.depth > 0)
        return;
    (void)sigprocmask(SIG_SETMASK, &before.mask, NULL);
    (void)sigaction(SIGALRM, &before.action, NULL);
    errno = saved;
}

// After NS there is a signal every 10 ms: one that comes just before PTRACE_SEIZE would not end it.
static void alarm_start(uint64_t ns, struct itimerval *old)
{
    uint64_t us = ns / 1000 + 1;
    const struct itimerval until = {{0, 10000}, {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)}};
    (void)setitimer(ITIMER_REAL, &until, old);
}

static void alarm_stop(const struct itimerval *old)
{
    int saved = errno;
    (void)setitimer(ITIMER_REAL, old, NULL);
    errno = saved;
}

// --- stop and release --------------------------------------------------------------------------

/*
 * PTRACE_SEIZE waits while the process executes a program, and that for as long as whoever serves the program's
 * file, or traces a thread of the process, likes. The wait cannot be ended by a handler that returns (the kernel's
 * ERESTARTNOINTR), so ours does not. 0, or an errno; ETIMEDOUT when it may be seized or not.
 */
static int seize(pid_t tid)
{
    if (sigsetjmp(out, 0))
        return ETIMEDOUT;
    may_jump = 1;
    int code = ptrace(PTRACE_SEIZE, tid, 0, 0) < 0 ? errno : 0;
    may_jump = 0;
    return code;
}

/*
 * EAGAIN: since Linux 6.19 a process that executes a program refuses a tracer that might have to wait. EPERM passes
 * by where another tracer has just let go, and where the number has changed hands: a PTRACE_SEIZE that had to wait
 * while a thread executed a program is about the first thread of before, which has ended. Then the new one has just
 * begun, so the next try comes at once.
 */
static int seize_by(pid_t tid, uint64_t end)
{
    const struct timespec tick = {0, 1000000};
    struct task task;
    for (unsigned tries = 1;; tries++) {
        int code = seize(tid);
        may_jump = 0;
        if (code == EPERM && (read_task(tid, &task) < 0 || task.ended))
            return ESRCH;
        if (code != EAGAIN && (code != EPERM || task.tracer || task.zombie || tries >= 20))
            return code;
        if (clock_now() >= end)
            return ETIMEDOUT;
        if (code == EAGAIN)
            (void)nanosleep(&tick, NULL);
    }
}

enum { NOT_OURS = -1 };

static bool has_news(struct stopping *s, uint64_t now)
{
    pid_t done = waitpid(s->tid, &s->status, __WALL | WNOHANG);
    if (done == 0 && now < s->end)
        return false;
    s->code = done == 0 ? ETIMEDOUT : done < 0 ? NOT_OURS : WIFSTOPPED(s->status) ? 0 : ESRCH;
    return true;
}

// Which of those has something to say. One call for all (waitid, P_ALL) takes longer than one for each of ten.
static size_t look(struct stopping *s, size_t n)
{
    const uint64_t now = clock_now();
    size_t i = 0;
    while (i < n && !has_news(&s[i], now))
        i++;
    return i;
}

// With SIGCHLD blocked since before the last look. Whoever may tell us does not always: when a thread executes a program
// it takes the number of the first one, whose end is told to nobody. So each is asked from time to time, first after a
// millisecond.
static size_t await_asleep(struct stopping *s, size_t n, const sigset_t *child)
{
    enum { LONGEST = 8000000 };
    struct timespec tick = {0, 1000000};
    size_t i = n;
    while (i == n) {
        siginfo_t info;
        bool told = sigtimedwait(child, &info, &tick) > 0;
        if (!told && tick.tv_nsec < LONGEST)
            tick.tv_nsec *= 2;
        late_look();
        for (i = 0; told && i < n && s[i].tid != info.si_pid;)
            i++;
        if (!told || i == n || !has_news(&s[i], clock_now()))
            i = look(s, n);
    }
    return i;
}

/*
 * A thread that sleeps stops within some microseconds, mostly on another processor. If ours went to sleep meanwhile it
 * would have to be woken from there, and that one for the next thread: the thread would be held five times as long.
 */
size_t tracer_await(struct stopping *s, size_t n, uint64_t spin, bool asleep)
{
    const uint64_t end = clock_now() + spin;
    sigset_t child, old;
    size_t i;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    // Not for longer: in PTRACE_SEIZE we may wait for the end of a thread that was left.
    if (asleep)
        (void)sigprocmask(SIG_BLOCK, &child, &old);
    while ((i = look(s, n)) == n && clock_now() < end)
        ;
    if (asleep && i == n)
        i = await_asleep(s, n, &child);
    if (asleep)
        (void)sigprocmask(SIG_SETMASK, &old, NULL);
    return i;
}

static bool interrupt(struct stopping *s)
{
    s->since = clock_now();
    return ptrace(PTRACE_INTERRUPT, s->tid, 0, 0) == 0;
}

static int timed_out(const struct stopping *s)
{
    struct task task;
    if (!has_thread(s->dir, s->tid) || read_task(s->tid, &task) < 0 || task.ended || task.zombie)
        return err_set(ESRCH, "that thread has ended");
    return err_set(ETIMEDOUT, "did not stop within %llu ms: it sleeps in the kernel, or is frozen (state %c)",
                   (unsigned long long)(s->max_stop / 1000000), task.state);
}

// OURS: it is seized, or was.
static int not_stopped(const struct stopping *s, int code, bool ours)
{
    if (ours)
        late_leave(s->pid, s->tid);
    if (code == EPERM)
        return refused(s->tid);
    if (code == ETIMEDOUT)
        return timed_out(s);
    if (code == ESRCH || code == NOT_OURS)
        return err_set(ESRCH, "no such thread");
    errno = code;
    return err_sys("cannot stop it");
}

static size_t begun; // threads that may have to be left
enum { HURRY = 1000000 };

int tracer_seize(pid_t pid, int dir, pid_t tid, uint64_t max_stop, struct stopping *ret)
{
    if (traces_us(pid))
        return err_set(EPERM, "cannot stop it: it traces this command, and each would wait for the other");
    if (late_ready(begun) < 0)
        return -1;
    int code = 0;
    // A process that executes a program waits for the end of threads that we may hold, and PTRACE_SEIZE for it.
    const uint64_t start = clock_now(), patience = begun > 0 && max_stop > HURRY ? HURRY : max_stop;
    *ret = (struct stopping){.pid = pid, .tid = tid, .dir = dir, .max_stop = max_stop, .end = start + max_stop};
    bool seized = late_take(tid);
    if (!seized) {
        struct itimerval old;
        alarm_start(patience, &old);
        code = seize_by(tid, start + patience);
        alarm_stop(&old);
        seized = code == 0;
    }
    // Seized, its number is its own until we reap it: now it can be compared, and it still runs.
    if (seized && !has_thread(dir, tid))
        code = ESRCH;
    if (code != 0) {
        if (code == ETIMEDOUT || seized)
            seized |= interrupt(ret);
        return not_stopped(ret, code, seized);
    }
    begun++;
    return 0;
}

int tracer_interrupt(struct stopping *s)
{
    if (interrupt(s))
        return 0;
    begun--;
    return not_stopped(s, NOT_OURS, true); // to be reaped, or renamed
}

int tracer_finish(const struct stopping *s, struct tracee *ret)
{
    begun--;
    if (s->code != 0)
        return not_stopped(s, s->code, true);
    // An event is our interrupt (SIGTRAP) or a group-stop; without one a signal is about to be delivered.
    int event = s->status >> 16, sig = WSTOPSIG(s->status);
    *ret = (struct tracee){s->pid, s->tid, event ? 0 : sig, event && sig != SIGTRAP, s->since};
    return 0;
}

int tracer_stop(pid_t pid, int dir, pid_t tid, uint64_t max_stop, struct tracee *ret)
{
    struct stopping s;
    tracer_begin();
    int done = tracer_seize(pid, dir, tid, max_stop, &s);
    if (done == 0)
        done = tracer_interrupt(&s);
    if (done == 0) {
        (void)tracer_await(&s, 1, TRACER_SPIN, true);
        done = tracer_finish(&s, ret);
    }
    tracer_end();
    return done;
}

void tracer_release(struct tracee *t)
{
    if (t->tid && ptrace(PTRACE_DETACH, t->tid, 0, t->signal) < 0)
        late_leave(t->pid, t->tid); // it was killed: reaped when it is dead
    t->tid = 0;
}
