// SPDX-License-Identifier: MIT
#include "btrow.h"

#include "err.h"

struct frame_rows {
    const struct btrow *rows;
    struct bt_row *row;
    unsigned level, last;      // of inlined functions: that of the row, and of the frame itself
    size_t n;
    const char *reason;        // of the frame
};

static int show_variable(const struct variable *v, void *arg)
{
    struct frame_rows *f = arg;
    if ((v->level < f->last ? v->level : f->last) != f->level)
        return 0;
    struct variable shown = *v;
    shown.late &= !target_is_core(f->rows->target); // its memory stands still
    f->n++;
    f->row->variable = &shown;
    return cmd_row(f->rows->run, f->row) < 0 ? 1 : 0;
}

// A function and its variables. What is inlined in a frame has rows before it.
static int show_function(struct frame_rows *f, size_t i)
{
    const struct backtrace *b = f->rows->backtrace;
    const struct trace *t = f->row->trace;
    f->n = 0;
    f->row->variable = NULL;
    f->row->inlined = f->level < f->last;
    f->row->reason = f->row->inlined ? NULL : f->reason;
    int done = f->rows->locals ? backtrace_variables(b, t, i, show_variable, f) : 0;
    if (done < 0)
        cmd_fail(f->rows->run, NULL);
    if (done == 0 && f->n == 0) {
        f->row->variable = NULL;
        const char *reason = f->rows->locals ? backtrace_no_variables(b, t, i) : NULL;
        if (reason && reason != unwind_no_debug) // there may be some
            cmd_status(f->rows->run, STATUS_NONE);
        f->row->reason = f->row->reason ? f->row->reason : reason;
        done = cmd_row(f->rows->run, f->row) < 0;
    }
    f->row->number++;
    return done > 0;
}

static int show_frame(const struct btrow *rows, struct bt_row *row, size_t i)
{
    const struct backtrace *b = rows->backtrace;
    const struct trace *t = row->trace;
    const struct frame_name *name = frame_names_at(row->names, frame_lookup(row->frame));
    struct frame_rows f = {.rows = rows, .row = row, .last = name ? (unsigned)name->ninlined : 0,
                           .reason = i + 1 == t->n ? trace_reason(b, t) : NULL};
    for (; f.level <= f.last; f.level++) {
        row->name = f.level < f.last ? &row->names->inlined[name->inlined + f.level] : name;
        if (show_function(&f, i))
            return 1;
    }
    return 0;
}

int btrow_put(const struct btrow *rows, const struct trace *trace)
{
    struct bt_row row = {.pid = target_pid(rows->target), .trace = trace, .names = rows->names,
                         .pointers = rows->pointers};
    const struct maps *maps = NULL;
    if ((rows->needs & BTCOL_BUILD_ID) && target_maps(rows->target, &maps) < 0)
        maps = NULL;
    if (trace->n == 0) {
        row.reason = trace_reason(rows->backtrace, trace);
        return cmd_row(rows->run, &row) < 0 ? 1 : 0;
    }
    for (size_t i = 0; i < trace->n; i++) {
        row.frame = &rows->backtrace->frames[trace->first + i];
        if (maps)
            bt_row_set_build_id(&row, rows->target, maps);
        if (show_frame(rows, &row, i))
            return 1;
    }
    return 0;
}

static int add_pointer(const struct variable *v, void *arg)
{
    return v->is_pointer && v->pointer ? frame_names_add(arg, v->pointer) : 0;
}

int btrow_pointers(struct unwinder *u, const struct backtrace *b, bool raw_names, struct frame_names *ret)
{
    const struct sym_options options = {.raw_names = raw_names};
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < b->traces[i].nlocals; k++)
            if (backtrace_variables(b, &b->traces[i], k, add_pointer, ret) < 0)
                return -1;
    if (ret->n > 0)
        (void)!frame_names_find(ret, u, &options);
    return 0;
}
