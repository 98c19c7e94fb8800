// SPDX-License-Identifier: MIT
//
// In the child: types, and their names as C has them.
#include "dwarf_child.h"

enum { NESTED = 48, NAME_LIMIT = 1024 };

bool type_of(Dwarf_Die *die, Dwarf_Die *ret)
{
    Dwarf_Attribute attr;
    return dwarf_attr_integrate(die, DW_AT_type, &attr) && dwarf_formref_die(&attr, ret);
}

static bool is_qualifier(int tag)
{
    return tag == DW_TAG_const_type || tag == DW_TAG_volatile_type || tag == DW_TAG_restrict_type ||
           tag == DW_TAG_atomic_type || tag == DW_TAG_immutable_type || tag == DW_TAG_packed_type ||
           tag == DW_TAG_shared_type;
}

bool type_strip(Dwarf_Die *type)
{
    Dwarf_Die next;
    for (unsigned i = 0; i < NESTED; i++) {
        int tag = dwarf_tag(type);
        if (tag != DW_TAG_typedef && !is_qualifier(tag))
            return tag != DW_TAG_unspecified_type;
        if (!type_of(type, &next))
            return false;
        *type = next;
    }
    return false;
}

bool die_number(Dwarf_Die *die, unsigned name, uint64_t *ret)
{
    Dwarf_Attribute attr;
    Dwarf_Word v;
    if (!dwarf_attr_integrate(die, name, &attr) || dwarf_formudata(&attr, &v) != 0)
        return false;
    *ret = v;
    return true;
}

bool die_flag(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attr;
    bool v = false;
    return dwarf_attr_integrate(die, name, &attr) && dwarf_formflag(&attr, &v) == 0 && v;
}

// --- arrays --------------------------------------------------------------------------

static const char *dimension(struct eval *e, Dwarf_Die *range, uint64_t *ret)
{
    Dwarf_Attribute attr;
    Dwarf_Sword last;
    uint64_t first = 0;
    (void)die_number(range, DW_AT_lower_bound, &first);
    if (dwarf_attr_integrate(range, DW_AT_count, &attr))
        return where_number(e, &attr, ret);
    if (!dwarf_attr_integrate(range, DW_AT_upper_bound, &attr))
        return "of a length that is not known"; // a flexible array, or one whose length is optimised out
    // A constant of few bits may be meant with a sign: that of no element is -1.
    int form = (int)dwarf_whatform(&attr);
    if ((form == DW_FORM_sdata || form == DW_FORM_implicit_const) && dwarf_formsdata(&attr, &last) == 0)
        return *ret = (uint64_t)last - first + 1, NULL;
    const char *reason = where_number(e, &attr, ret);
    if (!reason)
        *ret = *ret - first + 1;
    return reason;
}

const char *type_dimensions(struct eval *e, Dwarf_Die *array, uint64_t ret[DIMENSIONS_MAX], size_t *n)
{
    Dwarf_Die die;
    *n = 0;
    if (dwarf_child(array, &die) != 0)
        return where_optimised_out;
    do {
        if (dwarf_tag(&die) != DW_TAG_subrange_type)
            continue;
        const char *reason = *n < DIMENSIONS_MAX ? dimension(e, &die, &ret[*n]) : "too many dimensions";
        if (reason)
            return reason;
        (*n)++;
    } while (scope_next(&die));
    return *n > 0 ? NULL : where_optimised_out;
}

static bool array_size(struct eval *e, Dwarf_Die *type, uint64_t *ret)
{
    uint64_t counts[DIMENSIONS_MAX];
    size_t n;
    Dwarf_Die element;
    if (!type_of(type, &element) || !type_strip(&element) || !type_size(e, &element, ret) ||
        type_dimensions(e, type, counts, &n))
        return false;
    for (size_t i = 0; i < n; i++)
        if (__builtin_mul_overflow(*ret, counts[i], ret))
            return false;
    return true;
}

bool type_size(struct eval *e, Dwarf_Die *type, uint64_t *ret)
{
    if (die_number(type, DW_AT_byte_size, ret))
        return true;
    switch (dwarf_tag(type)) {
    case DW_TAG_pointer_type: case DW_TAG_reference_type: case DW_TAG_rvalue_reference_type:
        *ret = sizeof(uint64_t);
        return true;
    case DW_TAG_array_type: {
        // Elements of elements of ... in a circle end with the budget.
        if (e->budget < 64)
            return false;
        e->budget -= 64;
        return array_size(e, type, ret);
    }
    default: return false;
    }
}

bool type_is_char(Dwarf_Die *stripped)
{
    uint64_t encoding, size;
    return dwarf_tag(stripped) == DW_TAG_base_type && die_number(stripped, DW_AT_byte_size, &size) && size == 1 &&
           die_number(stripped, DW_AT_encoding, &encoding) &&
           (encoding == DW_ATE_signed_char || encoding == DW_ATE_unsigned_char);
}

// --- names -----------------------------------------------------------------------------

static const char *prefix(Dwarf_Die *type, int language)
{
    switch (language) {
    case DW_LANG_C: case DW_LANG_C89: case DW_LANG_C99: case DW_LANG_C11: break;
    default: return "";
    }
    switch (dwarf_tag(type)) {
    case DW_TAG_structure_type: return "struct ";
    case DW_TAG_union_type: return "union ";
    case DW_TAG_enumeration_type: return "enum ";
    default: return "";
    }
}

// A name that is made.
struct naming {
    struct buf *out;
    int language;
};

static void put_named(Dwarf_Die *type, const char *inner, struct naming *n)
{
    struct buf *out = n->out;
    const char *name = dwarf_diename(type), *what = prefix(type, n->language);
    const int tag = dwarf_tag(type);
    if (!name)
        name = tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_class_type ||
               tag == DW_TAG_enumeration_type ? "{...}" : "?";
    buf_str(out, what);
    buf_add(out, name, strnlen(name, NAME_LIMIT));
    if (*inner) {
        buf_byte(out, ' ');
        buf_str(out, inner);
    }
}

