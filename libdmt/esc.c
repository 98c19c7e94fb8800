// SPDX-License-Identifier: MIT
#include "esc.h"

#include "err.h"

#include <errno.h>
#include <string.h>

size_t esc_char(const char *s, size_t n, int32_t *ret)
{
    const unsigned char *u = (const unsigned char *)s;
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = u[0] < 0x80 ? 1 : u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : u[0] < 0xf5 ? 4 : 0;
    *ret = -1;
    if (len == 0 || len > n)
        return 1;
    int32_t c = len == 1 ? u[0] : u[0] & (0x7f >> len);
    for (size_t i = 1; i < len; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return 1;
        c = c << 6 | (u[i] & 0x3f);
    }
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 1;
    *ret = c;
    return len;
}

// Bidi controls: Unicode UAX 9, section 2. U+2028 and U+2029 end lines for some readers.
static bool unsafe(int32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void add_hex(struct buf *out, unsigned char byte)
{
    static const char digit[] = "0123456789abcdef";
    const char text[4] = {'\\', 'x', digit[byte >> 4], digit[byte & 15]};
    buf_add(out, text, sizeof text);
}

// Plain bytes go through as they are; the rest character by character.
static void add_text(struct buf *out, const char *s, size_t n, bool backslash)
{
    for (size_t i = 0; i < n;) {
        size_t plain = i;
        while (plain < n && s[plain] >= 0x20 && s[plain] < 0x7f && (s[plain] != '\\' || !backslash))
            plain++;
        buf_add(out, s + i, plain - i);
        i = plain;
        if (i == n)
            break;
        int32_t c;
        size_t len = esc_char(s + i, n - i, &c);
        if (c == '\t' || c == '\n' || c == '\r')
            buf_str(out, c == '\t' ? "\\t" : c == '\n' ? "\\n" : "\\r");
        else if (c == '\\' || unsafe(c))
            for (size_t k = 0; k < len; k++)
                add_hex(out, (unsigned char)s[i + k]);
        else
            buf_add(out, s + i, len);
        i += len;
    }
}

void esc_field(struct buf *out, const char *s, size_t n)
{
    if (n == 0) {
        buf_str(out, "\\0");
    } else if ((n == 1 && s[0] == '-') || s[0] == '"') {
        add_hex(out, (unsigned char)s[0]);
        add_text(out, s + 1, n - 1, true);
    } else {
        add_text(out, s, n, true);
    }
}

void esc_message(struct buf *out, const char *s, size_t n)
{
    add_text(out, s, n, false);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int esc_undo(struct buf *out, const char *field, size_t n)
{
    if (n == 2 && field[0] == '\\' && field[1] == '0')
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (field[i] != '\\') {
            buf_byte(out, field[i]);
            continue;
        }
        char kind = i + 1 < n ? field[i + 1] : '\0';
        int high = i + 3 < n ? hex_digit(field[i + 2]) : -1;
        int low = i + 3 < n ? hex_digit(field[i + 3]) : -1;
        if (kind == 't' || kind == 'n' || kind == 'r') {
            buf_byte(out, kind == 't' ? '\t' : kind == 'n' ? '\n' : '\r');
            i += 1;
        } else if (kind == 'x' && high >= 0 && low >= 0) {
            buf_byte(out, (char)(high << 4 | low));
            i += 3;
        } else {
            return err_set(EINVAL, "not an escape");
        }
    }
    return buf_ok(out);
}

void esc_json(struct buf *out, const char *s, size_t n)
{
    buf_byte(out, '"');
    for (size_t i = 0; i < n;) {
        int32_t c;
        size_t len = esc_char(s + i, n - i, &c);
        if (c < 0)
            buf_str(out, "\xef\xbf\xbd");
        else if (unsafe(c))
            buf_printf(out, "\\u%04x", (unsigned)c);
        else if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", (char)c);
        else
            buf_add(out, s + i, len);
        i += len;
    }
    buf_byte(out, '"');
}
