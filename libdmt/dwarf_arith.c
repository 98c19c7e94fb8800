// SPDX-License-Identifier: MIT
//
// In the child: arithmetic on the stack of a DWARF expression, and its types (DWARF 5, 2.5.1.4 and 2.5.1.6).
#include "dwarf_machine.h"

bool machine_base_type(struct machine *m, const Dwarf_Op *op, struct slot *ret)
{
    Dwarf_Die type;
    uint64_t size, encoding;
    *ret = (struct slot){0, 8, GENERIC};
    if ((op->atom == DW_OP_convert || op->atom == DW_OP_GNU_convert || op->atom == DW_OP_reinterpret ||
         op->atom == DW_OP_GNU_reinterpret) && op->number == 0)
        return true;
    if (dwarf_getlocation_die(m->attr, op, &type) != 0 || !die_number(&type, DW_AT_byte_size, &size) ||
        !die_number(&type, DW_AT_encoding, &encoding))
        return machine_fail(m, WHY_DAMAGED);
    if (size == 0 || size > 8 || (size & (size - 1)))
        return machine_fail(m, size == 10 || size == 16 ? WHY_FLOATING : WHY_DAMAGED);
    ret->size = (unsigned)size;
    ret->is = encoding == DW_ATE_float ? FLOATING
              : encoding == DW_ATE_signed || encoding == DW_ATE_signed_char ? SIGNED : UNSIGNED;
    return true;
}

bool machine_unary(struct machine *m, unsigned atom)
{
    struct slot a;
    if (!machine_pop(m, &a))
        return false;
    if (a.is == FLOATING)
        return machine_fail(m, WHY_FLOATING);
    switch (atom) {
    case DW_OP_abs: a.v = (int64_t)a.v < 0 && a.is != UNSIGNED ? -a.v : a.v; break;
    case DW_OP_neg: a.v = -a.v; break;
    default: a.v = ~a.v; break;
    }
    return machine_push_typed(m, a);
}

bool machine_binary(struct machine *m, unsigned atom)
{
    struct slot a, b;
    if (!machine_pop(m, &b) || !machine_pop(m, &a))
        return false;
    if (a.is == FLOATING || b.is == FLOATING)
        return machine_fail(m, WHY_FLOATING);
    const bool is_unsigned = a.is == UNSIGNED;
    const int64_t x = (int64_t)a.v, y = (int64_t)b.v;
    const unsigned bits = 8 * a.size;
    struct slot truth = {0, 8, GENERIC};
#define COMPARE(op) (truth.v = is_unsigned ? a.v op b.v : x op y, machine_push_typed(m, truth))
    switch (atom) {
    case DW_OP_eq: return COMPARE(==);
    case DW_OP_ne: return COMPARE(!=);
    case DW_OP_lt: return COMPARE(<);
    case DW_OP_le: return COMPARE(<=);
    case DW_OP_gt: return COMPARE(>);
    case DW_OP_ge: return COMPARE(>=);
    case DW_OP_and: a.v &= b.v; break;
    case DW_OP_or: a.v |= b.v; break;
    case DW_OP_xor: a.v ^= b.v; break;
    case DW_OP_plus: a.v += b.v; break;
    case DW_OP_minus: a.v -= b.v; break;
    case DW_OP_mul: a.v *= b.v; break;
    case DW_OP_div:
        if (b.v == 0)
            return machine_fail(m, WHY_DAMAGED);
        a.v = is_unsigned ? a.v / b.v : y == -1 ? -a.v : (uint64_t)(x / y);
        break;
    case DW_OP_mod:
        if (b.v == 0)
            return machine_fail(m, WHY_DAMAGED);
        a.v = a.is == SIGNED ? (y == -1 ? 0 : (uint64_t)(x % y)) : a.v % b.v;
        break;
    case DW_OP_shl: a.v = b.v < bits ? a.v << b.v : 0; break;
    case DW_OP_shr:
        if (a.size < 8)
            a.v &= (1ULL << bits) - 1;
        a.v = b.v < bits ? a.v >> b.v : 0;
        break;
    default: a.v = (uint64_t)((int64_t)a.v >> (b.v < 63 ? b.v : 63)); break; // DW_OP_shra
    }
    return machine_push_typed(m, a);
#undef COMPARE
}

bool machine_convert(struct machine *m, const Dwarf_Op *op)
{
    struct slot a, type;
    bool reinterprets = op->atom == DW_OP_reinterpret || op->atom == DW_OP_GNU_reinterpret;
    if (!machine_base_type(m, op, &type) || !machine_pop(m, &a))
        return false;
    if (!reinterprets && (a.is == FLOATING) != (type.is == FLOATING))
        return machine_fail(m, WHY_FLOATING);
    if (!reinterprets && a.is == FLOATING && a.size != type.size)
        return machine_fail(m, WHY_FLOATING);
    type.v = a.v;
    return machine_push_typed(m, type);
}
