// SPDX-License-Identifier: MIT
#include "match.h"

#include "err.h"
#include "num.h"
#include "user.h"

#include <errno.h>
#include <string.h>

void match_fini(struct match *m)
{
    struct numbers *lists[] = {&m->euid, &m->ruid, &m->rgid, &m->pgid, &m->sid, &m->ppid, &m->pids, &m->not_pids};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        free(lists[i]->at);
    if (m->has_regex)
        regfree(&m->regex);
    free(m->ttys);
    free(m->cgroups);
}

static int push(struct numbers *to, int64_t value)
{
    int64_t *grown = array_grow(to->at, to->n, &to->cap, sizeof *grown);
    if (!grown)
        return -1;
    to->at = grown;
    to->at[to->n++] = value;
    return 0;
}

// --- what is wanted --------------------------------------------------------------

static const char special[] = "\\^$.|?*+()[]{}";

// The plain characters that an expression begins with. With an alternative none is sure to
// be there, and a character before a count may be there no time.
static size_t plain_beginning(const char *pattern)
{
    size_t n = strcspn(pattern, special);
    if (strchr(pattern, '|'))
        return 0;
    if (n > 0 && pattern[n] && strchr("*?+{", pattern[n]))
        do
            n--;
        while (n > 0 && (pattern[n] & 0xc0) == 0x80); // the bytes of one character
    return n;
}

static int compile(struct match *m, const char *expression, const char *pattern)
{
    int code = regcomp(&m->regex, expression, REG_EXTENDED | REG_NOSUB | (m->ignore_case ? REG_ICASE : 0));
    if (code) {
        char why[128];
        (void)regerror(code, &m->regex, why, sizeof why);
        return err_set(EINVAL, "'%s' is no regular expression: %s", pattern, why);
    }
    m->has_regex = true;
    return 0;
}

int match_pattern(struct match *m, const char *pattern)
{
    m->needs |= m->full ? PROC_CMDLINE : PROC_COMM;
    if (!strpbrk(pattern, special)) {
        m->literal = pattern;
        return 0;
    }
    m->prefix = pattern;
    m->prefix_len = m->ignore_case ? 0 : plain_beginning(pattern);
    if (compile(m, pattern, pattern) < 0 || !m->exact)
        return m->has_regex ? 0 : -1;
    // Once more as a whole: first alone, because `a)|(b` is no expression but between brackets.
    CLEANUP_BUF struct buf whole = {0};
    buf_printf(&whole, "^(%s)$", pattern);
    regfree(&m->regex);
    m->has_regex = false;
    return compile(m, buf_cstr(&whole), pattern);
}

const char *list_next(const char **at, size_t *len)
{
    const char *word = *at;
    if (!word)
        return NULL;
    *len = strcspn(word, ",");
    *at = word[*len] ? word + *len + 1 : NULL;
    return word;
}

int match_users(struct match *m, struct numbers *to, const char *list)
{
    size_t len;
    m->needs |= to == &m->euid ? PROC_OWNER : PROC_STATUS;
    for (const char *word; (word = list_next(&list, &len));) {
        uid_t uid;
        if (user_parse(word, len, &uid) < 0 || push(to, uid) < 0)
            return -1;
    }
    return 0;
}

int match_groups(struct match *m, const char *list)
{
    size_t len;
    m->needs |= PROC_STATUS;
    for (const char *word; (word = list_next(&list, &len));) {
        gid_t gid;
        if (group_parse(word, len, &gid) < 0 || push(&m->rgid, gid) < 0)
            return -1;
    }
    return 0;
}

int match_ids(struct match *m, struct numbers *to, const char *list)
{
    size_t len;
    m->needs |= PROC_STAT;
    for (const char *word; (word = list_next(&list, &len));) {
        uint64_t id;
        if (num_uint(word, len, INT32_MAX, &id) < 0)
            return err_wrap("'%.*s'", (int)len, word);
        if (id == 0 && to == &m->pgid)
            id = (uint64_t)getpgrp();
        if (id == 0 && to == &m->sid)
            id = (uint64_t)getsid(0);
        if (push(to, (int64_t)id) < 0)
            return -1;
    }
    return 0;
}

static int keep_list(char **to, const char *list)
{
    CLEANUP_BUF struct buf both = {0};
    size_t len;
    for (const char *at = list; list_next(&at, &len);)
        if (len == 0)
            return err_set(EINVAL, "an empty word in '%s'", list);
    if (*to)
        buf_printf(&both, "%s,", *to);
    buf_str(&both, list);
    char *copy = strdup(buf_cstr(&both));
    if (!copy)
        return err_set(ENOMEM, "out of memory");
    free(*to);
    *to = copy;
    return 0;
}

