// SPDX-License-Identifier: MIT
//
// dmt-find: the processes that match, one token a line: what every other command takes
// as a target. It acts on none of them.
#include "cmd.h"
#include "err.h"
#include "ident.h"
#include "match.h"
#include "proccol.h"

#include <errno.h>
#include <string.h>

struct find {
    struct match match;
    bool newest, oldest, count, long_rows, argument_rows, handles, null, no_ancestors;
    const char *separator, *ns, *ns_kinds, *descendants, *states;
    struct texts euid, ruid, rgid, pgid, ppid, sid, ttys, cgroups;
    struct ident root, ns_of; // of --descendants and --ns
    // Of the run:
    struct run *run;
    struct procs procs;
    struct proc p, best;
    struct proc_row row;
    unsigned needs;
    bool has_best;
    uint64_t found;
    pid_t self;
};

#define AT(field) offsetof(struct find, field)

static const struct opt opts[] = {
    {'f', "full", NULL, OPT_FLAG, AT(match.full), NULL, "match the whole argument vector"},
    {'x', "exact", NULL, OPT_FLAG, AT(match.exact), NULL, "the whole name (or vector) has to match"},
    {'i', "ignore-case", NULL, OPT_FLAG, AT(match.ignore_case), NULL, "capitals match small letters"},
    {'v', "inverse", NULL, OPT_FLAG, AT(match.invert), NULL, "those that do not match"},
    {'n', "newest", NULL, OPT_FLAG, AT(newest), NULL, "only the one that started last"},
    {'o', "oldest", NULL, OPT_FLAG, AT(oldest), NULL, "only the one that started first"},
    {'u', "euid", "USER,...", OPT_TEXTS, AT(euid), "users", "effective user, name or number"},
    {'U', "uid", "USER,...", OPT_TEXTS, AT(ruid), "users", "real user"},
    {'g', "pgroup", "PGID,...", OPT_TEXTS, AT(pgid), NULL, "process group; 0: our own"},
    {'G', "group", "GROUP,...", OPT_TEXTS, AT(rgid), "groups", "real group, name or number"},
    {'P', "parent", "PPID,...", OPT_TEXTS, AT(ppid), "targets", "parent"},
    {'s', "session", "SID,...", OPT_TEXTS, AT(sid), NULL, "session; 0: our own"},
    {'t', "terminal", "TTY,...", OPT_TEXTS, AT(ttys), "ttys", "controlling terminal: pts/0; -: none"},
    {'r', "runstates", "STATES", OPT_TEXT, AT(states), "states", "states: letters of R S D T t Z I"},
    {'c', "count", NULL, OPT_FLAG, AT(count), NULL, "print how many, not which"},
    {'d', "delimiter", "SEP", OPT_TEXT, AT(separator), NULL, "between the tokens, instead of lines"},
    {'0', "null", NULL, OPT_FLAG, AT(null), NULL, "a zero byte after each token"},
    {'I', "handle", NULL, OPT_FLAG, AT(handles), NULL, "print handles, which no reused pid fits"},
    {'l', "list-name", NULL, OPT_FLAG, AT(long_rows), NULL, "rows with the name"},
    {'a', "list-full", NULL, OPT_FLAG, AT(argument_rows), NULL, "rows with the arguments"},
    {'A', "ignore-ancestors", NULL, OPT_FLAG, AT(no_ancestors), NULL, "not our own ancestors"},
    {0, "ns", "PID", OPT_TEXT, AT(ns), "targets", "in the same namespaces as PID"},
    {0, "nslist", "KIND,...", OPT_TEXT, AT(ns_kinds), "namespaces", "only these kinds of namespace for --ns"},
    {0, "cgroup", "PATH,...", OPT_TEXTS, AT(cgroups), NULL, "control group"},
    {0, "descendants", "PID", OPT_TEXT, AT(descendants), "targets", "children of PID, and theirs"},
};

// --- the question ------------------------------------------------------------------

