// SPDX-License-Identifier: MIT
#include "proc_source.h"

#include "err.h"
#include "io.h"
#include "num.h"
#include "pidfd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    CMDLINE_MAX = 1 << 21,    // arguments beyond it are not shown
};

const char *const ns_kinds[NS_KINDS] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};

// --- files ---------------------------------------------------------------------

int proc_file(const struct procs *ps, struct proc *p, const char *name, int flags)
{
    char path[64];
    int at = p->dir;
    if (at < 0) {
        size_t n = num_text(path, (uint64_t)p->pid);
        path[n] = '/';
        strcpy(path + n + 1, name); // one of the names in this file
        at = ps->fd;
        name = path;
    }
    if (p->open.n == ARRAY_LEN(p->open.fd))
        return -1;
    int fd = openat(at, name, flags | O_CLOEXEC);
    if (fd >= 0)
        p->open.fd[p->open.n++] = fd;
    return fd;
}

ssize_t proc_short(const struct procs *ps, struct proc *p, const char *name, char *to, size_t size)
{
    int fd = proc_file(ps, p, name, O_RDONLY);
    return fd < 0 ? -1 : io_read(fd, to, size);
}

int proc_text(const struct procs *ps, struct proc *p, const char *name, struct buf *to, size_t limit)
{
    buf_reset(to);
    int fd = proc_file(ps, p, name, O_RDONLY);
    return fd < 0 ? -1 : io_read_file(fd, to, limit, NULL);
}

int proc_read_stat(const struct procs *ps, struct proc *p)
{
    char text[2048]; // 52 fields of at most 20 digits, and the name
    ssize_t n = proc_short(ps, p, "stat", text, sizeof text);
    if (n < 0 || procfile_stat(text, (size_t)n, &p->stat) < 0)
        return -1;
    // While a process is taken out of the table the kernel prints it without a group, or as
    // dead: it is gone.
    if (p->stat.pgid == -1 || p->stat.state == 'X') {
        errno = ESRCH;
        return -1;
    }
    return 0;
}

static int read_statm(const struct procs *ps, struct proc *p)
{
    char text[256];
    // Kernel threads and zombies have no memory: nothing to read.
    if ((p->have & PROC_STAT) && p->stat.vsize == 0)
        return -1;
    ssize_t n = proc_short(ps, p, "statm", text, sizeof text);
    return n < 0 ? -1 : procfile_statm(text, (size_t)n, &p->statm);
}

static int read_owner(const struct procs *ps, struct proc *p)
{
    (void)ps;
    // The directory is owned by the effective ids, whatever the process's dumpable flag
    // (proc_pid(5)); its files are not.
    struct stat st;
    if (fstat(p->dir, &st) < 0)
        return -1;
    p->euid = st.st_uid;
    p->egid = st.st_gid;
    return 0;
}

static int read_comm(const struct procs *ps, struct proc *p)
{
    if (proc_text(ps, p, "comm", &p->comm, PROC_TEXT_MAX) < 0)
        return -1;
    if (p->comm.len > 0 && p->comm.data[p->comm.len - 1] == '\n')
        p->comm.len--;
    (void)buf_cstr(&p->comm);
    return buf_ok(&p->comm);
}

static int read_status(const struct procs *ps, struct proc *p)
{
    return proc_text(ps, p, "status", &p->status_text, PROC_TEXT_MAX) < 0
               ? -1
               : procfile_status(p->status_text.data, p->status_text.len, &p->status);
}

static int read_cmdline(const struct procs *ps, struct proc *p)
{
    if (proc_text(ps, p, "cmdline", &p->cmdline, CMDLINE_MAX) < 0)
        return -1;
    // A process that writes its title over the vector pads it with zeros.
    size_t len = p->cmdline.len;
    while (len > 0 && p->cmdline.data[len - 1] == '\0')
        len--;
    buf_reset(&p->args);
    char *to = buf_room(&p->args, len + 1);
    if (!to)
        return buf_ok(&p->args);
    for (size_t i = 0; i < len; i++)
        to[i] = p->cmdline.data[i] ? p->cmdline.data[i] : ' ';
    p->args.len = len;
    (void)buf_cstr(&p->args);
    return buf_ok(&p->args);
}

