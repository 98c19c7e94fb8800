// SPDX-License-Identifier: MIT
//
// Resource limits of a process (getrlimit(2), proc_pid_limits(5)).
#ifndef DMT_LIMIT_H
#define DMT_LIMIT_H

#include "cell.h"
#include "proc.h"

#include <sys/resource.h>

enum { LIMITS = RLIM_NLIMITS };

/** One kind of limit; the index is the kernel's number of it (RLIMIT_CPU ...). */
struct limit_kind {
    const char *name;     // as prlimit(1) and limits.conf(5) call it
    const char *label;    // as /proc/PID/limits does
    const char *unit;     // NULL: a plain number
    enum col_type type;
};
extern const struct limit_kind limit_kinds[LIMITS];

struct limit {
    uint64_t soft, hard;  // UINT64_MAX: unlimited
};

/** The N bytes of a limits file. Pure. -1 with EPROTO when it is none; a limit that it lacks has soft > hard. */
NODISCARD int limits_parse(const char *text, size_t n, struct limit ret[LIMITS]);

/** Those of the open process P. -1 with ESRCH, EACCES. */
NODISCARD int limits_read(const struct proc *p, struct limit ret[LIMITS]);

/** What an operand sets: `NAME=SOFT`, `NAME=SOFT:HARD`, `NAME=:HARD`. */
struct limit_change {
    size_t kind;
    bool has_soft, has_hard;
    uint64_t soft, hard;
};

/** Pure. -1 with EINVAL and what is wrong with TEXT. */
NODISCARD int limit_parse_change(const char *text, struct limit_change *ret);

/** What OLD becomes by C. Pure. -1 with EINVAL: soft would be above hard. */
NODISCARD int limit_apply(const struct limit_change *c, const struct limit *old, struct limit *ret);

/**
 * Sets the limit KIND of the process that PIDFD names and that has the number PID. prlimit(2) takes no descriptor: one
 * that ended before it was reached is ESRCH, and a stranger who got its number in that moment has his limit back.
 */
NODISCARD int limit_set(pid_t pid, int pidfd, size_t kind, const struct limit *limit);

#endif
