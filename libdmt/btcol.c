// SPDX-License-Identifier: MIT
#include "btcol.h"

#include "module.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct bt_row *row_of(const void *row)
{
    return row;
}

static void get_pid(const void *row, struct cell *c)
{
    cell_int(c, row_of(row)->pid);
}

static void get_tid(const void *row, struct cell *c)
{
    if (row_of(row)->trace->tid)
        cell_int(c, row_of(row)->trace->tid);
}

static void get_goroutine(const void *row, struct cell *c)
{
    if (row_of(row)->goroutine)
        cell_uint(c, row_of(row)->goroutine->id);
}

static void get_wait(const void *row, struct cell *c)
{
    if (row_of(row)->goroutine)
        cell_str(c, row_of(row)->goroutine->reason);
}

static void get_frame(const void *row, struct cell *c)
{
    if (row_of(row)->frame)
        cell_uint(c, row_of(row)->number);
}

static void get_pc(const void *row, struct cell *c)
{
    if (row_of(row)->frame)
        cell_address(c, row_of(row)->frame->pc);
}

static void get_text(const struct bt_row *r, size_t at, struct cell *c)
{
    cell_str(c, r->name ? frame_name_text(r->names, at) : NULL);
}

static void get_function(const void *row, struct cell *c)
{
    const struct bt_row *r = row;
    get_text(r, r->name ? r->name->function : 0, c);
}

static void get_offset(const void *row, struct cell *c)
{
    const struct bt_row *r = row;
    if (r->frame && r->name && r->name->function && !r->inlined)
        cell_address(c, r->frame->pc - r->name->value);
}

static void get_object(const void *row, struct cell *c)
{
    const struct bt_row *r = row;
    get_text(r, r->name ? r->name->object : 0, c);
}

static void get_how(const void *row, struct cell *c)
{
    const struct bt_row *r = row;
    if (r->frame)
        cell_str(c, r->inlined ? "inline" : unwind_how_names[r->frame->how]);
}

static void get_build_id(const void *row, struct cell *c)
{
    if (row_of(row)->build_id[0])
        cell_str(c, row_of(row)->build_id);
}

static void get_addr(const void *row, struct cell *c)
{
    if (row_of(row)->frame && row_of(row)->frame->has_addr)
        cell_address(c, row_of(row)->frame->addr);
}

static void get_cfa(const void *row, struct cell *c)
{
    if (row_of(row)->frame && row_of(row)->frame->cfa)
        cell_address(c, row_of(row)->frame->cfa);
}

static void get_thread_name(const void *row, struct cell *c)
{
    const struct trace *t = row_of(row)->trace;
    if (t->name_len > 0)
        cell_text(c, t->name, t->name_len);
}

static void get_state(const void *row, struct cell *c)
{
    const struct trace *t = row_of(row)->trace;
    if (row_of(row)->goroutine)
        cell_str(c, row_of(row)->goroutine->state);
    else if (t->state)
        cell_text(c, &t->state, 1);
}

static void get_syscall(const void *row, struct cell *c)
{
    static _Thread_local char text[160];
    const struct trace *t = row_of(row)->trace;
    if (!t->has_call)
        return;
    (void)snprintf(text, sizeof text,
                   "%" PRId64 "(0x%" PRIx64 ",0x%" PRIx64 ",0x%" PRIx64 ",0x%" PRIx64 ",0x%" PRIx64 ",0x%" PRIx64 ")",
                   t->call, t->args[0], t->args[1], t->args[2], t->args[3], t->args[4], t->args[5]);
    cell_str(c, text);
}

static void get_reason(const void *row, struct cell *c)
{
    const struct variable *v = row_of(row)->variable;
    cell_str(c, v && v->reason ? v->reason : v && v->late ? "late" : row_of(row)->reason);
}

static void get_name(const void *row, struct cell *c)
{
    const struct variable *v = row_of(row)->variable;
    cell_str(c, v ? v->name : NULL);
}

static void get_type(const void *row, struct cell *c)
{
    const struct variable *v = row_of(row)->variable;
    cell_str(c, v ? v->type : NULL);
}

static void get_kind(const void *row, struct cell *c)
{
    const struct variable *v = row_of(row)->variable;
    cell_str(c, !v ? NULL : v->parameter ? "parameter" : "variable");
}

static void get_at(const void *row, struct cell *c)
{
    const struct variable *v = row_of(row)->variable;
    if (v && v->has_addr)
        cell_address(c, v->addr);
}

