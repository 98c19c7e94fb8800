// SPDX-License-Identifier: MIT
//
// In the child: DWARF expressions and location descriptions (DWARF 5, 2.5 and 2.6), operation by operation.
#include "dwarf_child.h"
#include "reg.h"

enum { STACK = 64 };

// --- the machine -------------------------------------------------------------------

struct slot {
    uint64_t v;
    unsigned size;         // of its type: 1, 2, 4, 8
    enum { GENERIC, SIGNED, UNSIGNED, FLOATING } is;
};

struct machine {
    struct eval *e;
    Dwarf_Attribute *attr; // the expression's
    struct slot at[STACK];
    size_t n;
    struct piece now;      // what the operations since the last piece have said; PIECE_MEMORY: the top of the stack
    bool said;
    const char *reason;
};

static bool fail(struct machine *m, const char *reason)
{
    m->reason = reason;
    return false;
}

static bool push_typed(struct machine *m, struct slot s)
{
    if (m->n == STACK)
        return fail(m, WHY_DAMAGED);
    if (s.size < 8 && s.size > 0) {
        uint64_t mask = (1ULL << 8 * s.size) - 1, sign = 1ULL << (8 * s.size - 1);
        s.v &= mask;
        if (s.is == SIGNED && (s.v & sign))
            s.v |= ~mask;
    }
    m->at[m->n++] = s;
    return true;
}

static bool push(struct machine *m, uint64_t v)
{
    return push_typed(m, (struct slot){v, 8, GENERIC});
}

static bool pop(struct machine *m, struct slot *ret)
{
    if (m->n == 0)
        return fail(m, WHY_DAMAGED);
    *ret = m->at[--m->n];
    return true;
}

static bool reg_value(struct machine *m, uint64_t number, uint64_t *ret)
{
    const struct dwarf_frame *f = &m->e->frame;
    if (number >= reg_dwarf_count || number >= 64)
        return fail(m, WHY_NOT_READ);
    if (!(f->known >> number & 1))
        return fail(m, WHY_NOT_SAVED);
    *ret = f->regs[number];
    return true;
}

static bool base_type(struct machine *m, const Dwarf_Op *op, struct slot *ret)
{
    Dwarf_Die type;
    uint64_t size, encoding;
    *ret = (struct slot){0, 8, GENERIC};
    if ((op->atom == DW_OP_convert || op->atom == DW_OP_GNU_convert || op->atom == DW_OP_reinterpret ||
         op->atom == DW_OP_GNU_reinterpret) && op->number == 0)
        return true;
    if (dwarf_getlocation_die(m->attr, op, &type) != 0 || !die_number(&type, DW_AT_byte_size, &size) ||
        !die_number(&type, DW_AT_encoding, &encoding))
        return fail(m, WHY_DAMAGED);
    if (size == 0 || size > 8 || (size & (size - 1)))
        return fail(m, size == 10 || size == 16 ? WHY_FLOATING : WHY_DAMAGED);
    ret->size = (unsigned)size;
    ret->is = encoding == DW_ATE_float ? FLOATING
              : encoding == DW_ATE_signed || encoding == DW_ATE_signed_char ? SIGNED : UNSIGNED;
    return true;
}

static bool deref(struct machine *m, struct slot type, unsigned size)
{
    struct slot a;
    uint64_t v = 0;
    if (!pop(m, &a))
        return false;
    if (size == 0 || size > sizeof v)
        return fail(m, WHY_DAMAGED);
    if (!m->e->stack->read(m->e->stack->arg, a.v, &v, size, &m->e->late)) // little-endian machines
        return fail(m, WHY_UNREADABLE);
    type.v = v;
    return push_typed(m, type);
}

static bool unary(struct machine *m, unsigned atom)
{
    struct slot a;
    if (!pop(m, &a))
        return false;
    if (a.is == FLOATING)
        return fail(m, WHY_FLOATING);
    switch (atom) {
    case DW_OP_abs: a.v = (int64_t)a.v < 0 && a.is != UNSIGNED ? -a.v : a.v; break;
    case DW_OP_neg: a.v = -a.v; break;
    default: a.v = ~a.v; break;
    }
    return push_typed(m, a);
}

static bool binary(struct machine *m, unsigned atom)
{
    struct slot a, b;
    if (!pop(m, &b) || !pop(m, &a))
        return false;
    if (a.is == FLOATING || b.is == FLOATING)
        return fail(m, WHY_FLOATING);
    const bool is_unsigned = a.is == UNSIGNED;
    const int64_t x = (int64_t)a.v, y = (int64_t)b.v;
    const unsigned bits = 8 * a.size;
    struct slot truth = {0, 8, GENERIC};
#define COMPARE(op) (truth.v = is_unsigned ? a.v op b.v : x op y, push_typed(m, truth))
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
            return fail(m, WHY_DAMAGED);
        a.v = is_unsigned ? a.v / b.v : y == -1 ? -a.v : (uint64_t)(x / y);
        break;
    case DW_OP_mod:
        if (b.v == 0)
            return fail(m, WHY_DAMAGED);
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
    return push_typed(m, a);
#undef COMPARE
}

