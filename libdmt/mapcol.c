// SPDX-License-Identifier: MIT
#include "mapcol.h"

#include <stdio.h>

static void get_pid(const void *row, struct cell *c)
{
    if (((const struct map_row *)row)->pid > 0)
        cell_int(c, ((const struct map_row *)row)->pid);
}

static void get_start(const void *row, struct cell *c)
{
    cell_address(c, ((const struct map_row *)row)->m->start);
}

static void get_end(const void *row, struct cell *c)
{
    cell_address(c, ((const struct map_row *)row)->m->end);
}

static void get_size(const void *row, struct cell *c)
{
    const struct mapping *m = ((const struct map_row *)row)->m;
    cell_uint(c, m->end - m->start);
}

static void get_perms(const void *row, struct cell *c)
{
    const struct map_row *r = row;
    if (r->perms[0])
        cell_str(c, r->perms);
}

static bool of_file(const struct map_row *r)
{
    return r->m->inode || (r->m->name_len > 0 && *maps_name(r->maps, r->m) == '/');
}

static void get_offset(const void *row, struct cell *c)
{
    if (of_file(row))
        cell_address(c, ((const struct map_row *)row)->m->offset);
}

static void get_dev(const void *row, struct cell *c)
{
    const struct map_row *r = row;
    if (r->m->inode && (r->maps->have & MAPS_DEV))
        cell_str(c, r->dev);
}

static void get_inode(const void *row, struct cell *c)
{
    const struct map_row *r = row;
    if (r->m->inode && (r->maps->have & MAPS_DEV))
        cell_uint(c, r->m->inode);
}

static void get_path(const void *row, struct cell *c)
{
    const struct map_row *r = row;
    if (r->m->name_len > 0)
        cell_text(c, maps_name(r->maps, r->m), r->m->name_len);
}

static void get_deleted(const void *row, struct cell *c)
{
    if (of_file(row))
        cell_str(c, ((const struct map_row *)row)->m->deleted ? "yes" : "no");
}

static void get_usage(const void *row, struct cell *c, uint64_t bytes)
{
    if (((const struct map_row *)row)->maps->have & MAPS_USAGE)
        cell_uint(c, bytes);
}

static void get_rss(const void *row, struct cell *c)
{
    get_usage(row, c, ((const struct map_row *)row)->m->rss);
}

static void get_pss(const void *row, struct cell *c)
{
    get_usage(row, c, ((const struct map_row *)row)->m->pss);
}

static void get_dirty(const void *row, struct cell *c)
{
    get_usage(row, c, ((const struct map_row *)row)->m->dirty);
}

static void get_swap(const void *row, struct cell *c)
{
    get_usage(row, c, ((const struct map_row *)row)->m->swap);
}

static void get_build_id(const void *row, struct cell *c)
{
    const struct map_row *r = row;
    if (r->known && r->module.build_id_len > 0)
        cell_str(c, r->build_id);
}

static void get_bias(const void *row, struct cell *c)
{
    const struct map_row *r = row;
    if (r->known && r->module.has_bias)
        cell_address(c, r->module.bias);
}

const struct col map_cols[] = {
    {"pid", COL_ID, 0, get_pid, "process id"},
    {"start", COL_ADDRESS, 0, get_start, "address of the first byte"},
    {"end", COL_ADDRESS, 0, get_end, "address behind the last byte"},
    {"perms", COL_TEXT, 0, get_perms, "read, write, execute; p private or s shared"},
    {"offset", COL_ADDRESS, 0, get_offset, "where in the file it begins"},
    {"dev", COL_TEXT, 0, get_dev, "the file's device, major:minor in hexadecimal"},
    {"inode", COL_ID, 0, get_inode, "the file's inode number"},
    {"path", COL_TEXT, 0, get_path, "the file, or the kernel's name in brackets"},
    {"rss", COL_BYTES, MAP_USAGE, get_rss, "bytes of it in memory"},
    {"pss", COL_BYTES, MAP_USAGE, get_pss, "the same, shared pages divided by the number of processes"},
    {"dirty", COL_BYTES, MAP_USAGE, get_dirty, "bytes in memory that were changed and not written to the file"},
    {"swap", COL_BYTES, MAP_USAGE, get_swap, "bytes swapped out"},
    {"size", COL_BYTES, 0, get_size, "bytes of address space"},
    {"deleted", COL_TEXT, 0, get_deleted, "yes: the file has no name any more"},
    {"build_id", COL_TEXT, MAP_MODULE, get_build_id, "build-id of the ELF file"},
    {"bias", COL_ADDRESS, MAP_MODULE, get_bias, "address in memory minus address in the ELF file"},
    {0},
};

static void spell(struct map_row *r)
{
    static const char digits[] = "0123456789abcdef";
    const struct mapping *m = r->m;
    r->perms[0] = '\0';
    if ((r->maps->have & MAPS_PERMS) && !(m->perms & MAP_UNSAID))
        (void)snprintf(r->perms, sizeof r->perms, "%c%c%c%s", m->perms & MAP_READ ? 'r' : '-',
                       m->perms & MAP_WRITE ? 'w' : '-', m->perms & MAP_EXEC ? 'x' : '-',
                       !(r->maps->have & MAPS_SHARED) ? "" : m->perms & MAP_IS_SHARED ? "s" : "p");
    (void)snprintf(r->dev, sizeof r->dev, "%02x:%02x", m->major, m->minor);
    for (size_t i = 0; r->known && i < r->module.build_id_len; i++) {
        r->build_id[2 * i] = digits[r->module.build_id[i] >> 4];
        r->build_id[2 * i + 1] = digits[r->module.build_id[i] & 15];
        r->build_id[2 * i + 2] = '\0';
    }
}

void map_row_set(struct map_row *r, struct target *t, const struct mapping *m, unsigned needs)
{
    r->m = m;
    r->known = (needs & MAP_MODULE) && of_file(r);
    if (r->known && !(r->module.last && module_goes_on(&r->module, m))) {
        r->known = r->reads < MAP_READS_MAX;
        r->module.last = NULL;
        if (r->known)
            module_read(t, r->maps, m, &r->module);
        r->reads += r->known ? r->module.reads : 0;
    }
    spell(r);
}
