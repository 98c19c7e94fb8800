// SPDX-License-Identifier: MIT
//
// What program a process runs: its kernel interface and the kernel it was linked for.
#include "err.h"
#include "io.h"
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

static int read_our_mountinfo(const struct procs *ps, struct buf *to)
{
    CLEANUP_CLOSE int fd = openat(ps->fd, "self/mountinfo", O_RDONLY | O_CLOEXEC);
    buf_reset(to);
    return fd < 0 ? -1 : io_read_file(fd, to, PROC_TEXT_MAX, NULL);
}

/*
 * Whether reading a file of the process's mount ID can wait for a stranger: a FUSE daemon
 * that does not answer holds its readers in a sleep that no signal ends. An overlay
 * may lie over one; only who shares our user namespace needed privileges to mount it.
 */
static bool may_wedge(const struct procs *ps, struct proc *p, uint64_t mount_id)
{
    static const char *const remote[] = {"fuse", "nfs", "cifs", "smb3", "9p", "ceph", "afs", "virtiofs"};
    CLEANUP_BUF struct buf text = {0};
    const char *type;
    size_t len;
    struct stat ours, theirs;
    // In a chroot the process does not see the mount that its root is in; we may.
    if ((proc_text(ps, p, "mountinfo", &text, PROC_TEXT_MAX) < 0 ||
         procfile_mount_type(text.data, text.len, mount_id, &type, &len) < 0) &&
        (read_our_mountinfo(ps, &text) < 0 || procfile_mount_type(text.data, text.len, mount_id, &type, &len) < 0))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(remote); i++)
        if (len >= strlen(remote[i]) && memcmp(type, remote[i], strlen(remote[i])) == 0)
            return true;
    bool overlay = len == strlen("overlay") && memcmp(type, "overlay", len) == 0;
    return overlay && (fstatat(p->dir, "ns/user", &theirs, 0) < 0 || fstatat(ps->fd, "self/ns/user", &ours, 0) < 0 ||
                       ours.st_ino != theirs.st_ino);
}

int proc_read_osrel(const struct procs *ps, struct proc *p)
{
    int exe = proc_file(ps, p, "exe", O_PATH); // does not ask the file system
    struct statx st;
    if (exe < 0 || statx(exe, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID | STATX_TYPE, &st) < 0)
        return -1;
    errno = 0;
    if (!(st.stx_mask & STATX_MNT_ID) || !S_ISREG(st.stx_mode) || may_wedge(ps, p, st.stx_mnt_id))
        return -1;
    int fd = proc_file(ps, p, "exe", O_RDONLY | O_NONBLOCK | O_NOCTTY);
    return fd < 0 ? -1 : objfile_osrel(fd, p->osrel);
}
