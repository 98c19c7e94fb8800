// SPDX-License-Identifier: MIT
//
// A command's options as rows of data, and a command line read by them: GNU habits
// (letters in groups, --name=value, unambiguous beginnings, options after operands,
// `--` ends them).
#ifndef DMT_OPTION_H
#define DMT_OPTION_H

#include "dmt.h"

/** Texts that an option was given, in order; borrowed from argv. */
struct texts {
    const char **at;
    size_t n, cap;
};

void texts_fini(struct texts *t);
NODISCARD int texts_add(struct texts *t, const char *text);

enum opt_type {
    OPT_FLAG,  // bool, set to true
    OPT_UINT,  // uint64_t
    OPT_TEXT,  // const char *, the last one wins
    OPT_TEXTS, // struct texts, all of them
};

/** One option. */
struct opt {
    char letter;          // '\0': none
    const char *name;     // long name, NULL: none
    const char *arg;      // what the argument is called; NULL for OPT_FLAG
    enum opt_type type;
    size_t at;            // offset of its value in the options struct
    const char *complete; // what TAB offers for the argument: see `--spec` in dmt(7); NULL: nothing
    const char *help;
};

/** An option table and the struct that its offsets are of. */
struct opt_table {
    const struct opt *opts;
    size_t n;
    void *values;
};

struct words {
    int argc;
    char **argv;
    /** Has the first look at each option word (`-HUP`): 1 taken, 0 not, -1 refused. May be NULL. */
    int (*word)(void *values, const char *word);
    void *values; // for `word`
};

/**
 * Reads the words after argv[0]. The letters of an earlier table hide those of a later
 * one. Operands are appended to OPERANDS. Stops early, returning 1, at an option whose
 * flag is STOP (e.g. --help); else 0, or -1 with EINVAL and what is wrong.
 */
NODISCARD int options_read(const struct words *words, const struct opt_table *tables, size_t ntables,
                           const bool *const *stop, size_t nstop, struct texts *operands);

/** Whether table T's option O keeps its letter: no earlier table has it. */
bool option_has_letter(const struct opt_table *tables, size_t t, const struct opt *o);

#endif
