// SPDX-License-Identifier: MIT
#include "sample_births.h"

#include "io.h"
#include "num.h"

#include <fcntl.h>
#include <string.h>

enum {
    TEXT_MAX = 1 << 20, // bytes of /proc/stat
    // More births than that are more work than the list: to ask for a number takes an eighth of the time that a
    // process takes in the list, and each is asked for twice.
    MANY = 256,
    MANY_FOR_EACH = 2, // of the processes that we know
    // A birth has its number before it is counted and can be seen. Whose number was given before the last take, and
    // who was not yet there, is looked for again: among those of one interval more, and at least so many.
    LATE = 64,
    TRIES = 4,
};

// The number after what stands last before it: LABEL in the file NAME, or, without one, the last blank. 0: there is none.
static uint64_t read_number(const struct procs *ps, const char *name, const char *label, struct buf *text)
{
    CLEANUP_CLOSE int fd = openat(ps->fd, name, O_RDONLY | O_CLOEXEC);
    uint64_t n;
    buf_reset(text);
    if (fd < 0 || io_read_file(fd, text, TEXT_MAX, NULL) < 0)
        return 0;
    const char *at = label ? strstr(buf_cstr(text), label) : strrchr(buf_cstr(text), ' ');
    const char *digits = at ? at + (label ? strlen(label) : 1) : "";
    return num_uint(digits, strspn(digits, "0123456789"), INT64_MAX, &n) == 0 ? n : 0;
}

// Reads both. Numbers that were given without a birth being counted are mostly of births on their way: these are
// awaited, for a moment. How many there are; less than none where births took no number in order.
static int64_t read_births(const struct sample *s, const struct births *before, struct births *b)
{
    CLEANUP_BUF struct buf text = {0};
    int64_t ahead = 0;
    for (int i = 0; i < TRIES && (i == 0 || ahead > 0); i++) {
        b->forks = s->threads ? 0 : read_number(s->ps, "stat", "\nprocesses ", &text);
        b->cursor = b->forks > 0 && s->clocks ? (pid_t)read_number(s->ps, "loadavg", NULL, &text) : 0;
        if (before->forks > 0 && before->cursor > 0)
            ahead = (int64_t)b->cursor - before->cursor - (int64_t)(b->forks - before->forks);
    }
    return ahead;
}

void births_look(struct sample *s)
{
    const struct births before = s->born;
    struct births *b = &s->born;
    *b = (struct births){.first = 1};
    int64_t ahead = read_births(s, &before, b);
    uint64_t born = b->forks - before.forks;
    bool many = before.forks == 0 || (born > MANY && born > MANY_FOR_EACH * s->tasks.n);
    b->older = many ? 0 : before.cursor;
    if (b->forks == 0 || many)
        b->anywhere = true;
    else if (born == 0)
        return; // nobody
    else if (before.cursor <= 0 || ahead != 0)
        b->anywhere = true;
    pid_t late = before.cursor > LATE ? before.cursor - LATE : 1;
    b->first = before.older > 0 && before.older < late ? before.older : late;
    b->last = b->cursor;
}

bool births_may_have(const struct sample *s, pid_t pid)
{
    return s->born.anywhere || (pid >= s->born.first && pid <= s->born.last);
}
