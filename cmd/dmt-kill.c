// SPDX-License-Identifier: MIT
//
// dmt-kill: signals, each to the process that was meant or to none. It takes targets and
// no patterns: a mistyped pattern would hit the wrong ones.
#include "cmd.h"
#include "err.h"
#include "io.h"
#include "num.h"
#include "operands.h"
#include "sig.h"
#include "siglist.h"
#include "signalling.h"
#include "user.h"
#include "victims.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct step { // of --then
    uint64_t after_ms;
    int signal;
};

struct row {
    const struct victim *victim;
    pid_t group; // 0: not for a group
    int signal;  // 0: none
    const char *result;
};

struct kill {
    const char *signal_text, *value_text;
    struct texts then_texts;
    bool group, wait, echo, dry_run, force, list;
    struct operands operands;
    struct message message;
    bool has_signal;
    struct step *steps;
    size_t nsteps;
    // Of the run:
    struct run *run;
    struct procs procs;
    struct proc process;
    struct victims left; // signalled, and their end is awaited
};

#define AT(field) offsetof(struct kill, field)

static const struct opt opts[] = {
    {'s', "signal", "SIG", OPT_TEXT, AT(signal_text), "signals", "the signal, by name or number (also -SIG); TERM"},
    {'g', "group", NULL, OPT_FLAG, AT(group), NULL, "to the process group of each target"},
    {'q', "queue", "VALUE", OPT_TEXT, AT(value_text), NULL, "queue it with this integer (sigqueue)"},
    {0, "then", "MS:SIG", OPT_TEXTS, AT(then_texts), NULL, "what is alive after MS milliseconds gets SIG; may repeat"},
    {'w', "wait", NULL, OPT_FLAG, AT(wait), NULL, "wait until all have ended"},
    {'e', "echo", NULL, OPT_FLAG, AT(echo), NULL, "print a row for each signal"},
    {0, "dry-run", NULL, OPT_FLAG, AT(dry_run), NULL, "send nothing, print the rows"},
    {'l', "list", NULL, OPT_FLAG, AT(list), NULL, "list the signals, all or the given ones"},
    {0, "force", NULL, OPT_FLAG, AT(force), NULL, "allow PID 1, 0 (our group) and -N (group N, -1: all)"},
};

// --- columns -------------------------------------------------------------------------

static void get_pid(const void *row, struct cell *c)
{
    cell_int(c, ((const struct row *)row)->victim->pid);
}

static void get_tid(const void *row, struct cell *c)
{
    const struct victim *v = ((const struct row *)row)->victim;
    if (v->tid)
        cell_int(c, v->tid);
}

static void get_pgid(const void *row, struct cell *c)
{
    const struct row *r = row;
    if (r->group)
        cell_int(c, r->group);
}

static void get_name(const void *row, struct cell *c)
{
    const struct victim *v = ((const struct row *)row)->victim;
    if (v->named)
        cell_text(c, v->name, v->name_len);
}

static void get_target(const void *row, struct cell *c)
{
    cell_str(c, ((const struct row *)row)->victim->text);
}

static void get_signal(const void *row, struct cell *c)
{
    // Static text for each signal: the cell borrows it.
    static struct sig_name names[SIG_LAST + 1];
    int sig = ((const struct row *)row)->signal;
    if (sig > 0) {
        names[sig] = sig_name(sig);
        cell_str(c, names[sig].text);
    }
}

static void get_result(const void *row, struct cell *c)
{
    cell_str(c, ((const struct row *)row)->result);
}

static const struct col cols[] = {
    {"pid", COL_ID, 0, get_pid, "process id"},
    {"tid", COL_ID, 0, get_tid, "thread id, where the signal was for one thread"},
    {"pgid", COL_ID, 0, get_pgid, "process group, where the signal was for all of it"},
    {"name", COL_TEXT, 0, get_name, "command name"},
    {"signal", COL_TEXT, 0, get_signal, "signal"},
    {"result", COL_TEXT, 0, get_result, "sent, would-send, ended, or failed (the reason is on standard error)"},
    {"target", COL_TEXT, 0, get_target, "the target as it was given, one thread at a time"},
    {0},
};

// --- the command line ------------------------------------------------------------------

// -HUP, -9: the whole word names a signal.
static int take_signal(void *values, const char *word)
{
    struct kill *k = values;
    int sig;
    bool digit = word[1] >= '0' && word[1] <= '9';
    if (word[1] == '-' || sig_parse(word + 1, &sig) < 0)
        return digit ? -1 : 0;
    if (k->has_signal)
        return err_set(EINVAL, "'%s' is a second signal; a process group is named with -g", word);
    k->message.signal = sig;
    k->has_signal = true;
    return 1;
}

static int read_step(const char *text, struct step *ret)
{
    const char *colon = strchr(text, ':');
    if (!colon || num_uint(text, (size_t)(colon - text), INT32_MAX, &ret->after_ms) < 0)
        return err_set(EINVAL, "--then '%s': not MS:SIG, as in --then=500:KILL", text);
    return sig_parse(colon + 1, &ret->signal) < 0 ? err_wrap("--then '%s'", text) : 0;
}

