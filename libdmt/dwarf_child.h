// SPDX-License-Identifier: MIT
//
// Private to the child that reads debug information: where a variable is, what it is, what it holds. All of this runs
// locked in (sandbox.h): a crash here is an error there. What is not known has a reason, which is a constant text.
#ifndef DMT_DWARF_CHILD_H
#define DMT_DWARF_CHILD_H

#include "dwarf.h"
#include "sym_child.h"

#include <dwarf.h>

/** A frame, as it was unwound. */
struct dwarf_frame {
    struct lines *lines;   // the debug information of its code; NULL: none
    uint64_t bias;         // address minus address in the file
    uint64_t pc;
    bool exact;            // pc is the next instruction to run; else a return address
    bool called;           // the frame behind it has called it, and not the kernel (a signal)
    const uint64_t *regs;  // by DWARF number
    uint64_t known;        // which of them, bits
    bool has_cfa;
    uint64_t cfa;
};

/** Where frames and memory come from. */
struct dwarf_stack {
    bool (*frame)(void *arg, size_t i, struct dwarf_frame *ret);
    /** LATE becomes true where it had not been copied while the thread was held. */
    bool (*read)(void *arg, uint64_t addr, void *to, size_t n, bool *late);
    void *arg;
};

/**
 * Puts the variables in scope in frame I (of those with the name ONLY, if that is not NULL). *LEVELS: how many
 * functions the frame is of, inlined ones and its own. -1 with ENOENT: unknown.
 */
NODISCARD int dwarf_variables(const struct dwarf_stack *s, size_t i, const char *only, unsigned *levels,
                              struct buf *ret);

// --- where (dwarf_where.c) ---------------------------------------------------------

/** A frame that something is looked for in. */
struct eval {
    const struct dwarf_stack *stack;
    size_t index;
    struct dwarf_frame frame;
    struct scopes scopes;
    bool late;
    unsigned depth;        // frames that were gone to for values at their entry
    unsigned budget;       // operations
};

/** -1 with ENOENT: nothing is known of the frame's code. */
NODISCARD int eval_open(struct eval *e, const struct dwarf_stack *s, size_t i);

static inline uint64_t eval_vaddr(const struct eval *e)
{
    return e->frame.pc - !e->frame.exact - e->frame.bias;
}

struct piece {
    enum { PIECE_LOST, PIECE_MEMORY, PIECE_REG, PIECE_VALUE, PIECE_BYTES } is;
    const char *reason;    // PIECE_LOST
    uint64_t at;           // the address, or the value (of a register too)
    const uint8_t *bytes;
    uint64_t size;         // bytes; UINT64_MAX: as many as the object has
    size_t nbytes;         // of PIECE_REG, PIECE_VALUE, PIECE_BYTES
};

enum { PIECES_MAX = 64 };

struct where {
    struct piece at[PIECES_MAX];
    size_t n;
};

/** Of a variable; else the reason. */
const char *where_of(struct eval *e, Dwarf_Die *variable, struct where *ret);

/** The number that an attribute has: a constant, an expression, or that of a variable that it refers to. */
const char *where_number(struct eval *e, Dwarf_Attribute *attr, uint64_t *ret);

/** N bytes of an object, from OFFSET on. */
const char *where_read(struct eval *e, const struct where *w, uint64_t offset, void *to, size_t n);

extern const char where_optimised_out[];

// Other reasons.
#define WHY_NOT_SAVED "not saved"
#define WHY_NOT_READ "in a register that was not read"
#define WHY_NO_ENTRY "the value at the function's entry is not known"
#define WHY_UNREADABLE "cannot be read"
#define WHY_THREAD_LOCAL "thread-local"
#define WHY_SYNTHETIC "a pointer to what was optimised out"
#define WHY_NO_CFA "the frame is not known"
#define WHY_DAMAGED "the debug information is damaged"
#define WHY_FLOATING "computed in floating point"
#define WHY_UNKNOWN "an operation that is not known"

/** Runs an expression (dwarf_machine.c, dwarf_arith.c). The reason where not even a part is known. */
const char *where_run(struct eval *e, Dwarf_Attribute *attr, const Dwarf_Op *ops, size_t n, struct where *ret);

/** What the location OPS held when the function of the frame was entered (dwarf_entry.c). */
bool entry_value(struct eval *e, const Dwarf_Op *ops, size_t n, uint64_t *ret);

// --- types (dwarf_type.c) ------------------------------------------------------------

/** The type of a variable, member, pointer, ... False: void. */
bool type_of(Dwarf_Die *die, Dwarf_Die *ret);

/** Without names and qualifiers. False: void. */
bool type_strip(Dwarf_Die *type);

/** As C and gdb have it: `char *`, `struct pair [4]`. */
void type_name(Dwarf_Die *variable, struct buf *ret);

/** An unsigned constant of a DIE. */
bool die_number(Dwarf_Die *die, unsigned name, uint64_t *ret);
bool die_flag(Dwarf_Die *die, unsigned name);

/** The size of a stripped type; false: not known. */
bool type_size(struct eval *e, Dwarf_Die *type, uint64_t *ret);

enum { DIMENSIONS_MAX = 8 };

/** The elements of an array type, by dimension. */
const char *type_dimensions(struct eval *e, Dwarf_Die *array, uint64_t ret[DIMENSIONS_MAX], size_t *n);

/** A type whose values are characters of one byte. */
bool type_is_char(Dwarf_Die *stripped);

// --- values (dwarf_value.c, dwarf_scalar.c) ----------------------------------------------

/** Puts the value of an object of TYPE (not stripped), and into RET what it is. */
void value_put(struct eval *e, Dwarf_Die *type, const struct where *w, struct buf *text, struct variable *ret);

#endif
