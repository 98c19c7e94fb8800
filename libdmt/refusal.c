// SPDX-License-Identifier: MIT
#include "refusal.h"

#include "err.h"
#include "io.h"
#include "user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SYS_PTRACE = 19 }; // CAP_SYS_PTRACE (capabilities(7))

// A set of capabilities of a status file: `CapPrm:\t0000003fffffffff`.
static uint64_t capabilities(const struct buf *status, const char *key)
{
    uint64_t set = 0;
    const char *line = memmem(status->data, status->len, key, strlen(key));
    const char *at = line ? line + strlen(key) : NULL, *end = status->data + status->len;
    for (; at && at < end && *at != '\n'; at++)
        set = set << 4 | (uint64_t)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
    return set;
}

// 0: YAMA is not there, or lets its children and all of a user trace each other.
static int ptrace_scope(const struct procs *ps)
{
    char text[8];
    CLEANUP_CLOSE int fd = openat(ps->fd, "sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && io_read(fd, text, sizeof text) > 0 && text[0] >= '0' && text[0] <= '3' ? text[0] - '0' : 0;
}

// Whether we are in a user namespace of less than all users (user_namespaces(7)): root has no rights outside of it.
static bool confined(const struct procs *ps)
{
    char text[128] = "";
    CLEANUP_CLOSE int fd = openat(ps->fd, "self/uid_map", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : io_read(fd, text, sizeof text - 1);
    unsigned first = 1, outside = 1, count = 0;
    text[n > 0 ? n : 0] = '\0';
    return sscanf(text, "%u %u %u", &first, &outside, &count) != 3 || first || outside || count != UINT32_MAX;
}

// Its files in /proc belong to root where it is not dumpable, whoever it runs as (proc_pid(5)).
static bool dumpable(const struct proc *p)
{
    struct stat st;
    return fstatat(p->dir, "status", &st, 0) < 0 || st.st_uid == p->euid;
}

static void refuse_traced(const struct procs *ps, pid_t tracer, char *why, size_t size)
{
    struct proc t;
    proc_init(&t);
    bool named = proc_read(ps, &t, tracer, PROC_STAT) == 0 && (t.have & PROC_STAT);
    (void)snprintf(why, size, "process %d%s%s%s traces it already", tracer, named ? " (" : "",
                   named ? t.stat.comm : "", named ? ")" : "");
    proc_fini(&t);
}

static void reason(const struct procs *ps, const struct proc *p, const struct proc *self, char *why, size_t size)
{
    const struct proc_status *st = &p->status;
    uid_t uid = geteuid();
    gid_t gid = getegid();
    bool powerful = capabilities(&self->status_text, "\nCapEff:\t") >> SYS_PTRACE & 1;
    int scope = ptrace_scope(ps);
    if (!powerful && (st->uid[0] != uid || st->uid[1] != uid || st->uid[2] != uid))
        (void)snprintf(why, size, "it runs as %s: run as that user or as root",
                       user_name(st->uid[1] != uid ? st->uid[1] : st->uid[0] != uid ? st->uid[0] : st->uid[2]));
    else if (!powerful && (st->gid[0] != gid || st->gid[1] != gid || st->gid[2] != gid))
        (void)snprintf(why, size, "it runs with another group than we: run as root");
    else if (!powerful && !dumpable(p))
        (void)snprintf(why, size, "it is not dumpable, as after a change of user or by prctl: run as root");
    else if (!powerful && (capabilities(&p->status_text, "\nCapPrm:\t") &
                           ~capabilities(&self->status_text, "\nCapPrm:\t")))
        (void)snprintf(why, size, "it has capabilities that we lack: run as root");
    else if (scope == 3)
        (void)snprintf(why, size, "ptrace_scope is 3: nobody can until the next boot");
    else if (!powerful && scope > 0)
        (void)snprintf(why, size, "ptrace_scope is %d: run as root, or set kernel.yama.ptrace_scope to 0", scope);
    else if (st->tracer)
        refuse_traced(ps, st->tracer, why, size);
    else if (powerful && confined(ps))
        (void)snprintf(why, size, "our rights end with our user namespace: run as root outside of it");
    else
        (void)snprintf(why, size, "a security module of the kernel or a filter of system calls");
}

static int set(const struct procs *ps, struct proc *p, struct proc *self, pid_t pid, const char *what)
{
    char why[256];
    if (proc_read(ps, self, getpid(), PROC_STATUS) < 0 || proc_open(ps, p, pid) < 0 ||
        proc_load(ps, p, PROC_OWNER | PROC_STAT | PROC_STATUS) < 0)
        return -1;
    if (!(p->have & PROC_STAT) || !(p->have & PROC_STATUS))
        return err_set(EPERM, "%s: Operation not permitted", what);
    bool kernels = memmem(p->status_text.data, p->status_text.len, "\nKthread:\t1\n", 12); // Linux 6.10
    if (p->stat.state == 'Z' && p->stat.threads > 1)
        (void)snprintf(why, sizeof why, "its first thread has ended, others go on: name one of them, PID/TID");
    else if (p->stat.state == 'Z')
        (void)snprintf(why, sizeof why, "it is a zombie: it has ended, and process %d has not asked for its status yet",
                       p->stat.ppid);
    else if (kernels || (p->stat.vsize == 0 && p->stat.pgid == 0))
        (void)snprintf(why, sizeof why, "it is a kernel thread");
    else if (p->stat.vsize == 0)
        (void)snprintf(why, sizeof why, "it is ending");
    else
        reason(ps, p, self, why, sizeof why);
    return err_set(EPERM, "%s: Operation not permitted (%s)", what, why);
}

int refusal(const struct procs *ps, pid_t pid, const char *what)
{
    struct proc p, self;
    proc_init(&p);
    proc_init(&self);
    int done = set(ps, &p, &self, pid, what);
    proc_fini(&p);
    proc_fini(&self);
    return done;
}
