// SPDX-License-Identifier: MIT
//
// Strict text to numbers: decimal digits and nothing else, the whole slice or an error; and back.
#ifndef DMT_NUM_H
#define DMT_NUM_H

#include "dmt.h"

/**
 * N bytes of S as a decimal number of at most MAX; no sign, no blanks.
 * -1 with EINVAL (not digits) or ERANGE (too large).
 */
NODISCARD int num_uint(const char *s, size_t n, uint64_t max, uint64_t *ret);

/** The same with an optional leading `-`; MIN <= value <= MAX. */
NODISCARD int num_int(const char *s, size_t n, int64_t min, int64_t max, int64_t *ret);

/**
 * Seconds with an optional fraction (`2`, `0.25`), in nanoseconds; digits beyond those are
 * an error. At most MAX nanoseconds.
 */
NODISCARD int num_seconds(const char *s, size_t n, uint64_t max, uint64_t *ret);

enum { NUM_DIGITS = 20 }; // of the largest uint64_t

/** Writes V in decimal, without a zero byte; returns how many bytes. */
size_t num_text(char to[NUM_DIGITS], uint64_t v);

#endif
