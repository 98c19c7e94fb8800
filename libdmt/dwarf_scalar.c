// SPDX-License-Identifier: MIT
//
// In the child: numbers, enumerators, pointers and texts as gdb(1) writes them: `5`, `RED`, `0x5581... "text"`.
#include "dwarf_show.h"
#include "value.h"

#include <inttypes.h>

void show_missing(struct show *s, const char *reason)
{
    s->reason = s->reason ? s->reason : reason;
    buf_printf(s->out, "<%s>", reason);
}

static bool take(struct show *s, const struct part *p, void *to, size_t n)
{
    const char *reason = where_read(s->e, s->w, p->at, to, n);
    if (reason)
        show_missing(s, reason);
    else
        s->told++;
    return !reason;
}

// --- numbers -----------------------------------------------------------------------

bool show_number(struct show *s, const struct part *p, uint64_t size, bool is_signed, uint64_t *ret)
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
        show_missing(s, "of a size that is not known");
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

void show_base(struct show *s, const struct part *p)
{
    Dwarf_Die type = p->type;
    uint64_t size, encoding, v;
    if (!die_number(&type, DW_AT_byte_size, &size) || !die_number(&type, DW_AT_encoding, &encoding) || size > 16) {
        show_missing(s, "of a type that is not known");
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
        show_missing(s, "of a type that is not known");
        return;
    }
    if (!show_number(s, p, size, is_signed, &v))
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
void show_enum(struct show *s, const struct part *p)
{
    Dwarf_Die type = p->type, base, die;
    uint64_t size, v, e, encoding, bits = 0;
    bool is_signed = type_of(&type, &base) && type_strip(&base) && die_number(&base, DW_AT_encoding, &encoding) &&
                     (encoding == DW_ATE_signed || encoding == DW_ATE_signed_char);
    if (!die_number(&type, DW_AT_byte_size, &size) || size == 0 || size > 8) {
        show_missing(s, "of a size that is not known");
        return;
    }
    if (!show_number(s, p, size, is_signed, &v))
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
    char text[SHOW_ELEMENTS];
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
bool show_text(struct show *s, const struct part *p, uint64_t count, unsigned depth)
{
    char text[SHOW_ELEMENTS];
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

void show_pointer(struct show *s, struct part *p)
{
    Dwarf_Die to;
    uint64_t size = sizeof(uint64_t), v;
    (void)die_number(&p->type, DW_AT_byte_size, &size);
    if (size == 0 || size > 8) {
        show_missing(s, "of a size that is not known");
        return;
    }
    if (!show_number(s, p, size, false, &v))
        return;
    buf_printf(s->out, "0x%" PRIx64, v);
    if (v != 0 && type_of(&p->type, &to) && type_strip(&to) && type_is_char(&to))
        put_string_at(s, v);
}
