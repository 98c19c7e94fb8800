// SPDX-License-Identifier: MIT
//
// What of it is asked: addresses in code that is no file's, as the target's mappings say it.
#include "err.h"
#include "jitmap.h"

#include <errno.h>
#include <string.h>

void jit_names_fini(struct jit_names *j)
{
    free(j->at);
    buf_fini(&j->text);
    *j = (struct jit_names){0};
}

// Anonymous, or of a file that has no name (memfd_create(2), deleted): compilers map one twice to write and to run it.
static bool is_jit(const struct maps *maps, uint64_t addr)
{
    const struct mapping *m = maps_find(maps, addr);
    if (!m || !(m->perms & MAP_EXEC))
        return false;
    const char *name = maps_name(maps, m);
    const bool kernels = m->name_len > 2 && memcmp(name, "[v", 2) == 0; // [vdso], [vsyscall]
    return m->inode == 0 || m->deleted ? !kernels : false;
}

static bool has_jit(const struct maps *maps)
{
    for (size_t i = 0; i < maps->n; i++)
        if (is_jit(maps, maps->at[i].start))
            return true;
    return false;
}

static int add(struct jit_names *j, uint64_t addr)
{
    struct jit_name *grown = array_grow(j->at, j->n, &j->cap, sizeof *grown);
    if (!grown)
        return -1;
    j->at = grown;
    j->at[j->n++] = (struct jit_name){.addr = addr};
    return 0;
}

static int by_addr(const void *a, const void *b)
{
    const struct jit_name *x = a, *y = b;
    return (x->addr > y->addr) - (x->addr < y->addr);
}

static void sort(struct jit_names *j)
{
    size_t kept = 0;
    if (j->n > 1)
        qsort(j->at, j->n, sizeof *j->at, by_addr);
    for (size_t i = 0; i < j->n; i++)
        if (kept == 0 || j->at[kept - 1].addr != j->at[i].addr)
            j->at[kept++] = j->at[i];
    j->n = kept;
}

static int keep(size_t i, const struct jitmap_line *line, void *arg)
{
    struct jit_names *j = arg;
    struct jit_name *name = &j->at[i];
    name->start = line->start;
    name->size = line->size;
    name->name = j->text.len;
    name->name_len = line->name_len < JITMAP_NAME_MAX ? line->name_len : JITMAP_NAME_MAX;
    name->found = true;
    buf_add(&j->text, line->name, name->name_len);
    buf_byte(&j->text, '\0');
    return buf_ok(&j->text);
}

static int find(int fd, struct jit_names *j)
{
    sort(j);
    CLEANUP_FREE uint64_t *addrs = calloc(j->n + 1, sizeof *addrs);
    if (!addrs)
        return err_set(ENOMEM, "out of memory");
    for (size_t i = 0; i < j->n; i++)
        addrs[i] = j->at[i].addr;
    return jitmap_find(fd, addrs, j->n, keep, j);
}

// 1: there is none.
static int open_file(struct target *t, int *ret)
{
    if (target_open_jitmap(t, ret) == 0)
        return 0;
    return err_code() == ENOENT || err_code() == ENOTSUP ? 1 : -1;
}

// All that hinders is of one kind: names that the target wrote are not known.
static int cannot(void)
{
    return err_set(err_code() == ENOMEM ? ENOMEM : EIO, "%s", err_text());
}

int jit_names_find(struct target *t, const uint64_t *addrs, size_t n, struct jit_names *ret)
{
    const struct maps *maps;
    CLEANUP_CLOSE int fd = -1;
    if (target_is_core(t) || target_maps(t, &maps) < 0)
        return 0; // who asks for symbols hears of it
    for (size_t i = 0; i < n; i++)
        if (is_jit(maps, addrs[i]) && add(ret, addrs[i]) < 0)
            return -1;
    if (ret->n == 0)
        return 0;
    int done = open_file(t, &fd);
    if (done == 0)
        done = find(fd, ret);
    return done < 0 ? cannot() : 0;
}

const struct jit_name *jit_names_at(const struct jit_names *j, uint64_t addr)
{
    const struct jit_name key = {.addr = addr};
    const struct jit_name *found = j->n > 0 ? bsearch(&key, j->at, j->n, sizeof key, by_addr) : NULL;
    return found && found->found ? found : NULL;
}

// --- by name ---------------------------------------------------------------------------------------

struct calling {
    const struct maps *maps;
    const char *name;      // NULL: any
    size_t name_len;
    struct jit_names *names;
};

static int add_start(const struct jitmap_line *line, void *arg)
{
    struct calling *c = arg;
    if ((c->name && (line->name_len != c->name_len || memcmp(line->name, c->name, c->name_len) != 0)) ||
        !is_jit(c->maps, line->start))
        return 0;
    if (c->names->n == JITMAP_LIST_MAX)
        return err_set(EFBIG, "more than %d names", JITMAP_LIST_MAX);
    return add(c->names, line->start);
}

// Where a later line has put another function there, the earlier one is gone.
static void drop_replaced(const struct calling *c)
{
    struct jit_names *j = c->names;
    size_t kept = 0;
    for (size_t i = 0; i < j->n; i++)
        if (j->at[i].found && j->at[i].start == j->at[i].addr &&
            (!c->name || (j->at[i].name_len == c->name_len &&
                          memcmp(jit_name_text(j, &j->at[i]), c->name, c->name_len) == 0)))
            j->at[kept++] = j->at[i];
    j->n = kept;
}

int jit_names_called(struct target *t, const char *name, struct jit_names *ret)
{
    struct calling c = {.name = name, .name_len = name ? strlen(name) : 0, .names = ret};
    CLEANUP_CLOSE int fd = -1;
    if (target_is_core(t) || target_maps(t, &c.maps) < 0 || !has_jit(c.maps))
        return 0;
    int done = open_file(t, &fd);
    if (done == 0)
        done = jitmap_lines(fd, add_start, &c);
    if (done == 0 && ret->n > 0)
        done = find(fd, ret);
    drop_replaced(&c);
    return done < 0 ? cannot() : 0;
}
