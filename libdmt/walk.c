// SPDX-License-Identifier: MIT
#include "walk.h"

#include "err.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 128, LINKS_MAX = 40 }; // 40: as path_resolution(7)

struct walk {
    struct mounts *mounts;
    int at[DEPTH_MAX]; // from the root (borrowed) to where we are
    size_t depth;
    char todo[2 * PATH_MAX];
    unsigned links;
};

static void close_above(struct walk *w, size_t depth)
{
    while (w->depth > depth)
        close(w->at[--w->depth]);
}

static int check(struct mounts *mounts, int fd)
{
    if (mounts && mounts_remote_file(mounts, fd))
        return err_set(EACCES, "the file is on a network or FUSE file system, which may never answer");
    return 0;
}

// Puts the text of the link FD before what is still to walk.
static int follow(struct walk *w, int fd, const char *rest)
{
    char text[2 * PATH_MAX];
    ssize_t n = readlinkat(fd, "", text, PATH_MAX);
    if (n < 0)
        return err_sys("cannot read a link");
    size_t left = strlen(rest);
    if (++w->links > LINKS_MAX)
        return err_set(ELOOP, "too many links");
    if ((size_t)n + 1 + left >= sizeof text)
        return err_set(ENAMETOOLONG, "the path is too long");
    text[n] = '/';
    memcpy(text + n + 1, rest, left + 1);
    memcpy(w->todo, text, (size_t)n + 1 + left + 1);
    if (text[0] == '/')
        close_above(w, 1);
    return 0;
}

static bool is_link(int fd)
{
    struct statx st;
    return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0 && S_ISLNK(st.stx_mode);
}

// One name of `todo`; what follows it begins at REST.
static int step(struct walk *w, const char *name, const char *rest)
{
    if (strcmp(name, ".") == 0 || !*name)
        memmove(w->todo, rest, strlen(rest) + 1);
    if (strcmp(name, "..") == 0) {
        close_above(w, w->depth > 1 ? w->depth - 1 : 1);
        memmove(w->todo, rest, strlen(rest) + 1);
        return 0;
    }
    if (strcmp(name, ".") == 0 || !*name)
        return 0;
    // The last name too: an O_PATH descriptor neither asks the file system of a mount point nor mounts anything.
    CLEANUP_CLOSE int fd = openat(w->at[w->depth - 1], name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? err_set(ENOENT, "no such file") : err_sys("cannot open the file");
    if (check(w->mounts, fd) < 0)
        return -1;
    if (is_link(fd))
        return follow(w, fd, rest);
    if (w->depth == DEPTH_MAX)
        return err_set(ENAMETOOLONG, "the path is too long");
    w->at[w->depth++] = fd;
    fd = -1;
    memmove(w->todo, rest, strlen(rest) + 1);
    return 0;
}

int walk_open(struct mounts *mounts, int root, const char *path, int *ret)
{
    struct walk w = {.mounts = mounts, .at = {root}, .depth = 1};
    int done = check(mounts, root);
    size_t n = strlen(path);
    if (n >= PATH_MAX)
        return err_set(ENAMETOOLONG, "the path is too long");
    memcpy(w.todo, path, n + 1);
    while (done == 0 && w.todo[0]) {
        char name[NAME_MAX + 1];
        size_t len = strcspn(w.todo, "/");
        if (len > NAME_MAX) {
            done = err_set(ENAMETOOLONG, "the path is too long");
            break;
        }
        memcpy(name, w.todo, len);
        name[len] = '\0';
        const char *rest = w.todo + len;
        done = step(&w, name, rest + strspn(rest, "/"));
    }
    int fd = done == 0 ? fcntl(w.at[w.depth - 1], F_DUPFD_CLOEXEC, 0) : -1;
    if (done == 0 && fd < 0)
        done = err_sys("cannot open the file");
    close_above(&w, 1);
    if (done == 0)
        *ret = fd;
    return done;
}

int walk_read(struct mounts *mounts, int path, int *ret)
{
    struct statx st;
    char link[32];
    if (statx(path, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
        return err_sys("cannot look at the file");
    if (!S_ISREG(st.stx_mode))
        return err_set(EACCES, "not a regular file");
    if (check(mounts, path) < 0)
        return -1;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", path);
    int fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return err_sys("cannot open the file");
    *ret = fd;
    return 0;
}
