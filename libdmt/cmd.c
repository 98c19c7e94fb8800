// SPDX-License-Identifier: MIT
#include "cmd_about.h"

#include "err.h"
#include "esc.h"
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Options of every command. A command's own table comes first and may take a letter.
static const struct opt common[] = {
    {'o', "columns", "LIST", OPT_TEXT, offsetof(struct run, columns), "columns",
     "columns to show: a,b; +c adds to the default; all"},
    {0, "sort", "KEY,...", OPT_TEXT, offsetof(struct run, sort), "columns",
     "order of rows: quantities largest first; +KEY up, -KEY down"},
    {'H', "no-header", NULL, OPT_FLAG, offsetof(struct run, no_header), NULL, "no header line"},
    {0, "format", "FORM", OPT_TEXT, offsetof(struct run, format), "formats", "auto, tsv, table or json"},
    {'J', "json", NULL, OPT_FLAG, offsetof(struct run, json), NULL, "one JSON object a line"},
    {'b', "bytes", NULL, OPT_FLAG, offsetof(struct run, bytes), NULL, "exact numbers on a terminal too"},
    {0, "list-columns", NULL, OPT_FLAG, offsetof(struct run, list_columns), NULL, "list the columns"},
    {0, "help", NULL, OPT_FLAG, offsetof(struct run, help), NULL, "show this help"},
    {0, "version", NULL, OPT_FLAG, offsetof(struct run, version), NULL, "show the version"},
    {0, "spec", NULL, OPT_FLAG, offsetof(struct run, spec), NULL, "options and columns, for completions"},
};

static const struct opt common_targets[] = {
    {'p', "pid", "LIST", OPT_TEXTS, offsetof(struct run, pids), "targets", "targets, as operands, with commas"},
};

void cmd_option_tables(struct run *run, struct opt_table ret[NTABLES])
{
    const struct cmd *cmd = run->cmd;
    ret[0] = (struct opt_table){cmd->opts, cmd->nopts, run->values};
    ret[1] = (struct opt_table){common_targets, cmd->targets ? ARRAY_LEN(common_targets) : 0, run};
    ret[2] = (struct opt_table){common, ARRAY_LEN(common), run};
}

// --- messages and status -------------------------------------------------------

void cmd_status(struct run *run, int status)
{
    if (status > run->status)
        run->status = status;
}

// One line, one write: what other processes say on the same terminal cannot split it.
static void say(const struct run *run, const char *object, const char *text, const char *more)
{
    CLEANUP_BUF struct buf raw = {0}, line = {0};
    buf_printf(&raw, "%s: ", run->cmd->name);
    if (object)
        buf_printf(&raw, "%s: ", object);
    buf_printf(&raw, "%s%s", text, more);
    esc_message(&line, raw.data, raw.len);
    buf_byte(&line, '\n');
    if (buf_ok(&line) == 0)
        (void)!io_write(STDERR_FILENO, line.data, line.len); // nowhere left to complain
}

void cmd_note(const struct run *run, const char *object, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    say(run, object, text, "");
}

void cmd_fail(struct run *run, const char *object)
{
    int code = err_code();
    cmd_status(run, code == ESRCH ? STATUS_NONE : code == EINVAL ? STATUS_USAGE : STATUS_FAILED);
    say(run, object, err_text(), "");
}

void cmd_no_table(struct run *run)
{
    table_free(run->table);
    run->table = NULL;
}

static void usage_error(struct run *run)
{
    char more[64] = "";
    if (!strchr(err_text(), '(')) // one cure is enough
        (void)snprintf(more, sizeof more, " (try '%s --help')", run->cmd->name);
    cmd_status(run, STATUS_USAGE);
    say(run, NULL, err_text(), more);
}

// Standard output did not take what we wrote.
static int output_failed(struct run *run)
{
    if (err_code() == EPIPE) {
        // The reader has gone, and SIGPIPE was ignored: end as the signal would have.
        (void)signal(SIGPIPE, SIG_DFL);
        (void)raise(SIGPIPE);
    }
    cmd_no_table(run);
    cmd_fail(run, "standard output");
    cmd_status(run, STATUS_FAILED);
    return -1;
}

