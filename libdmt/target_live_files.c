// SPDX-License-Identifier: MIT
//
// The files of a live process, as it sees them: no device, no FIFO, nothing that may never answer.
#include "err.h"
#include "target_live.h"
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static struct mounts *checked(struct live *l)
{
    return l->base.options.remote_fs ? NULL : &l->mounts;
}

static int open_root(struct live *l, int *ret)
{
    int dir = live_dir(l);
    if (dir < 0)
        return -1;
    *ret = openat(dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return *ret < 0 ? err_sys("cannot open its root") : 0;
}

int live_open_path(struct target *t, const char *path, int *ret)
{
    struct live *l = live_of(t);
    CLEANUP_CLOSE int root = -1;
    CLEANUP_CLOSE int fd = -1;
    if (open_root(l, &root) < 0 || walk_open(checked(l), root, path, &fd) < 0)
        return -1;
    return walk_read(checked(l), fd, ret);
}

// What was written before the process began is of another one, that had its number. A clock may have been set since.
static bool is_older(struct live *l, const struct stat *st)
{
    const int64_t second = 1000000000, slack = second;
    const int64_t start = (int64_t)l->process.stat.start * (second / l->base.ps->hz) + l->base.ps->realtime_at_boot;
    return (int64_t)st->st_mtim.tv_sec * second + st->st_mtim.tv_nsec < start - slack;
}

// Anybody may put something there: so no link is followed, and the owner counts.
int live_open_jitmap(struct target *t, int *ret)
{
    struct live *l = live_of(t);
    struct proc *p = &l->process;
    uint64_t pid = (uint64_t)t->pid; // where the kernel does not say (before 4.1)
    char name[64];
    struct stat st;
    CLEANUP_CLOSE int root = -1;
    CLEANUP_CLOSE int dir = -1;
    CLEANUP_CLOSE int path = -1;
    CLEANUP_CLOSE int fd = -1;
    if (proc_load(t->ps, p, PROC_STAT | PROC_STATUS) < 0)
        return -1;
    if ((p->have & (PROC_STAT | PROC_STATUS)) != (PROC_STAT | PROC_STATUS))
        return err_set(ENOENT, "its owner is not known");
    (void)!procfile_own_pid(p->status_text.data, p->status_text.len, &pid);
    (void)snprintf(name, sizeof name, "perf-%llu.map", (unsigned long long)pid);
    if (open_root(l, &root) < 0 || walk_open(checked(l), root, "/tmp", &dir) < 0)
        return -1;
    path = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (path < 0)
        return err_set(ENOENT, "it has no /tmp/%s", name);
    if (walk_read(checked(l), path, &fd) < 0)
        return err_wrap("cannot take names from /tmp/%s", name);
    if (fstat(fd, &st) < 0)
        return err_sys("cannot take names from /tmp/%s", name);
    if (st.st_uid != 0 && st.st_uid != p->status.uid[1])
        return err_set(EACCES, "cannot take names from /tmp/%s: it belongs to user %u, not to the process's or root",
                       name, st.st_uid);
    if (is_older(l, &st))
        return err_set(ENOENT, "/tmp/%s is older than the process", name);
    *ret = fd;
    fd = -1;
    return 0;
}

// The names of mappings begin at our root, or at that of its mount namespace; so does what the link `root` says.
const char *live_own_path(struct target *t, const char *path)
{
    char root[PATH_MAX];
    int dir = live_dir(live_of(t));
    ssize_t n = dir < 0 ? -1 : readlinkat(dir, "root", root, sizeof root);
    return n > 1 && (size_t)n < sizeof root && strncmp(path, root, (size_t)n) == 0 && path[n] == '/' ? path + n : path;
}

// Whether FD is the file that is mapped there.
static bool is_mapped(struct live *l, const struct mapping *m, int fd)
{
    struct statx st;
    unsigned major, minor;
    return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st) == 0 && st.stx_ino == m->inode &&
           mounts_device(&l->mounts, fd, &major, &minor) == 0 && major == m->major && minor == m->minor;
}