static int each(const struct texts *lists, struct match *m, int (*add)(struct match *m, const char *list))
{
    for (size_t i = 0; i < lists->n; i++)
        if (add(m, lists->at[i]) < 0)
            return -1;
    return 0;
}

static int add_euid(struct match *m, const char *list)
{
    return match_users(m, &m->euid, list);
}

static int add_ruid(struct match *m, const char *list)
{
    return match_users(m, &m->ruid, list);
}

static int add_pgid(struct match *m, const char *list)
{
    return match_ids(m, &m->pgid, list);
}

static int add_ppid(struct match *m, const char *list)
{
    return match_ids(m, &m->ppid, list);
}

static int add_sid(struct match *m, const char *list)
{
    return match_ids(m, &m->sid, list);
}

static int read_question(struct run *run, struct find *f)
{
    struct match *m = &f->match;
    if (run->operands.n > 1)
        return err_set(EINVAL, "'%s': only one pattern can be given; join them: 'A|B'", run->operands.at[1]);
    if (f->newest && f->oldest)
        return err_set(EINVAL, "-n and -o cannot be combined");
    if (f->ns_kinds && !f->ns)
        return err_set(EINVAL, "--nslist goes with --ns");
    if (f->descendants && ident_parse(f->descendants, strlen(f->descendants), &f->root) < 0)
        return err_wrap("--descendants '%s'", f->descendants);
    if (f->ns && ident_parse(f->ns, strlen(f->ns), &f->ns_of) < 0)
        return err_wrap("--ns '%s'", f->ns);
    if (f->root.ntids + f->ns_of.ntids > 0)
        return err_set(EINVAL, "--descendants and --ns take processes, no threads");
    if (each(&f->euid, m, add_euid) < 0 || each(&f->ruid, m, add_ruid) < 0 || each(&f->rgid, m, match_groups) < 0 ||
        each(&f->pgid, m, add_pgid) < 0 || each(&f->ppid, m, add_ppid) < 0 || each(&f->sid, m, add_sid) < 0 ||
        each(&f->ttys, m, match_ttys) < 0 || each(&f->cgroups, m, match_cgroups) < 0 ||
        (f->states && match_states(m, f->states) < 0) || match_ns_kinds(m, f->ns_kinds) < 0)
        return -1;
    if (run->operands.n == 0 && !m->needs && !f->descendants && !f->ns && !f->newest && !f->oldest)
        return err_set(EINVAL, "a pattern or another condition is needed");
    return run->operands.n > 0 ? match_pattern(m, run->operands.at[0]) : 0;
}

// --- the answer --------------------------------------------------------------------

static int prepare(struct run *run, void *values)
{
    struct find *f = values;
    bool rows = f->long_rows || f->argument_rows || run->columns;
    if (f->null && f->separator)
        return err_set(EINVAL, "-0 and -d cannot be combined");
    run->defaults = f->argument_rows ? (f->handles ? "handle,args" : "pid,args")
                    : f->long_rows   ? (f->handles ? "handle,name" : "pid,name")
                                     : (f->handles ? "handle" : "pid");
    if (!rows || f->count)
        run->table_options.no_header = true;
    if (!rows && run->table_options.format == TABLE_AUTO)
        run->table_options.format = TABLE_TSV;
    run->table_options.separator = f->separator;
    run->table_options.null = f->null;
    return read_question(run, f);
}

static int show(struct find *f, struct proc *p)
{
    f->found++;
    if (f->count)
        return 0;
    proc_row_set(&f->row, &f->procs, p);
    return cmd_row(f->run, &f->row) < 0 ? 1 : 0;
}

// Started before or after the best so far; of one tick, the smaller or larger pid.
static bool better(const struct find *f, const struct proc *p)
{
    const struct proc *best = &f->best;
    bool later = p->stat.start != best->stat.start ? p->stat.start > best->stat.start : p->pid > best->pid;
    return !f->has_best || later == f->newest;
}

