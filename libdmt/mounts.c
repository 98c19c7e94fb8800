// SPDX-License-Identifier: MIT
#include "mounts.h"

#include "err.h"
#include "io.h"
#include "procfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { MOUNTINFO_MAX = 1 << 22, MAP_HUGE_AT = 26 }; // MFD_HUGE_SHIFT

void mounts_init(struct mounts *m, int procfs, int procdir)
{
    struct stat ours, theirs;
    *m = (struct mounts){.procfs = procfs, .procdir = procdir};
    m->shares_users = fstatat(procdir, "ns/user", &theirs, 0) == 0 && fstatat(procfs, "self/ns/user", &ours, 0) == 0 &&
                      ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

void mounts_fini(struct mounts *m)
{
    for (size_t i = 0; i < ARRAY_LEN(m->text); i++)
        buf_fini(&m->text[i]);
}

static void read_text(struct mounts *m, unsigned i)
{
    static const char *const names[] = {"mountinfo", "self/mountinfo", "1/mountinfo"};
    CLEANUP_CLOSE int fd = openat(i == 0 ? m->procdir : m->procfs, names[i], O_RDONLY | O_CLOEXEC);
    enum { AT_ONCE = 1 << 13 }; // the kernel gives about a page a read
    for (char *room; fd >= 0 && m->text[i].len < MOUNTINFO_MAX && (room = buf_room(&m->text[i], AT_ONCE));) {
        ssize_t got = io_read(fd, room, AT_ONCE);
        if (got <= 0)
            break;
        m->text[i].len += (size_t)got;
    }
}

/*
 * A mount with this id, or any of this device. The process may have files of mounts that it does not see, in a
 * chroot or from before it changed its namespace: ids and devices are the same for all, so others' lists do.
 */
static bool find(struct mounts *m, const uint64_t *id, unsigned major, unsigned minor, struct proc_mount *ret)
{
    for (unsigned i = 0; i < ARRAY_LEN(m->text); i++) {
        if (i == m->tried) {
            read_text(m, i);
            m->tried++;
        }
        const struct buf *text = &m->text[i];
        for (size_t at = 0; text->len > 0 && procfile_mount(text->data, text->len, &at, ret) == 0;)
            if (id ? ret->id == *id : ret->major == major && ret->minor == minor)
                return true;
    }
    return false;
}

static bool is_remote(const struct mounts *m, const struct proc_mount *mount)
{
    static const char *const remote[] = {"fuse",   "nfs",   "cifs", "smb",  "9p",  "ceph",   "afs",     "virtiofs", "coda",
                                         "lustre", "gpfs",  "pvfs", "orangefs", "beegfs", "glusterfs", "autofs",   "vboxsf"};
    for (size_t i = 0; i < ARRAY_LEN(remote); i++)
        if (mount->type_len >= strlen(remote[i]) && memcmp(mount->type, remote[i], strlen(remote[i])) == 0)
            return true;
    // An overlay may lie over one; only who shares our user namespace needed privileges to mount it.
    return mount->type_len == strlen("overlay") && memcmp(mount->type, "overlay", mount->type_len) == 0 &&
           !m->shares_users;
}

static bool same_device(int fd, unsigned major, unsigned minor)
{
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 && major(st.st_dev) == major && minor(st.st_dev) == minor;
}

// The kernel's own mounts are in no list: shared memory, memfd, /dev/zero; the same of huge pages, one for each size.
static bool is_kernels_own(unsigned major, unsigned minor)
{
    CLEANUP_CLOSE int plain = memfd_create("dmt", MFD_CLOEXEC);
    if ((major == 0 && minor == 0) || same_device(plain, major, minor))
        return true;
    for (unsigned log2 = 16; log2 <= 34; log2++) {
        CLEANUP_CLOSE int huge = memfd_create("dmt", MFD_CLOEXEC | MFD_HUGETLB | log2 << MAP_HUGE_AT);
        if (same_device(huge, major, minor))
            return true;
    }
    return false;
}

bool mounts_remote_device(struct mounts *m, unsigned major, unsigned minor)
{
    struct proc_mount mount;
    if (major == 0 && minor == 0)
        return false;
    return find(m, NULL, major, minor, &mount) ? is_remote(m, &mount) : !is_kernels_own(major, minor);
}

static bool find_of(struct mounts *m, int fd, struct statx *st, struct proc_mount *ret)
{
    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, st) < 0 || !(st->stx_mask & STATX_MNT_ID))
        return false;
    const uint64_t id = st->stx_mnt_id;
    return find(m, &id, 0, 0, ret);
}

bool mounts_remote_file(struct mounts *m, int fd)
{
    struct proc_mount mount;
    struct statx st = {0};
    if (find_of(m, fd, &st, &mount))
        return is_remote(m, &mount);
    return !st.stx_mask || mounts_remote_device(m, st.stx_dev_major, st.stx_dev_minor);
}

int mounts_device(struct mounts *m, int fd, unsigned *major, unsigned *minor)
{
    struct proc_mount mount;
    struct statx st = {0};
    bool found = find_of(m, fd, &st, &mount);
    if (!st.stx_mask)
        return err_set(ENOENT, "the device of the file cannot be told");
    *major = found ? mount.major : st.stx_dev_major;
    *minor = found ? mount.minor : st.stx_dev_minor;
    return 0;
}
