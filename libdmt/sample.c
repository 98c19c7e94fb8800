// SPDX-License-Identifier: MIT
#include "sample.h"

#include "err.h"
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum { FILE_STAT, FILE_STATM, FILE_IO, FILE_STATUS, FILE_SCHEDSTAT, FILES };
enum { FILES_SPARE = 64, TEXT_MAX = 8192 };

static const struct {
    const char *name;
    unsigned need;
} files[FILES] = {
    [FILE_STAT] = {"stat", 0},
    [FILE_STATM] = {"statm", SAMPLE_MEM},
    [FILE_IO] = {"io", SAMPLE_IO},
    [FILE_STATUS] = {"status", SAMPLE_CTXSW},
    [FILE_SCHEDSTAT] = {"schedstat", SAMPLE_WAIT},
};

static uint64_t raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    // Who may raises the hard limit too, up to fs.nr_open.
    static const rlim_t wishes[] = {1 << 20, 1 << 18, 1 << 16};
    bool raised = false;
    for (size_t i = 0; !raised && i < ARRAY_LEN(wishes) && limit.rlim_max < wishes[i]; i++) {
        const struct rlimit wish = {wishes[i], wishes[i]};
        raised = setrlimit(RLIMIT_NOFILE, &wish) == 0;
    }
    limit.rlim_cur = limit.rlim_max;
    if (!raised)
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > FILES_SPARE ? limit.rlim_cur - FILES_SPARE : 0;
}

void sample_init(struct sample *s, const struct procs *ps, unsigned needs, bool threads)
{
    *s = (struct sample){.ps = ps, .needs = needs, .threads = threads, .files_left = raise_limit()};
}

// --- the table -----------------------------------------------------------------------

static size_t place(const struct tasks *t, pid_t id)
{
    return (uint32_t)id * 2654435761U & (t->size - 1);
}

static pid_t id_of(const struct task *t)
{
    return t->tid ? t->tid : t->pid;
}

static struct task *find(const struct tasks *t, pid_t id)
{
    for (size_t i = t->size ? place(t, id) : 0; t->size && t->slot[i]; i = (i + 1) & (t->size - 1))
        if (id_of(t->slot[i]) == id)
            return t->slot[i];
    return NULL;
}

static void put(struct tasks *t, struct task *task)
{
    size_t i = place(t, id_of(task));
    while (t->slot[i])
        i = (i + 1) & (t->size - 1);
    t->slot[i] = task;
}

static void drop(struct sample *s, struct task *task)
{
    for (size_t i = 0; i < FILES; i++)
        if (task->fd[i] >= 0) {
            close(task->fd[i]);
            s->files_left++;
        }
    free(task);
}

// Makes the table anew, with room for MORE, without what was not seen in this round.
static int rebuild(struct sample *s, struct tasks *t, size_t more)
{
    struct tasks fresh = {.size = 64};
    while (fresh.size < (t->n + more) * 2)
        fresh.size *= 2;
    fresh.slot = calloc(fresh.size, sizeof(struct task *));
    if (!fresh.slot)
        return err_set(ENOMEM, "out of memory");
    for (size_t i = 0; i < t->size; i++) {
        struct task *task = t->slot[i];
        if (task && (more || task->take == s->take)) {
            put(&fresh, task);
            fresh.n++;
        } else if (task) {
            drop(s, task);
        }
    }
    free(t->slot);
    *t = fresh;
    return 0;
}

static int insert(struct sample *s, struct tasks *t, struct task *task)
{
    if ((t->n + 1) * 2 > t->size && rebuild(s, t, t->n + 1) < 0)
        return -1;
    put(t, task);
    t->n++;
    return 0;
}

static void free_all(struct sample *s, struct tasks *t)
{
    for (size_t i = 0; i < t->size; i++)
        if (t->slot[i])
            drop(s, t->slot[i]);
    free(t->slot);
}

void sample_fini(struct sample *s)
{
    free_all(s, &s->tasks);
    free_all(s, &s->parts);
}

// --- one task --------------------------------------------------------------------------

// Which files of T are read: those of a process's threads belong to the threads.
static bool wanted(const struct sample *s, const struct task *t, size_t file)
{
    bool part = t->tid && !s->threads, per_thread = file == FILE_STATUS || file == FILE_SCHEDSTAT;
    if (file != FILE_STAT && !(s->needs & files[file].need))
        return false;
    return file == FILE_STAT || (part ? per_thread : s->threads || !per_thread);
}

