// SPDX-License-Identifier: MIT
#include "valuecol.h"

#include "err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// --- types ---------------------------------------------------------------------

enum { LANE = 8, DEFAULT_INTEGER = 4, DEFAULT_FLOAT = 8 };

static bool is_code(char type)
{
    return type == 'T' || type == 'I';
}

static bool is_number(uint64_t size)
{
    return size == 1 || size == 2 || size == 4 || size == 8;
}

static struct value_format format_of(const struct location *l, const struct value_format *want)
{
    struct value_format f = *want;
    if (f.letter == 0)
        return is_number(l->size) && !is_code(l->type) ? (struct value_format){'u', (unsigned)l->size}
                                                       : (struct value_format){'b', 0};
    if (f.size == 0 && f.letter != 's' && f.letter != 'b')
        f.size = value_size_fits(&f, l->size) ? (unsigned)l->size : f.letter == 'f' ? DEFAULT_FLOAT : DEFAULT_INTEGER;
    return f;
}

int value_plan(const struct location *l, const struct value_format *want, struct value_plan *ret)
{
    struct value_plan p = {.format = format_of(l, want), .count = l->count};
    uint64_t size = p.format.letter == 'b' ? 1 : p.format.size;
    if (p.count == 0 && size > 0) {
        p.count = l->size / size;
        if (p.count == 0) {
            p.count = p.format.letter == 'b' ? VALUE_DUMP_ROW : 1;
            p.at_most = p.format.letter == 'b';
        }
    } else if (p.count == 0) {
        p.count = 1;
    }
    if (size > 0 && p.count > UINT64_MAX / size)
        return err_set(EINVAL, "%llu values reach beyond the end of the address space", (unsigned long long)p.count);
    p.size = p.count * size;
    *ret = p;
    return 0;
}

int value_plan_at(struct value_plan *plan, uint64_t addr)
{
    if (plan->size == 0 || plan->size - 1 <= UINT64_MAX - addr)
        return 0;
    if (!plan->at_most)
        return err_set(EFAULT, "reaches beyond the end of the address space"); // the target may have chosen the address
    plan->size = UINT64_MAX - addr + 1;
    return 0;
}

void value_plan_reg(const struct reg *reg, const struct value_format *want, struct value_plan *ret)
{
    struct value_plan p = {.format = *want, .count = 1};
    if (want->letter == 0)
        p.format.letter = reg->kind == REG_FLOAT80 ? 'f' : 'x';
    if (p.format.letter == 's')
        p.format.letter = 'b';
    // What has no such size is read in lanes, or as hex.
    if (p.format.size == 0 && p.format.letter != 'b' && !value_size_fits(&p.format, reg->size)) {
        p.format.size = reg->size % LANE == 0 ? LANE : 0;
        p.format.letter = p.format.size ? p.format.letter : 'x';
    }
    if (p.format.size > 0 && p.format.size < reg->size && reg->size % p.format.size == 0)
        p.count = reg->size / p.format.size;
    else
        p.format.size = reg->size;
    p.size = reg->size;
    *ret = p;
}

// --- columns -------------------------------------------------------------------

enum { NEED_SYMBOL = 1 << 0, NEED_POINTS_TO = 1 << 1 };

// A row that is being written, with its symbols.
struct shown {
    const struct value_row *row;
    const char *symbol, *points_to;
    struct buf *text; // what the getters make; a row is one after another in it
};

// The text that a getter appends to the row's buffer. It may move until the row is whole: see room().
#define GETTER(name) static void get_##name(const void *arg, struct cell *c)
#define ROW const struct shown *s = arg; const struct value_row *r = s->row

GETTER(pid)
{
    ROW;
    cell_int(c, r->pid);
}

GETTER(tid)
{
    ROW;
    if (r->tid)
        cell_int(c, r->tid);
}

GETTER(addr)
{
    ROW;
    if (r->in_memory)
        cell_address(c, r->addr);
}


GETTER(symbol)
{
    const struct shown *s = arg;
    cell_str(c, s->symbol);
}

GETTER(points_to)
{
    const struct shown *s = arg;
    cell_str(c, s->points_to);
}

GETTER(set)
{
    ROW;
    cell_str(c, r->set);
}

GETTER(name)
{
    ROW;
    cell_str(c, r->name);
}

GETTER(size)
{
    ROW;
    cell_int(c, (int64_t)r->n);
}

static void cell_made(struct cell *c, const struct shown *s, size_t start)
{
    if (!s->text->failed)
        cell_text(c, s->text->data + start, s->text->len - start);
}

