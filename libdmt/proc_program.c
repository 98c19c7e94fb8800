// SPDX-License-Identifier: MIT
//
// What program a process runs: its kernel interface and the kernel it was linked for.
#include "err.h"
#include "mounts.h"
#include "objfile.h"
#include "proc_source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int proc_read_abi(const struct procs *ps, struct proc *p)
{
    char auxv[1024];
    ssize_t n = proc_short(ps, p, "auxv", auxv, sizeof auxv);
    p->abi = n > 0 ? procfile_abi(auxv, (size_t)n) : NULL;
    return p->abi ? 0 : -1;
}

int proc_read_osrel(const struct procs *ps, struct proc *p)
{
    int exe = proc_file(ps, p, "exe", O_PATH); // does not ask the file system
    struct statx st;
    if (exe < 0 || statx(exe, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
        return -1;
    struct mounts mounts;
    mounts_init(&mounts, ps->fd, p->dir);
    bool readable = S_ISREG(st.stx_mode) && !mounts_remote_file(&mounts, exe);
    mounts_fini(&mounts);
    errno = 0;
    if (!readable)
        return -1;
    int fd = proc_file(ps, p, "exe", O_RDONLY | O_NONBLOCK | O_NOCTTY);
    return fd < 0 ? -1 : objfile_osrel(fd, p->osrel);
}
