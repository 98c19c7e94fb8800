// SPDX-License-Identifier: MIT
//
// Rows in, text out. Without a sort order rows stream in TSV and JSON as they are
// made; sorted, as a tree, or aligned for a terminal they are kept until table_end.
#ifndef DMT_TABLE_H
#define DMT_TABLE_H

#include "columns.h"

enum table_format { TABLE_AUTO, TABLE_TSV, TABLE_ALIGNED, TABLE_JSON };

struct table_options {
    enum table_format format; // TABLE_AUTO: aligned on a terminal, TSV elsewhere
    bool no_header;
    bool exact;            // no human units on a terminal
    const char *separator; // between the rows instead of after them; NULL: a newline after each
    bool null;             // a zero byte after each row (TSV)
};

struct table; // see table.c

/** Starts a table on descriptor FD. COLUMNS is copied; the options' strings are borrowed. */
NODISCARD struct table *table_new(const struct columns *columns, const struct table_options *options, int fd);
void table_free(struct table *t); // NULL is allowed; unwritten rows are dropped

/**
 * Orders the rows as a tree at the end, before the first row: ID and PARENT are number
 * columns, the text of column LABEL is indented by its depth.
 */
NODISCARD int table_tree(struct table *t, const char *id, const char *parent, const char *label);

/** The union of what its columns need. */
unsigned table_needs(const struct table *t);

/** Takes one row: the getters run now, so ROW may change afterwards. -1: cannot be written. */
NODISCARD int table_row(struct table *t, const void *row);

/**
 * Writes the rest, and the header if there was no row. More rows may follow: they are the
 * next report, sorted and aligned by themselves.
 */
NODISCARD int table_end(struct table *t);

#endif