static void read_counter(struct task *t, size_t file, const char *text, size_t n)
{
    struct proc_statm m;
    struct proc_status st;
    unsigned long long run, wait;
    bool ok = false;
    if (file == FILE_STATM && (ok = procfile_statm(text, n, &m) == 0 && m.size > 0)) // else it has no memory
        t->rss = m.resident * (uint64_t)sysconf(_SC_PAGESIZE);
    else if (file == FILE_IO)
        ok = procfile_field(text, n, "read_bytes", &t->now.read) == 0 &&
             procfile_field(text, n, "write_bytes", &t->now.write) == 0;
    else if (file == FILE_STATUS && (ok = procfile_status(text, n, &st) == 0))
        t->now.ctxsw = st.vol_ctxsw + st.invol_ctxsw;
    else if (file == FILE_SCHEDSTAT && (ok = sscanf(text, "%llu %llu", &run, &wait) == 2))
        t->now.wait = wait;
    if (ok)
        t->have |= files[file].need;
}

static int read_stat(struct task *t, const char *text, size_t n)
{
    struct proc_stat st;
    if (procfile_stat(text, n, &st) < 0)
        return -1;
    if (t->start && t->start != st.start)
        return err_set(ESRCH, "no such process");
    t->start = st.start;
    t->name_len = st.comm_len;
    memcpy(t->name, st.comm, st.comm_len);
    t->state = st.state;
    t->now.when = proc_now();
    t->now.cpu = st.utime + st.stime;
    t->now.user = st.utime;
    t->now.minflt = st.minflt;
    t->now.majflt = st.majflt;
    return 0;
}

