// SPDX-License-Identifier: MIT
//
// In the child: location descriptions and DWARF expressions (DWARF 5, 2.5 and 2.6).
#include "dwarf_child.h"
#include "err.h"
#include "reg.h"

#include <errno.h>

const char where_optimised_out[] = "optimised out";
static const char not_saved[] = "not saved", not_read[] = "in a register that was not read",
                  no_entry[] = "the value at the function's entry is not known", unreadable[] = "cannot be read",
                  thread_local[] = "thread-local", synthetic[] = "a pointer to what was optimised out",
                  no_cfa[] = "the frame is not known", damaged[] = "the debug information is damaged",
                  floating[] = "computed in floating point", unknown[] = "an operation that is not known";

enum { STACK = 64, OPERATIONS = 1 << 14, ENTRIES_DEEP = 8 };

int eval_open(struct eval *e, const struct dwarf_stack *s, size_t i)
{
    *e = (struct eval){.stack = s, .index = i, .budget = OPERATIONS};
    if (!s->frame(s->arg, i, &e->frame) || !e->frame.lines || !scopes_of(e->frame.lines, eval_vaddr(e), &e->scopes))
        return err_set(ENOENT, "no debug information");
    return 0;
}

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
        return fail(m, damaged);
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
        return fail(m, damaged);
    *ret = m->at[--m->n];
    return true;
}

static bool reg_value(struct machine *m, uint64_t number, uint64_t *ret)
{
    const struct dwarf_frame *f = &m->e->frame;
    if (number >= reg_dwarf_count || number >= 64)
        return fail(m, not_read);
    if (!(f->known >> number & 1))
        return fail(m, not_saved);
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
        return fail(m, damaged);
    if (size == 0 || size > 8 || (size & (size - 1)))
        return fail(m, size == 10 || size == 16 ? floating : damaged);
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
        return fail(m, damaged);
    if (!m->e->stack->read(m->e->stack->arg, a.v, &v, size, &m->e->late)) // little-endian machines
        return fail(m, unreadable);
    type.v = v;
    return push_typed(m, type);
}

static bool unary(struct machine *m, unsigned atom)
{
    struct slot a;
    if (!pop(m, &a))
        return false;
    if (a.is == FLOATING)
        return fail(m, floating);
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
        return fail(m, floating);
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
            return fail(m, damaged);
        a.v = is_unsigned ? a.v / b.v : y == -1 ? -a.v : (uint64_t)(x / y);
        break;
    case DW_OP_mod:
        if (b.v == 0)
            return fail(m, damaged);
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
        return fail(m, floating);
    if (!reinterprets && a.is == FLOATING && a.size != type.size)
        return fail(m, floating);
    type.v = a.v;
    return push_typed(m, type);
}

// --- the value at the entry ----------------------------------------------------------

static const char *run(struct eval *e, Dwarf_Attribute *attr, const Dwarf_Op *ops, size_t n, struct where *ret);

// Declaration, specification and instance are one function.
static bool is_same_function(Dwarf_Die *a, Dwarf_Die *b)
{
    const char *x = scope_function(a), *y = scope_function(b);
    if (a->addr == b->addr)
        return true;
    Dwarf_Attribute attr;
    Dwarf_Die other;
    if (dwarf_attr(b, DW_AT_abstract_origin, &attr) && dwarf_formref_die(&attr, &other) && other.addr == a->addr)
        return true;
    if (dwarf_attr(b, DW_AT_specification, &attr) && dwarf_formref_die(&attr, &other) && other.addr == a->addr)
        return true;
    // Another unit's declaration of it: of two static functions with one name none is declared elsewhere.
    return x && y && strcmp(x, y) == 0 && die_flag(a, DW_AT_declaration) && die_flag(b, DW_AT_external);
}

static bool call_target(Dwarf_Die *site, Dwarf_Die *ret)
{
    Dwarf_Attribute attr;
    return (dwarf_attr(site, DW_AT_call_origin, &attr) || dwarf_attr(site, DW_AT_abstract_origin, &attr)) &&
           dwarf_formref_die(&attr, ret);
}

static bool is_call_site(Dwarf_Die *die)
{
    int tag = dwarf_tag(die);
    return tag == DW_TAG_call_site || tag == DW_TAG_GNU_call_site;
}

/*
 * A function that ends by jumping to itself, perhaps through others, was entered again with other arguments than its
 * caller gave. What cannot be followed (a pointer) may do so.
 */
