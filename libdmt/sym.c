// SPDX-License-Identifier: MIT
//
// The parent's side: questions to the child, one object at a time, so that a file which breaks the child takes no other
// object's answers with it.
#include "err.h"
#include "sym_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ANSWERS_MAX = 256 << 20 };

// --- one question --------------------------------------------------------------

// What its rows go to. FN's result ends it.
struct asking {
    struct syms *s;
    const struct object *object;
    int (*fn)(uint32_t index, struct symbol *symbol, void *arg);
    void *arg;
};

static int take_rows(const char *bytes, size_t n, void *arg)
{
    const struct asking *a = arg;
    struct packet p = packet_of(bytes, n);
    while (p.left > 0) {
        struct symbol symbol;
        uint32_t index;
        if (sym_row_get(&p, &index, &symbol) < 0)
            return -1;
        symbol.object = a->object->path;
        int done = a->fn(index, &symbol, a->arg);
        if (done != 0)
            return done;
    }
    return 0;
}

static void put_head(struct buf *q, const struct syms *s, const struct object *m, enum sym_op op, unsigned flags)
{
    flags |= (s->target ? SYM_LOADED : 0) | (s->options.lines ? SYM_LINES : 0) | (s->options.raw_names ? SYM_RAW : 0) |
             (s->options.inlines ? SYM_INLINES : 0);
    packet_put_u8(q, (uint8_t)op);
    packet_put_u8(q, (uint8_t)flags);
    packet_put_u32(q, (uint32_t)(m - s->objects));
    uint32_t n = 0;
    for (size_t i = m->first; i != SIZE_MAX && n < SYM_RANGES_MAX; i = s->ranges[i].next)
        n++;
    packet_put_u32(q, n);
    for (size_t i = m->first, k = 0; k < n; i = s->ranges[i].next, k++) {
        const struct mapping *map = &s->ranges[i].mapping;
        packet_put_u64(q, map->start);
        packet_put_u64(q, map->end);
        packet_put_u64(q, map->offset);
        packet_put_u8(q, (map->perms & (MAP_EXEC | MAP_UNSAID)) != 0);
    }
}

int sym_child(struct syms *s)
{
    if (s->box && sandbox_alive(s->box))
        return 0;
    sandbox_end(s->box);
    s->box = NULL;
    for (size_t i = 0; i < s->nobjects; i++)
        s->objects[i].held = false;
    s->children++;
    return sandbox_start(&s->job, &s->box);
}

static int ask(struct asking *a, const struct buf *question)
{
    struct syms *s = a->s;
    CLEANUP_CLOSE int file = -1;
    if (sym_child(s) < 0)
        return -1;
    if (!a->object->held && sym_object_open(s, a->object, &file) < 0)
        return err_wrap("cannot read the symbols of %s", a->object->path);
    sandbox_about(s->box, s->target ? a->object->path : "");
    int done = sandbox_ask(s->box, question, file, take_rows, a);
    if (done < 0 && sandbox_alive(s->box) && s->target)
        return err_wrap("cannot read the symbols of %s", a->object->path);
    return done;
}

// The first failure of several, kept while the others are asked.
struct failure {
    int code;
    char text[512];
};

static void keep_failure(struct failure *f)
{
    if (f->code)
        return;
    f->code = err_code();
    (void)snprintf(f->text, sizeof f->text, "%s", err_text());
}

static int give_failure(const struct failure *f)
{
    return f->code ? err_set(f->code, "%s", f->text) : 0;
}

// --- addresses -------------------------------------------------------------------

struct lookup {
    uint64_t addr;
    size_t index, object;
    bool mapped;   // its object is mapped there, and not only near
    size_t answer; // where its row is, plus one
};

struct lookups {
    struct lookup *at; // by object and address
    struct lookup **of; // that of each index
    size_t n, first;    // first: of the object that is asked
    struct buf rows;
};

static int by_object(const void *a, const void *b)
{
    const struct lookup *x = a, *y = b;
    if (x->object != y->object)
        return x->object < y->object ? -1 : 1;
    return (x->addr > y->addr) - (x->addr < y->addr);
}

