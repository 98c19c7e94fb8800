// SPDX-License-Identifier: MIT
#include "stack.h"

#include "err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { STACK_USUAL = 64 << 10 };

void stack_fini(struct stack *s)
{
    regs_fini(&s->regs);
    buf_fini(&s->bytes);
}

int stack_reserve(struct stack *s, size_t window)
{
    struct stack empty = {.regs = s->regs, .bytes = s->bytes};
    *s = empty;
    buf_reset(&s->bytes);
    size_t before = s->bytes.cap;
    char *room = buf_room(&s->bytes, window + (STACK_REGIONS - 1) * (size_t)STACK_WINDOW);
    if (!room)
        return buf_ok(&s->bytes);
    if (s->bytes.cap != before)
        memset(room, 0, STACK_USUAL); // a page that is not there yet would be got while the thread waits
    return regs_reserve(&s->regs, 1u << REGS_GP);
}

static bool is_file(const struct maps *maps, const struct mapping *m)
{
    return m->inode != 0 || (m->name_len > 0 && *maps_name(maps, m) == '/'); // a core knows no inodes
}

// What is mapped behind a stack may be anything: the topmost thread's ends where the libraries begin.
static bool goes_on(const struct maps *maps, const struct mapping *m, const struct mapping *next)
{
    return next->start == m->end && is_file(maps, m) == is_file(maps, next) && m->inode == next->inode &&
           m->major == next->major && m->minor == next->minor;
}

// [*FROM, *END) of the mappings around SP, as far as they are one piece of readable memory.
static bool around(const struct maps *maps, uint64_t sp, size_t window, uint64_t *from, uint64_t *end)
{
    const struct mapping *m = maps_find(maps, sp), *stop = maps->at + maps->n;
    const unsigned can = MAP_READ | MAP_UNSAID;
    if (!m || m->remote || !(m->perms & can))
        return false;
    *from = sp - m->start > STACK_RED_ZONE ? sp - STACK_RED_ZONE : m->start;
    *from &= ~(uint64_t)7;
    *end = m->end;
    while (++m < stop && goes_on(maps, m - 1, m) && *end - sp < window && (m->perms & can) && !m->remote)
        *end = m->end;
    return true;
}

/*
 * The C library puts a thread's control block above its stack, in the same mapping; what was mapped above that, a heap
 * for instance, the kernel has made one mapping with it. Only a guess: what is cut is looked for behind it if need be.
 */
static uint64_t likely_end(const struct stack *s, uint64_t sp, uint64_t end)
{
    const uint64_t tp = reg_thread_pointer(&s->regs) & ~(uint64_t)7;
    return tp > sp && tp < end ? tp : end;
}

static bool has_addr(const struct stack *s, uint64_t addr)
{
    for (size_t i = 0; i < s->nregions; i++)
        if (addr >= s->regions[i].base && addr - s->regions[i].base < s->regions[i].size)
            return true;
    return false;
}

static int copy_region(struct stack *s, const struct maps *maps, uint64_t sp, size_t window, stack_read_fn *read,
                       void *arg)
{
    uint64_t from, end;
    size_t got = 0;
    if (!around(maps, sp, window, &from, &end))
        return err_set(ENOENT, "its stack pointer 0x%" PRIx64 " is in no mapping that can be read", sp);
    const uint64_t likely = window > STACK_WINDOW ? end : likely_end(s, sp, end);
    size_t n = likely - from < window ? (size_t)(likely - from) : window, left = s->bytes.cap - s->bytes.len;
    if (n > left)
        n = left;
    if (read(arg, from, s->bytes.data + s->bytes.len, n, &got) < 0)
        return -1;
    got &= ~(size_t)7;
    s->regions[s->nregions++] = (struct stack_region){from, s->bytes.len, got, got == n && n < end - from};
    s->bytes.len += got;
    return 0;
}

static bool is_code(const struct maps *maps, uint64_t addr)
{
    const struct mapping *m = maps_find(maps, addr);
    return m && (m->perms & (MAP_EXEC | MAP_UNSAID));
}

/*
 * A signal frame on an alternate stack tells that it is one: the stack that its struct ucontext says was set up for
 * handlers (uc_stack, the same place on all machines) is the one that it lies in, and what was interrupted is code with
 * a stack elsewhere. What only looks like one costs a copy that nobody reads.
 */
static bool is_interrupted(const struct stack *s, const struct maps *maps, uint64_t at, const char *frame, uint64_t *sp)
{
    enum { SS_SP = 16, SS_SIZE = 32, SIZE_MAX_SEEN = 1 << 30 };
    uint64_t start, length, pc;
    memcpy(&start, frame + SS_SP, sizeof start);
    memcpy(&length, frame + SS_SIZE, sizeof length);
    if (length > SIZE_MAX_SEEN || at - start >= length)
        return false;
    memcpy(sp, frame + reg_dwarf[reg_dwarf_sp].context, sizeof *sp);
    memcpy(&pc, frame + reg_dwarf[reg_dwarf_pc].context, sizeof pc);
    return *sp - start >= length && (*sp & 7) == 0 && !has_addr(s, *sp) && is_code(maps, pc);
}

static bool copy_interrupted(struct stack *s, const struct maps *maps, stack_read_fn *read, void *arg)
{
    const size_t size = reg_dwarf[reg_dwarf_pc].context + sizeof(uint64_t);
    const struct stack_region *r = &s->regions[s->nregions - 1];
    uint64_t sp;
    for (size_t at = 0; at + size <= r->size; at += 8)
        if (is_interrupted(s, maps, r->base + at, s->bytes.data + r->at + at, &sp) &&
            copy_region(s, maps, sp, STACK_WINDOW, read, arg) == 0)
            return true;
    return false;
}

int stack_copy(struct stack *s, const struct maps *maps, const struct stack_want *want, stack_read_fn *read, void *arg)
{
    s->nregions = 0;
    s->bytes.len = 0;
    if (copy_region(s, maps, reg_sp(&s->regs), want->window, read, arg) < 0)
        return -1;
    if (want->find_user)
        want->find_user(s, want->arg);
    if (s->user.high && !has_addr(s, s->user.sp))
        (void)!copy_region(s, maps, s->user.sp, STACK_WINDOW, read, arg);
    while (s->nregions < STACK_REGIONS && copy_interrupted(s, maps, read, arg))
        ;
    return 0;
}

int stack_parse_syscall(const char *text, struct stack *ret, uint64_t *sp, uint64_t *pc)
{
    int64_t call;
    uint64_t args[6] = {0};
    int used = 0;
    if (strncmp(text, "running", 7) == 0)
        return err_set(EBUSY, "it runs: without stopping it, its stack is not known");
    if (sscanf(text, "%" SCNd64 "%n", &call, &used) != 1)
        return err_set(EPROTO, "cannot understand its syscall file");
    text += used;
    for (size_t i = 0; call >= 0 && i < 6; i++, text += used)
        if (sscanf(text, " 0x%" SCNx64 "%n", &args[i], &used) != 1)
            return err_set(EPROTO, "cannot understand its syscall file");
    if (sscanf(text, " 0x%" SCNx64 " 0x%" SCNx64, sp, pc) != 2)
        return err_set(EPROTO, "cannot understand its syscall file");
    ret->has_call = call >= 0;
    ret->call = call;
    memcpy(ret->args, args, sizeof args);
    return 0;
}
