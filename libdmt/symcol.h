// SPDX-License-Identifier: MIT
//
// The columns of a symbol.
#ifndef DMT_SYMCOL_H
#define DMT_SYMCOL_H

#include "columns.h"
#include "sym.h"

enum { SYMCOL_LINES = 1 }; // needs: sym_options.lines

struct sym_row {
    const struct symbol *symbol;
    pid_t pid; // 0: a file
};

extern const struct col sym_cols[];

/** Whether its value is an address: not of U, N, A and C (struct symbol). */
bool symbol_has_address(const struct symbol *s);

#endif
