// SPDX-License-Identifier: MIT
//
// Typed bytes to text and back.
#ifndef DMT_VALUE_H
#define DMT_VALUE_H

#include "buf.h"

/** What -f names: a letter (d signed, u unsigned, x hex, f float, c char, s string, p pointer) and a size (1 2 4 8 16). */
struct value_format {
    char letter;
    unsigned size;         // bytes of one value; 0: not given
};

/** `x`, `u4`, `float`, `string`, ... Pure. -1 with EINVAL and the ones there are. */
NODISCARD int value_format_parse(const char *text, struct value_format *ret);

/** Appends one value of FORMAT from N bytes (as many as its size; a string: up to the zero byte). */
void value_text(struct buf *out, const struct value_format *format, const unsigned char *bytes, size_t n);

/** The bytes of a VALUE as typed by a user, in FORMAT. -1 with EINVAL, ERANGE it does not fit. */
NODISCARD int value_parse(const char *text, const struct value_format *format, struct buf *ret);

#endif
