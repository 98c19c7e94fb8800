// SPDX-License-Identifier: MIT
//
// dmt-kill: signals, each to the process that was meant or to none. It takes targets and
// no patterns: a mistyped pattern would hit the wrong ones.
#include "cmd.h"
#include "err.h"
#include "num.h"
#include "operands.h"
#include "sig.h"
#include "signalling.h"
#include "user.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

struct step { // of --then
    uint64_t after_ms;
    int signal;
};

// A process or thread whose end is awaited.
struct victim {
    char *text; // as it was named
    pid_t pid, tid, group; // group: the signal goes to all of it
    char name[COMM_MAX];
    size_t name_len;
    int pidfd;
};

struct row {
    const char *target, *result, *name;
    size_t name_len;
    pid_t pid, tid, group;
    int signal;
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
    struct victim *victims;
    size_t nvictims, cap;
};

#define AT(field) offsetof(struct kill, field)

static const struct opt opts[] = {
    {'s', "signal", "SIG", OPT_TEXT, AT(signal_text), "signals", "the signal, by name or number (also -SIG); TERM"},
    {'g', "group", NULL, OPT_FLAG, AT(group), NULL, "to the process group of each target"},
    {'q', "queue", "VALUE", OPT_TEXT, AT(value_text), NULL, "queue it with this integer (sigqueue)"},
    {0, "then", "MS:SIG", OPT_TEXTS, AT(then_texts), NULL, "what is alive after MS milliseconds gets SIG; may repeat"},
    {'w', "wait", NULL, OPT_FLAG, AT(wait), NULL, "wait until all have ended"},
    {'e', "echo", NULL, OPT_FLAG, AT(echo), NULL, "print a row for each signal"},
    {'n', "dry-run", NULL, OPT_FLAG, AT(dry_run), NULL, "send nothing, print the rows"},
    {'l', "list", NULL, OPT_FLAG, AT(list), NULL, "list the signals, all or the given ones"},
    {0, "force", NULL, OPT_FLAG, AT(force), NULL, "allow PID 1, 0 (our group) and -N (group N, -1: all)"},
};

// --- columns -------------------------------------------------------------------------

static void get_pid(const void *row, struct cell *c)
{
    cell_int(c, ((const struct row *)row)->pid);
}

static void get_tid(const void *row, struct cell *c)
{
    const struct row *r = row;
    if (r->tid)
        cell_int(c, r->tid);
}

static void get_pgid(const void *row, struct cell *c)
{
    const struct row *r = row;
    if (r->group)
        cell_int(c, r->group);
}

static void get_name(const void *row, struct cell *c)
{
    const struct row *r = row;
    if (r->name)
        cell_text(c, r->name, r->name_len);
}

static void get_target(const void *row, struct cell *c)
{
    cell_str(c, ((const struct row *)row)->target);
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
    {"target", COL_TEXT, 0, get_target, "the target as it was given"},
    {0},
};

static void get_list_number(const void *row, struct cell *c)
{
    cell_int(c, *(const int *)row);
}

static void get_list_name(const void *row, struct cell *c)
{
    struct row r = {.signal = *(const int *)row};
    get_signal(&r, c);
}

static void get_list_default(const void *row, struct cell *c)
{
    cell_str(c, sig_default(*(const int *)row));
}

static void get_list_help(const void *row, struct cell *c)
{
    cell_str(c, sig_help(*(const int *)row));
}

static const struct col list_cols[] = {
    {"number", COL_ID, 0, get_list_number, "number"},
    {"name", COL_TEXT, 0, get_list_name, "name"},
    {"default", COL_TEXT, 0, get_list_default, "what it does where it is not handled"},
    {"help", COL_TEXT, 0, get_list_help, "what it is for"},
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
    if (k->force || o->id.pid > 1)
        return 0;
    if (o->id.pid == 1)
        return err_set(EINVAL, "is init: nothing was sent (--force if it is meant)");
    return err_set(EINVAL, "is no process but a process group: nothing was sent (--force if it is meant)");
}

