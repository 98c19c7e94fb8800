// SPDX-License-Identifier: MIT
//
// In the child: the functions of a Go program, by the tables that it keeps for its runtime. Their bind is not said.
#include "err.h"
#include "gosym.h"
#include "sym_child.h"

#include <errno.h>

static int read_bytes(void *arg, uint64_t at, void *to, size_t n, size_t *got)
{
    const struct bytes *b = arg;
    *got = at < b->n ? b->n - (size_t)at : 0;
    if (*got == 0 && n > 0)
        return err_set(EIO, "behind its end");
    if (*got > n)
        *got = n;
    memcpy(to, b->at + at, *got);
    return 0;
}

struct gosym *image_go(struct image *m)
{
    if (!m->go_tried) {
        m->go_tried = true;
        if (m->ehdr.e_type != ET_REL && gosym_open(read_bytes, &m->raw, &m->go) < 0)
            m->go = NULL; // none, or none that can be read: the rest is still true
    }
    return m->go;
}

void image_go_close(struct image *m)
{
    if (m->go)
        gosym_close(m->go);
}

bool go_line(struct image *m, uint64_t vaddr, struct buf *text, unsigned *line)
{
    struct gosym *g = image_go(m);
    struct gosym_func f;
    return g && gosym_func_at(g, vaddr, &f) == 0 && gosym_line(g, &f, vaddr, text, line) == 0;
}

struct inlining {
    struct answers *a;
    uint32_t index;
    uint64_t addr;
    struct buf *file;      // of the function itself: where the outermost of them is called
    unsigned *line;
};

static int put_inlined(const struct gosym_frame *f, void *arg)
{
    struct inlining *i = arg;
    const bool lines = i->a->flags & SYM_LINES;
    if (f->inlined) {
        const struct symbol row = {.addr = i->addr, .inlined = true, .name = f->name, .file = lines ? f->file : NULL,
                                   .line = lines ? f->line : 0};
        sym_row_put(&i->a->rows, i->index, &row);
        return 0;
    }
    if (lines && f->file) {
        buf_reset(i->file);
        buf_str(i->file, f->file);
        *i->line = f->line;
    }
    return 0;
}

void go_inlines(struct answers *a, uint32_t index, uint64_t addr, uint64_t bias, struct buf *file, unsigned *line)
{
    struct gosym *g = image_go(a->image);
    struct inlining i = {a, index, addr, file, line};
    if (g)
        (void)!gosym_frames(g, addr - bias, put_inlined, &i); // where they are damaged there are fewer
}

static int answer(struct answers *a, uint32_t index, uint64_t addr, uint64_t bias, const struct gosym_func *f,
                  uint64_t size)
{
    CLEANUP_BUF struct buf name = {0}, file = {0};
    struct symbol row = {.addr = addr, .found = true, .value = f->entry + bias, .size = size, .type = 'T', .bind = '?'};
    if (gosym_name(a->image->go, f, &name) < 0)
        return err_code() == EPROTO ? 0 : -1;
    row.name = buf_cstr(&name);
    if (a->flags & SYM_LINES) {
        bool found = a->lines && lines_of(a->lines, addr - bias, 0, &row.file, &row.line);
        if (!found && go_line(a->image, addr - bias, &file, &row.line))
            row.file = buf_cstr(&file);
    }
    if ((a->flags & SYM_INLINES) && !a->lines) {
        go_inlines(a, index, addr, bias, &file, &row.line);
        row.file = file.len > 0 ? buf_cstr(&file) : row.file;
    }
    return answer_row(a, index, &row) < 0 ? -1 : 1;
}

int go_answer(struct answers *a, uint32_t index, uint64_t addr, uint64_t bias)
{
    struct gosym *g = image_go(a->image);
    struct gosym_func f;
    uint64_t size;
    if (!g || gosym_func_at(g, addr - bias, &f) < 0 || gosym_size(g, &f, &size) < 0 || addr - bias - f.entry >= size)
        return 0;
    return answer(a, index, addr, bias, &f, size);
}

int go_functions(struct answers *a, const char *name)
{
    struct gosym *g = image_go(a->image);
    for (size_t i = 0, n = g ? gosym_count(g) : 0; i < n; i++) {
        struct gosym_func f;
        uint64_t size;
        if (gosym_func(g, i, &f) < 0 || (name && !gosym_is_named(g, &f, name)) || gosym_size(g, &f, &size) < 0)
            continue;
        for (size_t b = 0; b < a->image->nbiases; b++)
            if (answer(a, 0, f.entry + a->image->biases[b], a->image->biases[b], &f, size) < 0)
                return -1;
    }
    return 0;
}

int go_lines_each(struct image *m, const char *file, unsigned line,
                  int (*fn)(uint64_t vaddr, const char *file, unsigned line, void *arg), void *arg)
{
    struct gosym *g = image_go(m);
    return g ? gosym_each_line(g, file, line, fn, arg) : 0;
}
