// SPDX-License-Identifier: MIT
#include "backtrace.h"

#include "clock.h"
#include "err.h"
#include "gotarget.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void backtrace_fini(struct backtrace *b)
{
    free(b->traces);
    free(b->frames);
    free(b->locals);
    buf_fini(&b->variables);
    buf_fini(&b->reasons);
    *b = (struct backtrace){0};
}

struct collecting {
    struct target *target;
    const struct backtrace_options *options;
    struct unwinder *unwinder;
    struct backtrace *b;
    struct stack_want want;
    const size_t *chosen;  // traces whose stacks are collected
    size_t known;          // traces that were looked for before this pass, sorted by tid
};

static int by_tid(const void *a, const void *b)
{
    const struct trace *x = a, *y = b;
    return (x->tid > y->tid) - (x->tid < y->tid);
}

static int add_thread(pid_t tid, void *arg)
{
    struct collecting *c = arg;
    struct backtrace *b = c->b;
    const struct trace key = {.tid = tid};
    if (c->known > 0 && bsearch(&key, b->traces, c->known, sizeof key, by_tid))
        return 0;
    struct trace *grown = array_grow(b->traces, b->n, &b->cap, sizeof *grown);
    if (!grown)
        return -1;
    b->traces = grown;
    b->traces[b->n++] = key;
    return c->options->one_thread ? 1 : 0;
}

static void keep_reason(struct backtrace *b, struct trace *t, const char *reason)
{
    t->reason = reason ? b->reasons.len + 1 : 0;
    buf_add(&b->reasons, reason ? reason : "", reason ? strlen(reason) + 1 : 0);
}

static void fail(struct backtrace *b, struct trace *t)
{
    t->code = err_code();
    t->end = UNWIND_BROKEN;
    keep_reason(b, t, err_text());
}

static int add_frames(struct backtrace *b, struct trace *t, const struct frame *frames, size_t n)
{
    if (b->frames_cap - b->nframes < n) {
        size_t cap = 2 * b->frames_cap + n + 1024;
        struct frame *grown = reallocarray(b->frames, cap, sizeof *grown);
        if (!grown)
            return err_set(ENOMEM, "out of memory");
        b->frames = grown;
        b->frames_cap = cap;
    }
    if (n > 0)
        memcpy(b->frames + b->nframes, frames, n * sizeof *frames);
    t->first = b->nframes;
    t->n = n;
    b->nframes += n;
    return 0;
}

static int take_frames(const struct unwound *stack, void *arg)
{
    struct backtrace *b = ((struct collecting *)arg)->b;
    struct trace *t = &b->traces[stack->index];
    if (add_frames(b, t, stack->frames, stack->n) < 0)
        return -1;
    t->end = stack->end;
    keep_reason(b, t, stack->reason);
    return 0;
}

// What the look before knows of those from FIRST on that have not moved.
static int take_unmoved(struct collecting *c, size_t first)
{
    const struct backtrace *last = c->options->last;
    struct backtrace *b = c->b;
    if (!last || last->n == 0)
        return 0;
    for (size_t i = first; i < b->n; i++) {
        struct trace *t = &b->traces[i];
        const struct trace *then = bsearch(t, last->traces, last->n, sizeof *t, by_tid);
        if (!then || then->n == 0 || then->reason || !target_unmoved(c->target, t->tid))
            continue;
        *t = *then;
        t->unmoved = true;
        t->pause = 0;
        if (add_frames(b, t, last->frames + then->first, then->n) < 0)
            return -1;
    }
    return 0;
}

static int run(struct collecting *c)
{
    if (c->options->variables)
        unwind_want_variables(c->unwinder, c->options->only, backtrace_take_variables, c->b);
    return unwind_run(c->unwinder, c->options->max, take_frames, c);
}

