// SPDX-License-Identifier: MIT
//
// dmt-sym: address to symbol and back, of a process, a core or an ELF file. What stands at an address it does not
// read: that is dmt-peek's work.
#include "cmd.h"
#include "err.h"
#include "location.h"
#include "operands.h"
#include "symcol.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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
    {0, "raw-names", NULL, OPT_FLAG, offsetof(struct symcmd, raw_names), NULL, "names as in the table"},
};

// --- the command line ------------------------------------------------------------

static int read_question(const char *text, struct question *ret)
{
    struct location_way ways[LOCATION_WAYS];
    size_t n;
    if (location_ways(text, ways, &n) < 0)
        return -1;
    if (ways[0].as == LOCATION_AS_REG)
        return err_set(EINVAL, "a register has no symbol; dmt-peek shows what it holds");
    if (ways[0].as == LOCATION_AS_ADDR && ways[0].count > 0)
        return err_set(EINVAL, "one address has no count");
    *ret = (struct question){ways[0].as == LOCATION_AS_ADDR ? NULL : text, ways[0].addr};
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
            return err_wrap("'%s'", run->operands.at[first + i]);
    return 0;
}

static int show(const struct symbol *symbol, void *arg)
{
    struct symcmd *c = arg;
    const struct sym_row row = {symbol, c->pid};
    return cmd_row(c->run, &row) < 0 ? 1 : 0;
}

static int show_at(const struct symbol *symbol, void *arg)
{
    struct symcmd *c = arg;
    if (!symbol->found)
        cmd_status(c->run, STATUS_NONE);
    return show(symbol, arg);
}

// --- a name -------------------------------------------------------------------------

struct addrs {
    uint64_t *at;
    size_t n, cap;
};

static int keep_addr(const struct symbol *symbol, void *arg)
{
    struct addrs *a = arg;
    if (!symbol_has_address(symbol))
        return 0;
    uint64_t *grown = array_grow(a->at, a->n, &a->cap, sizeof *grown);
    if (!grown)
        return -1;
    a->at = grown;
    a->at[a->n++] = symbol->addr;
    return 0;
}

// SYMBOL+OFF and FILE:LINE are addresses: what is there is shown.
static int show_found(struct symcmd *c, struct syms *s, const struct location_way *way, const char *name,
                      const char *module)
{
    struct addrs found = {0};
    int done = way->as == LOCATION_AS_LINE ? syms_of_line(s, name, (unsigned)way->line, keep_addr, &found)
                                           : syms_of_name(s, name, module, keep_addr, &found);
    for (size_t i = 0; i < found.n; i++)
        found.at[i] += way->negative ? -way->offset : way->offset;
    if (done == 0)
        done = syms_of_addrs(s, found.at, found.n, show_at, c);
    free(found.at);
    return done;
}

static int show_name(struct symcmd *c, struct syms *s, const char *text)
{
    struct location_way ways[LOCATION_WAYS];
    size_t n;
    int done = -1;
    if (location_ways(text, ways, &n) < 0)
        return -1;
    for (size_t i = 0; i < n && done == -1; i++) {
        const struct location_way *way = &ways[i];
        if (way->count > 0)
            continue; // for those who read memory
        CLEANUP_FREE char *name = strndup(way->name, way->name_len);
        CLEANUP_FREE char *module = way->module ? strndup(way->module, way->module_len) : NULL;
        if (!name || (way->module && !module))
            return err_set(ENOMEM, "out of memory");
        if (way->as == LOCATION_AS_SYMBOL && !way->has_offset)
            done = syms_of_name(s, name, module, show, c);
        else
            done = show_found(c, s, way, name, module);
        if (done == -1 && err_code() != ENOENT)
            return -1;
    }
    return done == -1 ? err_set(ENOENT, "no symbol %s", text) : done;
}

// What a file breaks, and a name that is not there, make the answer incomplete, no more. Each question about a broken
// file fails alike: said once.
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
    const struct sym_options options = {.lines = table_needs(c->run->table) & SYMCOL_LINES, .raw_names = c->raw_names};
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
    .complete = "cores",
    .example = "dmt-sym self main",
    .targets = true,
    .opts = opts,
    .nopts = ARRAY_LEN(opts),
    .cols = sym_cols,
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
