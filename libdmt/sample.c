// SPDX-License-Identifier: MIT
#include "sample.h"

#include "err.h"
#include "io.h"
#include "sample_births.h"
#include "sample_task.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum {
    FILES_SPARE = 64,
    LIST_AFTER = 10, // rounds: a process may come into sight by other ways than its birth (proc(5), hidepid)
};

void sample_init(struct sample *s, const struct procs *ps, unsigned needs, bool threads)
{
    // Descriptors come lowest first: what we inherited is mostly below the one that was opened last.
    int64_t limit = (int64_t)(io_raise_limit() & INT64_MAX), taken = ps->fd + FILES_SPARE;
    *s = (struct sample){.ps = ps, .needs = needs, .threads = threads, .files_left = limit > taken ? limit - taken : 0};
    s->born.anywhere = true;
    s->clocks = task_has_clock(ps);
    s->skips = s->clocks && !(needs & SAMPLE_STATE);
}

// --- the table -----------------------------------------------------------------------

static size_t place(const struct tasks *t, pid_t id)
{
    return (uint32_t)id * 2654435761U & (t->size - 1);
}

static pid_t id_of(const struct task *t)
{
    return t->tid ? t->tid : t->pid;
}

// A process (TID 0) and its first thread have one number and are two tasks.
static struct task *find(const struct tasks *t, pid_t pid, pid_t tid)
{
    for (size_t i = t->size ? place(t, tid ? tid : pid) : 0; t->size && t->slot[i]; i = (i + 1) & (t->size - 1))
        if (t->slot[i]->tid == tid && (tid || t->slot[i]->pid == pid))
            return t->slot[i];
    return NULL;
}

static void put(struct tasks *t, struct task *task)
{
    size_t i = place(t, id_of(task));
    while (t->slot[i])
        i = (i + 1) & (t->size - 1);
    t->slot[i] = task;
}

// In this round; threads of a process that slept are not looked at.
static bool seen(const struct sample *s, const struct task *t)
{
    const struct task *process = t->part && t->take != s->take ? find(&s->tasks, t->pid, 0) : NULL;
    return t->take == s->take || (process && process->take == s->take && process->slept);
}

// Makes the table anew, with room for MORE, without what was not seen.
static int rebuild(struct sample *s, struct tasks *t, size_t more)
{
    struct tasks fresh = {.size = 64};
    while (fresh.size < (t->n + more) * 2)
        fresh.size *= 2;
    fresh.slot = calloc(fresh.size, sizeof(struct task *));
    if (!fresh.slot)
        return err_set(ENOMEM, "out of memory");
    for (size_t i = 0; i < t->size; i++) {
        struct task *task = t->slot[i];
        if (task && (more || seen(s, task))) {
            put(&fresh, task);
            fresh.n++;
        } else if (task) {
            task_free(s, task);
        }
    }
    free(t->slot);
    *t = fresh;
    return 0;
}

static int insert(struct sample *s, struct tasks *t, struct task *task)
{
    if ((t->n + 1) * 2 > t->size && rebuild(s, t, t->n + 1) < 0)
        return -1;
    put(t, task);
    t->n++;
    s->changed |= t == &s->tasks;
    return 0;
}

static void free_all(struct sample *s, struct tasks *t)
{
    for (size_t i = 0; i < t->size; i++)
        if (t->slot[i])
            task_free(s, t->slot[i]);
    free(t->slot);
}

void sample_fini(struct sample *s)
{
    free_all(s, &s->tasks);
    free_all(s, &s->parts);
    free(s->order);
}

// --- looking -----------------------------------------------------------------------------

// The task of an open directory, read in this round; NULL when it is gone.
static struct task *look(struct sample *s, struct tasks *in, const struct proc *at)
{
    struct task *t = find(in, at->pid, at->tid);
    if (t && (t->take == s->take || (t->start != UINT64_MAX && task_read(s, t, at->dir) == 0)))
        return t;
    struct task *fresh = task_new(s, in == &s->parts, at);
    if (!fresh) {
        if (t)
            t->start = UINT64_MAX; // of no process: not seen in this round, sample_each drops it
        return NULL;
    }
    if (t) {
        // Another process has the number now: it takes the place.
        struct task old = *t;
        *t = *fresh;
        *fresh = old;
        task_free(s, fresh);
        return t;
    }
    if (insert(s, in, fresh) < 0) {
        task_free(s, fresh);
        return NULL;
    }
    return fresh;
}

struct sum {
    struct sample *s;
    uint64_t ctxsw, wait;
    unsigned have;
};

static int add_thread(struct proc *p, void *arg)
{
    struct sum *sum = arg;
    const struct task *t = look(sum->s, &sum->s->parts, p);
    if (!t)
        return 0;
    sum->have &= t->have;
    if (t->known) {
        sum->ctxsw += t->now.ctxsw - t->before.ctxsw;
        sum->wait += t->now.wait - t->before.wait;
    }
    return 0;
}

// What a process did is what its threads did: the kernel counts switches and waits by thread.
static int add_threads(struct sample *s, const struct proc *process, struct task *t)
{
    const unsigned per_thread = SAMPLE_CTXSW | SAMPLE_WAIT;
    struct sum sum = {.s = s, .have = s->needs & per_thread};
    struct proc p;
    proc_init(&p);
    int done = proc_each_thread(s->ps, process, &p, 0, add_thread, &sum);
    proc_fini(&p);
    if (done < 0)
        return -1;
    t->have |= sum.have;
    t->now.ctxsw = t->before.ctxsw + sum.ctxsw;
    t->now.wait = t->before.wait + sum.wait;
    return 0;
}

