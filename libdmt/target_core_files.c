// SPDX-License-Identifier: MIT
//
// The files that were mapped, as far as they are here and are the same ones. A name in a core is a
// stranger's: what it leads to is looked at before it is opened, and trusted for its build-id alone.
#include "err.h"
#include "target_core.h"
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    STACKS_MAX = 16,   // that are looked for
    OPENED_MAX = 4096, // files of one core: the largest programs have that many
    READS_MAX = 1 << 16, // for the build-ids of all of them: most take three
};

// NULL: any file system will do.
static struct mounts *mounts_of(struct core *c)
{
    if (c->base.options.remote_fs)
        return NULL;
    if (c->procfs < 0) {
        c->procfs = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        c->procself = openat(c->procfs, "self", O_PATH | O_DIRECTORY | O_CLOEXEC);
        mounts_init(&c->mounts, c->procfs, c->procself);
    }
    return &c->mounts;
}

// A file below our own root. What it leads to is looked at before it is opened: opening a device can do something.
static int open_regular(struct core *c, const char *path, int *ret)
{
    struct mounts *mounts = mounts_of(c);
    struct statx st;
    CLEANUP_CLOSE int place = -1;
    CLEANUP_CLOSE int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return err_sys("cannot open /");
    if (walk_open(mounts, root, path, &place) < 0)
        return -1;
    if (statx(place, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE, &st) < 0)
        return err_sys("cannot look at the file");
    // Those of /proc and tracefs are regular and empty, and reading some of them takes away what they hold.
    if (S_ISREG(st.stx_mode) && st.stx_size == 0)
        return err_set(EACCES, "the file is empty");
    return walk_read(mounts, place, ret);
}

static int read_dumped(void *arg, uint64_t at, void *to, size_t n, size_t *got)
{
    struct core *c = arg;
    if (c->reads++ >= READS_MAX)
        return err_set(EIO, "too much was read for build-ids already");
    return mem_read(&c->base.mem, at, to, n, got);
}

struct build {
    unsigned char bytes[BUILD_MAX];
    size_t n;
};

static int check_same(const struct build *dumped, int fd)
{
    struct build here;
    if (objfile_build(fd, here.bytes, &here.n) < 0)
        return err_set(EACCES, "the file here has no build-id");
    if (here.n != dumped->n || memcmp(here.bytes, dumped->bytes, here.n) != 0)
        return err_set(EACCES, "the file here is another build of it");
    return 0;
}

static int open_entry(struct core *c, const struct core_file *f, int *ret)
{
    char path[PATH_MAX];
    const char *name = c->index.names.data + f->name;
    struct build dumped;
    if (f->first == CORE_NONE)
        return err_set(EACCES, "its first page was not mapped: which build it was is not known");
    if (f->name_len >= sizeof path || *name != '/')
        return err_set(EACCES, "it has no path");
    if (c->opened++ >= OPENED_MAX)
        return err_set(EACCES, "%d files were opened already", OPENED_MAX);
    if (objfile_build_at(read_dumped, c, c->index.files[f->first].start, dumped.bytes, &dumped.n) < 0)
        return err_set(EACCES, "the core does not say which build of it was mapped");
    memcpy(path, name, f->name_len);
    path[f->name_len] = '\0';
    CLEANUP_CLOSE int fd = -1;
    if (open_regular(c, path, &fd) < 0 || check_same(&dumped, fd) < 0)
        return -1;
    *ret = fd;
    fd = -1;
    return 0;
}

// Opened once, and refused once: the descriptor stays ours.
static int backing(struct core *c, const struct core_file *f, int *ret)
{
    struct core_backing *b = NULL;
    if (f->first == CORE_NONE)
        return open_entry(c, f, ret); // says why not
    for (size_t i = 0; i < CORE_BACKINGS && !b; i++)
        if (c->backings[i].first == f->first + 1)
            b = &c->backings[i];
    if (!b) {
        b = &c->backings[c->next_backing++ % CORE_BACKINGS];
        if (b->first && b->fd >= 0)
            close(b->fd);
        *b = (struct core_backing){.first = f->first + 1, .fd = -1};
        if (open_entry(c, f, &b->fd) < 0) {
            b->code = err_code();
            (void)snprintf(b->why, sizeof b->why, "%s", err_text());
        }
    }
    if (b->fd < 0)
        return err_set(b->code, "%s", b->why);
    *ret = b->fd;
    return 0;
}

