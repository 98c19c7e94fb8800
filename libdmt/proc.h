// SPDX-License-Identifier: MIT
//
// What /proc says about one process or thread, and the list of them. Only what is asked
// for is read; more than one file is read through one directory descriptor, so that all
// of it is about the same process.
#ifndef DMT_PROC_H
#define DMT_PROC_H

#include "buf.h"
#include "procfile.h"

/** What can be read, in that order, and what it costs: one file each, unless it says otherwise. */
enum proc_need {
    PROC_OWNER = 1 << 0,   // effective uid and gid: one fstat of the directory
    PROC_INODE = 1 << 1,   // a pidfd
    PROC_STAT = 1 << 2,    // after those two: it shows that the process was still there
    PROC_STATM = 1 << 3,
    PROC_COMM = 1 << 4,    // the name alone
    PROC_STATUS = 1 << 5,
    PROC_CMDLINE = 1 << 6, // from the target's memory
    PROC_CGROUP = 1 << 7,
    PROC_IO = 1 << 8,
    PROC_SMAPS = 1 << 9,   // walks all page tables
    PROC_WCHAN = 1 << 10,
    PROC_OOM = 1 << 11,
    PROC_OOM_ADJ = 1 << 12,
    PROC_EXE = 1 << 13,    // links: one readlink each
    PROC_CWD = 1 << 14,
    PROC_ROOT = 1 << 15,
    PROC_NS = 1 << 16,     // eight links
    PROC_TTY = 1 << 17,    // a link in /sys
    PROC_FDS = 1 << 18,
    PROC_CTXSW = 1 << 19,  // the status of every thread
    PROC_ABI = 1 << 20,
    PROC_OSREL = 1 << 21,  // the head of the executable
    PROC_NOW = 1 << 22,    // the clock
};

enum { NS_KINDS = 8 };
extern const char *const ns_kinds[NS_KINDS]; // "cgroup", "ipc", ... in alphabetical order

/** One process or thread. A part is valid when its bit stands in `have`. */
struct proc {
    pid_t pid;
    pid_t tid;             // 0: the whole process
    unsigned have;
    struct proc_stat stat;
    struct proc_statm statm;
    uid_t euid;
    gid_t egid;
    struct buf comm;       // without the newline, a string
    struct buf status_text;
    struct proc_status status;
    struct buf cmdline;    // each argument ends with a zero byte, as the kernel gives it
    struct buf args;       // the same joined by blanks, a string
    struct buf cgroup;     // the path, see procfile_cgroup
    uint64_t read_bytes, write_bytes;
    uint64_t pss, uss, swap_pss;
    struct buf wchan;
    int64_t oom, oom_adj;
    struct buf exe, cwd, root;
    uint64_t ns[NS_KINDS]; // inode numbers, 0: not readable or not in this kernel
    struct buf tty;
    uint64_t fds;
    uint64_t ctxsw;
    const char *abi;
    uint32_t osrel[3];
    uint64_t inode;        // of the pidfd
    uint64_t now;          // nanoseconds since boot, when read

    // How it is read.
    int dir;               // O_PATH descriptor of its directory, or -1
    struct {
        int fd[32];
        unsigned n;
    } open;                // the directory, if there is one, and files: to be closed together
};

/** An open /proc. */
struct procs {
    int fd;
    long page, hz;         // bytes, clock ticks a second
    int64_t realtime_at_boot; // nanoseconds since the epoch
};

NODISCARD int procs_open(struct procs *ps); // -1: there is no /proc
void procs_close(struct procs *ps);

void proc_init(struct proc *p);
void proc_fini(struct proc *p);

/** Opens the directory of PID and forgets what was read. -1 with ESRCH: no such process. */
NODISCARD int proc_open(const struct procs *ps, struct proc *p, pid_t pid);

/**
 * Reads NEEDS of an open process. What we may not see stays out of `have`. If it ran
 * another program meanwhile all is read again, so that no row is of two programs. -1 with
 * ESRCH when it is gone.
 */
NODISCARD int proc_load(const struct procs *ps, struct proc *p, unsigned needs);

void proc_close(struct proc *p);

/** proc_open, proc_load, proc_close; a single need is read by path, without the directory. */
NODISCARD int proc_read(const struct procs *ps, struct proc *p, pid_t pid, unsigned needs);

/** proc_open of the thread TID of an open PROCESS, through its directory. */
NODISCARD int proc_open_thread(const struct proc *process, struct proc *p, pid_t tid);

/**
 * Calls FN for each process, in order of pid, with NEEDS read. Those that vanish meanwhile
 * are left out. Stops and returns what FN returned when that is not 0. -1 when /proc
 * cannot be listed.
 */
NODISCARD int proc_each(const struct procs *ps, struct proc *p, unsigned needs,
                        int (*fn)(struct proc *p, void *arg), void *arg);

/** The same for the threads of an open PROCESS. -1 with ESRCH: it is gone. */
NODISCARD int proc_each_thread(const struct procs *ps, const struct proc *process, struct proc *p, unsigned needs,
                               int (*fn)(struct proc *p, void *arg), void *arg);

/** Their numbers alone. One that ends meanwhile may be among them. */
NODISCARD int proc_each_tid(const struct proc *process, int (*fn)(pid_t tid, void *arg), void *arg);

/** Nanoseconds since boot, on the clock of proc_stat.start. */
uint64_t proc_now(void);

#endif
