// SPDX-License-Identifier: MIT
//
// In the child: the bytes of an object as text, as gdb(1) writes them: `{x = 1, y = {2, 3}}`. What they are made of:
// dwarf_scalar.c.
#include "dwarf_show.h"

#include <inttypes.h>

enum {
    DEPTH = 8,             // structures in structures
    TEXT = 8192,           // a text is cut there
    MEMBERS = 1000,
};

static void put(struct show *s, struct part *p, unsigned depth);

static void put_dimension(struct show *s, struct part *element, const uint64_t *counts, size_t n, uint64_t size,
                          unsigned depth)
{
    uint64_t stride = size;
    for (size_t i = 1; i < n; i++)
        if (__builtin_mul_overflow(stride, counts[i], &stride))
            return;
    const uint64_t at = element->at;
    if (n == 1 && type_is_char(&element->type) && show_text(s, element, counts[0], depth))
        return;
    buf_byte(s->out, '{');
    for (uint64_t i = 0; i < counts[0]; i++) {
        if (i == SHOW_ELEMENTS || s->out->len > TEXT) {
            buf_str(s->out, "...");
            break;
        }
        buf_str(s->out, i > 0 ? ", " : "");
        element->at = at + i * stride;
        if (n > 1)
            put_dimension(s, element, counts + 1, n - 1, size, depth + 1);
        else
            put(s, &(struct part){.type = element->type, .at = element->at}, depth + 1);
    }
    buf_byte(s->out, '}');
    element->at = at;
}

static void put_array(struct show *s, struct part *p, unsigned depth)
{
    uint64_t counts[DIMENSIONS_MAX], size, whole;
    size_t n;
    struct part element = {.at = p->at};
    const char *reason = type_dimensions(s->e, &p->type, counts, &n);
    if (reason) {
        show_missing(s, reason);
        return;
    }
    if (!type_of(&p->type, &element.type) || !type_strip(&element.type) || !type_size(s->e, &element.type, &size) ||
        die_number(&p->type, DW_AT_byte_stride, &whole) || die_number(&p->type, DW_AT_bit_stride, &whole)) {
        show_missing(s, "of a type that is not known");
        return;
    }
    whole = size;
    for (size_t i = 0; i < n; i++)
        if (__builtin_mul_overflow(whole, counts[i], &whole) || whole > (uint64_t)INT64_MAX) {
            show_missing(s, "of a size that cannot be");
            return;
        }
    s->told += whole == 0; // nothing has to be read
    put_dimension(s, &element, counts, n, size, depth);
}

// Where a member is. False: that depends on more than its type (virtual base classes).
static bool member_part(const struct part *p, Dwarf_Die *member, struct part *ret)
{
    Dwarf_Attribute attr;
    Dwarf_Op *ops;
    size_t n;
    uint64_t at = 0, bit, storage;
    if (dwarf_attr_integrate(member, DW_AT_data_member_location, &attr)) {
        Dwarf_Word word;
        if (dwarf_formudata(&attr, &word) == 0)
            at = word;
        else if (dwarf_getlocation(&attr, &ops, &n) == 0 && n == 1 && ops[0].atom == DW_OP_plus_uconst)
            at = ops[0].number;
        else
            return false;
    }
    *ret = (struct part){.at = p->at + at};
    if (!type_of(member, &ret->type) || !type_strip(&ret->type))
        return false;
    if (!die_number(member, DW_AT_bit_size, &ret->bits))
        return true;
    if (ret->bits == 0 || ret->bits > 64)
        return false;
    if (die_number(member, DW_AT_data_bit_offset, &bit)) {
        ret->bit = bit;
        return bit < 1ULL << 40;
    }
    // Until DWARF 3 it was counted from the most significant bit of a unit.
    if (!die_number(member, DW_AT_bit_offset, &bit) ||
        (!die_number(member, DW_AT_byte_size, &storage) && !die_number(&ret->type, DW_AT_byte_size, &storage)) ||
        storage > 16 || bit + ret->bits > 8 * storage)
        return false;
    ret->bit = 8 * storage - bit - ret->bits;
    return true;
}

static void put_members(struct show *s, struct part *p, Dwarf_Die *parent, unsigned depth, size_t *n);

// Rust's enumerations: of the variants the one that the discriminant names, or the one without a number.
static void put_variant(struct show *s, struct part *p, Dwarf_Die *variants, unsigned depth, size_t *n)
{
    Dwarf_Attribute attr;
    Dwarf_Die member, die, other;
    struct part tag;
    uint64_t size, v = 0, want;
    bool has_other = false, found = false;
    if (dwarf_attr(variants, DW_AT_discr, &attr) && dwarf_formref_die(&attr, &member)) {
        if (!member_part(p, &member, &tag) || !die_number(&tag.type, DW_AT_byte_size, &size) || size > 8 ||
            !show_number(s, &tag, size, false, &v))
            return;
    }
    for (bool more = dwarf_child(variants, &die) == 0; more && !found; more = !found && scope_next(&die)) {
        if (dwarf_tag(&die) != DW_TAG_variant)
            continue;
        if (die_number(&die, DW_AT_discr_value, &want)) {
            found = want == v;
        } else {
            other = die;
            has_other = true;
        }
        if (found)
            break;
    }
    if (found || has_other)
        put_members(s, p, found ? &die : &other, depth, n);
}