static void take_task(struct trace *t, const struct stack *s)
{
    t->state = s->state;
    t->name_len = s->name_len;
    memcpy(t->name, s->name, sizeof t->name);
    t->has_call = s->has_call;
    t->call = s->call;
    memcpy(t->args, s->args, sizeof t->args);
}

struct live_trace {
    struct collecting *c;
    size_t index;
};

static int take_live(const struct unwound *stack, void *arg)
{
    const struct live_trace *l = arg;
    struct unwound here = *stack;
    here.index = (uint32_t)l->index;
    return take_frames(&here, l->c);
}

static int collect_live(struct collecting *c, size_t i)
{
    struct trace *t = &c->b->traces[i];
    struct live_trace l = {c, i};
    const struct stack_want asleep = {.window = STACK_WINDOW, .no_stop = true, .task = true};
    if (c->options->task || c->options->running) {
        struct stack *said = unwind_room(c->unwinder);
        (void)!target_stack(c->target, t->tid, &asleep, said); // for what /proc says of it
        take_task(t, said);
    }
    if (unwind_live(c->target, t->tid, c->options->max_stop, c->options->max, &t->pause, take_live, &l) < 0)
        fail(c->b, t);
    return 0;
}

static int take_stack(size_t i, int done, const struct stack *s, void *arg)
{
    struct collecting *c = arg;
    const size_t index = c->chosen[i];
    struct trace *t = &c->b->traces[index];
    take_task(t, s);
    t->pause += s->pause;
    if (done < 0 && err_code() == ENOMEM)
        return -1;
    if (done < 0) {
        fail(c->b, t);
        return 0;
    }
    if (unwind_add(c->unwinder, s, (uint32_t)index) < 0)
        return -1;
    return unwind_kept(c->unwinder) >= UNWIND_KEEP;
}

// Those that WHICH chooses, from FIRST on. -1: no more threads, the target is gone.
static int collect(struct collecting *c, size_t first, bool (*which)(const struct trace *t))
{
    const struct backtrace *b = c->b;
    CLEANUP_FREE size_t *chosen = calloc(b->n + 1, sizeof *chosen);
    CLEANUP_FREE pid_t *tids = calloc(b->n + 1, sizeof *tids);
    size_t n = 0, begun;
    if (!chosen || !tids)
        return err_set(ENOMEM, "out of memory");
    for (size_t i = first; i < b->n; i++)
        if (which(&b->traces[i])) {
            chosen[n] = i;
            tids[n++] = b->traces[i].tid;
        }
    for (size_t at = 0; at < n; at += begun) {
        c->chosen = chosen + at;
        if (target_stacks(c->target, tids + at, n - at, &c->want, unwind_room(c->unwinder), &begun, take_stack, c) < 0 ||
            run(c) < 0)
            return -1;
    }
    return 0;
}

static bool is_not_known(const struct trace *t)
{
    return !t->unmoved;
}

static int collect_from(struct collecting *c, size_t first)
{
    if (c->options->by != BACKTRACE_LIVE)
        return collect(c, first, is_not_known);
    for (size_t i = first; i < c->b->n; i++)
        if (collect_live(c, i) < 0)
            return -1;
    return 0;
}

static bool is_cut(const struct trace *t)
{
    return t->end == UNWIND_CUT;
}

// Those whose stack went on behind the first window: once more, with a larger one.
static int collect_deep(struct collecting *c)
{
    c->want.window = STACK_WINDOW_MAX;
    int done = collect(c, 0, is_cut);
    c->want.window = STACK_WINDOW;
    return done;
}

// --- Go's other stacks -------------------------------------------------------------

static bool is_switched(const struct trace *t)
{
    return t->end == UNWIND_SWITCHED;
}

static int collect_users(struct collecting *c, struct goroutines *all)
{
    struct gotarget_finding f = {c->target, all};
    c->want.find_user = gotarget_find_user;
    c->want.arg = &f;
    int done = collect(c, 0, is_switched);
    c->want.find_user = NULL;
    return done;
}

