// SPDX-License-Identifier: MIT
//
// What a LOCATION of a command line means (dmt-target(7)): `0xADDR`, `SYMBOL[@MODULE][+-OFF]`, `%REG[+-OFF]`,
// `FILE:LINE`; with `,COUNT` behind it. The whole text is tried as a symbol first.
#ifndef DMT_LOCATION_H
#define DMT_LOCATION_H

#include "sym.h"

/** One way to understand a text. */
struct location_way {
    enum { LOCATION_AS_ADDR, LOCATION_AS_REG, LOCATION_AS_SYMBOL, LOCATION_AS_LINE } as;
    uint64_t addr;             // LOCATION_AS_ADDR, offset included
    const struct reg *reg;     // LOCATION_AS_REG
    const char *name, *module; // symbol or file; of the text, not strings. module NULL: any
    size_t name_len, module_len;
    uint64_t line;
    bool has_offset, negative;
    uint64_t offset;
    uint64_t count;            // 0: none was given
};

enum { LOCATION_WAYS = 8 };

/**
 * Pure: the ways to understand TEXT, in the order in which they are to be tried. -1 with EINVAL and what is
 * wrong when there is none, with a hint at what looks like a PID (xargs put it in the wrong place).
 */
NODISCARD int location_ways(const char *text, struct location_way ret[LOCATION_WAYS], size_t *n);

/** Pure: whether TEXT can be a location at all. -1 as location_ways. */
NODISCARD int location_check(const char *text);

/** BASE and the offset of WAY. -1 with EINVAL: that leads out of the address space. */
NODISCARD int location_offset(uint64_t base, const struct location_way *way, uint64_t *ret);

struct location {
    enum { LOCATION_MEMORY, LOCATION_REG, LOCATION_REG_MEMORY } kind;
    uint64_t addr;             // LOCATION_MEMORY; of LOCATION_REG_MEMORY what is added to the register
    const struct reg *reg;     // the register itself, or memory where it points: %rsp, %rsp+0
    uint64_t size;             // from here to the end of the symbol, 0: not known
    char type;                 // of the symbol as in struct symbol, 0: none
    uint64_t count;            // 0: none was given
};

/**
 * What TEXT means in a target. SYMS is opened when it is first needed, and kept for the caller to close. -1 with
 * ENOENT no such symbol or line, EINVAL it cannot be understood or means several places (a name of two functions),
 * ENOTSUP a thread-local variable.
 */
NODISCARD int location_find(struct target *t, struct syms **syms, const char *text, struct location *ret);

/** The address of a place in memory; REGS of the thread are read for LOCATION_REG_MEMORY alone. -1 as reg_get. */
NODISCARD int location_addr(const struct location *l, const struct regs *regs, uint64_t *ret);

#endif
