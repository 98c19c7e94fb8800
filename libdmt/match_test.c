// SPDX-License-Identifier: MIT
#include "match.h"

#include <string.h>

enum { COMM_KEPT = 15 }; // TASK_COMM_LEN - 1: bytes of a name that the kernel keeps

static bool holds(const struct numbers *list, int64_t value)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->at[i] == value)
            return true;
    return list->n == 0;
}

static bool test_text(const struct match *m, const char *text, size_t len)
{
    // The text may hold zero bytes only where the caller let them: C string rules are enough.
    if (m->has_regex && m->prefix_len > 0 && !memmem(text, len, m->prefix, m->prefix_len))
        return false;
    if (m->has_regex)
        return regexec(&m->regex, text, 0, NULL, 0) == 0;
    if (m->exact)
        return m->ignore_case ? strcasecmp(text, m->literal) == 0 : strcmp(text, m->literal) == 0;
    return m->ignore_case ? strcasestr(text, m->literal) != NULL
                          : memmem(text, len, m->literal, strlen(m->literal)) != NULL;
}

static const char *comm_of(const struct proc *p, size_t *len)
{
    *len = p->have & PROC_COMM ? p->comm.len : p->stat.comm_len;
    return p->have & PROC_COMM ? p->comm.data : p->stat.comm;
}

/*
 * The whole of a name that the kernel cut: the base name of one of the first arguments
 * (a script's name is the second or third) that begins with the 15 bytes.
 */
static bool long_name(const struct proc *p, const char *comm, struct buf *ret)
{
    const char *at = p->cmdline.data, *end = at + p->cmdline.len;
    for (int i = 0; i < 3 && at < end; i++) {
        const char *zero = memchr(at, '\0', (size_t)(end - at));
        zero = zero ? zero : end;
        const char *slash = memrchr(at, '/', (size_t)(zero - at));
        const char *base = slash ? slash + 1 : at;
        if ((size_t)(zero - base) >= COMM_KEPT && memcmp(base, comm, COMM_KEPT) == 0) {
            buf_add(ret, base, (size_t)(zero - base));
            return true;
        }
        at = zero + 1;
    }
    return false;
}

static bool test_pattern(const struct match *m, const struct proc *p)
{
    if (!m->literal && !m->has_regex)
        return true;
    if (m->full)
        return (p->have & PROC_CMDLINE) && p->cmdline.len > 0 && test_text(m, p->args.data, p->args.len);
    CLEANUP_BUF struct buf whole = {0};
    size_t len;
    const char *comm = comm_of(p, &len);
    if (test_text(m, comm, len))
        return true;
    return len == COMM_KEPT && (p->have & PROC_CMDLINE) && long_name(p, comm, &whole) &&
           test_text(m, buf_cstr(&whole), whole.len);
}

unsigned match_more(const struct match *m, const struct proc *p)
{
    size_t len;
    if (m->full || !(m->literal || m->has_regex) || (p->have & PROC_CMDLINE))
        return 0;
    (void)comm_of(p, &len);
    return len == COMM_KEPT ? PROC_CMDLINE : 0;
}

static bool in_list(const char *list, const char *text, size_t len)
{
    size_t n;
    for (const char *word; (word = list_next(&list, &n));)
        if (n == len && memcmp(word, text, n) == 0)
            return true;
    return false;
}

static bool test_tty(const struct match *m, const struct proc *p)
{
    if (!m->ttys)
        return true;
    return p->have & PROC_TTY ? in_list(m->ttys, p->tty.data, p->tty.len) : in_list(m->ttys, "-", 1);
}

static bool test_pid(const struct match *m, const struct proc *p)
{
    if (!m->by_pids)
        return true;
    for (size_t i = 0; i + 1 < m->pids.n; i += 2)
        if (m->pids.at[i] == p->pid && m->pids.at[i + 1] == (int64_t)p->stat.start)
            return true;
    return false;
}

static bool test_ns(const struct match *m, const struct proc *p)
{
    for (size_t i = 0; i < NS_KINDS; i++)
        if (m->ns[i] && (!(p->have & PROC_NS) || p->ns[i] != m->ns[i]))
            return false;
    return true;
}

bool match_test(const struct match *m, const struct proc *p)
{
    if (m->not_pids.n > 0 && holds(&m->not_pids, p->pid))
        return false;
    bool meant = (m->euid.n == 0 || ((p->have & PROC_OWNER) && holds(&m->euid, p->euid))) &&
                 ((m->ruid.n == 0 && m->rgid.n == 0) || ((p->have & PROC_STATUS) && holds(&m->ruid, p->status.uid[0]) &&
                                                         holds(&m->rgid, p->status.gid[0]))) &&
                 holds(&m->pgid, p->stat.pgid) && holds(&m->sid, p->stat.sid) && holds(&m->ppid, p->stat.ppid) &&
                 (!m->states || (p->stat.state && strchr(m->states, p->stat.state))) && test_tty(m, p) &&
                 (!m->cgroups || ((p->have & PROC_CGROUP) && in_list(m->cgroups, p->cgroup.data, p->cgroup.len))) &&
                 test_ns(m, p) && test_pid(m, p) && test_pattern(m, p);
    return meant != m->invert;
}
