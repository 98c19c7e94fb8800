// SPDX-License-Identifier: MIT
#include "siglist.h"

#include "sig.h"

#include <signal.h>

struct row {
    int number;
    struct sig_name name;
};

static void get_number(const void *row, struct cell *c)
{
    cell_int(c, ((const struct row *)row)->number);
}

static void get_name(const void *row, struct cell *c)
{
    cell_str(c, ((const struct row *)row)->name.text);
}

static void get_default(const void *row, struct cell *c)
{
    cell_str(c, sig_default(((const struct row *)row)->number));
}

static void get_help(const void *row, struct cell *c)
{
    cell_str(c, sig_help(((const struct row *)row)->number));
}

const struct col siglist_cols[] = {
    {"number", COL_ID, 0, get_number, "number"},
    {"name", COL_TEXT, 0, get_name, "name"},
    {"default", COL_TEXT, 0, get_default, "what it does where it is not handled"},
    {"help", COL_TEXT, 0, get_help, "what it is for"},
    {0},
};

static int show(struct run *run, int sig)
{
    const struct row row = {sig, sig_name(sig)};
    return cmd_row(run, &row);
}

int siglist_check(const struct run *run)
{
    int sig;
    for (size_t i = 0; i < run->operands.n; i++)
        if (sig_parse(run->operands.at[i], &sig) < 0)
            return -1;
    return 0;
}

void siglist_show(struct run *run)
{
    int sig;
    for (size_t i = 0; i < run->operands.n; i++)
        if (sig_parse(run->operands.at[i], &sig) < 0 || show(run, sig) < 0)
            return;
    for (sig = 1; run->operands.n == 0 && sig <= SIG_LAST; sig++)
        if ((sig < 32 || sig >= SIGRTMIN) && show(run, sig) < 0) // those between are the C library's own
            return;
}
