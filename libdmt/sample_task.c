// SPDX-License-Identifier: MIT
#include "sample_task.h"

#include "err.h"
#include "io.h"
#include "sample_births.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// In the order in which they are read.
enum { FILE_STATM, FILE_STAT, FILE_IO, FILE_STATUS, FILE_SCHEDSTAT, FILES };
enum { TEXT_MAX = 8192 };
enum { NOT_OPEN = -1, REFUSED = -2 }; // instead of a descriptor

static const struct {
    const char *name;
    unsigned need;
} files[FILES] = {
    [FILE_STATM] = {"statm", SAMPLE_MEM},
    [FILE_STAT] = {"stat", 0},
    [FILE_IO] = {"io", SAMPLE_IO},
    [FILE_STATUS] = {"status", SAMPLE_CTXSW},
    [FILE_SCHEDSTAT] = {"schedstat", SAMPLE_WAIT},
};

static void close_file(struct sample *s, struct task *task, size_t file)
{
    if (task->fd[file] < 0)
        return;
    close(task->fd[file]);
    task->fd[file] = NOT_OPEN;
    s->files_left++;
}

void task_free(struct sample *s, struct task *task)
{
    for (size_t i = 0; i < FILES; i++)
        close_file(s, task, i);
    free(task);
}

// Whether the numbers in this /proc are those that system calls take. Elsewhere it says more
// than one for ourselves: that of each PID namespace below its own.
bool task_has_clock(const struct procs *ps)
{
    char text[TEXT_MAX + 1];
    CLEANUP_CLOSE int fd = openat(ps->fd, "self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : io_read(fd, text, TEXT_MAX);
    text[n > 0 ? n : 0] = '\0';
    const char *line = strstr(text, "\nNSpid:\t");
    return line && strspn(line + 8, "0123456789") == strcspn(line + 8, "\n");
}

/*
 * Most processes sleep from one look to the next. A process that did not run did nothing: faults,
 * I/O and switches are counted by who runs. Its CPU clock tells, in nanoseconds and for all its
 * threads, so its files need not be read: except statm, for memory can be taken from who sleeps.
 */
static int read_clock(pid_t pid, struct timespec *t)
{
    // clock_getcpuclockid(3) would ask the kernel once more whether there is such a process.
    // The vdso has nothing of it: straight to the kernel.
    const clockid_t clock = (clockid_t)(~(unsigned)pid << 3 | 2);
    return (int)syscall(SYS_clock_gettime, clock, t);
}

static uint64_t cpu_clock(pid_t pid)
{
    struct timespec t;
    return read_clock(pid, &t) < 0 ? 0 : (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

bool task_is_process(pid_t pid)
{
    struct timespec t;
    return read_clock(pid, &t) == 0;
}

static bool may_skip(const struct sample *s, const struct task *t)
{
    return s->skips && !t->tid;
}

// Which files of T are read: those that count by thread are not read for processes. statm
// proves that a process that is skipped lives.
static bool wanted(const struct sample *s, const struct task *t, size_t file)
{
    switch (file) {
    case FILE_STAT:
        return true;
    case FILE_STATM:
        return may_skip(s, t) || (!t->part && (s->needs & SAMPLE_MEM));
    case FILE_IO:
        return !t->part && (s->needs & SAMPLE_IO);
    default:
        return t->tid && (s->needs & files[file].need);
    }
}

bool task_adds_threads(const struct sample *s, const struct task *t)
{
    return !t->tid && (s->needs & (SAMPLE_CTXSW | SAMPLE_WAIT));
}

// Whether all that is wanted of T is open, to be read without its directory.
static bool open_already(const struct sample *s, const struct task *t)
{
    for (size_t i = 0; i < FILES; i++)
        if (t->fd[i] == NOT_OPEN && wanted(s, t, i))
            return false;
    return !task_adds_threads(s, t);
}

// The text of a file, ended by a zero byte, and its length; nothing where it cannot be read.
static size_t read_file(struct sample *s, struct task *t, size_t file, int dir, char text[TEXT_MAX + 1])
{
    if (t->fd[file] == NOT_OPEN && dir >= 0) {
        t->fd[file] = openat(dir, files[file].name, O_RDONLY | O_CLOEXEC);
        if (t->fd[file] >= 0)
            s->files_left--;
        else if (file != FILE_STATM && file != FILE_STAT && errno != EMFILE && errno != ENFILE)
            t->fd[file] = REFUSED; // and will be: not asked again
    }
    ssize_t n = t->fd[file] < 0 ? -1 : pread(t->fd[file], text, TEXT_MAX, 0);
    text[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

static unsigned read_counter(const struct sample *s, struct task *t, size_t file, const char *text, size_t n)
{
    struct proc_statm m;
    struct proc_status st;
    unsigned long long run, wait;
    bool ok = false;
    if (file == FILE_STATM && (ok = procfile_statm(text, n, &m) == 0 && m.size > 0)) // else it has no memory
        t->rss = m.resident * (uint64_t)s->ps->page;
    else if (file == FILE_IO)
        ok = procfile_field(text, n, "read_bytes", &t->now.read) == 0 &&
             procfile_field(text, n, "write_bytes", &t->now.write) == 0;
    else if (file == FILE_STATUS && (ok = procfile_status(text, n, &st) == 0))
        t->now.ctxsw = st.vol_ctxsw + st.invol_ctxsw;
    else if (file == FILE_SCHEDSTAT && (ok = sscanf(text, "%llu %llu", &run, &wait) == 2))
        t->now.wait = wait;
    return ok ? files[file].need : 0;
}

static int read_stat(const struct sample *s, struct task *t, const char *text, size_t n)
{
    struct proc_stat st;
    if (procfile_stat(text, n, &st) < 0)
        return -1;
    if (t->start && t->start != st.start)
        return err_set(ESRCH, "no such process");
    t->start = st.start;
    t->name_len = (unsigned char)st.comm_len;
    memcpy(t->name, st.comm, st.comm_len);
    t->state = st.state;
    t->when = proc_now();
    t->now.cpu = (st.utime + st.stime) * (1000000000ULL / (uint64_t)s->ps->hz);
    t->now.user = st.utime * (1000000000ULL / (uint64_t)s->ps->hz);
    t->now.minflt = st.minflt;
    t->now.majflt = st.majflt;
    return 0;
}

// What the clocks say of T, before its files are read.
struct clocks {
    uint64_t ran, when; // see struct task
};

/*
 * Reads T through its open files and, where one is not open, through the directory DIR. 1: that
 * is needed, and DIR is -1. A file that was kept open proves DIR, which was opened before it is
 * read: T lives, so the number was its own all the time. Where none was kept, the time of its
 * start has to do.
 */
static int read_files(struct sample *s, struct task *t, const struct clocks *clocks, int dir)
{
    char text[TEXT_MAX + 1];
    unsigned have = 0;
    t->slept = false;
    if (dir < 0 && !open_already(s, t))
        return 1;
    for (size_t i = 0; i < FILES; i++) {
        if (!wanted(s, t, i))
            continue;
        size_t n = read_file(s, t, i, dir, text);
        if (t->fd[i] == NOT_OPEN)
            return errno == ENOENT ? err_set(ESRCH, "no such process") : err_sys("/proc/%d/%s", t->pid, files[i].name);
        if (n == 0 && (i == FILE_STATM || i == FILE_STAT))
            return err_set(ESRCH, "no such process");
        if (i != FILE_STAT)
            have |= read_counter(s, t, i, text, n);
        else if (read_stat(s, t, text, n) < 0)
            return -1;
    }
    if (clocks->ran) {
        t->now.cpu = clocks->ran; // what stat says is rounded to clock ticks
        t->when = clocks->when;
    }
    t->ran = clocks->ran; // read before the files: what it did meanwhile shows in the next one
    t->have = have;
    return 0;
}

// Reads T, which did not run since the last look: only its memory can be another.
static int read_sleeper(struct sample *s, struct task *t)
{
    char text[TEXT_MAX + 1];
    // Nobody was born who could have the number now, and who has no memory gets none in its sleep.
    if (!(s->needs & t->have & SAMPLE_MEM) && !births_may_have(s, t->pid))
        return 0;
    size_t n = read_file(s, t, FILE_STATM, -1, text);
    if (n == 0)
        return err_set(ESRCH, "no such process");
    t->have = (t->have & ~(unsigned)SAMPLE_MEM) | read_counter(s, t, FILE_STATM, text, n);
    return 0;
}

// Closes what there are no descriptors for and, of a process that may be skipped and of its threads, what the
// first look alone needed: that is opened again when the process runs, and then kept.
static void close_files(struct sample *s, struct task *t, bool first)
{
    for (size_t i = FILES; i-- > 0;)
        if (s->files_left < 0 || (first && (may_skip(s, t) ? i != FILE_STATM : t->part && s->skips)))
            close_file(s, t, i);
}

static bool went_on(const struct sample_counters *a, const struct sample_counters *b)
{
    return b->cpu >= a->cpu && b->minflt >= a->minflt && b->majflt >= a->majflt &&
           b->read >= a->read && b->write >= a->write && b->ctxsw >= a->ctxsw && b->wait >= a->wait;
}

static struct clocks read_clocks(const struct sample *s, const struct task *t)
{
    uint64_t ran = s->clocks && !t->tid ? cpu_clock(t->pid) : 0;
    return (struct clocks){ran, proc_now()};
}

int task_read(struct sample *s, struct task *t, int dir)
{
    const struct clocks clocks = read_clocks(s, t);
    uint64_t since = t->when;
    if (may_skip(s, t) && clocks.ran && clocks.ran == t->ran && t->fd[FILE_STATM] >= 0) {
        if (read_sleeper(s, t) < 0)
            return -1;
        if (!t->slept)
            t->before = t->now;
        t->slept = true;
        t->when = clocks.when;
        t->known = t->when > since;
    } else {
        struct sample_counters last = t->now;
        unsigned had = t->have;
        int done = read_files(s, t, &clocks, dir);
        if (done != 0)
            return done;
        t->before = last;
        // A counter that went back, or that could not be read before, gives no rate.
        t->known = t->when > since && went_on(&last, &t->now);
        t->have &= had | SAMPLE_MEM;
    }
    if (s->files_left < 0)
        close_files(s, t, false);
    t->since = since;
    t->take = s->take;
    return 0;
}

struct task *task_new(struct sample *s, bool part, const struct proc *at)
{
    struct task *t = calloc(1, sizeof *t);
    if (!t) {
        (void)err_set(ENOMEM, "out of memory");
        return NULL;
    }
    t->pid = at->pid;
    t->tid = at->tid;
    t->part = part;
    for (size_t i = 0; i < FILES; i++)
        t->fd[i] = NOT_OPEN;
    const struct clocks clocks = read_clocks(s, t);
    if (read_files(s, t, &clocks, at->dir) < 0) {
        task_free(s, t);
        return NULL;
    }
    close_files(s, t, true);
    t->take = s->take;
    // Born since the last round began, or it would be known: all that it did it did since then.
    if (s->before && t->start >= s->before / (1000000000ULL / (uint64_t)s->ps->hz)) {
        t->since = s->before;
        t->known = t->when > s->before;
    }
    return t;
}
