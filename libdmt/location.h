// SPDX-License-Identifier: MIT
//
// What a LOCATION of a command line means (dmt-target(7)): `0xADDR`, `SYMBOL[@MODULE][+-OFF]`, `%REG[+-OFF]`,
// `FILE:LINE`; with `,COUNT` behind it. The whole text is tried as a symbol first.
#ifndef DMT_LOCATION_H
#define DMT_LOCATION_H

#include "sym.h"

struct location {
    enum { LOCATION_MEMORY, LOCATION_REG } kind;
    uint64_t addr;             // LOCATION_MEMORY
    const struct reg *reg;     // LOCATION_REG: the register itself, without offset
    uint64_t size;             // of the symbol, 0: not known
    char type;                 // of the symbol as in struct symbol, 0: none
    uint64_t count;            // 0: none was given
};

/**
 * Pure: whether TEXT can be a location at all. -1 with EINVAL and what is wrong, with a hint at a decimal number
 * (usually a PID that xargs put in the wrong place).
 */
NODISCARD int location_check(const char *text);

/**
 * What TEXT means in a target, for its thread TID where a register is meant. SYMS is opened when it is first
 * needed, and kept for the caller to close. -1 with ENOENT no such symbol, EINVAL it cannot be understood.
 */
NODISCARD int location_find(struct target *t, pid_t tid, struct syms **syms, const char *text, struct location *ret);

#endif