void core_close_files(struct core *c)
{
    for (size_t i = 0; i < CORE_BACKINGS; i++)
        if (c->backings[i].first && c->backings[i].fd >= 0)
            close(c->backings[i].fd);
    mounts_fini(&c->mounts);
    if (c->procself >= 0)
        close(c->procself);
    if (c->procfs >= 0)
        close(c->procfs);
}

// --- memory --------------------------------------------------------------------

/*
 * Whether private memory that was written to is in the core (bit 0 of coredump_filter, core(5)): the stack that
 * a thread stood on always is. If it is, private pages that are not there were never written to and are the file's.
 */
static bool stacks_dumped(struct core *c)
{
    if (!c->stacks_known) {
        struct regs r = {0};
        char byte;
        size_t got;
        c->stacks_known = true;
        for (size_t i = 0; i < c->index.nthreads && i < STACKS_MAX && !c->stacks_dumped; i++)
            c->stacks_dumped = core_regs(&c->base, c->index.threads[i].tid, 1 << REGS_GP, &r) == 0 &&
                               mem_read(&c->base.mem, reg_sp(&r), &byte, 1, &got) == 0;
        regs_fini(&r);
    }
    return c->stacks_dumped;
}

// Up to N bytes of the file at OFFSET. What is behind its end in its last page was zeros in memory.
static int read_mapped(int fd, uint64_t offset, void *to, size_t n, size_t *got)
{
    struct stat st;
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    if (objfile_read_fd(&fd, offset, to, n, got) == 0)
        return 0;
    if (err_code() != EIO || fstat(fd, &st) < 0 || st.st_size < 0)
        return -1;
    uint64_t end = ((uint64_t)st.st_size + page - 1) / page * page;
    if (offset < (uint64_t)st.st_size || offset >= end)
        return err_set(EIO, "the file ends before");
    *got = n < end - offset ? n : (size_t)(end - offset);
    memset(to, 0, *got);
    return 0;
}

int core_read_file(struct core *c, uint64_t addr, void *to, size_t n, size_t *got)
{
    const struct core_load *next = core_next_load(&c->index, addr), *l = next && next->start <= addr ? next : NULL;
    const struct core_file *f = core_find_file(&c->index, addr);
    const unsigned long long at = addr;
    if (!l && !f)
        return err_set(EFAULT, "nothing is mapped at 0x%llx", at);
    if (l && addr - l->start < l->filesz)
        return err_set(EIO, "0x%llx was dumped, but the core file is cut off", at);
    if (!f)
        return err_set(EIO, "0x%llx was not dumped", at);
    const char *name = c->index.names.data + f->name;
    const int len = f->name_len < PATH_MAX ? (int)f->name_len : PATH_MAX;
    // What gdb left out has no segment, and so no permissions.
    const bool writable = l && (l->perms & MAP_WRITE), code = l && (l->perms & MAP_EXEC);
    if (writable || (!code && !stacks_dumped(c)))
        return err_set(EIO, "0x%llx was not dumped, and may have differed from %.*s", at, len, name);
    // Up to where a segment ends, or one begins that was dumped.
    uint64_t end = f->end;
    if (next && (l ? l->end : next->start) < end)
        end = l ? l->end : next->start;
    if (n > end - addr)
        n = (size_t)(end - addr);
    int fd;
    if (backing(c, f, &fd) == 0 && read_mapped(fd, f->offset + (addr - f->start), to, n, got) == 0)
        return 0;
    char why[sizeof c->backings[0].why];
    (void)snprintf(why, sizeof why, "%s", err_text());
    return err_set(EIO, "0x%llx was not dumped, and is not read from %.*s: %s", at, len, name, why);
}

// --- as the target sees them ---------------------------------------------------

int core_open_file(struct target *t, const struct mapping *mapping, int *ret)
{
    struct core *c = core_of(t);
    const struct core_file *f = core_find_file(&c->index, mapping->start);
    return f ? open_entry(c, f, ret) : err_set(ENOENT, "no file is mapped there");
}

int core_open_path(struct target *t, const char *path, int *ret)
{
    struct core *c = core_of(t);
    const size_t len = strlen(path);
    for (size_t i = 0; i < c->index.nfiles; i++) {
        const struct core_file *f = &c->index.files[i];
        if (f->name_len == len && memcmp(c->index.names.data + f->name, path, len) == 0 && f->first != CORE_NONE)
            return open_entry(c, f, ret);
    }
    return open_regular(c, path, ret);
}
