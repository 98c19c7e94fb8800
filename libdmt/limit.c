// SPDX-License-Identifier: MIT
#include "limit.h"

#include "err.h"
#include "io.h"
#include "near.h"
#include "num.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

const struct limit_kind limit_kinds[LIMITS] = {
    [RLIMIT_AS] = {"as", "Max address space", "bytes", COL_BYTES},
    [RLIMIT_CORE] = {"core", "Max core file size", "bytes", COL_BYTES},
    [RLIMIT_CPU] = {"cpu", "Max cpu time", "seconds", COL_SECONDS},
    [RLIMIT_DATA] = {"data", "Max data size", "bytes", COL_BYTES},
    [RLIMIT_FSIZE] = {"fsize", "Max file size", "bytes", COL_BYTES},
    [RLIMIT_LOCKS] = {"locks", "Max file locks", "locks", COL_COUNT},
    [RLIMIT_MEMLOCK] = {"memlock", "Max locked memory", "bytes", COL_BYTES},
    [RLIMIT_MSGQUEUE] = {"msgqueue", "Max msgqueue size", "bytes", COL_BYTES},
    [RLIMIT_NICE] = {"nice", "Max nice priority", NULL, COL_COUNT},
    [RLIMIT_NOFILE] = {"nofile", "Max open files", "files", COL_COUNT},
    [RLIMIT_NPROC] = {"nproc", "Max processes", "processes", COL_COUNT},
    [RLIMIT_RSS] = {"rss", "Max resident set", "bytes", COL_BYTES},
    [RLIMIT_RTPRIO] = {"rtprio", "Max realtime priority", NULL, COL_COUNT},
    [RLIMIT_RTTIME] = {"rttime", "Max realtime timeout", "microseconds", COL_COUNT},
    [RLIMIT_SIGPENDING] = {"sigpending", "Max pending signals", "signals", COL_COUNT},
    [RLIMIT_STACK] = {"stack", "Max stack size", "bytes", COL_BYTES},
};

static int parse_value(const char *text, size_t n, uint64_t *ret)
{
    if (n == strlen("unlimited") && memcmp(text, "unlimited", n) == 0)
        *ret = UINT64_MAX;
    else if (num_uint(text, n, UINT64_MAX - 1, ret) < 0)
        return err_set(EINVAL, "'%.*s' is no limit: a number, or unlimited", (int)n, text);
    return 0;
}

static int parse_field(const char **at, const char *end, uint64_t *ret)
{
    while (*at < end && **at == ' ')
        ++*at;
    const char *blank = memchr(*at, ' ', (size_t)(end - *at));
    const char *first = *at;
    *at = blank ? blank : end;
    return parse_value(first, (size_t)(*at - first), ret);
}

int limits_parse(const char *text, size_t n, struct limit ret[LIMITS])
{
    struct limit all[LIMITS];
    size_t found = 0;
    const char *end = text + n;
    for (size_t i = 0; i < LIMITS; i++)
        all[i] = (struct limit){1, 0};
    for (const char *line = text, *next; line < end; line = next) {
        const char *eol = memchr(line, '\n', (size_t)(end - line));
        eol = eol ? eol : end;
        next = eol < end ? eol + 1 : end;
        for (size_t i = 0; i < LIMITS; i++) {
            size_t len = strlen(limit_kinds[i].label);
            const char *at = line + len;
            if ((size_t)(eol - line) <= len || memcmp(line, limit_kinds[i].label, len) != 0 || *at != ' ')
                continue;
            struct limit l;
            if (parse_field(&at, eol, &l.soft) < 0 || parse_field(&at, eol, &l.hard) < 0)
                return err_set(EPROTO, "not a limits file");
            all[i] = l;
            found++;
        }
    }
    if (found == 0)
        return err_set(EPROTO, "not a limits file");
    memcpy(ret, all, sizeof all);
    return 0;
}

int limits_read(const struct proc *p, struct limit ret[LIMITS])
{
    CLEANUP_BUF struct buf text = {0};
    CLEANUP_CLOSE int fd = openat(p->dir, "limits", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || io_read_file(fd, &text, 65536, NULL) < 0)
        return errno == ENOENT || errno == ESRCH ? err_set(ESRCH, "no such process") : err_sys("cannot read its limits");
    return limits_parse(buf_cstr(&text), text.len, ret);
}

int limit_parse_change(const char *text, struct limit_change *ret)
{
    size_t len = strcspn(text, "=");
    struct near near = {.typed = text, .len = len};
    struct limit_change c = {.kind = LIMITS};
    for (size_t i = 0; i < LIMITS; i++) {
        if (strlen(limit_kinds[i].name) == len && memcmp(limit_kinds[i].name, text, len) == 0)
            c.kind = i;
        near_offer(&near, limit_kinds[i].name);
    }
    if (c.kind == LIMITS && near.best)
        return err_set(EINVAL, "'%s': no limit '%.*s'; did you mean '%s'?", text, (int)len, text, near.best);
    if (c.kind == LIMITS)
        return err_set(EINVAL, "'%s': no limit '%.*s'; dmt-limit self lists them", text, (int)len, text);
    const char *soft = text + len + (text[len] == '='), *colon = strchr(soft, ':');
    size_t soft_len = colon ? (size_t)(colon - soft) : strlen(soft);
    c.has_soft = soft_len > 0;
    c.has_hard = colon && colon[1];
    if (!c.has_soft && !c.has_hard)
        return err_set(EINVAL, "'%s': not NAME=SOFT or NAME=SOFT:HARD", text);
    if ((c.has_soft && parse_value(soft, soft_len, &c.soft) < 0) ||
        (c.has_hard && parse_value(colon + 1, strlen(colon + 1), &c.hard) < 0))
        return err_wrap("'%s'", text);
    if (c.has_soft && c.has_hard && c.soft > c.hard)
        return err_set(EINVAL, "'%s': the soft limit is above the hard one", text);
    *ret = c;
    return 0;
}

int limit_apply(const struct limit_change *c, const struct limit *old, struct limit *ret)
{
    struct limit l = {c->has_soft ? c->soft : old->soft, c->has_hard ? c->hard : old->hard};
    const char *name = limit_kinds[c->kind].name;
    if (l.soft > l.hard)
        return c->has_soft ? err_set(EPERM, "%s: the soft limit would be above its hard one", name)
                           : err_set(EPERM, "%s: the hard limit would be below its soft one: set both, SOFT:HARD", name);
    *ret = l;
    return 0;
}

static int check_alive(int pidfd)
{
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    return poll(&end, 1, 0) == 0 ? 0 : err_set(ESRCH, "no such process");
}

int limit_set(pid_t pid, int pidfd, size_t kind, const struct limit *limit)
{
    const struct rlimit64 new = {limit->soft, limit->hard};
    struct rlimit64 old;
    if (check_alive(pidfd) < 0)
        return -1;
    if (prlimit64(pid, (enum __rlimit_resource)kind, &new, &old) < 0)
        return errno == ESRCH ? err_set(ESRCH, "no such process") : err_sys("cannot set %s", limit_kinds[kind].name);
    // Who lives now had the number all the time.
    if (check_alive(pidfd) == 0)
        return 0;
    (void)prlimit64(pid, (enum __rlimit_resource)kind, &old, NULL);
    return -1;
}
