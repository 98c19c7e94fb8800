// SPDX-License-Identifier: MIT
//
// Bounded reads of the program, through a cache of pages.
#include "err.h"
#include "gosym_impl.h"

#include <errno.h>
#include <string.h>

const struct gosym_load *gosym_load_of(const struct gosym *g, uint64_t addr)
{
    for (size_t i = 0; i < g->nloads; i++)
        if (addr >= g->loads[i].start && addr - g->loads[i].start < g->loads[i].memsz)
            return &g->loads[i];
    return NULL;
}

static const struct gosym_page *page_of(struct gosym *g, uint64_t place)
{
    uint64_t number = place / GOSYM_PAGE;
    if (!g->pages && !(g->pages = calloc(GOSYM_PAGES, sizeof *g->pages)))
        return NULL;
    struct gosym_page *p = &g->pages[number % GOSYM_PAGES];
    if (p->number != number + 1) {
        p->number = number + 1;
        p->len = 0;
        while (p->len < GOSYM_PAGE) {
            size_t got = 0;
            if (g->read(g->arg, number * GOSYM_PAGE + p->len, p->bytes + p->len, GOSYM_PAGE - p->len, &got) < 0 ||
                got == 0 || got > GOSYM_PAGE - p->len)
                break;
            p->len += got;
        }
    }
    return p;
}

int gosym_get(struct gosym *g, uint64_t addr, void *to, size_t n)
{
    const struct gosym_load *l = gosym_load_of(g, addr);
    uint64_t skip = l ? addr - l->start : 0;
    if (!l || skip >= l->filesz || n > l->filesz - skip)
        return err_set(EPROTO, "the tables of Go lead out of the file");
    uint64_t place = (g->obj.loaded ? l->start : l->offset) + skip;
    for (size_t done = 0; done < n;) {
        const struct gosym_page *p = page_of(g, place + done);
        size_t at = (place + done) % GOSYM_PAGE;
        if (!p)
            return err_set(ENOMEM, "out of memory");
        if (at >= p->len)
            return err_set(EPROTO, "the tables of Go cannot be read");
        size_t part = p->len - at < n - done ? p->len - at : n - done;
        memcpy((char *)to + done, p->bytes + at, part);
        done += part;
    }
    return 0;
}

int gosym_u32(struct gosym *g, uint64_t addr, uint32_t *ret)
{
    return gosym_get(g, addr, ret, sizeof *ret);
}

int gosym_word(struct gosym *g, uint64_t addr, uint64_t *ret)
{
    uint32_t half;
    if (g->ptrsize == sizeof *ret)
        return gosym_get(g, addr, ret, sizeof *ret);
    if (gosym_u32(g, addr, &half) < 0)
        return -1;
    *ret = half;
    return 0;
}

int gosym_string(struct gosym *g, uint64_t addr, struct buf *ret)
{
    for (size_t n = 0; n < GOSYM_NAME_MAX;) {
        const struct gosym_load *l = gosym_load_of(g, addr);
        if (!l || addr - l->start >= l->filesz)
            return err_set(EPROTO, "a name in the tables of Go has no end");
        const uint64_t place = (g->obj.loaded ? l->start : l->offset) + (addr - l->start);
        const struct gosym_page *p = page_of(g, place);
        size_t at = place % GOSYM_PAGE, left = p->len > at ? p->len - at : 0;
        if (left > l->filesz - (addr - l->start))
            left = (size_t)(l->filesz - (addr - l->start));
        if (left == 0)
            return err_set(EPROTO, "a name in the tables of Go has no end");
        const unsigned char *end = memchr(p->bytes + at, '\0', left);
        buf_add(ret, p->bytes + at, end ? (size_t)(end - (p->bytes + at)) : left);
        if (end)
            break;
        n += left;
        addr += left;
    }
    return buf_ok(ret);
}

// --- relocations ---------------------------------------------------------------

// Elf64_Rela alone: Go's 64-bit linkers and those that it calls make no other on the machines that we know.
struct rela {
    uint64_t offset, info, addend;
};

enum { DYNAMIC_MAX = 256, RELA_MAX = 8 << 20, R_X86_64_RELATIVE = 8, R_AARCH64_RELATIVE = 1027 };

static bool find_rela(struct gosym *g, uint64_t *table, uint64_t *n)
{
    uint64_t dynamic = 0, entry[2], size = 0;
    *table = 0;
    for (uint32_t i = 0; i < g->obj.phnum && !dynamic; i++) {
        struct objfile_phdr p;
        if (objfile_phdr(&g->obj, i, &p) < 0)
            return false;
        if (p.type == 2) // PT_DYNAMIC
            dynamic = p.vaddr;
    }
    for (unsigned i = 0; dynamic && i < DYNAMIC_MAX; i++) {
        if (gosym_get(g, dynamic + i * sizeof entry, entry, sizeof entry) < 0 || entry[0] == 0)
            break;
        if (entry[0] == 7) // DT_RELA
            *table = entry[1];
        if (entry[0] == 8) // DT_RELASZ
            size = entry[1];
    }
    *n = size / sizeof(struct rela) < RELA_MAX ? size / sizeof(struct rela) : RELA_MAX;
    return *table != 0;
}

uint64_t gosym_relocation(struct gosym *g, uint64_t addr, bool by_target)
{
    uint64_t table, n;
    if (g->obj.loaded || g->ptrsize != 8 || !find_rela(g, &table, &n))
        return 0;
    for (uint64_t i = 0; i < n; i++) {
        struct rela r;
        if (gosym_get(g, table + i * sizeof r, &r, sizeof r) < 0)
            return 0;
        uint32_t type = (uint32_t)r.info;
        if ((type == R_X86_64_RELATIVE || type == R_AARCH64_RELATIVE) && (by_target ? r.addend : r.offset) == addr)
            return by_target ? r.offset : r.addend;
    }
    return 0;
}

uint64_t gosym_pointer(struct gosym *g, uint64_t addr)
{
    uint64_t v;
    if (gosym_word(g, addr, &v) < 0)
        return 0;
    return v ? v : gosym_relocation(g, addr, false);
}
