// SPDX-License-Identifier: MIT
//
// A perf-PID.map that anybody may have written: what is found of each address, from the end of the file, is what a
// reader finds who takes line by line from its beginning. The first byte: how far addresses are apart.
#include "jitmap.h"

#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ADDRS = 64 };

struct answer {
    bool found;
    uint64_t start, size;
    size_t name_len;
    uint64_t sum;          // of the name's bytes
};

static uint64_t sum(const char *at, size_t n)
{
    uint64_t h = n;
    while (n > 0)
        h = h * 31 + (unsigned char)at[--n];
    return h;
}

static struct answer answer_of(const struct jitmap_line *l)
{
    if (l->size == 0 || l->start + l->size < l->start || l->name_len == 0 || memchr(l->name, '\0', l->name_len))
        abort();
    return (struct answer){true, l->start, l->size, l->name_len, sum(l->name, l->name_len)};
}

static int take(size_t i, const struct jitmap_line *line, void *arg)
{
    struct answer *a = arg;
    if (i >= ADDRS || a[i].found)
        abort();
    a[i] = answer_of(line);
    return 0;
}

static struct answer plain(const char *text, size_t n, uint64_t addr)
{
    struct answer a = {0};
    struct jitmap_line l;
    for (const char *at = text, *end = text + n, *eol; n > 0 && (eol = memchr(at, '\n', (size_t)(end - at))); at = eol + 1)
        if (jitmap_parse(at, (size_t)(eol - at), &l) == 0 && addr >= l.start && addr - l.start < l.size)
            a = answer_of(&l);
    return a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    uint64_t addrs[ADDRS];
    struct answer got[ADDRS] = {0};
    if (size == 0 || size > JITMAP_LINE_MAX)
        return 0;
    if (fd < 0)
        fd = memfd_create("map", MFD_CLOEXEC);
    for (uint64_t i = 0; i < ADDRS; i++) // the last ones are near the end of all addresses
        addrs[i] = i < ADDRS - 8 ? i * (data[0] + 1ULL) : UINT64_MAX - (ADDRS - i);
    const char *text = (const char *)data + 1;
    if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, text, size - 1, 0) != (ssize_t)(size - 1))
        return 0;
    if (jitmap_find(fd, addrs, ADDRS, take, got) != 0)
        abort();
    for (size_t i = 0; i < ADDRS; i++) {
        const struct answer want = plain(text, size - 1, addrs[i]);
        if (want.found != got[i].found || want.start != got[i].start ||
            want.size != got[i].size || want.name_len != got[i].name_len || want.sum != got[i].sum)
            abort();
    }
    return 0;
}
