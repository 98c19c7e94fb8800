// SPDX-License-Identifier: MIT
#include "proccol.h"

#include "ident.h"
#include "user.h"

#include <stdio.h>
#include <string.h>

void proc_row_fini(struct proc_row *row)
{
    struct buf *all[] = {&row->handle, &row->ns, &row->groups, &row->osrel, &row->host};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_fini(all[i]);
}

static void set_ns(struct buf *out, const struct proc *p)
{
    buf_reset(out);
    for (size_t i = 0; (p->have & PROC_NS) && i < NS_KINDS; i++)
        if (p->ns[i])
            buf_printf(out, "%s%s:[%llu]", out->len ? " " : "", ns_kinds[i], (unsigned long long)p->ns[i]);
}

static void set_groups(struct buf *out, const struct proc *p)
{
    buf_reset(out);
    if (!(p->have & PROC_STATUS))
        return;
    for (size_t i = 0; i < p->status.groups_len; i++) {
        char c = p->status.groups[i];
        if (c != ' ')
            buf_byte(out, c);
        else if (i + 1 < p->status.groups_len)
            buf_byte(out, ',');
    }
}

void proc_row_set(struct proc_row *row, const struct procs *ps, const struct proc *p)
{
    row->ps = ps;
    row->p = p;
    set_ns(&row->ns, p);
    set_groups(&row->groups, p);
    buf_reset(&row->handle);
    if (p->have & PROC_STAT)
        ident_handle(&row->handle, p);
    buf_reset(&row->osrel);
    if (p->have & PROC_OSREL)
        buf_printf(&row->osrel, "%u.%u.%u", p->osrel[0], p->osrel[1], p->osrel[2]);
    if (row->host.len == 0) {
        char name[256] = "";
        if (gethostname(name, sizeof name - 1) == 0)
            buf_str(&row->host, name);
    }
}

// A getter: `r` is the row, `p` the process, `c` the cell, which stays without value unless
// all of NEEDS could be read.
#define GETTER(name, needs, body)                                                                             \
    static void get_##name(const void *row, struct cell *c)                                                   \
    {                                                                                                         \
        const struct proc_row *r = row;                                                                       \
        const struct proc *p = r->p;                                                                          \
        (void)p;                                                                                              \
        if ((p->have & (unsigned)(needs)) == (unsigned)(needs)) {                                             \
            body;                                                                                             \
        }                                                                                                     \
    }

#define STAT_INT(name, field) GETTER(name, PROC_STAT, cell_int(c, p->stat.field))
#define STAT_UINT(name, field) GETTER(name, PROC_STAT, cell_uint(c, p->stat.field))
#define TEXT(name, need) GETTER(name, need, cell_text(c, p->name.data, p->name.len))

static uint64_t hundredths(const struct proc_row *r, uint64_t ticks)
{
    return ticks * 100 / (uint64_t)r->ps->hz;
}

static uint64_t age_ticks(const struct proc_row *r)
{
    uint64_t now = r->p->now / (1000000000ULL / (uint64_t)r->ps->hz);
    return now > r->p->stat.start ? now - r->p->stat.start : 0;
}

GETTER(pid, 0, cell_int(c, p->pid))
GETTER(tid, 0, cell_int(c, p->tid ? p->tid : p->pid))
STAT_INT(ppid, ppid)
STAT_INT(pgid, pgid)
STAT_INT(sid, sid)
GETTER(user, PROC_OWNER, cell_str(c, user_name(p->euid)))
GETTER(uid, PROC_OWNER, cell_uint(c, p->euid))
GETTER(group, PROC_OWNER, cell_str(c, group_name(p->egid)))
GETTER(gid, PROC_OWNER, cell_uint(c, p->egid))
GETTER(ruser, PROC_STATUS, cell_str(c, user_name(p->status.uid[0])))
GETTER(ruid, PROC_STATUS, cell_uint(c, p->status.uid[0]))
GETTER(rgid, PROC_STATUS, cell_uint(c, p->status.gid[0]))
GETTER(suid, PROC_STATUS, cell_uint(c, p->status.uid[2]))
GETTER(sgid, PROC_STATUS, cell_uint(c, p->status.gid[2]))
GETTER(groups, PROC_STATUS, cell_text(c, r->groups.data, r->groups.len))
GETTER(state, PROC_STAT, cell_text(c, &p->stat.state, 1))
GETTER(rss, PROC_STATM, cell_uint(c, p->statm.resident * (uint64_t)r->ps->page))
GETTER(shared, PROC_STATM, cell_uint(c, p->statm.shared * (uint64_t)r->ps->page))
GETTER(pss, PROC_SMAPS, cell_uint(c, p->pss))
GETTER(uss, PROC_SMAPS, cell_uint(c, p->uss))
GETTER(swap, PROC_STATUS, if (p->status.has_swap) cell_uint(c, p->status.swap))
GETTER(vsz, PROC_STAT, if (p->stat.vsize) cell_uint(c, p->stat.vsize))
GETTER(cputime, PROC_STAT, cell_fixed(c, (int64_t)hundredths(r, p->stat.utime + p->stat.stime), 2))
GETTER(utime, PROC_STAT, cell_fixed(c, (int64_t)hundredths(r, p->stat.utime), 2))
GETTER(stime, PROC_STAT, cell_fixed(c, (int64_t)hundredths(r, p->stat.stime), 2))
GETTER(etime, PROC_STAT | PROC_NOW, cell_fixed(c, (int64_t)hundredths(r, age_ticks(r)), 2))
GETTER(cpu_avg, PROC_STAT | PROC_NOW,
       if (age_ticks(r)) cell_fixed(c, (int64_t)((p->stat.utime + p->stat.stime) * 1000 / age_ticks(r)), 1))