static void put_members(struct show *s, struct part *p, Dwarf_Die *parent, unsigned depth, size_t *n)
{
    Dwarf_Die die;
    for (bool more = dwarf_child(parent, &die) == 0; more; more = scope_next(&die)) {
        struct part part;
        int tag = dwarf_tag(&die);
        if (tag == DW_TAG_variant_part)
            put_variant(s, p, &die, depth, n);
        // Static members stand elsewhere.
        if ((tag != DW_TAG_member && tag != DW_TAG_inheritance) || die_flag(&die, DW_AT_external) ||
            die_flag(&die, DW_AT_declaration))
            continue;
        buf_str(s->out, (*n)++ > 0 ? ", " : "");
        if (s->out->len > TEXT || *n > MEMBERS) {
            buf_str(s->out, "...");
            return;
        }
        const char *name = dwarf_diename(&die);
        bool is_there = member_part(p, &die, &part);
        if (tag == DW_TAG_inheritance) {
            const char *base = is_there ? dwarf_diename(&part.type) : NULL;
            buf_printf(s->out, "<%s> = ", base ? base : "base");
        } else if (name) {
            buf_printf(s->out, "%s = ", name);
        }
        if (is_there)
            put(s, &part, depth + 1);
        else
            show_missing(s, "of a type that is not known");
    }
}

static void put_reference(struct show *s, struct part *p, unsigned depth)
{
    uint64_t to;
    struct where target = {.n = 1};
    if (!show_number(s, p, sizeof to, false, &to))
        return;
    buf_printf(s->out, "@0x%" PRIx64, to);
    struct part part = {0};
    if (!type_of(&p->type, &part.type) || !type_strip(&part.type))
        return;
    buf_str(s->out, ": ");
    target.at[0] = (struct piece){.is = PIECE_MEMORY, .at = to, .size = UINT64_MAX};
    struct show inner = {.e = s->e, .w = &target, .out = s->out};
    put(&inner, &part, depth + 1);
    s->told += inner.told;
    s->reason = s->reason ? s->reason : inner.reason;
}

static void put(struct show *s, struct part *p, unsigned depth)
{
    size_t n = 0;
    if (s->e->budget == 0 || s->out->len > TEXT) {
        buf_str(s->out, "...");
        return;
    }
    switch (dwarf_tag(&p->type)) {
    case DW_TAG_base_type: show_base(s, p); return;
    case DW_TAG_enumeration_type: show_enum(s, p); return;
    case DW_TAG_pointer_type: show_pointer(s, p); return;
    case DW_TAG_reference_type: case DW_TAG_rvalue_reference_type:
        if (depth < DEPTH)
            put_reference(s, p, depth);
        else
            buf_str(s->out, "...");
        return;
    case DW_TAG_structure_type: case DW_TAG_class_type: case DW_TAG_union_type: case DW_TAG_array_type:
        if (depth == DEPTH) {
            buf_str(s->out, "{...}");
            return;
        }
        if (dwarf_tag(&p->type) == DW_TAG_array_type) {
            put_array(s, p, depth);
            return;
        }
        if (die_flag(&p->type, DW_AT_declaration)) {
            show_missing(s, "of a type that is defined elsewhere");
            return;
        }
        buf_byte(s->out, '{');
        put_members(s, p, &p->type, depth, &n);
        s->told += n == 0;
        buf_byte(s->out, '}');
        return;
    default: show_missing(s, "of a type that is not known");
    }
}

static char format_of(Dwarf_Die *type)
{
    uint64_t encoding;
    switch (dwarf_tag(type)) {
    case DW_TAG_pointer_type: return 'p';
    case DW_TAG_enumeration_type: return 'u';
    case DW_TAG_base_type: break;
    default: return 0;
    }
    if (!die_number(type, DW_AT_encoding, &encoding))
        return 0;
    switch (encoding) {
    case DW_ATE_float: return 'f';
    case DW_ATE_signed: return 'd';
    case DW_ATE_signed_char: case DW_ATE_unsigned_char: return 'c';
    case DW_ATE_boolean: case DW_ATE_unsigned: case DW_ATE_UTF: return 'u';
    default: return 0;
    }
}

void value_put(struct eval *e, Dwarf_Die *type, const struct where *w, struct buf *text, struct variable *ret)
{
    struct show s = {.e = e, .w = w, .out = text};
    struct part p = {.type = *type};
    if (!type_strip(&p.type)) {
        ret->reason = "of a type that is not known";
        return;
    }
    if (type_size(e, &p.type, &ret->size) && w->n == 1 && w->at[0].is == PIECE_MEMORY) {
        ret->has_addr = true;
        ret->addr = w->at[0].at;
    }
    ret->format = format_of(&p.type);
    ret->is_pointer = dwarf_tag(&p.type) == DW_TAG_pointer_type &&
                      !where_read(e, w, 0, &ret->pointer, sizeof ret->pointer);
    put(&s, &p, 0);
    ret->reason = s.reason;
    if (s.told == 0 && s.reason)
        return;
    ret->value = buf_cstr(text);
    ret->value_len = text->len;
}
