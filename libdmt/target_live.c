// SPDX-License-Identifier: MIT
//
// A live process: identity first, then everything through its directory in /proc. No ptrace call.
#include "err.h"
#include "io.h"
#include "refusal.h"
#include "target_live.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

static void live_close(struct target *t)
{
    struct live *l = live_of(t);
    if (l->mem >= 0)
        close(l->mem);
    if (l->pagemap >= 0)
        close(l->pagemap);
    if (l->mm_dir >= 0)
        close(l->mm_dir);
    close(l->pidfd);
    mounts_fini(&l->mounts);
    maps_fini(&l->looked);
    live_known_fini(l);
    proc_fini(&l->process);
    proc_fini(&l->thread);
    free(l);
}

// --- what belongs to the address space ------------------------------------------------------

static int take_dir(struct proc *p, void *arg)
{
    struct live *l = arg;
    if (!(p->have & PROC_STAT) || p->stat.state == 'Z')
        return 0;
    l->mm_dir = fcntl(p->dir, F_DUPFD_CLOEXEC, 0);
    return l->mm_dir < 0 ? err_sys("cannot open its directory") : 1;
}

/*
 * The directory that has maps and mem. A first thread that ended before the others has none (proc(5)): any other
 * thread's does.
 */
int live_dir(struct live *l)
{
    const struct ident all = {.pid = l->base.pid};
    if (l->process.stat.state != 'Z' || l->process.stat.threads < 2)
        return l->process.dir;
    if (l->mm_dir < 0 && ident_each_thread(l->base.ps, &all, &l->process, &l->thread, PROC_STAT, take_dir, l) < 0)
        return -1;
    return l->mm_dir >= 0 ? l->mm_dir : l->process.dir;
}

// An address space goes before its process does: then there is none, and the pidfd does not say so yet.
static bool gone(struct live *l)
{
    struct pollfd end = {.fd = l->pidfd, .events = POLLIN};
    return poll(&end, 1, 0) != 0 || proc_load(l->base.ps, &l->process, PROC_STAT) < 0 ||
           ((l->process.have & PROC_STAT) && l->process.stat.vsize == 0 && l->process.stat.threads < 2);
}

static int live_maps(struct target *t, bool usage, struct maps *ret)
{
    struct live *l = live_of(t);
    int dir = live_dir(l);
    if (dir < 0)
        return -1;
    int done = usage ? maps_read_usage(dir, ret) : maps_read(dir, ret);
    if (done < 0 && (err_code() == EACCES || err_code() == EPERM))
        return refusal(t->ps, t->pid, "cannot read its mappings");
    if (done == 0)
        live_true_names(l, ret);
    return done;
}

// Without an address space (ESRCH): a kernel thread, a zombie; or it ends, or executes a program. The thread whose
// directory was used may have ended (ENOENT), and its first one: another's is used then. 0: try again.
static int no_memory(struct live *l, const char *what)
{
    struct proc p;
    bool other = l->mm_dir >= 0;
    if (other)
        close(l->mm_dir);
    l->mm_dir = -1;
    proc_init(&p);
    bool known = proc_read(l->base.ps, &p, l->base.pid, PROC_STAT) == 0 && (p.have & PROC_STAT);
    bool lives = known && p.stat.state != 'Z' && p.stat.vsize > 0, ended = known && p.stat.state == 'Z';
    other |= ended && l->process.stat.state != 'Z';
    if (known)
        l->process.stat = p.stat;
    proc_fini(&p);
    if (other)
        return 0;
    return lives ? err_set(ESRCH, "%s: it ends, or executes a program", what) : refusal(l->base.ps, l->base.pid, what);
}

int live_open_mm_file(struct live *l, const char *name, int flags, int *ret)
{
    enum { TRIES = 8 };
    const char *what = flags == O_RDWR ? "cannot write its memory" : "cannot read its memory";
    for (int i = 0; i < TRIES; i++) {
        int dir = live_dir(l);
        if (dir < 0)
            return -1;
        int fd = openat(dir, name, flags | O_CLOEXEC);
        if (fd >= 0) {
            *ret = fd;
            return 0;
        }
        if (errno == EACCES || errno == EPERM)
            return refusal(l->base.ps, l->base.pid, what);
        if (errno != ESRCH && errno != ENOENT)
            return err_sys("cannot open its %s", name);
        if (no_memory(l, what) < 0)
            return -1;
    }
    return err_set(ESRCH, "%s: its threads end one after the other", what);
}

static int live_auxv(struct target *t, struct buf *ret)
{
    CLEANUP_CLOSE int fd = -1;
    if (live_open_mm_file(live_of(t), "auxv", O_RDONLY, &fd) < 0)
        return -1;
    return io_read_file(fd, ret, 4096, NULL);
}

int live_open_mem(struct live *l)
{
    if (l->mem >= 0)
        return 0;
    if (live_open_mm_file(l, "mem", O_RDONLY, &l->mem) < 0)
        return -1;
    const struct mem_segment all = {0, UINT64_MAX, l->mem, 0, UINT64_MAX};
    l->base.mem.n = l->looked.n = 0;
    return mem_add(&l->base.mem, &all);
}

