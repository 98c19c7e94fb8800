// SPDX-License-Identifier: MIT
#include "ident.h"

#include "err.h"
#include "num.h"
#include "pidfd.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#define tids_wanted "after the slash stand thread ids: TID,TID-TID (at most %d)"

static int parse_tids(const char *text, size_t n, struct ident *id)
{
    for (const char *at = text, *end = text + n;; at++) {
        const char *stop = memchr(at, ',', (size_t)(end - at));
        stop = stop ? stop : end;
        const char *dash = memchr(at, '-', (size_t)(stop - at));
        uint64_t first, last;
        if (num_uint(at, (size_t)((dash ? dash : stop) - at), INT32_MAX, &first) < 0)
            return -1;
        last = first;
        if (dash && num_uint(dash + 1, (size_t)(stop - dash - 1), INT32_MAX, &last) < 0)
            return -1;
        if (first == 0 || last < first || id->ntids == IDENT_TIDS)
            return -1;
        id->tids[id->ntids++] = (struct tid_range){(pid_t)first, (pid_t)last};
        at = stop;
        if (at == end)
            return 0;
    }
}

int ident_parse_tids(const char *text, struct ident *ret)
{
    if (parse_tids(text, strlen(text), ret) == 0)
        return 0;
    return err_set(EINVAL, tids_wanted, IDENT_TIDS);
}

int ident_parse(const char *text, size_t n, struct ident *ret)
{
    struct ident id = {.by = IDENT_PID};
    const char *slash = memchr(text, '/', n);
    size_t head = slash ? (size_t)(slash - text) : n, digits = 0;
    uint64_t pid;
    while (digits < head && text[digits] >= '0' && text[digits] <= '9')
        digits++;
    if (head == 4 && memcmp(text, "self", 4) == 0) {
        id.pid = getpid();
    } else if (digits == 0) {
        return err_set(EINVAL, "not a PID; try dmt-find");
    } else if (num_uint(text, digits, INT32_MAX, &pid) < 0) {
        return err_set(EINVAL, "not a PID: %s", err_text());
    } else {
        id.pid = (pid_t)pid;
        char mark = digits < head ? text[digits] : '\0';
        id.by = mark == ':' ? IDENT_INODE : mark == '@' ? IDENT_START : IDENT_PID;
        if (mark && (id.by == IDENT_PID || num_uint(text + digits + 1, head - digits - 1, UINT64_MAX, &id.value) < 0 ||
                     (id.by == IDENT_INODE && id.value == 0)))
            return err_set(EINVAL, "not a PID, PID:INODE or PID@START");
    }
    if (slash && parse_tids(slash + 1, n - head - 1, &id) < 0)
        return err_set(EINVAL, tids_wanted, IDENT_TIDS);
    *ret = id;
    return 0;
}

static int check_inode(const struct ident *id, int fd)
{
    uint64_t inode;
    if (pidfd_inode(fd, &inode) < 0)
        return -1;
    return inode == id->value ? 0 : err_set(ESRCH, "the process is gone, its number is another's now");
}

static int open_once(const struct procs *ps, const struct ident *id, struct proc *p, int *fd)
{
    int done = proc_open(ps, p, id->pid);
    // Also where nobody wants it: /proc has the numbers of threads too, a pidfd has not.
    if (done == 0)
        done = pidfd_open_process(id->pid, fd);
    if (done == 0 && id->by == IDENT_INODE)
        done = check_inode(id, *fd);
    // Read last: the directory's process was there before and after the pidfd was opened,
    // so both are the same.
    if (done == 0)
        done = proc_load(ps, p, PROC_STAT);
    if (done == 0 && id->by == IDENT_START) {
        if (!(p->have & PROC_STAT))
            return err_set(EACCES, "cannot read its start time to check the handle");
        if (p->stat.start != id->value)
            return err_set(ESRCH, "the process is gone, its number is another's now");
    }
    return done;
}

static bool alive(int pidfd)
{
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    return pidfd >= 0 && poll(&end, 1, 0) == 0;
}

