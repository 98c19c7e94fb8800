// SPDX-License-Identifier: MIT
//
// The stack of a live thread: stopped, copied, released; or, without a stop, what /proc says of one that sleeps.
// All that can be done before the stop is.
#include "clock.h"
#include "err.h"
#include "io.h"
#include "target_live.h"

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

// What is wanted of that.
static int read_task(struct live *l, pid_t tid, const struct stack_want *want, struct stack *ret)
{
    CLEANUP_BUF struct buf text = {0};
    struct proc_stat stat;
    if (!want->task && !want->name)
        return 0;
    if (!want->task) {
        if (want->remember && live_known_name(l, tid, ret))
            return 0;
        if (read_task_file(l, tid, "comm", &text) < 0)
            return -1;
        ret->name_len = text.len > COMM_MAX ? COMM_MAX : text.len - (text.len > 0); // a newline ends it
        memcpy(ret->name, buf_cstr(&text), ret->name_len);
        return 0;
    }
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

static int collect_and_release(struct live *l, struct tracee *tracee, const struct stack_want *want, struct stack *ret)
{
    int done = tracer_regs(tracee, 1u << REGS_GP, &ret->regs);
    if (done == 0)
        done = stack_copy(ret, &l->looked, want, read_stack, l);
    tracer_release(tracee);
    ret->pause += clock_now() - tracee->since;
    ret->has_call = done == 0 && reg_syscall(&ret->regs, &ret->call, ret->args);
    return done;
}

static int stop_and_collect(struct live *l, pid_t tid, const struct stack_want *want, struct stack *ret)
{
    struct tracee tracee;
    if (live_stop(&l->base, tid, &tracee) < 0)
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
    if (read_task(l, tid, want, ret) < 0)
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

enum { STOPPING_MAX = 192, SPIN_MORE = TRACER_SPIN / 4, SPIN_LEAST = TRACER_SPIN / 10 };

// What is said of a thread before it is stopped.
struct said {
    size_t i;                  // which of the threads
    char state, name[COMM_MAX + 1];
    size_t name_len;
};

struct batch {
    struct live *live;
    const struct stack_want *want;
    struct stack *room;
    target_stack_fn *fn;
    void *arg;
    struct stopping stopping[STOPPING_MAX], next; // next: seized, to be told to stop
    struct said said[STOPPING_MAX], next_said;    // of each of those
    size_t n;
    bool has_next;
    size_t again[STOPPING_MAX + 2]; // threads to be looked at alone: their stacks are younger than the mappings that
                               // were read, or they could not be seized while others were held
    size_t nagain;
    int enough;                // what FN returned
};

static void give(struct batch *b, size_t i, int done)
{
    const int enough = b->enough < 0 ? b->enough : b->fn(i, done, b->room, b->arg);
    b->enough = b->enough ? b->enough : enough;
}

// All that can be done with a thread while the one before it is still about to stop.
static void prepare(struct batch *b, pid_t tid, size_t i)
{
    const struct live *l = b->live;
    if (stack_reserve(b->room, b->want->window) < 0) {
        b->enough = -1;
        return;
    }
    b->room->tid = tid;
    int done = read_task(b->live, tid, b->want, b->room);
    b->next_said = (struct said){.i = i, .state = b->room->state, .name_len = b->room->name_len};
    memcpy(b->next_said.name, b->room->name, sizeof b->next_said.name);
    if (done == 0 && b->want->running && b->next_said.state != 'R')
        done = err_set(EAGAIN, "it does not run");
    if (done == 0)
        done = tracer_seize(l->base.pid, l->process.dir, tid, l->base.options.max_stop, &b->next);
    b->has_next = done == 0;
    if (done < 0 && b->n > 0 && err_code() == ETIMEDOUT)
        b->again[b->nagain++] = i;
    else if (done < 0)
        give(b, i, -1);
}

static void interrupt(struct batch *b)
{
    b->has_next = false;
    if (tracer_interrupt(&b->next) < 0) {
        give(b, b->next_said.i, -1);
        return;
    }
    b->stopping[b->n] = b->next;
    b->said[b->n++] = b->next_said;
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
    if (done == 0 && b->want->remember)
        live_known_stack(b->live, b->room);
    if (done < 0 && err_code() == ENOENT)
        b->again[b->nagain++] = said.i;
    else
        give(b, said.i, done);
}

/*
 * For how long those that are to stop are waited for without sleep, before the next is told too, or we sleep. Where
 * looks come one after the other, what was in vain is waited for half as long the next time: when all wait for a
 * processor, we keep it from them.
 */
static uint64_t spin(const struct batch *b)
{
    if (!b->want->remember)
        return b->n > 1 && b->has_next ? SPIN_MORE : TRACER_SPIN;
    return b->n > 1 ? 0 : b->live->spin;
}

static void learn(struct batch *b, bool stopped)
{
    uint64_t *spin = &b->live->spin;
    if (stopped)
        *spin = *spin < TRACER_SPIN / 2 ? 2 * *spin : TRACER_SPIN;
    else
        *spin = *spin > 2 * SPIN_LEAST ? *spin / 2 : SPIN_LEAST;
}

/*
 * A thread that sleeps has stopped before another is told to. One that has not stopped waits for a processor: then the
 * next is told too, or each would wait for its turn alone.
 */
int live_stacks(struct target *t, const pid_t *tids, size_t n, const struct stack_want *want, struct stack *room,
                size_t *begun, target_stack_fn *fn, void *arg)
{
    struct live *l = live_of(t);
    struct batch b = {.live = l, .want = want, .room = room, .fn = fn, .arg = arg};
    const size_t most = want->window > STACK_WINDOW ? 1 : STOPPING_MAX; // their copies are all kept
    if (ready(l) < 0)
        return -1;
    tracer_begin();
    for (*begun = 0;;) {
        if (!b.has_next && *begun < n && b.n < most && !b.enough && b.nagain == 0) {
            prepare(&b, tids[*begun], *begun);
            ++*begun;
        }
        if (b.n == 0 && !b.has_next && (*begun == n || b.enough || b.nagain > 0))
            break;
        const size_t k = b.n > 0 ? tracer_await(b.stopping, b.n, spin(&b), !b.has_next) : 0;
        if (b.n == 1 && b.has_next)
            learn(&b, k == 0);
        if (k < b.n)
            end(&b, k);
        else if (b.has_next)
            interrupt(&b);
    }
    for (size_t k = 0; k < b.nagain && b.enough >= 0; k++)
        give(&b, b.again[k], target_stack(t, tids[b.again[k]], want, room));
    tracer_end();
    return b.enough < 0 ? -1 : 0;
}
