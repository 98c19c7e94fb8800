// SPDX-License-Identifier: MIT
//
// maps, mem, target, and what the target needs: limit, walk, mounts. The memory of a child that this one made.
#include "err.h"
#include "limit.h"
#include "mem.h"
#include "mounts.h"
#include "target.h"
#include "unit.h"
#include "walk.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#define USAGE_OF(rss, pss, clean, dirty, swap)                                                                      \
    "Size:    8 kB\nRss:     " rss " kB\nPss:     " pss " kB\nPss_Dirty:  9 kB\nShared_Dirty:    " clean           \
    " kB\nPrivate_Dirty:    " dirty " kB\nSwap:    " swap " kB\nSwapPss:  7 kB\nVmFlags: rd mr mw\n"

static const char maps_file[] =
    "1000-3000 r-xp 00002000 fd:1f 18446744073709551615                       /a b\tc (deleted)\n"
    "3000-4000 rw-s 00000000 00:00 0 \n"
    "7000-8000 ---p 00000000 00:00 0                          [heap]\n"
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

static bool named(const struct maps *m, size_t i, const char *name)
{
    return m->at[i].name_len == strlen(name) && memcmp(maps_name(m, &m->at[i]), name, strlen(name)) == 0;
}

static bool refuses(const char *text)
{
    struct maps m = {0};
    bool refused = maps_parse(text, strlen(text), &m) == -1 && err_code() == EPROTO;
    maps_fini(&m);
    return refused;
}

void test_maps(void)
{
    struct maps m = {0};
    check(maps_parse(maps_file, strlen(maps_file), &m) == 0 && m.n == 4 && m.have == (MAPS_PERMS | MAPS_SHARED | MAPS_DEV));
    const struct mapping *a = m.at;
    check(a->start == 0x1000 && a->end == 0x3000 && a->offset == 0x2000 && a->perms == (MAP_READ | MAP_EXEC));
    check(a->major == 0xfd && a->minor == 0x1f && a->inode == UINT64_MAX && a->deleted && named(&m, 0, "/a b\tc"));
    check(m.at[1].perms == (MAP_READ | MAP_WRITE | MAP_IS_SHARED) && named(&m, 1, "") && !m.at[1].deleted);
    check(m.at[2].perms == 0 && named(&m, 2, "[heap]") && m.at[3].start == 0xffffffffff600000);
    check(maps_find(&m, 0x0fff) == NULL && maps_find(&m, 0x1000) == a && maps_find(&m, 0x2fff) == a);
    check(maps_find(&m, 0x3000) == a + 1 && maps_find(&m, 0x5000) == NULL && maps_find(&m, UINT64_MAX) == NULL);
    maps_fini(&m);

    static const char smaps[] = "1000-3000 r-xp 00000000 fd:01 5 /a\n" USAGE_OF("5", "4", "1", "2", "3")
        "3000-4000 rw-p 00000000 00:00 0 \n" USAGE_OF("0", "0", "0", "0", "0");
    check(maps_parse(smaps, strlen(smaps), &m) == 0 && m.n == 2 && (m.have & MAPS_USAGE));
    check(m.at[0].rss == 5120 && m.at[0].pss == 4096 && m.at[0].dirty == 3072 && m.at[0].swap == 3072);
    check(m.at[1].rss == 0 && m.at[1].dirty == 0);
    maps_fini(&m);

    check(refuses("x") && refuses("1000-1000 r-xp 0 0:0 0 \n") && refuses("1000-2000 rwxx 0 0:0 0 \n"));
    check(refuses("1000-2000 r-xp 0 0:0\n") && refuses("1000-2000 r-xp 0 0:0 5x /a\n") && refuses("Rss: 5 kB\n"));
    check(refuses("1000-10000000000000000 r-xp 0 0:0 0 \n") && refuses("1000-2000 r-xp 0 100000000:0 0 \n"));
    static const char torn[] = "1000-3000 r-xp 0 0:1 5 /a\n2000-4000 r-xp 1000 0:1 5 /a\n1000-2000 r-xp 0 0:0 0 \n";
    check(maps_parse(torn, strlen(torn), &m) == 0 && m.n == 2 && m.at[1].start == 0x3000 && m.at[1].offset == 0x2000);
    maps_fini(&m);
    bool ends = true;
    for (size_t n = 0; n < strlen(maps_file); n++) {
        ends = ends && maps_parse(unit_edge(maps_file, n), n, &m) <= 0;
        maps_fini(&m);
    }
    check(ends);

    const struct mapping late = {.start = 9, .end = 10}, early = {.start = 1, .end = 2};
    check(maps_add(&m, &late, "late", 4) == 0 && maps_add(&m, &early, "early", 5) == 0);
    maps_sort(&m);
    check(named(&m, 0, "early") && named(&m, 1, "late"));
    maps_fini(&m);
}

