// SPDX-License-Identifier: MIT
#include "procfile.h"

#include "err.h"
#include "num.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

// A place in a text, and whether all went well so far.
struct scan {
    const char *at, *end;
    bool bad;
};

static void skip_blanks(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t'))
        s->at++;
}

static uint64_t scan_uint(struct scan *s)
{
    skip_blanks(s);
    const char *at = s->at, *end = s->end;
    uint64_t v = 0;
    while (at < end && *at >= '0' && *at <= '9')
        v = v * 10 + (uint64_t)(*at++ - '0'); // the kernel prints no more than 64 bits
    s->bad |= at == s->at;
    s->at = at;
    return v;
}

static int64_t scan_int(struct scan *s)
{
    skip_blanks(s);
    bool negative = s->at < s->end && *s->at == '-';
    s->at += negative;
    uint64_t v = scan_uint(s);
    return (int64_t)(negative ? 0 - v : v);
}

static void skip_fields(struct scan *s, unsigned n)
{
    while (n-- > 0) {
        skip_blanks(s);
        const char *blank = memchr(s->at, ' ', (size_t)(s->end - s->at));
        s->at = blank ? blank : s->end;
    }
}

int procfile_stat(const char *text, size_t n, struct proc_stat *ret)
{
    struct proc_stat st = {0};
    struct scan s = {text, text + n, false};
    st.pid = (pid_t)scan_uint(&s);
    // The name may hold ") R (": it ends at the last parenthesis.
    const char *open = memchr(text, '(', n), *close = memrchr(text, ')', n);
    if (s.bad || !open || !close || close < open || s.end - close < 4)
        return err_set(EPROTO, "not a stat line");
    st.comm_len = (size_t)(close - open - 1);
    if (st.comm_len > COMM_MAX)
        st.comm_len = COMM_MAX;
    memcpy(st.comm, open + 1, st.comm_len);
    st.state = close[2];
    s.at = close + 3;
    st.ppid = (pid_t)scan_int(&s);
    st.pgid = (pid_t)scan_int(&s);
    st.sid = (pid_t)scan_int(&s);
    st.tty = (uint32_t)scan_int(&s);
    st.tpgid = (pid_t)scan_int(&s);
    skip_fields(&s, 1); // flags
    st.minflt = scan_uint(&s);
    skip_fields(&s, 1);
    st.majflt = scan_uint(&s);
    skip_fields(&s, 1);
    st.utime = scan_uint(&s);
    st.stime = scan_uint(&s);
    skip_fields(&s, 2);
    st.prio = scan_int(&s);
    st.nice = scan_int(&s);
    st.threads = scan_int(&s);
    skip_fields(&s, 1);
    st.start = scan_uint(&s);
    st.vsize = scan_uint(&s);
    skip_fields(&s, 4); // rss (inexact since 6.2), its limit, code addresses
    st.start_stack = scan_uint(&s);
    skip_fields(&s, 11);
    st.rt_prio = scan_uint(&s); // field 40
    st.policy = scan_uint(&s);
    if (s.bad)
        return err_set(EPROTO, "not a stat line");
    *ret = st;
    return 0;
}

int procfile_statm(const char *text, size_t n, struct proc_statm *ret)
{
    struct scan s = {text, text + n, false};
    struct proc_statm m = {.size = scan_uint(&s), .resident = scan_uint(&s), .shared = scan_uint(&s)};
    if (s.bad)
        return err_set(EPROTO, "not a statm line");
    *ret = m;
    return 0;
}

// The rest of the line that begins with KEY and a colon.
static int line_of(const char *text, size_t n, const char *key, struct scan *ret)
{
    size_t len = strlen(key);
    for (const char *line = text, *end = text + n, *next; line < end; line = next) {
        const char *eol = memchr(line, '\n', (size_t)(end - line));
        next = eol ? eol + 1 : end;
        if ((size_t)(end - line) > len && memcmp(line, key, len) == 0 && line[len] == ':') {
            *ret = (struct scan){line + len + 1, eol ? eol : end, false};
            skip_blanks(ret);
            return 0;
        }
    }
    return err_set(ENOENT, "no line '%s'", key);
}

int procfile_field(const char *text, size_t n, const char *key, uint64_t *ret)
{
    struct scan s;
    if (line_of(text, n, key, &s) < 0)
        return -1;
    uint64_t v = scan_uint(&s);
    if (s.bad)
        return err_set(ENOENT, "no number on line '%s'", key);
    skip_blanks(&s);
    bool kib = s.end - s.at >= 2 && memcmp(s.at, "kB", 2) == 0;
    if (kib && v > UINT64_MAX / 1024)
        return err_set(ENOENT, "no number on line '%s'", key);
    *ret = kib ? v * 1024 : v;
    return 0;
}

static int four(const char *text, size_t n, const char *key, uint32_t ret[4])
{
    struct scan s;
    if (line_of(text, n, key, &s) < 0)
        return -1;
    for (int i = 0; i < 4; i++)
        ret[i] = (uint32_t)scan_uint(&s);
    return s.bad ? err_set(EPROTO, "not four numbers on line '%s'", key) : 0;
}

