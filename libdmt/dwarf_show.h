// SPDX-License-Identifier: MIT
//
// Private to dwarf_value.c and dwarf_scalar.c: an object that is written, and its parts.
#ifndef DMT_DWARF_SHOW_H
#define DMT_DWARF_SHOW_H

#include "dwarf_child.h"

enum { SHOW_ELEMENTS = 200 }; // of an array, characters of a string: as gdb has it

struct show {
    struct eval *e;
    const struct where *w;
    struct buf *out;
    const char *reason;    // the first of a part that is not known
    size_t told;           // parts that are
};

/** A part of the object. */
struct part {
    Dwarf_Die type;        // stripped
    uint64_t at;           // bytes from its beginning
    uint64_t bit, bits;    // of a bit field: from there on; bits 0: none
};

/** Puts the reason in its place. */
void show_missing(struct show *s, const char *reason);

/** The number that a part of SIZE bytes (8 at most) holds. False: it is not known, which is said. */
bool show_number(struct show *s, const struct part *p, uint64_t size, bool is_signed, uint64_t *ret);

/** By the tag of its type: a base type, an enumeration, a pointer. */
void show_base(struct show *s, const struct part *p);
void show_enum(struct show *s, const struct part *p);
void show_pointer(struct show *s, struct part *p);

/** COUNT characters that are a text and zeros behind it. At the depth 0 it is the text itself. False: they are none. */
bool show_text(struct show *s, const struct part *p, uint64_t count, unsigned depth);

#endif
