// SPDX-License-Identifier: MIT
//
// In the child: the functions and blocks whose code an address is in, inlined ones too. libdw's dwarf_getscopes looks
// at the whole unit for each address, and goes from an inlined function on to where that was written, not to where it
// is: so the functions of a unit are sorted once here, and one alone is descended into.
#include "err.h"
#include "sym_child.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

enum { DIES_MAX = 1 << 22 }; // that are looked at for one question

struct function {
    uint64_t start, end;
    Dwarf_Off die;
};

struct unit {
    Dwarf_Off cu;
    struct function *at;   // by start; those that nest do not overlap otherwise
    size_t n, cap;
};

struct scope_cache {
    struct unit *units;
    size_t n, cap;
    size_t dies;
};

void scope_cache_free(struct scope_cache *c)
{
    for (size_t i = 0; c && i < c->n; i++)
        free(c->units[i].at);
    if (c)
        free(c->units);
    free(c);
}

bool scope_next(Dwarf_Die *die)
{
    Dwarf_Die next;
    if (dwarf_siblingof(die, &next) != 0 || dwarf_dieoffset(&next) <= dwarf_dieoffset(die))
        return false;
    *die = next;
    return true;
}

static bool is_container(int tag)
{
    return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_structure_type ||
           tag == DW_TAG_class_type || tag == DW_TAG_union_type || tag == DW_TAG_enumeration_type;
}

static int add_function(struct unit *u, Dwarf_Die *die)
{
    Dwarf_Addr base, start, end;
    for (ptrdiff_t i = 0; (i = dwarf_ranges(die, i, &base, &start, &end)) > 0;) {
        struct function *grown = array_grow(u->at, u->n, &u->cap, sizeof *grown);
        if (!grown)
            return -1;
        u->at = grown;
        u->at[u->n++] = (struct function){start, end, dwarf_dieoffset(die)};
    }
    return 0;
}

// Functions in functions (Ada, Pascal, GNU C) and in the blocks of functions have code of their own.
static int add_functions(struct scope_cache *c, struct unit *u, Dwarf_Die *parent, unsigned depth)
{
    enum { DEPTH_MAX = 32 };
    Dwarf_Die die;
    if (depth == DEPTH_MAX || dwarf_child(parent, &die) != 0)
        return 0;
    do {
        int tag = dwarf_tag(&die);
        if (++c->dies > DIES_MAX)
            return err_set(EFBIG, "too much debug information");
        if (tag == DW_TAG_subprogram && add_function(u, &die) < 0)
            return -1;
        if ((tag == DW_TAG_subprogram || tag == DW_TAG_lexical_block || is_container(tag)) &&
            add_functions(c, u, &die, depth + 1) < 0)
            return -1;
    } while (scope_next(&die));
    return 0;
}

static int by_start(const void *a, const void *b)
{
    const struct function *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static struct unit *unit_at(struct lines *l, Dwarf_Die *cu)
{
    struct scope_cache **cache = lines_cache(l), *c = *cache;
    if (!c && !(c = *cache = calloc(1, sizeof *c)))
        return NULL;
    for (size_t i = 0; i < c->n; i++)
        if (c->units[i].cu == dwarf_dieoffset(cu))
            return &c->units[i];
    struct unit *grown = array_grow(c->units, c->n, &c->cap, sizeof *grown);
    if (!grown)
        return NULL;
    c->units = grown;
    struct unit *u = &c->units[c->n++];
    *u = (struct unit){.cu = dwarf_dieoffset(cu)};
    (void)!add_functions(c, u, cu, 0); // those that were found are there
    if (u->n > 0)
        qsort(u->at, u->n, sizeof *u->at, by_start);
    return u;
}

// The innermost: it begins last.
static bool function_at(const struct unit *u, uint64_t vaddr, Dwarf_Off *ret)
{
    size_t low = 0, n = u->n;
    while (n > 0) {
        size_t half = n / 2;
        if (u->at[low + half].start <= vaddr) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    enum { NEAR = 64 };
    for (size_t i = low, k = 0; i > 0 && k < NEAR; i--, k++)
        if (vaddr < u->at[i - 1].end) {
            *ret = u->at[i - 1].die;
            return true;
        }
    return false;
}

static bool child_at(struct scope_cache *c, Dwarf_Die *parent, uint64_t vaddr, Dwarf_Die *ret)
{
    if (dwarf_child(parent, ret) != 0)
        return false;
    do {
        int tag = dwarf_tag(ret);
        if (++c->dies > DIES_MAX)
            return false;
        if ((tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine || tag == DW_TAG_try_block ||
             tag == DW_TAG_catch_block || tag == DW_TAG_with_stmt) &&
            dwarf_haspc(ret, vaddr) > 0)
            return true;
    } while (scope_next(ret));
    return false;
}

bool scopes_of(struct lines *l, uint64_t vaddr, struct scopes *ret)
{
    Dwarf_Off function;
    ret->n = 0;
    if (!lines_unit(l, vaddr, &ret->cu))
        return false;
    const struct unit *u = unit_at(l, &ret->cu);
    if (!u || !function_at(u, vaddr, &function) || !dwarf_offdie(lines_dwarf(l), function, &ret->at[0]))
        return false;
    struct scope_cache *c = *lines_cache(l);
    c->dies = 0;
    ret->n = 1;
    while (ret->n < SCOPES_MAX && child_at(c, &ret->at[ret->n - 1], vaddr, &ret->at[ret->n]))
        ret->n++;
    return true;
}

// --- rows --------------------------------------------------------------------------

static bool is_short(const char *s)
{
    return s && strnlen(s, SYM_NAME_MAX) < SYM_NAME_MAX;
}

const char *scope_function(Dwarf_Die *die)
{
    Dwarf_Attribute attr;
    const char *name = NULL;
    if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) ||
        dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr))
        name = dwarf_formstring(&attr);
    name = name ? name : dwarf_diename(die);
    return is_short(name) ? name : NULL;
}

// Where the inlined function DIE is called.
static void call_site(Dwarf_Die *cu, Dwarf_Die *die, const char **file, unsigned *line)
{
    Dwarf_Attribute attr;
    Dwarf_Word index, number;
    Dwarf_Files *files;
    size_t n;
    *file = NULL;
    *line = 0;
    if (dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attr), &index) != 0 ||
        dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attr), &number) != 0 ||
        dwarf_getsrcfiles(cu, &files, &n) != 0 || index >= n || number == 0 || number > UINT32_MAX)
        return;
    const char *name = dwarf_filesrc(files, index, NULL, NULL);
    if (!is_short(name))
        return;
    *file = name;
    *line = (unsigned)number;
}

void inlines_of(struct lines *l, uint64_t vaddr, uint64_t addr, uint32_t index, unsigned flags, struct buf *rows,
                const char **file, unsigned *line)
{
    struct scopes s;
    if (!scopes_of(l, vaddr, &s))
        return;
    for (size_t i = s.n; i > 1; i--) {
        Dwarf_Die *die = &s.at[i - 1];
        if (dwarf_tag(die) != DW_TAG_inlined_subroutine)
            continue;
        const char *name = scope_function(die);
        CLEANUP_FREE char *pretty = name && !(flags & SYM_RAW) ? name_pretty(name) : NULL;
        const struct symbol row = {.addr = addr, .inlined = true, .name = name, .file = *file, .line = *line,
                                   .pretty = is_short(pretty) ? pretty : NULL};
        sym_row_put(rows, index, &row);
        call_site(&s.cu, die, file, line);
    }
}
