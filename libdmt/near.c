// SPDX-License-Identifier: MIT
#include "near.h"

#include <string.h>

enum { LONGEST = 32 };

// Edits (insert, delete, replace, swap of neighbours) between two short words.
static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
    unsigned d[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= na; i++)
        for (size_t k = 0; k <= nb; k++) {
            if (i == 0 || k == 0) {
                d[i][k] = (unsigned)(i + k);
                continue;
            }
            unsigned best = d[i - 1][k - 1] + (a[i - 1] != b[k - 1]);
            best = d[i - 1][k] + 1 < best ? d[i - 1][k] + 1 : best;
            best = d[i][k - 1] + 1 < best ? d[i][k - 1] + 1 : best;
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] && d[i - 2][k - 2] + 1 < best)
                best = d[i - 2][k - 2] + 1;
            d[i][k] = best;
        }
    return d[na][nb];
}

void near_offer(struct near *n, const char *candidate)
{
    size_t len = strlen(candidate);
    if (n->len > LONGEST || len > LONGEST)
        return;
    unsigned far = distance(n->typed, n->len, candidate, len);
    size_t longer = n->len > len ? n->len : len;
    if (far <= (longer + 2) / 3 && far < longer && (!n->best || far < n->distance)) {
        n->best = candidate;
        n->distance = far;
    }
}