// A descriptor of mem reads 0 bytes once its address space is gone: the process ended or ran another program.
int live_memory_gone(struct live *l)
{
    close(l->mem);
    if (l->pagemap >= 0)
        close(l->pagemap);
    l->mem = l->pagemap = -1;
    l->base.has_maps = false; // the maps themselves may be in a caller's hands
    l->base.auxv.len = 0;
    return err_set(ESRCH, gone(l) ? "no such process" : "it has executed another program");
}

// The mappings by which reading is decided: a copy of its own, since the target's may be in a caller's hands.
int live_look(struct live *l)
{
    const struct mapping *last = NULL; // with a device: neighbours mostly have the same
    maps_fini(&l->looked);
    l->zeros_start = l->zeros_end = 0;
    if (maps_read(live_dir(l), &l->looked) < 0)
        return err_code() == ESRCH ? -1 : refusal(l->base.ps, l->base.pid, "cannot read its memory");
    for (size_t i = 0; i < l->looked.n; i++) {
        struct mapping *m = &l->looked.at[i];
        if (m->major == 0 && m->minor == 0)
            continue;
        m->remote = last && last->major == m->major && last->minor == m->minor
                        ? last->remote
                        : mounts_remote_device(&l->mounts, m->major, m->minor);
        last = m;
    }
    return 0;
}

// How many of the N bytes at ADDR lie in mappings without a gap, and in none of a remote file system.
static int readable(struct live *l, uint64_t addr, size_t n, size_t *ret)
{
    const struct mapping *m = maps_find(&l->looked, addr);
    if (!m && live_look(l) < 0) // it may be new
        return -1;
    if (!m && !(m = maps_find(&l->looked, addr)))
        return err_set(EFAULT, "nothing is mapped at 0x%llx", (unsigned long long)addr);
    uint64_t end = addr;
    for (const struct mapping *stop = l->looked.at + l->looked.n; m < stop && m->start <= end && end - addr < n; m++) {
        if (m->remote && !l->base.options.remote_fs)
            break;
        end = m->end;
    }
    if (end == addr)
        return err_set(EACCES, "cannot read at 0x%llx: a page of a file on a network or FUSE file system, which may "
                               "never come (--remote-fs reads it)", (unsigned long long)addr);
    *ret = end - addr < n ? (size_t)(end - addr) : n;
    return 0;
}

static int live_read(struct target *t, uint64_t addr, void *to, size_t n, size_t *got)
{
    struct live *l = live_of(t);
    if (live_open_mem(l) < 0 || readable(l, addr, n, &n) < 0)
        return -1;
    if (live_untouched(l, addr, n, &n)) {
        memset(to, 0, n);
        *got = n;
        return 0;
    }
    if (mem_read(&t->mem, addr, to, n, got) == 0)
        return 0;
    return err_code() == ESRCH ? live_memory_gone(l) : -1;
}

// Whether the page at ADDR of M lies behind the end of its file; then so do all that follow.
static bool behind_file(struct live *l, const struct mapping *m, uint64_t addr)
{
    CLEANUP_CLOSE int fd = -1;
    struct stat st;
    return live_open_mapped(l, &l->looked, m, &fd) == 0 && fstat(fd, &st) == 0 &&
           m->offset + (addr - m->start) >= (uint64_t)st.st_size;
}

static uint64_t live_hole(struct target *t, uint64_t addr)
{
    struct live *l = live_of(t);
    const uint64_t page = (uint64_t)t->ps->page, next = addr - addr % page + page;
    const struct mapping *m = maps_next(&l->looked, addr);
    if (!m || addr < m->start)
        return m ? m->start : 0;
    if (m->remote && !t->options.remote_fs)
        return m->end;
    if (m->inode == 0)
        return live_next_present(l, next, m->end);
    return behind_file(l, m, next - page) ? m->end : next;
}

// --- threads ------------------------------------------------------------------------------------

static int live_each_thread(struct target *t, int (*fn)(pid_t tid, void *arg), void *arg)
{
    return ident_each_tid(&t->id, &live_of(t)->process, fn, arg);
}

static const struct target_kind live_kind = {
    .name = "live process",
    .close = live_close,
    .maps = live_maps,
    .each_thread = live_each_thread,
    .read = live_read,
    .hole = live_hole,
    .write = live_write,
    .stop = live_stop,
    .regs = live_regs,
    .edit_regs = live_edit_regs,
    .stack = live_stack,
    .stacks = live_stacks,
    .unmoved = live_unmoved,
    .auxv = live_auxv,
    .open_file = live_open_file,
    .open_path = live_open_path,
    .open_jitmap = live_open_jitmap,
    .own_path = live_own_path,
};

int target_live_open(const struct procs *ps, const struct operand *operand, struct target **ret)
{
    struct live *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(ENOMEM, "out of memory");
    l->base.kind = &live_kind;
    l->base.pid = operand->id.pid;
    l->spin = TRACER_SPIN;
    l->mem = l->pagemap = l->mm_dir = l->pidfd = -1;
    proc_init(&l->process);
    proc_init(&l->thread);
    if (ident_open(ps, &operand->id, &l->process, &l->pidfd) < 0) {
        proc_fini(&l->process);
        free(l);
        return -1;
    }
    mounts_init(&l->mounts, ps->fd, l->process.dir);
    *ret = &l->base;
    return 0;
}
