// SPDX-License-Identifier: MIT
//
// Private to reg: what a table file of one architecture gives. The rest of reg.h that depends on the
// machine is defined there as well.
#ifndef DMT_REG_IMPL_H
#define DMT_REG_IMPL_H

#include "reg.h"

extern const struct reg reg_rows[];
extern const size_t reg_nrows;

/** Other names of registers. */
struct reg_alias {
    const char *name, *means;
};
extern const struct reg_alias reg_aliases[];
extern const size_t reg_naliases;

/** N bytes at OFFSET of a set, or NULL where it has no such bytes. */
unsigned char *reg_bytes(const struct regs *r, enum reg_set set, size_t offset, size_t n);

/** A little-endian number of the gp set; 0 where there is none. */
uint64_t reg_word(const struct regs *r, size_t offset);

/** -1 with ENOTSUP: there is no such register here. */
NODISCARD int reg_missing(const struct reg *reg);

#endif
