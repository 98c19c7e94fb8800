// SPDX-License-Identifier: MIT
//
// The files that a target has mapped, as its maps say it: nothing of a file is read here but its first four bytes, in
// the target's memory.
#include "err.h"
#include "io.h"
#include "sym_impl.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { VDSO_MAX = 1 << 20 };

static bool is_vdso(const char *name, size_t n)
{
    return n == 6 && memcmp(name, "[vdso]", 6) == 0;
}

static bool same_file(const struct maps *maps, const struct mapping *a, const struct mapping *b)
{
    if ((maps->have & MAPS_DEV) && (a->inode != b->inode || a->major != b->major || a->minor != b->minor))
        return false;
    return a->name_len == b->name_len && a->deleted == b->deleted &&
           memcmp(maps_name(maps, a), maps_name(maps, b), a->name_len) == 0;
}

static int add_object(struct syms *s, const struct maps *maps, const struct mapping *m)
{
    CLEANUP_BUF struct buf path = {0};
    struct object *grown = array_grow(s->objects, s->nobjects, &s->objects_cap, sizeof *grown);
    if (!grown)
        return -1;
    s->objects = grown;
    buf_add(&path, maps_name(maps, m), m->name_len);
    if (m->deleted)
        buf_str(&path, " (deleted)");
    buf_byte(&path, '\0');
    if (buf_ok(&path) < 0)
        return -1;
    s->objects[s->nobjects++] =
        (struct object){.path = path.data, .first = SIZE_MAX, .vdso = is_vdso(path.data, m->name_len)};
    path = (struct buf){0};
    return 0;
}

// The last range of each file, by the file's hash: its index plus 1, 0: none.
struct latest {
    size_t *at, mask;
};

static size_t hash(const struct maps *maps, const struct mapping *m)
{
    size_t h = (size_t)m->inode + m->name_len;
    const char *name = maps_name(maps, m);
    for (size_t i = 0; i < m->name_len; i++)
        h = (h ^ (unsigned char)name[i]) * 0x100000001b3;
    return h ^ h >> 32;
}

// Where the last range of M's file stands, or would. Names that were made to share a hash are files of their own.
static size_t *latest_of(const struct syms *s, const struct maps *maps, const struct mapping *m, const struct latest *l)
{
    enum { PROBES = 64 };
    size_t h = hash(maps, m);
    for (size_t k = 0; k < PROBES; k++) {
        size_t *slot = &l->at[(h + k) & l->mask];
        if (*slot == 0 || same_file(maps, &s->ranges[*slot - 1].mapping, m))
            return slot;
    }
    return NULL;
}

static int add_range(struct syms *s, const struct maps *maps, const struct mapping *m, const struct latest *l)
{
    size_t *slot = latest_of(s, maps, m, l), last = slot && *slot > 0 ? *slot - 1 : SIZE_MAX;
    size_t object = last != SIZE_MAX ? s->ranges[last].object : SIZE_MAX;
    struct range *grown = array_grow(s->ranges, s->nranges, &s->ranges_cap, sizeof *grown);
    if (!grown)
        return -1;
    s->ranges = grown;
    if (object == SIZE_MAX) {
        if (add_object(s, maps, m) < 0)
            return -1;
        object = s->nobjects - 1;
        s->objects[object].first = s->nranges;
    } else {
        s->ranges[last].next = s->nranges;
    }
    s->ranges[s->nranges++] = (struct range){*m, object, SIZE_MAX};
    if (slot)
        *slot = s->nranges;
    return 0;
}

int sym_objects_read(struct syms *s)
{
    const struct maps *maps;
    if (target_maps(s->target, &maps) < 0)
        return -1;
    size_t slots = 64;
    while (slots < 2 * maps->n)
        slots *= 2;
    CLEANUP_FREE size_t *at = calloc(slots, sizeof *at);
    if (!at)
        return err_set(ENOMEM, "out of memory");
    const struct latest latest = {at, slots - 1};
    for (size_t i = 0; i < maps->n; i++) {
        const struct mapping *m = &maps->at[i];
        const char *name = maps_name(maps, m);
        bool file = m->name_len > 0 && name[0] == '/' && (!(maps->have & MAPS_DEV) || m->inode != 0);
        if ((file || is_vdso(name, m->name_len)) && add_range(s, maps, m, &latest) < 0)
            return -1;
    }
    return 0;
}

size_t sym_object_at(const struct syms *s, uint64_t addr, bool *mapped)
{
    size_t low = 0, n = s->nranges;
    while (n > 0) {
        size_t half = n / 2;
        if (s->ranges[low + half].mapping.start <= addr) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    *mapped = low > 0 && addr < s->ranges[low - 1].mapping.end;
    return low > 0 ? s->ranges[low - 1].object : SIZE_MAX;
}

bool sym_object_is_elf(struct syms *s, struct object *m)
{
    if (m->is != OBJECT_UNKNOWN)
        return m->is == OBJECT_ELF;
    const struct mapping *head = NULL;
    bool code = false, several = s->ranges[m->first].next != SIZE_MAX;
    for (size_t i = m->first; i != SIZE_MAX; i = s->ranges[i].next) {
        const struct mapping *r = &s->ranges[i].mapping;
        if (r->offset == 0 && !head)
            head = r;
        code |= (r->perms & MAP_EXEC) || (several && (r->perms & MAP_UNSAID)); // a loader maps more than one part
    }
    char magic[SELFMAG];
    size_t got = 0;
    m->is = OBJECT_OTHER;
    if (head && target_read(s->target, head->start, magic, sizeof magic, &got) == 0 && got == sizeof magic)
        m->is = memcmp(magic, ELFMAG, SELFMAG) == 0 ? OBJECT_ELF : OBJECT_OTHER;
    else if (code) // its beginning is not mapped, or overwritten and swapped out: the file will say
        m->is = OBJECT_ELF;
    return m->is == OBJECT_ELF;
}

static int copy_vdso(struct syms *s, const struct mapping *m, int *ret)
{
    size_t size = (size_t)(m->end - m->start), done = 0;
    if (m->end - m->start > VDSO_MAX)
        return err_set(EFBIG, "too large");
    CLEANUP_FREE char *bytes = malloc(size);
    if (!bytes)
        return err_set(ENOMEM, "out of memory");
    for (size_t got; done < size; done += got)
        if (target_read(s->target, m->start + done, bytes + done, size - done, &got) < 0) {
            if (done == 0)
                return -1;
            break;
        }
    CLEANUP_CLOSE int fd = memfd_create("vdso", MFD_CLOEXEC);
    if (fd < 0)
        return err_sys("cannot copy it");
    if (io_write(fd, bytes, done) < 0)
        return -1;
    *ret = fd;
    fd = -1;
    return 0;
}

int sym_object_open(struct syms *s, const struct object *m, int *ret)
{
    if (!s->target) {
        *ret = dup(s->fd);
        return *ret < 0 ? err_sys("cannot open it") : 0;
    }
    const struct mapping *first = &s->ranges[m->first].mapping;
    return m->vdso ? copy_vdso(s, first, ret) : target_open_file(s->target, first, ret);
}