static bool may_reenter(Dwarf_Die *function, Dwarf_Die *from, Dwarf_Die *block, unsigned depth, unsigned *budget)
{
    enum { DEEP = 24 };
    Dwarf_Die die, target;
    if (depth == DEEP)
        return true;
    if (dwarf_child(block, &die) != 0)
        return false;
    do {
        int tag = dwarf_tag(&die);
        if ((*budget)-- == 0)
            return true;
        if ((tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine) &&
            may_reenter(function, from, &die, depth + 1, budget))
            return true;
        if (!is_call_site(&die) || !(die_flag(&die, DW_AT_call_tail_call) || die_flag(&die, DW_AT_GNU_tail_call)))
            continue;
        if (!call_target(&die, &target) || is_same_function(&target, function))
            return true;
        // Of another unit's function it is not known where it ends; it can come back to one that others know.
        if (die_flag(&target, DW_AT_declaration) && die_flag(function, DW_AT_external))
            return true;
        if (!is_same_function(&target, from) && may_reenter(function, &target, &target, depth + 1, budget))
            return true;
    } while (scope_next(&die));
    return false;
}

// Ways from one function to another by jumps at its end.
struct chains {
    Dwarf_Die *to;
    Dwarf_Die site;        // the last jump of the ways that were found
    size_t found;          // such jumps
    bool unsure;           // there may be more
    const void *seen[64];  // functions
    size_t n;
    unsigned budget;
};

static void follow_jumps(struct chains *c, Dwarf_Die *block);

static void follow_jump(struct chains *c, Dwarf_Die *site)
{
    Dwarf_Die target;
    if (!call_target(site, &target)) {
        c->unsure = true;
        return;
    }
    if (is_same_function(&target, c->to)) {
        c->found++;
        c->site = *site;
        return;
    }
    if (die_flag(&target, DW_AT_declaration)) {
        c->unsure |= die_flag(c->to, DW_AT_external);
        return;
    }
    for (size_t i = 0; i < c->n; i++)
        if (c->seen[i] == target.addr)
            return;
    if (c->n == ARRAY_LEN(c->seen)) {
        c->unsure = true;
        return;
    }
    c->seen[c->n++] = target.addr;
    follow_jumps(c, &target);
}

static void follow_jumps(struct chains *c, Dwarf_Die *block)
{
    Dwarf_Die die;
    if (dwarf_child(block, &die) != 0)
        return;
    do {
        int tag = dwarf_tag(&die);
        if (c->budget == 0 || c->unsure) {
            c->unsure = true;
            return;
        }
        c->budget--;
        if (tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine)
            follow_jumps(c, &die);
        else if (is_call_site(&die) && (die_flag(&die, DW_AT_call_tail_call) || die_flag(&die, DW_AT_GNU_tail_call)))
            follow_jump(c, &die);
    } while (scope_next(&die));
}

static bool site_address(Dwarf_Die *site, Dwarf_Addr *ret)
{
    Dwarf_Attribute attr;
    return (dwarf_attr(site, DW_AT_call_return_pc, &attr) || dwarf_attr(site, DW_AT_low_pc, &attr)) &&
           dwarf_formaddr(&attr, ret) == 0;
}

/*
 * The caller has called FROM, which in the end has jumped to the function of E. Where only one jump leads there, the
 * values are those of that jump: with the registers that the caller has, since a jump leaves no frame. CALLER becomes
 * the function that jumped.
 */
static bool jumped(const struct eval *e, struct eval *caller, Dwarf_Die *from, Dwarf_Die *function, Dwarf_Die *site)
{
    enum { BUDGET = 1 << 14 };
    struct chains c = {.to = function, .seen = {from->addr}, .n = 1, .budget = BUDGET};
    Dwarf_Addr back;
    if (die_flag(from, DW_AT_declaration))
        return false;
    follow_jumps(&c, from);
    if (c.unsure || c.found != 1 || !site_address(&c.site, &back))
        return false;
    *site = c.site;
    caller->index = e->index;
    caller->frame.pc = back + caller->frame.bias;
    caller->frame.called = e->frame.called;
    caller->frame.has_cfa = e->frame.has_cfa;
    caller->frame.cfa = e->frame.cfa;
    return scopes_of(caller->frame.lines, eval_vaddr(caller), &caller->scopes);
}

// The call that frame E is inside of: the frame's pc is where it returns to.
static bool find_call_site(struct eval *e, Dwarf_Die *ret)
{
    const uint64_t back = e->frame.pc - e->frame.bias;
    for (size_t i = e->scopes.n; i > 0; i--) {
        if (dwarf_child(&e->scopes.at[i - 1], ret) != 0)
            continue;
        do {
            Dwarf_Addr at;
            if (is_call_site(ret) && site_address(ret, &at) && at == back)
                return true;
        } while (scope_next(ret));
    }
    return false;
}

