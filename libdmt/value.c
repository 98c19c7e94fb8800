// SPDX-License-Identifier: MIT
#include "value.h"

#include "err.h"
#include "esc.h"
#include "num.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef unsigned __int128 wide;

// x87 keeps 10 bytes and leaves the rest of 16 alone; elsewhere a long double is as long as it looks.
enum { LONG_DOUBLE = LDBL_MANT_DIG == 64 ? 10 : 16, BYTES_GROUP = 2 };

static const struct {
    char letter;
    const char *name, *sizes; // the sizes that it may have; one that has no choice has that size
} formats[] = {
    {'d', "signed", "1 2 4 8 16"}, {'u', "unsigned", "1 2 4 8 16"}, {'x', "hex", "1 2 4 8 16 32 64"},
    {'f', "float", "4 8 10 16"},      {'c', "char", "1"},              {'s', "string", ""},
    {'p', "pointer", "8"},         {'b', "bytes", ""},
};

const char *value_format_at(size_t i)
{
    return i < ARRAY_LEN(formats) ? formats[i].name : NULL;
}

static size_t format_of(char letter)
{
    size_t i = 0;
    while (formats[i].letter != letter)
        i++;
    return i;
}

static bool has_size(const char *sizes, uint64_t size)
{
    for (char *end; *sizes; sizes = end)
        if (strtoul(sizes, &end, 10) == size)
            return true;
    return false;
}

bool value_size_fits(const struct value_format *format, uint64_t size)
{
    return has_size(formats[format_of(format->letter)].sizes, size);
}

int value_format_parse(const char *text, struct value_format *ret)
{
    size_t word = strcspn(text, "0123456789"), i = 0;
    while (i < ARRAY_LEN(formats) && !(word == 1 && text[0] == formats[i].letter) &&
           !(word == strlen(formats[i].name) && memcmp(text, formats[i].name, word) == 0))
        i++;
    if (i == ARRAY_LEN(formats))
        return err_set(EINVAL, "not signed, unsigned, hex, float, char, string, pointer or bytes, or the first letter (d x b) "
                               "of one");
    const char *sizes = formats[i].sizes;
    uint64_t size = 0;
    if (text[word] && (num_uint(text + word, strlen(text + word), VALUE_WIDEST, &size) < 0 || !has_size(sizes, size)))
        return *sizes ? err_set(EINVAL, "the size of '%s' is one of %s", formats[i].name, sizes)
                      : err_set(EINVAL, "'%s' has no size", formats[i].name);
    if (!text[word] && *sizes && !strchr(sizes, ' '))
        size = strtoul(sizes, NULL, 10);
    *ret = (struct value_format){formats[i].letter, (unsigned)size};
    return 0;
}

void value_format_name(struct buf *out, const struct value_format *format)
{
    size_t i = format_of(format->letter);
    buf_str(out, formats[i].name);
    if (format->size && strchr(formats[i].sizes, ' '))
        buf_uint(out, format->size);
}

unsigned value_width(const struct value_format *format)
{
    return format->letter == 'f' && format->size == 16 ? LONG_DOUBLE : format->size;
}

// --- bytes to text -------------------------------------------------------------

static wide number_of(const unsigned char *bytes, size_t n)
{
    wide v = 0;
    for (size_t i = n; i-- > 0;)
        v = v << 8 | bytes[i];
    return v;
}

static void add_decimal(struct buf *out, wide v)
{
    char digits[40];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + (unsigned)(v % 10));
    while (v /= 10);
    buf_add(out, digits + at, sizeof digits - at);
}

static void add_signed(struct buf *out, const unsigned char *bytes, size_t n)
{
    wide v = number_of(bytes, n);
    if (bytes[n - 1] & 0x80) {
        buf_byte(out, '-');
        v = -v;
        if (n < sizeof v)
            v &= ((wide)1 << 8 * n) - 1;
    }
    add_decimal(out, v);
}

// As few digits as it has, however wide.
static void add_hex(struct buf *out, const unsigned char *bytes, size_t n)
{
    while (n > 1 && bytes[n - 1] == 0)
        n--;
    buf_printf(out, "0x%x", bytes[n - 1]);
    for (size_t i = n - 1; i-- > 0;)
        buf_printf(out, "%02x", bytes[i]);
}