GETTER(type)
{
    ROW;
    size_t start = s->text->len;
    value_format_name(s->text, &r->format);
    cell_made(c, s, start);
}

// A register of a set was not asked for by a location of its own.
GETTER(location)
{
    ROW;
    size_t start = s->text->len;
    if (r->location || !r->name) {
        cell_str(c, r->location);
        return;
    }
    buf_printf(s->text, "%%%s", r->name);
    cell_made(c, s, start);
}

static void get_value_of(const struct shown *s, const unsigned char *bytes, size_t n, struct cell *c)
{
    char letter = s->row->format.letter;
    if (letter == 's' || letter == 'c') {
        cell_text(c, n ? (const char *)bytes : "", n);
        return;
    }
    size_t start = s->text->len;
    value_text(s->text, &s->row->format, bytes, n);
    cell_made(c, s, start);
}

GETTER(value)
{
    ROW;
    get_value_of(s, r->bytes, r->n, c);
}

GETTER(old)
{
    ROW;
    get_value_of(s, r->old, r->old_n, c);
}

GETTER(hex)
{
    ROW;
    static const struct value_format hex = {'b', 0};
    size_t start = s->text->len;
    value_text(s->text, &hex, r->bytes, r->n);
    cell_made(c, s, start);
}

// As xxd(1) shows it.
GETTER(text)
{
    ROW;
    size_t start = s->text->len;
    for (size_t i = 0; i < r->n; i++)
        buf_byte(s->text, r->bytes[i] >= 0x20 && r->bytes[i] < 0x7f ? (char)r->bytes[i] : '.');
    cell_made(c, s, start);
}

const struct col value_cols[] = {
    {"pid", COL_ID, 0, get_pid, "number of the process"},
    {"tid", COL_ID, 0, get_tid, "number of the thread, where a register is meant"},
    {"addr", COL_ADDRESS, 0, get_addr, "address of the value"},
    {"location", COL_TEXT, 0, get_location, "the location as it was given; %NAME of a register"},
    {"symbol", COL_TEXT, NEED_SYMBOL, get_symbol, "symbol that the address is in, and how far"},
    {"set", COL_TEXT, 0, get_set, "register set: gp, fp, vector, debug"},
    {"name", COL_TEXT, 0, get_name, "name of the register"},
    {"type", COL_TEXT, 0, get_type, "how the value is to be read; what -f takes"},
    {"size", COL_BYTES, 0, get_size, "bytes of the value"},
    {"value", COL_TEXT, 0, get_value, "the value, exact"},
    {"points_to", COL_TEXT, NEED_POINTS_TO, get_points_to, "symbol that a pointer points to, and how far behind it"},
    {"hex", COL_TEXT, 0, get_hex, "its bytes in the order of their addresses, as xxd prints them"},
    {"text", COL_TEXT, 0, get_text, "its bytes as ASCII, dots for others"},
    {0},
};

const struct col value_poke_cols[] = {
    {"pid", COL_ID, 0, get_pid, "number of the process"},
    {"tid", COL_ID, 0, get_tid, "number of the thread, where a register is meant"},
    {"addr", COL_ADDRESS, 0, get_addr, "address that was written"},
    {"location", COL_TEXT, 0, get_location, "the location as it was given"},
    {"symbol", COL_TEXT, NEED_SYMBOL, get_symbol, "symbol that the address is in, and how far"},
    {"type", COL_TEXT, 0, get_type, "how the values are to be read; what -f takes"},
    {"size", COL_BYTES, 0, get_size, "bytes that were written"},
    {"old", COL_TEXT, 0, get_old, "value before, exact: as VALUE it puts things back"},
    {"new", COL_TEXT, 0, get_value, "value read back afterwards"},
    {0},
};

// --- rows ----------------------------------------------------------------------

enum { TOGETHER = 256, TOGETHER_BYTES = 65536 };

void value_rows_fini(struct value_rows *rows)
{
    free(rows->waiting);
    buf_fini(&rows->bytes);
    rows->waiting = NULL;
    rows->n = rows->cap = 0;
}

// The most that a getter makes of N bytes: three digits for two bytes, or a number's digits.
static size_t room_for(const struct value_row *r)
{
    return 2 * (3 * (r->n + r->old_n) + 128) + r->n + 32;
}

static int show(struct value_rows *rows, const struct shown *s)
{
    buf_reset(s->text);
    // The cells point into it: it must not move while the row is made.
    if (!buf_room(s->text, room_for(s->row))) {
        (void)!buf_ok(s->text); // says so
        cmd_fail(rows->run, NULL);
        return -1;
    }
    return cmd_row(rows->run, s);
}

