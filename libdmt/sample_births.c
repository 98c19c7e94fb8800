// SPDX-License-Identifier: MIT
#include "sample_births.h"

#include "io.h"
#include "num.h"

#include <fcntl.h>
#include <string.h>

enum {
    TEXT_MAX = 1 << 20, // bytes of /proc/stat
    MANY = 256,         // to ask for each is more work than the list
    // A birth has its number before it is counted and can be seen. Whose number was given at the take before, and
    // who was not yet there, is looked for again.
    LATE = 64,
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

void births_look(struct sample *s)
{
    CLEANUP_BUF struct buf text = {0};
    struct births *b = &s->born, before = *b;
    *b = (struct births){.forks = s->threads ? 0 : read_number(s->ps, "stat", "\nprocesses ", &text), .first = 1};
    if (b->forks > 0 && s->clocks)
        b->cursor = (pid_t)read_number(s->ps, "loadavg", NULL, &text);
    if (b->forks == 0 || before.forks == 0 || b->forks - before.forks > MANY)
        b->anywhere = true;
    else if (b->forks == before.forks)
        return; // nobody
    else if (before.cursor <= 0 || b->forks - before.forks != (uint64_t)((int64_t)b->cursor - before.cursor))
        b->anywhere = true;
    b->first = before.cursor > LATE ? before.cursor - LATE : 1;
    b->last = b->cursor;
}

bool births_may_have(const struct sample *s, pid_t pid)
{
    return s->born.anywhere || (pid >= s->born.first && pid <= s->born.last);
}
