// SPDX-License-Identifier: MIT
#include "readout.h"

#include "backtrace.h"
#include "err.h"

#include <errno.h>
#include <string.h>

enum { STRING_LIMIT = 1 << 20 };

struct thread {
    pid_t tid;
    struct regs regs;
};

// A location, once it was found.
struct place {
    const char *text;
    bool found, shown;     // shown: as a variable of a frame
    struct location l;
};

// The reading of one target.
struct reading {
    const struct readout *r;
    const struct operand *operand;
    struct target *target;
    struct syms *syms;
    struct value_rows rows;
    struct place *places;
    unsigned sets; // that are needed
    struct thread *threads;
    size_t nthreads, cap;
    struct buf refusal; // what was last said of a thread
    size_t nrefused;    // further ones of which that is true as well
};

// What is not there makes the answer less than whole; the others are refusals.
static void fail(const struct reading *g, const char *what)
{
    CLEANUP_BUF struct buf object = {0};
    int code = err_code();
    buf_printf(&object, "%s: %s", g->operand->text, what);
    if (code == ENOENT || code == EFAULT || code == EIO || code == E2BIG) {
        cmd_note(g->r->run, buf_cstr(&object), "%s", err_text());
        cmd_status(g->r->run, STATUS_NONE);
    } else {
        cmd_fail(g->r->run, buf_cstr(&object));
    }
}

// --- memory --------------------------------------------------------------------

struct cells {
    struct reading *g;
    struct value_row row;
    const struct value_plan *plan;
};

static int write_piece(uint64_t addr, const unsigned char *bytes, size_t n, void *arg)
{
    struct run *run = arg;
    (void)addr;
    cmd_text(run, (const char *)bytes, n);
    return run->table ? 0 : 1; // it is gone when standard output is
}

static int show_cell(uint64_t addr, const unsigned char *bytes, size_t n, void *arg)
{
    struct cells *c = arg;
    const struct value_format *f = &c->plan->format;
    if (n < f->size)
        return 0; // a part of a value is none
    c->row.addr = addr;
    c->row.bytes = bytes;
    c->row.n = f->size ? value_width(f) : n;
    return value_rows_add(&c->g->rows, &c->row) < 0 ? 1 : 0;
}

// Each begins behind the zero byte of the one before.
static int show_strings(struct cells *c, uint64_t addr)
{
    enum span_holes holes = c->g->r->holes;
    CLEANUP_BUF struct buf text = {0};
    for (uint64_t i = 0; i < c->plan->count; i++) {
        buf_reset(&text);
        int done = span_string(c->g->target, addr, holes, STRING_LIMIT, &text);
        bool nothing = text.len == 0 && (done < 0 || (done == 1 && holes == SPAN_SKIP));
        if (!nothing && show_cell(addr, (const unsigned char *)buf_cstr(&text), text.len, c))
            return 1;
        if (done < 0 || (done == 1 && holes == SPAN_SKIP))
            return nothing && i == 0 && done == 1 ? err_set(EFAULT, "no byte of it can be read") : done < 0 ? -1 : 0;
        addr += text.len + 1;
    }
    return 0;
}

static int show_bytes(struct cells *c, uint64_t addr)
{
    const struct readout *r = c->g->r;
    const struct value_plan *plan = c->plan;
    struct span span = {c->g->target, addr, plan->size, r->holes, 0};
    int done;
    if (r->raw)
        done = span_read(&span, write_piece, r->run);
    else
        done = span_cut(&span, plan->format.letter == 'b' ? VALUE_DUMP_ROW : plan->format.size, show_cell, c);
    if (done < 0 && plan->at_most && span.there > 0 && err_code() != ESRCH)
        return 0; // nobody said that there is more
    if (done == 0 && span.there == 0 && r->holes == SPAN_SKIP)
        return err_set(EFAULT, "no byte of it can be read");
    return done;
}

static int show_memory(struct reading *g, const struct place *place, const struct thread *thread)
{
    struct value_plan plan;
    uint64_t addr;
    int done = location_addr(&place->l, thread ? &thread->regs : NULL, &addr);
    if (done == 0 && (done = value_plan(&place->l, &g->r->want, &plan)) == 0 &&
        (done = value_plan_at(&plan, addr)) == 0) {
        struct cells c = {.g = g, .plan = &plan,
                          .row = {.pid = target_pid(g->target), .tid = thread ? thread->tid : 0, .in_memory = true,
                                  .location = place->text, .format = plan.format}};
        done = plan.format.letter == 's' ? show_strings(&c, addr) : show_bytes(&c, addr);
    }
    if (done < 0)
        fail(g, place->text);
    return done > 0;
}

// --- registers -----------------------------------------------------------------

