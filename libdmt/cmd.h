// SPDX-License-Identifier: MIT
//
// What a command is, and the one way to run it. Only this module and `table` write to
// the standard streams.
#ifndef DMT_CMD_H
#define DMT_CMD_H

#include "option.h"
#include "table.h"

/** Exit statuses; the highest wins (dmt(7), EXIT STATUS). */
enum {
    STATUS_DONE = 0,
    STATUS_NONE = 1,   // nothing matched, a target does not exist, the answer is incomplete
    STATUS_USAGE = 2,  // found before anything is touched
    STATUS_FAILED = 3, // refused or failed
};

/** What every command line may say; see OPTIONS in dmt(7). */
struct run {
    const struct cmd *cmd;
    void *values;               // the command's own options
    struct texts operands;      // words that are not options
    struct texts pids;          // -p LIST, only where the command takes targets
    const char *columns, *sort, *format;
    bool no_header, json, bytes, list_columns, help, version, spec;
    const struct col *cols;     // the table and the columns shown without --columns; `prepare`
    const char *defaults;       // may choose others
    struct columns chosen;      // by --columns, --sort, defaults
    struct table_options table_options;
    struct table *table;        // on standard output
    int status;
};

/** A word that TAB offers: for operands where COMPLETE is `operands`, else where an option has that COMPLETE. */
struct offered {
    char word[32];
    const char *complete;
};

struct cmd {
    const char *name, *summary;
    const char *operands; // how the usage line goes on; words of it are in dmt(7)
    const char *complete; // what TAB offers for operands, as in struct opt
    const char *example;  // one line, runs as printed
    bool targets;         // operands are targets: there is -p
    const struct opt *opts;
    size_t nopts;
    const struct col *cols;
    const char *defaults; // `pid,name`
    const struct col *other_cols; // a second table that `prepare` may choose, or NULL
    bool (*offer)(size_t i, struct offered *ret); // the I-th word of this command alone; false behind the last. May be NULL
    /** First look at each option word, see struct words. May be NULL. */
    int (*word)(void *values, const char *word);
    /** Checks options and operands, touching nothing: -1 is a usage error. May be NULL. */
    int (*prepare)(struct run *run, void *values);
    /** Does the work; failures are reported through the run. */
    void (*work)(struct run *run, void *values);
    /** Frees what prepare made. May be NULL. */
    void (*finish)(void *values);
};

/** Reads the command line, works, writes; returns the exit status. VALUES: the options struct. */
int cmd_main(const struct cmd *cmd, int argc, char **argv, void *values);

/**
 * Reports the thread's error about OBJECT (may be NULL): one line on standard error. The
 * status becomes 1 for ESRCH, 2 for EINVAL, else 3, unless it was higher.
 */
void cmd_fail(struct run *run, const char *object);

/** For a run that cannot begin: no table is written, not even its header. */
void cmd_no_table(struct run *run);

/** One line about OBJECT (may be NULL) that changes no status. */
void cmd_note(const struct run *run, const char *object, const char *fmt, ...) PRINTF_LIKE(3, 4);

/** Raises the status to at least STATUS. */
void cmd_status(struct run *run, int status);

/** Adds a row to the run's table. -1 when standard output is gone: reported, stop working. */
NODISCARD int cmd_row(struct run *run, const void *row);

/** Writes the waiting rows now: a report. -1 as cmd_row. */
NODISCARD int cmd_report(struct run *run);

/** Writes N rows of SIZE bytes as a table of its own instead of the run's. */
void cmd_table(struct run *run, const struct col *cols, const char *defaults, const void *rows, size_t n,
               size_t size);

/** Writes plain text, e.g. a count. */
void cmd_text(struct run *run, const char *text, size_t n);

#endif