GETTER(start, PROC_STAT,
       cell_fixed(c, (r->ps->realtime_at_boot + 5000000) / 10000000 + (int64_t)hundredths(r, p->stat.start), 2))
GETTER(name, PROC_STAT, cell_text(c, p->stat.comm, p->stat.comm_len))
GETTER(args, PROC_CMDLINE, if (p->cmdline.len) cell_text(c, p->args.data, p->args.len))
GETTER(argv, PROC_CMDLINE, if (p->cmdline.len)
       cell_text(c, p->cmdline.data, p->cmdline.len - (p->cmdline.data[p->cmdline.len - 1] == '\0')))
TEXT(exe, PROC_EXE)
TEXT(cwd, PROC_CWD)
TEXT(root, PROC_ROOT)
TEXT(tty, PROC_TTY)
TEXT(wchan, PROC_WCHAN)
TEXT(cgroup, PROC_CGROUP)
GETTER(tpgid, PROC_STAT, if (p->stat.tpgid > 0) cell_int(c, p->stat.tpgid))
STAT_INT(threads, threads)
STAT_INT(nice, nice)
STAT_INT(prio, prio)
STAT_UINT(rtprio, rt_prio)
STAT_UINT(minflt, minflt)
STAT_UINT(majflt, majflt)
GETTER(fds, PROC_FDS, cell_uint(c, p->fds))
GETTER(read_bytes, PROC_IO, cell_uint(c, p->read_bytes))
GETTER(write_bytes, PROC_IO, cell_uint(c, p->write_bytes))
GETTER(ctxsw, PROC_CTXSW, cell_uint(c, p->ctxsw))
GETTER(oom, PROC_OOM, cell_int(c, p->oom))
GETTER(oom_adj, PROC_OOM_ADJ, cell_int(c, p->oom_adj))
GETTER(tracer, PROC_STATUS, if (p->status.tracer) cell_int(c, p->status.tracer))
GETTER(ns, PROC_NS, if (r->ns.len) cell_text(c, r->ns.data, r->ns.len))
GETTER(abi, PROC_ABI, cell_str(c, p->abi))
GETTER(osrel, PROC_OSREL, cell_text(c, r->osrel.data, r->osrel.len))
GETTER(handle, PROC_STAT, cell_text(c, r->handle.data, r->handle.len))
GETTER(host, 0, if (r->host.len) cell_text(c, r->host.data, r->host.len))

static void get_policy(const void *row, struct cell *c)
{
    // sched(7), numbers of <linux/sched.h>
    static const char *const names[] = {"other", "fifo", "rr", "batch", NULL, "idle", "deadline", "ext"};
    const struct proc *p = ((const struct proc_row *)row)->p;
    if ((p->have & PROC_STAT) && p->stat.policy < ARRAY_LEN(names))
        cell_str(c, names[p->stat.policy]);
}

