// SPDX-License-Identifier: MIT
//
// In the child: the bytes of an object as text, as gdb(1) writes them: `5`, `{x = 1, y = {2, 3}}`, `0x5581... "text"`.
#include "dwarf_child.h"
#include "value.h"

#include <inttypes.h>

enum {
    DEPTH = 8,             // structures in structures
    ELEMENTS = 200,        // of an array, characters of a string: as gdb has it
    TEXT = 8192,           // a text is cut there
    MEMBERS = 1000,
};

struct show {
    struct eval *e;
    const struct where *w;
    struct buf *out;
    const char *reason;    // the first of a part that is not known
    size_t told;           // parts that are
};

/** A part of the object. */
struct part {
    Dwarf_Die type;        // stripped
    uint64_t at;           // bytes from its beginning
    uint64_t bit, bits;    // of a bit field: from there on; bits 0: none
};

static void put(struct show *s, struct part *p, unsigned depth);

static void missing(struct show *s, const char *reason)
{
    s->reason = s->reason ? s->reason : reason;
    buf_printf(s->out, "<%s>", reason);
}

static bool take(struct show *s, const struct part *p, void *to, size_t n)
{
    const char *reason = where_read(s->e, s->w, p->at, to, n);
    if (reason)
        missing(s, reason);
    else
        s->told++;
    return !reason;
}

// --- numbers -----------------------------------------------------------------------

static bool take_number(struct show *s, const struct part *p, uint64_t size, bool is_signed, uint64_t *ret)
{
    uint8_t bytes[16] = {0};
    uint64_t bits = 8 * size, v = 0;
    if (p->bits == 0) {
        if (!take(s, p, &v, (size_t)size))
            return false;
    } else {
        struct part whole = {.at = p->at + p->bit / 8};
        const uint64_t shift = p->bit % 8, n = (shift + p->bits + 7) / 8;
        bits = p->bits;
        if (bits > 64 || !take(s, &whole, bytes, (size_t)n))
            return false;
        for (uint64_t i = 0; i < bits; i++)
            v |= (uint64_t)(bytes[(shift + i) / 8] >> (shift + i) % 8 & 1) << i;
    }
    if (is_signed && bits < 64 && bits > 0 && (v >> (bits - 1) & 1))
        v |= ~0ULL << bits;
    *ret = v;
    return true;
}

static void put_wide(struct show *s, const struct part *p, bool is_signed)
{
    unsigned __int128 v;
    char digits[48], *at = digits + sizeof digits - 1;
    if (!take(s, p, &v, sizeof v))
        return;
    const bool negative = is_signed && (__int128)v < 0;
    v = negative ? -v : v;
    *at = '\0';
    do
        *--at = (char)('0' + (int)(v % 10));
    while (v /= 10);
    buf_printf(s->out, "%s%s", negative ? "-" : "", at);
}

static void put_float(struct show *s, const struct part *p, uint64_t size)
{
    unsigned char bytes[16] = {0};
    const struct value_format f = {'f', (unsigned)size};
    if (!value_size_fits(&f, size) || size > sizeof bytes)
        missing(s, "of a size that is not known");
    else if (take(s, p, bytes, (size_t)size))
        value_text(s->out, &f, bytes, value_width(&f));
}

static void put_utf8(struct buf *out, uint64_t c)
{
    char b[4];
    size_t n = 0;
    if (c < 0x80) {
        b[n++] = (char)c;
    } else if (c < 0x800) {
        b[n++] = (char)(0xc0 | c >> 6);
        b[n++] = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        b[n++] = (char)(0xe0 | c >> 12);
        b[n++] = (char)(0x80 | (c >> 6 & 0x3f));
        b[n++] = (char)(0x80 | (c & 0x3f));
    } else {
        b[n++] = (char)(0xf0 | c >> 18);
        b[n++] = (char)(0x80 | (c >> 12 & 0x3f));
        b[n++] = (char)(0x80 | (c >> 6 & 0x3f));
        b[n++] = (char)(0x80 | (c & 0x3f));
    }
    buf_add(out, b, n);
}