/*
 * Whether /proc hides the process of a pidfd (proc(5), hidepid). While it lives nobody else
 * has its number: a directory that is opened now and has nothing to read is its own.
 */
static bool hidden(const struct procs *ps, struct proc *p, pid_t pid, int pidfd)
{
    // Nor is there anything to read while a thread that executes a program takes the number of the first one: a moment.
    const struct timespec tick = {0, 1000000};
    for (int tries = 0; tries < 50; tries++) {
        bool unreadable = proc_open(ps, p, pid) < 0 || proc_load(ps, p, PROC_STAT) < 0;
        proc_close(p);
        if (!unreadable || !alive(pidfd))
            return false;
        (void)nanosleep(&tick, NULL);
    }
    return true;
}

int ident_open(const struct procs *ps, const struct ident *id, struct proc *p, int *pidfd)
{
    CLEANUP_CLOSE int fd = -1;
    for (;;) {
        if (open_once(ps, id, p, &fd) == 0)
            break;
        proc_close(p);
        if (err_code() != ESRCH || id->by == IDENT_START)
            return -1;
        if ((fd < 0 && pidfd_open_process(id->pid, &fd) < 0) || !alive(fd))
            return err_code() == ESRCH ? -1 : err_set(ESRCH, "no such process");
        if (id->by == IDENT_INODE && check_inode(id, fd) < 0)
            return -1;
        if (hidden(ps, p, id->pid, fd))
            return err_set(EACCES, "the hidepid option of /proc hides it: run as its user or as root");
        // Another process was given the number just now: it is the one that is meant.
        close(fd);
        fd = -1;
    }
    if (pidfd) {
        *pidfd = fd;
        fd = -1;
    }
    return 0;
}

struct chosen {
    const struct ident *id;
    int (*each_thread)(struct proc *p, void *arg);
    int (*each_tid)(pid_t tid, void *arg);
    void *arg;
    bool seen[IDENT_TIDS];
};

// Whether the operand names that thread; it is there.
static bool choose(struct chosen *c, pid_t tid)
{
    bool named = c->id->ntids == 0;
    for (size_t i = 0; i < c->id->ntids; i++)
        if (tid >= c->id->tids[i].first && tid <= c->id->tids[i].last)
            named = c->seen[i] = true;
    return named;
}

static int missed(const struct chosen *c)
{
    for (size_t i = 0; i < c->id->ntids; i++)
        if (!c->seen[i] && c->id->tids[i].first == c->id->tids[i].last)
            return err_set(ESRCH, "no such thread: %d", c->id->tids[i].first);
    return 0;
}

static int thread_if_chosen(struct proc *p, void *arg)
{
    struct chosen *c = arg;
    return choose(c, p->tid) ? c->each_thread(p, c->arg) : 0;
}

int ident_each_thread(const struct procs *ps, const struct ident *id, const struct proc *process, struct proc *p,
                      unsigned needs, int (*fn)(struct proc *p, void *arg), void *arg)
{
    struct chosen c = {.id = id, .each_thread = fn, .arg = arg};
    int stop = proc_each_thread(ps, process, p, needs, thread_if_chosen, &c);
    return stop ? stop : missed(&c);
}

static int tid_if_chosen(pid_t tid, void *arg)
{
    struct chosen *c = arg;
    return choose(c, tid) ? c->each_tid(tid, c->arg) : 0;
}

int ident_each_tid(const struct ident *id, const struct proc *process, int (*fn)(pid_t tid, void *arg), void *arg)
{
    struct chosen c = {.id = id, .each_tid = fn, .arg = arg};
    int stop = proc_each_tid(process, tid_if_chosen, &c);
    return stop ? stop : missed(&c);
}

void ident_handle(struct buf *out, const struct proc *p)
{
    buf_int(out, p->pid);
    if (p->have & PROC_INODE)
        buf_printf(out, ":%llu", (unsigned long long)p->inode);
    else
        buf_printf(out, "@%llu", (unsigned long long)p->stat.start);
    if (p->tid)
        buf_printf(out, "/%d", p->tid);
}
