// SPDX-License-Identifier: MIT
#include "err.h"
#include "goroutine_impl.h"

#include <errno.h>
#include <string.h>

enum {
    FRAMES = 1024,
    STACK_MAX = 1 << 20, // bytes of one goroutine's stack that are looked at
    STACK_FIRST = 8192,
    TRIES = 3,           // to read a goroutine at one moment
};

int goroutines_open(const struct goroutine_options *options, struct goroutines **ret)
{
    CLEANUP_GOROUTINES struct goroutines *all = calloc(1, sizeof *all);
    if (!all)
        return err_set(ENOMEM, "out of memory");
    all->o = *options;
    if (!all->o.max_frames)
        all->o.max_frames = FRAMES;
    if (goroutine_find(&all->o, &all->list, &all->layout) < 0)
        return -1;
    all->reasons = goroutine_reasons(&all->o);
    *ret = all;
    all = NULL;
    return 0;
}

void goroutines_close(struct goroutines *all)
{
    goroutines_forget(all);
    free(all->stack);
    free(all->again);
    free(all->frames);
    free(all->threads);
    free(all);
}

// --- one goroutine -------------------------------------------------------------

struct copy {
    uint64_t at;
    const unsigned char *bytes;
    size_t n;
};

static int read_copy(void *arg, uint64_t at, void *to, size_t n, size_t *got)
{
    const struct copy *c = arg;
    if (at < c->at || at - c->at >= c->n)
        return err_set(EFAULT, "not in the copy of the stack");
    size_t left = c->n - (size_t)(at - c->at);
    *got = n < left ? n : left;
    memcpy(to, c->bytes + (at - c->at), *got);
    return 0;
}

static bool make_room(struct goroutines *all, size_t n)
{
    if (n <= all->room)
        return true;
    size_t room = STACK_FIRST;
    while (room < n)
        room *= 2;
    unsigned char *stack = realloc(all->stack, room), *again = stack ? realloc(all->again, room) : NULL;
    all->stack = stack ? stack : all->stack;
    all->again = again ? again : all->again;
    all->room = again ? room : all->room;
    return again != NULL;
}

static bool same_header(const struct goroutine_header *a, const struct goroutine_header *b)
{
    return a->low == b->low && a->high == b->high && a->m == b->m && a->sp == b->sp && a->pc == b->pc &&
           a->bp == b->bp && a->syscallsp == b->syscallsp && a->syscallpc == b->syscallpc && a->id == b->id &&
           (a->status & ~(unsigned)G_SCAN) == (b->status & ~(unsigned)G_SCAN);
}

enum moment { MOMENT_WHOLE, MOMENT_CHANGED, MOMENT_UNREADABLE };

// Its header and what is above SP of its stack, read twice until both are the same.
static enum moment read_moment(struct goroutines *all, struct goroutine_header *h, uint64_t sp, struct copy *copy)
{
    struct goroutine_header again;
    const size_t n = h->high - sp < STACK_MAX ? (size_t)(h->high - sp) : STACK_MAX;
    if (!make_room(all, n) || !goroutine_get(&all->o, sp, all->stack, n))
        return MOMENT_UNREADABLE;
    *copy = (struct copy){sp, all->stack, n};
    if (all->o.still)
        return MOMENT_WHOLE;
    if (!goroutine_header(&all->o, &all->layout, h->addr, &again) || !same_header(h, &again) ||
        !goroutine_get(&all->o, sp, all->again, n) || memcmp(all->stack, all->again, n) != 0)
        return MOMENT_CHANGED;
    return MOMENT_WHOLE;
}

static const char *why_not_whole(const struct goroutines *all)
{
    if (all->cut)
        return "there are more frames";
    switch (err_code()) {
    case ENOTSUP: return "the stack is changed here";
    case ENOENT: return "not Go code";
    case EFAULT: return "the stack cannot be read";
    default: return "damaged tables of Go";
    }
}

static void finish(const struct goroutines *all, int done, struct goroutine *g)
{
    g->frames = all->frames;
    g->n = all->n;
    g->whole = done == 0;
    g->why = done == 0 ? NULL : why_not_whole(all);
}

// One that has left its stack to the scheduler, or to the kernel (runtime/traceback.go begins there too).
static bool frames_of_parked(struct goroutines *all, struct goroutine_header *h, struct goroutine *ret)
{
    struct gostack_frame f = {.pc = h->pc, .sp = h->sp, .bp = h->bp, .has_bp = h->bp != 0, .innermost = true};
    struct copy copy;
    if (h->syscallsp)
        f = (struct gostack_frame){.pc = h->syscallpc, .sp = h->syscallsp, .innermost = true, .entered = true};
    if (f.sp < h->low || f.sp >= h->high) {
        ret->why = "its stack pointer is not on its stack";
        return !all->o.still;
    }
    enum moment moment = read_moment(all, h, f.sp, &copy);
    if (moment == MOMENT_CHANGED)
        return true;
    if (moment == MOMENT_UNREADABLE) {
        ret->why = "the stack cannot be read";
        return false;
    }
    const struct gostack s = {.gosym = all->o.gosym, .bias = all->o.bias, .read = read_copy, .arg = &copy};
    finish(all, goroutines_walk(all, &s, f), ret);
    return false;
}

