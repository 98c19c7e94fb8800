// SPDX-License-Identifier: MIT
//
// The word that a mistyped one was meant to be.
#ifndef DMT_NEAR_H
#define DMT_NEAR_H

#include "dmt.h"

struct near {
    const char *typed;
    size_t len;       // bytes of `typed`
    const char *best; // the nearest candidate so far, or NULL
    unsigned distance;
};

/** Offers a candidate; kept when it is nearer than the last and within a third of the length. */
void near_offer(struct near *n, const char *candidate);

#endif
