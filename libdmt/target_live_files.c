// SPDX-License-Identifier: MIT
//
// The files of a live process, as it sees them.
#include "err.h"
#include "target_live.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int check_regular(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys("cannot look at the file");
    return S_ISREG(st.st_mode) ? 0 : err_set(EACCES, "not a regular file");
}

int live_open_path(struct target *t, const char *path, int *ret)
{
    struct live *l = live_of(t);
    const struct open_how how = {.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    CLEANUP_CLOSE int root = openat(l->process.dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return err_sys("cannot open its root");
    CLEANUP_CLOSE int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd < 0)
        return err_sys("cannot open the file");
    if (check_regular(fd) < 0)
        return -1;
    *ret = fd;
    fd = -1;
    return 0;
}

int live_open_file(struct target *t, const struct mapping *mapping, int *ret)
{
    struct live *l = live_of(t);
    char name[64];
    (void)snprintf(name, sizeof name, "map_files/%llx-%llx", (unsigned long long)mapping->start,
                   (unsigned long long)mapping->end);
    CLEANUP_CLOSE int fd = openat(l->process.dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return err_sys("cannot open the file");
    if (check_regular(fd) < 0)
        return -1;
    *ret = fd;
    fd = -1;
    return 0;
}