// What the kernel keeps of it: for root, and right whatever became of its name. Not compared: before Linux 6.8 the
// list has the device and inode of the file below an overlay, and the descriptor those of the overlay.
static int open_map_file(struct live *l, const struct mapping *m)
{
    char name[64];
    int dir = live_dir(l);
    (void)snprintf(name, sizeof name, "map_files/%llx-%llx", (unsigned long long)m->start, (unsigned long long)m->end);
    return dir < 0 ? -1 : openat(dir, name, O_PATH | O_CLOEXEC);
}

// By a name below a root, if that leads to the same file. The kernel shows paths as we see them where it can.
static int open_named(struct live *l, struct mounts *mounts, const struct mapping *m, const char *path)
{
    CLEANUP_CLOSE int theirs = -1;
    CLEANUP_CLOSE int ours = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSE int fd = -1;
    if (open_root(l, &theirs) == 0 && walk_open(mounts, theirs, path, &fd) == 0 && is_mapped(l, m, fd))
        return fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0)
        close(fd);
    fd = -1;
    if (ours >= 0 && walk_open(mounts, ours, path, &fd) == 0 && is_mapped(l, m, fd))
        return fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return -1;
}

static int open_exe(struct live *l, const struct mapping *m)
{
    int dir = live_dir(l), fd = dir < 0 ? -1 : openat(dir, "exe", O_PATH | O_CLOEXEC);
    if (fd >= 0 && !is_mapped(l, m, fd)) {
        close(fd);
        return -1;
    }
    return fd;
}

static char *copy_name(const struct maps *maps, const struct mapping *m, const char *tail)
{
    char *path = NULL;
    if (m->name_len == 0 || *maps_name(maps, m) != '/' ||
        asprintf(&path, "%.*s%s", (int)m->name_len, maps_name(maps, m), tail) < 0)
        return NULL;
    return path;
}

int live_open_mapped(struct live *l, const struct maps *maps, const struct mapping *m, int *ret)
{
    if (m->inode == 0)
        return err_set(ENOENT, "no file is mapped there");
    CLEANUP_FREE char *path = copy_name(maps, m, "");
    CLEANUP_CLOSE int fd = open_map_file(l, m);
    if (fd < 0)
        fd = open_exe(l, m);
    if (fd < 0 && path)
        fd = open_named(l, checked(l), m, path);
    if (fd < 0)
        return err_set(ENOENT, "the file that is mapped there cannot be reached by its name: root can open it");
    return walk_read(checked(l), fd, ret);
}

// The caller's mapping may be older than the maps, if it has executed a program since; its name is among theirs.
int live_open_file(struct target *t, const struct mapping *m, int *ret)
{
    const struct mapping *same = maps_find(&t->maps, m->start);
    if (!same || same->start != m->start || same->inode != m->inode || same->name != m->name ||
        same->name_len != m->name_len)
        return err_set(ESRCH, "that is not mapped any more");
    return live_open_mapped(live_of(t), &t->maps, m, ret);
}

// A name that ends like a deleted file's: of one that was deleted, or is called so.
static bool is_called_so(struct live *l, const struct maps *maps, const struct mapping *m)
{
    CLEANUP_FREE char *path = copy_name(maps, m, MAPS_DELETED);
    CLEANUP_CLOSE int file = open_map_file(l, m);
    CLEANUP_CLOSE int named = -1;
    struct statx st;
    if (file >= 0 && statx(file, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_NLINK, &st) == 0 && st.stx_nlink == 0)
        return false;
    named = path ? open_named(l, &l->mounts, m, path) : -1;
    return named >= 0;
}

void live_true_names(struct live *l, struct maps *m)
{
    const struct mapping *last = NULL; // a program has many mappings of one file
    bool so = false;
    for (size_t i = 0; i < m->n; i++) {
        struct mapping *p = &m->at[i];
        if (!p->deleted)
            continue;
        if (!last || last->inode != p->inode || last->major != p->major || last->minor != p->minor)
            so = is_called_so(l, m, p);
        last = p;
        if (!so)
            continue;
        size_t at = m->names.len, len = p->name_len + strlen(MAPS_DELETED);
        char *room = buf_room(&m->names, len);
        if (!room)
            return;
        memcpy(room, m->names.data + p->name, p->name_len);
        memcpy(room + p->name_len, MAPS_DELETED, strlen(MAPS_DELETED));
        m->names.len += len;
        p->name = at;
        p->name_len = len;
        p->deleted = false;
    }
}
