// SPDX-License-Identifier: MIT
//
// dmt-bt: the stacks of all threads of a process or a core file. Each thread is held only while its registers and its
// stack are copied. It shows what the threads were doing one after the other, not all at one moment. Of a Go program,
// the goroutines too.
#include "btgo.h"
#include "btrow.h"
#include "cmd.h"
#include "err.h"
#include "folded.h"
#include "operands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { STOP_LIMIT_MS = 3600 * 1000, SAMPLES_MAX = 10 * 1000 * 1000 };

struct bt {
    bool first, lines, inlines, locals, running, no_stop, live, raw_names, folded, goroutines, remote_fs;
    uint64_t frames, max_stop, samples, interval; // max_stop, interval: milliseconds
    struct operands targets;
    // Of the run:
    struct run *run;
    struct procs procs;
    struct backtrace_options options;
    unsigned needs;
};

#define AT(field) offsetof(struct bt, field)

static const struct opt opts[] = {
    {'1', "first", NULL, OPT_FLAG, AT(first), NULL, "the first thread only"},
    {'n', "frames", "MAX", OPT_UINT, AT(frames), NULL, "at most so many frames of a stack"},
    {'s', "lines", NULL, OPT_FLAG, AT(lines), NULL, "source file and line too"},
    {'i', "inlines", NULL, OPT_FLAG, AT(inlines), NULL, "functions that are inlined too, as frames of their own"},
    {0, "locals", NULL, OPT_FLAG, AT(locals), NULL, "the variables of each frame too, a row for each; with -i"},
    {0, "running", NULL, OPT_FLAG, AT(running), NULL, "threads that run only, not those that wait"},
    {0, "nostop", NULL, OPT_FLAG, AT(no_stop), NULL, "stop nobody: stacks of threads that wait, as far as /proc tells"},
    {0, "live", NULL, OPT_FLAG, AT(live), NULL, "unwind while the thread is held, by libunwind-ptrace: slow"},
    {0, "max-stop", "MS", OPT_UINT, AT(max_stop), NULL, "milliseconds that a thread may take to stop (1000)"},
    {0, "goroutines", NULL, OPT_FLAG, AT(goroutines), NULL, "the goroutines of a Go program, those that wait too"},
    {0, "raw-names", NULL, OPT_FLAG, AT(raw_names), NULL, "names as in the symbol table, not demangled"},
    {0, "folded", NULL, OPT_FLAG, AT(folded), NULL, "equal stacks counted, a line each: what flame graphs are made of"},
    {0, "samples", "N", OPT_UINT, AT(samples), NULL, "with --folded: look so many times (1)"},
    {0, "interval", "MS", OPT_UINT, AT(interval), NULL, "with --folded: milliseconds between two looks (10)"},
    {0, "remote-fs", NULL, OPT_FLAG, AT(remote_fs), NULL, "open files on network and FUSE file systems too: may hang"},
};

