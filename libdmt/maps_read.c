// SPDX-License-Identifier: MIT
//
// The mappings of a process, read from its directory.
#include "err.h"
#include "io.h"
#include "maps.h"

#include <errno.h>
#include <fcntl.h>

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

static int read_maps(int procdir, const char *file, struct maps *ret)
{
    CLEANUP_BUF struct buf text = {0};
    struct maps m = {0};
    CLEANUP_CLOSE int fd = openat(procdir, file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read_all(fd, &text) < 0)
        return errno == ENOENT || errno == ESRCH ? err_set(ESRCH, "no such process") : err_sys("cannot read its mappings");
    if (maps_parse(text.data, text.len, &m) < 0) {
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
