// SPDX-License-Identifier: MIT
//
// dmt-stat: what the machine, or each process, does between two looks. The first look is
// never printed: averages since boot answer another question.
#include "clock.h"
#include "cmd.h"
#include "err.h"
#include "num.h"
#include "operands.h"
#include "statcol.h"
#include "taskcol.h"

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
            struct stat_row row = {.when = s->when, .resource = sysstat_names[i]};
            if (sysstat_rates((enum sysstat_resource)i, &s->before[i], &s->after[i], &s->after[i].items[k], &row.r) &&
                cmd_row(s->run, &row) < 0)
                return -1;
        }
    return 0;
}

// --- processes ------------------------------------------------------------------------------

static int show_task(const struct task *t, void *arg)
{
    struct stat *s = arg;
    const struct task_row row = {s->when, t, s->memory};
    if (s->busy && !task_was_busy(t))
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
    uint64_t next = clock_now(), shown = 0;
    int done = look(s);
    bool begun = done == 0;
    // Tasks of a first look are kept even though nothing is shown.
    while (done == 0 && (s->count == 0 || shown < s->count)) {
        next += s->interval;
        for (uint64_t now = clock_now(); next < now;) // late: no reports in a hurry
            next += (now - next) / s->interval * s->interval + s->interval;
        clock_sleep_until(next);
        done = look(s);
        if (done == 0)
            done = show(s);
        shown++;
    }
    if (done < 0 && s->run->table)
        cmd_fail(s->run, NULL);
    if (!begun && s->run->status == STATUS_FAILED)
        cmd_no_table(s->run);
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
        cmd_no_table(run);
        return;
    }
    unsigned needs = table_needs(run->table) | (s->busy ? SAMPLE_IO : 0);
    proc_init(&s->process);
    sample_init(&s->sample, &s->procs, needs, s->threads);
    s->memory = sysstat_memory();
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
    .cols = stat_cols,
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
