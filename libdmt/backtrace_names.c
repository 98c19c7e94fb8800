// SPDX-License-Identifier: MIT
//
// Names of frames: many frames are of the same few functions, so each address is looked up once.
#include "backtrace.h"
#include "err.h"

#include <errno.h>
#include <string.h>

void frame_names_fini(struct frame_names *n)
{
    free(n->at);
    free(n->inlined);
    buf_fini(&n->text);
    *n = (struct frame_names){0};
}

static int by_addr(const void *a, const void *b)
{
    const struct frame_name *x = a, *y = b;
    return (x->addr > y->addr) - (x->addr < y->addr);
}

static void sort(struct frame_names *n)
{
    size_t kept = 0;
    if (n->n > 1)
        qsort(n->at, n->n, sizeof *n->at, by_addr);
    for (size_t i = 0; i < n->n; i++)
        if (kept == 0 || n->at[kept - 1].addr != n->at[i].addr)
            n->at[kept++] = n->at[i];
    n->n = kept;
}

int frame_names_add(struct frame_names *n, uint64_t addr)
{
    if (n->n == n->cap) { // most are there more than once: what has room for each of them once is large enough
        sort(n);
        struct frame_name *grown =
            n->n < n->cap / 2 ? n->at : array_grow(n->at, n->cap, &n->cap, sizeof *grown);
        if (!grown)
            return -1;
        n->at = grown;
    }
    n->at[n->n++] = (struct frame_name){.addr = addr};
    return 0;
}

struct finding {
    struct frame_names *names;
    size_t next, object;   // object: the last one's text, which most addresses share
};

static size_t keep(struct buf *text, const char *s)
{
    size_t at = text->len;
    if (!s)
        return 0;
    buf_str(text, s);
    buf_byte(text, '\0');
    return at + 1;
}

static int take(const struct symbol *s, void *arg)
{
    struct finding *f = arg;
    struct frame_names *names = f->names;
    struct frame_name *n = &names->at[f->next];
    if (s->inlined) {
        struct frame_name *grown = array_grow(names->inlined, names->ninlined, &names->inlined_cap, sizeof *grown);
        if (!grown)
            return -1;
        names->inlined = grown;
        if (n->ninlined++ == 0)
            n->inlined = names->ninlined;
        n = &names->inlined[names->ninlined++];
        *n = (struct frame_name){.addr = s->addr};
    } else {
        f->next++;
    }
    if (s->found || s->inlined) {
        n->function = keep(&names->text, s->pretty ? s->pretty : s->name);
        n->value = s->value;
    }
    if (s->object && (!f->object || names->text.failed || strcmp(names->text.data + f->object - 1, s->object) != 0))
        f->object = keep(&names->text, s->object);
    n->object = s->object ? f->object : 0;
    n->file = keep(&names->text, s->file);
    n->line = s->line;
    return buf_ok(&names->text);
}

int frame_names_find(struct frame_names *n, struct unwinder *u, const struct sym_options *options)
{
    sort(n);
    CLEANUP_FREE uint64_t *addrs = calloc(n->n + 1, sizeof *addrs);
    if (!addrs)
        return err_set(ENOMEM, "out of memory");
    for (size_t i = 0; i < n->n; i++)
        addrs[i] = n->at[i].addr;
    struct finding f = {.names = n};
    return syms_of_addrs(unwind_syms(u, options), addrs, n->n, take, &f);
}

const struct frame_name *frame_names_at(const struct frame_names *n, uint64_t addr)
{
    const struct frame_name key = {.addr = addr};
    return n->n > 0 ? bsearch(&key, n->at, n->n, sizeof key, by_addr) : NULL;
}
