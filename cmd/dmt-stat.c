// SPDX-License-Identifier: MIT
//
// dmt-stat: what the machine, or each process, does between two looks. The first look is
// never printed: averages since boot answer another question.
#include "cmd.h"
#include "err.h"
#include "num.h"
#include "operands.h"
#include "sample.h"
#include "sysstat.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct watched { // a target of -p
    struct ident id;
    uint64_t start;
    char text[64];
    bool gone;
};

struct stat {
    bool threads, busy;
    bool wanted[SYSSTAT_RESOURCES], named; // named: on the command line, so that a lack is an error
    bool processes;
    uint64_t interval, count; // nanoseconds; 0: for ever
    struct operands operands;
    // Of the run:
    struct run *run;
    int64_t when; // hundredths of seconds since the epoch
    struct sysstat_reading before[SYSSTAT_RESOURCES], after[SYSSTAT_RESOURCES];
    struct procs procs;
    struct sample sample;
    struct proc process;
    struct watched *watched;
    size_t nwatched, cap;
    uint64_t memory; // bytes of the machine
};

static const struct opt opts[] = {
    {'T', "threads", NULL, OPT_FLAG, offsetof(struct stat, threads), NULL, "a row for each thread (proc)"},
    {0, "busy", NULL, OPT_FLAG, offsetof(struct stat, busy), NULL, "only those that did something (proc)"},
};

// --- the machine -------------------------------------------------------------------------

struct row {
    int64_t when;
    const char *resource;
    struct sysstat_row r;
};

static void get_when(const void *row, struct cell *c)
{
    cell_fixed(c, *(const int64_t *)row, 2); // the first member of both kinds of row
}

static void get_resource(const void *row, struct cell *c)
{
    cell_str(c, ((const struct row *)row)->resource);
}

static void get_name(const void *row, struct cell *c)
{
    cell_str(c, ((const struct row *)row)->r.name);
}

static void get_value(const void *row, struct cell *c, enum sysstat_value value)
{
    const struct sysstat_row *r = &((const struct row *)row)->r;
    if (!r->v[value].set)
        return;
    cell_fixed(c, r->v[value].value, r->v[value].decimals);
    if (value == VALUE_USED || value == VALUE_TOTAL)
        cell_show_as(c, r->unit == USED_BYTES ? COL_BYTES : COL_SECONDS);
}

#define VALUE(name, value)                                                                                    \
    static void get_##name(const void *row, struct cell *c)                                                   \
    {                                                                                                         \
        get_value(row, c, value);                                                                             \
    }
VALUE(percent, VALUE_PERCENT)
VALUE(used, VALUE_USED)
VALUE(total, VALUE_TOTAL)
VALUE(in, VALUE_IN)
VALUE(out, VALUE_OUT)
VALUE(in_ops, VALUE_IN_OPS)
VALUE(out_ops, VALUE_OUT_OPS)
VALUE(errors, VALUE_ERRORS)
VALUE(user, VALUE_USER)
VALUE(nice, VALUE_NICE)
VALUE(system, VALUE_SYSTEM)
VALUE(idle, VALUE_IDLE)
VALUE(iowait, VALUE_IOWAIT)
VALUE(irq, VALUE_IRQ)
VALUE(softirq, VALUE_SOFTIRQ)
VALUE(steal, VALUE_STEAL)
VALUE(guest, VALUE_GUEST)
VALUE(available, VALUE_AVAILABLE)
VALUE(free, VALUE_FREE)
VALUE(buffers, VALUE_BUFFERS)
VALUE(cached, VALUE_CACHED)
VALUE(shared, VALUE_SHARED)
VALUE(dirty, VALUE_DIRTY)
VALUE(writeback, VALUE_WRITEBACK)
VALUE(slab, VALUE_SLAB)
VALUE(await, VALUE_AWAIT)
VALUE(queue, VALUE_QUEUE)
VALUE(drops, VALUE_DROPS)
VALUE(full, VALUE_FULL)
VALUE(some_avg10, VALUE_SOME_AVG10)
VALUE(full_avg10, VALUE_FULL_AVG10)