struct names {
    struct buf text;
    size_t *at; // where the name of each address begins, SIZE_MAX: it has none
    size_t n;
};

static int take_name(const struct symbol *s, void *arg)
{
    struct names *names = arg;
    names->at[names->n++] = s->found ? names->text.len : SIZE_MAX;
    if (!s->found)
        return 0;
    buf_str(&names->text, s->pretty ? s->pretty : s->name);
    if (s->addr != s->value)
        buf_printf(&names->text, "+%llu", (unsigned long long)(s->addr - s->value));
    buf_byte(&names->text, '\0');
    return buf_ok(&names->text);
}

static uint64_t pointer_of(const struct value_row *r)
{
    uint64_t v = 0;
    memcpy(&v, r->bytes, r->n < sizeof v ? r->n : sizeof v);
    return v;
}

static int look_up(struct value_rows *rows, const uint64_t *addrs, size_t n, struct names *names)
{
    static const struct sym_options options = {0};
    if (!*rows->syms && syms_open(rows->target, -1, NULL, &options, rows->syms) < 0)
        return -1;
    return syms_of_addrs(*rows->syms, addrs, n, take_name, names);
}

static const char *name_at(const struct names *names, size_t i)
{
    return i < names->n && names->at[i] != SIZE_MAX && !names->text.failed ? names->text.data + names->at[i] : NULL;
}

static int flush(struct value_rows *rows, struct buf *text)
{
    unsigned needs = table_needs(rows->run->table);
    // For each row two addresses: its own, and the one that it holds.
    CLEANUP_FREE uint64_t *addrs = calloc(2 * rows->n + 1, sizeof *addrs);
    CLEANUP_FREE size_t *at = calloc(2 * rows->n + 1, sizeof *at);
    struct names names = {.at = at};
    if (!addrs || !at) {
        (void)err_set(ENOMEM, "out of memory");
        cmd_fail(rows->run, NULL);
        return -1;
    }
    for (size_t i = 0; i < rows->n; i++) {
        const struct value_row *r = &rows->waiting[i];
        addrs[2 * i] = r->in_memory && needs & NEED_SYMBOL ? r->addr : 0;
        addrs[2 * i + 1] = r->format.letter == 'p' && needs & NEED_POINTS_TO ? pointer_of(r) : 0;
    }
    if (needs && look_up(rows, addrs, 2 * rows->n, &names) < 0 && !rows->symbols_failed) {
        rows->symbols_failed = true;
        cmd_note(rows->run, "symbols", "%s", err_text());
        cmd_status(rows->run, STATUS_NONE);
    }
    int done = 0;
    for (size_t i = 0; i < rows->n && done == 0; i++) {
        const struct shown s = {&rows->waiting[i], name_at(&names, 2 * i), name_at(&names, 2 * i + 1), text};
        done = show(rows, &s);
    }
    buf_fini(&names.text);
    return done;
}

int value_rows_flush(struct value_rows *rows)
{
    CLEANUP_BUF struct buf text = {0};
    // The bytes have stopped moving.
    const unsigned char *at = (const unsigned char *)buf_cstr(&rows->bytes);
    for (size_t i = 0; i < rows->n; i++) {
        struct value_row *r = &rows->waiting[i];
        r->bytes = at;
        r->old = at + r->n;
        at += r->n + r->old_n;
    }
    int done = buf_ok(&rows->bytes);
    if (done < 0)
        cmd_fail(rows->run, NULL);
    else if (rows->n > 0)
        done = flush(rows, &text);
    rows->n = 0;
    buf_reset(&rows->bytes);
    return done;
}

int value_rows_add(struct value_rows *rows, const struct value_row *row)
{
    struct value_row *grown = array_grow(rows->waiting, rows->n, &rows->cap, sizeof *grown);
    if (!grown) {
        cmd_fail(rows->run, NULL);
        return -1;
    }
    rows->waiting = grown;
    rows->waiting[rows->n++] = *row;
    buf_add(&rows->bytes, row->bytes, row->n);
    buf_add(&rows->bytes, row->old, row->old_n);
    return rows->n < TOGETHER && rows->bytes.len < TOGETHER_BYTES ? 0 : value_rows_flush(rows);
}

bool value_offer(size_t i, struct offered *ret)
{
    size_t nformats = 0;
    while (value_format_at(nformats))
        nformats++;
    const struct reg *reg = i < nformats ? NULL : reg_at(i - nformats);
    if (i >= nformats && !reg)
        return false;
    ret->complete = reg ? "operands" : "types";
    (void)snprintf(ret->word, sizeof ret->word, "%s%s", reg ? "%" : "", reg ? reg->name : value_format_at(i));
    return true;
}
