// SPDX-License-Identifier: MIT
//
// dmt-limit: the resource limits of processes as rows, and sets them. It starts no command under limits: that is
// prlimit(1)'s and ulimit's work.
#include "cmd.h"
#include "err.h"
#include "limit.h"
#include "operands.h"
#include "user.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct limit_cmd {
    struct operands operands;
    struct limit_change changes[LIMITS];
    size_t nchanges;
    // Of the run:
    struct run *run;
    struct procs procs;
    struct proc process;
};

struct row {
    pid_t pid;
    size_t kind;
    struct limit limit;
};

// --- columns -------------------------------------------------------------------------

static void get_pid(const void *row, struct cell *c)
{
    cell_int(c, ((const struct row *)row)->pid);
}

static void get_name(const void *row, struct cell *c)
{
    cell_str(c, limit_kinds[((const struct row *)row)->kind].name);
}

static void get_value(const struct row *r, uint64_t value, struct cell *c)
{
    if (value == UINT64_MAX)
        cell_unlimited(c);
    else
        cell_uint(c, value);
    cell_show_as(c, limit_kinds[r->kind].type);
}

static void get_soft(const void *row, struct cell *c)
{
    get_value(row, ((const struct row *)row)->limit.soft, c);
}

static void get_hard(const void *row, struct cell *c)
{
    get_value(row, ((const struct row *)row)->limit.hard, c);
}

static void get_unit(const void *row, struct cell *c)
{
    cell_str(c, limit_kinds[((const struct row *)row)->kind].unit);
}

static const struct col cols[] = {
    {"pid", COL_ID, 0, get_pid, "process id"},
    {"name", COL_TEXT, 0, get_name, "the limit, as prlimit(1) calls it"},
    {"soft", COL_COUNT, 0, get_soft, "what holds now, or unlimited"},
    {"hard", COL_COUNT, 0, get_hard, "how far the process may raise it, or unlimited"},
    {"unit", COL_TEXT, 0, get_unit, "what both count"},
    {0},
};

// --- the command line ------------------------------------------------------------------

static int check(const struct operand *o, const void *arg)
{
    (void)arg;
    if (o->id.ntids > 0)
        return err_set(EINVAL, "limits are of a process, not of its threads");
    return 0;
}

static int add_change(struct limit_cmd *l, const char *text)
{
    struct limit_change c;
    if (limit_parse_change(text, &c) < 0)
        return -1;
    for (size_t i = 0; i < l->nchanges; i++)
        if (l->changes[i].kind == c.kind)
            return err_set(EINVAL, "'%s': %s is set twice", text, limit_kinds[c.kind].name);
    l->changes[l->nchanges++] = c;
    return 0;
}

// Operands with a `=` are limits, the others are targets.
static int prepare(struct run *run, void *values)
{
    struct limit_cmd *l = values;
    size_t targets = 0;
    for (size_t i = 0; i < run->operands.n; i++) {
        if (!strchr(run->operands.at[i], '='))
            run->operands.at[targets++] = run->operands.at[i];
        else if (add_change(l, run->operands.at[i]) < 0)
            return -1;
    }
    run->operands.n = targets;
    l->operands.files = true;
    l->operands.check = check;
    if (operands_parse(run, &l->operands) < 0)
        return -1;
    if (l->operands.n == 0 && !l->operands.from_stdin)
        return err_set(EINVAL, "no target was given");
    return 0;
}

// --- the work ----------------------------------------------------------------------------

static int explain(struct limit_cmd *l, const struct limit_change *c, const struct limit *old)
{
    const char *name = limit_kinds[c->kind].name;
    if (err_code() != EPERM)
        return -1;
    const char *cure = geteuid() == 0 ? "root lacks CAP_SYS_RESOURCE here" : "run as root";
    if (proc_load(&l->procs, &l->process, PROC_OWNER) == 0 && (l->process.have & PROC_OWNER) &&
        l->process.euid != geteuid())
        return err_set(EPERM, "cannot set %s: Operation not permitted (it runs as %s: %s)", name,
                       user_name(l->process.euid), cure);
    if (c->has_hard && c->hard > old->hard)
        return err_set(EPERM, "cannot set %s: Operation not permitted (to raise a hard limit%s: %s)", name,
                       c->kind == RLIMIT_NOFILE ? " up to sysctl fs.nr_open" : "", cure);
    return -1;
}

