// SPDX-License-Identifier: MIT
//
// Values written at the locations of a target, all of them or none: whatever can be known to fail is found before the
// first is written.
#ifndef DMT_POKE_H
#define DMT_POKE_H

#include "valuecol.h"

struct poke {
    struct run *run;
    struct value_format want; // letter 0: by the symbol or register
    const char *const *words; // LOCATION VALUE LOCATION VALUE ...
    size_t nwords;
};

/** What is wrong with the words whatever the target is. Pure. -1 with EINVAL, ERANGE. */
NODISCARD int poke_check(const struct poke *p);

/**
 * Writes to one target, which the operand named, and shows a row for each value, memory first; failures are reported
 * through the run. Registers are written in one stop of the thread. Other than 0: standard output is gone.
 */
NODISCARD int poke_target(const struct poke *p, const struct operand *operand, struct target *t);

#endif