// Reads all files of T: those kept open, or through its directory DIR. The stat file is
// first: when it can be read the task is alive, and a directory opened before is its own.
static int read_files(const struct sample *s, struct task *t, int dir)
{
    char text[TEXT_MAX + 1];
    t->have = 0;
    for (size_t i = 0; i < FILES; i++) {
        if (!wanted(s, t, i))
            continue;
        int fd = t->fd[i];
        if (fd < 0 && dir >= 0)
            fd = openat(dir, files[i].name, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : pread(fd, text, TEXT_MAX, 0);
        text[n > 0 ? n : 0] = '\0';
        if (t->kept)
            t->fd[i] = fd;
        else if (fd >= 0)
            close(fd);
        if (i == FILE_STAT && (n <= 0 || read_stat(t, text, (size_t)n) < 0))
            return err_set(ESRCH, "no such process");
        if (i != FILE_STAT && n > 0)
            read_counter(t, i, text, (size_t)n);
    }
    return 0;
}

static int read_again(const struct sample *s, struct task *t, const struct proc *at)
{
    struct sample_counters last = t->now;
    unsigned had = t->have;
    int done = read_files(s, t, t->kept ? -1 : at->dir);
    t->before = last;
    // A counter that went back, or that could not be read before, gives no rate.
    t->known = done == 0 && t->now.when > last.when && t->now.cpu >= last.cpu && t->now.read >= last.read &&
               t->now.write >= last.write && t->now.minflt >= last.minflt && t->now.majflt >= last.majflt;
    t->have &= had | SAMPLE_MEM;
    return done;
}

static struct task *new_task(struct sample *s, const struct proc *at)
{
    struct task *t = calloc(1, sizeof *t);
    unsigned n = 0;
    if (!t)
        return NULL;
    t->pid = at->pid;
    t->tid = at->tid;
    for (size_t i = 0; i < FILES; i++) {
        t->fd[i] = -1;
        n += wanted(s, t, i);
    }
    t->kept = s->files_left >= n;
    if (read_files(s, t, at->dir) < 0) {
        for (size_t i = 0; i < FILES; i++)
            if (t->fd[i] >= 0)
                close(t->fd[i]);
        free(t);
        return NULL;
    }
    for (size_t i = 0; i < FILES; i++)
        s->files_left -= t->fd[i] >= 0;
    // Born since the last round: all that it did it did since then.
    uint64_t tick = 1000000000ULL / (uint64_t)s->ps->hz;
    if (s->before && t->start * tick >= s->before) {
        t->before = (struct sample_counters){.when = s->before};
        t->known = t->now.when > s->before;
    }
    return t;
}

// The task of an open directory, read in this round; NULL when it is gone.
static struct task *look(struct sample *s, struct tasks *in, const struct proc *at)
{
    struct task *t = find(in, at->tid ? at->tid : at->pid);
    if (t && t->take == s->take)
        return t;
    if (t && t->start != UINT64_MAX && read_again(s, t, at) == 0) {
        t->take = s->take;
        return t;
    }
    struct task *fresh = new_task(s, at);
    if (!fresh) {
        if (t)
            t->start = UINT64_MAX; // of no process: not seen in this round, sample_each drops it
        return NULL;
    }
    fresh->take = s->take;
    if (t) {
        // Another process has the number now: it takes the place.
        struct task old = *t;
        *t = *fresh;
        *fresh = old;
        drop(s, fresh);
        return t;
    }
    if (insert(s, in, fresh) < 0) {
        drop(s, fresh);
        return NULL;
    }
    return fresh;
}

// --- rounds ------------------------------------------------------------------------------

struct sum {
    struct sample *s;
    uint64_t ctxsw, wait;
    unsigned have;
};

static int add_thread(struct proc *p, void *arg)
{
    struct sum *sum = arg;
    const struct task *t = look(sum->s, &sum->s->parts, p);
    if (!t)
        return 0;
    sum->have &= t->have;
    if (t->known) {
        sum->ctxsw += t->now.ctxsw - t->before.ctxsw;
        sum->wait += t->now.wait - t->before.wait;
    }
    return 0;
}

// What a process did is what its threads did: the kernel counts switches and waits by thread.
static int add_threads(struct sample *s, const struct proc *process, struct task *t)
{
    const unsigned per_thread = SAMPLE_CTXSW | SAMPLE_WAIT;
    struct sum sum = {.s = s, .have = s->needs & per_thread};
    struct proc p;
    proc_init(&p);
    int done = proc_each_thread(s->ps, process, &p, 0, add_thread, &sum);
    proc_fini(&p);
    t->have |= sum.have;
    t->now.ctxsw = t->before.ctxsw + sum.ctxsw;
    t->now.wait = t->before.wait + sum.wait;
    return done;
}

static int look_thread(struct proc *p, void *arg)
{
    struct sample *s = arg;
    (void)look(s, &s->tasks, p);
    return 0;
}

void sample_begin(struct sample *s)
{
    s->take++;
    s->before = s->now;
    s->now = proc_now();
}

// The process of an open directory, or its threads that ID names.
static int look_process(struct sample *s, const struct ident *id, const struct proc *process)
{
    if (s->threads) {
        struct proc p;
        proc_init(&p);
        int done = ident_each_thread(s->ps, id, process, &p, 0, look_thread, s);
        proc_fini(&p);
        return done;
    }
    struct task *t = look(s, &s->tasks, process);
    if (!t)
        return err_set(ESRCH, "no such process");
    return s->needs & (SAMPLE_CTXSW | SAMPLE_WAIT) ? add_threads(s, process, t) : 0;
}

static int look_at(struct proc *p, void *arg)
{
    struct sample *s = arg;
    const struct ident all = {.pid = p->pid};
    struct task *t = find(&s->tasks, p->pid);
    // What is followed through open files needs no directory.
    if (!s->threads && t && t->kept && t->start != UINT64_MAX && !(s->needs & (SAMPLE_CTXSW | SAMPLE_WAIT)) &&
        read_again(s, t, p) == 0) {
        t->take = s->take;
        return 0;
    }
    int done = proc_open(s->ps, p, p->pid);
    if (done == 0)
        done = look_process(s, &all, p);
    proc_close(p);
    return done < 0 && err_code() == ESRCH ? 0 : done;
}

int sample_all(struct sample *s)
{
    struct proc p;
    proc_init(&p);
    int done = proc_each(s->ps, &p, 0, look_at, s);
    proc_fini(&p);
    return done;
}

int sample_one(struct sample *s, const struct ident *id, uint64_t start)
{
    const struct ident same = {.pid = id->pid, .by = IDENT_START, .value = start};
    struct proc p;
    proc_init(&p);
    int done = ident_open(s->ps, &same, &p, NULL);
    if (done == 0)
        done = look_process(s, id, &p);
    proc_fini(&p);
    return done;
}

static int by_id(const void *a, const void *b)
{
    const struct task *x = *(struct task *const *)a, *y = *(struct task *const *)b;
    if (x->pid != y->pid)
        return (x->pid > y->pid) - (x->pid < y->pid);
    return (x->tid > y->tid) - (x->tid < y->tid);
}

int sample_each(struct sample *s, int (*fn)(const struct task *t, void *arg), void *arg)
{
    if (rebuild(s, &s->tasks, 0) < 0 || rebuild(s, &s->parts, 0) < 0)
        return -1;
    CLEANUP_FREE struct task **order = calloc(s->tasks.n + 1, sizeof(struct task *));
    if (!order)
        return err_set(ENOMEM, "out of memory");
    size_t n = 0;
    for (size_t i = 0; i < s->tasks.size; i++)
        if (s->tasks.slot[i])
            order[n++] = s->tasks.slot[i];
    qsort(order, n, sizeof *order, by_id);
    for (size_t i = 0; i < n; i++) {
        int stop = fn(order[i], arg);
        if (stop)
            return stop;
    }
    return 0;
}