static pid_t thread_of(const struct goroutines *all, const struct goroutine_header *h)
{
    uint64_t procid, curg;
    if (!h->m || !goroutine_get(&all->o, h->m + all->layout.curg, &curg, sizeof curg) || curg != h->addr ||
        !goroutine_get(&all->o, h->m + all->layout.procid, &procid, sizeof procid) || procid > INT32_MAX)
        return 0;
    return (pid_t)procid;
}

static bool is_caller(const struct goroutines *all, uint64_t sp, uint64_t pc)
{
    enum { FRAME_WORDS = 6 };
    uint64_t w[FRAME_WORDS];
    struct gosym_func func;
    bool returned = false;
    if (gosym_func_at(all->o.gosym, pc - all->o.bias, &func) < 0 || !goroutine_get(&all->o, sp - sizeof w, w, sizeof w))
        return false;
    for (size_t i = 0; i < FRAME_WORDS; i++)
        returned |= w[i] == pc;
    return returned;
}

/*
 * The clock is read on the system stack, and sched is not written. Go keeps in m.vdsoSP and the word behind it, m.vdsoPC,
 * who reads it (runtime/traceback.go begins there too). Where in m is of the version; but nothing else there, behind
 * morebuf, is an address of the stack below which that very return address is.
 */
static void find_vdso(const struct goroutines *all, const struct goroutine_header *h, struct gostack *s)
{
    enum { M_WORDS = 256 };
    uint64_t w[M_WORDS];
    if (!goroutine_get(&all->o, h->m, w, sizeof w))
        return;
    for (size_t i = all->layout.procid / 8; i + 1 < M_WORDS; i++)
        if (w[i] > h->low && w[i] < h->high && w[i] % 8 == 0 && is_caller(all, w[i], w[i + 1])) {
            s->user.sp = w[i];
            s->user.pc = w[i + 1];
            s->user.bp = 0;
            s->user.in_vdso = true;
            return;
        }
}

static struct gostack stack_of(const struct goroutines *all, const struct goroutine_header *h)
{
    struct gostack s = {.gosym = all->o.gosym, .bias = all->o.bias, .read = all->o.read, .arg = all->o.arg,
                        .user = {h->low, h->high, h->pc, h->sp, h->bp, false}};
    find_vdso(all, h, &s);
    return s;
}

// On its own stack, it ran when the registers were taken. On another it may have come to that since.
static bool is_same_moment(struct goroutines *all, const struct goroutine_header *h, pid_t tid,
                           const struct gostack_frame *f)
{
    struct goroutine_header again;
    struct gostack_frame now;
    if (all->o.still)
        return true;
    if (f->sp >= h->low && f->sp < h->high && h->high - f->sp <= GOROUTINE_HELD)
        return goroutine_header(&all->o, &all->layout, h->addr, &again) && again.low == h->low &&
               again.high == h->high && again.id == h->id && again.m == h->m && thread_of(all, &again) == tid;
    return all->o.regs(tid, &now, all->o.regs_arg) == 0 && now.pc == f->pc && now.sp == f->sp && now.bp == f->bp &&
           goroutine_header(&all->o, &all->layout, h->addr, &again) && same_header(h, &again) &&
           thread_of(all, &again) == tid;
}

// Whether it is to be read again.
static bool frames_of_running(struct goroutines *all, const struct goroutine_header *h, struct goroutine *ret)
{
    struct gostack_frame f = {0};
    const struct gostack s = stack_of(all, h);
    if (!ret->tid || !all->o.regs || all->o.regs(ret->tid, &f, all->o.regs_arg) < 0) {
        ret->why = "it runs, and its thread was not stopped";
        return false;
    }
    f.innermost = true;
    finish(all, goroutines_walk(all, &s, f), ret);
    const bool same = is_same_moment(all, h, ret->tid, &f);
    (void)all->o.regs(ret->tid, NULL, all->o.regs_arg);
    return !same;
}

// The program's own words; checked once, and kept.
static const char *reason_text(struct goroutines *all, unsigned reason)
{
    uint64_t string[2];
    char *text = reason < GOROUTINE_REASONS ? all->reason[reason] : NULL;
    if (!all->reasons || !text || reason == 0)
        return NULL;
    if (!*text && goroutine_get(&all->o, all->reasons + reason * sizeof string, string, sizeof string) &&
        string[1] > 0 && string[1] < sizeof all->reason[0] && goroutine_get(&all->o, string[0], text, string[1]))
        for (size_t i = 0; i < string[1]; i++)
            if (text[i] < ' ' || text[i] > '~') {
                text[0] = '\0'; // not the array, or its end
                break;
            }
    return *text ? text : NULL;
}

