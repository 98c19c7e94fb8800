// SPDX-License-Identifier: MIT
//
// Growable bytes. Appending never fails visibly: after a failed allocation the
// buffer is marked and drops what follows, and buf_ok says so once, at the end.
#ifndef DMT_BUF_H
#define DMT_BUF_H

#include "dmt.h"

struct buf {
    char *data;  // NULL while nothing was appended
    size_t len;  // bytes in use
    size_t cap;  // bytes allocated
    bool failed; // an allocation failed: the content is not whole
};

/** Frees the bytes; the buffer is empty and usable again. `struct buf b = {0}` starts one. */
void buf_fini(struct buf *b);
#define CLEANUP_BUF CLEANUP(buf_fini)

/** Empties the buffer and keeps its memory. */
void buf_reset(struct buf *b);

/** Makes room for N more bytes and returns where they go, or NULL (then the buffer is marked). */
char *buf_room(struct buf *b, size_t n);

void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_str(struct buf *b, const char *s);

static inline void buf_byte(struct buf *b, char c)
{
    char *to = !b->failed && b->len < b->cap ? b->data + b->len : buf_room(b, 1);
    if (to) {
        *to = c;
        b->len++;
    }
}

void buf_uint(struct buf *b, uint64_t v);
void buf_int(struct buf *b, int64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/** The content as a string ("" when empty or failed); valid until the next append. */
const char *buf_cstr(struct buf *b);

/** 0 when all appends succeeded, else -1 with ENOMEM. */
NODISCARD int buf_ok(const struct buf *b);

/** FNV-1a of N bytes by words of eight; what is left over does not count. */
uint64_t buf_hash(const void *bytes, size_t n);

/**
 * An array that grows by doubling: makes room for one more element of SIZE bytes.
 * Returns the array (perhaps moved) or NULL with ENOMEM, the old one untouched.
 */
NODISCARD void *array_grow(void *array, size_t len, size_t *cap, size_t size);

#endif
