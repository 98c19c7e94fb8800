// SPDX-License-Identifier: MIT
#include "proc.h"

#include "err.h"
#include "io.h"
#include "num.h"
#include "proc_source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

int procs_open(struct procs *ps)
{
    int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys("cannot open /proc");
    if (faccessat(fd, "self/stat", F_OK, 0) < 0) {
        close(fd);
        return err_set(ENOTSUP, "no processes in /proc: it is not mounted (mount -t proc proc /proc)");
    }
    struct timespec real;
    (void)clock_gettime(CLOCK_REALTIME, &real);
    *ps = (struct procs){fd, sysconf(_SC_PAGESIZE), sysconf(_SC_CLK_TCK),
                         real.tv_sec * 1000000000LL + real.tv_nsec - (int64_t)proc_now()};
    return 0;
}

void procs_close(struct procs *ps)
{
    close(ps->fd);
}

uint64_t proc_now(void)
{
    struct timespec boot;
    (void)clock_gettime(CLOCK_BOOTTIME, &boot);
    return (uint64_t)boot.tv_sec * 1000000000ULL + (uint64_t)boot.tv_nsec;
}

static struct buf *const *texts(struct proc *p, struct buf *list[10])
{
    struct buf *all[] = {&p->comm, &p->status_text, &p->cmdline, &p->args, &p->cgroup,
                         &p->wchan, &p->exe, &p->cwd, &p->root, &p->tty};
    memcpy(list, all, sizeof all);
    return list;
}

void proc_init(struct proc *p)
{
    *p = (struct proc){.dir = -1};
}

void proc_fini(struct proc *p)
{
    struct buf *list[10];
    proc_close(p);
    for (size_t i = 0; i < ARRAY_LEN(list); i++)
        buf_fini(texts(p, list)[i]);
}

static int open_directory(struct proc *p, int at, const char *name, const char *what)
{
    proc_close(p);
    int dir = openat(at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 && (errno == ENOENT || errno == ESRCH))
        return err_set(ESRCH, "no such %s", what);
    if (dir < 0)
        return err_sys("cannot open /proc/%s", name);
    p->dir = p->open.fd[p->open.n++] = dir;
    p->have = 0;
    return 0;
}

int proc_open(const struct procs *ps, struct proc *p, pid_t pid)
{
    char name[NUM_DIGITS + 1];
    name[num_text(name, (uint64_t)pid)] = '\0';
    p->pid = pid;
    p->tid = 0;
    return open_directory(p, ps->fd, name, "process");
}

int proc_open_thread(const struct proc *process, struct proc *p, pid_t tid)
{
    char name[32];
    (void)snprintf(name, sizeof name, "task/%d", tid);
    p->pid = process->pid;
    p->tid = tid;
    return open_directory(p, process->dir, name, "thread");
}

// Descriptors are handed out lowest first, so those of one process are mostly neighbours:
// one call closes them all.
static void close_from(struct proc *p, unsigned first)
{
    const int *fds = p->open.fd + first;
    unsigned n = p->open.n - first;
    int low = INT32_MAX, high = -1;
    p->open.n = first;
    if (n == 1)
        close(*fds);
    if (n <= 1)
        return;
    for (unsigned i = 0; i < n; i++) {
        low = fds[i] < low ? fds[i] : low;
        high = fds[i] > high ? fds[i] : high;
    }
    bool neighbours = (unsigned)(high - low) + 1 == n;
    if (neighbours && syscall(SYS_close_range, (unsigned)low, (unsigned)high, 0U) == 0)
        return;
    for (unsigned i = 0; i < n; i++)
        close(fds[i]);
}

void proc_close(struct proc *p)
{
    close_from(p, 0);
    p->dir = -1;
}

// The program may change between two files (execve): what was read before and after is
// of two programs then. The name or the stack's place tells.
static bool same_program(const struct proc_stat *a, const struct proc_stat *b)
{
    return a->start_stack == b->start_stack && a->comm_len == b->comm_len &&
           memcmp(a->comm, b->comm, a->comm_len) == 0;
}

static int load_once(const struct procs *ps, struct proc *p, unsigned needs)
{
    p->have = 0;
    p->stat = (struct proc_stat){0};
    close_from(p, p->dir >= 0); // of an earlier try
    for (unsigned left = needs; left; left &= left - 1) {
        const struct proc_source *source = &proc_sources[__builtin_ctz(left)];
        errno = 0;
        if (source->read(ps, p) == 0)
            p->have |= left & -left;
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) // ours to solve: no value would be a lie
            return err_sys("cannot read its files");
        else if (source->always && (errno == ESRCH || errno == ENOENT))
            return err_set(ESRCH, "no such process");
    }
    return 0;
}