static void declare(Dwarf_Die *type, bool is, const char *inner, struct naming *n, unsigned depth);

static void put_arguments(Dwarf_Die *function, struct naming *n, unsigned depth)
{
    Dwarf_Die die, type;
    struct buf *out = n->out;
    size_t count = 0;
    buf_byte(out, '(');
    if (dwarf_child(function, &die) == 0)
        do {
            int tag = dwarf_tag(&die);
            if (tag != DW_TAG_formal_parameter && tag != DW_TAG_unspecified_parameters)
                continue;
            buf_str(out, count++ > 0 ? ", " : "");
            if (tag == DW_TAG_unspecified_parameters) {
                buf_str(out, "...");
                continue;
            }
            bool is = type_of(&die, &type);
            declare(&type, is, "", n, depth + 1);
        } while (scope_next(&die) && out->len < NAME_LIMIT);
    if (count == 0 && die_flag(function, DW_AT_prototyped))
        buf_str(out, "void");
    buf_byte(out, ')');
}

static void put_dimensions(Dwarf_Die *array, struct buf *out)
{
    Dwarf_Die die;
    if (dwarf_child(array, &die) != 0)
        return;
    do {
        uint64_t count, last;
        if (dwarf_tag(&die) != DW_TAG_subrange_type)
            continue;
        if (die_number(&die, DW_AT_count, &count))
            buf_printf(out, "[%llu]", (unsigned long long)count);
        else if (die_number(&die, DW_AT_upper_bound, &last))
            buf_printf(out, "[%llu]", (unsigned long long)(last + 1));
        else
            buf_str(out, "[]");
    } while (scope_next(&die));
}

// INNER is what stands where a name would: `*`, `(*)[4]`.
static void declare(Dwarf_Die *type, bool is, const char *inner, struct naming *n, unsigned depth)
{
    CLEANUP_BUF struct buf around = {0};
    struct buf *out = n->out;
    Dwarf_Die to;
    if (depth == NESTED || out->len > NAME_LIMIT || strlen(inner) > NAME_LIMIT) {
        buf_str(out, "...");
        return;
    }
    const int tag = is ? dwarf_tag(type) : DW_TAG_unspecified_type;
    if (!is) {
        buf_str(out, *inner ? "void " : "void");
        buf_str(out, inner);
        return;
    }
    bool more = type_of(type, &to);
    const int next = more ? dwarf_tag(&to) : 0;
    switch (tag) {
    case DW_TAG_pointer_type: case DW_TAG_reference_type: case DW_TAG_rvalue_reference_type:
    case DW_TAG_const_type: case DW_TAG_volatile_type: case DW_TAG_restrict_type: case DW_TAG_atomic_type: {
        const bool qualifier = is_qualifier(tag);
        const char *word = tag == DW_TAG_pointer_type ? "*" : tag == DW_TAG_reference_type ? "&"
                           : tag == DW_TAG_rvalue_reference_type ? "&&" : tag == DW_TAG_const_type ? "const"
                           : tag == DW_TAG_volatile_type ? "volatile" : tag == DW_TAG_restrict_type ? "restrict"
                           : "_Atomic";
        if (!qualifier && dwarf_diename(type)) { // Rust and Go name their pointers
            put_named(type, inner, n);
            return;
        }
        if (qualifier && next != DW_TAG_pointer_type) {
            Dwarf_Die element;
            if (!(next == DW_TAG_array_type && type_of(&to, &element) && dwarf_tag(&element) == tag))
                buf_printf(out, "%s ", word);
            declare(&to, more, inner, n, depth + 1);
            return;
        }
        bool brackets = next == DW_TAG_array_type || next == DW_TAG_subroutine_type;
        buf_printf(&around, "%s%s%s%s%s%s", brackets ? "(" : "", qualifier ? " " : "", word,
                   qualifier && *inner == '*' ? " " : "", inner, brackets ? ")" : "");
        declare(&to, more, buf_cstr(&around), n, depth + 1);
        return;
    }
    case DW_TAG_ptr_to_member_type: {
        Dwarf_Attribute attr;
        Dwarf_Die in;
        const char *of = dwarf_attr(type, DW_AT_containing_type, &attr) && dwarf_formref_die(&attr, &in)
                             ? dwarf_diename(&in) : NULL;
        bool function = next == DW_TAG_subroutine_type;
        buf_printf(&around, "%s%.200s::*%s%s", function ? "(" : "", of ? of : "?", inner, function ? ")" : "");
        declare(&to, more, buf_cstr(&around), n, depth + 1);
        return;
    }
    case DW_TAG_array_type:
        if (dwarf_diename(type)) {
            put_named(type, inner, n);
            return;
        }
        buf_str(&around, inner);
        put_dimensions(type, &around);
        declare(&to, more, buf_cstr(&around), n, depth + 1);
        return;
    case DW_TAG_subroutine_type:
        buf_str(&around, inner);
        put_arguments(type, &(struct naming){&around, n->language}, depth);
        declare(&to, more, buf_cstr(&around), n, depth + 1);
        return;
    default: put_named(type, inner, n);
    }
}

void type_name(Dwarf_Die *variable, struct buf *ret)
{
    Dwarf_Die type;
    Dwarf_Die cu, *of = dwarf_diecu(variable, &cu, NULL, NULL); // of the type's unit dwz may have left no language
    struct naming n = {ret, of ? dwarf_srclang(of) : -1};
    bool is = type_of(variable, &type);
    declare(&type, is, "", &n, 0);
}
