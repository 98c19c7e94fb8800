// SPDX-License-Identifier: MIT
//
// What one look at a thread leaves for the next: descriptors that stay open, each of that very thread (after its end
// they read nothing), and by what it can be told that its stack is still the same, without stopping it once more.
#include "io.h"
#include "num.h"
#include "target_live.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { KNOWN = 2048, FILES_SPARE = 64, NOT_OPEN = -1 };

struct known {
    pid_t tid;             // 0: nobody, and nothing is open
    int comm, schedstat;   // NOT_OPEN, or kept
    // Of the stack that was copied last:
    bool in_call;          // it was in a system call
    uint64_t sp, pc, base, hash;
    size_t size;
    // Of the thread, when that stack was found to be the same while it slept:
    bool asleep;
    uint64_t ran, turns;   // as in /proc/PID/task/TID/schedstat: nanoseconds on a CPU, and how often it was given one
};

static void forget(struct known *k)
{
    if (k->tid && k->comm >= 0)
        close(k->comm);
    if (k->tid && k->schedstat >= 0)
        close(k->schedstat);
    k->tid = 0;
}

void live_known_fini(struct live *l)
{
    for (size_t i = 0; l->known && i < l->nknown; i++)
        forget(&l->known[i]);
    free(l->known);
    buf_fini(&l->seen);
}

// Its place; what stood there of another is forgotten. NULL: there is none.
static struct known *know(struct live *l, pid_t tid)
{
    if (!l->known) {
        const uint64_t limit = io_raise_limit();
        size_t n = limit > FILES_SPARE ? (size_t)(limit - FILES_SPARE) / 2 : 1;
        l->nknown = n < KNOWN ? n : KNOWN;
        l->known = calloc(l->nknown, sizeof *l->known);
    }
    struct known *k = l->known ? &l->known[(size_t)tid % l->nknown] : NULL;
    if (k && k->tid != tid) {
        forget(k);
        *k = (struct known){.tid = tid, .comm = NOT_OPEN, .schedstat = NOT_OPEN};
    }
    return k;
}

static int open_file(const struct live *l, pid_t tid, const char *name)
{
    char path[64];
    (void)snprintf(path, sizeof path, "task/%d/%s", tid, name);
    return openat(l->process.dir, path, O_RDONLY | O_CLOEXEC);
}

// What has ended is forgotten: its number may be another's by now.
static bool read_kept(struct known *k, int fd, char *text, size_t size, size_t *n)
{
    ssize_t got = fd < 0 ? -1 : pread(fd, text, size, 0);
    if (got <= 0)
        forget(k);
    *n = got > 0 ? (size_t)got : 0;
    return got > 0;
}

// Before it is stopped: whoever is stopped then under that number, and can still be read afterwards, is the same.
bool live_known_name(struct live *l, pid_t tid, struct stack *ret)
{
    for (int tries = 0; tries < 2; tries++) {
        struct known *k = know(l, tid);
        char text[COMM_MAX + 2];
        size_t n;
        if (!k)
            break;
        if (k->comm < 0) {
            k->schedstat = open_file(l, tid, "schedstat");
            k->comm = open_file(l, tid, "comm");
        }
        if (!read_kept(k, k->comm, text, sizeof text, &n))
            continue;
        ret->name_len = n - 1 < COMM_MAX ? n - 1 : COMM_MAX; // a newline ends it
        memcpy(ret->name, text, ret->name_len);
        return true;
    }
    return false;
}

void live_known_stack(struct live *l, const struct stack *s)
{
    struct known *k = know(l, s->tid);
    const struct stack_region *r = &s->regions[0];
    if (!k)
        return;
    k->asleep = false;
    k->in_call = s->has_call && s->nregions == 1;
    if (!k->in_call)
        return;
    k->sp = reg_sp(&s->regs);
    k->pc = reg_pc(&s->regs);
    k->base = r->base;
    k->size = r->size;
    k->hash = buf_hash(s->bytes.data + r->at, r->size);
}

static bool read_turns(struct known *k, uint64_t *ran, uint64_t *turns)
{
    char text[96];
    size_t n;
    if (!read_kept(k, k->schedstat, text, sizeof text, &n))
        return false;
    const char *first = memchr(text, ' ', n), *last = memrchr(text, ' ', n), *end = memchr(text, '\n', n);
    return first && last && end > last && num_uint(text, (size_t)(first - text), UINT64_MAX, ran) == 0 &&
           num_uint(last + 1, (size_t)(end - last - 1), UINT64_MAX, turns) == 0 &&
           *turns > 0; // all are 0 where the kernel does not count
}

static bool sleeps_there(const struct live *l, const struct known *k)
{
    char text[256];
    struct stack s;
    uint64_t sp, pc;
    CLEANUP_CLOSE int fd = open_file(l, k->tid, "syscall");
    ssize_t n = fd < 0 ? -1 : io_read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return n > 0 && stack_parse_syscall(text, &s, &sp, &pc) == 0 && sp == k->sp && pc == k->pc;
}

static bool has_same_bytes(struct live *l, const struct known *k)
{
    size_t got = 0;
    buf_reset(&l->seen);
    char *room = buf_room(&l->seen, k->size);
    return room && mem_read(&l->base.mem, k->base, room, k->size, &got) == 0 && got == k->size &&
           buf_hash(room, k->size) == k->hash;
}

/*
 * Whoever has not been given a CPU since it slept there has not moved. Whoever has, as everybody that was stopped and
 * let go, may be back: then it waits in a system call at the same place, with the same bytes from its stack pointer on,
 * and has not run while they were read. Other registers than those two are not known; that it has unwound to, and come
 * back from, another place with all of these equal is not believed.
 */
bool live_unmoved(struct target *t, pid_t tid)
{
    struct live *l = live_of(t);
    struct known *k = know(l, tid);
    uint64_t ran, turns, ran_then, turns_then;
    if (!k || !k->in_call || l->mem < 0 || !read_turns(k, &ran, &turns))
        return false;
    if (k->asleep && ran == k->ran && turns == k->turns)
        return true;
    k->asleep = sleeps_there(l, k) && has_same_bytes(l, k) && read_turns(k, &ran_then, &turns_then) &&
                ran == ran_then && turns == turns_then;
    k->ran = ran;
    k->turns = turns;
    return k->asleep;
}
