// SPDX-License-Identifier: MIT
#include "target.h"

#include "err.h"
#include "target_impl.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

int target_open(const struct procs *ps, const struct operand *operand, const struct target_options *options,
                struct target **ret)
{
    struct target *t;
    int done = operand->file ? target_core_open(ps, operand, &t) : target_live_open(ps, operand, &t);
    if (done < 0)
        return -1;
    t->ps = ps;
    t->id = operand->id;
    t->options = *options;
    *ret = t;
    return 0;
}

void target_close(struct target *t)
{
    mem_fini(&t->mem);
    maps_fini(&t->maps);
    buf_fini(&t->auxv);
    t->kind->close(t); // frees T too
}

bool target_is_core(const struct target *t)
{
    return t->kind->is_core;
}

pid_t target_pid(const struct target *t)
{
    return t->pid;
}

static int not_possible(const struct target *t)
{
    return err_set(ENOTSUP, "not possible on a %s", t->kind->name);
}

static int read_maps(struct target *t, bool usage, const struct maps **ret)
{
    struct maps maps = {0};
    if (t->kind->maps(t, usage, &maps) < 0) {
        maps_fini(&maps);
        return -1;
    }
    maps_fini(&t->maps);
    t->maps = maps;
    t->has_maps = true;
    *ret = &t->maps;
    return 0;
}

int target_maps(struct target *t, const struct maps **ret)
{
    if (!t->has_maps)
        return read_maps(t, false, ret);
    *ret = &t->maps;
    return 0;
}

int target_maps_again(struct target *t, const struct maps **ret)
{
    return read_maps(t, false, ret);
}

int target_maps_usage(struct target *t, const struct maps **ret)
{
    return read_maps(t, true, ret);
}

int target_each_thread(struct target *t, int (*fn)(pid_t tid, void *arg), void *arg)
{
    return t->kind->each_thread(t, fn, arg);
}

int target_read(struct target *t, uint64_t addr, void *to, size_t n, size_t *got)
{
    *got = 0;
    if (n == 0)
        return 0;
    if (n - 1 > UINT64_MAX - addr)
        n = (size_t)(UINT64_MAX - addr) + 1;
    return t->kind->read(t, addr, to, n, got);
}

uint64_t target_hole(struct target *t, uint64_t addr)
{
    return t->kind->hole(t, addr);
}

int target_write(struct target *t, uint64_t addr, const void *from, size_t n)
{
    if (!t->kind->write)
        return not_possible(t);
    if (n == 0)
        return 0;
    if (n - 1 > UINT64_MAX - addr)
        return err_set(EFAULT, "nothing is mapped at 0x%llx", (unsigned long long)UINT64_MAX);
    return t->kind->write(t, addr, from, n);
}

int target_stop(struct target *t, pid_t tid, struct tracee *ret)
{
    return t->kind->stop ? t->kind->stop(t, tid, ret) : not_possible(t);
}

int target_regs(struct target *t, pid_t tid, unsigned sets, struct regs *ret)
{
    return t->kind->regs ? t->kind->regs(t, tid, sets, ret) : not_possible(t);
}

int target_edit_regs(struct target *t, pid_t tid, unsigned sets,
                     int (*edit)(struct regs *r, unsigned *changed, void *arg), void *arg)
{
    return t->kind->edit_regs ? t->kind->edit_regs(t, tid, sets, edit, arg) : not_possible(t);
}

int target_stack(struct target *t, pid_t tid, const struct stack_want *want, struct stack *ret)
{
    if (!t->kind->stack)
        return not_possible(t);
    if (stack_reserve(ret, want->window) < 0)
        return -1;
    ret->tid = tid;
    return t->kind->stack(t, tid, want, ret);
}

int target_stacks(struct target *t, const pid_t *tids, size_t n, const struct stack_want *want, struct stack *room,
                  size_t *begun, target_stack_fn *fn, void *arg)
{
    *begun = 0;
    if (t->kind->stacks && !want->no_stop)
        return t->kind->stacks(t, tids, n, want, room, begun, fn, arg);
    for (int enough = 0; *begun < n && enough == 0; ++*begun) {
        const int done = target_stack(t, tids[*begun], want, room);
        enough = fn(*begun, done, room, arg);
        if (enough < 0)
            return -1;
    }
    return 0;
}

bool target_unmoved(struct target *t, pid_t tid)
{
    return t->kind->unmoved && t->kind->unmoved(t, tid);
}

int target_auxv(struct target *t, uint64_t type, uint64_t *ret)
{
    if (t->auxv.len == 0 && t->kind->auxv(t, &t->auxv) < 0)
        return -1;
    // A 64-bit entry has the upper half of its type zero, a 32-bit one has a value there.
    uint64_t type64;
    if (t->auxv.len < 2 * sizeof type64)
        return err_set(ENOENT, "it has no auxiliary vector");
    memcpy(&type64, t->auxv.data, sizeof type64);
    size_t word = type64 > UINT32_MAX ? 4 : 8;
    for (size_t at = 0; t->auxv.len - at >= 2 * word; at += 2 * word) {
        uint64_t key = 0, value = 0;
        memcpy(&key, t->auxv.data + at, word); // little end first: the others are not supported (reg.h)
        memcpy(&value, t->auxv.data + at + word, word);
        if (key == type) {
            *ret = value;
            return 0;
        }
        if (key == AT_NULL)
            break;
    }
    return err_set(ENOENT, "no entry %llu in its auxiliary vector", (unsigned long long)type);
}

int target_open_file(struct target *t, const struct mapping *mapping, int *ret)
{
    return t->kind->open_file(t, mapping, ret);
}

int target_open_jitmap(struct target *t, int *ret)
{
    return t->kind->open_jitmap ? t->kind->open_jitmap(t, ret) : not_possible(t);
}

int target_open_path(struct target *t, const char *path, int *ret)
{
    return t->kind->open_path(t, path, ret);
}

const char *target_own_path(struct target *t, const char *path)
{
    return t->kind->own_path ? t->kind->own_path(t, path) : path;
}