static int look(struct proc *p, void *arg)
{
    struct find *f = arg;
    if (p->pid == f->self)
        return 0;
    unsigned more = match_more(&f->match, p);
    if (more && proc_read(&f->procs, p, p->pid, f->match.needs | more) < 0)
        return err_code() == ESRCH ? 0 : -1;
    if (!match_test(&f->match, p))
        return 0;
    // The columns are read for those that match only; all of it again, so that the row is
    // of one process, which still matches.
    if (f->needs & ~p->have) {
        if (proc_read(&f->procs, p, p->pid, f->match.needs | more | f->needs) < 0)
            return err_code() == ESRCH ? 0 : -1;
        if (!match_test(&f->match, p))
            return 0;
    }
    if (!f->newest && !f->oldest)
        return show(f, p);
    if (better(f, p)) {
        struct proc swap = f->best;
        f->best = *p;
        *p = swap;
        f->has_best = true;
    }
    return 0;
}

static int find_root(struct find *f)
{
    int done = ident_open(&f->procs, &f->root, &f->p, NULL);
    if (done == 0)
        done = match_descendants(&f->match, &f->procs, &f->p);
    proc_close(&f->p);
    return done < 0 ? err_wrap("--descendants %s", f->descendants) : 0;
}

static int find_ns(struct find *f)
{
    int done = ident_open(&f->procs, &f->ns_of, &f->p, NULL);
    if (done == 0)
        done = match_ns(&f->match, &f->procs, &f->p);
    proc_close(&f->p);
    return done < 0 ? err_wrap("--ns %s", f->ns) : 0;
}

static int find(struct find *f)
{
    if ((f->descendants && find_root(f) < 0) || (f->ns && find_ns(f) < 0) ||
        (f->no_ancestors && match_no_ancestors(&f->match, &f->procs) < 0))
        return -1;
    f->needs = f->count ? 0 : table_needs(f->run->table);
    if (f->newest || f->oldest)
        f->match.needs |= PROC_STAT;
    if (f->match.needs & PROC_STAT)
        f->match.needs &= ~(unsigned)PROC_COMM; // stat has the name too
    if (proc_each(&f->procs, &f->p, f->match.needs, look, f) < 0)
        return -1;
    if (f->has_best)
        (void)show(f, &f->best);
    return 0;
}

static void work(struct run *run, void *values)
{
    struct find *f = values;
    f->run = run;
    f->self = getpid();
    if (procs_open(&f->procs) < 0) {
        cmd_fail(run, NULL);
        cmd_no_table(run);
        return;
    }
    proc_init(&f->p);
    proc_init(&f->best);
    if (find(f) < 0) {
        cmd_fail(run, NULL);
    } else if (f->count) {
        CLEANUP_BUF struct buf text = {0};
        buf_printf(&text, "%llu\n", (unsigned long long)f->found);
        cmd_text(run, buf_cstr(&text), text.len);
    }
    if (f->found == 0)
        cmd_status(run, STATUS_NONE);
    proc_fini(&f->p);
    proc_fini(&f->best);
    proc_row_fini(&f->row);
    procs_close(&f->procs);
}

static void finish(void *values)
{
    struct find *f = values;
    struct texts *lists[] = {&f->euid, &f->ruid, &f->rgid, &f->pgid, &f->ppid, &f->sid, &f->ttys, &f->cgroups};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        texts_fini(lists[i]);
    match_fini(&f->match);
}

static const struct cmd cmd = {
    .name = "dmt-find",
    .summary = "Print the processes that match, as targets for the other commands",
    .operands = "[PATTERN]",
    .complete = "names",
    .example = "dmt-find bash | xargs dmt-ps",
    .opts = opts,
    .nopts = ARRAY_LEN(opts),
    .cols = proc_cols,
    .defaults = "pid",
    .prepare = prepare,
    .work = work,
    .finish = finish,
};

int main(int argc, char **argv)
{
    struct find find = {0};
    return cmd_main(&cmd, argc, argv, &find);
}