static int take_thread(pid_t tid, void *arg)
{
    struct reading *g = arg;
    struct thread *grown = array_grow(g->threads, g->nthreads, &g->cap, sizeof *grown);
    if (!grown)
        return -1;
    g->threads = grown;
    struct thread *t = &g->threads[g->nthreads];
    *t = (struct thread){.tid = tid};
    if (target_regs(g->target, tid, g->sets, &t->regs) == 0) {
        g->nthreads++;
        return 0;
    }
    regs_fini(&t->regs);
    // One that ended since the list of them was read is no loss, unless it was meant.
    if (err_code() != ESRCH || g->operand->id.ntids > 0) {
        CLEANUP_BUF struct buf what = {0};
        if (strcmp(buf_cstr(&g->refusal), err_text()) == 0) {
            g->nrefused++;
            return 0;
        }
        buf_reset(&g->refusal);
        buf_str(&g->refusal, err_text());
        buf_printf(&what, "thread %d", tid);
        fail(g, buf_cstr(&what));
    }
    return 0;
}

// TEXT is the location, or NULL for one of a set.
static int show_reg(struct reading *g, const struct thread *t, const struct reg *reg, const char *text)
{
    unsigned char bytes[REG_BYTES_MAX];
    struct value_plan plan;
    if (reg_get(&t->regs, reg, bytes) < 0) {
        fail(g, text ? text : reg->name);
        return 0;
    }
    if (g->r->raw)
        return write_piece(0, bytes, reg->size, g->r->run);
    value_plan_reg(reg, &g->r->want, &plan);
    struct value_row row = {.pid = target_pid(g->target), .tid = t->tid, .location = text, .name = reg->name,
                            .set = reg_set_names[reg->set], .format = plan.format, .n = plan.format.size};
    for (uint64_t i = 0; i < plan.count; i++) {
        row.bytes = bytes + i * row.n;
        if (value_rows_add(&g->rows, &row) < 0)
            return 1;
    }
    return 0;
}

static int show_sets(struct reading *g, const struct thread *t)
{
    const struct reg *reg;
    for (size_t i = 0; (reg = reg_at(i)); i++)
        if (g->r->sets >> reg->set & 1 && reg_listed(&t->regs, reg) && show_reg(g, t, reg, NULL))
            return 1;
    return 0;
}

// --- variables of a frame --------------------------------------------------------

struct local {
    struct reading *g;
    struct place *place;
    pid_t tid;
    unsigned level;        // of the functions that the frame is of
    const char *name;
    uint64_t count;
};

static int show_local_bytes(const struct local *l, const struct variable *v)
{
    struct reading *g = l->g;
    struct value_format f = {v->format, (unsigned)v->size}; // it has one: an aggregate has no bytes here
    if (g->r->want.letter && value_size_fits(&g->r->want, v->size))
        f.letter = g->r->want.letter;
    if (g->r->raw)
        return write_piece(0, (const unsigned char *)v->bytes, v->size, g->r->run);
    const struct value_row row = {.pid = target_pid(g->target), .tid = l->tid, .location = l->place->text, .format = f,
                                  .bytes = (const unsigned char *)v->bytes, .n = value_width(&f)};
    return value_rows_add(&g->rows, &row) < 0 ? 1 : 0;
}

static int show_local(const struct variable *v, void *arg)
{
    const struct local *l = arg;
    struct reading *g = l->g;
    struct value_plan plan;
    if (v->level != l->level || strcmp(v->name, l->name) != 0 || l->place->shown)
        return 0;
    l->place->shown = true;
    if (!v->has_addr && v->bytes && l->count <= 1)
        return show_local_bytes(l, v);
    const struct location at = {.kind = LOCATION_MEMORY, .addr = v->addr, .size = v->size, .count = l->count};
    struct value_format want = g->r->want;
    if (want.letter == 0 && v->format && value_size_fits(&(struct value_format){v->format, 0}, v->size))
        want.letter = v->format;
    int done = v->has_addr ? value_plan(&at, &want, &plan)
                           : err_set(ENOENT, "%s", v->reason ? v->reason : "it is not in memory as a whole");
    if (done == 0 && (done = value_plan_at(&plan, v->addr)) == 0) {
        struct cells c = {.g = g, .plan = &plan,
                          .row = {.pid = target_pid(g->target), .tid = l->tid, .in_memory = true,
                                  .location = l->place->text, .format = plan.format}};
        done = plan.format.letter == 's' ? show_strings(&c, v->addr) : show_bytes(&c, v->addr);
    }
    if (done < 0)
        fail(g, l->place->text);
    return done > 0;
}

