// SPDX-License-Identifier: MIT
//
// The columns a command has, and which of them a command line asks for.
#ifndef DMT_COLUMNS_H
#define DMT_COLUMNS_H

#include "cell.h"

/**
 * One column: a row of data. A table of columns ends with a row without name. NEEDS says what it costs: bits of the command's own
 * choosing; the union over the columns in use is all that has to be read.
 */
struct col {
    const char *name;
    enum col_type type;
    unsigned needs;
    void (*get)(const void *row, struct cell *out); // OUT comes without value
    const char *help;
};

struct sort_key {
    size_t at; // index into columns.used
    bool largest_first;
};

enum { COLUMNS_MAX = 128 };

struct columns {
    const struct col *cols;
    size_t used[COLUMNS_MAX]; // indices into cols: first the shown ones, then those only sorted on
    size_t nshown, nused;
    struct sort_key keys[16];
    size_t nkeys;
};

/** How many columns stand before the end row. */
size_t columns_count(const struct col *cols);

/**
 * Chooses from COLS: SHOW is `pid,mem`, `+exe,...` (added to
 * DEFAULTS), `all`, or NULL for DEFAULTS; SORT is `key,+key,-key` or NULL (`+` up,
 * `-` down). -1 with EINVAL and a sentence that names the word, and the near ones.
 */
NODISCARD int columns_choose(struct columns *c, const struct col *cols, const char *defaults,
                             const char *show, const char *sort);

/** Puts a column that is not shown among those in use; the index into `used`, or -1. */
NODISCARD int columns_use(struct columns *c, const char *name);

/** The union of what the columns in use need. */
unsigned columns_needs(const struct columns *c);

#endif
