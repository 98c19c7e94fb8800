// SPDX-License-Identifier: MIT
#include "maps.h"

#include "err.h"

#include <errno.h>
#include <string.h>

void maps_fini(struct maps *m)
{
    free(m->at);
    buf_fini(&m->names);
    *m = (struct maps){0};
}

int maps_add(struct maps *m, const struct mapping *mapping, const char *name, size_t name_len)
{
    struct mapping *grown = array_grow(m->at, m->n, &m->cap, sizeof *grown);
    if (!grown)
        return -1;
    m->at = grown;
    m->at[m->n] = *mapping;
    m->at[m->n].name = m->names.len;
    m->at[m->n].name_len = name_len;
    buf_add(&m->names, name, name_len);
    if (buf_ok(&m->names) < 0)
        return -1;
    m->n++;
    return 0;
}

static int by_address(const void *a, const void *b)
{
    const struct mapping *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

void maps_sort(struct maps *m)
{
    if (m->n > 1)
        qsort(m->at, m->n, sizeof *m->at, by_address);
}

const struct mapping *maps_next(const struct maps *m, uint64_t addr)
{
    size_t low = 0, high = m->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->at[middle].end > addr)
            high = middle;
        else
            low = middle + 1;
    }
    return low < m->n ? &m->at[low] : NULL;
}

const struct mapping *maps_find(const struct maps *m, uint64_t addr)
{
    const struct mapping *next = maps_next(m, addr);
    return next && next->start <= addr ? next : NULL;
}

const char *maps_name(const struct maps *m, const struct mapping *mapping)
{
    return mapping->name_len ? m->names.data + mapping->name : "";
}

// --- the text of maps and smaps ----------------------------------------------------------

struct scan {
    const char *at, *end;
    bool bad;
};

static uint64_t scan_number(struct scan *s, unsigned base, char after)
{
    uint64_t v = 0;
    const char *first = s->at;
    for (; s->at < s->end; s->at++) {
        char c = *s->at;
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
        if (digit >= base)
            break;
        s->bad |= v > (UINT64_MAX - digit) / base;
        v = v * base + digit;
    }
    // The last field, the inode, may end the line.
    s->bad |= s->at == first || (s->at == s->end ? after != ' ' || base != 10 : *s->at != after);
    s->at += s->at < s->end;
    return v;
}

// START-END PERMS OFFSET MAJOR:MINOR INODE NAME; the name is the rest of the line.
static int parse_line(struct maps *m, const char *line, size_t n)
{
    struct scan s = {line, line + n, false};
    struct mapping p = {0};
    p.start = scan_number(&s, 16, '-');
    p.end = scan_number(&s, 16, ' ');
    for (const char *letter = "rwx"; *letter; letter++) {
        s.bad |= s.at == s.end || (*s.at != *letter && *s.at != '-');
        if (!s.bad && *s.at++ == *letter)
            p.perms |= *letter == 'r' ? MAP_READ : *letter == 'w' ? MAP_WRITE : MAP_EXEC;
    }
    if (s.bad || s.end - s.at < 2 || (*s.at != 'p' && *s.at != 's') || s.at[1] != ' ')
        return err_set(EPROTO, "not a line of a maps file");
    p.perms |= *s.at == 's' ? MAP_IS_SHARED : 0;
    s.at += 2;
    p.offset = scan_number(&s, 16, ' ');
    uint64_t major = scan_number(&s, 16, ':'), minor = scan_number(&s, 16, ' ');
    p.inode = scan_number(&s, 10, ' ');
    if (s.bad || major > UINT32_MAX || minor > UINT32_MAX || p.start >= p.end)
        return err_set(EPROTO, "not a line of a maps file");
    // The kernel writes a page at a time: what was merged meanwhile comes a second time, with more.
    const uint64_t seen = m->n > 0 ? m->at[m->n - 1].end : 0;
    if (p.end <= seen)
        return 0;
    if (p.start < seen) {
        p.offset += p.inode ? seen - p.start : 0;
        p.start = seen;
    }
    p.major = (unsigned)major;
    p.minor = (unsigned)minor;
    // Padded with blanks; a file's name begins with a slash or is one of the kernel's own.
    while (s.at < s.end && *s.at == ' ')
        s.at++;
    size_t len = (size_t)(s.end - s.at), tail = strlen(MAPS_DELETED);
    p.deleted = p.inode && len >= tail && memcmp(s.end - tail, MAPS_DELETED, tail) == 0;
    return maps_add(m, &p, s.at, p.deleted ? len - tail : len);
}

// KEY: NUMBER kB, of the mapping before it.
static int parse_usage(struct maps *m, const char *line, size_t n)
{
    static const struct {
        const char *key;
        size_t at;
    } keys[] = {
        {"Rss:", offsetof(struct mapping, rss)},
        {"Pss:", offsetof(struct mapping, pss)},
        {"Shared_Dirty:", offsetof(struct mapping, dirty)},
        {"Private_Dirty:", offsetof(struct mapping, dirty)},
        {"Swap:", offsetof(struct mapping, swap)},
    };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        size_t len = strlen(keys[i].key);
        if (n < len || memcmp(line, keys[i].key, len) != 0)
            continue;
        struct scan s = {line + len, line + n, false};
        while (s.at < s.end && *s.at == ' ')
            s.at++;
        uint64_t kilobytes = scan_number(&s, 10, ' ');
        if (m->n == 0 || s.bad || kilobytes > UINT64_MAX / 4096)
            return err_set(EPROTO, "not a line of a smaps file");
        uint64_t *sum = (uint64_t *)(void *)((char *)&m->at[m->n - 1] + keys[i].at);
        *sum += kilobytes * 1024;
        m->have |= MAPS_USAGE;
    }
    return 0;
}

int maps_parse(const char *text, size_t n, struct maps *ret)
{
    const char *end = text + n;
    ret->have |= MAPS_PERMS | MAPS_SHARED | MAPS_DEV;
    for (const char *line = text, *next; line < end; line = next) {
        const char *eol = memchr(line, '\n', (size_t)(end - line));
        eol = eol ? eol : end;
        next = eol < end ? eol + 1 : end;
        bool usage = *line >= 'A' && *line <= 'Z';
        size_t len = (size_t)(eol - line);
        if ((usage ? parse_usage(ret, line, len) : parse_line(ret, line, len)) < 0)
            return -1;
    }
    return 0;
}