static void add_bytes(struct buf *out, const unsigned char *bytes, size_t n)
{
    static const char digit[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && i % BYTES_GROUP == 0)
            buf_byte(out, ' ');
        buf_byte(out, digit[bytes[i] >> 4]);
        buf_byte(out, digit[bytes[i] & 15]);
    }
}

// Without blanks before it, and to its end.
static bool float_of(const char *text, size_t n, unsigned char ret[16])
{
    float f;
    double d;
    long double l = 0;
    char *end;
    bool typed_inf = strchr(text, 'i') || strchr(text, 'I');
    if (strchr(" \t\n\v\f\r", *text))
        return false;
    memset(ret, 0, 16);
    errno = 0;
    if (n == sizeof f) {
        l = f = strtof(text, &end);
        memcpy(ret, &f, sizeof f);
    } else if (n == sizeof d) {
        l = d = strtod(text, &end);
        memcpy(ret, &d, sizeof d);
    } else {
        l = strtold(text, &end);
        memcpy(ret, &l, LONG_DOUBLE);
    }
    // Too large, or so small that nothing of it is left.
    return *end == '\0' && !(errno == ERANGE && ((isinf(l) && !typed_inf) || l == 0));
}

/*
 * As few digits as give the same bytes again. A NaN whose bits say more than that, and the x87's encodings
 * that no arithmetic makes, are shown by their bits.
 */
static void add_float(struct buf *out, const unsigned char *bytes, size_t n)
{
    static const int most[] = {[4] = 9, [8] = 17, [16] = LDBL_MANT_DIG == 64 ? 21 : 36};
    long double l = 0;
    float f;
    double d;
    char text[64];
    unsigned char back[16];
    size_t kind = n == 4 || n == 8 ? n : 16;
    if (kind == 4) {
        memcpy(&f, bytes, sizeof f);
        l = f;
    } else if (kind == 8) {
        memcpy(&d, bytes, sizeof d);
        l = d;
    } else {
        memcpy(&l, bytes, n < LONG_DOUBLE ? n : LONG_DOUBLE);
    }
    for (int digits = kind == 4 ? 6 : 15; digits <= most[kind]; digits++) {
        (void)snprintf(text, sizeof text, "%.*Lg", digits, l);
        if (float_of(text, n, back) && memcmp(back, bytes, kind < 16 ? kind : LONG_DOUBLE) == 0) {
            buf_str(out, text);
            return;
        }
    }
    buf_str(out, "bits(");
    add_hex(out, bytes, kind < 16 ? kind : LONG_DOUBLE);
    buf_byte(out, ')');
}

void value_text(struct buf *out, const struct value_format *format, const unsigned char *bytes, size_t n)
{
    if (n == 0)
        return;
    switch (format->letter) {
    case 'd': n <= sizeof(wide) ? add_signed(out, bytes, n) : add_hex(out, bytes, n); break;
    case 'u': n <= sizeof(wide) ? add_decimal(out, number_of(bytes, n)) : add_hex(out, bytes, n); break;
    case 'f': n == 4 || n == 8 || n == LONG_DOUBLE || n == 16 ? add_float(out, bytes, n) : add_hex(out, bytes, n); break;
    case 'b': add_bytes(out, bytes, n); break;
    case 'c':
    case 's': buf_add(out, bytes, n); break;
    default: add_hex(out, bytes, n);
    }
}

// --- text to bytes -------------------------------------------------------------

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

static int too_wide(const struct value_format *format, size_t size)
{
    return err_set(ERANGE, "does not fit in %zu byte%s, %s", size, size == 1 ? "" : "s",
                   format->letter == 'd' ? "signed" : "unsigned");
}

