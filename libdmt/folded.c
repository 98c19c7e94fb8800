// SPDX-License-Identifier: MIT
#include "folded.h"

#include "err.h"
#include "esc.h"

#include <errno.h>
#include <string.h>

void folded_fini(struct folded *f)
{
    free(f->stacks);
    free(f->addrs);
}

static bool same(const struct folded *f, const struct folded_stack *s, const struct trace *t, const uint64_t *addrs)
{
    return s->n == t->n && s->name_len == t->name_len && memcmp(s->name, t->name, t->name_len) == 0 &&
           memcmp(f->addrs + s->first, addrs, t->n * sizeof *addrs) == 0;
}

static size_t bucket_of(const uint64_t *addrs, size_t n)
{
    return (size_t)(buf_hash(addrs, n * sizeof *addrs) >> 32) % FOLDED_BUCKETS;
}

static int add(struct folded *f, const struct trace *t, const struct frame *frames)
{
    if (f->addrs_cap - f->naddrs < t->n) {
        size_t cap = 2 * f->addrs_cap + t->n + 4096;
        uint64_t *larger = reallocarray(f->addrs, cap, sizeof *larger);
        if (!larger)
            return err_set(ENOMEM, "out of memory");
        f->addrs = larger;
        f->addrs_cap = cap;
    }
    uint64_t *addrs = f->addrs + f->naddrs;
    for (size_t i = 0; i < t->n; i++)
        addrs[i] = frame_lookup(&frames[i]);
    size_t *bucket = &f->buckets[bucket_of(addrs, t->n)];
    for (size_t i = *bucket; i; i = f->stacks[i - 1].next)
        if (same(f, &f->stacks[i - 1], t, addrs)) {
            f->stacks[i - 1].count++;
            return 0;
        }
    struct folded_stack *grown = array_grow(f->stacks, f->n, &f->cap, sizeof *grown);
    if (!grown)
        return -1;
    f->stacks = grown;
    struct folded_stack *s = &f->stacks[f->n++];
    *s = (struct folded_stack){.name_len = t->name_len, .first = f->naddrs, .n = t->n, .count = 1, .next = *bucket};
    memcpy(s->name, t->name, sizeof s->name);
    *bucket = f->n;
    f->naddrs += t->n;
    return 0;
}

int folded_add(struct folded *f, const struct backtrace *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->traces[i].n > 0 && add(f, &b->traces[i], b->frames + b->traces[i].first) < 0)
            return -1;
    return 0;
}

int folded_names(const struct folded *f, struct frame_names *n)
{
    for (size_t i = 0; i < f->naddrs; i++)
        if (frame_names_add(n, f->addrs[i]) < 0)
            return -1;
    return 0;
}

// A semicolon ends a frame.
static void put_word(struct buf *out, const char *s, size_t n)
{
    CLEANUP_BUF struct buf field = {0};
    esc_field(&field, s, n);
    for (size_t i = 0; i < field.len; i++)
        if (field.data[i] == ';')
            buf_str(out, "\\x3b");
        else
            buf_byte(out, field.data[i]);
}

static void put_frame(struct buf *out, const struct frame_names *names, const struct frame_name *n)
{
    const char *function = n ? frame_name_text(names, n->function) : NULL;
    const char *object = n ? frame_name_text(names, n->object) : NULL;
    buf_byte(out, ';');
    if (function) {
        put_word(out, function, strlen(function));
        return;
    }
    const char *slash = object ? strrchr(object, '/') : NULL;
    object = slash ? slash + 1 : object ? object : "unknown";
    buf_byte(out, '[');
    put_word(out, object, strlen(object));
    buf_byte(out, ']');
}

void folded_put(const struct folded *f, const struct frame_names *names, struct buf *out)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct folded_stack *s = &f->stacks[i];
        put_word(out, s->name_len ? s->name : "unknown", s->name_len ? s->name_len : strlen("unknown"));
        for (size_t k = s->n; k > 0; k--)
            put_frame(out, names, frame_names_at(names, f->addrs[s->first + k - 1]));
        buf_printf(out, " %llu\n", (unsigned long long)s->count);
    }
}