static int read_message(struct kill *k)
{
    int64_t value;
    if (k->signal_text) {
        if (k->has_signal)
            return err_set(EINVAL, "-s %s is a second signal", k->signal_text);
        if (sig_parse(k->signal_text, &k->message.signal) < 0)
            return -1;
    } else if (!k->has_signal) {
        k->message.signal = SIGTERM;
    }
    if (k->value_text) {
        if (num_int(k->value_text, strlen(k->value_text), INT32_MIN, INT32_MAX, &value) < 0)
            return err_wrap("-q '%s'", k->value_text);
        k->message.has_value = true;
        k->message.value = (int)value;
    }
    k->steps = calloc(k->then_texts.n + 1, sizeof *k->steps);
    if (!k->steps)
        return err_set(ENOMEM, "out of memory");
    for (; k->nsteps < k->then_texts.n; k->nsteps++)
        if (read_step(k->then_texts.at[k->nsteps], &k->steps[k->nsteps]) < 0)
            return -1;
    return 0;
}

// What xargs hands over when a parser went wrong must not end the machine.
static int check(const struct operand *o, const void *arg)
{
    const struct kill *k = arg;
    if (k->group && (o->id.ntids > 0 || o->id.pid <= 0))
        return err_set(EINVAL, "-g takes processes, no threads and no groups");
    if (k->force || o->id.pid > 1)
        return 0;
    if (o->id.pid == 1)
        return err_set(EINVAL, "is init: nothing was sent (--force if it is meant)");
    return err_set(EINVAL, "is no process but a process group: nothing was sent (--force if it is meant)");
}

static int prepare(struct run *run, void *values)
{
    struct kill *k = values;
    if (k->list) {
        run->cols = siglist_cols;
        run->defaults = "number,name,default,help";
        return siglist_check(run);
    }
    if (!k->echo && !k->dry_run)
        run->table_options.no_header = true;
    k->operands.check = check;
    k->operands.check_arg = k;
    k->operands.groups = true;
    if (read_message(k) < 0 || operands_parse(run, &k->operands) < 0)
        return -1;
    if (k->operands.n == 0 && !k->operands.from_stdin)
        return err_set(EINVAL, "no target was given, nothing was sent");
    return 0;
}

// --- the work ----------------------------------------------------------------------------

// 1: standard output is gone.
static int echo(struct kill *k, const struct victim *v, pid_t group, int signal, const char *result)
{
    const struct row row = {v, group, signal, result};
    return (k->echo || k->dry_run) && cmd_row(k->run, &row) < 0 ? 1 : 0;
}

// Reports why V could not be signalled, and whose it is.
static void report(struct kill *k, const struct victim *v)
{
    struct proc p;
    proc_init(&p);
    if (err_code() == EPERM && v->pid > 0 && proc_read(&k->procs, &p, v->pid, PROC_OWNER) == 0)
        (void)err_set(EPERM, "cannot send: Operation not permitted (it runs as %s: run as that user or as root)",
                      user_name(p.euid));
    proc_fini(&p);
    cmd_fail(k->run, v->text);
}

static bool waits(const struct kill *k)
{
    return (k->wait || k->nsteps > 0) && !k->dry_run;
}

static int send(struct kill *k, const struct victim *v, const struct message *m)
{
    if (k->dry_run)
        return 0;
    if (v->pidfd < 0 && m->has_value)
        return err_set(ENOTSUP, "a value cannot be sent to a group by its number; name a member with -g");
    if (v->pidfd < 0) // --force: 0 and -N
        return kill(v->pid, m->signal) < 0 ? err_sys("cannot send %s", sig_name(m->signal).text) : 0;
    return v->tid ? signal_thread(v->pidfd, m) : signal_process(v->pidfd, m);
}

// To V alone; its pidfd is ours.
static int hit(struct kill *k, const struct victim *v)
{
    int done = send(k, v, &k->message);
    if (done < 0)
        report(k, v);
    int stop = echo(k, v, 0, k->message.signal, done < 0 ? "failed" : k->dry_run ? "would-send" : "sent");
    bool keep = done == 0 && waits(k) && v->pidfd >= 0;
    if (keep && victims_add(&k->left, v) < 0) {
        report(k, v);
        keep = false;
    }
    if (!keep && v->pidfd >= 0)
        close(v->pidfd);
    return stop;
}

static int send_group(struct kill *k, const struct victim *v)
{
    pid_t group = k->process.stat.pgid;
    if (group == 1 && !k->force)
        return err_set(EPERM, "its process group is that of init: nothing was sent (--force if it is meant)");
    if (k->dry_run)
        return 0;
    // Listed before the signal, which they may not survive; awaited only if it was sent.
    struct victims members = {0};
    int done = waits(k) ? victims_add_group(&members, &k->procs, group, v->text) : 0;
    if (done == 0)
        done = signal_group(&k->procs, &k->process, &k->message);
    if (done == 0)
        done = victims_move(&k->left, &members);
    victims_fini(&members);
    return done;
}

