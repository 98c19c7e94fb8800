// SPDX-License-Identifier: MIT
#include "sig.h"

#include "err.h"
#include "near.h"
#include "num.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

// Names and default actions: signal(7). glibc's own table ends where musl has none.
static const struct {
    int number;
    const char *name, *action, *help;
} signals[] = {
    {SIGHUP, "HUP", "terminate", "hangup of the terminal; for daemons: read the configuration again"},
    {SIGINT, "INT", "terminate", "interrupt from the keyboard"},
    {SIGQUIT, "QUIT", "core", "quit from the keyboard"},
    {SIGILL, "ILL", "core", "illegal instruction"},
    {SIGTRAP, "TRAP", "core", "trace or breakpoint trap"},
    {SIGABRT, "ABRT", "core", "abort(3)"},
    {SIGBUS, "BUS", "core", "memory that cannot be reached"},
    {SIGFPE, "FPE", "core", "arithmetic error"},
    {SIGKILL, "KILL", "terminate", "end at once; cannot be handled"},
    {SIGUSR1, "USR1", "terminate", "the program's own use"},
    {SIGSEGV, "SEGV", "core", "invalid memory reference"},
    {SIGUSR2, "USR2", "terminate", "the program's own use"},
    {SIGPIPE, "PIPE", "terminate", "write to a pipe without reader"},
    {SIGALRM, "ALRM", "terminate", "timer of alarm(2)"},
    {SIGTERM, "TERM", "terminate", "end; what kill sends by default"},
    {SIGCHLD, "CHLD", "ignore", "a child stopped or ended"},
    {SIGCONT, "CONT", "continue", "continue if stopped"},
    {SIGSTOP, "STOP", "stop", "stop; cannot be handled"},
    {SIGTSTP, "TSTP", "stop", "stop from the keyboard"},
    {SIGTTIN, "TTIN", "stop", "background process reads the terminal"},
    {SIGTTOU, "TTOU", "stop", "background process writes to the terminal"},
    {SIGURG, "URG", "ignore", "urgent data on a socket"},
    {SIGXCPU, "XCPU", "core", "CPU time limit exceeded"},
    {SIGXFSZ, "XFSZ", "core", "file size limit exceeded"},
    {SIGVTALRM, "VTALRM", "terminate", "virtual timer"},
    {SIGPROF, "PROF", "terminate", "profiling timer"},
    {SIGWINCH, "WINCH", "ignore", "window size changed"},
    {SIGIO, "IO", "terminate", "input or output is possible"},
    {SIGPWR, "PWR", "terminate", "power failure"},
    {SIGSYS, "SYS", "core", "bad system call"},
#ifdef SIGSTKFLT
    {SIGSTKFLT, "STKFLT", "terminate", "stack fault of a coprocessor (unused)"},
#endif
};

// Other names of the same signals: accepted, never printed.
static const struct {
    const char *name;
    int number;
} aliases[] = {{"IOT", SIGABRT}, {"POLL", SIGIO}, {"CLD", SIGCHLD}};

// RTMIN+N and RTMAX-N.
static int parse_realtime(const char *name, int *ret)
{
    bool min = strncasecmp(name, "RTMIN", 5) == 0;
    int base = min ? SIGRTMIN : SIGRTMAX;
    uint64_t n = 0;
    if (name[5] && (name[5] != (min ? '+' : '-') ||
                    num_uint(name + 6, strlen(name + 6), (uint64_t)(SIGRTMAX - SIGRTMIN), &n) < 0))
        return err_set(EINVAL, "no signal '%s'; real-time signals are RTMIN+N and RTMAX-N, N up to %d", name,
                       SIGRTMAX - SIGRTMIN);
    *ret = min ? base + (int)n : base - (int)n;
    return 0;
}

int sig_parse(const char *text, int *ret)
{
    uint64_t number;
    if (text[0] >= '0' && text[0] <= '9') {
        if (num_uint(text, strlen(text), SIG_LAST, &number) < 0)
            return err_set(EINVAL, "no signal '%s'", text);
        *ret = (int)number;
        return 0;
    }
    const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
    if (strncasecmp(name, "RTMIN", 5) == 0 || strncasecmp(name, "RTMAX", 5) == 0)
        return parse_realtime(name, ret);
    char upper[16] = {0};
    for (size_t i = 0; i < sizeof upper - 1 && name[i]; i++)
        upper[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 32 : name[i]);
    struct near near = {.typed = upper, .len = strlen(upper)};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        if (strcasecmp(signals[i].name, name) == 0) {
            *ret = signals[i].number;
            return 0;
        }
        near_offer(&near, signals[i].name);
    }
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
        if (strcasecmp(aliases[i].name, name) == 0) {
            *ret = aliases[i].number;
            return 0;
        }
    if (near.best)
        return err_set(EINVAL, "no signal '%s'; did you mean '%s'?", text, near.best);
    return err_set(EINVAL, "no signal '%s'; dmt-kill -l lists them", text);
}

static size_t find(int sig)
{
    size_t i = 0;
    while (i < ARRAY_LEN(signals) && signals[i].number != sig)
        i++;
    return i;
}

struct sig_name sig_name(int sig)
{
    struct sig_name name;
    size_t i = find(sig);
    if (i < ARRAY_LEN(signals))
        (void)snprintf(name.text, sizeof name.text, "%s", signals[i].name);
    else if (sig == SIGRTMIN || sig == SIGRTMAX)
        (void)snprintf(name.text, sizeof name.text, "%s", sig == SIGRTMIN ? "RTMIN" : "RTMAX");
    else if (sig > SIGRTMIN && sig < SIGRTMAX)
        (void)snprintf(name.text, sizeof name.text, "RTMIN+%d", sig - SIGRTMIN);
    else
        (void)snprintf(name.text, sizeof name.text, "%d", sig);
    return name;
}

const char *sig_default(int sig)
{
    size_t i = find(sig);
    return i < ARRAY_LEN(signals) ? signals[i].action : sig > 0 ? "terminate" : NULL;
}

const char *sig_help(int sig)
{
    size_t i = find(sig);
    return i < ARRAY_LEN(signals) ? signals[i].help : NULL;
}
