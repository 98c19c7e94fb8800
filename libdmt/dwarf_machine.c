// SPDX-License-Identifier: MIT
//
// In the child: DWARF expressions and location descriptions (DWARF 5, 2.5 and 2.6), operation by operation.
#include "dwarf_machine.h"
#include "reg.h"

static bool reg_value(struct machine *m, uint64_t number, uint64_t *ret)
{
    const struct dwarf_frame *f = &m->e->frame;
    if (number >= reg_dwarf_count || number >= 64)
        return machine_fail(m, WHY_NOT_READ);
    if (!(f->known >> number & 1))
        return machine_fail(m, WHY_NOT_SAVED);
    *ret = f->regs[number];
    return true;
}

static bool deref(struct machine *m, struct slot type, unsigned size)
{
    struct slot a;
    uint64_t v = 0;
    if (!machine_pop(m, &a))
        return false;
    if (size == 0 || size > sizeof v)
        return machine_fail(m, WHY_DAMAGED);
    if (!m->e->stack->read(m->e->stack->arg, a.v, &v, size, &m->e->late)) // little-endian machines
        return machine_fail(m, WHY_UNREADABLE);
    type.v = v;
    return machine_push_typed(m, type);
}

static bool value_at_entry(struct machine *m, const Dwarf_Op *op)
{
    Dwarf_Attribute inner;
    Dwarf_Op *ops;
    size_t n;
    uint64_t v;
    if (dwarf_getlocation_attr(m->attr, op, &inner) != 0 || dwarf_getlocation(&inner, &ops, &n) != 0 || n == 0)
        return machine_fail(m, WHY_DAMAGED);
    return entry_value(m->e, ops, n, &v) ? machine_push(m, v) : machine_fail(m, WHY_NO_ENTRY);
}

static const char *frame_base(struct eval *e, uint64_t *ret)
{
    Dwarf_Attribute attr;
    Dwarf_Op *ops;
    size_t n;
    struct where w;
    if (!dwarf_attr_integrate(&e->scopes.at[0], DW_AT_frame_base, &attr) ||
        dwarf_getlocation_addr(&attr, eval_vaddr(e), &ops, &n, 1) != 1)
        return WHY_NO_CFA;
    for (size_t i = 0; i < n; i++)
        if (ops[i].atom == DW_OP_fbreg)
            return WHY_DAMAGED;
    const char *reason = where_run(e, &attr, ops, n, &w);
    if (reason)
        return reason;
    if (w.n != 1 || w.at[0].is == PIECE_BYTES)
        return WHY_DAMAGED;
    *ret = w.at[0].at;
    return w.at[0].is == PIECE_LOST ? w.at[0].reason : NULL;
}

static bool say(struct machine *m, struct piece p)
{
    m->now = p;
    m->said = true;
    return true;
}

static bool say_value(struct machine *m)
{
    struct slot a;
    return machine_pop(m, &a) && say(m, (struct piece){.is = PIECE_VALUE, .at = a.v, .nbytes = 8});
}

static bool say_bytes(struct machine *m, const Dwarf_Op *op)
{
    Dwarf_Block block;
    if (dwarf_getlocation_implicit_value(m->attr, op, &block) != 0)
        return machine_fail(m, WHY_DAMAGED);
    return say(m, (struct piece){.is = PIECE_BYTES, .bytes = block.data, .nbytes = block.length});
}

static bool say_reg(struct machine *m, uint64_t number)
{
    uint64_t v;
    return reg_value(m, number, &v) && say(m, (struct piece){.is = PIECE_REG, .at = v, .nbytes = 8});
}

static bool based(struct machine *m, uint64_t number, uint64_t offset)
{
    uint64_t v;
    return reg_value(m, number, &v) && machine_push(m, v + offset);
}

static bool fbreg(struct machine *m, uint64_t offset)
{
    uint64_t base;
    const char *reason = frame_base(m->e, &base);
    return reason ? machine_fail(m, reason) : machine_push(m, base + offset);
}

static bool indexed(struct machine *m, const Dwarf_Op *op)
{
    Dwarf_Attribute attr;
    Dwarf_Addr addr;
    Dwarf_Word word;
    if (dwarf_getlocation_attr(m->attr, op, &attr) != 0)
        return machine_fail(m, WHY_DAMAGED);
    if (op->atom == DW_OP_addrx || op->atom == DW_OP_GNU_addr_index)
        return dwarf_formaddr(&attr, &addr) == 0 ? machine_push(m, addr + m->e->frame.bias)
                                                 : machine_fail(m, WHY_DAMAGED);
    return dwarf_formudata(&attr, &word) == 0 ? machine_push(m, word) : machine_fail(m, WHY_DAMAGED);
}