static int read_cgroup(const struct procs *ps, struct proc *p)
{
    const char *path;
    size_t len;
    if (proc_text(ps, p, "cgroup", &p->cgroup, PROC_TEXT_MAX) < 0 ||
        procfile_cgroup(p->cgroup.data, p->cgroup.len, &path, &len) < 0)
        return -1;
    memmove(p->cgroup.data, path, len);
    p->cgroup.len = len;
    return 0;
}

static int read_io(const struct procs *ps, struct proc *p)
{
    char text[512];
    ssize_t n = proc_short(ps, p, "io", text, sizeof text);
    return n < 0 || procfile_field(text, (size_t)n, "read_bytes", &p->read_bytes) < 0 ||
                   procfile_field(text, (size_t)n, "write_bytes", &p->write_bytes) < 0
               ? -1
               : 0;
}

static int read_smaps(const struct procs *ps, struct proc *p)
{
    char text[4096];
    uint64_t clean, dirty, hugetlb;
    ssize_t n = proc_short(ps, p, "smaps_rollup", text, sizeof text);
    if (n <= 0 || procfile_field(text, (size_t)n, "Pss", &p->pss) < 0 ||
        procfile_field(text, (size_t)n, "Private_Clean", &clean) < 0 ||
        procfile_field(text, (size_t)n, "Private_Dirty", &dirty) < 0 ||
        procfile_field(text, (size_t)n, "Private_Hugetlb", &hugetlb) < 0)
        return -1;
    p->uss = clean + dirty + hugetlb;
    return 0;
}

static int read_wchan(const struct procs *ps, struct proc *p)
{
    if (proc_text(ps, p, "wchan", &p->wchan, PROC_TEXT_MAX) < 0)
        return -1;
    return p->wchan.len == 0 || strcmp(buf_cstr(&p->wchan), "0") == 0 ? -1 : 0;
}

static int read_number(const struct procs *ps, struct proc *p, const char *name, int64_t *ret)
{
    char text[32];
    ssize_t n = proc_short(ps, p, name, text, sizeof text - 1);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    *ret = strtoll(text, NULL, 10);
    return 0;
}

static int read_oom(const struct procs *ps, struct proc *p)
{
    return read_number(ps, p, "oom_score", &p->oom);
}

static int read_oom_adj(const struct procs *ps, struct proc *p)
{
    return read_number(ps, p, "oom_score_adj", &p->oom_adj);
}

