// SPDX-License-Identifier: MIT
//
// In the child: what a register held when a function was entered (DWARF 5, 2.5.1.7 and 3.4). The caller's call says what
// it gave; only if that call led to this entry of the function, and to no other.
#include "dwarf_child.h"

enum { ENTRIES_DEEP = 8 };

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
        if (where_run(caller, &value, here, nhere, &w) || w.n != 1)
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
           !where_run(caller, &attr, ops, n, &w) && w.n == 1 && w.at[0].is != PIECE_BYTES && w.at[0].is != PIECE_LOST &&
           w.at[0].at == entry + e->frame.bias;
}

bool entry_value(struct eval *e, const Dwarf_Op *ops, size_t n, uint64_t *ret)
{
    enum { BUDGET = 1 << 16 };
    Dwarf_Die site, target, *function = &e->scopes.at[0];
    unsigned budget = BUDGET;
    CLEANUP_FREE struct eval *caller = malloc(sizeof *caller);
    if (!caller || e->depth == ENTRIES_DEEP || !e->frame.called || eval_open(caller, e->stack, e->index + 1) < 0 ||
        caller->frame.exact)
        return false;
    caller->depth = e->depth + 1;
    bool found = find_call_site(caller, &site) && !may_reenter(function, function, function, 0, &budget);
    if (found && call_target(&site, &target))
        found = is_same_function(&target, function) || jumped(e, caller, &target, function, &site);
    else if (found)
        found = went_to(e, caller, &site, function);
    found = found && entry_of(caller, &site, ops, n, ret);
    e->late |= caller->late;
    return found;
}
