// SPDX-License-Identifier: MIT
#include "tracer_late.h"

#include "err.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum { LATE_MAX = 256 };

// Written with SIGCHLD blocked, or by its handler.
static struct {
    pid_t pid, tid; // tid 0: free
} late[LATE_MAX];

// A thread that executes a program becomes the first of its process and has that number from then on, without a
// word to us (ptrace(2), execve under ptrace). Whether the first one is ours shows in that we may interrupt it.
static pid_t renamed(pid_t pid, pid_t tid)
{
    return tid != pid && ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0 ? pid : 0;
}

// Returns its number, 0 when it is let go.
static pid_t let_go(pid_t pid, pid_t tid)
{
    for (;;) {
        int status;
        pid_t done = waitpid(tid, &status, WNOHANG | __WALL);
        if (done == 0 || (done < 0 && errno == EINTR))
            return tid;
        if (done < 0) {
            if (!(tid = renamed(pid, tid)))
                return 0;
            continue;
        }
        if (!WIFSTOPPED(status))
            return 0;
        // With an event the signal is none that could be delivered.
        if (ptrace(PTRACE_DETACH, tid, 0, status >> 16 ? 0 : WSTOPSIG(status)) == 0)
            return 0;
        // Killed in that stop: its end is still to be reaped.
    }
}

void late_look(void)
{
    for (size_t i = 0; i < LATE_MAX; i++)
        if (late[i].tid)
            late[i].tid = let_go(late[i].pid, late[i].tid);
}

static bool installed; // the handler of SIGCHLD: not before a thread was left

static void on_child(int sig)
{
    (void)sig;
    int saved = errno;
    late_look();
    errno = saved;
}

static sigset_t block(void)
{
    sigset_t child, old;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child, &old);
    return old;
}

static void unblock(const sigset_t *old)
{
    (void)sigprocmask(SIG_SETMASK, old, NULL);
}

int late_ready(size_t more)
{
    for (size_t i = 0; i < LATE_MAX; i++)
        if (!late[i].tid && more-- == 0)
            return 0;
    return err_set(ETIMEDOUT, "%d threads have not stopped yet: no more are tried", LATE_MAX);
}

// Not before there is one: a handler that runs at each stop costs more than the stop.
static void install(void)
{
    struct sigaction act = {.sa_handler = on_child, .sa_flags = SA_RESTART};
    sigemptyset(&act.sa_mask);
    if (!installed)
        (void)sigaction(SIGCHLD, &act, NULL);
    installed = true;
}

void late_leave(pid_t pid, pid_t tid)
{
    install();
    const sigset_t old = block();
    for (size_t i = 0; i < LATE_MAX; i++)
        if (!late[i].tid) {
            late[i].pid = pid;
            late[i].tid = tid;
            break;
        }
    late_look(); // what came before it stood in the list
    unblock(&old);
}

bool late_take(pid_t tid)
{
    bool found = false;
    if (!installed)
        return false;
    const sigset_t old = block();
    for (size_t i = 0; i < LATE_MAX; i++)
        if (late[i].tid == tid) {
            found = true;
            late[i].tid = 0;
        }
    unblock(&old);
    return found;
}