// All are checked before the first is set.
static int set(struct limit_cmd *l, pid_t pid, int pidfd, const struct limit *old)
{
    struct limit new[LIMITS];
    for (size_t i = 0; i < l->nchanges; i++)
        if (limit_apply(&l->changes[i], &old[l->changes[i].kind], &new[i]) < 0)
            return -1;
    for (size_t i = 0; i < l->nchanges; i++)
        if (limit_set(pid, pidfd, l->changes[i].kind, &new[i]) < 0) {
            (void)explain(l, &l->changes[i], &old[l->changes[i].kind]);
            return i > 0 ? err_wrap("what was named before it is set") : -1;
        }
    return 0;
}

static bool is_wanted(const struct limit_cmd *l, size_t kind)
{
    for (size_t i = 0; i < l->nchanges; i++)
        if (l->changes[i].kind == kind)
            return true;
    return l->nchanges == 0;
}

static int show(struct limit_cmd *l, pid_t pid, const struct limit *limits)
{
    size_t order[LIMITS];
    for (size_t i = 0; i < LIMITS; i++) {
        size_t at = i;
        for (; at > 0 && strcmp(limit_kinds[order[at - 1]].name, limit_kinds[i].name) > 0; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    for (size_t i = 0; i < LIMITS; i++) {
        const struct row row = {pid, order[i], limits[order[i]]};
        if (is_wanted(l, row.kind) && row.limit.soft <= row.limit.hard && cmd_row(l->run, &row) < 0)
            return 1;
    }
    return 0;
}

static int work_on(struct limit_cmd *l, const struct operand *o)
{
    struct limit limits[LIMITS];
    CLEANUP_CLOSE int pidfd = -1;
    if (o->file)
        return err_set(ENOTSUP, "not possible on a core file");
    if (ident_open(&l->procs, &o->id, &l->process, &pidfd) < 0 || limits_read(&l->process, limits) < 0)
        return -1;
    if (l->nchanges > 0 && (set(l, o->id.pid, pidfd, limits) < 0 || limits_read(&l->process, limits) < 0))
        return -1;
    return show(l, o->id.pid, limits);
}

static int work_on_operand(const struct operand *o, void *arg)
{
    struct limit_cmd *l = arg;
    int done = work_on(l, o);
    proc_close(&l->process);
    if (done < 0)
        cmd_fail(l->run, o->text);
    return done > 0;
}

static void work(struct run *run, void *values)
{
    struct limit_cmd *l = values;
    l->run = run;
    if (procs_open(&l->procs) < 0) {
        cmd_fail(run, NULL);
        return;
    }
    proc_init(&l->process);
    operands_each(run, &l->operands, work_on_operand, l);
    proc_fini(&l->process);
    procs_close(&l->procs);
}

static bool offer(size_t i, struct offered *ret)
{
    if (i >= LIMITS)
        return false;
    ret->complete = "operands";
    (void)snprintf(ret->word, sizeof ret->word, "%s=", limit_kinds[i].name);
    return true;
}

static void finish(void *values)
{
    operands_fini(&((struct limit_cmd *)values)->operands);
}

static const struct cmd cmd = {
    .name = "dmt-limit",
    .summary = "Show and set resource limits of processes",
    .operands = "TARGET... [NAME=SOFT[:HARD]]...",
    .complete = "targets",
    .offer = offer,
    .example = "dmt-limit self",
    .targets = true,
    .cols = cols,
    .defaults = "pid,name,soft,hard,unit",
    .prepare = prepare,
    .work = work,
    .finish = finish,
};

int main(int argc, char **argv)
{
    struct limit_cmd limit = {0};
    return cmd_main(&cmd, argc, argv, &limit);
}
