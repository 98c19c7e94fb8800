// SPDX-License-Identifier: MIT
//
// The escape rules of a field (dmt(7), ESCAPES). Names of processes are text that an
// attacker chose: nothing that a process says reaches an output but through here.
#ifndef DMT_ESC_H
#define DMT_ESC_H

#include "buf.h"

/**
 * Appends the N bytes of S as a field: `\t \n \r`, `\xHH` for each byte of what is
 * unsafe (C0, DEL, C1, bidi controls, line and paragraph separators, whatever is not
 * UTF-8), for the backslash and for a leading `"`. An empty S is `\0`, a lone `-` is
 * `\x2d`. The result is never empty and is undone by esc_undo.
 */
void esc_field(struct buf *out, const char *s, size_t n);

/** As esc_field for text inside a message: no rule for the empty, `-` or `"`, `\` stays. */
void esc_message(struct buf *out, const char *s, size_t n);

/** Appends what esc_field was given. -1 with EINVAL when FIELD is not an escaped text. */
NODISCARD int esc_undo(struct buf *out, const char *field, size_t n);

/** Appends S as a JSON string with its quotes; what is not UTF-8 becomes U+FFFD. */
void esc_json(struct buf *out, const char *s, size_t n);

/**
 * The length in bytes of the character at S (N > 0 bytes left) and its code point;
 * 1 and -1 where it is not valid UTF-8 (RFC 3629: no surrogates, shortest form).
 */
size_t esc_char(const char *s, size_t n, int32_t *ret);

#endif