static bool constant(struct machine *m, const Dwarf_Op *op)
{
    Dwarf_Attribute attr;
    Dwarf_Block block;
    struct slot type;
    if (!machine_base_type(m, op, &type))
        return false;
    if (dwarf_getlocation_attr(m->attr, op, &attr) != 0 || dwarf_formblock(&attr, &block) != 0 ||
        block.length != type.size)
        return machine_fail(m, WHY_DAMAGED);
    memcpy(&type.v, block.data, type.size);
    return machine_push_typed(m, type);
}

// The value of another variable.
static bool variable_value(struct machine *m, const Dwarf_Op *op)
{
    Dwarf_Die die, type;
    struct where w;
    uint64_t v = 0, size;
    if (dwarf_getlocation_die(m->attr, op, &die) != 0 || m->e->budget < 64)
        return machine_fail(m, WHY_DAMAGED);
    m->e->budget -= 64;
    if (!type_of(&die, &type) || !type_strip(&type) || !die_number(&type, DW_AT_byte_size, &size) || size == 0 ||
        size > 8)
        return machine_fail(m, WHY_DAMAGED);
    const char *reason = where_of(m->e, &die, &w);
    if (!reason)
        reason = where_read(m->e, &w, 0, &v, (size_t)size);
    return reason ? machine_fail(m, reason) : machine_push(m, v);
}

static bool one(struct machine *m, const Dwarf_Op *op)
{
    const unsigned atom = op->atom;
    struct slot a, b, c;
    uint64_t v;
    if (atom >= DW_OP_lit0 && atom <= DW_OP_lit31)
        return machine_push(m, atom - DW_OP_lit0);
    if (atom >= DW_OP_reg0 && atom <= DW_OP_reg31)
        return say_reg(m, atom - DW_OP_reg0);
    if (atom >= DW_OP_breg0 && atom <= DW_OP_breg31)
        return based(m, atom - DW_OP_breg0, op->number);
    switch (atom) {
    case DW_OP_nop: return true;
    case DW_OP_addr: return machine_push(m, op->number + m->e->frame.bias);
    case DW_OP_const1u: case DW_OP_const2u: case DW_OP_const4u: case DW_OP_const8u: case DW_OP_constu:
    case DW_OP_const1s: case DW_OP_const2s: case DW_OP_const4s: case DW_OP_const8s: case DW_OP_consts:
        return machine_push(m, op->number);
    case DW_OP_regx: return say_reg(m, op->number);
    case DW_OP_bregx: return based(m, op->number, op->number2);
    case DW_OP_fbreg: return fbreg(m, op->number);
    case DW_OP_call_frame_cfa:
        return m->e->frame.has_cfa ? machine_push(m, m->e->frame.cfa) : machine_fail(m, WHY_NO_CFA);
    case DW_OP_dup: return machine_pop(m, &a) && machine_push_typed(m, a) && machine_push_typed(m, a);
    case DW_OP_drop: return machine_pop(m, &a);
    case DW_OP_over: return m->n >= 2 ? machine_push_typed(m, m->at[m->n - 2]) : machine_fail(m, WHY_DAMAGED);
    case DW_OP_pick:
        return op->number < m->n ? machine_push_typed(m, m->at[m->n - 1 - op->number]) : machine_fail(m, WHY_DAMAGED);
    case DW_OP_swap:
        return machine_pop(m, &a) && machine_pop(m, &b) && machine_push_typed(m, a) && machine_push_typed(m, b);
    case DW_OP_rot:
        return machine_pop(m, &a) && machine_pop(m, &b) && machine_pop(m, &c) && machine_push_typed(m, a) &&
               machine_push_typed(m, c) && machine_push_typed(m, b);
    case DW_OP_plus_uconst:
        if (!machine_pop(m, &a))
            return false;
        a.v += op->number;
        return machine_push_typed(m, a);
    case DW_OP_abs: case DW_OP_neg: case DW_OP_not: return machine_unary(m, atom);
    case DW_OP_eq: case DW_OP_ne: case DW_OP_lt: case DW_OP_le: case DW_OP_gt: case DW_OP_ge: case DW_OP_and:
    case DW_OP_or: case DW_OP_xor: case DW_OP_plus: case DW_OP_minus: case DW_OP_mul: case DW_OP_div: case DW_OP_mod:
    case DW_OP_shl: case DW_OP_shr: case DW_OP_shra:
        return machine_binary(m, atom);
    case DW_OP_deref: return deref(m, (struct slot){0, 8, GENERIC}, 8);
    case DW_OP_deref_size: return deref(m, (struct slot){0, 8, GENERIC}, (unsigned)(op->number <= 8 ? op->number : 0));
    case DW_OP_deref_type: case DW_OP_GNU_deref_type: return machine_base_type(m, op, &a) && deref(m, a, a.size);
    case DW_OP_regval_type: case DW_OP_GNU_regval_type:
        if (!reg_value(m, op->number, &v) || !machine_base_type(m, op, &a))
            return false;
        a.v = v;
        return machine_push_typed(m, a);
    case DW_OP_const_type: case DW_OP_GNU_const_type: return constant(m, op);
    case DW_OP_convert: case DW_OP_GNU_convert: case DW_OP_reinterpret: case DW_OP_GNU_reinterpret:
        return machine_convert(m, op);
    case DW_OP_addrx: case DW_OP_constx: case DW_OP_GNU_addr_index: case DW_OP_GNU_const_index: return indexed(m, op);
    case DW_OP_entry_value: case DW_OP_GNU_entry_value: return value_at_entry(m, op);
    case DW_OP_GNU_variable_value: return variable_value(m, op);
    case DW_OP_stack_value: return say_value(m);
    case DW_OP_implicit_value: return say_bytes(m, op);
    case DW_OP_implicit_pointer: case DW_OP_GNU_implicit_pointer: return machine_fail(m, WHY_SYNTHETIC);
    case DW_OP_form_tls_address: case DW_OP_GNU_push_tls_address: return machine_fail(m, WHY_THREAD_LOCAL);
    case DW_OP_GNU_uninit: return true;
    default: return machine_fail(m, WHY_UNKNOWN);
    }
}