static const struct col cols[] = {
    {"when", COL_TIME, 0, get_when, "end of the interval"},
    {"resource", COL_TEXT, 0, get_resource, "cpu mem swap disk net pressure"},
    {"name", COL_TEXT, 0, get_name, "which: all cpu0 sda eth0 memory ..."},
    {"percent", COL_PERCENT, 0, get_percent, "how busy or full; pressure: time in which some task waited"},
    {"used", COL_COUNT, 0, get_used, "cpu, pressure: seconds; mem, swap: bytes; net: bytes a second, the busier direction"},
    {"total", COL_COUNT, 0, get_total, "what used and percent are of; disk: its size; net: speed of the link"},
    {"in", COL_BYTES, 0, get_in, "bytes a second: read, received, swapped or paged in"},
    {"out", COL_BYTES, 0, get_out, "bytes a second: written, sent, swapped or paged out"},
    {"in_ops", COL_COUNT, 0, get_in_ops, "a second: reads, packets, pages swapped in; mem: major faults"},
    {"out_ops", COL_COUNT, 0, get_out_ops, "a second: writes, packets, pages swapped out"},
    {"errors", COL_COUNT, 0, get_errors, "a second; net: errors, mem: kills for lack of memory"},
    {"user", COL_PERCENT, 0, get_user, "cpu: in user mode"},
    {"nice", COL_PERCENT, 0, get_nice, "cpu: in user mode with lowered priority"},
    {"system", COL_PERCENT, 0, get_system, "cpu: in the kernel"},
    {"idle", COL_PERCENT, 0, get_idle, "cpu: idle"},
    {"iowait", COL_PERCENT, 0, get_iowait, "cpu: idle while a device was waited for"},
    {"irq", COL_PERCENT, 0, get_irq, "cpu: hardware interrupts"},
    {"softirq", COL_PERCENT, 0, get_softirq, "cpu: software interrupts"},
    {"steal", COL_PERCENT, 0, get_steal, "cpu: taken by the hypervisor"},
    {"guest", COL_PERCENT, 0, get_guest, "cpu: running guests, in user too"},
    {"available", COL_BYTES, 0, get_available, "mem: to be had without swapping"},
    {"free", COL_BYTES, 0, get_free, "mem, swap: unused"},
    {"buffers", COL_BYTES, 0, get_buffers, "mem: buffers of block devices"},
    {"cached", COL_BYTES, 0, get_cached, "mem: cached files, and slab that can be reclaimed"},
    {"shared", COL_BYTES, 0, get_shared, "mem: tmpfs and shared memory"},
    {"dirty", COL_BYTES, 0, get_dirty, "mem: waiting to be written"},
    {"writeback", COL_BYTES, 0, get_writeback, "mem: being written"},
    {"slab", COL_BYTES, 0, get_slab, "mem: the kernel's own objects"},
    {"await", COL_SECONDS, 0, get_await, "disk: mean time of a request, queue included"},
    {"queue", COL_COUNT, 0, get_queue, "disk: mean number of requests waiting or served"},
    {"drops", COL_COUNT, 0, get_drops, "net: packets dropped a second"},
    {"full", COL_PERCENT, 0, get_full, "pressure: time in which all tasks waited"},
    {"some_avg10", COL_PERCENT, 0, get_some_avg10, "pressure: the kernel's mean of 10 seconds, some"},
    {"full_avg10", COL_PERCENT, 0, get_full_avg10, "pressure: the kernel's mean of 10 seconds, all"},
    {0},
};

static void read_machine(struct stat *s)
{
    for (int i = 0; i < SYSSTAT_RESOURCES; i++) {
        struct sysstat_reading last = s->before[i];
        if (!s->wanted[i])
            continue;
        s->before[i] = s->after[i];
        s->after[i] = last;
        if (sysstat_read((enum sysstat_resource)i, &s->after[i]) == 0)
            continue;
        if (s->named)
            cmd_fail(s->run, sysstat_names[i]);
        s->wanted[i] = false;
    }
}

static int show_machine(struct stat *s)
{
    for (int i = 0; i < SYSSTAT_RESOURCES; i++)
        for (size_t k = 0; s->wanted[i] && k < s->after[i].n; k++) {
            struct row row = {.when = s->when, .resource = sysstat_names[i]};
            if (sysstat_rates((enum sysstat_resource)i, &s->before[i], &s->after[i], &s->after[i].items[k], &row.r) &&
                cmd_row(s->run, &row) < 0)
                return -1;
        }
    return 0;
}

