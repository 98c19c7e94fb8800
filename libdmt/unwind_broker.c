// SPDX-License-Identifier: MIT
//
// The broker: what of the target the child may have besides debug files: the files that it has mapped, code that has no
// file, data that variables lead to.
#include "err.h"
#include "io.h"
#include "unwind_impl.h"

#include <errno.h>
#include <sys/mman.h>

static int grant_file(struct syms *s, uint32_t object, int *ret)
{
    if (object >= s->nobjects)
        return err_set(EACCES, "no such file");
    struct object *m = &s->objects[object];
    sandbox_about(s->box, m->path);
    m->held = sym_object_open(s, m, ret) == 0;
    return m->held ? 0 : -1;
}

// Code that has no file: of a compiler that runs in the target; or data of variables.
static int grant_memory(struct syms *s, uint64_t addr, bool data, int *ret)
{
    const size_t most = data ? UNWIND_PAGE : UNWIND_PIECE;
    const struct maps *maps;
    size_t got = 0;
    if (target_maps(s->target, &maps) < 0)
        return -1;
    const struct mapping *m = maps_find(maps, addr);
    if (!data && (!m || !(m->perms & MAP_EXEC)))
        return err_set(EACCES, "no code");
    size_t n = !data && m->end - addr < most ? (size_t)(m->end - addr) : most;
    CLEANUP_FREE char *bytes = malloc(n);
    if (!bytes)
        return err_set(ENOMEM, "out of memory");
    if (target_read(s->target, addr, bytes, n, &got) < 0)
        return -1;
    CLEANUP_CLOSE int fd = memfd_create("code", MFD_CLOEXEC);
    if (fd < 0)
        return err_sys("cannot copy it");
    if (io_write(fd, bytes, got) < 0)
        return -1;
    *ret = fd;
    fd = -1;
    return 0;
}

int unwind_grant(const char *request, size_t n, void *arg, int *ret)
{
    struct syms *s = arg;
    struct packet p = packet_of(request, n);
    uint8_t kind = packet_u8(&p);
    if (kind != SYM_WANT_FILE && kind != UNWIND_WANT_MEMORY && kind != UNWIND_WANT_DATA)
        return sym_grant(request, n, s, ret);
    uint64_t number = kind == SYM_WANT_FILE ? packet_u32(&p) : packet_u64(&p);
    if (p.bad || p.left > 0)
        return err_set(EACCES, "a bad request");
    return kind == SYM_WANT_FILE ? grant_file(s, (uint32_t)number, ret)
                                 : grant_memory(s, number, kind == UNWIND_WANT_DATA, ret);
}
