// SPDX-License-Identifier: MIT
#include "span.h"

#include "err.h"

#include <errno.h>
#include <string.h>

enum { PAGE = 4096 };

int span_parse_holes(const char *text, enum span_holes *ret)
{
    static const char *const names[] = {[SPAN_ERROR] = "error", [SPAN_ZERO] = "zero", [SPAN_SKIP] = "skip"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum span_holes)i;
            return 0;
        }
    return err_set(EINVAL, "'%s': not error, zero or skip", text);
}

// Calls FN with N zeros at ADDR.
static int give_zeros(uint64_t addr, uint64_t n, unsigned char *piece,
                      int (*fn)(uint64_t addr, const unsigned char *bytes, size_t n, void *arg), void *arg)
{
    int stop = 0;
    memset(piece, 0, n < SPAN_PIECE ? (size_t)n : SPAN_PIECE);
    for (uint64_t done = 0; done < n && !stop;) {
        size_t part = n - done < SPAN_PIECE ? (size_t)(n - done) : SPAN_PIECE;
        stop = fn(addr + done, piece, part, arg);
        done += part;
    }
    return stop;
}

// No reading goes on there: the next page would be as this one.
static bool hopeless(void)
{
    return err_code() != EFAULT && err_code() != EIO && err_code() != EACCES;
}

int span_read(struct span *s, int (*fn)(uint64_t addr, const unsigned char *bytes, size_t n, void *arg), void *arg)
{
    // The kernel copies pages a tenth faster to where pages begin.
    CLEANUP_FREE unsigned char *piece = s->size < PAGE ? malloc((size_t)s->size + 1) : aligned_alloc(PAGE, SPAN_PIECE);
    if (!piece)
        return err_set(ENOMEM, "out of memory");
    s->there = 0;
    for (uint64_t done = 0; done < s->size;) {
        uint64_t addr = s->addr + done, left = s->size - done;
        // Pieces end where pages do.
        size_t want = SPAN_PIECE - (size_t)(addr % SPAN_PIECE), got = 0;
        int stop = 0;
        if (target_read(s->target, addr, piece, left < want ? (size_t)left : want, &got) == 0) {
            s->there += got;
            stop = fn(addr, piece, got, arg);
            done += got;
        } else if (s->holes == SPAN_ERROR || hopeless()) {
            return -1;
        } else {
            uint64_t n = target_hole(s->target, addr) - addr; // 0 is the top
            n = n < left ? n : left;
            if (s->holes == SPAN_ZERO)
                stop = give_zeros(addr, n, piece, fn, arg);
            done += n;
        }
        if (stop)
            return stop;
    }
    return 0;
}

// --- cells ---------------------------------------------------------------------

struct cut {
    uint64_t start;
    size_t width;
    int (*fn)(uint64_t addr, const unsigned char *bytes, size_t n, void *arg);
    void *arg;
    uint64_t addr; // of the bytes that wait for the rest of their cell
    size_t have;
    unsigned char part[SPAN_CELL];
};

static int give_part(struct cut *c)
{
    size_t n = c->have;
    c->have = 0;
    return n > 0 ? c->fn(c->addr, c->part, n, c->arg) : 0;
}

static int cut_piece(uint64_t addr, const unsigned char *bytes, size_t n, void *arg)
{
    struct cut *c = arg;
    int stop = c->have > 0 && c->addr + c->have != addr ? give_part(c) : 0;
    for (size_t at = 0, take; at < n && !stop; at += take) {
        size_t room = c->width - (size_t)((addr + at - c->start) % c->width);
        take = n - at < room ? n - at : room;
        if (c->have == 0 && take == c->width) {
            stop = c->fn(addr + at, bytes + at, take, c->arg);
            continue;
        }
        if (c->have == 0)
            c->addr = addr + at;
        memcpy(c->part + c->have, bytes + at, take);
        c->have += take;
        if (take == room)
            stop = give_part(c);
    }
    return stop;
}

int span_cut(struct span *s, size_t width, int (*fn)(uint64_t addr, const unsigned char *bytes, size_t n, void *arg),
             void *arg)
{
    struct cut c = {.start = s->addr, .width = width, .fn = fn, .arg = arg};
    int done = span_read(s, cut_piece, &c);
    int stop = done <= 0 ? give_part(&c) : 0;
    return stop ? stop : done;
}

int span_string(struct target *t, uint64_t addr, enum span_holes holes, size_t limit, struct buf *ret)
{
    enum { STEP = 4096 };
    for (size_t len = 0; len < limit;) {
        size_t step = STEP - (size_t)((addr + len) % STEP), got;
        char *to = buf_room(ret, step);
        if (!to)
            return buf_ok(ret);
        if (addr + len < addr)
            return holes == SPAN_ERROR ? err_set(EFAULT, "the address space ends there") : 1;
        if (target_read(t, addr + len, to, step < limit - len ? step : limit - len, &got) < 0)
            return holes == SPAN_ERROR || hopeless() ? -1 : 1;
        size_t text = strnlen(to, got);
        ret->len += text;
        if (text < got)
            return 0;
        len += got;
    }
    return err_set(E2BIG, "no zero byte within %zu bytes", limit);
}