// --- processes ------------------------------------------------------------------------------

struct task_row {
    int64_t when;
    const struct task *t;
    uint64_t memory;
};

// A getter: `r` is the row, `t` the task, `ns` the time between the looks, `c` the cell, which stays
// without value unless NEEDS could be read, and (RATE) twice.
#define TASK(name, needs, rate, body)                                                                         \
    static void get_task_##name(const void *row, struct cell *c)                                              \
    {                                                                                                         \
        const struct task_row *r = row;                                                                       \
        const struct task *t = r->t;                                                                          \
        double ns = (double)(t->now.when - t->before.when);                                                   \
        (void)ns;                                                                                             \
        if ((t->have & (unsigned)(needs)) == (unsigned)(needs) && (!(rate) || t->known)) {                    \
            body;                                                                                             \
        }                                                                                                     \
    }
#define PART(field) ((double)(t->now.field - t->before.field) / ns)
#define PER_SECOND(field) (PART(field) * 1e9)

static void set_percent(struct cell *c, double part)
{
    cell_fixed(c, (int64_t)(part * 10000 + 0.5), 2);
}

TASK(pid, 0, false, cell_int(c, t->pid))
TASK(tid, 0, false, cell_int(c, t->tid ? t->tid : t->pid))
TASK(name, 0, false, cell_text(c, t->name, t->name_len))
TASK(state, 0, false, cell_text(c, &t->state, 1))
TASK(start, 0, false, cell_uint(c, t->start))
TASK(cpu, 0, true, set_percent(c, PART(cpu)))
TASK(user, 0, true, if (t->now.user >= t->before.user) set_percent(c, PART(user)))
TASK(mem, SAMPLE_MEM, false, cell_uint(c, t->rss))
TASK(mem_pct, SAMPLE_MEM, false, if (r->memory) set_percent(c, (double)t->rss / (double)r->memory))
TASK(read, SAMPLE_IO, true, cell_fixed(c, (int64_t)PER_SECOND(read), 0))
TASK(write, SAMPLE_IO, true, cell_fixed(c, (int64_t)PER_SECOND(write), 0))
TASK(minflt, 0, true, cell_fixed(c, (int64_t)(PER_SECOND(minflt) * 100), 2))
TASK(majflt, 0, true, cell_fixed(c, (int64_t)(PER_SECOND(majflt) * 100), 2))
TASK(ctxsw, SAMPLE_CTXSW, true, cell_fixed(c, (int64_t)(PER_SECOND(ctxsw) * 100), 2))
TASK(wait, SAMPLE_WAIT, true, set_percent(c, PART(wait)))

static const struct col task_cols[] = {
    {"pid", COL_ID, 0, get_task_pid, "process id"},
    {"tid", COL_ID, 0, get_task_tid, "thread id; that of the first thread for a process"},
    {"name", COL_TEXT, 0, get_task_name, "command name (comm)"},
    {"cpu", COL_PERCENT, 0, get_task_cpu, "CPU time, percent of one CPU"},
    {"mem", COL_BYTES, SAMPLE_MEM, get_task_mem, "resident memory"},
    {"mem_pct", COL_PERCENT, SAMPLE_MEM, get_task_mem_pct, "of the machine's memory"},
    {"read", COL_BYTES, SAMPLE_IO, get_task_read, "bytes a second read from storage"},
    {"write", COL_BYTES, SAMPLE_IO, get_task_write, "bytes a second written to storage"},
    {"ctxsw", COL_COUNT, SAMPLE_CTXSW, get_task_ctxsw, "context switches a second, of all its threads"},
    {"when", COL_TIME, 0, get_when, "end of the interval"},
    {"state", COL_TEXT, SAMPLE_STATE, get_task_state, "state, as in dmt-ps"},
    {"user", COL_PERCENT, 0, get_task_user, "CPU time in user mode, percent of one CPU"},
    {"minflt", COL_COUNT, 0, get_task_minflt, "page faults a second without input"},
    {"majflt", COL_COUNT, 0, get_task_majflt, "page faults a second that read a disk"},
    {"wait", COL_PERCENT, SAMPLE_WAIT, get_task_wait, "time ready to run without a CPU, added up over its threads"},
    {"start", COL_ID, 0, get_task_start, "start in clock ticks since boot: PID@START is a target"},
    {0},
};