const struct col proc_cols[] = {
    {"pid", COL_ID, 0, get_pid, "process id"},
    {"tid", COL_ID, 0, get_tid, "thread id; that of the first thread for a process"},
    {"ppid", COL_ID, PROC_STAT, get_ppid, "parent's process id"},
    {"user", COL_TEXT, PROC_OWNER, get_user, "effective user; the number where it has no name"},
    {"state", COL_TEXT, PROC_STAT, get_state, "R running, S sleeping, D waiting for a device, T t stopped, Z zombie, I idle"},
    {"mem", COL_BYTES, PROC_STAT | PROC_STATM, get_rss, "resident memory, exact (VmRSS)"},
    {"cputime", COL_SECONDS, PROC_STAT, get_cputime, "CPU time used, user and system"},
    {"name", COL_TEXT, PROC_STAT, get_name, "command name (comm), at most 15 bytes but for kernel threads"},
    {"args", COL_TEXT, PROC_CMDLINE, get_args, "arguments joined by blanks"},
    {"argv", COL_TEXT, PROC_CMDLINE, get_argv, "arguments separated by zero bytes, exact"},
    {"exe", COL_TEXT, PROC_EXE, get_exe, "file that it runs"},
    {"cwd", COL_TEXT, PROC_CWD, get_cwd, "working directory"},
    {"root", COL_TEXT, PROC_ROOT, get_root, "root directory"},
    {"handle", COL_TEXT, PROC_STAT | PROC_INODE, get_handle, "PID:INODE (PID@START before Linux 6.9): never another process"},
    {"cpu_avg", COL_PERCENT, PROC_STAT | PROC_NOW, get_cpu_avg, "CPU time per time since start, of one CPU"},
    {"utime", COL_SECONDS, PROC_STAT, get_utime, "CPU time in user mode"},
    {"stime", COL_SECONDS, PROC_STAT, get_stime, "CPU time in the kernel"},
    {"start", COL_TIME, PROC_STAT, get_start, "when it started"},
    {"etime", COL_SECONDS, PROC_STAT | PROC_NOW, get_etime, "time since start"},
    {"pgid", COL_ID, PROC_STAT, get_pgid, "process group"},
    {"sid", COL_ID, PROC_STAT, get_sid, "session"},
    {"tty", COL_TEXT, PROC_STAT | PROC_TTY, get_tty, "controlling terminal"},
    {"tpgid", COL_ID, PROC_STAT, get_tpgid, "foreground process group of the terminal"},
    {"uid", COL_ID, PROC_OWNER, get_uid, "effective user id"},
    {"gid", COL_ID, PROC_OWNER, get_gid, "effective group id"},
    {"group", COL_TEXT, PROC_OWNER, get_group, "effective group"},
    {"ruser", COL_TEXT, PROC_STATUS, get_ruser, "real user"},
    {"ruid", COL_ID, PROC_STATUS, get_ruid, "real user id"},
    {"rgid", COL_ID, PROC_STATUS, get_rgid, "real group id"},
    {"suid", COL_ID, PROC_STATUS, get_suid, "saved user id"},
    {"sgid", COL_ID, PROC_STATUS, get_sgid, "saved group id"},
    {"groups", COL_TEXT, PROC_STATUS, get_groups, "supplementary group ids, with commas"},
    {"rss", COL_BYTES, PROC_STAT | PROC_STATM, get_rss, "resident memory: the same as mem"},
    {"pss", COL_BYTES, PROC_SMAPS, get_pss, "resident memory, shared pages counted in part"},
    {"uss", COL_BYTES, PROC_SMAPS, get_uss, "resident memory that nobody shares"},
    {"swap", COL_BYTES, PROC_STATUS, get_swap, "memory in swap"},
    {"vsz", COL_BYTES, PROC_STAT, get_vsz, "virtual memory"},
    {"shared", COL_BYTES, PROC_STAT | PROC_STATM, get_shared, "resident memory of files and shared memory"},
    {"threads", COL_COUNT, PROC_STAT, get_threads, "number of threads"},
    {"nice", COL_ID, PROC_STAT, get_nice, "niceness, -20 to 19"},
    {"prio", COL_ID, PROC_STAT, get_prio, "the kernel's priority"},
    {"rtprio", COL_COUNT, PROC_STAT, get_rtprio, "real-time priority, 0: none"},
    {"policy", COL_TEXT, PROC_STAT, get_policy, "scheduling policy: other fifo rr batch idle deadline ext"},
    {"wchan", COL_TEXT, PROC_WCHAN, get_wchan, "kernel function that it waits in"},
    {"minflt", COL_COUNT, PROC_STAT, get_minflt, "page faults without input"},
    {"majflt", COL_COUNT, PROC_STAT, get_majflt, "page faults that read a disk"},
    {"read_bytes", COL_BYTES, PROC_IO, get_read_bytes, "bytes read from storage"},
    {"write_bytes", COL_BYTES, PROC_IO, get_write_bytes, "bytes written to storage"},
    {"ctxsw", COL_COUNT, PROC_CTXSW, get_ctxsw, "context switches of all its threads"},
    {"fds", COL_COUNT, PROC_FDS, get_fds, "open file descriptors"},
    {"oom", COL_COUNT, PROC_OOM, get_oom, "the kernel's score when memory runs out"},
    {"oom_adj", COL_COUNT, PROC_OOM_ADJ, get_oom_adj, "adjustment of that score, -1000 to 1000"},
    {"tracer", COL_ID, PROC_STATUS, get_tracer, "process that traces it"},
    {"cgroup", COL_TEXT, PROC_CGROUP, get_cgroup, "control group (v2; else the first v1 one)"},
    {"ns", COL_TEXT, PROC_NS, get_ns, "namespaces"},
    {"abi", COL_TEXT, PROC_ABI, get_abi, "kernel interface it uses: x86_64 i386 x32 aarch64 arm"},
    {"osrel", COL_TEXT, PROC_OSREL, get_osrel, "oldest kernel that its program was linked for"},
    {"host", COL_TEXT, 0, get_host, "name of this machine"},
    {"tree", COL_TEXT, PROC_STAT, get_name, "name, with --tree indented by two blanks a level"},
    {0},
};
