// SPDX-License-Identifier: MIT
//
// dmt-ps: processes as rows. It selects only by target: choosing by name, user or state
// is dmt-find's work.
#include "cmd.h"
#include "err.h"
#include "operands.h"
#include "proccol.h"

#include <errno.h>

struct ps {
    bool threads, tree;
    struct operands operands;
    // Of the run:
    struct run *run;
    struct procs procs;
    struct proc process, thread;
    struct proc_row row;
    unsigned needs;
};

static const struct opt opts[] = {
    {'T', "threads", NULL, OPT_FLAG, offsetof(struct ps, threads), NULL, "a row for each thread"},
    {0, "tree", NULL, OPT_FLAG, offsetof(struct ps, tree), NULL, "children below their parents, in column tree"},
};

static int prepare(struct run *run, void *values)
{
    struct ps *ps = values;
    if (operands_parse(run, &ps->operands) < 0)
        return -1;
    for (size_t i = 0; i < ps->operands.n; i++)
        ps->threads |= ps->operands.at[i].id.ntids > 0;
    if (ps->tree && ps->threads)
        return err_set(EINVAL, "--tree is of processes: not with -T or threads");
    if (ps->threads)
        run->defaults = "pid,tid,ppid,user,state,mem,cputime,name";
    if (ps->tree)
        run->defaults = "pid,ppid,user,state,mem,cputime,tree";
    return 0;
}

static int show(struct proc *p, void *arg)
{
    struct ps *ps = arg;
    proc_row_set(&ps->row, &ps->procs, p);
    return cmd_row(ps->run, &ps->row) < 0 ? 1 : 0;
}

// The threads of the open process.
static int show_threads(struct ps *ps, const struct ident *id)
{
    return ident_each_thread(&ps->procs, id, &ps->process, &ps->thread, ps->needs, show, ps);
}

static int show_operand(const struct operand *o, void *arg)
{
    struct ps *ps = arg;
    int done = ident_open(&ps->procs, &o->id, &ps->process, NULL);
    if (done == 0 && (ps->threads || o->id.ntids > 0))
        done = show_threads(ps, &o->id);
    else if (done == 0 && (done = proc_load(&ps->procs, &ps->process, ps->needs)) == 0)
        done = show(&ps->process, ps);
    proc_close(&ps->process);
    if (done < 0)
        cmd_fail(ps->run, o->text);
    return done > 0;
}

static int show_threads_of(struct proc *p, void *arg)
{
    struct ps *ps = arg;
    const struct ident all = {.pid = p->pid};
    int done = proc_open(&ps->procs, &ps->process, p->pid);
    if (done == 0)
        done = show_threads(ps, &all);
    if (done < 0 && (err_code() == EACCES || err_code() == EPERM)) {
        // Its threads are hidden (proc(5), hidepid); that it has a first one is not.
        done = proc_load(&ps->procs, &ps->process, ps->needs);
        if (done == 0)
            done = show(&ps->process, ps);
    }
    proc_close(&ps->process);
    return done < 0 && err_code() == ESRCH ? 0 : done;
}

static void work(struct run *run, void *values)
{
    struct ps *ps = values;
    ps->run = run;
    if (ps->tree && table_tree(run->table, "pid", "ppid", "tree") < 0) {
        cmd_fail(run, NULL);
        return;
    }
    ps->needs = table_needs(run->table);
    if (procs_open(&ps->procs) < 0) {
        cmd_fail(run, NULL);
        cmd_no_table(run);
        return;
    }
    proc_init(&ps->process);
    proc_init(&ps->thread);
    if (ps->operands.n > 0 || ps->operands.from_stdin)
        operands_each(run, &ps->operands, show_operand, ps);
    else if (proc_each(&ps->procs, &ps->thread, ps->threads ? 0 : ps->needs, ps->threads ? show_threads_of : show,
                       ps) < 0)
        cmd_fail(run, NULL);
    proc_fini(&ps->process);
    proc_fini(&ps->thread);
    proc_row_fini(&ps->row);
    procs_close(&ps->procs);
}

static void finish(void *values)
{
    operands_fini(&((struct ps *)values)->operands);
}

static const struct cmd cmd = {
    .name = "dmt-ps",
    .summary = "List processes, all of them or the given ones, as rows",
    .operands = "[TARGET]...",
    .complete = "targets",
    .example = "dmt-ps --sort=mem | head",
    .targets = true,
    .opts = opts,
    .nopts = ARRAY_LEN(opts),
    .cols = proc_cols,
    .defaults = "pid,ppid,user,state,mem,cputime,name",
    .prepare = prepare,
    .work = work,
    .finish = finish,
};

int main(int argc, char **argv)
{
    struct ps ps = {0};
    return cmd_main(&cmd, argc, argv, &ps);
}
