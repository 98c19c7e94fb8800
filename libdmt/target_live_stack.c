// SPDX-License-Identifier: MIT
//
// The stack of a live thread: stopped, copied, released; or, without a stop, what /proc says of one that sleeps.
// All that can be done before the stop is.
#include "clock.h"
#include "err.h"
#include "io.h"
#include "target_live.h"
#include "tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int read_task_file(const struct live *l, pid_t tid, const char *name, struct buf *text)
{
    char path[64];
    (void)snprintf(path, sizeof path, "task/%d/%s", tid, name);
    CLEANUP_CLOSE int fd = openat(l->process.dir, path, O_RDONLY | O_CLOEXEC);
    buf_reset(text);
    if (fd < 0 || io_read_file(fd, text, 4096, NULL) < 0) {
        if (errno == ENOENT || errno == ESRCH)
            return err_set(ESRCH, "that thread has ended");
        return err_sys("cannot read its %s file", name);
    }
    return 0;
}

static int read_task(const struct live *l, pid_t tid, struct stack *ret)
{
    CLEANUP_BUF struct buf text = {0};
    struct proc_stat stat;
    if (read_task_file(l, tid, "stat", &text) < 0 || procfile_stat(buf_cstr(&text), text.len, &stat) < 0)
        return -1;
    ret->state = stat.state;
    ret->name_len = stat.comm_len;
    memcpy(ret->name, stat.comm, sizeof ret->name);
    return 0;
}

static int read_stack(void *live, uint64_t addr, void *to, size_t n, size_t *got)
{
    struct live *l = live;
    if (mem_read(&l->base.mem, addr, to, n, got) == 0)
        return 0;
    return err_code() == ESRCH ? live_memory_gone(l) : -1;
}

static int collect(struct live *l, const struct tracee *tracee, const struct stack_want *want, struct stack *ret)
{
    if (live_check_process(&l->base, tracee->tid) < 0 || tracer_regs(tracee, 1u << REGS_GP, &ret->regs) < 0)
        return -1;
    return stack_copy(ret, &l->looked, want, read_stack, l);
}

static int collect_and_release(struct live *l, struct tracee *tracee, const struct stack_want *want, struct stack *ret)
{
    int done = collect(l, tracee, want, ret);
    tracer_release(tracee);
    ret->pause += clock_now() - tracee->since;
    ret->has_call = done == 0 && reg_syscall(&ret->regs, &ret->call, ret->args);
    return done;
}

static int stop_and_collect(struct live *l, pid_t tid, const struct stack_want *want, struct stack *ret)
{
    struct tracee tracee;
    if (tracer_stop(l->base.pid, tid, l->base.options.max_stop, &tracee) < 0)
        return -1;
    return collect_and_release(l, &tracee, want, ret);
}

static uint64_t switches(const struct live *l, pid_t tid, struct buf *text)
{
    uint64_t n;
    return read_task_file(l, tid, "status", text) == 0 &&
                   procfile_field(text->data, text->len, "voluntary_ctxt_switches", &n) == 0 ? n : UINT64_MAX;
}

// A thread that has not been scheduled meanwhile has not moved.
static int collect_asleep(struct live *l, pid_t tid, const struct stack_want *want, struct stack *ret)
{
    CLEANUP_BUF struct buf text = {0};
    uint64_t sp, pc, before = switches(l, tid, &text);
    if (read_task_file(l, tid, "syscall", &text) < 0 || stack_parse_syscall(buf_cstr(&text), ret, &sp, &pc) < 0)
        return -1;
    struct buf *gp = &ret->regs.set[REGS_GP];
    memset(gp->data, 0, gp->cap);
    gp->len = reg_source(REGS_GP).size;
    ret->regs.have = 1u << REGS_GP;
    ret->few_regs = true;
    reg_dwarf_put(&ret->regs, reg_dwarf_sp, sp);
    reg_dwarf_put(&ret->regs, reg_dwarf_pc, pc);
    if (stack_copy(ret, &l->looked, want, read_stack, l) < 0)
        return -1;
    if (before == UINT64_MAX || switches(l, tid, &text) != before)
        return err_set(EBUSY, "it ran while it was looked at: without stopping it, its stack is not known");
    return 0;
}

// Memory and mappings.
static int ready(struct live *l)
{
    return live_open_mem(l) < 0 || (l->looked.n == 0 && live_look(l) < 0) ? -1 : 0;
}