int match_ttys(struct match *m, const char *list)
{
    m->needs |= PROC_STAT | PROC_TTY;
    return keep_list(&m->ttys, list);
}

int match_states(struct match *m, const char *list)
{
    m->needs |= PROC_STAT;
    m->states = list;
    if (!list[strspn(list, ",")] || list[strspn(list, "RSDTtZXIP,")])
        return err_set(EINVAL, "'%s': states are letters: R S D T t Z I", list);
    return 0;
}

int match_cgroups(struct match *m, const char *list)
{
    m->needs |= PROC_CGROUP;
    return keep_list(&m->cgroups, list);
}

int match_ns_kinds(struct match *m, const char *kinds)
{
    size_t len;
    for (size_t i = 0; i < NS_KINDS; i++)
        m->ns_wanted[i] = !kinds;
    for (const char *word; (word = list_next(&kinds, &len));) {
        size_t i = 0;
        while (i < NS_KINDS && (strlen(ns_kinds[i]) != len || memcmp(ns_kinds[i], word, len) != 0))
            i++;
        if (i == NS_KINDS)
            return err_set(EINVAL, "'%.*s' is no namespace: cgroup ipc mnt net pid time user uts", (int)len, word);
        m->ns_wanted[i] = true;
    }
    return 0;
}

int match_ns(struct match *m, const struct procs *ps, struct proc *of)
{
    if (proc_load(ps, of, PROC_STAT | PROC_NS) < 0)
        return -1;
    if (!(of->have & PROC_NS))
        return err_set(EACCES, "its namespaces cannot be read: Permission denied (run as its user or root)");
    m->needs |= PROC_NS;
    for (size_t i = 0; i < NS_KINDS; i++)
        m->ns[i] = m->ns_wanted[i] ? of->ns[i] : 0;
    return 0;
}

// --- families --------------------------------------------------------------------

struct kin {
    int64_t pid, ppid, start;
};

struct family {
    struct kin *at;
    size_t n, cap;
};

static int add_kin(struct proc *p, void *arg)
{
    struct family *f = arg;
    struct kin *grown = array_grow(f->at, f->n, &f->cap, sizeof *grown);
    if (!grown)
        return -1;
    f->at = grown;
    f->at[f->n++] = (struct kin){p->pid, p->stat.ppid, (int64_t)p->stat.start};
    return 0;
}

static int by_parent(const void *a, const void *b)
{
    const struct kin *x = a, *y = b;
    return (x->ppid > y->ppid) - (x->ppid < y->ppid);
}

// Appends the children of PID that were born after it: a child is never older, but a
// reused number can look so.
static int add_children(struct match *m, const struct family *f, int64_t pid, int64_t start)
{
    size_t low = 0, high = f->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (f->at[middle].ppid < pid)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < f->n && f->at[low].ppid == pid; low++)
        if (f->at[low].start >= start && f->at[low].pid != pid &&
            (push(&m->pids, f->at[low].pid) < 0 || push(&m->pids, f->at[low].start) < 0))
            return -1;
    return 0;
}

int match_descendants(struct match *m, const struct procs *ps, const struct proc *root)
{
    struct family f = {0};
    struct proc p;
    proc_init(&p);
    int done = proc_each(ps, &p, PROC_STAT, add_kin, &f);
    if (done == 0) {
        if (f.n > 0)
            qsort(f.at, f.n, sizeof *f.at, by_parent);
        done = add_children(m, &f, root->pid, (int64_t)root->stat.start);
        // No more than there are processes: a circle of reused numbers ends too.
        for (size_t i = 0; done == 0 && i + 1 < m->pids.n && i / 2 < f.n; i += 2)
            done = add_children(m, &f, m->pids.at[i], m->pids.at[i + 1]);
    }
    m->by_pids = true;
    m->needs |= PROC_STAT;
    proc_fini(&p);
    free(f.at);
    return done;
}

int match_no_ancestors(struct match *m, const struct procs *ps)
{
    struct proc p;
    proc_init(&p);
    int done = 0;
    for (pid_t pid = getppid(); done == 0 && pid > 0; pid = p.stat.ppid) {
        done = push(&m->not_pids, pid);
        if (done == 0 && proc_read(ps, &p, pid, PROC_STAT) < 0)
            break;
    }
    proc_fini(&p);
    return done;
}
