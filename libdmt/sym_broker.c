// SPDX-License-Identifier: MIT
//
// The broker: which further files the child may have. Debug files alone, found by the build-id or the link of an
// object; the child proves that they fit, here they are ELF files and regular ones.
#include "err.h"
#include "io.h"
#include "objfile.h"
#include "sym_impl.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

int sym_open_regular(const char *path, int *ret)
{
    struct stat st;
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return err_sys("cannot open it");
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(EACCES, "not a regular file");
    *ret = fd;
    fd = -1;
    return 0;
}

static int open_elf(struct syms *s, bool ours, const char *path, int *ret)
{
    char magic[SELFMAG];
    CLEANUP_CLOSE int fd = -1;
    if ((ours || !s->target ? sym_open_regular(path, &fd) : target_open_path(s->target, path, &fd)) < 0)
        return -1;
    if (io_pread(fd, magic, sizeof magic, 0) < 0 || memcmp(magic, ELFMAG, SELFMAG) != 0)
        return err_set(EACCES, "not an ELF file");
    *ret = fd;
    fd = -1;
    return 0;
}

static bool has_build_id(int fd, const char *hex, size_t n)
{
    unsigned char id[BUILD_ID_MAX];
    size_t size;
    CLEANUP_BUF struct buf text = {0};
    if (objfile_build_id(fd, id, &size) < 0)
        return false;
    for (size_t i = 0; i < size; i++)
        buf_printf(&text, "%02x", id[i]);
    return text.len == n && memcmp(text.data, hex, n) == 0;
}

// The target's first, then ours: the same build-id is the same program.
static int grant_build_id(struct syms *s, const char *hex, size_t n, int *ret)
{
    CLEANUP_BUF struct buf path = {0};
    if (n < 4 || n > 2 * BUILD_ID_MAX || strspn(hex, "0123456789abcdef") != n)
        return err_set(EACCES, "not a build-id");
    buf_printf(&path, "/usr/lib/debug/.build-id/%.2s/%s.debug", hex, hex + 2);
    for (int ours = s->target ? 0 : 1; ours < 2; ours++) {
        CLEANUP_CLOSE int fd = -1;
        if (open_elf(s, ours, buf_cstr(&path), &fd) == 0 && has_build_id(fd, hex, n)) {
            *ret = fd;
            fd = -1;
            return 0;
        }
    }
    return err_set(ENOENT, "no debug file of build-id %s", hex);
}

// The directory of the object, for a plain file one that does not depend on ours.
static int put_directory(struct syms *s, const struct object *m, struct buf *dir)
{
    const char *path = m->path;
    CLEANUP_FREE char *whole = s->target ? NULL : realpath(path, NULL);
    if (whole)
        path = whole;
    else if (s->target)
        path = target_own_path(s->target, path);
    const char *slash = strrchr(path, '/');
    if (!slash || m->vdso)
        return err_set(ENOENT, "it has no directory");
    buf_add(dir, path, (size_t)(slash - path));
    return 0;
}

// Where gdb and elfutils look too.
static int grant_link(struct syms *s, uint32_t object, uint8_t place, const char *name, int *ret)
{
    CLEANUP_BUF struct buf dir = {0}, path = {0};
    if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || place > 2 ||
        object >= s->nobjects)
        return err_set(EACCES, "not a name of a debug file");
    if (put_directory(s, &s->objects[object], &dir) < 0)
        return -1;
    buf_printf(&path, "%s%s/%s%s", place == 2 ? "/usr/lib/debug" : "", buf_cstr(&dir), place == 1 ? ".debug/" : "",
               name);
    return buf_ok(&path) < 0 ? -1 : open_elf(s, false, buf_cstr(&path), ret);
}

int sym_grant(const char *request, size_t n, void *arg, int *ret)
{
    CLEANUP_BUF struct buf text = {0};
    struct packet p = packet_of(request, n);
    uint8_t kind = packet_u8(&p);
    uint32_t object = kind == SYM_WANT_LINK ? packet_u32(&p) : 0;
    uint8_t place = kind == SYM_WANT_LINK ? packet_u8(&p) : 0;
    buf_add(&text, p.at, p.left);
    const char *name = buf_cstr(&text);
    if (p.bad || strlen(name) != p.left)
        return err_set(EACCES, "a bad request");
    if (kind == SYM_WANT_BUILD_ID)
        return grant_build_id(arg, name, p.left, ret);
    return kind == SYM_WANT_LINK ? grant_link(arg, object, place, name, ret) : err_set(EACCES, "a bad request");
}