static int add(struct mem *m, uint64_t base, uint64_t size, int fd, uint64_t offset, uint64_t filesz)
{
    const struct mem_segment s = {base, size, fd, offset, filesz};
    return mem_add(m, &s);
}

static bool reads(const struct mem *m, uint64_t addr, size_t n, const char *want, size_t len)
{
    char to[64];
    size_t got = 0;
    return mem_read(m, addr, to, n, &got) == 0 && got == len && memcmp(to, want, len) == 0;
}

static int fails(const struct mem *m, uint64_t addr)
{
    char to[8];
    size_t got;
    return mem_read(m, addr, to, sizeof to, &got) == -1 ? err_code() : 0;
}

void test_mem(void)
{
    struct mem m = {0};
    CLEANUP_CLOSE int fd = memfd_create("unit", MFD_CLOEXEC);
    check(fd >= 0 && write(fd, "0123456789abcdef", 16) == 16);
    check(add(&m, 0x1000, 8, fd, 4, 6) == 0 && add(&m, 0x1010, 4, fd, 0, 4) == 0);
    check(reads(&m, 0x1000, 8, "456789\0\0", 8) && reads(&m, 0x1004, 64, "89\0\0", 4));
    check(reads(&m, 0x1010, 2, "01", 2) && reads(&m, 0x1006, 1, "", 1) && reads(&m, 0x1000, 0, "", 0));
    check(fails(&m, 0xfff) == EFAULT && fails(&m, 0x1008) == EFAULT && fails(&m, 0x1014) == EFAULT);
    // The earlier ones keep their bytes; what is between and around them is added.
    check(add(&m, 0xffe, 0x20, fd, 0, 2) == 0 && m.n == 5);
    check(reads(&m, 0xffe, 6, "014567", 6) && reads(&m, 0x100e, 4, "\0\00001", 4));
    check(reads(&m, 0x101d, 8, "\0", 1) && fails(&m, 0x101e) == EFAULT);
    check(add(&m, 0x1000, 4, fd, 0, 4) == 0 && m.n == 5);
    check(add(&m, UINT64_MAX, 2, fd, 0, 0) == -1 && err_code() == EINVAL);
    check(add(&m, 0, 2, fd, 0, 3) == -1 && add(&m, 0, 2, fd, UINT64_MAX, 2) == -1 && add(&m, 5, 0, fd, 0, 0) == 0);
    check(add(&m, UINT64_MAX - 1, 2, fd, 1, 2) == 0 && reads(&m, UINT64_MAX, 9, "2", 1));
    check(add(&m, 0x5000, 8, fd, 14, 8) == 0 && reads(&m, 0x5000, 8, "ef", 2) && fails(&m, 0x5002) == ESRCH);
    check(add(&m, 0x6000, 8, fd, INT64_MAX, 8) == 0 && fails(&m, 0x6001) == EIO);
    mem_fini(&m);
}

static int count(pid_t tid, void *arg)
{
    (void)tid;
    ++*(int *)arg;
    return 0;
}

static const char constant[] = "constant, read-only";

