// SPDX-License-Identifier: MIT
//
// The file itself. Each address is answered once, by the first line from the end that covers it, so lines that
// overlap take no more time than others.
#include "jitmap.h"

#include "err.h"
#include "io.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Some writers put 0x before it, which perf takes too.
static const char *parse_hex(const char *at, const char *end, uint64_t *ret)
{
    uint64_t v = 0;
    if (end - at > 2 && at[0] == '0' && (at[1] == 'x' || at[1] == 'X'))
        at += 2;
    const char *first = at;
    for (int d; at < end && (d = digit(*at)) >= 0; at++) {
        if (v >> 60)
            return NULL;
        v = v << 4 | (uint64_t)d;
    }
    *ret = v;
    return at > first && at < end && *at == ' ' ? at + 1 : NULL;
}

int jitmap_parse(const char *line, size_t n, struct jitmap_line *ret)
{
    const char *end = line + n;
    struct jitmap_line l;
    const char *at = parse_hex(line, end, &l.start);
    at = at ? parse_hex(at, end, &l.size) : NULL;
    if (!at || at == end || l.size == 0 || l.size > UINT64_MAX - l.start || memchr(at, '\0', (size_t)(end - at)))
        return -1;
    l.name = at;
    l.name_len = (size_t)(end - at);
    *ret = l;
    return 0;
}

// --- from its end --------------------------------------------------------------------------------

struct backwards {
    char *piece;
    int (*fn)(const struct jitmap_line *line, void *arg);
    void *arg;
    bool whole;            // a newline stands behind what is left
};

static int take_line(struct backwards *b, const char *from, const char *to)
{
    struct jitmap_line line;
    if (!b->whole || jitmap_parse(from, (size_t)(to - from), &line) < 0)
        return 0;
    return b->fn(&line, b->arg);
}

// The lines of the piece of N bytes, the last of *LEFT, but for one that begins before it: *LEFT is its end then.
static int take_piece(struct backwards *b, size_t n, uint64_t *left)
{
    const char *stop = b->piece + n, *eol;
    while ((eol = memrchr(b->piece, '\n', (size_t)(stop - b->piece)))) {
        int done = take_line(b, eol + 1, stop);
        if (done != 0)
            return done;
        stop = eol;
        b->whole = true;
    }
    if (*left == n) { // the first line of the file
        *left = 0;
        return take_line(b, b->piece, stop);
    }
    if (stop == b->piece + n) { // longer than the piece
        b->whole = false;
        stop = b->piece;
    }
    *left -= (uint64_t)(b->piece + n - stop);
    return 0;
}

int jitmap_lines(int fd, int (*fn)(const struct jitmap_line *line, void *arg), void *arg)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys("cannot read");
    CLEANUP_FREE char *piece = malloc(JITMAP_LINE_MAX);
    if (!piece)
        return err_set(ENOMEM, "out of memory");
    struct backwards b = {piece, fn, arg, false};
    const uint64_t size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
    for (uint64_t left = size; left > 0;) {
        const size_t n = left < JITMAP_LINE_MAX ? (size_t)left : JITMAP_LINE_MAX;
        if (size - left + n > JITMAP_READ_MAX)
            return err_set(EFBIG, "too large: its last %d MiB were looked through", JITMAP_READ_MAX >> 20);
        int done = io_pread(fd, piece, n, left - n);
        if (done == 0)
            done = take_piece(&b, n, &left);
        if (done != 0)
            return done;
    }
    return 0;
}

// --- what covers an address ----------------------------------------------------------------------

struct search {
    const uint64_t *addrs;
    size_t n, open;        // open: how many are without an answer
    size_t *next;          // of each, itself or one nearer to the next that is without
    int (*fn)(size_t i, const struct jitmap_line *line, void *arg);
    void *arg;
};

static size_t next_open(size_t *next, size_t i)
{
    while (next[i] != i)
        i = next[i] = next[next[i]];
    return i;
}

static size_t first_from(const struct search *s, uint64_t addr)
{
    size_t low = 0, n = s->n;
    while (n > 0) {
        const size_t half = n / 2;
        if (s->addrs[low + half] < addr) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

enum { ALL_FOUND = 2 };

struct found {
    struct search *search;
    int done;              // what FN returned
};

static int cover(const struct jitmap_line *line, void *arg)
{
    struct found *f = arg;
    struct search *s = f->search;
    size_t i = next_open(s->next, first_from(s, line->start));
    for (; i < s->n && s->addrs[i] - line->start < line->size; i = next_open(s->next, i)) {
        s->next[i] = i + 1;
        s->open--;
        f->done = s->fn(i, line, s->arg);
        if (f->done != 0)
            return f->done;
    }
    return s->open > 0 ? 0 : ALL_FOUND;
}

int jitmap_find(int fd, const uint64_t *addrs, size_t n,
                int (*fn)(size_t i, const struct jitmap_line *line, void *arg), void *arg)
{
    CLEANUP_FREE size_t *next = calloc(n + 1, sizeof *next);
    if (!next)
        return err_set(ENOMEM, "out of memory");
    for (size_t i = 0; i <= n; i++)
        next[i] = i;
    struct search s = {addrs, n, n, next, fn, arg};
    struct found f = {&s, 0};
    int done = n > 0 ? jitmap_lines(fd, cover, &f) : 0;
    return f.done != 0 ? f.done : done == ALL_FOUND ? 0 : done;
}