static int prepare(struct run *run, void *values)
{
    struct bt *c = values;
    c->targets.files = true;
    if (operands_parse(run, &c->targets) < 0)
        return -1;
    if (c->targets.n == 0 && !c->targets.from_stdin)
        return err_set(EINVAL, "no target was given");
    if (c->no_stop && c->live)
        return err_set(EINVAL, "--nostop and --live do not go together");
    if (c->no_stop && c->running)
        return err_set(EINVAL, "--nostop and --running do not go together: what runs has to be stopped");
    if (c->max_stop == 0 || c->max_stop > STOP_LIMIT_MS)
        return err_set(EINVAL, "--max-stop is 1 to %d milliseconds", STOP_LIMIT_MS);
    if (c->frames == 0 || c->samples == 0 || c->samples > SAMPLES_MAX || c->interval > STOP_LIMIT_MS)
        return err_set(EINVAL, "-n and --samples are at least 1, --interval at most %d", STOP_LIMIT_MS);
    if (!c->folded && (c->samples > 1 || c->interval != 10))
        return err_set(EINVAL, "--samples and --interval are for --folded");
    if (c->locals && c->live)
        return err_set(EINVAL, "--locals and --live do not go together: variables are read from copied stacks");
    if (c->folded && (c->lines || c->inlines || c->locals || run->columns || run->sort || run->format || run->json))
        return err_set(EINVAL, "--folded is no table: not with -s, -i, --locals, columns or formats of one");
    if (c->goroutines && (c->first || c->live || c->running || c->folded || c->locals))
        return err_set(EINVAL, "--goroutines does not go with -1, --live, --running, --folded and --locals");
    if (c->folded)
        run->table_options.no_header = true;
    if (c->goroutines)
        run->defaults = c->lines ? "pid,goroutine,state,wait,tid,frame,pc,function,offset,object,how,file,line"
                                 : "pid,goroutine,state,wait,tid,frame,pc,function,offset,object,how";
    else if (c->lines)
        run->defaults = "pid,tid,frame,pc,function,offset,object,how,file,line";
    if (c->locals) {
        c->inlines = true;
        run->defaults = c->lines ? "pid,tid,frame,function,file,line,name,type,value,reason"
                                 : "pid,tid,frame,function,name,type,value,reason";
    }
    return 0;
}

// --- what is missing ---------------------------------------------------------------

// A thread without a whole stack makes the answer incomplete, one that we may not stop is a refusal: said once.
static void say_missing(struct bt *c, const struct operand *o, const struct backtrace *b)
{
    const struct trace *first = NULL;
    size_t more = 0;
    char what[320], others[64] = "";
    for (size_t i = 0; i < b->n; i++) {
        const struct trace *t = &b->traces[i];
        if (!t->reason)
            continue;
        cmd_status(c->run, t->code == EPERM || t->code == EACCES || t->code == ENOTSUP ? STATUS_FAILED : STATUS_NONE);
        more += first != NULL;
        first = first ? first : t;
    }
    if (!first)
        return;
    (void)snprintf(what, sizeof what, "%s: thread %d", o->text, first->tid);
    if (more > 0)
        (void)snprintf(others, sizeof others, " (%zu more: see the column reason)", more);
    cmd_note(c->run, what, "%s%s", trace_reason(b, first), others);
}

static int names_of(struct bt *c, const struct operand *o, struct unwinder *u, struct frame_names *names)
{
    const struct sym_options options = {.lines = c->needs & BTCOL_LINES, .inlines = c->inlines,
                                        .raw_names = c->raw_names};
    int done = frame_names_find(names, u, &options);
    if (done < 0) {
        cmd_note(c->run, o->text, "%s", err_text());
        cmd_status(c->run, STATUS_NONE);
    }
    return done;
}

static int show(struct bt *c, const struct operand *o, struct target *t)
{
    CLEANUP_UNWINDER struct unwinder *u = NULL;
    CLEANUP_BACKTRACE struct backtrace b;
    CLEANUP_FRAME_NAMES struct frame_names names = {0}, pointers = {0};
    int done = backtrace_collect(t, &c->options, &u, &b);
    if (done < 0)
        return -1;
    say_missing(c, o, &b);
    if (c->needs & BTCOL_NAMES) {
        for (size_t i = 0; i < b.nframes && done == 0; i++)
            done = frame_names_add(&names, frame_lookup(&b.frames[i]));
        if (done == 0)
            (void)names_of(c, o, u, &names);
    }
    if (c->locals && (c->needs & BTCOL_POINTERS) && done == 0)
        done = btrow_pointers(u, &b, c->raw_names, &pointers);
    const struct btrow rows = {c->run, t, &b, &names, &pointers, c->needs, c->locals};
    for (size_t i = 0; i < b.n && done == 0; i++)
        done = btrow_put(&rows, &b.traces[i]);
    return done;
}

static int show_goroutines(struct bt *c, const struct operand *o, struct target *t)
{
    const struct btgo_options options = {.no_stop = c->no_stop, .needs = c->needs, .max = c->options.max};
    return btgo_put(c->run, o->text, t, &options);
}