static bool convert(struct machine *m, const Dwarf_Op *op)
{
    struct slot a, type;
    bool reinterprets = op->atom == DW_OP_reinterpret || op->atom == DW_OP_GNU_reinterpret;
    if (!base_type(m, op, &type) || !pop(m, &a))
        return false;
    if (!reinterprets && (a.is == FLOATING) != (type.is == FLOATING))
        return fail(m, WHY_FLOATING);
    if (!reinterprets && a.is == FLOATING && a.size != type.size)
        return fail(m, WHY_FLOATING);
    type.v = a.v;
    return push_typed(m, type);
}

// --- operations ------------------------------------------------------------------------

static bool value_at_entry(struct machine *m, const Dwarf_Op *op)
{
    Dwarf_Attribute inner;
    Dwarf_Op *ops;
    size_t n;
    uint64_t v;
    if (dwarf_getlocation_attr(m->attr, op, &inner) != 0 || dwarf_getlocation(&inner, &ops, &n) != 0 || n == 0)
        return fail(m, WHY_DAMAGED);
    return entry_value(m->e, ops, n, &v) ? push(m, v) : fail(m, WHY_NO_ENTRY);
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
    return pop(m, &a) && say(m, (struct piece){.is = PIECE_VALUE, .at = a.v, .nbytes = 8});
}

static bool say_bytes(struct machine *m, const Dwarf_Op *op)
{
    Dwarf_Block block;
    if (dwarf_getlocation_implicit_value(m->attr, op, &block) != 0)
        return fail(m, WHY_DAMAGED);
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
    return reg_value(m, number, &v) && push(m, v + offset);
}

static bool fbreg(struct machine *m, uint64_t offset)
{
    uint64_t base;
    const char *reason = frame_base(m->e, &base);
    return reason ? fail(m, reason) : push(m, base + offset);
}

static bool indexed(struct machine *m, const Dwarf_Op *op)
{
    Dwarf_Attribute attr;
    Dwarf_Addr addr;
    Dwarf_Word word;
    if (dwarf_getlocation_attr(m->attr, op, &attr) != 0)
        return fail(m, WHY_DAMAGED);
    if (op->atom == DW_OP_addrx || op->atom == DW_OP_GNU_addr_index)
        return dwarf_formaddr(&attr, &addr) == 0 ? push(m, addr + m->e->frame.bias) : fail(m, WHY_DAMAGED);
    return dwarf_formudata(&attr, &word) == 0 ? push(m, word) : fail(m, WHY_DAMAGED);
}

static bool constant(struct machine *m, const Dwarf_Op *op)
{
    Dwarf_Attribute attr;
    Dwarf_Block block;
    struct slot type;
    if (!base_type(m, op, &type))
        return false;
    if (dwarf_getlocation_attr(m->attr, op, &attr) != 0 || dwarf_formblock(&attr, &block) != 0 ||
        block.length != type.size)
        return fail(m, WHY_DAMAGED);
    memcpy(&type.v, block.data, type.size);
    return push_typed(m, type);
}

// The value of another variable.
static bool variable_value(struct machine *m, const Dwarf_Op *op)
{
    Dwarf_Die die, type;
    struct where w;
    uint64_t v = 0, size;
    if (dwarf_getlocation_die(m->attr, op, &die) != 0 || m->e->budget < 64)
        return fail(m, WHY_DAMAGED);
    m->e->budget -= 64;
    if (!type_of(&die, &type) || !type_strip(&type) || !die_number(&type, DW_AT_byte_size, &size) || size == 0 ||
        size > 8)
        return fail(m, WHY_DAMAGED);
    const char *reason = where_of(m->e, &die, &w);
    if (!reason)
        reason = where_read(m->e, &w, 0, &v, (size_t)size);
    return reason ? fail(m, reason) : push(m, v);
}

