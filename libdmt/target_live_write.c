// SPDX-License-Identifier: MIT
//
// Writing the memory of a live process: through /proc/PID/mem while it runs. Where the kernel does not let that file
// write what is read-only, as a debugger does, in a stop of one of its threads.
#include "err.h"
#include "target_live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int write_all(int fd, uint64_t addr, const char *from, size_t n, size_t *done)
{
    for (*done = 0; *done < n;) {
        ssize_t put = pwrite(fd, from + *done, n - *done, (off_t)(addr + *done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put == 0)
            errno = ESRCH; // the address space is gone
        if (put <= 0)
            return -1;
        *done += (size_t)put;
    }
    return 0;
}

struct debug {
    struct target *target;
    uint64_t addr;
    const char *from, *old;
    size_t n;
};

// 1: it is written; all of it, or none.
static int write_stopped(struct proc *p, void *arg)
{
    const struct debug *d = arg;
    struct tracee tracee;
    if (live_stop(d->target, p->tid, &tracee) < 0)
        return 0; // another thread may be easier to stop
    int done = tracer_write(&tracee, d->addr, d->from, d->n);
    if (done < 0) {
        int put_back = tracer_write(&tracee, d->addr, d->old, d->n); // up to where it fails, again
        (void)put_back;
        (void)err_set(EIO, "the kernel lets nobody write there");
    }
    tracer_release(&tracee);
    return done == 0 ? 1 : -1;
}

/*
 * Since Linux 6.12 the kernel may be told not to let /proc/PID/mem write what the process itself may not
 * (CONFIG_PROC_MEM_FORCE_PTRACE, CONFIG_PROC_MEM_NO_FORCE, proc_mem.force_override): that is EIO. PTRACE_POKEDATA may.
 */
static int write_as_debugger(struct live *l, uint64_t addr, const char *from, const char *old, size_t n)
{
    const struct ident all = {.pid = l->base.pid};
    struct debug d = {&l->base, addr, from, old, n};
    int done = ident_each_thread(l->base.ps, &all, &l->process, &l->thread, 0, write_stopped, &d);
    return done == 1 ? 0 : -1;
}

static bool is_shared(struct live *l, uint64_t addr)
{
    const struct mapping *m = maps_find(&l->looked, addr);
    return m && (m->perms & MAP_IS_SHARED);
}

int live_write(struct target *t, uint64_t addr, const void *from, size_t n)
{
    struct live *l = live_of(t);
    CLEANUP_CLOSE int fd = -1;
    CLEANUP_BUF struct buf old = {0};
    if (!buf_room(&old, n))
        return buf_ok(&old);
    // Opened first: what is read then is of the same address space, or reading fails.
    if (live_open_mm_file(l, "mem", O_RDWR, &fd) < 0)
        return -1;
    for (size_t got; old.len < n; old.len += got)
        if (target_read(t, addr + old.len, old.data + old.len, n - old.len, &got) < 0)
            return -1;
    size_t done, undone;
    if (write_all(fd, addr, from, n, &done) == 0)
        return 0;
    int code = errno;
    if (code == ESRCH && l->mem >= 0)
        return live_memory_gone(l);
    bool shared = is_shared(l, addr + done);
    if (code == EIO && !shared &&
        write_as_debugger(l, addr + done, (const char *)from + done, old.data + done, n - done) == 0)
        return 0;
    char why[256];
    (void)snprintf(why, sizeof why, "%s", code != EIO ? strerror(code) : shared ?
                   "shared pages that may not be written change for others too" : err_text());
    const char *rest = write_all(fd, addr, old.data, done, &undone) < 0 ? "; what was written before it stays" : "";
    return err_set(code, "cannot write at 0x%llx: %s%s", (unsigned long long)(addr + done), why, rest);
}
