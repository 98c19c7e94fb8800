// SPDX-License-Identifier: MIT
#include "symcol.h"

#include <string.h>

static const struct symbol *symbol_of(const void *row)
{
    return ((const struct sym_row *)row)->symbol;
}

bool symbol_has_address(const struct symbol *s)
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
    if (((const struct sym_row *)row)->pid > 0)
        cell_int(c, ((const struct sym_row *)row)->pid);
}

static void get_addr(const void *row, struct cell *c)
{
    if (symbol_has_address(symbol_of(row)))
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
    if (s->found && symbol_has_address(s))
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

const struct col sym_cols[] = {
    {"pid", COL_ID, 0, get_pid, "the process; none for a file"},
    {"addr", COL_ADDRESS, 0, get_addr, "the address asked for; else that of the symbol"},
    {"size", COL_BYTES, 0, get_size, "how large the symbol is"},
    {"type", COL_TEXT, 0, get_type, "function, data, bss, rodata, undefined, ifunc, tls, absolute, common"},
    {"bind", COL_TEXT, 0, get_bind, "local, global, weak, unique"},
    {"name", COL_TEXT, 0, get_name, "the symbol, demangled and without version"},
    {"object", COL_TEXT, 0, get_object, "the file that it is from"},
    {"file", COL_TEXT, SYMCOL_LINES, get_file, "source file"},
    {"line", COL_ID, SYMCOL_LINES, get_line, "line in it"},
    {"offset", COL_ADDRESS, 0, get_offset, "of the address in the symbol"},
    {"value", COL_ADDRESS, 0, get_value, "address of the symbol; what its table says of tls, absolute, common"},
    {"raw_name", COL_TEXT, 0, get_raw, "the symbol as in its table"},
    {0},
};
