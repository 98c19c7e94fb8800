// SPDX-License-Identifier: MIT
//
// The order in which the dynamic linker looks symbols up: that of its link map, which starts with the program
// (<link.h>, struct r_debug). Read from the target's memory, so each step is bounded and believed only as an order.
#include "sym_impl.h"

#include <elf.h>
#include <link.h>
#include <string.h>

enum { ENTRIES_MAX = 4096 };

static bool get(struct syms *s, uint64_t addr, void *to, size_t n)
{
    for (size_t done = 0, got; done < n; done += got)
        if (target_read(s->target, addr + done, (char *)to + done, n - done, &got) < 0)
            return false;
    return true;
}

// The address of the dynamic section, by the program headers that the kernel handed over.
static uint64_t find_dynamic(struct syms *s, uint64_t phdr)
{
    uint64_t n, bias = 0, dynamic = 0;
    if (target_auxv(s->target, AT_PHNUM, &n) < 0 || n > ENTRIES_MAX)
        return 0;
    for (uint64_t i = 0; i < n; i++) {
        ElfW(Phdr) p;
        if (!get(s, phdr + i * sizeof p, &p, sizeof p))
            return 0;
        if (p.p_type == PT_PHDR)
            bias = phdr - p.p_vaddr;
        if (p.p_type == PT_DYNAMIC)
            dynamic = p.p_vaddr;
    }
    return dynamic ? dynamic + bias : 0;
}

static uint64_t find_link_map(struct syms *s, uint64_t dynamic)
{
    for (uint64_t i = 0; dynamic && i < ENTRIES_MAX; i++) {
        ElfW(Dyn) d;
        struct r_debug r;
        if (!get(s, dynamic + i * sizeof d, &d, sizeof d) || d.d_tag == DT_NULL)
            return 0;
        if (d.d_tag == DT_DEBUG)
            return get(s, d.d_un.d_ptr, &r, sizeof r) ? (uint64_t)(uintptr_t)r.r_map : 0;
    }
    return 0;
}

struct order {
    size_t *at, n; // objects in their new order
    bool *placed;
};

static void place(struct order *o, size_t object)
{
    if (object != SIZE_MAX && !o->placed[object]) {
        o->placed[object] = true;
        o->at[o->n++] = object;
    }
}

static void follow_link_map(struct syms *s, struct order *o, uint64_t map)
{
    for (size_t i = 0; map && i < ENTRIES_MAX; i++) {
        struct link_map l;
        bool mapped;
        if (!get(s, map, &l, sizeof l))
            return;
        size_t object = sym_object_at(s, (uint64_t)(uintptr_t)l.l_ld, &mapped);
        if (mapped && !s->objects[object].vdso) // it stands there, but no program looks into it
            place(o, object);
        map = (uint64_t)(uintptr_t)l.l_next;
    }
}

static void apply(struct syms *s, const struct order *o, struct object *ordered, size_t *new_index)
{
    for (size_t i = 0; i < o->n; i++) {
        ordered[i] = s->objects[o->at[i]];
        new_index[o->at[i]] = i;
    }
    memcpy(s->objects, ordered, o->n * sizeof *ordered);
    for (size_t i = 0; i < s->nranges; i++)
        s->ranges[i].object = new_index[s->ranges[i].object];
}

void sym_objects_order(struct syms *s)
{
    if (s->ordered)
        return;
    s->ordered = true;
    CLEANUP_FREE size_t *at = calloc(s->nobjects + 1, sizeof *at);
    CLEANUP_FREE size_t *new_index = calloc(s->nobjects + 1, sizeof *new_index);
    CLEANUP_FREE bool *placed = calloc(s->nobjects + 1, sizeof *placed);
    CLEANUP_FREE struct object *ordered = calloc(s->nobjects + 1, sizeof *ordered);
    if (!at || !new_index || !placed || !ordered)
        return;
    struct order o = {.at = at, .placed = placed};
    uint64_t phdr;
    bool mapped;
    if (target_auxv(s->target, AT_PHDR, &phdr) == 0) {
        size_t program = sym_object_at(s, phdr, &mapped);
        if (mapped)
            place(&o, program);
        follow_link_map(s, &o, find_link_map(s, find_dynamic(s, phdr)));
    }
    for (size_t i = 0; i < s->nobjects; i++)
        if (!s->objects[i].vdso)
            place(&o, i);
    for (size_t i = 0; i < s->nobjects; i++)
        place(&o, i);
    apply(s, &o, ordered, new_index);
}