// --- counted -----------------------------------------------------------------------

static int show_folded(struct bt *c, const struct operand *o, struct target *t)
{
    CLEANUP_UNWINDER struct unwinder *u = NULL;
    CLEANUP_FRAME_NAMES struct frame_names names = {0};
    CLEANUP_FOLDED struct folded folded = {0};
    CLEANUP_BUF struct buf text = {0};
    CLEANUP_BACKTRACE struct backtrace b = {0}, last = {0};
    struct backtrace_options options = c->options;
    uint64_t next = 0;
    options.last = c->samples > 1 ? &last : NULL;
    for (uint64_t i = 0; i < c->samples; i++) {
        backtrace_fini(&last);
        last = b;
        if (backtrace_collect(t, &options, &u, &b) < 0) {
            if (i == 0)
                return -1;
            cmd_fail(c->run, o->text); // what was seen of it until then is shown
            break;
        }
        if (i == 0)
            say_missing(c, o, &b);
        if (folded_add(&folded, &b) < 0)
            return -1;
        if (i + 1 < c->samples)
            backtrace_wait(&next, c->interval);
    }
    if (folded_names(&folded, &names) < 0)
        return -1;
    (void)names_of(c, o, u, &names);
    folded_put(&folded, &names, &text);
    if (buf_ok(&text) < 0)
        return -1;
    cmd_text(c->run, text.data, text.len);
    return c->run->table ? 0 : 1;
}

// ---------------------------------------------------------------------------------------

static int show_operand(const struct operand *o, void *arg)
{
    struct bt *c = arg;
    const struct target_options options = {.remote_fs = c->remote_fs, .max_stop = c->max_stop * 1000000};
    CLEANUP_TARGET struct target *t = NULL;
    int done = target_open(&c->procs, o, &options, &t);
    if (done == 0)
        done = c->folded ? show_folded(c, o, t) : c->goroutines ? show_goroutines(c, o, t) : show(c, o, t);
    if (done < 0)
        cmd_fail(c->run, o->text);
    return done > 0;
}

static void work(struct run *run, void *values)
{
    struct bt *c = values;
    c->run = run;
    c->needs = c->folded ? BTCOL_NAMES : table_needs(run->table) | (c->inlines ? BTCOL_NAMES : 0);
    c->options = (struct backtrace_options){
        .by = c->live ? BACKTRACE_LIVE : c->no_stop ? BACKTRACE_NO_STOP : BACKTRACE_COPY,
        .max_stop = c->max_stop * 1000000,
        .max = c->frames < UNWIND_FRAMES_MAX ? (size_t)c->frames : UNWIND_FRAMES_MAX,
        .one_thread = c->first,
        .running = c->running,
        .task = c->needs & BTCOL_TASK,
        .name = c->folded,
        .variables = c->locals,
    };
    if (procs_open(&c->procs) < 0) {
        cmd_fail(run, NULL);
        return;
    }
    operands_each(run, &c->targets, show_operand, c);
    procs_close(&c->procs);
}

static void finish(void *values)
{
    operands_fini(&((struct bt *)values)->targets);
}

static const struct cmd cmd = {
    .name = "dmt-bt",
    .summary = "Show the stacks of the threads of a process or a core file",
    .operands = "TARGET[/TID]...",
    .complete = "targets",
    .example = "dmt-bt \"$PID\"",
    .targets = true,
    .opts = opts,
    .nopts = ARRAY_LEN(opts),
    .cols = bt_cols,
    .defaults = "pid,tid,frame,pc,function,offset,object,how",
    .prepare = prepare,
    .work = work,
    .finish = finish,
};

int main(int argc, char **argv)
{
    struct bt bt = {.frames = UINT64_MAX, .max_stop = 1000, .samples = 1, .interval = 10};
    return cmd_main(&cmd, argc, argv, &bt);
}
