// SPDX-License-Identifier: MIT
#include "signalling.h"

#include "err.h"
#include "pidfd.h"
#include "sig.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

// <linux/pidfd.h>, Linux 6.9
enum { TO_THREAD = 1, TO_PROCESS_GROUP = 4 };

static int send(int pidfd, const struct message *m, unsigned flags)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = m->signal;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = m->value;
    if (syscall(SYS_pidfd_send_signal, pidfd, m->signal, m->has_value ? &info : NULL, flags) == 0)
        return 0;
    if (errno == ESRCH)
        return err_set(ESRCH, "no such process");
    if (errno == EINVAL && flags)
        return err_set(ENOTSUP, "this needs Linux 6.9 or newer");
    return err_sys("cannot send %s", sig_name(m->signal).text);
}

int signal_process(int pidfd, const struct message *m)
{
    return send(pidfd, m, 0);
}

int signal_thread(int pidfd, const struct message *m)
{
    return send(pidfd, m, TO_THREAD);
}

int signal_group(const struct procs *ps, struct proc *p, const struct message *m)
{
    CLEANUP_CLOSE int leader = -1;
    pid_t group = p->stat.pgid;
    if (group <= 0)
        return err_set(ENOTSUP, "its process group cannot be seen from here");
    int have = pidfd_open_process(group, &leader);
    // While P is in the group no other process can be given the group's number: what was
    // opened above is the leader if P is in the group still.
    if (proc_load(ps, p, PROC_STAT) < 0)
        return -1;
    if (p->stat.pgid != group)
        return err_set(ESRCH, "it has left process group %d", group);
    if (have == 0) {
        int done = send(leader, m, TO_PROCESS_GROUP);
        if (done == 0 || err_code() != ENOTSUP)
            return done;
    }
    if (m->has_value)
        return err_set(ENOTSUP, "a value to a group needs its leader alive and Linux 6.9 or newer");
    if (kill(-group, m->signal) == 0)
        return 0;
    return errno == ESRCH ? err_set(ESRCH, "no such process")
                          : err_sys("cannot send %s to process group %d", sig_name(m->signal).text, group);
}

int thread_pidfd(const struct procs *ps, const struct proc *process, pid_t tid, int *ret)
{
    CLEANUP_CLOSE int fd = -1;
    struct proc thread;
    proc_init(&thread);
    int done = proc_open_thread(process, &thread, tid);
    if (done == 0)
        done = pidfd_open_thread(tid, &fd);
    if (done == 0)
        done = proc_load(ps, &thread, PROC_STAT); // still there: the pidfd is this thread's
    proc_fini(&thread);
    if (done == 0) {
        *ret = fd;
        fd = -1;
    }
    return done;
}
