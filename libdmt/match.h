// SPDX-License-Identifier: MIT
//
// Which processes are meant: the predicates of dmt-find, all of which have to hold.
#ifndef DMT_MATCH_H
#define DMT_MATCH_H

#include "proc.h"

#include <regex.h>

struct numbers {
    int64_t *at;
    size_t n, cap;
};

struct match {
    // The pattern.
    bool full, exact, ignore_case, invert;
    const char *literal; // a pattern without special characters
    regex_t regex;
    bool has_regex;
    const char *prefix;  // bytes that every match of the regex holds, a quick test before it
    size_t prefix_len;
    // Lists: one of their values, where there are any.
    struct numbers euid, ruid, rgid, pgid, sid, ppid;
    struct numbers pids;     // descendants, each with its start: pid, start, pid, start, ...
    bool by_pids;
    struct numbers not_pids; // ancestors
    char *ttys, *cgroups;    // with commas, as given
    const char *states;
    bool ns_wanted[NS_KINDS];
    uint64_t ns[NS_KINDS];   // inode number wanted, 0: any
    unsigned needs;          // what match_test reads
};

void match_fini(struct match *m);

/** An extended regular expression (regex(7)), C locale: a byte is a character. */
NODISCARD int match_pattern(struct match *m, const char *pattern);

/** Lists with commas. A group or session 0 is our own. -1 with EINVAL. */
NODISCARD int match_users(struct match *m, struct numbers *to, const char *list);
NODISCARD int match_groups(struct match *m, const char *list);
NODISCARD int match_ids(struct match *m, struct numbers *to, const char *list);
NODISCARD int match_ttys(struct match *m, const char *list);
NODISCARD int match_states(struct match *m, const char *list);
NODISCARD int match_cgroups(struct match *m, const char *list);

/** Which kinds of namespace match_ns compares: `mnt,net`; NULL for all. -1 with EINVAL. */
NODISCARD int match_ns_kinds(struct match *m, const char *kinds);

/** Only processes in the namespaces of the open process OF. -1 with EACCES. */
NODISCARD int match_ns(struct match *m, const struct procs *ps, struct proc *of);

/** The word of a comma list at AT with its length, moved on; NULL at the end. */
const char *list_next(const char **at, size_t *len);

/** Only children of the process ROOT (open, PROC_STAT read), and theirs. Lists all processes. */
NODISCARD int match_descendants(struct match *m, const struct procs *ps, const struct proc *root);

/** Never our own ancestors. */
NODISCARD int match_no_ancestors(struct match *m, const struct procs *ps);

/** What P lacks for a true answer: the name of a process can be longer than the kernel keeps. */
unsigned match_more(const struct match *m, const struct proc *p);

/** Whether P, with `needs` and match_more read, is meant. */
bool match_test(const struct match *m, const struct proc *p);

#endif
