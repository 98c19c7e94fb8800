// SPDX-License-Identifier: MIT
//
// Which pages of anonymous memory are there (proc_pid_pagemap(5)).
#include "mem.h"
#include "target_live.h"

#include <fcntl.h>
#include <string.h>

enum { PIECE = 8192, WIDE = 16 }; // pages: asked for at once; that are worth to be left alone

// How many of the N entries from the page of ADDR on could be read, up to PIECE.
static size_t read_entries(struct live *l, uint64_t addr, uint64_t n, uint64_t *entries)
{
    if (l->pagemap < 0)
        l->pagemap = openat(live_dir(l), "pagemap", O_RDONLY | O_CLOEXEC);
    const uint64_t first = addr / (uint64_t)l->base.ps->page, want = n < PIECE ? n : PIECE;
    ssize_t got = l->pagemap < 0 ? -1 : pread(l->pagemap, entries, want * sizeof *entries, (off_t)(first * sizeof *entries));
    return got < 0 ? 0 : (size_t)got / sizeof *entries;
}

// In memory or in swap.
static bool is_there(uint64_t entry)
{
    return entry >> 62;
}

uint64_t live_next_present(struct live *l, uint64_t start, uint64_t end)
{
    const uint64_t page = (uint64_t)l->base.ps->page;
    CLEANUP_FREE uint64_t *entries = malloc(PIECE * sizeof *entries);
    for (size_t n; entries && start < end && (n = read_entries(l, start, (end - start) / page, entries)) > 0;)
        for (size_t i = 0; i < n; i++, start += page)
            if (is_there(entries[i]))
                return start;
    return start;
}

// Private and anonymous, and none of the kernel's own: those have pages before they are touched.
static bool begins_as_zeros(const struct maps *maps, const struct mapping *m)
{
    const char *name = maps_name(maps, m);
    return m->inode == 0 && !(m->perms & MAP_IS_SHARED) &&
           (m->name_len == 0 || (m->name_len == 6 && memcmp(name, "[heap]", 6) == 0) ||
            (m->name_len > 6 && memcmp(name, "[anon:", 6) == 0));
}

// A mapping is registered with a userfaultfd as a whole: if one page that is not there is zeros, all are.
static bool are_zeros(struct live *l, const struct mapping *m, uint64_t addr)
{
    char byte;
    size_t got;
    if (addr >= l->zeros_start && addr < l->zeros_end)
        return true;
    if (mem_read(&l->base.mem, addr, &byte, 1, &got) < 0)
        return false;
    l->zeros_start = m->start;
    l->zeros_end = m->end;
    return true;
}

bool live_untouched(struct live *l, uint64_t addr, size_t n, size_t *ret)
{
    const size_t page = (size_t)l->base.ps->page;
    const struct mapping *m = n < WIDE * page ? NULL : maps_find(&l->looked, addr);
    uint64_t entries[64];
    if (!m || !begins_as_zeros(&l->looked, m))
        return false;
    size_t pages = n / page < ARRAY_LEN(entries) ? n / page : ARRAY_LEN(entries), run = 0, i = 0;
    if (m->end - addr < n || (pages = read_entries(l, addr, pages, entries)) < WIDE)
        return false;
    for (; i < pages && run < WIDE; i++)
        run = is_there(entries[i]) ? 0 : run + 1;
    if (run < WIDE)
        return false;
    if (i > WIDE) { // up to where it begins
        *ret = (i - WIDE) * page - addr % page;
        return false;
    }
    while (i < pages && !is_there(entries[i]))
        i++;
    if (!are_zeros(l, m, addr))
        return false;
    *ret = i * page - addr % page;
    return true;
}
