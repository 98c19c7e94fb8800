// SPDX-License-Identifier: MIT
//
// dmt-sym: address to symbol and back, of a process, a core or an ELF file. It reads no memory but that of headers: what
// stands at an address is dmt-peek's work.
#include "cmd.h"
#include "err.h"
#include "operands.h"
#include "sym.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NEED_LINES = 1 };

// A word that is asked about.
struct question {
    const char *name;  // NULL: an address
    uint64_t addr;
};

struct symcmd {
    bool lines, raw_names;
    struct operands operands;
    struct question *questions;
    uint64_t *addrs;   // of questions that follow each other
    size_t n;
    // Of the run:
    struct run *run;
    struct procs procs;
    pid_t pid;         // 0: a file
    char said[256];    // the last failure of this target
};

static const struct opt opts[] = {
    {'s', "lines", NULL, OPT_FLAG, offsetof(struct symcmd, lines), NULL, "source file and line too"},
    {0, "raw-names", NULL, OPT_FLAG, offsetof(struct symcmd, raw_names), NULL, "names as in the table, not demangled"},
};

// --- columns ---------------------------------------------------------------------

struct row {
    const struct symbol *symbol;
    const struct symcmd *cmd;
};

static const struct symbol *symbol_of(const void *row)
{
    return ((const struct row *)row)->symbol;
}

// U, N, A and C have values that are no addresses of the target.
static bool has_address(const struct symbol *s)
{
    return !s->found || !strchr("UNAC", s->type);
}

static const char *word_of(char letter, const char *const words[])
{
    for (; *words; words++)
        if (words[0][0] == letter)
            return *words + 1;
    return NULL;
}

static void get_pid(const void *row, struct cell *c)
{
    if (((const struct row *)row)->cmd->pid > 0)
        cell_int(c, ((const struct row *)row)->cmd->pid);
}

static void get_addr(const void *row, struct cell *c)
{
    if (has_address(symbol_of(row)))
        cell_address(c, symbol_of(row)->addr);
}

static void get_size(const void *row, struct cell *c)
{
    if (symbol_of(row)->found && symbol_of(row)->size > 0)
        cell_uint(c, symbol_of(row)->size);
}

static void get_type(const void *row, struct cell *c)
{
    static const char *const words[] = {"Tfunction", "Ddata",     "Bbss",      "Rrodata", "Uundefined",
                                        "Iifunc",    "Ntls",      "Aabsolute", "Ccommon", NULL};
    cell_str(c, symbol_of(row)->found ? word_of(symbol_of(row)->type, words) : NULL);
}

static void get_bind(const void *row, struct cell *c)
{
    static const char *const words[] = {"Llocal", "Gglobal", "Wweak", "Uunique", NULL};
    cell_str(c, symbol_of(row)->found ? word_of(symbol_of(row)->bind, words) : NULL);
}

static void get_name(const void *row, struct cell *c)
{
    const struct symbol *s = symbol_of(row);
    cell_str(c, !s->found ? NULL : s->pretty ? s->pretty : s->name);
}

static void get_raw(const void *row, struct cell *c)
{
    cell_str(c, symbol_of(row)->found ? symbol_of(row)->name : NULL);
}

static void get_value(const void *row, struct cell *c)
{
    if (symbol_of(row)->found && symbol_of(row)->type != 'U')
        cell_address(c, symbol_of(row)->value);
}

static void get_offset(const void *row, struct cell *c)
{
    const struct symbol *s = symbol_of(row);
    if (s->found && has_address(s))
        cell_address(c, s->addr - s->value);
}

static void get_object(const void *row, struct cell *c)
{
    cell_str(c, symbol_of(row)->object);
}

static void get_file(const void *row, struct cell *c)
{
    cell_str(c, symbol_of(row)->file);
}

static void get_line(const void *row, struct cell *c)
{
    if (symbol_of(row)->file)
        cell_uint(c, symbol_of(row)->line);
}

static const struct col cols[] = {
    {"pid", COL_ID, 0, get_pid, "the process; none for a file"},
    {"addr", COL_ADDRESS, 0, get_addr, "the address asked for; else that of the symbol"},
    {"size", COL_BYTES, 0, get_size, "how large the symbol is"},
    {"type", COL_TEXT, 0, get_type, "function, data, bss, rodata, undefined, ifunc, tls, absolute, common"},
    {"bind", COL_TEXT, 0, get_bind, "local, global, weak, unique"},
    {"name", COL_TEXT, 0, get_name, "the symbol, demangled"},
    {"object", COL_TEXT, 0, get_object, "the file that it is from"},
    {"file", COL_TEXT, NEED_LINES, get_file, "source file"},
    {"line", COL_ID, NEED_LINES, get_line, "line in it"},
    {"offset", COL_ADDRESS, 0, get_offset, "of the address in the symbol"},
    {"value", COL_ADDRESS, 0, get_value, "address of the symbol; what its table says of tls, absolute, common"},
    {"raw_name", COL_TEXT, 0, get_raw, "the symbol as in its table"},
    {0},
};

// --- work --------------------------------------------------------------------------

static int read_question(const char *word, struct question *ret)
{
    size_t n = strlen(word);
    *ret = (struct question){.name = word};
    if (n == 0)
        return err_set(EINVAL, "'': neither a name nor an address");
    if (strspn(word, "0123456789") == n)
        return err_set(EINVAL, "'%s': not an address: they begin with 0x", word);
    if (word[0] != '0' || (word[1] != 'x' && word[1] != 'X'))
        return 0;
    if (n < 3 || n > 18 || strspn(word + 2, "0123456789abcdefABCDEF") != n - 2)
        return err_set(EINVAL, "'%s': not an address", word);
    *ret = (struct question){.addr = strtoull(word + 2, NULL, 16)};
    return 0;
}