static void put_base(struct show *s, const struct part *p)
{
    Dwarf_Die type = p->type;
    uint64_t size, encoding, v;
    if (!die_number(&type, DW_AT_byte_size, &size) || !die_number(&type, DW_AT_encoding, &encoding) || size > 16) {
        missing(s, "of a type that is not known");
        return;
    }
    const bool is_signed = encoding == DW_ATE_signed || encoding == DW_ATE_signed_char;
    if (size == 0) {
        buf_str(s->out, "()"); // Rust's unit
        s->told++;
        return;
    }
    if (encoding == DW_ATE_float) {
        put_float(s, p, size);
        return;
    }
    if (encoding == DW_ATE_complex_float) {
        struct part imaginary = *p;
        imaginary.at += size / 2;
        put_float(s, p, size / 2);
        buf_str(s->out, " + ");
        put_float(s, &imaginary, size / 2);
        buf_str(s->out, "i");
        return;
    }
    if (size == 16 && p->bits == 0) {
        put_wide(s, p, is_signed);
        return;
    }
    if (size > 8 || (encoding != DW_ATE_boolean && encoding != DW_ATE_unsigned && encoding != DW_ATE_unsigned_char &&
                     encoding != DW_ATE_UTF && encoding != DW_ATE_address && !is_signed)) {
        missing(s, "of a type that is not known");
        return;
    }
    if (!take_number(s, p, size, is_signed, &v))
        return;
    if (encoding == DW_ATE_boolean && v <= 1)
        buf_str(s->out, v ? "true" : "false");
    else if (is_signed)
        buf_int(s->out, (int64_t)v);
    else
        buf_uint(s->out, v);
    const bool is_char = p->bits == 0 && (encoding == DW_ATE_UTF || (size == 1 && type_is_char(&type)));
    if (is_char && v >= 0x20 && v != 0x7f && v < (encoding == DW_ATE_UTF ? 0x110000 : 0x7f)) {
        buf_str(s->out, " '");
        put_utf8(s->out, v);
        buf_str(s->out, "'");
    }
}

static bool enumerator(Dwarf_Die *die, uint64_t *ret)
{
    Dwarf_Attribute attr;
    Dwarf_Sword sword;
    Dwarf_Word word;
    if (!dwarf_attr(die, DW_AT_const_value, &attr))
        return false;
    int form = (int)dwarf_whatform(&attr);
    if ((form == DW_FORM_sdata || form == DW_FORM_implicit_const) && dwarf_formsdata(&attr, &sword) == 0) {
        *ret = (uint64_t)sword;
        return true;
    }
    if (dwarf_formudata(&attr, &word) != 0)
        return false;
    *ret = word;
    return true;
}

// By name; as bits where every enumerator is one; else the number.
static void put_enum(struct show *s, const struct part *p)
{
    Dwarf_Die type = p->type, base, die;
    uint64_t size, v, e, encoding, bits = 0;
    bool is_signed = type_of(&type, &base) && type_strip(&base) && die_number(&base, DW_AT_encoding, &encoding) &&
                     (encoding == DW_ATE_signed || encoding == DW_ATE_signed_char);
    if (!die_number(&type, DW_AT_byte_size, &size) || size == 0 || size > 8) {
        missing(s, "of a size that is not known");
        return;
    }
    if (!take_number(s, p, size, is_signed, &v))
        return;
    const uint64_t mask = size == 8 ? ~0ULL : (1ULL << 8 * size) - 1;
    bool flags = true;
    for (bool more = dwarf_child(&type, &die) == 0; more; more = scope_next(&die)) {
        const char *name = dwarf_diename(&die);
        if (dwarf_tag(&die) != DW_TAG_enumerator || !name || !enumerator(&die, &e))
            continue;
        if ((e & mask) == (v & mask)) {
            buf_str(s->out, name);
            return;
        }
        flags &= (e & (e - 1)) == 0 && !(bits & e);
        bits |= e;
    }
    if (!flags || bits == 0 || v == 0 || (v & ~bits)) {
        if (is_signed)
            buf_int(s->out, (int64_t)v);
        else
            buf_uint(s->out, v);
        return;
    }
    const char *before = "(";
    for (bool more = dwarf_child(&type, &die) == 0; more; more = scope_next(&die))
        if (dwarf_tag(&die) == DW_TAG_enumerator && enumerator(&die, &e) && (v & e)) {
            buf_printf(s->out, "%s%s", before, dwarf_diename(&die));
            before = " | ";
        }
    buf_byte(s->out, ')');
}

// --- texts -------------------------------------------------------------------------

static void put_quoted(struct buf *out, const char *text, size_t n)
{
    buf_byte(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"' || text[i] == '\\')
            buf_byte(out, '\\');
        buf_byte(out, text[i]);
    }
    buf_byte(out, '"');
}