static bool did_something(const struct task *t)
{
    const struct sample_counters *a = &t->before, *b = &t->now;
    return t->known && (a->cpu != b->cpu || a->minflt != b->minflt || a->majflt != b->majflt || a->read != b->read ||
                        a->write != b->write || a->ctxsw != b->ctxsw);
}

static int show_task(const struct task *t, void *arg)
{
    struct stat *s = arg;
    const struct task_row row = {s->when, t, s->memory};
    if (s->busy && !did_something(t))
        return 0;
    return cmd_row(s->run, &row) < 0 ? 1 : 0;
}

static int read_processes(struct stat *s)
{
    sample_begin(&s->sample);
    if (s->nwatched == 0)
        return sample_all(&s->sample);
    size_t alive = 0;
    for (size_t i = 0; i < s->nwatched; i++) {
        struct watched *w = &s->watched[i];
        if (!w->gone && sample_one(&s->sample, &w->id, w->start) < 0) {
            cmd_fail(s->run, w->text);
            w->gone = true;
        }
        alive += !w->gone;
    }
    return alive > 0 ? 0 : 1;
}

static int watch_ident(struct stat *s, const struct ident *id, uint64_t start, const char *text)
{
    struct watched *grown = array_grow(s->watched, s->nwatched, &s->cap, sizeof *grown);
    if (!grown)
        return -1;
    s->watched = grown;
    struct watched *w = &s->watched[s->nwatched++];
    *w = (struct watched){.id = *id, .start = start};
    (void)snprintf(w->text, sizeof w->text, "%s", text);
    return 0;
}

// Threads of one target are watched one by one: each may end by itself.
static int watch(const struct operand *o, void *arg)
{
    struct stat *s = arg;
    int done = ident_open(&s->procs, &o->id, &s->process, NULL);
    uint64_t start = s->process.stat.start;
    proc_close(&s->process);
    for (size_t i = 0; done == 0 && i < (o->id.ntids ? o->id.ntids : 1); i++) {
        struct ident one = o->id;
        one.tids[0] = o->id.tids[i];
        one.ntids = o->id.ntids > 0;
        done = watch_ident(s, &one, start, o->text);
    }
    if (done < 0)
        cmd_fail(s->run, o->text);
    return 0;
}

static void read_memory(struct stat *s)
{
    struct sysstat_reading r = {0};
    struct sysstat_row row;
    if (sysstat_read(SYSSTAT_MEM, &r) == 0 && sysstat_rates(SYSSTAT_MEM, NULL, &r, &r.items[0], &row))
        s->memory = (uint64_t)row.v[VALUE_TOTAL].value;
    sysstat_fini(&r);
}

// --- the command line ---------------------------------------------------------------------------

static int read_word(struct stat *s, const char *word, int *numbers)
{
    if (*word >= '0' && *word <= '9') {
        (*numbers)++;
        if (*numbers == 1 && (num_seconds(word, strlen(word), 1000000000000000000, &s->interval) < 0 || s->interval == 0))
            return err_set(EINVAL, "'%s': the interval is a number of seconds above 0", word);
        if (*numbers == 2 && (num_uint(word, strlen(word), UINT64_MAX, &s->count) < 0 || s->count == 0))
            return err_set(EINVAL, "'%s': the count is a whole number above 0", word);
        return *numbers > 2 ? err_set(EINVAL, "'%s' is a third number: INTERVAL and COUNT are two", word) : 0;
    }
    if (*numbers > 0)
        return err_set(EINVAL, "'%s' stands after the interval", word);
    if (strcmp(word, "proc") == 0) {
        s->processes = true;
        return 0;
    }
    for (int i = 0; i < SYSSTAT_RESOURCES; i++)
        if (strcmp(word, sysstat_names[i]) == 0) {
            s->wanted[i] = s->named = true;
            return 0;
        }
    return err_set(EINVAL, "'%s' is no resource: cpu mem swap disk net pressure, or proc", word);
}

