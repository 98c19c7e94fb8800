// SPDX-License-Identifier: MIT
#include "cmd.h"

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

enum { NTABLES = 3 };

static void option_tables(struct run *run, struct opt_table *ret)
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

// --- what the tables say about the command --------------------------------------

static void help_option(struct buf *out, const struct opt *o, bool letter)
{
    size_t start = out->len;
    buf_str(out, "  ");
    if (letter)
        buf_printf(out, "-%c%s", o->letter, o->name ? ", " : "");
    else
        buf_str(out, "    ");
    if (o->name)
        buf_printf(out, "--%s%s%s", o->name, o->arg ? "=" : "", o->arg ? o->arg : "");
    else if (o->arg)
        buf_printf(out, " %s", o->arg);
    do
        buf_byte(out, ' ');
    while (out->len - start < 27);
    buf_printf(out, "%s\n", o->help);
}

static void write_help(struct run *run)
{
    const struct cmd *cmd = run->cmd;
    CLEANUP_BUF struct buf out = {0};
    struct opt_table tables[NTABLES];
    option_tables(run, tables);
    buf_printf(&out, "Usage: %s [OPTION]... %s\n%s.\n\n", cmd->name, cmd->operands, cmd->summary);
    for (size_t t = 0; t < NTABLES; t++)
        for (size_t i = 0; i < tables[t].n; i++)
            help_option(&out, &tables[t].opts[i], option_has_letter(tables, t, &tables[t].opts[i]));
    buf_printf(&out, "\nExample: %s\nManual: man %s, man dmt\n", cmd->example, cmd->name);
    if (buf_ok(&out) < 0)
        cmd_fail(run, NULL);
    else
        cmd_text(run, out.data, out.len);
}

struct spec_row {
    const char *kind, *name, *arg, *complete, *help;
    char letter[3], text[32]; // the text is the name where that is NULL
};

#define SPEC_GETTER(field)                                                                                    \
    static void get_spec_##field(const void *row, struct cell *c)                                             \
    {                                                                                                         \
        const struct spec_row *r = row;                                                                       \
        if (r->field && r->field[0])                                                                          \
            cell_str(c, r->field);                                                                            \
    }
SPEC_GETTER(kind)
SPEC_GETTER(letter)
SPEC_GETTER(arg)
SPEC_GETTER(complete)
SPEC_GETTER(help)

static void get_spec_name(const void *row, struct cell *c)
{
    const struct spec_row *r = row;
    const char *name = r->name ? r->name : r->text;
    if (name[0])
        cell_str(c, name);
}

static const struct col spec_cols[] = {
    {"kind", COL_TEXT, 0, get_spec_kind, "option, column, operand or word"},
    {"letter", COL_TEXT, 0, get_spec_letter, "with its dash"},
    {"name", COL_TEXT, 0, get_spec_name, "long name with its dashes; name of a column; a word"},
    {"arg", COL_TEXT, 0, get_spec_arg, "name of the argument; type of a column"},
    {"complete", COL_TEXT, 0, get_spec_complete, "what TAB offers"},
    {"help", COL_TEXT, 0, get_spec_help, "what it does"},
    {0},
};


struct spec {
    struct spec_row *rows;
    size_t n, cap;
    bool failed;
    struct spec_row nobody; // is filled where there is no more memory
};

// A row to be filled.
static struct spec_row *spec_add(struct spec *s, const char *kind)
{
    struct spec_row *grown = array_grow(s->rows, s->n, &s->cap, sizeof *grown);
    s->failed |= !grown;
    s->rows = grown ? grown : s->rows;
    struct spec_row *row = grown ? &grown[s->n++] : &s->nobody;
    *row = (struct spec_row){.kind = kind};
    return row;
}