static int prepare(struct run *run, void *values)
{
    struct kill *k = values;
    if (k->list)
        return 0;
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

static int echo(struct kill *k, const struct victim *v, int signal, const char *result)
{
    const struct row row = {v->text, result, v->name_len ? v->name : NULL, v->name_len,
                            v->pid,  v->tid, v->group, signal};
    return (k->echo || k->dry_run) && cmd_row(k->run, &row) < 0 ? 1 : 0;
}

// Reports why V could not be signalled, and whose it is.
static void report(struct kill *k, const struct victim *v)
{
    if (err_code() == EPERM && v->pid > 0 && proc_read(&k->procs, &k->process, v->pid, PROC_OWNER) == 0)
        (void)err_set(EPERM, "cannot send: Operation not permitted (it runs as %s: run dmt-kill as that user or as root)",
                user_name(k->process.euid));
    cmd_fail(k->run, v->text);
}

static int await(struct kill *k, const struct victim *v)
{
    struct victim *grown = array_grow(k->victims, k->nvictims, &k->cap, sizeof *grown);
    if (!grown)
        return -1;
    k->victims = grown;
    struct victim copy = *v;
    copy.text = strdup(v->text);
    if (!copy.text)
        return err_set(ENOMEM, "out of memory");
    k->victims[k->nvictims++] = copy;
    return 0;
}

static int deliver(struct kill *k, const struct victim *v, const struct message *m)
{
    if (k->dry_run)
        return 0;
    if (v->pidfd < 0)
        return kill(v->pid, m->signal) < 0 ? err_sys("cannot send") : 0; // --force: 0, -N
    return v->tid ? signal_thread(v->pidfd, m) : signal_process(v->pidfd, m);
}

// Sends to V, which owns its pidfd. 1: standard output is gone.
static int hit(struct kill *k, struct victim *v, int (*send)(struct kill *, const struct victim *, const struct message *))
{
    int done = send(k, v, &k->message);
    if (done < 0)
        report(k, v);
    int stop = echo(k, v, k->message.signal, done < 0 ? "failed" : k->dry_run ? "would-send" : "sent");
    bool keep = done == 0 && !k->dry_run && v->pidfd >= 0 && (k->wait || k->nsteps > 0);
    if (keep && await(k, v) < 0) {
        cmd_fail(k->run, v->text);
        keep = false;
    }
    if (!keep && v->pidfd >= 0)
        close(v->pidfd);
    return stop;
}

static int deliver_group(struct kill *k, const struct victim *v, const struct message *m)
{
    (void)v;
    if (k->process.stat.pgid == 1 && !k->force)
        return err_set(EPERM, "its process group is that of init: nothing was sent (--force if it is meant)");
    return k->dry_run ? 0 : signal_group(&k->procs, &k->process, m);
}

static int hit_threads(struct kill *k, const struct operand *o, struct victim *v)
{
    int stop = 0;
    close(v->pidfd);
    for (size_t i = 0; i < o->id.ntids; i++)
        for (pid_t tid = o->id.tids[i].first; !stop && tid <= o->id.tids[i].last; tid++) {
            v->tid = tid;
            v->pidfd = -1;
            if (thread_pidfd(&k->procs, &k->process, tid, &v->pidfd) == 0) {
                stop = hit(k, v, deliver);
            } else if (o->id.tids[i].first == o->id.tids[i].last || err_code() != ESRCH) {
                report(k, v);
                stop = echo(k, v, k->message.signal, "failed");
            }
        }
    return stop;
}

static int hit_operand(const struct operand *o, void *arg)
{
    struct kill *k = arg;
    struct victim v = {.text = o->text, .pid = o->id.pid, .pidfd = -1};
    if (o->id.pid <= 0)
        return hit(k, &v, deliver);
    if (ident_open(&k->procs, &o->id, &k->process, &v.pidfd) < 0) {
        report(k, &v);
        return echo(k, &v, k->message.signal, "failed");
    }
    v.name_len = k->process.stat.comm_len;
    memcpy(v.name, k->process.stat.comm, v.name_len);
    v.group = k->group ? k->process.stat.pgid : 0;
    int stop = o->id.ntids > 0 ? hit_threads(k, o, &v) : hit(k, &v, k->group ? deliver_group : deliver);
    proc_close(&k->process);
    return stop;
}

// Takes those that have ended off the list, waiting at most MS milliseconds (-1: no limit).
static int wait_for_end(struct kill *k, int64_t ms)
{
    CLEANUP_FREE struct pollfd *fds = calloc(k->nvictims + 1, sizeof *fds);
    if (!fds)
        return err_set(ENOMEM, "out of memory");
    int64_t end = (int64_t)(proc_now() / 1000000) + ms;
    while (k->nvictims > 0) {
        for (size_t i = 0; i < k->nvictims; i++)
            fds[i] = (struct pollfd){.fd = k->victims[i].pidfd, .events = POLLIN};
        int64_t left = end - (int64_t)(proc_now() / 1000000);
        int ready = poll(fds, k->nvictims, ms < 0 ? -1 : left > 0 ? (int)left : 0);
        if (ready < 0 && errno != EINTR)
            return err_sys("cannot wait");
        size_t kept = 0;
        for (size_t i = 0; i < k->nvictims; i++) {
            struct victim *v = &k->victims[i];
            if (ready > 0 && fds[i].revents) {
                (void)echo(k, v, 0, "ended");
                close(v->pidfd);
                free(v->text);
            } else {
                k->victims[kept++] = *v;
            }
        }
        k->nvictims = kept;
        if (ms >= 0 && ready == 0)
            return 0;
    }
    return 0;
}

// One more signal to who is left.
static void escalate(struct kill *k, int signal)
{
    const struct message m = {.signal = signal};
    for (size_t i = 0; i < k->nvictims; i++) {
        const struct victim *v = &k->victims[i];
        const struct ident id = {.pid = v->pid};
        int done;
        if (!v->group) {
            done = deliver(k, v, &m);
        } else if ((done = ident_open(&k->procs, &id, &k->process, NULL)) == 0) {
            done = deliver_group(k, v, &m);
            proc_close(&k->process);
        }
        if (done < 0 && err_code() != ESRCH)
            report(k, v);
        (void)echo(k, v, signal, done < 0 ? "failed" : "sent");
    }
}

static void list_signals(struct run *run)
{
    int numbers[SIG_LAST + 1];
    size_t n = 0;
    for (size_t i = 0; i < run->operands.n; i++) {
        int sig;
        if (sig_parse(run->operands.at[i], &sig) < 0)
            cmd_fail(run, NULL);
        else if (n < ARRAY_LEN(numbers))
            numbers[n++] = sig;
    }
    if (run->operands.n == 0)
        for (int sig = 1; sig <= SIG_LAST; sig++)
            if (sig < 32 || sig >= SIGRTMIN) // those between are the C library's own
                numbers[n++] = sig;
    cmd_table(run, list_cols, "number,name,default,help", numbers, n, sizeof *numbers);
}

static void work(struct run *run, void *values)
{
    struct kill *k = values;
    k->run = run;
    if (k->list) {
        list_signals(run);
        return;
    }
    if (procs_open(&k->procs) < 0) {
        cmd_fail(run, NULL);
        return;
    }
    proc_init(&k->process);
    struct rlimit files; // a descriptor for each process that we wait for
    if ((k->wait || k->nsteps > 0) && getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    operands_each(run, &k->operands, hit_operand, k);
    int done = 0;
    for (size_t i = 0; done == 0 && i < k->nsteps; i++)
        if ((done = wait_for_end(k, (int64_t)k->steps[i].after_ms)) == 0)
            escalate(k, k->steps[i].signal);
    if (done == 0 && k->wait)
        done = wait_for_end(k, -1);
    if (done < 0)
        cmd_fail(run, NULL);
    proc_fini(&k->process);
    procs_close(&k->procs);
}

static void finish(void *values)
{
    struct kill *k = values;
    for (size_t i = 0; i < k->nvictims; i++) {
        close(k->victims[i].pidfd);
        free(k->victims[i].text);
    }
    free(k->victims);
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