// The variable that PLACE names in the frame, in each thread.
static int show_locals(struct reading *g, const struct backtrace *b, struct place *place)
{
    struct location_way ways[LOCATION_WAYS];
    size_t n = 0, w = 0;
    if (location_ways(place->text, ways, &n) < 0)
        return 0; // that was said
    while (w < n && (ways[w].as != LOCATION_AS_SYMBOL || ways[w].module || ways[w].has_offset))
        w++;
    CLEANUP_FREE char *name = w < n ? strndup(ways[w].name, ways[w].name_len) : NULL;
    bool any = false;
    for (size_t i = 0; name && i < b->n; i++) {
        const struct trace *t = &b->traces[i];
        struct local l = {.g = g, .place = place, .tid = t->tid, .name = name, .count = ways[w].count};
        uint64_t left = g->r->frame;
        size_t f = 0;
        place->shown = false;
        for (; f < t->nlocals && left >= b->locals[t->first_locals + f].levels; f++)
            left -= b->locals[t->first_locals + f].levels;
        l.level = (unsigned)left;
        int done = backtrace_variables(b, t, f, show_local, &l);
        if (done > 0)
            return 1;
        any |= place->shown;
    }
    place->shown = any;
    return 0;
}

static int show_frame(struct reading *g)
{
    enum { CALLERS = 8 }; // that values at the entry may come from
    const struct backtrace_options options = {
        .max = g->r->frame < UNWIND_VARIABLES_MAX ? (size_t)g->r->frame + CALLERS : UNWIND_VARIABLES_MAX,
        .variables = true,
    };
    CLEANUP_UNWINDER struct unwinder *u = NULL;
    CLEANUP_BACKTRACE struct backtrace b;
    int stop = 0;
    if (backtrace_collect(g->target, &options, &u, &b) < 0) {
        cmd_fail(g->r->run, g->operand->text);
        return 0;
    }
    for (size_t i = 0; i < b.n; i++)
        if (b.traces[i].n == 0 && trace_reason(&b, &b.traces[i])) {
            CLEANUP_BUF struct buf what = {0};
            buf_printf(&what, "thread %d", b.traces[i].tid);
            (void)err_set(b.traces[i].code ? b.traces[i].code : EIO, "%s", trace_reason(&b, &b.traces[i]));
            fail(g, buf_cstr(&what));
        }
    for (size_t i = 0; i < g->r->nlocations && !stop; i++) {
        g->places[i].text = g->r->locations[i];
        stop = show_locals(g, &b, &g->places[i]);
    }
    return stop;
}

// --- a target ------------------------------------------------------------------

static void find_places(struct reading *g)
{
    g->sets = g->r->sets;
    for (size_t i = 0; i < g->r->nlocations; i++) {
        struct place *p = &g->places[i];
        p->text = g->r->locations[i];
        if (p->shown)
            continue;
        p->found = location_find(g->target, &g->syms, p->text, &p->l) == 0;
        if (!p->found)
            fail(g, p->text);
        else if (p->l.kind != LOCATION_MEMORY)
            g->sets |= 1u << p->l.reg->set;
    }
}

// A register is one in each thread.
static int show_place(struct reading *g, const struct place *p)
{
    int stop = 0;
    if (p->found && p->l.kind == LOCATION_MEMORY)
        return show_memory(g, p, NULL);
    for (size_t i = 0; p->found && i < g->nthreads && !stop; i++)
        stop = p->l.kind == LOCATION_REG ? show_reg(g, &g->threads[i], p->l.reg, p->text)
                                         : show_memory(g, p, &g->threads[i]);
    return stop;
}

static int show_all(struct reading *g)
{
    int stop = 0;
    for (size_t i = 0; i < g->r->nlocations && !stop; i++)
        stop = show_place(g, &g->places[i]);
    for (size_t i = 0; i < g->nthreads && g->r->sets && !stop; i++)
        stop = show_sets(g, &g->threads[i]);
    return !stop && value_rows_flush(&g->rows) < 0 ? 1 : stop;
}

int readout_target(const struct readout *r, const struct operand *operand, struct target *t)
{
    CLEANUP_FREE struct place *places = calloc(r->nlocations + 1, sizeof *places);
    struct reading g = {.r = r, .operand = operand, .target = t, .places = places};
    g.rows = (struct value_rows){.run = r->run, .target = t, .syms = &g.syms};
    if (!places) {
        (void)err_set(ENOMEM, "out of memory");
        cmd_fail(r->run, operand->text);
        return 0;
    }
    int stop = r->has_frame ? show_frame(&g) : 0;
    if (!stop)
        find_places(&g);
    if (!stop && g.sets && target_each_thread(t, take_thread, &g) < 0)
        cmd_fail(r->run, operand->text);
    if (g.nrefused > 0)
        cmd_note(r->run, operand->text, "the same holds for %zu other thread%s", g.nrefused, g.nrefused > 1 ? "s" : "");
    stop = stop ? stop : show_all(&g);
    for (size_t i = 0; i < g.nthreads; i++)
        regs_fini(&g.threads[i].regs);
    free(g.threads);
    buf_fini(&g.refusal);
    value_rows_fini(&g.rows);
    syms_close_ptr(&g.syms);
    return stop;
}
