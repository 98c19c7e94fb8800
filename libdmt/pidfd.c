// SPDX-License-Identifier: MIT
#include "pidfd.h"

#include "err.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

// <linux/magic.h> and <linux/pidfd.h> of 6.9; older headers lack them.
enum { MAGIC_PIDFS = 0x50494446, FLAG_THREAD = O_EXCL };

static int open_pidfd(pid_t id, unsigned flags, const char *what, int *ret)
{
    int fd = (int)syscall(SYS_pidfd_open, id, flags);
    if (fd >= 0) {
        *ret = fd;
        return 0;
    }
    if (errno == ESRCH)
        return err_set(ESRCH, "no such %s", what);
    if (!flags && (errno == EINVAL || errno == ENOENT)) // ENOENT since 6.16
        return err_set(ESRCH, "that is a thread, not a process; it is named PID/%d", id);
    if (errno == EINVAL)
        return err_set(ENOTSUP, "a signal to one thread needs Linux 6.9 or newer");
    return err_sys("cannot open a pidfd");
}

int pidfd_open_process(pid_t pid, int *ret)
{
    return open_pidfd(pid, 0, "process", ret);
}

int pidfd_open_thread(pid_t tid, int *ret)
{
    return open_pidfd(tid, FLAG_THREAD, "thread", ret);
}

int pidfd_inode(int pidfd, uint64_t *ret)
{
    struct statfs fs;
    struct stat st;
    if (fstatfs(pidfd, &fs) < 0 || fstat(pidfd, &st) < 0)
        return err_sys("cannot look at a pidfd");
    if (fs.f_type != MAGIC_PIDFS)
        return err_set(ENOTSUP, "PID:INODE needs Linux 6.9 or newer; use PID@START");
    *ret = st.st_ino;
    return 0;
}