// Those that are on a stack of Go's runtime: once more, with the stack that they have left.
static int collect_switched(struct collecting *c)
{
    struct gotarget go;
    bool any = false;
    for (size_t i = 0; i < c->b->n; i++)
        any |= is_switched(&c->b->traces[i]);
    if (!any || c->options->by != BACKTRACE_COPY || gotarget_open(c->target, &go) < 0)
        return 0;
    CLEANUP_GOROUTINES struct goroutines *all = NULL;
    const struct goroutine_options o = {.gosym = go.gosym, .bias = go.bias, .read = gotarget_read, .arg = c->target};
    int done = goroutines_open(&o, &all) < 0 ? 0 : collect_users(c, all);
    gotarget_close(&go);
    return done;
}

static bool is_stray(const struct trace *t)
{
    return t->end == UNWIND_STRAY && t->code == 0;
}

// Code that was mapped after the mappings were read: they are read anew, and those threads again.
static int collect_stray(struct collecting *c)
{
    const struct maps *maps;
    bool any = false;
    for (size_t i = 0; i < c->b->n; i++)
        any |= is_stray(&c->b->traces[i]);
    if (!any || target_is_core(c->target))
        return 0;
    unwind_close(c->unwinder);
    c->unwinder = NULL;
    if (target_maps_again(c->target, &maps) < 0 || unwind_open(c->target, &c->unwinder) < 0)
        return -1;
    return collect(c, 0, is_stray);
}

// What ended before it was stopped, and what was not asked for.
static bool is_wanted(const struct collecting *c, const struct trace *t)
{
    if (t->code == ESRCH && !c->options->one_thread)
        return false;
    return !c->options->running || t->state == 'R';
}

static void drop_unwanted(struct collecting *c)
{
    struct backtrace *b = c->b;
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        if (is_wanted(c, &b->traces[i]))
            b->traces[n++] = b->traces[i];
    b->n = n;
}

/*
 * A list of threads that is read while threads end may miss one that does not: the kernel finds its place by counting
 * then (fs/proc/base.c, first_tid). So there is a second list, and a third when that had any new.
 */
static int collect_all(struct collecting *c)
{
    enum { PASSES = 3 };
    struct backtrace *b = c->b;
    for (int pass = 0; pass < PASSES; pass++) {
        size_t before = b->n;
        c->known = before;
        if (target_each_thread(c->target, add_thread, c) < 0 && b->n == 0)
            return -1;
        if (b->n == before)
            break;
        if (take_unmoved(c, before) < 0 || collect_from(c, before) < 0 || collect_deep(c) < 0 || collect_stray(c) < 0 ||
            collect_switched(c) < 0)
            return -1;
        qsort(b->traces, b->n, sizeof *b->traces, by_tid);
        if (target_is_core(c->target) || c->options->one_thread)
            break;
    }
    return 0;
}

int backtrace_collect(struct target *t, const struct backtrace_options *options, struct unwinder **u,
                      struct backtrace *ret)
{
    struct collecting c = {
        .target = t,
        .options = options,
        .unwinder = *u,
        .b = ret,
        .want = {.window = STACK_WINDOW,
                 .no_stop = options->by == BACKTRACE_NO_STOP,
                 .task = options->task || options->running,
                 .name = options->name,
                 .remember = options->last != NULL,
                 .running = options->running},
    };
    *ret = (struct backtrace){0};
    int done = c.unwinder ? 0 : unwind_open(t, &c.unwinder);
    if (done == 0)
        done = collect_all(&c);
    *u = c.unwinder;
    if (done == 0)
        done = buf_ok(&ret->reasons);
    if (done == 0) {
        drop_unwanted(&c);
        if (ret->n == 0 && !options->running)
            done = err_set(ESRCH, "it has ended");
    }
    return done;
}

void backtrace_wait(uint64_t *next, uint64_t ms)
{
    *next = (*next ? *next : clock_now()) + ms * 1000000;
    clock_sleep_until(*next);
}
