// SPDX-License-Identifier: MIT
#include "cmd_about.h"

#include "err.h"
#include "esc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

void cmd_write_help(struct run *run)
{
    const struct cmd *cmd = run->cmd;
    CLEANUP_BUF struct buf out = {0};
    struct opt_table tables[NTABLES];
    cmd_option_tables(run, tables);
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

void cmd_write_spec(struct run *run)
{
    const struct cmd *cmd = run->cmd;
    struct opt_table tables[NTABLES];
    struct spec s = {0};
    cmd_option_tables(run, tables);
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

void cmd_write_columns(struct run *run)
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

void cmd_write_version(struct run *run)
{
    CLEANUP_BUF struct buf out = {0};
    buf_printf(&out, "%s %s\n", run->cmd->name, DMT_VERSION);
    cmd_text(run, buf_cstr(&out), out.len);
}