static bool same_ops(const Dwarf_Op *a, size_t na, const Dwarf_Op *b, size_t nb)
{
    if (na != nb)
        return false;
    for (size_t i = 0; i < na; i++)
        if (a[i].atom != b[i].atom || a[i].number != b[i].number || a[i].number2 != b[i].number2)
            return false;
    return true;
}

static bool entry_of(struct eval *caller, Dwarf_Die *site, const Dwarf_Op *ops, size_t n, uint64_t *ret)
{
    Dwarf_Die die;
    if (dwarf_child(site, &die) != 0)
        return false;
    do {
        Dwarf_Attribute at, value;
        Dwarf_Op *here;
        size_t nhere;
        struct where w;
        int tag = dwarf_tag(&die);
        if ((tag != DW_TAG_call_site_parameter && tag != DW_TAG_GNU_call_site_parameter) ||
            !dwarf_attr(&die, DW_AT_location, &at) || dwarf_getlocation(&at, &here, &nhere) != 0 ||
            !same_ops(here, nhere, ops, n) ||
            (!dwarf_attr(&die, DW_AT_call_value, &value) && !dwarf_attr(&die, DW_AT_GNU_call_site_value, &value)) ||
            dwarf_getlocation(&value, &here, &nhere) != 0)
            continue;
        // An expression whose result is the value, not where it is.
        if (run(caller, &value, here, nhere, &w) || w.n != 1)
            return false;
        if (w.at[0].is != PIECE_MEMORY && w.at[0].is != PIECE_VALUE && w.at[0].is != PIECE_REG)
            return false;
        *ret = w.at[0].at;
        return true;
    } while (scope_next(&die));
    return false;
}

// Whether the call through a pointer went to the function of E.
static bool went_to(const struct eval *e, struct eval *caller, Dwarf_Die *site, Dwarf_Die *function)
{
    Dwarf_Attribute attr;
    Dwarf_Op *ops;
    Dwarf_Addr entry;
    size_t n;
    struct where w;
    return (dwarf_attr(site, DW_AT_call_target, &attr) || dwarf_attr(site, DW_AT_GNU_call_site_target, &attr)) &&
           dwarf_getlocation(&attr, &ops, &n) == 0 && dwarf_entrypc(function, &entry) == 0 &&
           !run(caller, &attr, ops, n, &w) && w.n == 1 && w.at[0].is != PIECE_BYTES && w.at[0].is != PIECE_LOST &&
           w.at[0].at == entry + e->frame.bias;
}

static bool entry_value(struct machine *m, const Dwarf_Op *op)
{
    enum { BUDGET = 1 << 16 };
    struct eval *e = m->e;
    Dwarf_Attribute inner;
    Dwarf_Op *ops;
    size_t n;
    Dwarf_Die site, target, *function = &e->scopes.at[0];
    unsigned budget = BUDGET;
    uint64_t v;
    if (dwarf_getlocation_attr(m->attr, op, &inner) != 0 || dwarf_getlocation(&inner, &ops, &n) != 0 || n == 0)
        return fail(m, damaged);
    CLEANUP_FREE struct eval *caller = malloc(sizeof *caller);
    if (!caller || e->depth == ENTRIES_DEEP || !e->frame.called || eval_open(caller, e->stack, e->index + 1) < 0 ||
        caller->frame.exact)
        return fail(m, no_entry);
    caller->depth = e->depth + 1;
    bool found = find_call_site(caller, &site) && !may_reenter(function, function, function, 0, &budget);
    if (found && call_target(&site, &target))
        found = is_same_function(&target, function) || jumped(e, caller, &target, function, &site);
    else if (found)
        found = went_to(e, caller, &site, function);
    found = found && entry_of(caller, &site, ops, n, &v);
    e->late |= caller->late;
    return found ? push(m, v) : fail(m, no_entry);
}

// --- operations ------------------------------------------------------------------------