static bool is_piece(const Dwarf_Op *op)
{
    return op->atom == DW_OP_piece || op->atom == DW_OP_bit_piece;
}

static struct piece piece_now(struct machine *m)
{
    struct piece p = m->now;
    if (m->reason)
        p = (struct piece){.is = PIECE_LOST, .reason = m->reason};
    else if (!m->said && m->n > 0)
        p = (struct piece){.is = PIECE_MEMORY, .at = m->at[m->n - 1].v};
    else if (!m->said)
        p = (struct piece){.is = PIECE_LOST, .reason = where_optimised_out};
    m->n = 0;
    m->said = false;
    m->reason = NULL;
    return p;
}

// Where an operation jumps to: another one, or behind the last.
static bool jump(struct machine *m, const Dwarf_Op *ops, size_t n, size_t *i)
{
    const Dwarf_Op *op = &ops[*i];
    const uint64_t to = op->offset + 3 + op->number;
    struct slot a;
    if (op->atom == DW_OP_bra) {
        if (!machine_pop(m, &a))
            return false;
        if (a.v == 0)
            return true;
    }
    size_t low = 0, left = n; // they are in order
    while (left > 0) {
        const size_t half = left / 2;
        if (ops[low + half].offset < to) {
            low += half + 1;
            left -= half + 1;
        } else {
            left = half;
        }
    }
    if (low < n && ops[low].offset != to)
        return machine_fail(m, WHY_DAMAGED);
    *i = low - 1; // the loop adds one
    return true;
}

// The reason where not even a part is known.
const char *where_run(struct eval *e, Dwarf_Attribute *attr, const Dwarf_Op *ops, size_t n, struct where *ret)
{
    struct machine m = {.e = e, .attr = attr};
    ret->n = 0;
    for (size_t i = 0; i < n; i++) {
        const Dwarf_Op *op = &ops[i];
        if (e->budget == 0)
            return WHY_DAMAGED;
        e->budget--;
        if (is_piece(op)) {
            uint64_t bits = op->atom == DW_OP_piece ? 8 * op->number : op->number;
            if (ret->n == PIECES_MAX || bits % 8 != 0 || (op->atom == DW_OP_bit_piece && op->number2 != 0))
                return WHY_UNKNOWN;
            ret->at[ret->n] = piece_now(&m);
            ret->at[ret->n++].size = bits / 8;
            continue;
        }
        bool done = op->atom == DW_OP_bra || op->atom == DW_OP_skip ? jump(&m, ops, n, &i) : one(&m, op);
        if (!done)
            while (i + 1 < n && !is_piece(&ops[i + 1]))
                i++;
    }
    if (ret->n > 0)
        return NULL;
    ret->at[0] = piece_now(&m);
    ret->at[0].size = UINT64_MAX;
    ret->n = 1;
    return ret->at[0].is == PIECE_LOST ? ret->at[0].reason : NULL;
}
