// SPDX-License-Identifier: MIT
//
// sig, procfile, ident, match: parsers of what others wrote.
#include "err.h"
#include "ident.h"
#include "match.h"
#include "procfile.h"
#include "sig.h"
#include "unit.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static bool sig_is(const char *text, int want)
{
    int sig = -1;
    return sig_parse(text, &sig) == 0 && sig == want;
}

static bool sig_fails(const char *text, const char *why)
{
    int sig;
    return sig_parse(text, &sig) == -1 && err_code() == EINVAL && strstr(err_text(), why);
}

void test_sig(void)
{
    check(sig_is("TERM", SIGTERM) && sig_is("SIGTERM", SIGTERM) && sig_is("sigterm", SIGTERM) && sig_is("15", 15));
    check(sig_is("0", 0) && sig_is("64", 64) && sig_is("RTMIN", SIGRTMIN) && sig_is("SIGRTMAX", SIGRTMAX));
    check(sig_is("RTMIN+3", SIGRTMIN + 3) && sig_is("RTMAX-1", SIGRTMAX - 1) && sig_is("rtmin+0", SIGRTMIN));
    check(sig_is("IOT", SIGABRT) && sig_is("POLL", SIGIO) && sig_is("CLD", SIGCHLD));
    check(sig_fails("65", "no signal") && sig_fails("1x", "no signal") && sig_fails("", "no signal"));
    check(sig_fails("TERN", "did you mean 'TERM'") && sig_fails("RTMIN-1", "RTMIN+N") && sig_fails("RTMIN+99", "RTMIN+N"));
    check(sig_fails("RTMINX", "RTMIN+N") && sig_fails("RTMAX+1", "RTMIN+N"));
    for (int sig = 1; sig <= SIG_LAST; sig++) {
        struct sig_name name = sig_name(sig);
        const char *libc = sigabbrev_np(sig);
        check(sig_is(name.text, sig));
        check(!libc || sig == SIGIO || strcmp(libc, name.text) == 0);
    }
}

static const char stat_line[] =
    "4711 (a) R (b) S 1 4711 4710 34817 4712 4194304 11 22 33 44 55 66 77 88 20 -5 3 0 123456 1048576 99 "
    "18446744073709551615 1 1 140737488 0 0 0 0 0 0 0 0 0 17 1 42 2 0 0 0 0 0 0 0 0 0 0 0\n";

static const char status_file[] =
    "Name:\tUid:\\n\nState:\tS (sleeping)\nTracerPid:\t77\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t5 24 \n"
    "VmSwap:\t      12 kB\nvoluntary_ctxt_switches:\t10\nnonvoluntary_ctxt_switches:\t3\n";

// Every beginning of TEXT, and TEXT with bytes changed, ends in 0 or -1 and nothing else.
#define SURVIVES(text, call)                                                                                  \
    do {                                                                                                      \
        for (size_t n = 0; n < sizeof(text); n++) {                                                           \
            const char *at = unit_edge(text, n);                                                              \
            int done = call;                                                                                  \
            check(done == 0 || done == -1);                                                                   \
        }                                                                                                     \
        for (size_t i = 0, times = unit_times(20000, 1000000); i < times; i++) {                              \
            size_t n = sizeof(text) - 1;                                                                      \
            char *at = unit_edge(text, n);                                                                    \
            for (unsigned k = 0; k < 1 + i % 4; k++)                                                          \
                at[unit_random() % n] = (char)unit_random();                                                  \
            int done = call;                                                                                  \
            if (done != 0 && done != -1)                                                                      \
                check(false);                                                                                 \
        }                                                                                                     \
    } while (0)

