// SPDX-License-Identifier: MIT
//
// One value of a table: what kind it is, how it sorts, and how it reads in a pipe
// (exact), on a terminal (human units) and in JSON.
#ifndef DMT_CELL_H
#define DMT_CELL_H

#include "buf.h"

/** What a column holds. It decides unit, sort direction, alignment and spelling. */
enum col_type {
    COL_ID,      // a number that names something: smallest first
    COL_COUNT,   // a quantity: largest first
    COL_BYTES,   // a quantity of bytes
    COL_SECONDS, // a duration
    COL_PERCENT, // a quantity
    COL_TIME,    // a point in time, seconds since the epoch: earliest first
    COL_ADDRESS, // an address, or an offset in a file or object: 0x..., smallest first
    COL_TEXT,    // smallest byte string first
};

/** `id`, `bytes`, ... and `bytes`, `seconds`, ... or NULL where there is no unit. */
const char *col_type_name(enum col_type type);
const char *col_type_unit(enum col_type type);
bool col_type_largest_first(enum col_type type);
bool col_type_is_number(enum col_type type);

struct cell {
    enum { CELL_NONE, CELL_NUMBER, CELL_TEXT } kind;
    int decimals;     // CELL_NUMBER: the value is number / 10^decimals
    int shown_as;     // 0: as its column; else 1 + the col_type that people see
    bool wide;        // CELL_NUMBER: the value does not fit into int64_t, `number` has its 64 bits
    bool hex;         // CELL_NUMBER: written as 0x...
    bool unlimited;   // CELL_NUMBER: above all others, written as `unlimited`
    int64_t number;
    const char *text; // CELL_TEXT: borrowed from the row, `len` bytes, any bytes
    size_t len;
};

/** Setters for getters. A cell that is never set stays "no value". */
void cell_int(struct cell *c, int64_t v);
void cell_uint(struct cell *c, uint64_t v);
void cell_address(struct cell *c, uint64_t v);
void cell_unlimited(struct cell *c);
void cell_fixed(struct cell *c, int64_t v, int decimals);
void cell_text(struct cell *c, const char *s, size_t n);
void cell_str(struct cell *c, const char *s); // NULL leaves the cell without value

/** For a column whose unit differs from row to row. */
void cell_show_as(struct cell *c, enum col_type type);

/** <0, 0, >0 as A sorts before, with or after B; cells of one column. No value is last. */
int cell_compare(const struct cell *a, const struct cell *b, bool largest_first);

/** Appends the exact form, the form for people, and the JSON form. */
void cell_exact(struct buf *out, const struct cell *c);
void cell_human(struct buf *out, const struct cell *c, enum col_type type);
void cell_json(struct buf *out, const struct cell *c);

#endif