static int keep_row(uint32_t index, struct symbol *symbol, void *arg)
{
    struct lookups *l = arg;
    if (index >= l->n - l->first)
        return err_set(EIO, "the ELF parser answered nonsense on %s", symbol->object);
    if (l->rows.len > ANSWERS_MAX)
        return err_set(EFBIG, "the names in %s are too long", symbol->object);
    if (!l->at[l->first + index].answer) // rows of what is inlined there stand before the last one
        l->at[l->first + index].answer = l->rows.len + 1;
    sym_row_put(&l->rows, index, symbol);
    return buf_ok(&l->rows);
}

static int ask_addrs(struct syms *s, struct lookups *l, size_t first, size_t end)
{
    CLEANUP_BUF struct buf question = {0};
    struct object *m = &s->objects[l->at[first].object];
    if (s->target && !sym_object_is_elf(s, m))
        return 0;
    put_head(&question, s, m, SYM_ADDRS, 0);
    packet_put_u32(&question, (uint32_t)(end - first));
    for (size_t i = first; i < end; i++)
        packet_put_u64(&question, l->at[i].addr);
    l->first = first;
    struct asking a = {s, m, keep_row, l};
    return ask(&a, &question);
}

static int give_rows(const struct syms *s, const struct lookups *l, const uint64_t *addrs,
                     int (*fn)(const struct symbol *symbol, void *arg), void *arg)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct lookup *at = l->of[i];
        struct packet p = at->answer ? packet_of(l->rows.data + at->answer - 1, l->rows.len - (at->answer - 1))
                                     : (struct packet){0};
        for (bool more = true; more;) {
            struct symbol symbol = {.addr = addrs[i]};
            uint32_t index;
            if (p.left > 0 && sym_row_get(&p, &index, &symbol) < 0)
                return -1;
            if (symbol.addr != addrs[i]) // of another one: the child ended between the rows of this one
                symbol = (struct symbol){0};
            more = symbol.inlined;
            symbol.addr = addrs[i];
            if (at->object != SIZE_MAX && (at->answer || at->mapped))
                symbol.object = s->objects[at->object].path;
            int done = fn(&symbol, arg);
            if (done != 0)
                return done;
        }
    }
    return 0;
}

static int look_up(struct syms *s, struct lookups *l, const uint64_t *addrs,
                   int (*fn)(const struct symbol *symbol, void *arg), void *arg)
{
    struct failure failure = {0};
    for (size_t i = 0; i < l->n; i++) {
        struct lookup *at = &l->at[i];
        *at = (struct lookup){.addr = addrs[i], .index = i, .mapped = !s->target};
        if (s->target)
            at->object = sym_object_at(s, addrs[i], &at->mapped);
    }
    qsort(l->at, l->n, sizeof *l->at, by_object);
    for (size_t i = 0; i < l->n; i++)
        l->of[l->at[i].index] = &l->at[i];
    for (size_t from = 0, to; from < l->n; from = to) {
        for (to = from + 1; to < l->n && l->at[to].object == l->at[from].object; to++)
            ;
        if (l->at[from].object != SIZE_MAX && ask_addrs(s, l, from, to) < 0)
            keep_failure(&failure);
    }
    int done = give_rows(s, l, addrs, fn, arg);
    return done ? done : give_failure(&failure);
}

int sym_files_of_addrs(struct syms *s, const uint64_t *addrs, size_t n,
                       int (*fn)(const struct symbol *symbol, void *arg), void *arg)
{
    struct failure failure = {0};
    for (size_t from = 0; from < n; from += SYM_ADDRS_MAX) {
        struct lookups l = {.n = n - from < SYM_ADDRS_MAX ? n - from : SYM_ADDRS_MAX};
        l.at = calloc(l.n, sizeof *l.at);
        l.of = calloc(l.n, sizeof *l.of);
        int done = l.at && l.of ? look_up(s, &l, addrs + from, fn, arg) : err_set(ENOMEM, "out of memory");
        free(l.at);
        free(l.of);
        buf_fini(&l.rows);
        if (done > 0)
            return done;
        if (done < 0)
            keep_failure(&failure);
    }
    return give_failure(&failure);
}

// --- names, lines, all -----------------------------------------------------------