void test_procfile(void)
{
    struct proc_stat st;
    check(procfile_stat(stat_line, strlen(stat_line), &st) == 0);
    check(st.pid == 4711 && st.comm_len == 7 && memcmp(st.comm, "a) R (b", 7) == 0 && st.state == 'S' && st.ppid == 1);
    check(st.pgid == 4711 && st.sid == 4710 && st.tty == 34817 && st.tpgid == 4712 && st.minflt == 11 && st.majflt == 33);
    check(st.utime == 55 && st.stime == 66 && st.prio == 20 && st.nice == -5 && st.threads == 3);
    check(st.start == 123456 && st.vsize == 1048576 && st.start_stack == 140737488 && st.rt_prio == 42 && st.policy == 2);
    check(procfile_stat("1 (x) S", 7, &st) == -1 && err_code() == EPROTO);
    check(procfile_stat("1 )x( S 1 1", 11, &st) == -1);
    check(procfile_stat("", 0, &st) == -1);
    SURVIVES(stat_line, procfile_stat(at, n, &st));

    struct proc_statm m;
    check(procfile_statm("10 20 30 0 0 0 0\n", 17, &m) == 0 && m.size == 10 && m.resident == 20 && m.shared == 30);
    check(procfile_statm("10 20", 5, &m) == -1);

    struct proc_status s;
    check(procfile_status(status_file, strlen(status_file), &s) == 0);
    check(s.uid[0] == 1 && s.uid[3] == 4 && s.gid[1] == 6 && s.tracer == 77 && s.vol_ctxsw == 10 && s.invol_ctxsw == 3);
    check(s.groups_len == 5 && memcmp(s.groups, "5 24 ", 5) == 0 && s.has_swap && s.swap == 12288);
    check(procfile_status("Name:\tx\n", 8, &s) == -1 && err_code() == EPROTO);
    SURVIVES(status_file, procfile_status(at, n, &s));

    uint64_t v;
    static const char io[] = "rchar: 5\nread_bytes: 4096\nwrite_bytes: 7\n";
    check(procfile_field(io, strlen(io), "read_bytes", &v) == 0 && v == 4096);
    check(procfile_field(io, strlen(io), "bytes", &v) == -1 && err_code() == ENOENT);
    check(procfile_field("A: 99999999999999999 kB", 23, "A", &v) == -1);

    const char *path;
    size_t len;
    static const char cgroup[] = "12:pids:/v1\n1:name=systemd:/a:b\n0::/v2/x\n";
    check(procfile_cgroup(cgroup, strlen(cgroup), &path, &len) == 0 && len == 5 && memcmp(path, "/v2/x", 5) == 0);
    check(procfile_cgroup(cgroup, 31, &path, &len) == 0 && len == 3 && memcmp(path, "/v1", 3) == 0);
    check(procfile_cgroup("junk\n", 5, &path, &len) == -1);
    SURVIVES(cgroup, procfile_cgroup(at, n, &path, &len));

    static const char mounts[] = "22 1 0:5 / /a rw shared:1 - proc proc rw\n36 22 0:40 / /b rw - fuse.sshfs x rw\n";
    struct proc_mount mount = {0};
    size_t next = 0;
    check(procfile_mount(mounts, strlen(mounts), &next, &mount) == 0 && mount.id == 22 && mount.type_len == 4);
    check(procfile_mount(mounts, strlen(mounts), &next, &mount) == 0 && mount.id == 36 && mount.type_len == 10 &&
          memcmp(mount.type, "fuse.sshfs", 10) == 0 && mount.major == 0 && mount.minor == 40);
    check(procfile_mount(mounts, strlen(mounts), &next, &mount) == -1 && err_code() == ENOENT);
    next = 0;
    check(procfile_mount("1 2 3\n7 8 9 - x \n5 1 8:1 / / rw - xfs /dev/a rw\n", 48, &next, &mount) == 0 && mount.id == 5);
    SURVIVES(mounts, (next = 0, procfile_mount(at, n, &next, &mount)));

#ifdef __x86_64__
    const uint64_t aux64[] = {AT_SYSINFO_EHDR, 0x7fff00001000, AT_NULL, 0};
    const uint32_t aux32[] = {AT_SYSINFO, 0xf7fd0000, AT_SYSINFO_EHDR, 0xf7fd0000, AT_NULL, 0};
    const uint32_t auxx32[] = {AT_SYSINFO_EHDR, 0xf7fd0000, 16, 1, AT_NULL, 0};
    check(strcmp(procfile_abi(aux64, sizeof aux64), "x86_64") == 0);
    check(strcmp(procfile_abi(aux32, sizeof aux32), "i386") == 0);
    check(strcmp(procfile_abi(auxx32, sizeof auxx32), "x32") == 0);
    check(procfile_abi(aux64, 0) == NULL);
#endif
}

static bool ident_is(const char *text, pid_t pid, int by, uint64_t value, size_t ntids)
{
    struct ident id;
    return ident_parse(text, strlen(text), &id) == 0 && id.pid == pid && (int)id.by == by && id.value == value &&
           id.ntids == ntids;
}

static bool ident_fails(const char *text)
{
    struct ident id;
    return ident_parse(unit_edge(text, strlen(text)), strlen(text), &id) == -1 && err_code() == EINVAL;
}