// On a child that sleeps: what is here is there, until it is changed.
static void live(const struct procs *ps, pid_t child, const char *page)
{
    const struct target_options options = {.max_stop = 1000000000};
    const struct operand o = {.id = {.pid = child}};
    const struct maps *maps;
    struct target *t;
    char got[8192];
    size_t n = 0;
    uint64_t phdr = 0, at = (uintptr_t)page;
    int threads = 0, fd = -1;
    check(target_open(ps, &o, &options, &t) == 0);
    check(!target_is_core(t) && target_pid(t) == child);
    check(target_maps(t, &maps) == 0 && maps_find(maps, (uintptr_t)constant) && maps_find(maps, at));
    check(target_read(t, (uintptr_t)constant, got, sizeof constant, &n) == 0 && n == sizeof constant && memcmp(got, constant, n) == 0);
    check(target_read(t, at, got, sizeof got, &n) == 0 && n == 4096); // the next page is not mapped
    check(target_read(t, at + 4096, got, 1, &n) == -1 && err_code() == EFAULT);
    check(target_read(t, 0, got, 1, &n) == -1 && err_code() == EFAULT);
    check(target_write(t, at + 4090, "new", 3) == 0 && target_read(t, at + 4090, got, 3, &n) == 0 && !memcmp(got, "new", 3));
    check(target_write(t, at + 4094, "over", 4) == -1 && err_code() == EFAULT);
    check(target_read(t, at + 4094, got, 2, &n) == 0 && memcmp(got, "\0\0", 2) == 0 && memcmp(page + 4090, "\0\0\0", 3) == 0);
    check(target_write(t, (uintptr_t)constant, "C", 1) == 0 && target_read(t, (uintptr_t)constant, got, 2, &n) == 0 && got[0] == 'C');
    check(constant[0] == 'c');
    check(target_auxv(t, AT_PHDR, &phdr) == 0 && phdr == getauxval(AT_PHDR));
    check(target_auxv(t, 4711, &phdr) == -1 && err_code() == ENOENT);
    check(target_each_thread(t, count, &threads) == 0 && threads == 1);
    check(target_open_path(t, "/proc/self/../../etc/passwd", &fd) == 0 || err_code() == EACCES);
    if (fd >= 0)
        close(fd);
    check(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    check(target_read(t, at, got, 1, &n) == -1 && err_code() == ESRCH);
    check(target_maps_again(t, &maps) == -1 && err_code() == ESRCH);
    check(target_write(t, at, "x", 1) == -1 && err_code() == ESRCH);
    target_close(t);
    check(target_open(ps, &o, &options, &t) == -1 && err_code() == ESRCH);
}

// On a child that executes another program when it is told to.
static void executes(const struct procs *ps)
{
    const struct target_options options = {.max_stop = 1000000000};
    int go[2], closed[2];
    char got[sizeof constant], c;
    size_t n = 0;
    struct target *t;
    const struct maps *maps;
    uint64_t phdr = 0, later = 0;
    check(pipe(go) == 0 && pipe2(closed, O_CLOEXEC) == 0);
    pid_t child = fork();
    if (child == 0) {
        if (read(go[0], &c, 1) == 1)
            execlp("sleep", "sleep", "1000", (char *)NULL);
        _exit(1);
    }
    close(closed[1]);
    const struct operand o = {.id = {.pid = child}};
    check(target_open(ps, &o, &options, &t) == 0 && target_auxv(t, AT_PHDR, &phdr) == 0);
    check(target_read(t, (uintptr_t)constant, got, sizeof got, &n) == 0 && n == sizeof got);
    check(write(go[1], "x", 1) == 1 && read(closed[0], &c, 1) == 0); // closed by execve
    check(target_read(t, (uintptr_t)constant, got, sizeof got, &n) == -1 && err_code() == ESRCH);
    check(strstr(err_text(), "executed another program"));
    check(target_write(t, (uintptr_t)constant, "x", 1) == -1 && err_code() == EFAULT);
    check(target_maps(t, &maps) == 0 && !maps_find(maps, (uintptr_t)constant) && maps->n > 3);
    check(target_read(t, maps->at[0].start, got, 4, &n) == 0 && n == 4 && memcmp(got, ELFMAG, SELFMAG) == 0);
    check(target_auxv(t, AT_PHDR, &later) == 0 && later != phdr);
    target_close(t);
    check(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    close(go[0]);
    close(go[1]);
    close(closed[0]);
}

void test_target(void)
{
    struct procs ps;
    check(procs_open(&ps) == 0);
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(page != MAP_FAILED && munmap(page + 4096, 4096) == 0);
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    live(&ps, child, page);
    executes(&ps);
    procs_close(&ps);
}

// --- limits -----------------------------------------------------------------------------

static bool change(const char *text, size_t kind, bool has_soft, uint64_t soft, bool has_hard, uint64_t hard)
{
    struct limit_change c;
    return limit_parse_change(text, &c) == 0 && c.kind == kind && c.has_soft == has_soft && c.has_hard == has_hard &&
           (!has_soft || c.soft == soft) && (!has_hard || c.hard == hard);
}

static bool no_change(const char *text, const char *why)
{
    struct limit_change c;
    return limit_parse_change(text, &c) == -1 && err_code() == EINVAL && strstr(err_text(), why);
}

void test_limit(void)
{
    struct limit l[LIMITS], new;
    static const char file[] = "Limit                     Soft Limit           Hard Limit           Units     \n"
                               "Max open files            1024                 524288               files     \n"
                               "Max cpu time              unlimited            18446744073709551614 seconds   \n"
                               "Max nice priority         0                    0                    \n";
    check(limits_parse(file, strlen(file), l) == 0 && l[RLIMIT_NOFILE].soft == 1024 && l[RLIMIT_NOFILE].hard == 524288);
    check(l[RLIMIT_CPU].soft == UINT64_MAX && l[RLIMIT_CPU].hard == UINT64_MAX - 1 && l[RLIMIT_NICE].hard == 0);
    check(l[RLIMIT_AS].soft > l[RLIMIT_AS].hard);
    check(limits_parse("", 0, l) == -1 && err_code() == EPROTO);
    check(limits_parse("Max open files x 1 files\n", 25, l) == -1 && limits_parse("Max open files 1", 16, l) == -1);
    bool ends = true;
    for (size_t n = 0; n < strlen(file); n++)
        ends = ends && limits_parse(unit_edge(file, n), n, l) <= 0;
    check(ends);
    check(change("nofile=5", RLIMIT_NOFILE, true, 5, false, 0) && change("as=:7", RLIMIT_AS, false, 0, true, 7));
    check(change("cpu=5:unlimited", RLIMIT_CPU, true, 5, true, UINT64_MAX) && change("cpu=0:", RLIMIT_CPU, true, 0, false, 0));
    check(no_change("nofil=5", "did you mean 'nofile'") && no_change("zzzzzz=1", "lists them") && no_change("=1", "no limit"));
    check(no_change("nofile=", "NAME=SOFT") && no_change("nofile=:", "NAME=SOFT") && no_change("nofile", "NAME=SOFT"));
    check(no_change("nofile=5:4", "above the hard") && no_change("nofile=18446744073709551615", "no limit"));
    const struct limit old = {5, 10};
    struct limit_change c = {.kind = RLIMIT_CPU, .has_soft = true, .soft = 11};
    check(limit_apply(&c, &old, &new) == -1 && err_code() == EPERM);
    c = (struct limit_change){.kind = RLIMIT_CPU, .has_hard = true, .hard = 4};
    check(limit_apply(&c, &old, &new) == -1 && err_code() == EPERM);
    c = (struct limit_change){.kind = RLIMIT_CPU, .has_hard = true, .hard = 7};
    check(limit_apply(&c, &old, &new) == 0 && new.soft == 5 && new.hard == 7);
}

// --- walk ---------------------------------------------------------------------------------

// What PATH below ROOT contains, by its first byte; or the errno, negative.
static int walks(int root, const char *path)
{
    CLEANUP_CLOSE int at = -1;
    CLEANUP_CLOSE int fd = -1;
    char c;
    if (walk_open(NULL, root, path, &at) < 0 || walk_read(NULL, at, &fd) < 0)
        return -err_code();
    return read(fd, &c, 1) == 1 ? c : 0;
}

static bool put(int dir, const char *name, const char *text)
{
    CLEANUP_CLOSE int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

void test_walk(void)
{
    char name[] = "/tmp/dmt-unit-XXXXXX", command[64];
    check(mkdtemp(name) != NULL);
    CLEANUP_CLOSE int top = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    check(top >= 0 && mkdirat(top, "root", 0700) == 0 && put(top, "secret", "s"));
    CLEANUP_CLOSE int root = openat(top, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    check(root >= 0 && put(root, "a", "a") && mkdirat(root, "d", 0700) == 0 && put(root, "d/b", "b"));
    check(symlinkat("/d/b", root, "absolute") == 0 && symlinkat("../../../a", root, "d/up") == 0);
    check(symlinkat("loop", root, "loop") == 0 && symlinkat("d", root, "dir") == 0 && symlinkat("/../secret", root, "out") == 0);
    check(mkfifoat(root, "fifo", 0600) == 0);
    check(walks(root, "a") == 'a' && walks(root, "/a") == 'a' && walks(root, "//d//b") == 'b' && walks(root, "d/./b") == 'b');
    check(walks(root, "../a") == 'a' && walks(root, "d/../../../a") == 'a' && walks(root, "absolute") == 'b');
    check(walks(root, "d/up") == 'a' && walks(root, "dir/b") == 'b' && walks(root, "dir/../a") == 'a');
    check(walks(root, "out") == -ENOENT && walks(root, "../secret") == -ENOENT && walks(root, "loop") == -ELOOP);
    check(walks(root, "none") == -ENOENT && walks(root, "a/b") == -ENOENT && walks(root, "d") == -EACCES);
    check(walks(root, "fifo") == -EACCES && walks(root, "") == -EACCES && walks(root, "/") == -EACCES);
    char deep[5000];
    memset(deep, 'x', sizeof deep);
    deep[4999] = '\0';
    check(walks(root, deep) == -ENAMETOOLONG);
    deep[300] = '\0';
    check(walks(root, deep) == -ENAMETOOLONG);
    (void)snprintf(command, sizeof command, "rm -r %s", name);
    check(system(command) == 0);
}

void test_mounts(void)
{
    struct procs ps;
    struct mounts m;
    struct stat st;
    check(procs_open(&ps) == 0);
    CLEANUP_CLOSE int self = openat(ps.fd, "self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    mounts_init(&m, ps.fd, self);
    CLEANUP_CLOSE int shared = memfd_create("unit", MFD_CLOEXEC);
    CLEANUP_CLOSE int file = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    check(m.shares_users && shared >= 0 && fstat(shared, &st) == 0);
    check(!mounts_remote_device(&m, 0, 0) && !mounts_remote_device(&m, major(st.st_dev), minor(st.st_dev)));
    check(mounts_remote_device(&m, 0xfff, 0xfffff));
    check(!mounts_remote_file(&m, file) && !mounts_remote_file(&m, shared) && mounts_remote_file(&m, -1));
    mounts_fini(&m);
    procs_close(&ps);
}
