// SPDX-License-Identifier: MIT
//
// Growable bytes and arrays; every size is checked before it is used.
#include "buf.h"

#include "err.h"
#include "num.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

char *buf_room(struct buf *b, size_t n)
{
    if (b->failed)
        return NULL;
    if (n <= b->cap - b->len)
        return b->data + b->len;
    size_t cap = b->cap ? b->cap : 64;
    while (cap - b->len < n) {
        if (cap > SIZE_MAX / 2) {
            b->failed = true;
            return NULL;
        }
        cap *= 2;
    }
    char *data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return NULL;
    }
    b->data = data;
    b->cap = cap;
    return b->data + b->len;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
    char *to = n ? buf_room(b, n) : NULL;
    if (to) {
        memcpy(to, bytes, n);
        b->len += n;
    }
}

void buf_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_uint(struct buf *b, uint64_t v)
{
    char *to = buf_room(b, NUM_DIGITS);
    b->len += to ? num_text(to, v) : 0;
}

void buf_int(struct buf *b, int64_t v)
{
    if (v < 0)
        buf_byte(b, '-');
    buf_uint(b, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    // vsnprintf writes a zero after the text: room for it, but it does not count.
    char *to = n < 0 ? NULL : buf_room(b, (size_t)n + 1);
    if (to) {
        (void)vsnprintf(to, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    } else {
        b->failed = true;
    }
    va_end(again);
}

const char *buf_cstr(struct buf *b)
{
    char *end = buf_room(b, 1);
    if (!end)
        return "";
    *end = '\0';
    return b->data;
}

int buf_ok(const struct buf *b)
{
    return b->failed ? err_set(ENOMEM, "out of memory") : 0;
}

uint64_t buf_hash(const void *bytes, size_t n)
{
    uint64_t h = 0xcbf29ce484222325, word;
    for (size_t i = 0; n - i >= sizeof word; i += sizeof word) {
        memcpy(&word, (const char *)bytes + i, sizeof word);
        h = (h ^ word) * 0x100000001b3;
    }
    return h;
}

void *array_grow(void *array, size_t len, size_t *cap, size_t size)
{
    if (len < *cap)
        return array;
    size_t more = *cap ? *cap * 2 : 16;
    void *grown = reallocarray(array, more, size);
    if (!grown) {
        (void)err_set(ENOMEM, "out of memory");
        return NULL;
    }
    *cap = more;
    return grown;
}