static const char *frame_base(struct eval *e, uint64_t *ret)
{
    Dwarf_Attribute attr;
    Dwarf_Op *ops;
    size_t n;
    struct where w;
    if (!dwarf_attr_integrate(&e->scopes.at[0], DW_AT_frame_base, &attr) ||
        dwarf_getlocation_addr(&attr, eval_vaddr(e), &ops, &n, 1) != 1)
        return no_cfa;
    for (size_t i = 0; i < n; i++)
        if (ops[i].atom == DW_OP_fbreg)
            return damaged;
    const char *reason = run(e, &attr, ops, n, &w);
    if (reason)
        return reason;
    if (w.n != 1 || w.at[0].is == PIECE_BYTES)
        return damaged;
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
        return fail(m, damaged);
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
        return fail(m, damaged);
    if (op->atom == DW_OP_addrx || op->atom == DW_OP_GNU_addr_index)
        return dwarf_formaddr(&attr, &addr) == 0 ? push(m, addr + m->e->frame.bias) : fail(m, damaged);
    return dwarf_formudata(&attr, &word) == 0 ? push(m, word) : fail(m, damaged);
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
        return fail(m, damaged);
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
        return fail(m, damaged);
    m->e->budget -= 64;
    if (!type_of(&die, &type) || !type_strip(&type) || !die_number(&type, DW_AT_byte_size, &size) || size == 0 || size > 8)
        return fail(m, damaged);
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
    case DW_OP_call_frame_cfa: return m->e->frame.has_cfa ? push(m, m->e->frame.cfa) : fail(m, no_cfa);
    case DW_OP_dup: return pop(m, &a) && push_typed(m, a) && push_typed(m, a);
    case DW_OP_drop: return pop(m, &a);
    case DW_OP_over: return m->n >= 2 ? push_typed(m, m->at[m->n - 2]) : fail(m, damaged);
    case DW_OP_pick: return op->number < m->n ? push_typed(m, m->at[m->n - 1 - op->number]) : fail(m, damaged);
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
    case DW_OP_entry_value: case DW_OP_GNU_entry_value: return entry_value(m, op);
    case DW_OP_GNU_variable_value: return variable_value(m, op);
    case DW_OP_stack_value: return say_value(m);
    case DW_OP_implicit_value: return say_bytes(m, op);
    case DW_OP_implicit_pointer: case DW_OP_GNU_implicit_pointer: return fail(m, synthetic);
    case DW_OP_form_tls_address: case DW_OP_GNU_push_tls_address: return fail(m, thread_local);
    case DW_OP_GNU_uninit: return true;
    default: return fail(m, unknown);
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
static const char *run(struct eval *e, Dwarf_Attribute *attr, const Dwarf_Op *ops, size_t n, struct where *ret)
{
    struct machine m = {.e = e, .attr = attr};
    ret->n = 0;
    for (size_t i = 0; i < n; i++) {
        const Dwarf_Op *op = &ops[i];
        if (e->budget == 0)
            return damaged;
        e->budget--;
        if (is_piece(op)) {
            uint64_t bits = op->atom == DW_OP_piece ? 8 * op->number : op->number;
            if (ret->n == PIECES_MAX || bits % 8 != 0 || (op->atom == DW_OP_bit_piece && op->number2 != 0))
                return unknown;
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
            return damaged;
        ret->at[0] = (struct piece){.is = PIECE_BYTES, .bytes = (const uint8_t *)text, .nbytes = strlen(text) + 1,
                                    .size = UINT64_MAX};
        return NULL;
    case DW_FORM_block: case DW_FORM_block1: case DW_FORM_block2: case DW_FORM_block4: case DW_FORM_exprloc:
    case DW_FORM_data16:
        if (dwarf_formblock(attr, &block) != 0)
            return damaged;
        ret->at[0] = (struct piece){.is = PIECE_BYTES, .bytes = block.data, .nbytes = block.length, .size = UINT64_MAX};
        return NULL;
    case DW_FORM_sdata: case DW_FORM_implicit_const:
        if (dwarf_formsdata(attr, &sword) != 0)
            return damaged;
        ret->at[0].at = (uint64_t)sword;
        return NULL;
    default:
        if (dwarf_formudata(attr, &word) != 0)
            return damaged;
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
        return damaged;
    if (found == 0 || n == 0)
        return where_optimised_out;
    return run(e, &attr, ops, n, ret);
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
            return damaged;
        if (!(reason = where_of(e, &die, &w)) && !(reason = where_read(e, &w, 0, &v, (size_t)size)))
            *ret = v;
        return reason;
    }
    if (dwarf_getlocation_addr(attr, eval_vaddr(e), &ops, &n, 1) != 1)
        return where_optimised_out;
    if ((reason = run(e, attr, ops, n, &w)))
        return reason;
    if (w.n != 1 || w.at[0].is == PIECE_BYTES || w.at[0].is == PIECE_LOST)
        return damaged;
    *ret = w.at[0].at; // the result of the expression is the number
    return NULL;
}

static const char *read_piece(struct eval *e, const struct piece *p, uint64_t offset, uint8_t *to, size_t n)
{
    switch (p->is) {
    case PIECE_LOST: return p->reason;
    case PIECE_MEMORY:
        return e->stack->read(e->stack->arg, p->at + offset, to, n, &e->late) ? NULL : unreadable;
    default:
        if (offset > p->nbytes || n > p->nbytes - offset)
            return damaged;
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