void test_ident(void)
{
    check(ident_is("1", 1, IDENT_PID, 0, 0) && ident_is("self", getpid(), IDENT_PID, 0, 0));
    check(ident_is("2147483647", INT32_MAX, IDENT_PID, 0, 0) && ident_is("0", 0, IDENT_PID, 0, 0));
    check(ident_is("12:34", 12, IDENT_INODE, 34, 0) && ident_is("12@0", 12, IDENT_START, 0, 0));
    check(ident_is("12:18446744073709551615/7", 12, IDENT_INODE, UINT64_MAX, 1));
    check(ident_is("12/3,4-9,5", 12, IDENT_PID, 0, 3) && ident_is("self/1", getpid(), IDENT_PID, 0, 1));
    static const char *const bad[] = {"",      "-1",     "+1",    " 1",   "1 ",   "x",       "1x",       "0x10",   "2147483648",
                                      "1:",    "1@",     "1:0",   "1:x",  "1@x",  "1:2:3",   "1:2@3",    "1/",     "1/x",
                                      "1/0",   "1/2,",   "1/,2",  "1/3-", "1/-3", "1/4-3",   "1/2-3-4",  "1/1/1",  "/1",
                                      "selfx", "self:1", "self@", "1:-2", "1@-2", "99999999999999999999", "1:18446744073709551616"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (!ident_fails(bad[i])) {
            printf("# accepted: %s\n", bad[i]);
            check(false);
        }
    struct ident id;
    static const char target[] = "4711:123456/12,13-15";
    SURVIVES(target, ident_parse(at, n, &id));

    CLEANUP_BUF struct buf out = {0};
    struct proc p = {.pid = 5, .tid = 6, .have = PROC_STAT | PROC_INODE, .inode = 99, .stat = {.start = 7}};
    ident_handle(&out, &p);
    check(is(&out, "5:99/6"));
    buf_reset(&out);
    p.have = PROC_STAT;
    p.tid = 0;
    ident_handle(&out, &p);
    check(is(&out, "5@7"));
}

static bool matches(const char *pattern, bool full, bool exact, bool icase, const char *comm, const char *cmdline, size_t n)
{
    struct match m = {.full = full, .exact = exact, .ignore_case = icase};
    struct proc p = {.have = PROC_STAT | PROC_CMDLINE};
    bool ok = match_pattern(&m, pattern) == 0;
    p.stat.comm_len = strlen(comm);
    memcpy(p.stat.comm, comm, p.stat.comm_len);
    buf_add(&p.cmdline, cmdline, n);
    buf_add(&p.args, cmdline, n ? n - 1 : 0);
    for (size_t i = 0; i < p.args.len; i++)
        p.args.data[i] = p.args.data[i] ? p.args.data[i] : ' ';
    (void)buf_cstr(&p.args);
    ok = ok && match_test(&m, &p);
    buf_fini(&p.cmdline);
    buf_fini(&p.args);
    match_fini(&m);
    return ok;
}
#define MATCH(pattern, full, exact, icase, comm, cmdline) matches(pattern, full, exact, icase, comm, cmdline, sizeof(cmdline))

void test_match(void)
{
    check(MATCH("as", false, false, false, "bash", "bash"));
    check(MATCH("b.*h$", false, false, false, "bash", "bash"));
    check(!MATCH("as", false, true, false, "bash", "bash"));
    check(MATCH("bash", false, true, false, "bash", "bash"));
    check(MATCH("b.s", false, false, false, "bash", "x") && !MATCH("b.s", false, true, false, "bash", "x"));
    check(MATCH("a|b", false, true, false, "b", "x") && !MATCH("a|b", false, true, false, "bc", "x"));
    check(MATCH("BASH", false, true, true, "bash", "x") && MATCH("BAS", false, false, true, "bash", "x"));
    check(MATCH("B.SH", false, true, true, "bash", "x") && !MATCH("BASH", false, false, false, "bash", "x"));
    check(MATCH("run --fast", true, false, false, "x", "/bin/run\0--fast") && MATCH("/bin/run --fast", true, true, false, "x", "/bin/run\0--fast"));
    check(MATCH("ab*c", false, false, false, "ac", "x") && MATCH("ab?c", false, false, false, "ac", "x"));
    check(MATCH("ab{0}c", false, false, false, "ac", "x") && MATCH("ab+c", false, false, false, "abbc", "x"));
    check(MATCH("ab(c|d)", false, false, false, "abd", "x") && MATCH("abc|d", false, false, false, "d", "x"));
    check(MATCH("ab[c]", false, false, true, "ABC", "x") && !MATCH("ab[c]", false, false, false, "ABC", "x"));
    // A name of 15 bytes goes on in the arguments, if they begin alike.
    check(MATCH("very-long-name-of-it", false, true, false, "very-long-name-", "/opt/very-long-name-of-it\0-x"));
    check(MATCH("very-long-name-of-it", false, true, false, "very-long-name-", "/bin/sh\0-e\0/opt/very-long-name-of-it"));
    check(MATCH("very-long-name-", false, true, false, "very-long-name-", "very-long-name-of-it"));
    check(!MATCH("other", false, false, false, "very-long-name-", "/opt/other-long-name"));
    check(!MATCH("bash-is-long-he", false, false, false, "bash", "bash-is-long-here"));

    struct match m = {0};
    check(match_pattern(&m, "(") == -1 && err_code() == EINVAL);
    check(match_ids(&m, &m.pgid, "1,x") == -1 && match_ids(&m, &m.pgid, "") == -1);
    check(match_users(&m, &m.euid, "no-such-user-here") == -1 && err_code() == EINVAL);
    check(match_users(&m, &m.euid, "root,4294967295") == -1);
    check(match_states(&m, "Q") == -1 && match_states(&m, "") == -1 && match_states(&m, "R,S") == 0);
    check(match_ns_kinds(&m, "mnt,nett") == -1 && match_ns_kinds(&m, "mnt,net") == 0);
    match_fini(&m);
}