// Of a pointer the symbol that it leads to stands behind the number, as gdb has it.
static void get_value(const void *row, struct cell *c)
{
    static _Thread_local struct buf text;
    const struct bt_row *r = row;
    const struct variable *v = r->variable;
    if (!v || !v->value)
        return;
    const struct frame_name *to = v->is_pointer && r->pointers ? frame_names_at(r->pointers, v->pointer) : NULL;
    const char *symbol = to ? frame_name_text(r->pointers, to->function) : NULL;
    const char *space = symbol ? memchr(v->value, ' ', v->value_len) : NULL;
    const size_t n = space ? (size_t)(space - v->value) : v->value_len;
    if (!symbol) {
        cell_text(c, v->value, v->value_len);
        return;
    }
    buf_reset(&text);
    buf_add(&text, v->value, n);
    buf_printf(&text, " <%s", symbol);
    if (v->pointer != to->value)
        buf_printf(&text, "+%" PRIu64, v->pointer - to->value);
    buf_byte(&text, '>');
    buf_add(&text, v->value + n, v->value_len - n);
    cell_text(c, buf_cstr(&text), text.len);
}

static void get_pause(const void *row, struct cell *c)
{
    if (row_of(row)->trace->pause)
        cell_fixed(c, (int64_t)(row_of(row)->trace->pause / 100), 1);
}

static void get_file(const void *row, struct cell *c)
{
    const struct bt_row *r = row;
    get_text(r, r->name ? r->name->file : 0, c);
}

static void get_line(const void *row, struct cell *c)
{
    const struct bt_row *r = row;
    if (r->name && r->name->file)
        cell_uint(c, r->name->line);
}

const struct col bt_cols[] = {
    {"pid", COL_ID, 0, get_pid, "the process"},
    {"tid", COL_ID, 0, get_tid, "the thread"},
    {"frame", COL_ID, 0, get_frame, "0 is the innermost"},
    {"pc", COL_ADDRESS, 0, get_pc, "the instruction that is next, or is returned to"},
    {"function", COL_TEXT, BTCOL_NAMES, get_function, "the function, demangled"},
    {"offset", COL_ADDRESS, BTCOL_NAMES, get_offset, "of pc in the function"},
    {"object", COL_TEXT, BTCOL_NAMES, get_object, "the file that the code is from"},
    {"how", COL_TEXT, 0, get_how, "by what the frame was found: reg, go, cfi, sig, fp, scan, live, inline"},
    {"file", COL_TEXT, BTCOL_NAMES | BTCOL_LINES, get_file, "source file"},
    {"line", COL_ID, BTCOL_NAMES | BTCOL_LINES, get_line, "line in it"},
    {"build_id", COL_TEXT, BTCOL_BUILD_ID, get_build_id, "of the object"},
    {"addr", COL_ADDRESS, 0, get_addr, "pc as an address of the object's file"},
    {"cfa", COL_ADDRESS, 0, get_cfa, "canonical frame address: the stack pointer before the call"},
    {"thread_name", COL_TEXT, BTCOL_TASK, get_thread_name, "the thread's name"},
    {"state", COL_TEXT, BTCOL_TASK, get_state, "the thread's state before it was stopped, as in ps(1); a goroutine's"},
    {"goroutine", COL_ID, 0, get_goroutine, "the number of the goroutine, with --goroutines"},
    {"wait", COL_TEXT, 0, get_wait, "why the goroutine waits, in the program's words"},
    {"syscall", COL_TEXT, 0, get_syscall, "system call that the thread is in: number and arguments"},
    {"reason", COL_TEXT, 0, get_reason, "why the stack ends here, or is not there; --locals: why there is no value"},
    {"pause_us", COL_COUNT, 0, get_pause, "microseconds that the thread was held, at most"},
    {"name", COL_TEXT, 0, get_name, "--locals: the variable"},
    {"type", COL_TEXT, 0, get_type, "--locals: its type"},
    {"value", COL_TEXT, BTCOL_POINTERS, get_value, "--locals: what it holds"},
    {"kind", COL_TEXT, 0, get_kind, "--locals: parameter or variable"},
    {"at", COL_ADDRESS, 0, get_at, "--locals: where it stands in memory"},
    {0},
};

void bt_row_set_build_id(struct bt_row *row, struct target *t, const struct maps *maps)
{
    struct module module;
    const struct mapping *m = maps_find(maps, frame_lookup(row->frame));
    row->build_id[0] = '\0';
    if (!m || m->name_len == 0)
        return;
    while (m > maps->at && m->offset > 0 && m[-1].inode == m->inode && m[-1].offset < m->offset)
        m--;
    module_read(t, maps, m, &module);
    for (size_t i = 0; i < module.build_id_len; i++)
        (void)snprintf(row->build_id + 2 * i, 3, "%02x", module.build_id[i]);
}