static int read_fds(const struct procs *ps, struct proc *p)
{
    int fd = proc_file(ps, p, "fd", O_RDONLY | O_DIRECTORY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    p->fds = (uint64_t)st.st_size; // Linux 6.2: their number
    if (p->fds > 0)
        return 0;
    DIR *dir = fdopendir(dup(fd));
    if (!dir)
        return -1;
    for (const struct dirent *e; (e = readdir(dir));)
        p->fds += e->d_name[0] != '.';
    closedir(dir);
    return 0;
}

static int status_ctxsw(int fd, struct buf *text, uint64_t *sum)
{
    struct proc_status st;
    buf_reset(text);
    if (io_read_file(fd, text, PROC_TEXT_MAX, NULL) < 0 || procfile_status(text->data, text->len, &st) < 0)
        return -1;
    *sum += st.vol_ctxsw + st.invol_ctxsw;
    return 0;
}

// The status of a process counts its first thread only: add up all of them.
static int read_ctxsw(const struct procs *ps, struct proc *p)
{
    CLEANUP_BUF struct buf text = {0};
    p->ctxsw = 0;
    if (p->tid) {
        int fd = proc_file(ps, p, "status", O_RDONLY);
        return fd < 0 ? -1 : status_ctxsw(fd, &text, &p->ctxsw);
    }
    int tasks = proc_file(ps, p, "task", O_RDONLY | O_DIRECTORY);
    DIR *dir = tasks < 0 ? NULL : fdopendir(dup(tasks));
    if (!dir)
        return -1;
    for (const struct dirent *e; (e = readdir(dir));) {
        char name[300];
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(name, sizeof name, "%s/status", e->d_name);
        int fd = openat(tasks, name, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            (void)status_ctxsw(fd, &text, &p->ctxsw); // a thread that just ended takes its count along
            close(fd);
        }
    }
    closedir(dir);
    return 0;
}

// --- links ---------------------------------------------------------------------

static int read_link(struct proc *p, const char *name, struct buf *to)
{
    enum { LONGEST = 4096 }; // PATH_MAX: the kernel gives no more
    buf_reset(to);
    char *room = buf_room(to, LONGEST);
    ssize_t n = room ? readlinkat(p->dir, name, room, LONGEST) : -1;
    if (n < 0)
        return -1;
    to->len = (size_t)n;
    return 0;
}

static int read_exe(const struct procs *ps, struct proc *p)
{
    (void)ps;
    return read_link(p, "exe", &p->exe);
}

static int read_cwd(const struct procs *ps, struct proc *p)
{
    (void)ps;
    return read_link(p, "cwd", &p->cwd);
}

static int read_root(const struct procs *ps, struct proc *p)
{
    (void)ps;
    return read_link(p, "root", &p->root);
}

static int read_ns(const struct procs *ps, struct proc *p)
{
    (void)ps;
    bool any = false;
    for (size_t i = 0; i < NS_KINDS; i++) {
        char name[16];
        struct stat st;
        (void)snprintf(name, sizeof name, "ns/%s", ns_kinds[i]);
        p->ns[i] = fstatat(p->dir, name, &st, 0) == 0 ? st.st_ino : 0;
        any |= p->ns[i] != 0;
    }
    return any ? 0 : -1;
}

static int read_tty(const struct procs *ps, struct proc *p)
{
    (void)ps;
    // The kernel's encoding of a device number in stat is that of new_encode_dev.
    unsigned major = p->stat.tty >> 8 & 0xfff, minor = (p->stat.tty & 0xff) | (p->stat.tty >> 12 & 0xfff00);
    buf_reset(&p->tty);
    if (p->stat.tty == 0) {
        errno = 0; // no terminal is no sign of death
        return -1;
    }
    if (major >= 136 && major <= 143) { // devices.txt: UNIX98 pty slaves, not in /sys
        buf_printf(&p->tty, "pts/%u", (major - 136) * 256 + minor);
        return buf_ok(&p->tty);
    }
    char link[64], target[256];
    (void)snprintf(link, sizeof link, "/sys/dev/char/%u:%u", major, minor);
    ssize_t n = readlink(link, target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    const char *slash = strrchr(target, '/');
    if (slash)
        buf_str(&p->tty, slash + 1);
    else
        buf_printf(&p->tty, "%u:%u", major, minor);
    return buf_ok(&p->tty);
}

// --- identity ----------------------------------------------------------------------

static int read_inode(const struct procs *ps, struct proc *p)
{
    (void)ps;
    CLEANUP_CLOSE int fd = -1;
    return pidfd_open_process(p->pid, &fd) < 0 ? -1 : pidfd_inode(fd, &p->inode);
}

static int read_now(const struct procs *ps, struct proc *p)
{
    (void)ps;
    p->now = proc_now();
    return 0;
}

#define BIT(need) __builtin_ctz(need)
const struct proc_source proc_sources[] = {
    [BIT(PROC_OWNER)] = {true, read_owner},
    [BIT(PROC_INODE)] = {false, read_inode},
    [BIT(PROC_STAT)] = {true, proc_read_stat},
    [BIT(PROC_STATM)] = {true, read_statm},
    [BIT(PROC_COMM)] = {true, read_comm},
    [BIT(PROC_STATUS)] = {true, read_status},
    [BIT(PROC_CMDLINE)] = {true, read_cmdline},
    [BIT(PROC_CGROUP)] = {true, read_cgroup},
    [BIT(PROC_IO)] = {false, read_io},
    [BIT(PROC_SMAPS)] = {false, read_smaps},
    [BIT(PROC_WCHAN)] = {false, read_wchan},
    [BIT(PROC_OOM)] = {true, read_oom},
    [BIT(PROC_OOM_ADJ)] = {true, read_oom_adj},
    [BIT(PROC_EXE)] = {false, read_exe},
    [BIT(PROC_CWD)] = {false, read_cwd},
    [BIT(PROC_ROOT)] = {false, read_root},
    [BIT(PROC_NS)] = {false, read_ns},
    [BIT(PROC_TTY)] = {false, read_tty},
    [BIT(PROC_FDS)] = {false, read_fds},
    [BIT(PROC_CTXSW)] = {false, read_ctxsw},
    [BIT(PROC_ABI)] = {false, proc_read_abi},
    [BIT(PROC_OSREL)] = {false, proc_read_osrel},
    [BIT(PROC_NOW)] = {false, read_now},
};
