// SPDX-License-Identifier: MIT
//
// The mappings of a process, read from its directory.
#include "err.h"
#include "io.h"
#include "maps.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

enum { READ_AT_ONCE = 1 << 16 };

// The kernel gives about a page a read, of whole lines; only a read of nothing is the end.
static int read_all(int fd, struct buf *to)
{
    for (;;) {
        char *room = buf_room(to, READ_AT_ONCE);
        if (!room)
            return buf_ok(to);
        ssize_t got = io_read(fd, room, READ_AT_ONCE);
        if (got < 0)
            return -1;
        if (got == 0)
            return 0;
        to->len += (size_t)got;
    }
}

// PROCMAP_QUERY of Linux 6.11, <linux/fs.h>.
struct query {
    uint64_t size, flags, addr;
    uint64_t start, end, vma_flags, page_size, offset, inode;
    uint32_t major, minor, name_size, build_id_size;
    uint64_t name, build_id;
};
#define MAPS_QUERY _IOWR('f', 17, struct query)

static int query_name(int fd, const struct mapping *p, char *name, uint32_t size, size_t *len)
{
    struct query q = {.size = sizeof q, .addr = p->start, .name = (uintptr_t)name, .name_size = size};
    if (ioctl(fd, MAPS_QUERY, &q) < 0 || q.start != p->start || q.end != p->end || q.name_size == 0)
        return -1;
    *len = q.name_size - 1; // it counts the zero byte
    return 0;
}

// Where the kernel cannot be asked: it is a newline, and hardly ever these four letters.
static size_t unescape(char *to, const char *from, size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n; len++)
        if (n - i >= 4 && memcmp(from + i, "\\012", 4) == 0) {
            to[len] = '\n';
            i += 4;
        } else {
            to[len] = from[i++];
        }
    return len;
}

// In the text of maps a newline of a name is `\012`, and so is a name's own `\012` (seq_file_path).
static int true_names(int procdir, struct maps *m)
{
    CLEANUP_CLOSE int fd = -1;
    for (size_t i = 0; i < m->n; i++) {
        struct mapping *p = &m->at[i];
        char name[4096 + 16]; // PATH_MAX, and ` (deleted)`
        size_t len;
        if (!memmem(maps_name(m, p), p->name_len, "\\012", 4) || p->name_len > sizeof name)
            continue;
        if (fd < 0)
            fd = openat(procdir, "maps", O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && query_name(fd, p, name, sizeof name, &len) == 0) {
            if (p->deleted && len >= strlen(MAPS_DELETED))
                len -= strlen(MAPS_DELETED);
        } else {
            len = unescape(name, maps_name(m, p), p->name_len);
        }
        p->name = m->names.len;
        p->name_len = len;
        buf_add(&m->names, name, len);
    }
    return buf_ok(&m->names);
}

static int read_maps(int procdir, const char *file, struct maps *ret)
{
    CLEANUP_BUF struct buf text = {0};
    struct maps m = {0};
    CLEANUP_CLOSE int fd = openat(procdir, file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read_all(fd, &text) < 0)
        return errno == ENOENT || errno == ESRCH ? err_set(ESRCH, "no such process") : err_sys("cannot read its mappings");
    if (maps_parse(text.data, text.len, &m) < 0 || true_names(procdir, &m) < 0) {
        maps_fini(&m);
        return -1;
    }
    maps_fini(ret);
    *ret = m;
    return 0;
}

int maps_read(int procdir, struct maps *ret)
{
    return read_maps(procdir, "maps", ret);
}

int maps_read_usage(int procdir, struct maps *ret)
{
    return read_maps(procdir, "smaps", ret);
}
