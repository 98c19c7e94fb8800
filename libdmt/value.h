// SPDX-License-Identifier: MIT
//
// Typed bytes to text and back. What value_text writes value_parse turns into the same bytes.
// Little-endian machines.
#ifndef DMT_VALUE_H
#define DMT_VALUE_H

#include "buf.h"

/**
 * What -f names: d signed, u unsigned, x hex, f float, c char, s string, p pointer, b bytes; and the bytes from
 * one value to the next.
 */
struct value_format {
    char letter;
    unsigned size; // 0: not given; a string, bytes
};

enum { VALUE_WIDEST = 64 };

/** `x`, `u4`, `float`, `signed2`, `string`, ... Pure. -1 with EINVAL and the ones there are. */
NODISCARD int value_format_parse(const char *text, struct value_format *ret);

/** Their names, the I-th; NULL behind the last. */
const char *value_format_at(size_t i);

/** Whether values of the format may have SIZE bytes. */
bool value_size_fits(const struct value_format *format, uint64_t size);

/** Appends `unsigned4`, `char`, `bytes`: what -f takes. */
void value_format_name(struct buf *out, const struct value_format *format);

/** How many bytes of a value count: its size, but for an x87 float, which has 10 of 16. */
unsigned value_width(const struct value_format *format);

/**
 * Appends one value of N bytes, at most VALUE_WIDEST unless it is a string or bytes: N says how wide it is. Not
 * escaped: a char and a string are the bytes themselves, a string ends at N.
 */
void value_text(struct buf *out, const struct value_format *format, const unsigned char *bytes, size_t n);

/**
 * Appends the bytes of a VALUE as a user types it, in FORMAT, which has a size; a string gets its zero byte.
 * Chars and strings have the escapes of a field. -1 with EINVAL, or ERANGE it does not fit.
 */
NODISCARD int value_parse(const char *text, const struct value_format *format, struct buf *ret);

#endif