int procfile_status(const char *text, size_t n, struct proc_status *ret)
{
    struct proc_status st = {0};
    struct scan groups;
    uint64_t tracer;
    if (four(text, n, "Uid", st.uid) < 0 || four(text, n, "Gid", st.gid) < 0 ||
        line_of(text, n, "Groups", &groups) < 0 || procfile_field(text, n, "TracerPid", &tracer) < 0)
        return err_set(EPROTO, "not a status file");
    st.groups = groups.at;
    st.groups_len = (size_t)(groups.end - groups.at);
    st.tracer = (pid_t)tracer;
    st.has_swap = procfile_field(text, n, "VmSwap", &st.swap) == 0;
    if (procfile_field(text, n, "voluntary_ctxt_switches", &st.vol_ctxsw) < 0 ||
        procfile_field(text, n, "nonvoluntary_ctxt_switches", &st.invol_ctxsw) < 0)
        return err_set(EPROTO, "not a status file");
    *ret = st;
    return 0;
}

int procfile_own_pid(const char *text, size_t n, uint64_t *ret)
{
    struct scan s;
    if (line_of(text, n, "NStgid", &s) < 0)
        return -1;
    uint64_t v = scan_uint(&s), next;
    for (next = v; !s.bad; next = scan_uint(&s))
        v = next;
    if (v == 0)
        return err_set(ENOENT, "no number on line 'NStgid'");
    *ret = v;
    return 0;
}

int procfile_cgroup(const char *text, size_t n, const char **path, size_t *len)
{
    const char *end = text + n, *first = NULL;
    size_t first_len = 0;
    for (const char *line = text, *next; line < end; line = next) {
        const char *eol = memchr(line, '\n', (size_t)(end - line));
        eol = eol ? eol : end;
        next = eol < end ? eol + 1 : end;
        // HIERARCHY:CONTROLLERS:PATH; version 2 is 0:: (cgroups(7))
        const char *colon = memchr(line, ':', (size_t)(eol - line));
        const char *second = colon ? memchr(colon + 1, ':', (size_t)(eol - colon - 1)) : NULL;
        if (!second)
            continue;
        if (!first) {
            first = second + 1;
            first_len = (size_t)(eol - second - 1);
        }
        if (second - line == 2 && line[0] == '0') {
            *path = second + 1;
            *len = (size_t)(eol - second - 1);
            return 0;
        }
    }
    if (!first)
        return err_set(ENOENT, "no control group");
    *path = first;
    *len = first_len;
    return 0;
}

int procfile_mount(const char *text, size_t n, size_t *at, struct proc_mount *ret)
{
    const char *end = text + n;
    for (const char *line = text + *at, *next; line < end; line = next) {
        const char *eol = memchr(line, '\n', (size_t)(end - line));
        eol = eol ? eol : end;
        next = eol < end ? eol + 1 : end;
        *at = (size_t)(next - text);
        // ID PARENT MAJOR:MINOR ...; blanks in paths are written \040, so " - " stands once (proc_pid_mountinfo(5)).
        struct scan s = {line, eol, false};
        struct proc_mount m = {.id = scan_uint(&s)};
        (void)scan_uint(&s);
        m.major = (unsigned)scan_uint(&s);
        s.bad |= s.at == eol || *s.at++ != ':';
        m.minor = s.bad ? 0 : (unsigned)scan_uint(&s);
        const char *dash = memmem(line, (size_t)(eol - line), " - ", 3);
        const char *blank = dash ? memchr(dash + 3, ' ', (size_t)(eol - dash - 3)) : NULL;
        if (s.bad || !blank)
            continue;
        m.type = dash + 3;
        m.type_len = (size_t)(blank - m.type);
        *ret = m;
        return 0;
    }
    return err_set(ENOENT, "no such mount");
}

const char *procfile_abi(const void *auxv, size_t n)
{
    // The kernel ends the vector with AT_NULL and fills the rest of the file with zeros: a
    // 64-bit entry has the upper half of its type zero, a 32-bit one has a value there.
    uint64_t type64;
    if (n < 2 * sizeof type64)
        return NULL;
    memcpy(&type64, auxv, sizeof type64);
    bool is64 = type64 <= UINT32_MAX;
#if defined(__x86_64__) || defined(__i386__)
    uint32_t word[2];
    bool vdso = false;
    if (is64)
        return "x86_64";
    for (size_t at = 0; at + sizeof word <= n; at += sizeof word) {
        memcpy(word, (const char *)auxv + at, sizeof word);
        if (word[0] == AT_NULL)
            break;
        if (word[0] == AT_SYSINFO) // only the i386 kernel interface has it
            return "i386";
        vdso |= word[0] == AT_SYSINFO_EHDR;
    }
    return vdso ? "x32" : "i386";
#elif defined(__aarch64__) || defined(__arm__)
    return is64 ? "aarch64" : "arm";
#else
    return is64 ? "64-bit" : "32-bit";
#endif
}
