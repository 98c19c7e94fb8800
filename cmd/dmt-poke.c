// SPDX-License-Identifier: MIT
//
// dmt-poke: writes memory and registers of a process. Everything is checked before the first write, and what
// stood there before is shown, so that it can be put back. It never allocates, calls or maps anything in it.
#include "err.h"
#include "operands.h"
#include "poke.h"

#include <errno.h>

enum { MAX_STOP_MS = 1000 };

struct poking {
    const char *format;
    struct poke poke;
    struct operands targets;
    struct procs procs;
};

static const struct opt opts[] = {
    {'f', "as", "FORMAT", OPT_TEXT, offsetof(struct poking, format), "types",
     "signed unsigned hex float char string pointer bytes; with size: x2"},
};

// -1 is no option, and no value either: it would be one or the other by what stands before it.
static int word(void *values, const char *text)
{
    (void)values;
    if (text[1] < '0' || text[1] > '9')
        return 0;
    return err_set(EINVAL, "'%s': negative values stand behind --, as in -f signed4 -- TARGET LOCATION %s", text, text);
}

static int prepare(struct run *run, void *values)
{
    struct poking *p = values;
    size_t first;
    p->targets.files = true;
    if (operands_parse_first(run, &p->targets, &first) < 0)
        return -1;
    if (p->format && value_format_parse(p->format, &p->poke.want) < 0)
        return err_wrap("-f '%s'", p->format);
    p->poke.run = run;
    p->poke.words = run->operands.at + first;
    p->poke.nwords = run->operands.n - first;
    for (size_t i = 0; i < p->poke.nwords; i += 2)
        if (p->poke.words[i][0] == '%')
            run->defaults = "pid,tid,addr,location,type,old,new";
    return poke_check(&p->poke);
}

static int write_target(const struct operand *o, void *arg)
{
    struct poking *p = arg;
    struct target *t CLEANUP_TARGET = NULL;
    const struct target_options options = {.max_stop = MAX_STOP_MS * 1000000ull};
    if (target_open(&p->procs, o, &options, &t) < 0) {
        cmd_fail(p->poke.run, o->text);
        return 0;
    }
    return poke_target(&p->poke, o, t);
}

static void work(struct run *run, void *values)
{
    struct poking *p = values;
    if (procs_open(&p->procs) < 0) {
        cmd_fail(run, NULL);
        return;
    }
    operands_each(run, &p->targets, write_target, p);
    procs_close(&p->procs);
}

static void finish(void *values)
{
    operands_fini(&((struct poking *)values)->targets);
}

static const struct cmd cmd = {
    .name = "dmt-poke",
    .summary = "Write memory and registers of a process",
    .operands = "TARGET[/TID] LOCATION VALUE [LOCATION VALUE]...",
    .complete = "targets",
    .offer = value_offer,
    .example = "dmt-poke \"$PID\" %r15 0x1",
    .targets = true,
    .opts = opts,
    .nopts = ARRAY_LEN(opts),
    .cols = value_poke_cols,
    .defaults = "pid,addr,location,type,old,new",
    .word = word,
    .prepare = prepare,
    .work = work,
    .finish = finish,
};

int main(int argc, char **argv)
{
    struct poking poking = {0};
    return cmd_main(&cmd, argc, argv, &poking);
}