static bool read_goroutine(struct goroutines *all, uint64_t addr, struct goroutine *ret)
{
    static const char *const states[G_STATES] = {"idle",    "runnable", "running",   "syscall",   "waiting", "dead",
                                                 "dead",    "dead",     "copystack", "preempted", "leaked",  "dead"};
    struct goroutine_header h;
    bool again = true;
    for (int i = 0; i < TRIES && again; i++) {
        *ret = (struct goroutine){.g = addr};
        if (!goroutine_header(&all->o, &all->layout, addr, &h) || !goroutine_lives(&h) || h.self != addr)
            return false;
        unsigned status = h.status & ~(unsigned)G_SCAN;
        ret->id = h.id;
        ret->state = states[status];
        ret->reason = status == G_WAITING ? reason_text(all, h.reason) : NULL;
        ret->tid = thread_of(all, &h);
        again = false;
        if (status == G_RUNNING)
            again = frames_of_running(all, &h, ret);
        else if (status == G_COPYSTACK)
            again = true;
        else
            again = frames_of_parked(all, &h, ret);
    }
    ret->changed = again;
    if (again) {
        ret->n = 0;
        ret->whole = false;
        ret->why = (h.status & ~(unsigned)G_SCAN) == G_COPYSTACK ? "its stack is being moved"
                                                                 : "it ran while it was read";
    }
    return true;
}

int goroutines_each(struct goroutines *all, int (*fn)(const struct goroutine *g, void *arg), void *arg)
{
    enum { AT_ONCE = 512 };
    for (uint64_t i = 0; i < all->list.n; i += AT_ONCE) {
        uint64_t at[AT_ONCE];
        const size_t n = all->list.n - i < AT_ONCE ? (size_t)(all->list.n - i) : AT_ONCE;
        if (!goroutine_get(&all->o, all->list.at + i * 8, at, n * 8))
            return err_set(EFAULT, "the list of goroutines cannot be read");
        for (size_t k = 0; k < n; k++) {
            struct goroutine g;
            if (all->text > GOROUTINE_TEXT_MAX / 2)
                goroutines_forget(all);
            int done = read_goroutine(all, at[k], &g) ? fn(&g, arg) : 0;
            if (done != 0)
                return done;
        }
    }
    return 0;
}

// --- threads -------------------------------------------------------------------

static int list_threads(struct goroutines *all)
{
    all->has_threads = true;
    for (uint64_t i = 0; i < all->list.n; i++) {
        uint64_t at;
        struct goroutine_header h;
        if (!goroutine_get(&all->o, all->list.at + i * 8, &at, sizeof at) ||
            !goroutine_header(&all->o, &all->layout, at, &h) || !goroutine_lives(&h))
            continue;
        const pid_t tid = thread_of(all, &h);
        struct goroutine_thread *grown = tid ? array_grow(all->threads, all->nthreads, &all->threads_cap, sizeof *grown)
                                             : NULL;
        if (tid && !grown)
            return -1;
        if (tid) {
            all->threads = grown;
            all->threads[all->nthreads++] = (struct goroutine_thread){tid, h};
        }
    }
    return 0;
}

int goroutines_of_thread(struct goroutines *all, pid_t tid, struct gostack *ret)
{
    if (!all->has_threads && list_threads(all) < 0)
        return -1;
    for (size_t i = 0; i < all->nthreads; i++)
        if (all->threads[i].tid == tid) {
            *ret = stack_of(all, &all->threads[i].g);
            return 0;
        }
    return err_set(ENOENT, "the thread runs no goroutine now");
}

int goroutines_of_g(struct goroutines *all, uint64_t g, struct gostack *ret)
{
    uint64_t m, g0, gsignal, curg;
    struct goroutine_header h;
    // runtime/runtime2.go: g.m; m.g0 is its first field, gsignal the one behind procid.
    const bool known = g % 8 == 0 && g <= UINT64_MAX - G_BYTES && goroutine_get(&all->o, g + 48, &m, sizeof m) && m &&
                       m % 8 == 0 && m <= UINT64_MAX - G_BYTES && goroutine_get(&all->o, m, &g0, sizeof g0) &&
                       goroutine_get(&all->o, m + all->layout.procid + 8, &gsignal, sizeof gsignal) &&
                       goroutine_get(&all->o, m + all->layout.curg, &curg, sizeof curg);
    if (known && (g == g0 || g == gsignal || g == curg) &&
        curg && goroutine_header(&all->o, &all->layout, curg, &h) && h.self == curg && h.m == m &&
        goroutine_lives(&h)) {
        *ret = stack_of(all, &h);
        return 0;
    }
    if (known && g == g0 && curg == 0)
        return err_set(ENODATA, "the thread runs no goroutine now");
    return err_set(ENOENT, "the thread runs no goroutine now");
}