// Hex digits to SIZE bytes: ERANGE.
static int parse_hex(const char *digits, const struct value_format *format, size_t size, struct buf *ret)
{
    unsigned char bytes[VALUE_WIDEST] = {0};
    size_t n = strlen(digits);
    if (n == 0)
        return err_set(EINVAL, "digits are missing");
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned)digit_of(digits[n - 1 - i]);
        if (digit >= 16)
            return err_set(EINVAL, "not a hex number");
        if (digit && i / 2 >= size)
            return too_wide(format, size);
        if (digit)
            bytes[i / 2] |= (unsigned char)(digit << 4 * (i % 2));
    }
    // Of a signed value the sign is said by a minus, not by its highest bit.
    if (format->letter == 'd' && bytes[size - 1] & 0x80)
        return too_wide(format, size);
    buf_add(ret, bytes, size);
    return buf_ok(ret);
}

static int parse_decimal(const char *text, const struct value_format *format, size_t size, struct buf *ret)
{
    wide all = size < sizeof(wide) ? ((wide)1 << 8 * size) - 1 : ~(wide)0, v = 0;
    bool negative = format->letter == 'd' && *text == '-';
    wide most = format->letter == 'd' ? (all >> 1) + negative : all;
    text += negative;
    if (!*text)
        return err_set(EINVAL, "digits are missing");
    for (; *text; text++) {
        unsigned digit = (unsigned)digit_of(*text);
        if (digit >= 10)
            return err_set(EINVAL, "not a number");
        if (digit > most || v > (most - digit) / 10)
            return too_wide(format, size);
        v = v * 10 + digit;
    }
    v = negative ? -v : v;
    buf_add(ret, &v, size);
    return buf_ok(ret);
}

// In a hex format a number without 0x could be meant as hex or as decimal: it has to be said.
static int parse_number(const char *text, const struct value_format *format, size_t size, struct buf *ret)
{
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        return parse_hex(text + 2, format, size, ret);
    if (format->letter == 'x' || format->letter == 'p')
        return err_set(EINVAL, "not a hex number: 0x...");
    return parse_decimal(text, format, size, ret);
}

static int parse_bits(const char *text, const struct value_format *format, size_t size, struct buf *ret)
{
    size_t n = strlen(text);
    CLEANUP_FREE char *digits = n > 8 && text[n - 1] == ')' ? strndup(text + 7, n - 8) : NULL;
    return digits ? parse_hex(digits, format, size, ret) : err_set(EINVAL, "not bits(0x...)");
}

static int parse_float(const char *text, const struct value_format *format, size_t size, struct buf *ret)
{
    unsigned char bytes[16];
    if (strncmp(text, "bits(0x", 7) == 0)
        return parse_bits(text, format, size, ret);
    if (!*text || !float_of(text, size, bytes))
        return errno == ERANGE ? err_set(ERANGE, "does not fit in a float of %zu bytes", size)
                               : err_set(EINVAL, "not a number: 1.5, -2e10, inf, nan");
    buf_add(ret, bytes, size);
    return buf_ok(ret);
}

static int parse_bytes(const char *text, struct buf *ret)
{
    size_t start = ret->len;
    for (; *text; text += 2) {
        text += strspn(text, " ");
        if (!*text)
            break;
        unsigned high = (unsigned)digit_of(text[0]), low = high < 16 ? (unsigned)digit_of(text[1]) : 99;
        if (low >= 16)
            return err_set(EINVAL, "not bytes: two hex digits for each, 'dead beef'");
        buf_byte(ret, (char)(high << 4 | low));
    }
    return ret->len == start ? err_set(EINVAL, "no byte is given") : buf_ok(ret);
}

static int parse_text(const char *text, const struct value_format *format, struct buf *ret)
{
    size_t start = ret->len;
    if (esc_undo(ret, text, strlen(text)) < 0)
        return err_code() == EINVAL ? err_set(EINVAL, "a backslash begins an escape, see dmt(7): itself it is \\x5c") : -1;
    if (format->letter == 'c' && ret->len - start != 1)
        return err_set(EINVAL, "not one byte");
    if (format->letter == 's')
        buf_byte(ret, '\0');
    return buf_ok(ret);
}

int value_parse(const char *text, const struct value_format *format, struct buf *ret)
{
    switch (format->letter) {
    case 'c':
    case 's': return parse_text(text, format, ret);
    case 'b': return parse_bytes(text, ret);
    case 'f': return parse_float(text, format, value_width(format), ret);
    default: return parse_number(text, format, format->size, ret);
    }
}
