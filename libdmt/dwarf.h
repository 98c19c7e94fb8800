// SPDX-License-Identifier: MIT
//
// Variables of frames, as debug information (DWARF 2 to 5) has them. libdw reads it in the sandboxed child
// (dwarf_child.h); this is what comes up from there.
#ifndef DMT_DWARF_H
#define DMT_DWARF_H

#include "sandbox.h"

/** A variable or parameter. Texts are a stranger's, and valid as long as what they came in. */
struct variable {
    unsigned level;        // 0: of the innermost function that is inlined at pc, 1: of the one around it, ...
    bool parameter;
    bool late;             // memory was read for it that had not been copied while the thread was held
    const char *name, *type;
    const char *value;     // NULL: none is known
    size_t value_len;
    const char *reason;    // why there is none, or not all of it; or NULL
    bool is_pointer;
    uint64_t pointer;      // its value then
    bool has_addr;
    uint64_t addr;         // where it stands in memory
    char format;           // as of struct value_format; 0: an aggregate
    uint64_t size;         // bytes, 0: not known
    const char *bytes;     // of one that has no address; size of them, or NULL
};

void variable_put(struct buf *b, const struct variable *v);

/** -1 with EIO: it is none. */
NODISCARD int variable_get(struct packet *p, struct variable *ret);

#endif