// The first word is the target, unless -p named some.
static int prepare(struct run *run, void *values)
{
    struct symcmd *c = values;
    struct run targets = *run;
    size_t first = run->pids.n > 0 || run->operands.n == 0 ? 0 : 1;
    targets.operands.n = first;
    c->operands.files = true;
    if (c->lines)
        run->defaults = "pid,addr,size,type,bind,name,object,file,line";
    if (operands_parse(&targets, &c->operands) < 0)
        return -1;
    if (c->operands.n == 0 && !c->operands.from_stdin)
        return err_set(EINVAL, "of which process or file?");
    c->n = run->operands.n - first;
    c->questions = calloc(c->n + 1, sizeof *c->questions);
    c->addrs = calloc(c->n + 1, sizeof *c->addrs);
    if (!c->questions || !c->addrs)
        return err_set(ENOMEM, "out of memory");
    for (size_t i = 0; i < c->n; i++)
        if (read_question(run->operands.at[first + i], &c->questions[i]) < 0)
            return -1;
    return 0;
}

static int show(const struct symbol *symbol, void *arg)
{
    struct symcmd *c = arg;
    const struct row row = {symbol, c};
    return cmd_row(c->run, &row) < 0 ? 1 : 0;
}

static int show_at(const struct symbol *symbol, void *arg)
{
    struct symcmd *c = arg;
    if (!symbol->found)
        cmd_status(c->run, STATUS_NONE);
    return show(symbol, arg);
}

// NAME, or NAME@MODULE.
static int show_name(struct symcmd *c, struct syms *s, const char *name)
{
    int done = syms_of_name(s, name, NULL, show, c);
    const char *at = strrchr(name, '@');
    if (done != -1 || err_code() != ENOENT || !at || at == name || !at[1])
        return done;
    CLEANUP_FREE char *head = strndup(name, (size_t)(at - name));
    return head ? syms_of_name(s, head, at + 1, show, c) : err_set(ENOMEM, "out of memory");
}

// What a file breaks, and a name that is not there, make the answer incomplete, no more. Each question about a broken file fails
// alike: said once.
static void fail(struct symcmd *c, const char *text)
{
    if (strcmp(c->said, err_text()) == 0)
        return;
    (void)snprintf(c->said, sizeof c->said, "%s", err_text());
    if (err_code() != EIO && err_code() != ENOENT) {
        cmd_fail(c->run, text);
        return;
    }
    cmd_note(c->run, text, "%s", err_text());
    cmd_status(c->run, STATUS_NONE);
}

static int answer(struct symcmd *c, struct syms *s, const char *text)
{
    int done = c->n == 0 ? syms_each(s, show, c) : 0;
    if (done < 0)
        fail(c, text);
    for (size_t i = 0, n; i < c->n && done <= 0; i += n) {
        for (n = 0; i + n < c->n && !c->questions[i + n].name; n++)
            c->addrs[n] = c->questions[i + n].addr;
        done = n > 0 ? syms_of_addrs(s, c->addrs, n, show_at, c) : show_name(c, s, c->questions[i].name);
        n += n == 0;
        if (done < 0)
            fail(c, text);
    }
    return done > 0;
}

static int show_operand(const struct operand *o, void *arg)
{
    struct symcmd *c = arg;
    const struct target_options target_options = {0};
    const struct sym_options options = {.lines = table_needs(c->run->table) & NEED_LINES, .raw_names = c->raw_names};
    CLEANUP_TARGET struct target *t = NULL;
    CLEANUP_SYMS struct syms *s = NULL;
    int done = target_open(&c->procs, o, &target_options, &t);
    c->said[0] = '\0';
    c->pid = done == 0 ? target_pid(t) : 0;
    if (done == 0)
        done = syms_open(t, -1, o->text, &options, &s);
    else if (o->file && err_code() == ENOEXEC)
        done = syms_open_file(o->file, &options, &s);
    if (done < 0) {
        cmd_fail(c->run, o->text);
        return 0;
    }
    return answer(c, s, o->text);
}

static void work(struct run *run, void *values)
{
    struct symcmd *c = values;
    c->run = run;
    if (procs_open(&c->procs) < 0) {
        cmd_fail(run, NULL);
        return;
    }
    operands_each(run, &c->operands, show_operand, c);
    procs_close(&c->procs);
}

static void finish(void *values)
{
    struct symcmd *c = values;
    operands_fini(&c->operands);
    free(c->questions);
    free(c->addrs);
}

static const struct cmd cmd = {
    .name = "dmt-sym",
    .summary = "Show the symbols at addresses or of a name, or all, of a process, core or ELF file",
    .operands = "TARGET|FILE [NAME|ADDR]...",
    .complete = "targets",
    .example = "dmt-sym self main",
    .targets = true,
    .opts = opts,
    .nopts = ARRAY_LEN(opts),
    .cols = cols,
    .defaults = "pid,addr,size,type,bind,name,object",
    .prepare = prepare,
    .work = work,
    .finish = finish,
};

int main(int argc, char **argv)
{
    struct symcmd c = {0};
    return cmd_main(&cmd, argc, argv, &c);
}