int live_stack(struct target *t, pid_t tid, const struct stack_want *want, struct stack *ret)
{
    struct live *l = live_of(t);
    if (want->task && read_task(l, tid, ret) < 0)
        return -1;
    if (ready(l) < 0)
        return -1;
    for (bool again = false;; again = true) {
        int done = want->no_stop ? collect_asleep(l, tid, want, ret)
                                 : stop_and_collect(l, tid, want, ret);
        // A stack that is younger than the mappings that were read.
        if (done == 0 || err_code() != ENOENT || again || live_look(l) < 0)
            return done;
    }
}

// --- several -----------------------------------------------------------------------

enum { STOPPING_MAX = 192 };

struct batch {
    struct live *live;
    const struct stack_want *want;
    struct stack *room;
    target_stack_fn *fn;
    void *arg;
    struct stopping stopping[STOPPING_MAX];
    struct said {
        size_t i;              // which of the threads
        char state, name[COMM_MAX + 1];
        size_t name_len;
    } said[STOPPING_MAX];      // of each of those
    size_t n;
    size_t again[STOPPING_MAX + 1]; // threads to be looked at alone: their stacks are younger than the mappings that
                               // were read, or they could not be seized while others were held
    size_t nagain;
    int enough;                // what FN returned
};

static void give(struct batch *b, size_t i, int done)
{
    const int enough = b->enough < 0 ? b->enough : b->fn(i, done, b->room, b->arg);
    b->enough = b->enough ? b->enough : enough;
}

static void begin(struct batch *b, pid_t tid, size_t i)
{
    struct said *said = &b->said[b->n];
    if (stack_reserve(b->room, b->want->window) < 0) {
        b->enough = -1;
        return;
    }
    b->room->tid = tid;
    int done = b->want->task ? read_task(b->live, tid, b->room) : 0;
    *said = (struct said){.i = i, .state = b->room->state, .name_len = b->room->name_len};
    memcpy(said->name, b->room->name, sizeof said->name);
    if (done == 0 && b->want->running && said->state != 'R')
        done = err_set(EAGAIN, "it does not run");
    if (done == 0)
        done = tracer_begin(b->live->base.pid, tid, b->live->base.options.max_stop, &b->stopping[b->n]);
    if (done == 0)
        b->n++;
    else if (b->n > 0 && err_code() == ETIMEDOUT)
        b->again[b->nagain++] = i;
    else
        give(b, i, -1);
}

static void end(struct batch *b, size_t k)
{
    const struct stopping s = b->stopping[k];
    const struct said said = b->said[k];
    struct tracee tracee;
    b->stopping[k] = b->stopping[--b->n];
    b->said[k] = b->said[b->n];
    int done = tracer_finish(&s, &tracee);
    if (stack_reserve(b->room, b->want->window) < 0) // has no more to reserve
        b->enough = -1;
    if (done == 0)
        done = collect_and_release(b->live, &tracee, b->want, b->room);
    b->room->tid = s.tid;
    b->room->state = said.state;
    b->room->name_len = said.name_len;
    memcpy(b->room->name, said.name, sizeof said.name);
    if (done < 0 && err_code() == ENOENT)
        b->again[b->nagain++] = said.i;
    else
        give(b, said.i, done);
}

/*
 * A thread that sleeps has stopped before another is told to. One that has not stopped waits for a processor: then the
 * next is told too, or each would wait for its turn alone.
 */
int live_stacks(struct target *t, const pid_t *tids, size_t n, const struct stack_want *want, struct stack *room,
                size_t *begun, target_stack_fn *fn, void *arg)
{
    struct batch b = {.live = live_of(t), .want = want, .room = room, .fn = fn, .arg = arg};
    const size_t most = want->window > STACK_WINDOW ? 1 : STOPPING_MAX; // their copies are all kept
    if (ready(b.live) < 0)
        return -1;
    for (*begun = 0; b.n > 0 || (*begun < n && !b.enough && b.nagain == 0);) {
        const bool more = *begun < n && !b.enough && b.nagain == 0 && b.n < most;
        const uint64_t wait = !more ? UINT64_MAX : b.n > 1 ? TRACER_SPIN / 4 : TRACER_SPIN;
        const size_t k = b.n > 0 ? tracer_await(b.stopping, b.n, wait) : 0;
        if (k < b.n) {
            end(&b, k);
        } else {
            begin(&b, tids[*begun], *begun);
            ++*begun;
        }
    }
    for (size_t k = 0; k < b.nagain && b.enough >= 0; k++)
        give(&b, b.again[k], target_stack(t, tids[b.again[k]], want, room));
    return b.enough < 0 ? -1 : 0;
}