static int hit_group(struct kill *k, const struct victim *v)
{
    pid_t group = k->process.stat.pgid;
    int done = send_group(k, v);
    if (done < 0)
        cmd_fail(k->run, v->text);
    close(v->pidfd);
    return echo(k, v, group, k->message.signal, done < 0 ? "failed" : k->dry_run ? "would-send" : "sent");
}

struct thread_round {
    struct kill *k;
    const struct operand *o;
};

static int hit_thread(struct proc *p, void *arg)
{
    const struct thread_round *round = arg;
    struct kill *k = round->k;
    struct victim v = {.pidfd = -1};
    victim_name(&v, &k->process);
    v.tid = p->tid;
    (void)snprintf(v.text, sizeof v.text, "%.*s/%d", (int)strcspn(round->o->text, "/"), round->o->text, v.tid);
    if (thread_pidfd(&k->procs, &k->process, v.tid, &v.pidfd) == 0)
        return hit(k, &v);
    if (err_code() == ESRCH) // it ended just now
        return 0;
    report(k, &v);
    return echo(k, &v, 0, k->message.signal, "failed");
}

static int hit_threads(struct kill *k, const struct operand *o)
{
    struct thread_round round = {k, o};
    struct proc thread;
    proc_init(&thread);
    int stop = ident_each_thread(&k->procs, &o->id, &k->process, &thread, 0, hit_thread, &round);
    proc_fini(&thread);
    if (stop < 0)
        cmd_fail(k->run, o->text);
    return stop > 0;
}

static int hit_operand(const struct operand *o, void *arg)
{
    struct kill *k = arg;
    struct victim v = {.pid = o->id.pid, .pidfd = -1};
    (void)snprintf(v.text, sizeof v.text, "%s", o->text);
    if (o->id.pid <= 0)
        return hit(k, &v);
    if (ident_open(&k->procs, &o->id, &k->process, &v.pidfd) < 0) {
        report(k, &v);
        return echo(k, &v, 0, k->message.signal, "failed");
    }
    victim_name(&v, &k->process);
    int stop = 0;
    if (o->id.ntids > 0) {
        close(v.pidfd);
        stop = hit_threads(k, o);
    } else {
        stop = k->group ? hit_group(k, &v) : hit(k, &v);
    }
    proc_close(&k->process);
    return stop;
}

static void has_ended(const struct victim *v, void *arg)
{
    (void)echo(arg, v, 0, 0, "ended");
}

// One more signal to who is left.
static void escalate(struct kill *k, int signal)
{
    const struct message m = {.signal = signal};
    for (size_t i = 0; i < k->left.n; i++) {
        const struct victim *v = &k->left.at[i];
        int done = send(k, v, &m);
        if (done < 0 && err_code() != ESRCH)
            report(k, v);
        (void)echo(k, v, 0, signal, done < 0 ? "failed" : "sent");
    }
}

static void work(struct run *run, void *values)
{
    struct kill *k = values;
    k->run = run;
    if (k->list) {
        siglist_show(run);
        return;
    }
    if (procs_open(&k->procs) < 0) {
        cmd_fail(run, NULL);
        cmd_no_table(run);
        return;
    }
    proc_init(&k->process);
    if (waits(k)) // a descriptor for each process
        (void)io_raise_limit();
    operands_each(run, &k->operands, hit_operand, k);
    int done = 0;
    for (size_t i = 0; done == 0 && i < k->nsteps; i++) {
        done = victims_wait(&k->left, (int64_t)k->steps[i].after_ms, has_ended, k);
        escalate(k, k->steps[i].signal);
    }
    if (done == 0 && k->wait)
        done = victims_wait(&k->left, -1, has_ended, k);
    if (done < 0)
        cmd_fail(run, NULL);
    proc_fini(&k->process);
    procs_close(&k->procs);
}

static void finish(void *values)
{
    struct kill *k = values;
    victims_fini(&k->left);
    free(k->steps);
    texts_fini(&k->then_texts);
    operands_fini(&k->operands);
}

static const struct cmd cmd = {
    .name = "dmt-kill",
    .summary = "Send a signal to each target, to that process or to none",
    .operands = "TARGET...",
    .complete = "targets",
    .example = "dmt-find -I nginx | dmt-kill -HUP -",
    .targets = true,
    .opts = opts,
    .nopts = ARRAY_LEN(opts),
    .cols = cols,
    .defaults = "pid,name,signal,result",
    .other_cols = siglist_cols,
    .word = take_signal,
    .prepare = prepare,
    .work = work,
    .finish = finish,
};

int main(int argc, char **argv)
{
    struct kill kill = {0};
    return cmd_main(&cmd, argc, argv, &kill);
}
