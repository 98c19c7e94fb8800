// SPDX-License-Identifier: MIT
#include "io.h"

#include "err.h"

#include <errno.h>
#include <sys/resource.h>

enum { CHUNK = 4096 };

uint64_t io_raise_limit(void)
{
    static const rlim_t wishes[] = {1 << 20, 1 << 18, 1 << 16}; // fs.nr_open may be anything
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    bool raised = false;
    for (size_t i = 0; !raised && i < ARRAY_LEN(wishes) && limit.rlim_max < wishes[i]; i++) {
        const struct rlimit wish = {wishes[i], wishes[i]};
        raised = setrlimit(RLIMIT_NOFILE, &wish) == 0;
    }
    limit.rlim_cur = limit.rlim_max;
    if (!raised)
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

ssize_t io_read(int fd, void *to, size_t n)
{
    ssize_t got;
    do
        got = read(fd, to, n);
    while (got < 0 && errno == EINTR);
    return got;
}

int io_pread(int fd, void *to, size_t n, uint64_t offset)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(fd, (char *)to + done, n - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_sys("cannot read");
        if (got == 0)
            return err_set(EIO, "the file ends too early");
        done += (size_t)got;
    }
    return 0;
}

int io_write(int fd, const void *from, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t put = write(fd, (const char *)from + done, n - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_sys("cannot write");
        done += (size_t)put;
    }
    return 0;
}

int io_read_file(int fd, struct buf *buf, size_t limit, bool *cut)
{
    if (cut)
        *cut = false;
    for (size_t total = 0;;) {
        char *to = buf_room(buf, CHUNK);
        if (!to)
            return buf_ok(buf);
        ssize_t got = io_read(fd, to, CHUNK);
        if (got < 0) {
            int code = errno;
            (void)err_sys("cannot read");
            errno = code;
            return -1;
        }
        if ((size_t)got > limit - total) {
            buf->len += limit - total;
            if (cut)
                *cut = true;
            return 0;
        }
        buf->len += (size_t)got;
        total += (size_t)got;
        if (got < CHUNK)
            return 0;
    }
}
