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

enum { READ_AT_ONCE = 1 << 13 };

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
        enum { NAME_MOST = 4096 + sizeof MAPS_DELETED }; // PATH_MAX
        if (!memmem(maps_name(m, p), p->name_len, "\\012", 4))
            continue;
        size_t len, at = m->names.len;
        char *to = buf_room(&m->names, p->name_len > NAME_MOST ? p->name_len : NAME_MOST);
        if (!to)
            break;
        if (fd < 0)
            fd = openat(procdir, "maps", O_RDONLY | O_CLOEXEC);
        if (fd < 0 || query_name(fd, p, to, NAME_MOST, &len) < 0)
            len = unescape(to, m->names.data + p->name, p->name_len);
        else if (p->deleted && len >= strlen(MAPS_DELETED))
            len -= strlen(MAPS_DELETED);
        m->names.len += len;
        p->name = at;
        p->name_len = len;
    }
    return buf_ok(&m->names);
}

// Kernel threads and zombies have none: a size of 0 pages.
static bool has_memory(int procdir)
{
    char pages;
    CLEANUP_CLOSE int fd = openat(procdir, "statm", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && io_read(fd, &pages, 1) == 1 && pages != '0';
}

/*
 * Once the address space is gone, by an end or by execve(2), its list ends wherever it was read: the list is whole if
 * it can be begun again. 1: it is not.
 */
static int read_whole(int procdir, const char *file, struct buf *text)
{
    char again;
    buf_reset(text);
    CLEANUP_CLOSE int fd = openat(procdir, file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read_all(fd, text) < 0)
        return -1;
    return text->len > 0 ? pread(fd, &again, 1, 0) <= 0 : has_memory(procdir);
}

static int read_maps(int procdir, const char *file, struct maps *ret)
{
    enum { TRIES = 32 };
    CLEANUP_BUF struct buf text = {0};
    struct maps m = {0};
    int cut = 1;
    for (int i = 0; i < TRIES && cut > 0; i++) {
        errno = 0;
        cut = read_whole(procdir, file, &text);
    }
    if (cut < 0 && errno == 0)
        return buf_ok(&text);
    if (cut < 0)
        return errno == ENOENT || errno == ESRCH ? err_set(ESRCH, "no such process") : err_sys("cannot read its mappings");
    if (cut > 0)
        return err_set(EAGAIN, "cannot read its mappings: it executes program after program");
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