static void write_spec(struct run *run)
{
    const struct cmd *cmd = run->cmd;
    struct opt_table tables[NTABLES];
    struct spec s = {0};
    option_tables(run, tables);
    for (size_t t = 0; t < NTABLES; t++)
        for (size_t i = 0; i < tables[t].n; i++) {
            const struct opt *o = &tables[t].opts[i];
            struct spec_row *row = spec_add(&s, "option");
            row->arg = o->arg;
            row->complete = o->complete;
            row->help = o->help;
            (void)snprintf(row->text, sizeof row->text, "%s%s", o->name ? "--" : "", o->name ? o->name : "");
            if (option_has_letter(tables, t, o))
                (void)snprintf(row->letter, sizeof row->letter, "-%c", o->letter);
        }
    const struct col *const both[] = {cmd->cols, cmd->other_cols};
    for (size_t k = 0; k < ARRAY_LEN(both) && both[k]; k++)
        for (const struct col *c = both[k]; c->name; c++) {
            struct spec_row *row = spec_add(&s, "column");
            row->name = c->name;
            row->arg = col_type_name(c->type);
            row->help = c->help;
        }
    struct spec_row *row = spec_add(&s, "operand");
    row->arg = cmd->operands;
    row->complete = cmd->complete;
    struct offered word;
    for (size_t i = 0; cmd->offer && cmd->offer(i, &word); i++) {
        row = spec_add(&s, "word");
        row->complete = word.complete;
        memcpy(row->text, word.word, sizeof row->text);
    }
    if (s.failed)
        cmd_fail(run, NULL);
    else
        cmd_table(run, spec_cols, "kind,letter,name,arg,complete,help", s.rows, s.n, sizeof *s.rows);
    free(s.rows);
}

struct column_row {
    const struct col *col;
    bool shown;
};

static void get_column_name(const void *row, struct cell *c)
{
    cell_str(c, ((const struct column_row *)row)->col->name);
}

static void get_column_type(const void *row, struct cell *c)
{
    cell_str(c, col_type_name(((const struct column_row *)row)->col->type));
}

static void get_column_unit(const void *row, struct cell *c)
{
    cell_str(c, col_type_unit(((const struct column_row *)row)->col->type));
}

static void get_column_default(const void *row, struct cell *c)
{
    cell_str(c, ((const struct column_row *)row)->shown ? "yes" : "no");
}

static void get_column_help(const void *row, struct cell *c)
{
    cell_str(c, ((const struct column_row *)row)->col->help);
}

static const struct col column_cols[] = {
    {"name", COL_TEXT, 0, get_column_name, "name of the column"},
    {"type", COL_TEXT, 0, get_column_type, "what it holds"},
    {"unit", COL_TEXT, 0, get_column_unit, "unit in a pipe"},
    {"default", COL_TEXT, 0, get_column_default, "shown without --columns"},
    {"help", COL_TEXT, 0, get_column_help, "what it means"},
    {0},
};

static void write_columns(struct run *run)
{
    struct columns shown;
    struct column_row rows[COLUMNS_MAX];
    if (columns_choose(&shown, run->cols, run->defaults, NULL, NULL) < 0) {
        cmd_fail(run, NULL);
        return;
    }
    size_t n = columns_count(run->cols);
    for (size_t i = 0; i < n && i < COLUMNS_MAX; i++) {
        rows[i] = (struct column_row){&run->cols[i], false};
        for (size_t k = 0; k < shown.nshown; k++)
            rows[i].shown |= shown.used[k] == i;
    }
    cmd_table(run, column_cols, "name,type,unit,default,help", rows, n, sizeof *rows);
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

static void write_version(struct run *run)
{
    CLEANUP_BUF struct buf out = {0};
    buf_printf(&out, "%s %s\n", run->cmd->name, DMT_VERSION);
    cmd_text(run, buf_cstr(&out), out.len);
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
        write_columns(run);
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
    option_tables(&run, tables);

    if (hold_standard_streams() < 0)
        return STATUS_FAILED;
    int read = options_read(&words, tables, NTABLES, stop, ARRAY_LEN(stop), &run.operands);
    if (read < 0)
        usage_error(&run);
    else if (run.help)
        write_help(&run);
    else if (run.version)
        write_version(&run);
    else if (run.spec)
        write_spec(&run);
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
