// SPDX-License-Identifier: MIT
//
// The runtime's moduledata (runtime/symtab.go): it begins with a pointer to the tables, and is written by nobody once
// the loader is done.
#include "err.h"
#include "gosym_impl.h"

#include <string.h>

// Words from its start. Before 1.16 there was no header and there were no tables of their own.
enum { TABLES_1_16 = 1, TABLES_1_2 = 3 };

static uint64_t word_at(struct gosym *g, uint64_t at, unsigned i)
{
    return gosym_pointer(g, at + i * (uint64_t)g->ptrsize);
}

// What AT points to first is the table; what it points to next is functab, or the names.
static bool is_moduledata(struct gosym *g, uint64_t at)
{
    return word_at(g, at, 0) == g->table && (g->layout == GOSYM_1_2 ? word_at(g, at, TABLES_1_2) == g->functab
                                                                    : word_at(g, at, TABLES_1_16) == g->names);
}

static uint64_t scan(struct gosym *g, const struct gosym_load *l)
{
    unsigned char bytes[GOSYM_PAGE];
    for (uint64_t at = -l->start & (g->ptrsize - 1), n; at < l->filesz; at += n) {
        n = sizeof bytes - (l->start + at) % sizeof bytes;
        if (n > l->filesz - at)
            n = l->filesz - at;
        if (gosym_get(g, l->start + at, bytes, n) < 0)
            continue;
        for (size_t k = 0; k + g->ptrsize <= n; k += g->ptrsize)
            if (memcmp(bytes + k, &g->table, g->ptrsize) == 0 && is_moduledata(g, l->start + at + k))
                return l->start + at + k;
    }
    return 0;
}

uint64_t gosym_moduledata(struct gosym *g)
{
    if (g->has_moduledata)
        return g->moduledata;
    g->has_moduledata = true;
    for (size_t i = 0; i < g->nloads && !g->moduledata; i++)
        if (g->loads[i].write)
            g->moduledata = scan(g, &g->loads[i]);
    if (!g->moduledata) {
        uint64_t at = gosym_relocation(g, g->table, true);
        if (at && is_moduledata(g, at))
            g->moduledata = at;
    }
    return g->moduledata;
}

static struct gosym_range range(struct gosym *g, unsigned word)
{
    uint64_t at = gosym_moduledata(g);
    if (!at)
        return (struct gosym_range){0};
    struct gosym_range r = {word_at(g, at, word), word_at(g, at, word + 1)};
    const struct gosym_load *l = gosym_load_of(g, r.start);
    if (!l || !l->write || r.end <= r.start || r.end - l->start > l->memsz)
        return (struct gosym_range){0};
    return r;
}

struct gosym_range gosym_data(struct gosym *g)
{
    return range(g, g->layout == GOSYM_1_2 ? 16 : 26);
}

struct gosym_range gosym_bss(struct gosym *g)
{
    return range(g, g->layout == GOSYM_1_2 ? 18 : 28);
}