// What a char pointer leads to, if it is there.
static void put_string_at(struct show *s, uint64_t addr)
{
    char text[ELEMENTS];
    size_t n = 0;
    const struct dwarf_stack *stack = s->e->stack;
    bool late = false, ends = false;
    for (; n < sizeof text && !ends; n++) {
        if (!stack->read(stack->arg, addr + n, &text[n], 1, &late))
            break;
        ends = text[n] == '\0';
    }
    if (n == 0)
        return;
    s->e->late |= late;
    buf_byte(s->out, ' ');
    put_quoted(s->out, text, n - ends);
    if (!ends)
        buf_str(s->out, "...");
}

static bool is_text(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)text[i] < 0x20 && !strchr("\t\n\r\033", text[i])) || text[i] == '\0' || text[i] == 0x7f)
            return false;
    return true;
}

// An array of characters that is a text and zeros behind it. At the top it is the text itself.
static bool put_text(struct show *s, const struct part *p, uint64_t count, unsigned depth)
{
    char text[ELEMENTS];
    size_t n = count < sizeof text ? (size_t)count : sizeof text;
    if (where_read(s->e, s->w, p->at, text, n))
        return false; // element by element
    while (n > 0 && text[n - 1] == '\0')
        n--;
    if (!is_text(text, n))
        return false;
    s->told++;
    if (depth == 0)
        buf_add(s->out, text, n);
    else
        put_quoted(s->out, text, n);
    if (count > sizeof text && n == sizeof text)
        buf_str(s->out, "...");
    return true;
}

// --- aggregates --------------------------------------------------------------------

static void put_dimension(struct show *s, struct part *element, const uint64_t *counts, size_t n, uint64_t size,
                          unsigned depth)
{
    uint64_t stride = size;
    for (size_t i = 1; i < n; i++)
        if (__builtin_mul_overflow(stride, counts[i], &stride))
            return;
    const uint64_t at = element->at;
    if (n == 1 && type_is_char(&element->type) && put_text(s, element, counts[0], depth))
        return;
    buf_byte(s->out, '{');
    for (uint64_t i = 0; i < counts[0]; i++) {
        if (i == ELEMENTS || s->out->len > TEXT) {
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
        missing(s, reason);
        return;
    }
    if (!type_of(&p->type, &element.type) || !type_strip(&element.type) || !type_size(s->e, &element.type, &size) ||
        die_number(&p->type, DW_AT_byte_stride, &whole) || die_number(&p->type, DW_AT_bit_stride, &whole)) {
        missing(s, "of a type that is not known");
        return;
    }
    whole = size;
    for (size_t i = 0; i < n; i++)
        if (__builtin_mul_overflow(whole, counts[i], &whole) || whole > (uint64_t)INT64_MAX) {
            missing(s, "of a size that cannot be");
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
            !take_number(s, &tag, size, false, &v))
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
            missing(s, "of a type that is not known");
    }
}

static void put_reference(struct show *s, struct part *p, unsigned depth)
{
    uint64_t to;
    struct where target = {.n = 1};
    if (!take_number(s, p, sizeof to, false, &to))
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

static void put_pointer(struct show *s, struct part *p)
{
    Dwarf_Die to;
    uint64_t size = sizeof(uint64_t), v;
    (void)die_number(&p->type, DW_AT_byte_size, &size);
    if (size == 0 || size > 8) {
        missing(s, "of a size that is not known");
        return;
    }
    if (!take_number(s, p, size, false, &v))
        return;
    buf_printf(s->out, "0x%" PRIx64, v);
    if (v != 0 && type_of(&p->type, &to) && type_strip(&to) && type_is_char(&to))
        put_string_at(s, v);
}

static void put(struct show *s, struct part *p, unsigned depth)
{
    size_t n = 0;
    if (s->e->budget == 0 || s->out->len > TEXT) {
        buf_str(s->out, "...");
        return;
    }
    switch (dwarf_tag(&p->type)) {
    case DW_TAG_base_type: put_base(s, p); return;
    case DW_TAG_enumeration_type: put_enum(s, p); return;
    case DW_TAG_pointer_type: put_pointer(s, p); return;
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
            missing(s, "of a type that is defined elsewhere");
            return;
        }
        buf_byte(s->out, '{');
        put_members(s, p, &p->type, depth, &n);
        s->told += n == 0;
        buf_byte(s->out, '}');
        return;
    default: missing(s, "of a type that is not known");
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
