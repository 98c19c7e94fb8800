// SPDX-License-Identifier: MIT
//
// dmt-map: the address space of a target as rows. It reads no page of it: what the kernel lists, and on request
// what the mapped files say about themselves.
#include "cmd.h"
#include "err.h"
#include "module.h"
#include "operands.h"
#include "target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct map {
    bool extended, remote_fs;
    struct operands operands;
    // Of the run:
    struct run *run;
    struct procs procs;
    unsigned needs;
};

static const struct opt opts[] = {
    {'x', "extended", NULL, OPT_FLAG, offsetof(struct map, extended), NULL, "add the columns rss, pss, dirty and swap"},
    {0, "remote-fs", NULL, OPT_FLAG, offsetof(struct map, remote_fs), NULL,
     "open mapped files on network and FUSE file systems too"},
};

// --- columns -------------------------------------------------------------------------

enum { NEED_USAGE = 1 << 0, NEED_MODULE = 1 << 1 };

struct row {
    pid_t pid;
    const struct maps *maps;
    const struct mapping *m;
    const struct module *module; // NULL: not known
    char perms[5], dev[24], build_id[2 * BUILD_ID_MAX + 1];
};

static void get_pid(const void *row, struct cell *c)
{
    if (((const struct row *)row)->pid > 0)
        cell_int(c, ((const struct row *)row)->pid);
}

static void get_start(const void *row, struct cell *c)
{
    cell_address(c, ((const struct row *)row)->m->start);
}

static void get_end(const void *row, struct cell *c)
{
    cell_address(c, ((const struct row *)row)->m->end);
}

static void get_size(const void *row, struct cell *c)
{
    const struct mapping *m = ((const struct row *)row)->m;
    cell_uint(c, m->end - m->start);
}

static void get_perms(const void *row, struct cell *c)
{
    const struct row *r = row;
    if (r->perms[0])
        cell_str(c, r->perms);
}

static bool of_file(const struct row *r)
{
    return r->m->inode || (r->m->name_len > 0 && *maps_name(r->maps, r->m) == '/');
}

static void get_offset(const void *row, struct cell *c)
{
    if (of_file(row))
        cell_address(c, ((const struct row *)row)->m->offset);
}

static void get_dev(const void *row, struct cell *c)
{
    const struct row *r = row;
    if (r->m->inode && (r->maps->have & MAPS_DEV))
        cell_str(c, r->dev);
}

static void get_inode(const void *row, struct cell *c)
{
    const struct row *r = row;
    if (r->m->inode && (r->maps->have & MAPS_DEV))
        cell_uint(c, r->m->inode);
}

static void get_path(const void *row, struct cell *c)
{
    const struct row *r = row;
    if (r->m->name_len > 0)
        cell_text(c, maps_name(r->maps, r->m), r->m->name_len);
}

static void get_deleted(const void *row, struct cell *c)
{
    if (of_file(row))
        cell_str(c, ((const struct row *)row)->m->deleted ? "yes" : "no");
}

static void get_usage(const void *row, struct cell *c, uint64_t bytes)
{
    if (((const struct row *)row)->maps->have & MAPS_USAGE)
        cell_uint(c, bytes);
}

static void get_rss(const void *row, struct cell *c)
{
    get_usage(row, c, ((const struct row *)row)->m->rss);
}

static void get_pss(const void *row, struct cell *c)
{
    get_usage(row, c, ((const struct row *)row)->m->pss);
}

static void get_dirty(const void *row, struct cell *c)
{
    get_usage(row, c, ((const struct row *)row)->m->dirty);
}

static void get_swap(const void *row, struct cell *c)
{
    get_usage(row, c, ((const struct row *)row)->m->swap);
}

static void get_build_id(const void *row, struct cell *c)
{
    const struct row *r = row;
    if (r->module && r->module->build_id_len > 0)
        cell_str(c, r->build_id);
}

static void get_bias(const void *row, struct cell *c)
{
    const struct module *module = ((const struct row *)row)->module;
    if (module && module->has_bias)
        cell_address(c, module->bias);
}

static const struct col cols[] = {
    {"pid", COL_ID, 0, get_pid, "process id"},
    {"start", COL_ADDRESS, 0, get_start, "address of the first byte"},
    {"end", COL_ADDRESS, 0, get_end, "address behind the last byte"},
    {"perms", COL_TEXT, 0, get_perms, "read, write, execute; p private or s shared"},
    {"offset", COL_ADDRESS, 0, get_offset, "where in the file it begins"},
    {"dev", COL_TEXT, 0, get_dev, "the file's device, major:minor in hexadecimal"},
    {"inode", COL_ID, 0, get_inode, "the file's inode number"},
    {"path", COL_TEXT, 0, get_path, "the file, or the kernel's name in brackets"},
    {"rss", COL_BYTES, NEED_USAGE, get_rss, "bytes of it in memory"},
    {"pss", COL_BYTES, NEED_USAGE, get_pss, "the same, shared pages divided by the number of processes"},
    {"dirty", COL_BYTES, NEED_USAGE, get_dirty, "bytes in memory that were changed and not written to the file"},
    {"swap", COL_BYTES, NEED_USAGE, get_swap, "bytes swapped out"},
    {"size", COL_BYTES, 0, get_size, "bytes of address space"},
    {"deleted", COL_TEXT, 0, get_deleted, "yes: the file has no name any more"},
    {"build_id", COL_TEXT, NEED_MODULE, get_build_id, "build-id of the ELF file"},
    {"bias", COL_ADDRESS, NEED_MODULE, get_bias, "address in memory minus address in the ELF file"},
    {0},
};