int proc_load(const struct procs *ps, struct proc *p, unsigned needs)
{
    enum { TRIES = 4 };
    const unsigned of_program = PROC_CMDLINE | PROC_EXE | PROC_CWD | PROC_ROOT | PROC_STATUS | PROC_ABI | PROC_OSREL;
    bool several = (needs & (needs - 1)) != 0, tears = several && (needs & of_program);
    if (tears || (needs & (PROC_OWNER | PROC_INODE)))
        needs |= PROC_STAT; // read after those two, it shows that the process still was there
    for (int i = 0; i < TRIES; i++) {
        if (load_once(ps, p, needs) < 0)
            return -1;
        if (!tears || !(p->have & PROC_STAT))
            return 0;
        struct proc_stat first = p->stat;
        errno = 0;
        if (proc_read_stat(ps, p) < 0)
            return errno == ENOENT || errno == ESRCH ? err_set(ESRCH, "no such process") : 0;
        if (same_program(&first, &p->stat))
            return 0;
    }
    return 0; // it runs program after program: the last look is as true as any
}

int proc_read(const struct procs *ps, struct proc *p, pid_t pid, unsigned needs)
{
    if (needs == 0) { // listed is enough
        proc_close(p);
        p->pid = pid;
        p->tid = 0;
        p->have = 0;
        return 0;
    }
    bool single = (needs & (needs - 1)) == 0 && (needs & (PROC_STAT | PROC_STATM | PROC_COMM | PROC_CMDLINE));
    int done;
    if (single) {
        proc_close(p);
        p->pid = pid;
        p->tid = 0;
        done = load_once(ps, p, needs);
    } else {
        done = proc_open(ps, p, pid);
        if (done == 0)
            done = proc_load(ps, p, needs);
    }
    proc_close(p);
    return done;
}

// --- lists ---------------------------------------------------------------------

// A small part at a time: what the kernel touched to list a process is still in the processor's
// caches when the process is read.
struct list {
    int fd;
    size_t at, len;
    alignas(struct dirent64) char part[4096];
};

static void close_list(struct list *l)
{
    if (l->fd >= 0)
        close(l->fd);
}
#define CLEANUP_LIST CLEANUP(close_list)

// The next numeric name of a directory; 0 at its end.
static pid_t next_id(struct list *l)
{
    for (;;) {
        if (l->at == l->len) {
            ssize_t n = getdents64(l->fd, l->part, sizeof l->part);
            if (n <= 0)
                return 0;
            l->at = 0;
            l->len = (size_t)n;
        }
        const struct dirent64 *e = (const void *)(l->part + l->at);
        l->at += e->d_reclen;
        uint64_t id;
        if (e->d_name[0] >= '0' && e->d_name[0] <= '9' &&
            num_uint(e->d_name, strlen(e->d_name), INT32_MAX, &id) == 0)
            return (pid_t)id;
    }
}

int proc_each(const struct procs *ps, struct proc *p, unsigned needs, int (*fn)(struct proc *p, void *arg),
              void *arg)
{
    CLEANUP_LIST struct list list;
    list.at = list.len = 0;
    list.fd = openat(ps->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (list.fd < 0)
        return err_sys("cannot list /proc");
    for (pid_t pid; (pid = next_id(&list)) > 0;) {
        int stop = proc_read(ps, p, pid, needs);
        if (stop < 0 && err_code() == ESRCH)
            continue;
        if (stop == 0)
            stop = fn(p, arg);
        if (stop)
            return stop;
    }
    return 0;
}

int proc_each_tid(const struct proc *process, int (*fn)(pid_t tid, void *arg), void *arg)
{
    CLEANUP_LIST struct list list;
    list.at = list.len = 0;
    list.fd = openat(process->dir, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (list.fd < 0)
        return errno == EACCES || errno == EPERM ? err_sys("cannot list its threads")
                                                 : err_set(ESRCH, "no such process");
    int stop = 0;
    for (pid_t tid; stop == 0 && (tid = next_id(&list)) > 0;)
        stop = fn(tid, arg);
    return stop;
}

struct visit {
    const struct procs *ps;
    const struct proc *process;
    struct proc *p;
    unsigned needs;
    int (*fn)(struct proc *p, void *arg);
    void *arg;
};

static int visit_thread(pid_t tid, void *arg)
{
    const struct visit *v = arg;
    int stop = proc_open_thread(v->process, v->p, tid);
    if (stop == 0)
        stop = proc_load(v->ps, v->p, v->needs);
    if (stop < 0 && err_code() == ESRCH)
        return 0;
    if (stop == 0)
        stop = v->fn(v->p, v->arg);
    proc_close(v->p);
    return stop;
}

int proc_each_thread(const struct procs *ps, const struct proc *process, struct proc *p, unsigned needs,
                     int (*fn)(struct proc *p, void *arg), void *arg)
{
    struct visit v = {ps, process, p, needs, fn, arg};
    return proc_each_tid(process, visit_thread, &v);
}
