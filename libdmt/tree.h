// SPDX-License-Identifier: MIT
//
// Rows that name their parent, put below it.
#ifndef DMT_TREE_H
#define DMT_TREE_H

#include "dmt.h"

struct tree_node {
    int64_t id, parent;
    unsigned depth; // set by tree_order: 0 for a row whose parent is not among the rows
};

/**
 * Writes to ORDER the indices of the N nodes depth first, siblings as they stand.
 * Every node stands in it once, also where parents form a circle (a pid that was
 * reused while the rows were read). -1 with ENOMEM.
 */
NODISCARD int tree_order(struct tree_node *nodes, size_t n, size_t *order);

#endif