// --- the work ----------------------------------------------------------------------------

static int prepare(struct run *run, void *values)
{
    struct map *map = values;
    map->operands.files = true;
    if (map->extended)
        run->defaults = "pid,start,end,perms,offset,dev,inode,path,rss,pss,dirty,swap";
    if (operands_parse(run, &map->operands) < 0)
        return -1;
    if (map->operands.n == 0 && !map->operands.from_stdin)
        return err_set(EINVAL, "no target was given");
    return 0;
}

static void spell(struct row *r)
{
    static const char digits[] = "0123456789abcdef";
    const struct mapping *m = r->m;
    r->perms[0] = '\0';
    if ((r->maps->have & MAPS_PERMS) && !(m->perms & MAP_UNSAID))
        (void)snprintf(r->perms, sizeof r->perms, "%c%c%c%s", m->perms & MAP_READ ? 'r' : '-',
                       m->perms & MAP_WRITE ? 'w' : '-', m->perms & MAP_EXEC ? 'x' : '-',
                       !(r->maps->have & MAPS_SHARED) ? "" : m->perms & MAP_IS_SHARED ? "s" : "p");
    (void)snprintf(r->dev, sizeof r->dev, "%02x:%02x", m->major, m->minor);
    for (size_t i = 0; r->module && i < r->module->build_id_len; i++) {
        r->build_id[2 * i] = digits[r->module->build_id[i] >> 4];
        r->build_id[2 * i + 1] = digits[r->module->build_id[i] & 15];
        r->build_id[2 * i + 2] = '\0';
    }
}

static int show(struct map *map, struct target *t)
{
    struct row row = {.pid = target_pid(t)};
    struct module module;
    bool known = false;
    if ((map->needs & NEED_USAGE ? target_maps_usage : target_maps)(t, &row.maps) < 0)
        return -1;
    if (row.maps->n == 0)
        return err_set(ESRCH, "it has no address space: a kernel thread, or a zombie");
    for (size_t i = 0; i < row.maps->n; i++) {
        const struct mapping *m = &row.maps->at[i];
        row.m = m;
        if ((map->needs & NEED_MODULE) && of_file(&row)) {
            if (!known || !module_goes_on(&module, m))
                module_read(t, row.maps, m, &module);
            known = true;
        }
        row.module = known && of_file(&row) ? &module : NULL;
        spell(&row);
        if (cmd_row(map->run, &row) < 0)
            return 1;
    }
    return 0;
}

static int ignore(pid_t tid, void *arg)
{
    (void)tid;
    (void)arg;
    return 0;
}

static int show_operand(const struct operand *o, void *arg)
{
    struct map *map = arg;
    const struct target_options options = {.remote_fs = map->remote_fs};
    CLEANUP_TARGET struct target *t = NULL;
    int done = target_open(&map->procs, o, &options, &t);
    if (done == 0)
        done = show(map, t);
    // All threads have one address space; one that does not exist is said.
    if (done == 0 && o->id.ntids > 0)
        done = target_each_thread(t, ignore, NULL);
    if (done < 0)
        cmd_fail(map->run, o->text);
    return done > 0;
}

static void work(struct run *run, void *values)
{
    struct map *map = values;
    map->run = run;
    map->needs = table_needs(run->table);
    if (procs_open(&map->procs) < 0) {
        cmd_fail(run, NULL);
        return;
    }
    operands_each(run, &map->operands, show_operand, map);
    procs_close(&map->procs);
}

static void finish(void *values)
{
    operands_fini(&((struct map *)values)->operands);
}

static const struct cmd cmd = {
    .name = "dmt-map",
    .summary = "List the mappings of an address space",
    .operands = "TARGET...",
    .complete = "targets",
    .example = "dmt-map -x $$ | head",
    .targets = true,
    .opts = opts,
    .nopts = ARRAY_LEN(opts),
    .cols = cols,
    .defaults = "pid,start,end,perms,offset,dev,inode,path",
    .prepare = prepare,
    .work = work,
    .finish = finish,
};

int main(int argc, char **argv)
{
    struct map map = {0};
    return cmd_main(&cmd, argc, argv, &map);
}
