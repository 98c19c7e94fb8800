// SPDX-License-Identifier: MIT
//
// dmt-map: the address space of a target as rows. It reads no page of it: what the kernel lists, and on request
// what the mapped files say about themselves.
#include "cmd.h"
#include "err.h"
#include "mapcol.h"
#include "operands.h"

#include <errno.h>

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

static int show(struct map *map, struct target *t, const char *name)
{
    struct map_row row = {.pid = target_pid(t)};
    if ((map->needs & MAP_USAGE ? target_maps_usage : target_maps)(t, &row.maps) < 0)
        return -1;
    if (row.maps->n == 0)
        return err_set(ESRCH, "it has no address space: a kernel thread, or a zombie");
    for (size_t i = 0; i < row.maps->n; i++) {
        map_row_set(&row, t, &row.maps->at[i], map->needs);
        if (cmd_row(map->run, &row) < 0)
            return 1;
    }
    if (row.reads >= MAP_READS_MAX) {
        cmd_note(map->run, name, "not all build-ids were read: its modules are too many, or made to take long");
        cmd_status(map->run, STATUS_NONE);
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
        done = show(map, t, o->text);
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
    .complete = "cores",
    .example = "dmt-map -x $$ | head",
    .targets = true,
    .opts = opts,
    .nopts = ARRAY_LEN(opts),
    .cols = map_cols,
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
