// SPDX-License-Identifier: MIT
//
// In the child: where a variable is (DWARF 5, 2.6), and its bytes.
#include "dwarf_child.h"
#include "err.h"

#include <errno.h>

const char where_optimised_out[] = "optimised out";

enum { OPERATIONS = 1 << 14 };

int eval_open(struct eval *e, const struct dwarf_stack *s, size_t i)
{
    *e = (struct eval){.stack = s, .index = i, .budget = OPERATIONS};
    if (!s->frame(s->arg, i, &e->frame) || !e->frame.lines || !scopes_of(e->frame.lines, eval_vaddr(e), &e->scopes))
        return err_set(ENOENT, "no debug information");
    return 0;
}

// --- variables ---------------------------------------------------------------------------

static const char *constant_of(Dwarf_Attribute *attr, struct where *ret)
{
    Dwarf_Block block;
    Dwarf_Sword sword;
    Dwarf_Word word;
    const char *text;
    ret->n = 1;
    ret->at[0] = (struct piece){.is = PIECE_VALUE, .nbytes = 8, .size = UINT64_MAX};
    switch (dwarf_whatform(attr)) {
    case DW_FORM_string: case DW_FORM_strp: case DW_FORM_line_strp: case DW_FORM_strx: case DW_FORM_strx1:
    case DW_FORM_strx2: case DW_FORM_strx3: case DW_FORM_strx4:
        if (!(text = dwarf_formstring(attr)))
            return WHY_DAMAGED;
        ret->at[0] = (struct piece){.is = PIECE_BYTES, .bytes = (const uint8_t *)text, .nbytes = strlen(text) + 1,
                                    .size = UINT64_MAX};
        return NULL;
    case DW_FORM_block: case DW_FORM_block1: case DW_FORM_block2: case DW_FORM_block4: case DW_FORM_exprloc:
    case DW_FORM_data16:
        if (dwarf_formblock(attr, &block) != 0)
            return WHY_DAMAGED;
        ret->at[0] = (struct piece){.is = PIECE_BYTES, .bytes = block.data, .nbytes = block.length, .size = UINT64_MAX};
        return NULL;
    case DW_FORM_sdata: case DW_FORM_implicit_const:
        if (dwarf_formsdata(attr, &sword) != 0)
            return WHY_DAMAGED;
        ret->at[0].at = (uint64_t)sword;
        return NULL;
    default:
        if (dwarf_formudata(attr, &word) != 0)
            return WHY_DAMAGED;
        ret->at[0].at = word;
        return NULL;
    }
}

const char *where_of(struct eval *e, Dwarf_Die *variable, struct where *ret)
{
    Dwarf_Attribute attr;
    Dwarf_Op *ops;
    size_t n;
    ret->n = 0;
    if (!dwarf_attr_integrate(variable, DW_AT_location, &attr))
        return dwarf_attr_integrate(variable, DW_AT_const_value, &attr) ? constant_of(&attr, ret) : where_optimised_out;
    int found = dwarf_getlocation_addr(&attr, eval_vaddr(e), &ops, &n, 1);
    if (found < 0)
        return WHY_DAMAGED;
    if (found == 0 || n == 0)
        return where_optimised_out;
    return where_run(e, &attr, ops, n, ret);
}

const char *where_number(struct eval *e, Dwarf_Attribute *attr, uint64_t *ret)
{
    Dwarf_Die die, type;
    Dwarf_Op *ops;
    Dwarf_Word word;
    size_t n;
    struct where w;
    uint64_t size, v = 0;
    const char *reason;
    if (dwarf_formudata(attr, &word) == 0) {
        *ret = word;
        return NULL;
    }
    if (dwarf_formref_die(attr, &die)) {
        if (!type_of(&die, &type) || !type_strip(&type) || !die_number(&type, DW_AT_byte_size, &size) || size == 0 ||
            size > sizeof v)
            return WHY_DAMAGED;
        if (!(reason = where_of(e, &die, &w)) && !(reason = where_read(e, &w, 0, &v, (size_t)size)))
            *ret = v;
        return reason;
    }
    if (dwarf_getlocation_addr(attr, eval_vaddr(e), &ops, &n, 1) != 1)
        return where_optimised_out;
    if ((reason = where_run(e, attr, ops, n, &w)))
        return reason;
    if (w.n != 1 || w.at[0].is == PIECE_BYTES || w.at[0].is == PIECE_LOST)
        return WHY_DAMAGED;
    *ret = w.at[0].at; // the result of the expression is the number
    return NULL;
}

static const char *read_piece(struct eval *e, const struct piece *p, uint64_t offset, uint8_t *to, size_t n)
{
    switch (p->is) {
    case PIECE_LOST: return p->reason;
    case PIECE_MEMORY:
        return e->stack->read(e->stack->arg, p->at + offset, to, n, &e->late) ? NULL : WHY_UNREADABLE;
    default:
        if (offset > p->nbytes || n > p->nbytes - offset)
            return WHY_DAMAGED;
        memcpy(to, (p->is == PIECE_BYTES ? p->bytes : (const uint8_t *)&p->at) + offset, n);
        return NULL;
    }
}

const char *where_read(struct eval *e, const struct where *w, uint64_t offset, void *to, size_t n)
{
    uint8_t *at = to;
    for (size_t i = 0; i < w->n && n > 0; i++) {
        const struct piece *p = &w->at[i];
        if (offset >= p->size) {
            offset -= p->size;
            continue;
        }
        size_t part = n < p->size - offset ? n : (size_t)(p->size - offset);
        const char *reason = read_piece(e, p, offset, at, part);
        if (reason)
            return reason;
        at += part;
        n -= part;
        offset = 0;
    }
    return n > 0 ? where_optimised_out : NULL;
}
