// SPDX-License-Identifier: MIT
//
// An ELF core as a target: what its index points to. Nothing can be written, and nobody is stopped.
#include "err.h"
#include "target_core.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static void core_close(struct target *t)
{
    struct core *c = core_of(t);
    core_close_files(c);
    core_index_fini(&c->index);
    close(c->fd);
    free(c);
}

static int core_maps(struct target *t, bool usage, struct maps *ret)
{
    (void)usage; // no core knows it
    return core_index_maps(&core_of(t)->index, ret);
}

static int core_auxv(struct target *t, struct buf *ret)
{
    const struct buf *auxv = &core_of(t)->index.auxv;
    buf_add(ret, auxv->data, auxv->len);
    return buf_ok(ret);
}

static int core_each_thread(struct target *t, int (*fn)(pid_t tid, void *arg), void *arg)
{
    const struct core_index *c = &core_of(t)->index;
    for (size_t i = 0; i < c->nthreads; i++) {
        const pid_t tid = c->threads[i].tid;
        bool meant = t->id.ntids == 0;
        for (size_t k = 0; k < t->id.ntids; k++)
            meant |= tid >= t->id.tids[k].first && tid <= t->id.tids[k].last;
        int stop = meant ? fn(tid, arg) : 0;
        if (stop)
            return stop;
    }
    for (size_t k = 0; k < t->id.ntids; k++)
        if (t->id.tids[k].first == t->id.tids[k].last && !core_find_thread(c, t->id.tids[k].first))
            return err_set(ESRCH, "no such thread in the core: %d", t->id.tids[k].first);
    return 0;
}

int core_regs(struct target *t, pid_t tid, unsigned sets, struct regs *ret)
{
    struct core *c = core_of(t);
    const struct core_thread *thread = core_find_thread(&c->index, tid);
    if (!thread)
        return err_set(ESRCH, "no such thread in the core: %d", tid);
    const struct core_bytes at[REG_SETS] = {
        [REGS_GP] = thread->gp,
        [REGS_FP] = thread->fp,
        [REGS_VECTOR] = thread->xstate.n ? thread->xstate : thread->fp,
    };
    ret->have = 0;
    for (enum reg_set set = 0; set < REG_SETS; set++) {
        if (!(sets & 1u << set) || at[set].n == 0)
            continue;
        size_t got;
        buf_reset(&ret->set[set]);
        char *to = buf_room(&ret->set[set], at[set].n);
        if (!to)
            return buf_ok(&ret->set[set]);
        if (objfile_read_fd(&c->fd, at[set].at, to, at[set].n, &got) < 0 || got < at[set].n)
            return err_set(EIO, "the core file is cut off where the registers of %d are", tid);
        ret->set[set].len = got;
        ret->have |= 1u << set;
    }
    for (enum reg_set set = 0; set < REG_SETS && !ret->have; set++)
        if (sets & 1u << set)
            return err_set(ENOTSUP, "the core has no %s registers", reg_set_names[set]);
    return 0;
}

static int core_read(struct target *t, uint64_t addr, void *to, size_t n, size_t *got)
{
    size_t done = 0;
    while (done < n) {
        size_t part = 0;
        int read = mem_read(&t->mem, addr + done, (char *)to + done, n - done, &part);
        if (read < 0 && err_code() == EFAULT)
            read = core_read_file(core_of(t), addr + done, (char *)to + done, n - done, &part);
        if (read < 0 && err_code() == ESRCH)
            (void)err_set(EIO, "the core file was cut off while it was read");
        if (read < 0 || part == 0)
            break;
        done += part;
    }
    *got = done;
    return done > 0 ? 0 : -1;
}

// What was not dumped stays so, and a file that is refused is refused whole: up to where a segment or file begins or ends.
static uint64_t core_hole(struct target *t, uint64_t addr)
{
    const struct core_index *c = &core_of(t)->index;
    const struct core_load *l = core_next_load(c, addr);
    size_t low = 0, high = c->nfiles; // the first that ends behind ADDR
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->files[middle].end > addr)
            high = middle;
        else
            low = middle + 1;
    }
    const struct core_file *f = low < c->nfiles ? &c->files[low] : NULL;
    uint64_t load = l ? l->start > addr ? l->start : l->end : 0, file = f ? f->start > addr ? f->start : f->end : 0;
    return load && (!file || load < file) ? load : file;
}

static int read_stack(void *core, uint64_t addr, void *to, size_t n, size_t *got)
{
    return core_read(core, addr, to, n, got);
}

static int core_stack(struct target *t, pid_t tid, const struct stack_want *want, struct stack *ret)
{
    const struct maps *maps;
    if (target_maps(t, &maps) < 0 || core_regs(t, tid, 1u << REGS_GP, &ret->regs) < 0)
        return -1;
    ret->has_call = reg_syscall(&ret->regs, &ret->call, ret->args);
    return stack_copy(ret, maps, want, read_stack, t);
}

static const struct target_kind core_kind = {
    .name = "core file",
    .is_core = true,
    .close = core_close,
    .maps = core_maps,
    .each_thread = core_each_thread,
    .read = core_read,
    .hole = core_hole,
    .regs = core_regs,
    .stack = core_stack,
    .auxv = core_auxv,
    .open_file = core_open_file,
    .open_path = core_open_path,
};

static int add_memory(struct core *c, uint64_t size)
{
    for (size_t i = 0; i < c->index.nloads; i++) {
        const struct core_load *l = &c->index.loads[i];
        uint64_t left = l->offset < size ? size - l->offset : 0, n = l->filesz < left ? l->filesz : left;
        const struct mem_segment s = {l->start, n, c->fd, l->offset, n};
        if (mem_add(&c->base.mem, &s) < 0)
            return -1;
    }
    return 0;
}

int target_core_open(const struct procs *ps, const struct operand *operand, struct target **ret)
{
    (void)ps;
    struct objfile o;
    struct stat st;
    // A FIFO does not wait; a device that does something when it is opened was named by the user.
    int fd = open(operand->file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return err_sys("cannot open it");
    struct core *c = calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return err_set(ENOMEM, "out of memory");
    }
    c->base.kind = &core_kind;
    c->fd = fd;
    c->procfs = c->procself = -1;
    int done = fstat(fd, &st) < 0 ? err_sys("cannot look at it") : 0;
    if (done == 0 && !S_ISREG(st.st_mode))
        done = err_set(ENOEXEC, "not a regular file, and so no core");
    if (done == 0)
        done = objfile_open(objfile_read_fd, &c->fd, &o);
    if (done == 0)
        done = core_index_read(&o, &c->index);
    if (done == 0)
        done = add_memory(c, (uint64_t)st.st_size);
    if (done < 0) {
        mem_fini(&c->base.mem);
        core_close(&c->base);
        return -1;
    }
    c->base.pid = c->index.pid;
    *ret = &c->base;
    return 0;
}
