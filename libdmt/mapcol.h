// SPDX-License-Identifier: MIT
//
// The columns of a mapping.
#ifndef DMT_MAPCOL_H
#define DMT_MAPCOL_H

#include "columns.h"
#include "module.h"

enum { MAP_USAGE = 1 << 0, MAP_MODULE = 1 << 1 }; // needs: target_maps_usage; the file that is mapped

// What all modules of a target may cost: most take three reads, one that was made to last takes hundreds.
enum { MAP_READS_MAX = 1 << 18 };

/** A row. The caller sets pid and maps; the rest begins as zeros and is map_row_set's. */
struct map_row {
    pid_t pid; // 0: not known
    const struct maps *maps;
    const struct mapping *m;
    bool known; // of what module it is
    struct module module;
    size_t reads; // that the modules have taken; no more are asked at MAP_READS_MAX
    char perms[5], dev[24], build_id[2 * BUILD_ID_MAX + 1];
};

extern const struct col map_cols[];

/** The row of M, with what NEEDS says: a mapping of T and of its maps, in their order. */
void map_row_set(struct map_row *r, struct target *t, const struct mapping *m, unsigned needs);

#endif
