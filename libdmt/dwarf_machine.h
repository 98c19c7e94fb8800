// SPDX-License-Identifier: MIT
//
// Private to dwarf_machine.c and dwarf_arith.c: the machine that runs DWARF expressions. Where a step fails it returns
// false, and the machine has the reason.
#ifndef DMT_DWARF_MACHINE_H
#define DMT_DWARF_MACHINE_H

#include "dwarf_child.h"

enum { MACHINE_STACK = 64 };

struct slot {
    uint64_t v;
    unsigned size;         // of its type: 1, 2, 4, 8
    enum { GENERIC, SIGNED, UNSIGNED, FLOATING } is;
};

struct machine {
    struct eval *e;
    Dwarf_Attribute *attr; // the expression's
    struct slot at[MACHINE_STACK];
    size_t n;
    struct piece now;      // what the operations since the last piece have said; PIECE_MEMORY: the top of the stack
    bool said;
    const char *reason;
};

/** False, with this reason. */
static inline bool machine_fail(struct machine *m, const char *reason)
{
    m->reason = reason;
    return false;
}

/** The value is cut to the size of its type. */
static inline bool machine_push_typed(struct machine *m, struct slot s)
{
    if (m->n == MACHINE_STACK)
        return machine_fail(m, WHY_DAMAGED);
    if (s.size < 8 && s.size > 0) {
        uint64_t mask = (1ULL << 8 * s.size) - 1, sign = 1ULL << (8 * s.size - 1);
        s.v &= mask;
        if (s.is == SIGNED && (s.v & sign))
            s.v |= ~mask;
    }
    m->at[m->n++] = s;
    return true;
}

static inline bool machine_push(struct machine *m, uint64_t v)
{
    return machine_push_typed(m, (struct slot){v, 8, GENERIC});
}

static inline bool machine_pop(struct machine *m, struct slot *ret)
{
    if (m->n == 0)
        return machine_fail(m, WHY_DAMAGED);
    *ret = m->at[--m->n];
    return true;
}

/** The type that an operation names, with the value 0. */
bool machine_base_type(struct machine *m, const Dwarf_Op *op, struct slot *ret);

/** Arithmetic: an operation on the top of the stack, on the two there, and its conversion to another type. */
bool machine_unary(struct machine *m, unsigned atom);
bool machine_binary(struct machine *m, unsigned atom);
bool machine_convert(struct machine *m, const Dwarf_Op *op);

#endif
