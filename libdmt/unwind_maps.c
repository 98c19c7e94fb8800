// SPDX-License-Identifier: MIT
//
// The parent's side: what the child is told of the target first, where code is mapped and of which files.
#include "unwind_impl.h"

#include <elf.h>
#include <string.h>
#include <sys/auxv.h>

static void put_range(struct buf *out, const struct mapping *m, uint32_t object)
{
    packet_put_u64(out, m->start);
    packet_put_u64(out, m->end);
    packet_put_u64(out, m->offset);
    packet_put_u32(out, object);
}

int unwind_put_maps(struct buf *out, struct target *t, const struct maps *maps, const struct syms *objects)
{
    uint64_t entry;
    uint32_t n = 0;
    if (target_auxv(t, AT_ENTRY, &entry) < 0)
        entry = 0;
    packet_put_u8(out, UNWIND_MAPS);
    packet_put_u64(out, entry);
    size_t count_at = out->len;
    packet_put_u32(out, 0);
    for (size_t i = 0, r = 0; i < maps->n && n < UNWIND_RANGES_MAX; i++) {
        const struct mapping *m = &maps->at[i];
        while (r < objects->nranges && objects->ranges[r].mapping.start < m->start)
            r++;
        bool of_file = r < objects->nranges && objects->ranges[r].mapping.start == m->start;
        // What a core does not say may be code where a file was mapped.
        if (!(m->perms & MAP_EXEC) && !(of_file && (m->perms & MAP_UNSAID)))
            continue;
        put_range(out, m, of_file ? (uint32_t)objects->ranges[r].object : UNWIND_NO_OBJECT);
        n++;
    }
    if (buf_ok(out) < 0)
        return -1;
    memcpy(out->data + count_at, &n, sizeof n);
    return 0;
}