int cmd_row(struct run *run, const void *row)
{
    return table_row(run->table, row) < 0 ? output_failed(run) : 0;
}

int cmd_report(struct run *run)
{
    return table_end(run->table) < 0 ? output_failed(run) : 0;
}

void cmd_text(struct run *run, const char *text, size_t n)
{
    if (io_write(STDOUT_FILENO, text, n) < 0)
        (void)output_failed(run);
}

void cmd_table(struct run *run, const struct col *cols, const char *defaults, const void *rows, size_t n,
               size_t size)
{
    struct columns chosen;
    cmd_no_table(run);
    if (columns_choose(&chosen, cols, defaults, NULL, NULL) < 0 ||
        !(run->table = table_new(&chosen, &run->table_options, STDOUT_FILENO))) {
        cmd_fail(run, NULL);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (cmd_row(run, (const char *)rows + i * size) < 0)
            return;
}

// --- the run ---------------------------------------------------------------------

static int read_format(struct run *run)
{
    static const char *const names[] = {"auto", "tsv", "table", "json"};
    enum table_format format = run->json ? TABLE_JSON : TABLE_AUTO;
    if (run->format) {
        size_t i = 0;
        while (i < ARRAY_LEN(names) && strcmp(run->format, names[i]) != 0)
            i++;
        if (i == ARRAY_LEN(names))
            return err_set(EINVAL, "--format '%s': not auto, tsv, table or json", run->format);
        format = (enum table_format)i;
    }
    run->table_options.format = format;
    run->table_options.no_header |= run->no_header;
    run->table_options.exact |= run->bytes;
    return 0;
}

// A closed standard stream would be taken by the next file that we open: put one there
// that fails on use.
static int hold_standard_streams(void)
{
    struct pollfd fds[] = {{.fd = 0}, {.fd = 1}, {.fd = 2}};
    if (poll(fds, ARRAY_LEN(fds), 0) <= 0)
        return 0;
    for (int fd = 0; fd < 3; fd++)
        if ((fds[fd].revents & POLLNVAL) && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            return -1;
    return 0;
}

static void work(struct run *run)
{
    const struct cmd *cmd = run->cmd;
    if (read_format(run) < 0) {
        usage_error(run);
        return;
    }
    int prepared = cmd->prepare ? cmd->prepare(run, run->values) : 0;
    if (run->list_columns) { // what is missing for work is not missing for this
        run->table_options.no_header = run->no_header;
        cmd_write_columns(run);
        return;
    }
    if (prepared < 0 ||
        columns_choose(&run->chosen, run->cols, run->defaults, run->columns, run->sort) < 0) {
        usage_error(run);
        return;
    }
    run->table = table_new(&run->chosen, &run->table_options, STDOUT_FILENO);
    if (!run->table)
        cmd_fail(run, NULL);
    else
        cmd->work(run, run->values);
}

int cmd_main(const struct cmd *cmd, int argc, char **argv, void *values)
{
    struct run run = {.cmd = cmd, .values = values, .cols = cmd->cols, .defaults = cmd->defaults};
    struct opt_table tables[NTABLES];
    const struct words words = {argc, argv, cmd->word, values};
    const bool *const stop[] = {&run.help, &run.version, &run.spec};
    cmd_option_tables(&run, tables);

    if (hold_standard_streams() < 0)
        return STATUS_FAILED;
    int read = options_read(&words, tables, NTABLES, stop, ARRAY_LEN(stop), &run.operands);
    if (read < 0)
        usage_error(&run);
    else if (run.help)
        cmd_write_help(&run);
    else if (run.version)
        cmd_write_version(&run);
    else if (run.spec)
        cmd_write_spec(&run);
    else
        work(&run);
    if (run.table && table_end(run.table) < 0)
        (void)output_failed(&run);
    // A full disk or a lost server may show only now. A stream that was never open is no loss.
    if (close(STDOUT_FILENO) < 0 && errno != EBADF) {
        (void)err_sys("cannot close");
        (void)output_failed(&run);
    }
    table_free(run.table);
    texts_fini(&run.operands);
    texts_fini(&run.pids);
    if (cmd->finish)
        cmd->finish(values);
    return run.status;
}