static int look_thread(struct proc *p, void *arg)
{
    struct sample *s = arg;
    (void)look(s, &s->tasks, p);
    return 0;
}

// --- rounds ------------------------------------------------------------------------------

void sample_begin(struct sample *s)
{
    s->take++;
    s->before = s->now;
    s->now = proc_now();
}

// The process PID through what is open alone. 1: that is not enough.
static int look_again(struct sample *s, pid_t pid, uint64_t start)
{
    struct task *t = find(&s->tasks, pid, 0);
    if (!t || t->start == UINT64_MAX || (start && t->start != start))
        return 1;
    return t->take == s->take ? 0 : task_read(s, t, -1);
}

// The process of an open directory, or its threads that ID names.
static int look_process(struct sample *s, const struct ident *id, const struct proc *process)
{
    if (s->threads || id->ntids > 0) {
        struct proc p;
        proc_init(&p);
        int done = ident_each_thread(s->ps, id, process, &p, 0, look_thread, s);
        proc_fini(&p);
        return done;
    }
    struct task *t = look(s, &s->tasks, process);
    if (!t)
        return -1;
    return task_adds_threads(s, t) && !t->slept ? add_threads(s, process, t) : 0;
}

static int look_at(struct proc *p, void *arg)
{
    struct sample *s = arg;
    const struct ident all = {.pid = p->pid};
    if (!s->threads && look_again(s, p->pid, 0) == 0)
        return 0;
    int done = proc_open(s->ps, p, p->pid);
    if (done == 0)
        done = look_process(s, &all, p);
    proc_close(p);
    // Gone, or hidden from us (proc(5), hidepid).
    return done < 0 && (err_code() == ESRCH || err_code() == EACCES || err_code() == EPERM) ? 0 : done;
}

// The process PID, where one was born.
static int look_for(struct proc *p, pid_t pid, struct sample *s)
{
    p->pid = pid;
    return task_is_process(pid) ? look_at(p, s) : 0;
}

int sample_all(struct sample *s)
{
    struct proc p;
    int done = 0;
    births_look(s);
    bool list = s->changed || s->born.anywhere || s->take - s->listed >= LIST_AFTER;
    proc_init(&p);
    for (size_t i = 0; !list && done == 0 && i < s->norder; i++)
        if (s->order[i]->start == UINT64_MAX || task_read(s, s->order[i], -1) != 0) {
            p.pid = s->order[i]->pid;
            done = look_at(&p, s);
        }
    for (pid_t pid = s->born.first; !list && done == 0 && pid <= s->born.last; pid++)
        done = look_for(&p, pid, s);
    if (list) {
        s->listed = s->take;
        done = proc_each(s->ps, &p, 0, look_at, s);
    }
    proc_fini(&p);
    return done;
}

int sample_one(struct sample *s, const struct ident *id, uint64_t start)
{
    const struct ident same = {.pid = id->pid, .by = IDENT_START, .value = start};
    int done = s->threads || id->ntids > 0 ? 1 : look_again(s, id->pid, start);
    if (done <= 0)
        return done;
    struct proc p;
    proc_init(&p);
    done = ident_open(s->ps, &same, &p, NULL);
    if (done == 0)
        done = look_process(s, id, &p);
    proc_fini(&p);
    return done;
}

static int by_id(const void *a, const void *b)
{
    const struct task *x = *(struct task *const *)a, *y = *(struct task *const *)b;
    if (x->pid != y->pid)
        return (x->pid > y->pid) - (x->pid < y->pid);
    return (x->tid > y->tid) - (x->tid < y->tid);
}

// The rows of this round, in order.
static int put_in_order(struct sample *s)
{
    bool same = !s->changed;
    for (size_t i = 0; same && i < s->norder; i++)
        same = seen(s, s->order[i]);
    if (same)
        return 0;
    if (rebuild(s, &s->tasks, 0) < 0)
        return -1;
    struct task **order = reallocarray(s->order, s->tasks.n + 1, sizeof(struct task *));
    if (!order)
        return err_set(ENOMEM, "out of memory");
    s->order = order;
    s->norder = 0;
    for (size_t i = 0; i < s->tasks.size; i++)
        if (s->tasks.slot[i])
            order[s->norder++] = s->tasks.slot[i];
    qsort(order, s->norder, sizeof *order, by_id);
    s->changed = false;
    return 0;
}

int sample_each(struct sample *s, int (*fn)(const struct task *t, void *arg), void *arg)
{
    if (put_in_order(s) < 0 || (s->parts.n > 0 && rebuild(s, &s->parts, 0) < 0))
        return -1;
    for (size_t i = 0; i < s->norder; i++) {
        int stop = fn(s->order[i], arg);
        if (stop)
            return stop;
    }
    return 0;
}

bool task_was_busy(const struct task *t)
{
    const struct sample_counters *a = &t->before, *b = &t->now;
    return t->known && !t->slept &&
           (a->cpu != b->cpu || a->minflt != b->minflt || a->majflt != b->majflt || a->read != b->read ||
            a->write != b->write || a->ctxsw != b->ctxsw);
}