static bool one(struct machine *m, const Dwarf_Op *op)
{
    const unsigned atom = op->atom;
    struct slot a, b, c;
    uint64_t v;
    if (atom >= DW_OP_lit0 && atom <= DW_OP_lit31)
        return push(m, atom - DW_OP_lit0);
    if (atom >= DW_OP_reg0 && atom <= DW_OP_reg31)
        return say_reg(m, atom - DW_OP_reg0);
    if (atom >= DW_OP_breg0 && atom <= DW_OP_breg31)
        return based(m, atom - DW_OP_breg0, op->number);
    switch (atom) {
    case DW_OP_nop: return true;
    case DW_OP_addr: return push(m, op->number + m->e->frame.bias);
    case DW_OP_const1u: case DW_OP_const2u: case DW_OP_const4u: case DW_OP_const8u: case DW_OP_constu:
    case DW_OP_const1s: case DW_OP_const2s: case DW_OP_const4s: case DW_OP_const8s: case DW_OP_consts:
        return push(m, op->number);
    case DW_OP_regx: return say_reg(m, op->number);
    case DW_OP_bregx: return based(m, op->number, op->number2);
    case DW_OP_fbreg: return fbreg(m, op->number);
    case DW_OP_call_frame_cfa: return m->e->frame.has_cfa ? push(m, m->e->frame.cfa) : fail(m, WHY_NO_CFA);
    case DW_OP_dup: return pop(m, &a) && push_typed(m, a) && push_typed(m, a);
    case DW_OP_drop: return pop(m, &a);
    case DW_OP_over: return m->n >= 2 ? push_typed(m, m->at[m->n - 2]) : fail(m, WHY_DAMAGED);
    case DW_OP_pick: return op->number < m->n ? push_typed(m, m->at[m->n - 1 - op->number]) : fail(m, WHY_DAMAGED);
    case DW_OP_swap: return pop(m, &a) && pop(m, &b) && push_typed(m, a) && push_typed(m, b);
    case DW_OP_rot:
        return pop(m, &a) && pop(m, &b) && pop(m, &c) && push_typed(m, a) && push_typed(m, c) && push_typed(m, b);
    case DW_OP_plus_uconst:
        if (!pop(m, &a))
            return false;
        a.v += op->number;
        return push_typed(m, a);
    case DW_OP_abs: case DW_OP_neg: case DW_OP_not: return unary(m, atom);
    case DW_OP_eq: case DW_OP_ne: case DW_OP_lt: case DW_OP_le: case DW_OP_gt: case DW_OP_ge: case DW_OP_and:
    case DW_OP_or: case DW_OP_xor: case DW_OP_plus: case DW_OP_minus: case DW_OP_mul: case DW_OP_div: case DW_OP_mod:
    case DW_OP_shl: case DW_OP_shr: case DW_OP_shra:
        return binary(m, atom);
    case DW_OP_deref: return deref(m, (struct slot){0, 8, GENERIC}, 8);
    case DW_OP_deref_size: return deref(m, (struct slot){0, 8, GENERIC}, (unsigned)(op->number <= 8 ? op->number : 0));
    case DW_OP_deref_type: case DW_OP_GNU_deref_type: return base_type(m, op, &a) && deref(m, a, a.size);
    case DW_OP_regval_type: case DW_OP_GNU_regval_type:
        if (!reg_value(m, op->number, &v) || !base_type(m, op, &a))
            return false;
        a.v = v;
        return push_typed(m, a);
    case DW_OP_const_type: case DW_OP_GNU_const_type: return constant(m, op);
    case DW_OP_convert: case DW_OP_GNU_convert: case DW_OP_reinterpret: case DW_OP_GNU_reinterpret:
        return convert(m, op);
    case DW_OP_addrx: case DW_OP_constx: case DW_OP_GNU_addr_index: case DW_OP_GNU_const_index: return indexed(m, op);
    case DW_OP_entry_value: case DW_OP_GNU_entry_value: return value_at_entry(m, op);
    case DW_OP_GNU_variable_value: return variable_value(m, op);
    case DW_OP_stack_value: return say_value(m);
    case DW_OP_implicit_value: return say_bytes(m, op);
    case DW_OP_implicit_pointer: case DW_OP_GNU_implicit_pointer: return fail(m, WHY_SYNTHETIC);
    case DW_OP_form_tls_address: case DW_OP_GNU_push_tls_address: return fail(m, WHY_THREAD_LOCAL);
    case DW_OP_GNU_uninit: return true;
    default: return fail(m, WHY_UNKNOWN);
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

// Where an operation jumps to.
static bool jump(struct machine *m, const Dwarf_Op *ops, size_t n, size_t *i)
{
    const Dwarf_Op *op = &ops[*i];
    const uint64_t to = op->offset + 3 + op->number;
    struct slot a;
    if (op->atom == DW_OP_bra) {
        if (!pop(m, &a))
            return false;
        if (a.v == 0)
            return true;
    }
    for (size_t k = 0; k < n; k++)
        if (ops[k].offset == to) {
            *i = k - 1; // the loop adds one
            return true;
        }
    *i = n;
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
