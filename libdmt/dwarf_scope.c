// SPDX-License-Identifier: MIT
//
// In the child: which variables a frame has in scope, from the innermost block outwards. An inner name hides an outer
// one of the same function.
#include "dwarf_child.h"
#include "err.h"

#include <errno.h>

enum { VARIABLES = 4096, BYTES = 64 };

struct listing {
    struct eval e;
    const char *only;
    struct buf *ret;
    unsigned level;
    const char *names[VARIABLES]; // of this level
    size_t n;
    size_t first;          // of the block that is listed: its own may have a name twice
};

static bool is_variable(Dwarf_Die *die)
{
    int tag = dwarf_tag(die);
    return (tag == DW_TAG_variable || tag == DW_TAG_formal_parameter) && !die_flag(die, DW_AT_declaration);
}

static bool is_hidden(const struct listing *l, const char *name)
{
    for (size_t i = 0; i < l->first; i++)
        if (strcmp(l->names[i], name) == 0)
            return true;
    return false;
}

static int put_variable(struct listing *l, Dwarf_Die *die, const char *reason)
{
    CLEANUP_BUF struct buf type = {0}, value = {0};
    struct variable v = {.level = l->level, .parameter = dwarf_tag(die) == DW_TAG_formal_parameter};
    const char *name = dwarf_diename(die);
    uint8_t bytes[BYTES];
    struct where w;
    Dwarf_Die is;
    if (!name || !*name || strnlen(name, SYM_NAME_MAX) == SYM_NAME_MAX || l->n == VARIABLES || is_hidden(l, name))
        return 0;
    l->names[l->n++] = name;
    if (l->only && strcmp(l->only, name) != 0)
        return 0;
    l->e.late = false;
    l->e.budget = 1 << 14;
    type_name(die, &type);
    if (!reason)
        reason = where_of(&l->e, die, &w);
    if (!reason && !type_of(die, &is))
        reason = "of a type that is not known";
    if (!reason) {
        value_put(&l->e, &is, &w, &value, &v);
        if (!v.has_addr && v.format && v.size <= sizeof bytes && !where_read(&l->e, &w, 0, bytes, (size_t)v.size))
            v.bytes = (const char *)bytes;
    } else {
        v.reason = reason;
    }
    v.name = name;
    v.type = buf_cstr(&type);
    v.late = l->e.late;
    variable_put(l->ret, &v);
    return buf_ok(l->ret);
}

// A compiler leaves out of a copy of a function what has no place there.
static int put_left_out(struct listing *l, Dwarf_Die *scope)
{
    Dwarf_Attribute attr;
    Dwarf_Die origin, die, mine, from;
    if (!dwarf_attr(scope, DW_AT_abstract_origin, &attr) || !dwarf_formref_die(&attr, &origin))
        return 0;
    for (bool more = dwarf_child(&origin, &die) == 0; more; more = scope_next(&die)) {
        bool has = !is_variable(&die);
        for (bool m = !has && dwarf_child(scope, &mine) == 0; m && !has; m = scope_next(&mine))
            has = dwarf_attr(&mine, DW_AT_abstract_origin, &attr) && dwarf_formref_die(&attr, &from) &&
                  from.addr == die.addr;
        Dwarf_Attribute constant;
        bool is_constant = dwarf_attr(&die, DW_AT_const_value, &constant) ||
                           dwarf_attr(&die, DW_AT_location, &constant);
        if (!has && put_variable(l, &die, is_constant ? NULL : where_optimised_out) < 0)
            return -1;
    }
    return 0;
}

int dwarf_variables(const struct dwarf_stack *s, size_t i, const char *only, unsigned *levels,
                    struct buf *ret)
{
    CLEANUP_FREE struct listing *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(ENOMEM, "out of memory");
    if (eval_open(&l->e, s, i) < 0)
        return -1;
    struct eval *e = &l->e;
    l->only = only;
    l->ret = ret;
    for (size_t k = e->scopes.n; k > 0; k--) {
        Dwarf_Die *scope = &e->scopes.at[k - 1], die;
        l->first = l->n;
        for (bool more = dwarf_child(scope, &die) == 0; more; more = scope_next(&die))
            if (is_variable(&die) && put_variable(l, &die, NULL) < 0)
                return -1;
        if (put_left_out(l, scope) < 0)
            return -1;
        if (dwarf_tag(scope) == DW_TAG_inlined_subroutine) {
            l->level++;
            l->n = 0;
        }
    }
    *levels = l->level + 1;
    return 0;
}
