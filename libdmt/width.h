// SPDX-License-Identifier: MIT
//
// How many columns of a terminal a text takes.
#ifndef DMT_WIDTH_H
#define DMT_WIDTH_H

#include "dmt.h"

/** Makes the C library know character widths; once, before the two below. */
void width_init(void);

/** The terminal columns of N bytes of UTF-8 (an invalid byte counts as one). */
size_t width_of(const char *s, size_t n);

/** How many bytes of S fit WIDTH columns, cut between characters. */
size_t width_cut(const char *s, size_t n, size_t width);

/** The columns of the terminal FD, or SIZE_MAX where it is none. */
size_t width_terminal(int fd);

#endif
