// SPDX-License-Identifier: MIT
#include "mem.h"

#include "buf.h"
#include "err.h"

#include <errno.h>
#include <string.h>

void mem_fini(struct mem *m)
{
    free(m->at);
    *m = (struct mem){0};
}

// The first segment that ends behind ADDR.
static size_t find(const struct mem *m, uint64_t addr)
{
    size_t low = 0, high = m->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (addr - m->at[middle].base < m->at[middle].size || addr < m->at[middle].base)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static int insert(struct mem *m, size_t at, const struct mem_segment *s)
{
    struct mem_segment *grown = array_grow(m->at, m->n, &m->cap, sizeof *grown);
    if (!grown)
        return -1;
    m->at = grown;
    memmove(m->at + at + 1, m->at + at, (m->n - at) * sizeof *m->at);
    m->at[at] = *s;
    m->n++;
    return 0;
}

// SIZE bytes of S from its byte SKIP on.
static struct mem_segment part(const struct mem_segment *s, uint64_t skip, uint64_t size)
{
    uint64_t filesz = s->filesz > skip ? s->filesz - skip : 0;
    return (struct mem_segment){s->base + skip, size, s->fd, s->offset + skip, filesz < size ? filesz : size};
}

int mem_add(struct mem *m, const struct mem_segment *s)
{
    if (s->size == 0)
        return 0;
    if (s->size - 1 > UINT64_MAX - s->base || s->filesz > s->size ||
        (s->filesz > 0 && s->filesz - 1 > UINT64_MAX - s->offset))
        return err_set(EINVAL, "a segment of memory wraps around");
    for (uint64_t skip = 0; skip < s->size;) {
        uint64_t base = s->base + skip;
        size_t at = find(m, base);
        if (at < m->n && m->at[at].base <= base) { // taken up to its end
            uint64_t taken = m->at[at].size - (base - m->at[at].base);
            if (taken >= s->size - skip)
                break;
            skip += taken;
            continue;
        }
        uint64_t size = s->size - skip;
        if (at < m->n && m->at[at].base - base < size)
            size = m->at[at].base - base;
        const struct mem_segment piece = part(s, skip, size);
        if (insert(m, at, &piece) < 0)
            return -1;
        skip += size;
    }
    return 0;
}

// Up to N bytes of one segment from its byte SKIP on: how many, 0 with errno where the first cannot be read.
static size_t read_segment(const struct mem_segment *s, uint64_t skip, char *to, size_t n)
{
    if (n > s->size - skip)
        n = (size_t)(s->size - skip);
    if (skip >= s->filesz) {
        memset(to, 0, n);
        return n;
    }
    if (n > s->filesz - skip)
        n = (size_t)(s->filesz - skip);
    uint64_t offset = s->offset + skip;
    ssize_t got;
    if (offset > INT64_MAX) { // pread takes no such offset
        errno = EIO;
        return 0;
    }
    do
        got = pread(s->fd, to, n, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        errno = ESRCH; // /proc/PID/mem of an address space that is gone: 0 bytes
    return got > 0 ? (size_t)got : 0;
}

int mem_read(const struct mem *m, uint64_t addr, void *to, size_t n, size_t *got)
{
    size_t done = 0;
    if (n > 0 && n - 1 > UINT64_MAX - addr)
        n = (size_t)(UINT64_MAX - addr) + 1;
    errno = EFAULT;
    for (size_t at = find(m, addr); done < n && at < m->n; at = find(m, addr + done)) {
        const struct mem_segment *s = &m->at[at];
        if (s->base > addr + done) {
            errno = EFAULT;
            break;
        }
        size_t part = read_segment(s, addr + done - s->base, (char *)to + done, n - done);
        if (part == 0)
            break;
        done += part;
        errno = EFAULT;
    }
    if (done == 0 && n > 0) {
        if (errno == EFAULT)
            return err_set(EFAULT, "nothing is mapped at 0x%llx", (unsigned long long)addr);
        if (errno == ESRCH)
            return err_set(ESRCH, "its memory is gone");
        return err_set(EIO, "cannot read at 0x%llx: %s", (unsigned long long)addr, strerror(errno));
    }
    *got = done;
    return 0;
}
