// SPDX-License-Identifier: MIT
//
// Values as rows: the columns of dmt-peek and dmt-poke, and what a location says about the type of its values.
#ifndef DMT_VALUECOL_H
#define DMT_VALUECOL_H

#include "cmd.h"
#include "location.h"
#include "value.h"

enum { VALUE_DUMP_ROW = 16 }; // bytes in a row of a hex dump

/** How the values at a location are to be read: in what form, and how many (of bytes: how many bytes). */
struct value_plan {
    struct value_format format;
    bool at_most;              // nobody said how many: fewer will do
    uint64_t count;
    uint64_t size;             // bytes from the first to the end of the last; 0: strings
};

/** What TAB offers (struct cmd): formats of values for `types`, registers as locations for `operands`. */
bool value_offer(size_t i, struct offered *ret);

/**
 * By -f (WANT; letter 0: not given), the size of the symbol and the count. Without -f a variable of 1, 2, 4 or 8 bytes
 * is a number, all else bytes. -1 with EINVAL: too many.
 */
NODISCARD int value_plan(const struct location *l, const struct value_format *want, struct value_plan *ret);

/** Whether it fits behind ADDR; what nobody asked for is left out. -1 with EFAULT. */
NODISCARD int value_plan_at(struct value_plan *plan, uint64_t addr);

/** As value_plan, for a register: its lanes where the format has a smaller size. */
void value_plan_reg(const struct reg *reg, const struct value_format *want, struct value_plan *ret);

/** A number, or memory that is not one. A row borrows all of it. */
struct value_row {
    pid_t pid, tid;            // tid 0: of all threads
    bool in_memory;
    uint64_t addr;
    const char *location;      // as it was given; NULL: %NAME
    const char *set, *name;    // of a register
    struct value_format format;
    const unsigned char *bytes, *old; // old: dmt-poke
    size_t n, old_n;
};

extern const struct col value_cols[], value_poke_cols[];

/** The rows of a run. They wait until their symbols are looked up together. */
struct value_rows {
    struct run *run;
    struct target *target;
    struct syms **syms;        // as for location_find
    bool symbols_failed;       // has been said
    struct value_row *waiting;
    size_t n, cap;
    struct buf bytes;          // of the waiting ones
};

void value_rows_fini(struct value_rows *rows);

/** Adds a row; ROW's bytes may change afterwards. -1: standard output is gone, or no memory: reported. */
NODISCARD int value_rows_add(struct value_rows *rows, const struct value_row *row);

/** Writes those that wait: to be called before `target` changes. */
NODISCARD int value_rows_flush(struct value_rows *rows);

#endif
