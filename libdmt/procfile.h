// SPDX-License-Identifier: MIT
//
// The text of /proc files to structs (proc(5), proc_pid_stat(5)). Pure: bytes in, struct
// out. The bytes are an attacker's in part: a name may hold any byte but zero.
#ifndef DMT_PROCFILE_H
#define DMT_PROCFILE_H

#include "dmt.h"

#include <sys/types.h>

enum { COMM_MAX = 64 }; // kernel threads' names are longer than the 15 bytes of the others

struct proc_stat {
    pid_t pid;
    char comm[COMM_MAX + 1]; // raw bytes, and a zero
    size_t comm_len;
    char state;
    pid_t ppid, pgid, sid, tpgid;
    uint32_t tty;           // device number in the kernel's encoding, 0: none
    uint64_t minflt, majflt;
    uint64_t utime, stime;  // clock ticks
    int64_t prio, nice;
    int64_t threads;
    uint64_t start;         // clock ticks since boot
    uint64_t vsize;         // bytes
    uint64_t start_stack;   // changes with each exec; 0 where we may not know
    uint64_t rt_prio, policy;
};

/** One line of /proc/PID/stat. -1 with EPROTO when it is not one. */
NODISCARD int procfile_stat(const char *text, size_t n, struct proc_stat *ret);

/** /proc/PID/statm in pages. */
struct proc_statm {
    uint64_t size, resident, shared;
};
NODISCARD int procfile_statm(const char *text, size_t n, struct proc_statm *ret);

struct proc_status {
    uint32_t uid[4], gid[4]; // real, effective, saved, file system
    const char *groups;      // into the text: numbers and blanks, groups_len bytes
    size_t groups_len;
    pid_t tracer;            // 0: none
    uint64_t vol_ctxsw, invol_ctxsw;
    bool has_swap;           // kernel threads and zombies have no memory
    uint64_t swap;           // bytes
};
NODISCARD int procfile_status(const char *text, size_t n, struct proc_status *ret);

/**
 * The number after `KEY:` at the beginning of a line (io, smaps_rollup, status). A line that
 * ends in `kB` is given in bytes. -1 with ENOENT.
 */
NODISCARD int procfile_field(const char *text, size_t n, const char *key, uint64_t *ret);

/** The number of the process in the innermost pid namespace that it is in: the last on the line NStgid of its status. */
NODISCARD int procfile_own_pid(const char *text, size_t n, uint64_t *ret);

/** The path in the v2 hierarchy of /proc/PID/cgroup, or else in the first line's; -1 with ENOENT. */
NODISCARD int procfile_cgroup(const char *text, size_t n, const char **path, size_t *len);

struct proc_mount {
    uint64_t id;
    unsigned major, minor;   // the device that mappings of its files show
    const char *type;        // into the text, type_len bytes
    size_t type_len;
};

/** The next mount of /proc/PID/mountinfo from *AT on, which moves behind it. -1 with ENOENT at the end. */
NODISCARD int procfile_mount(const char *text, size_t n, size_t *at, struct proc_mount *ret);

/** What AT_SYSINFO and the width of /proc/PID/auxv tell: `x86_64`, `i386`, `x32`, ...; NULL: empty. */
const char *procfile_abi(const void *auxv, size_t n);

#endif
