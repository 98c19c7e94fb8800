// SPDX-License-Identifier: MIT
#include "tree.h"

#include "err.h"

#include <errno.h>

#define NO_NODE SIZE_MAX

struct place {
    int64_t id;
    size_t index;
};

static int by_id(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static size_t find(const struct place *places, size_t n, int64_t id)
{
    struct place key = {.id = id};
    const struct place *hit = bsearch(&key, places, n, sizeof key, by_id);
    return hit ? hit->index : NO_NODE;
}

int tree_order(struct tree_node *nodes, size_t n, size_t *order)
{
    CLEANUP_FREE struct place *places = calloc(n + 1, sizeof *places);
    CLEANUP_FREE size_t *child = calloc(n + 1, sizeof *child);   // first child of each node
    CLEANUP_FREE size_t *sibling = calloc(n + 1, sizeof *child); // next child of its parent
    CLEANUP_FREE size_t *stack = calloc(n + 1, sizeof *stack);
    CLEANUP_FREE bool *seen = calloc(n + 1, sizeof *seen);
    if (!places || !child || !sibling || !stack || !seen)
        return err_set(ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        places[i] = (struct place){nodes[i].id, i};
        child[i] = sibling[i] = NO_NODE;
    }
    qsort(places, n, sizeof *places, by_id);

    CLEANUP_FREE bool *inner = calloc(n + 1, sizeof *inner); // has a parent among the rows
    if (!inner)
        return err_set(ENOMEM, "out of memory");
    for (size_t i = n; i-- > 0;) {
        size_t up = find(places, n, nodes[i].parent);
        if (up == NO_NODE || up == i)
            continue;
        inner[i] = true;
        sibling[i] = child[up];
        child[up] = i;
    }

    // First the true roots, then whatever only a circle kept from having one.
    size_t done = 0;
    for (int circles = 0; circles <= 1; circles++)
        for (size_t root = 0; root < n; root++) {
            if (seen[root] || (!circles && inner[root]))
                continue;
            size_t top = 0;
            nodes[root].depth = 0;
            stack[top++] = root;
            seen[root] = true;
            while (top > 0) {
                size_t at = stack[--top];
                order[done++] = at;
                // Siblings are pushed last first, so that the first is popped first.
                size_t from = top;
                for (size_t c = child[at]; c != NO_NODE; c = sibling[c])
                    if (!seen[c]) {
                        seen[c] = true;
                        nodes[c].depth = nodes[at].depth + 1;
                        stack[top++] = c;
                    }
                for (size_t low = from, high = top; low + 1 < high; low++) {
                    size_t swap = stack[low];
                    stack[low] = stack[--high];
                    stack[high] = swap;
                }
            }
        }
    return 0;
}
