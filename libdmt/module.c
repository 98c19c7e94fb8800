// SPDX-License-Identifier: MIT
#include "module.h"

#include <elf.h>
#include <string.h>

static void ask(struct objfile *o, const struct mapping *first, struct module *ret)
{
    uint64_t offset = first->offset;
    if (objfile_get_build_id(o, ret->build_id, &ret->build_id_len) < 0)
        ret->build_id_len = 0;
    ret->has_bias = (o->type == ET_EXEC || o->type == ET_DYN) && objfile_bias(o, first->start, offset, &ret->bias) == 0;
}

static int read_memory(void *arg, uint64_t at, void *to, size_t n, size_t *got)
{
    return target_read(arg, at, to, n, got);
}

void module_read(struct target *t, const struct maps *maps, const struct mapping *first, struct module *ret)
{
    CLEANUP_CLOSE int fd = -1;
    struct objfile o = {.reads = 0};
    *ret = (struct module){.maps = maps, .last = first};
    if (target_open_file(t, first, &fd) == 0) {
        if (objfile_open(objfile_read_fd, &fd, &o) == 0)
            ask(&o, first, ret);
    } else if (first->offset == 0 && objfile_open_loaded(read_memory, t, first->start, &o) == 0) {
        ask(&o, first, ret);
    }
    ret->reads = o.reads;
}

bool module_goes_on(struct module *module, const struct mapping *m)
{
    const struct mapping *l = module->last;
    if (m->inode != l->inode || m->major != l->major || m->minor != l->minor || m->offset < l->offset ||
        m->name_len != l->name_len || memcmp(maps_name(module->maps, m), maps_name(module->maps, l), m->name_len) != 0)
        return false;
    module->last = m;
    return true;
}
