// SPDX-License-Identifier: MIT
//
// The targets that a command line names: operands, -p LIST, and `-` for standard input.
#ifndef DMT_OPERANDS_H
#define DMT_OPERANDS_H

#include "cmd.h"
#include "ident.h"

struct operand {
    struct ident id;
    char *file; // a core file (or, for dmt-sym, an ELF file): its path; NULL: a process
    char *text; // as it was given, for messages
};

struct operands {
    struct operand *at;
    size_t n, cap;
    bool from_stdin;
    /** Checks an operand before anything is done: -1 with EINVAL refuses it. May be NULL. */
    int (*check)(const struct operand *o, const void *arg);
    const void *check_arg;
    bool files;  // an operand that names an existing file is that file, `FILE/TID,...` threads in it
    bool groups; // `-N` means process group N, `0` our own (kill(2))
};

void operands_fini(struct operands *o);

/** Reads what the command line of RUN names. -1 with EINVAL: the first that is no target. */
NODISCARD int operands_parse(const struct run *run, struct operands *ret);

/**
 * The same where other words follow: the first operand is the target, unless -p names targets. *REST: index of the
 * first of the other words. None at all is an error.
 */
NODISCARD int operands_parse_first(const struct run *run, struct operands *ret, size_t *rest);

/**
 * Calls FN for each, then for each line of standard input where `-` stood: its first field;
 * a first line `pid` or `handle` is a header. A line that is no target is reported and
 * skipped. No target at all is status 1. Stops when FN returns other than 0.
 */
void operands_each(struct run *run, const struct operands *o, int (*fn)(const struct operand *o, void *arg),
                   void *arg);

#endif
