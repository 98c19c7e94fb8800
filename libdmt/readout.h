// SPDX-License-Identifier: MIT
//
// What stands at the locations of a target, and in its threads' registers, as rows or as raw bytes. Memory is read
// while the process runs; a register stops its thread for the moment that reading it takes, once for all registers.
#ifndef DMT_READOUT_H
#define DMT_READOUT_H

#include "span.h"
#include "valuecol.h"

struct readout {
    struct run *run;
    struct value_format want; // letter 0: by the symbol
    enum span_holes holes;
    bool raw;                 // bytes instead of rows
    bool has_frame;           // locations are first looked for among the variables of the frame
    uint64_t frame;           // as dmt-bt -i counts them
    unsigned sets;            // register sets to list, bits 1 << REGS_...
    const char *const *locations;
    size_t nlocations;
};

/**
 * Reads one target, which the operand named, and writes it; what is not there or refused is reported through the run,
 * and the rest goes on. Other than 0: standard output is gone.
 */
NODISCARD int readout_target(const struct readout *r, const struct operand *operand, struct target *t);

#endif