static int prepare(struct run *run, void *values)
{
    struct stat *s = values;
    int numbers = 0;
    s->interval = 1000000000;
    for (size_t i = 0; i < run->operands.n; i++)
        if (read_word(s, run->operands.at[i], &numbers) < 0)
            return -1;
    if (numbers == 0)
        s->count = 1;
    run->operands.n = 0; // none of them is a target
    if (operands_parse(run, &s->operands) < 0)
        return -1;
    s->processes |= s->operands.n > 0 || s->operands.from_stdin;
    for (size_t i = 0; i < s->operands.n; i++)
        s->threads |= s->operands.at[i].id.ntids > 0;
    if (s->processes) {
        run->cols = task_cols;
        run->defaults = s->threads ? "pid,tid,name,cpu,mem,mem_pct,read,write,ctxsw,when"
                                   : "pid,name,cpu,mem,mem_pct,read,write,ctxsw,when";
    }
    if (s->processes && s->named)
        return err_set(EINVAL, "proc and -p are a table of their own: not with other resources");
    if (!s->processes && (s->threads || s->busy))
        return err_set(EINVAL, "-T and --busy go with proc or -p");
    for (int i = 0; !s->named && i < SYSSTAT_RESOURCES; i++)
        s->wanted[i] = !s->processes;
    return 0;
}

// --- the rounds -------------------------------------------------------------------------------------

static uint64_t monotonic(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static void sleep_until(uint64_t when)
{
    const struct timespec t = {(time_t)(when / 1000000000), (long)(when % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

// 1: nothing is left to look at.
static int look(struct stat *s)
{
    if (s->processes)
        return read_processes(s);
    read_machine(s);
    for (int i = 0; i < SYSSTAT_RESOURCES; i++)
        if (s->wanted[i])
            return 0;
    return s->named ? 1 : err_set(ENOTSUP, "no counters in /proc: it is not mounted (mount -t proc proc /proc)");
}

static int show(struct stat *s)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    s->when = now.tv_sec * 100LL + now.tv_nsec / 10000000;
    int done = s->processes ? sample_each(&s->sample, show_task, s) : show_machine(s);
    return done == 0 ? cmd_report(s->run) : done;
}

static void rounds(struct stat *s)
{
    uint64_t next = monotonic(), shown = 0;
    int done = look(s);
    // Tasks of a first look are kept even though nothing is shown.
    while (done == 0 && (s->count == 0 || shown < s->count)) {
        next += s->interval;
        for (uint64_t now = monotonic(); next < now;) // late: no reports in a hurry
            next += (now - next) / s->interval * s->interval + s->interval;
        sleep_until(next);
        done = look(s);
        if (done == 0)
            done = show(s);
        shown++;
    }
    if (done < 0 && s->run->table)
        cmd_fail(s->run, NULL);
}

static void work(struct run *run, void *values)
{
    struct stat *s = values;
    s->run = run;
    if (!s->processes) {
        rounds(s);
        return;
    }
    if (procs_open(&s->procs) < 0) {
        cmd_fail(run, NULL);
        return;
    }
    unsigned needs = table_needs(run->table) | (s->busy ? SAMPLE_IO : 0);
    proc_init(&s->process);
    sample_init(&s->sample, &s->procs, needs, s->threads);
    read_memory(s);
    bool all = s->operands.n == 0 && !s->operands.from_stdin;
    if (!all)
        operands_each(run, &s->operands, watch, s);
    if (all || s->nwatched > 0)
        rounds(s);
    sample_fini(&s->sample);
    proc_fini(&s->process);
    procs_close(&s->procs);
}

static void finish(void *values)
{
    struct stat *s = values;
    for (int i = 0; i < SYSSTAT_RESOURCES; i++) {
        sysstat_fini(&s->before[i]);
        sysstat_fini(&s->after[i]);
    }
    operands_fini(&s->operands);
    free(s->watched);
}

static const struct cmd cmd = {
    .name = "dmt-stat",
    .summary = "Show how busy the machine is, or each process, over an interval",
    .operands = "[RESOURCE... | proc] [INTERVAL [COUNT]]",
    .complete = "resources",
    .example = "dmt-stat cpu mem 1 5",
    .targets = true,
    .opts = opts,
    .nopts = ARRAY_LEN(opts),
    .cols = cols,
    .defaults = "when,resource,name,percent,used,total,in,out,in_ops,out_ops,errors",
    .other_cols = task_cols,
    .prepare = prepare,
    .work = work,
    .finish = finish,
};

int main(int argc, char **argv)
{
    struct stat stat = {0};
    return cmd_main(&cmd, argc, argv, &stat);
}