struct caller {
    int (*fn)(const struct symbol *symbol, void *arg);
    void *arg;
    size_t found;
    bool failed;   // FN returned -1: not the child
};

static int call(uint32_t index, struct symbol *symbol, void *arg)
{
    struct caller *c = arg;
    (void)index;
    c->found++;
    int done = c->fn(symbol, c->arg);
    c->failed |= done < 0;
    return done;
}

static int call_jit(const struct symbol *symbol, void *arg)
{
    struct symbol copy = *symbol;
    return call(0, &copy, arg);
}

static bool is_module(const struct object *m, const char *name)
{
    const char *slash = strrchr(m->path, '/');
    return !name || strcmp(m->path, name) == 0 || (slash && strcmp(slash + 1, name) == 0);
}

// The question, of each module that MODULE (NULL: any) names. Positive: what FN returned; -1: the failure is kept.
static int ask_each(struct syms *s, const char *module, enum sym_op op, unsigned flags, const struct buf *rest,
                    struct caller *c, struct failure *failure)
{
    for (size_t i = 0; i < s->nobjects; i++) {
        CLEANUP_BUF struct buf question = {0};
        struct object *m = &s->objects[i];
        if (!is_module(m, module) || (s->target && !sym_object_is_elf(s, m)))
            continue;
        put_head(&question, s, m, op, flags);
        buf_add(&question, rest->data, rest->len);
        struct asking a = {s, m, call, c};
        int done = ask(&a, &question);
        if (done > 0 || c->failed)
            return done;
        if (done < 0)
            keep_failure(failure);
    }
    return failure->code ? -1 : 0;
}

static int none_found(const struct failure *f, const char *what, const char *name)
{
    return f->code ? give_failure(f) : err_set(ENOENT, "no %s %s", what, name);
}

int syms_of_name(struct syms *s, const char *name, const char *module,
                 int (*fn)(const struct symbol *symbol, void *arg), void *arg)
{
    CLEANUP_BUF struct buf rest = {0};
    struct failure failure = {0};
    struct caller c = {.fn = fn, .arg = arg};
    packet_put_str(&rest, name, strlen(name));
    if (s->target)
        sym_objects_order(s);
    for (unsigned pass = 0; pass < 2 && c.found == 0; pass++) {
        int done = ask_each(s, module, SYM_NAME, pass ? SYM_UNDEFINED : 0, &rest, &c, &failure);
        if (done > 0 || c.failed)
            return done;
        if (c.found > 0 || pass > 0 || module)
            continue;
        done = sym_jit_called(s, name, call_jit, &c);
        if (done > 0 || c.failed)
            return done;
        if (done < 0)
            keep_failure(&failure);
    }
    return c.found > 0 ? 0 : none_found(&failure, "symbol", name);
}

int syms_of_line(struct syms *s, const char *file, unsigned line, int (*fn)(const struct symbol *symbol, void *arg),
                 void *arg)
{
    CLEANUP_BUF struct buf rest = {0}, text = {0};
    struct failure failure = {0};
    struct caller c = {.fn = fn, .arg = arg};
    packet_put_u32(&rest, line);
    packet_put_str(&rest, file, strlen(file));
    if (s->target)
        sym_objects_order(s);
    int done = ask_each(s, NULL, SYM_LINE, 0, &rest, &c, &failure);
    if (done > 0 || c.failed || c.found > 0)
        return done > 0 || c.failed ? done : 0;
    buf_printf(&text, "%s:%u", file, line);
    return none_found(&failure, "code of line", buf_cstr(&text));
}

int syms_each(struct syms *s, int (*fn)(const struct symbol *symbol, void *arg), void *arg)
{
    const struct buf none = {0};
    struct failure failure = {0};
    struct caller c = {.fn = fn, .arg = arg};
    if (s->target)
        sym_objects_order(s);
    int done = ask_each(s, NULL, SYM_EACH, 0, &none, &c, &failure);
    if (done > 0 || c.failed)
        return done;
    done = sym_jit_called(s, NULL, call_jit, &c);
    if (done > 0 || c.failed)
        return done;
    if (done < 0)
        keep_failure(&failure);
    return give_failure(&failure);
}
