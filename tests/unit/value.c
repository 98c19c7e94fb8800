// SPDX-License-Identifier: MIT
//
// value, location: what a user types to bytes and places, and back.
#include "err.h"
#include "location.h"
#include "unit.h"
#include "value.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static struct value_format format(const char *text)
{
    struct value_format f = {0};
    check(value_format_parse(text, &f) == 0);
    return f;
}

static bool format_fails(const char *text)
{
    struct value_format f = {'?', 7};
    return value_format_parse(text, &f) == -1 && err_code() == EINVAL && f.letter == '?';
}

// The N bytes as text, and that text as the same bytes.
static bool reads(const char *type, const void *bytes, size_t n, const char *want)
{
    struct value_format f = format(type);
    CLEANUP_BUF struct buf text = {0}, back = {0};
    value_text(&text, &f, (const unsigned char *)unit_edge(bytes, n), n);
    if (strcmp(buf_cstr(&text), want) != 0) {
        printf("# %s: got %s\n", type, buf_cstr(&text));
        return false;
    }
    if (f.size == 0 && f.letter != 'b')
        return true;
    return value_parse(buf_cstr(&text), &f, &back) == 0 && back.len == n && memcmp(back.data, bytes, n) == 0;
}
#define READS(type, ctype, value, want) reads(type, &(ctype){value}, sizeof(ctype), want)

static bool parses(const char *type, const char *text, const char *bytes, size_t n)
{
    struct value_format f = format(type);
    CLEANUP_BUF struct buf got = {0};
    return value_parse(text, &f, &got) == 0 && unit_is(&got, bytes, n);
}
#define PARSES(type, text, literal) parses(type, text, literal, sizeof(literal) - 1)

static bool refuses(const char *type, const char *text, int code)
{
    struct value_format f = format(type);
    CLEANUP_BUF struct buf got = {0};
    return value_parse(text, &f, &got) == -1 && err_code() == code;
}

static void test_formats(void)
{
    static const char *const names[] = {"signed1", "signed16", "unsigned4", "hex8", "hex64", "float4", "float16",
                                        "char", "string", "pointer", "bytes"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct value_format f = format(names[i]);
        CLEANUP_BUF struct buf name = {0};
        value_format_name(&name, &f);
        check(strcmp(buf_cstr(&name), names[i]) == 0);
    }
    check(format("x").size == 0 && format("u2").size == 2 && format("f").letter == 'f' && format("c").size == 1);
    check(format("p").size == 8 && format("s").size == 0 && format("bytes").letter == 'b');
    static const char *const bad[] = {"", "y", "x3", "x0", "4", "4x", "f2", "f1", "c2", "p4", "s1", "b4", "hexx", "he", "x 4",
                                      "x-4", "x4 ", "x44444444444444444444", "signed4x", "X", "HEX"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        check(format_fails(bad[i]));
}

void test_value(void)
{
    test_formats();
    check(READS("d1", int8_t, -128, "-128") && READS("d1", int8_t, 127, "127") && READS("d2", int16_t, -1, "-1"));
    check(READS("d4", int32_t, INT32_MIN, "-2147483648") && READS("d8", int64_t, INT64_MIN, "-9223372036854775808"));
    check(READS("u1", uint8_t, 255, "255") && READS("u8", uint64_t, UINT64_MAX, "18446744073709551615"));
    check(READS("u16", unsigned __int128, ~(unsigned __int128)0, "340282366920938463463374607431768211455"));
    check(READS("d16", unsigned __int128, (unsigned __int128)1 << 127, "-170141183460469231731687303715884105728"));
    check(READS("x1", uint8_t, 0, "0x0") && READS("x4", uint32_t, 0xdeadbeef, "0xdeadbeef") && READS("x8", uint64_t, 0x100, "0x100"));
    check(READS("p", uint64_t, 0x7fff00001234, "0x7fff00001234"));
    check(READS("f4", float, 0.1f, "0.1") && READS("f4", float, FLT_MAX, "3.4028235e+38") && READS("f4", float, -0.0f, "-0"));
    check(READS("f4", float, 1e-45f, "1.4013e-45") && READS("f8", double, 0.1, "0.1") && READS("f8", double, 5e-324, "4.94065645841247e-324"));
    check(READS("f8", double, INFINITY, "inf") && READS("f8", double, -INFINITY, "-inf") && READS("f8", double, 1.0 / 3, "0.3333333333333333"));
    check(READS("f8", uint64_t, 0x7ff8000000000001, "bits(0x7ff8000000000001)") && READS("f8", uint64_t, 0x7ff0000000000001, "bits(0x7ff0000000000001)"));
    check(READS("f4", uint32_t, 0x7f800001, "bits(0x7f800001)") && READS("f4", uint32_t, 0xffc00000, "-nan"));
    check(reads("bytes", "\xde\xad\xbe", 3, "dead be") && reads("c", "A", 1, "A"));
#if LDBL_MANT_DIG == 64
    long double third = 1.0L / 3;
    check(reads("f10", &third, 10, "0.33333333333333333334"));
    check(reads("f10", "\1\0\0\0\0\0\0\0\xff\x7f", 10, "bits(0x7fff0000000000000001)")); // no encoding of today
#endif
    // Whatever the bits are, they come back.
    static const struct {
        const char *type;
        size_t n;
    } kinds[] = {{"d2", 2}, {"u4", 4}, {"x8", 8}, {"d16", 16}, {"u16", 16}, {"x64", 64}, {"f4", 4}, {"f8", 8}, {"f10", 10}};
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
        for (size_t i = 0, times = unit_times(2000, 200000); i < times; i++) {
            struct value_format f = format(kinds[k].type);
            CLEANUP_BUF struct buf text = {0}, back = {0};
            unsigned char bytes[64];
            for (size_t b = 0; b < sizeof bytes; b++)
                bytes[b] = (unsigned char)(unit_random() % 3 ? unit_random() : unit_random() % 2 ? 0xff : 0);
            value_text(&text, &f, bytes, kinds[k].n);
            if (value_parse(buf_cstr(&text), &f, &back) < 0 || back.len != kinds[k].n || memcmp(back.data, bytes, back.len) != 0) {
                printf("# %s: %s\n", kinds[k].type, buf_cstr(&text));
                check(false);
                break;
            }
        }
    check(PARSES("u4", "0x10", "\x10\0\0\0") && PARSES("d1", "-0", "\0") && PARSES("x2", "0xaB", "\xab\0"));
    check(PARSES("s", "a\\tb", "a\tb\0") && PARSES("s", "\\0", "\0") && PARSES("s", "\\x00x", "\0x\0") && PARSES("c", "\\x2d", "-"));
    check(PARSES("s", "", "\0") && PARSES("b", "de ad be  ef", "\xde\xad\xbe\xef") && PARSES("b", "DEADBE", "\xde\xad\xbe"));
    check(PARSES("f4", "0x1p-1", "\0\0\0\x3f") && PARSES("f8", "1e3", "\0\0\0\0\0\x40\x8f\x40"));
    check(refuses("u1", "256", ERANGE) && refuses("u1", "0x100", ERANGE) && refuses("d1", "128", ERANGE) && refuses("d1", "-129", ERANGE));
    check(refuses("d1", "0x80", ERANGE) && refuses("u8", "18446744073709551616", ERANGE) && refuses("x1", "0x1ff", ERANGE));
    check(refuses("u4", "-1", EINVAL) && refuses("u4", "", EINVAL) && refuses("u4", "+1", EINVAL) && refuses("u4", " 1", EINVAL));
    check(refuses("u4", "1 ", EINVAL) && refuses("u4", "0x", EINVAL) && refuses("u4", "1x", EINVAL) && refuses("u4", "0b1", EINVAL));
    check(refuses("d4", "-", EINVAL) && refuses("d4", "--1", EINVAL) && refuses("x4", "10", EINVAL) && refuses("p", "16", EINVAL));
    check(refuses("f8", "", EINVAL) && refuses("f8", " 1", EINVAL) && refuses("f8", "1x", EINVAL) && refuses("f8", "1e999", ERANGE));
    check(refuses("f4", "1e39", ERANGE) && refuses("f4", "1e-60", ERANGE) && refuses("f4", "bits(0x)", EINVAL));
    check(refuses("f4", "bits(0x1", EINVAL) && refuses("f4", "bits(0x123456789)", ERANGE) && refuses("f4", "bits(0xg)", EINVAL));
    check(refuses("c", "", EINVAL) && refuses("c", "ab", EINVAL) && refuses("s", "a\\b", EINVAL) && refuses("s", "\\", EINVAL));
    check(refuses("b", "", EINVAL) && refuses("b", " ", EINVAL) && refuses("b", "a", EINVAL) && refuses("b", "abc", EINVAL) && refuses("b", "zz", EINVAL) && refuses("b", "a b", EINVAL));
}

// --- locations -----------------------------------------------------------------

// One way as text: `sym<name>@<module>+off,count`.
static void show_way(struct buf *out, const struct location_way *w)
{
    switch (w->as) {
    case LOCATION_AS_ADDR: buf_printf(out, "addr<%llx>", (unsigned long long)w->addr); break;
    case LOCATION_AS_REG: buf_printf(out, "reg<%s>", w->reg->name); break;
    case LOCATION_AS_LINE: buf_printf(out, "line<%.*s>%llu", (int)w->name_len, w->name, (unsigned long long)w->line); break;
    case LOCATION_AS_SYMBOL:
        buf_printf(out, "sym<%.*s>", (int)w->name_len, w->name);
        if (w->module)
            buf_printf(out, "@<%.*s>", (int)w->module_len, w->module);
        break;
    }
    if (w->has_offset && w->as != LOCATION_AS_ADDR)
        buf_printf(out, "%c%llu", w->negative ? '-' : '+', (unsigned long long)w->offset);
    if (w->count)
        buf_printf(out, ",%llu", (unsigned long long)w->count);
}

static bool ways_are(const char *text, const char *want)
{
    struct location_way ways[LOCATION_WAYS];
    CLEANUP_BUF struct buf got = {0};
    size_t n;
    const char *edge = unit_edge(text, strlen(text) + 1);
    if (location_ways(edge, ways, &n) < 0)
        buf_printf(&got, "%s", err_text());
    else
        for (size_t i = 0; i < n; i++) {
            buf_str(&got, i ? " " : "");
            show_way(&got, &ways[i]);
        }
    if (strcmp(buf_cstr(&got), want) != 0)
        printf("# %s: got %s\n", text, buf_cstr(&got));
    return strcmp(buf_cstr(&got), want) == 0;
}

static bool no_location(const char *text, const char *why)
{
    int done = location_check(unit_edge(text, strlen(text) + 1));
    if (done == 0 || err_code() != EINVAL || !strstr(err_text(), why))
        printf("# %s: %s\n", text, done ? err_text() : "accepted");
    return done == -1 && err_code() == EINVAL && strstr(err_text(), why);
}

void test_location(void)
{
    check(ways_are("0x1f", "addr<1f>") && ways_are("0X1F,16", "addr<1f>,16") && ways_are("0xffffffffffffffff,0x10", "addr<ffffffffffffffff>,16"));
    check(ways_are("0x10+8", "addr<18>") && ways_are("0x10-0x10,2", "addr<0>,2"));
    check(ways_are("main", "sym<main>") && ways_are("main+8", "sym<main+8> sym<main>+8") && ways_are("main-0x8", "sym<main-0x8> sym<main>-8"));
    check(ways_are("a@b", "sym<a@b> sym<a>@<b>") && ways_are("a@b+1", "sym<a@b+1> sym<a>@<b+1> sym<a@b>+1 sym<a>@<b>+1"));
    check(ways_are("a@ld-linux-x86-64.so.2", "sym<a@ld-linux-x86-64.so.2> sym<a>@<ld-linux-x86-64.so.2>"));
    check(ways_are("a,4", "sym<a,4> sym<a>,4") && ways_are("a+1,4", "sym<a+1,4> sym<a+1>,4 sym<a>+1,4"));
    check(ways_are("operator+", "sym<operator+>") && ways_are("operator+,2", "sym<operator+,2> sym<operator+>,2"));
    check(ways_are("std::map<int,int>::at", "sym<std::map<int,int>::at>") && ways_are("main.(*T).M", "sym<main.(*T).M>"));
    check(ways_are("f(int,4)", "sym<f(int,4)>") && ways_are("f(int,4)+4", "sym<f(int,4)+4> sym<f(int,4)>+4"));
    check(ways_are("f.c:12", "sym<f.c:12> line<f.c>12") && ways_are("d/f.c:12,3", "sym<d/f.c:12,3> sym<d/f.c:12>,3 line<d/f.c>12,3"));
    check(ways_are("2fast", "sym<2fast>") && ways_are("+8", "sym<+8>") && ways_are("@m", "sym<@m>") && ways_are(":1", "sym<:1>"));
    check(ways_are("'a+b'+8", "sym<a+b>+8") && ways_are("'a'", "sym<a>") && ways_are("'1234'", "sym<1234>") && ways_are("'0x1'", "sym<0x1>"));
    check(ways_are("'a'@m", "sym<a>@<m>") && ways_are("'a'@m+1", "sym<a>@<m+1> sym<a>@<m>+1") && ways_are("'a'@'m+1'-2,3", "sym<a>@<m+1>-2,3"));
    check(ways_are("'it's'+8", "sym<it's>+8") && ways_are("'a,3',3", "sym<a,3>,3") && ways_are("'f+1.c':9", "line<f+1.c>9"));
    check(ways_are("''a'+8", "sym<'a>+8") && ways_are("'a'b'", "sym<a'b>"));
#ifdef __x86_64__
    check(ways_are("%rax", "reg<rax>") && ways_are("%RAX", "reg<rax>") && ways_are("%rsp-16,4", "reg<rsp>-16,4") && ways_are("%sp+0", "reg<rsp>+0"));
    check(no_location("%rax,4", "no count") && no_location("%xmm0+8", "no address") && no_location("%eax+8", "no address"));
#endif
    check(no_location("", "empty") && no_location("1234", "plain number") && no_location("0", "plain number"));
    check(no_location("1234,4", "plain number") && no_location("1234:5678", "plain number") && no_location("1234@5", "plain number"));
    check(no_location("1234/5", "plain number") && no_location("1/2,3-4", "plain number") && no_location("99999999999999999999", "plain number"));
    check(no_location("0x", "not an address") && no_location("0xg", "not an address") && no_location("0x1 ", "not an address"));
    check(no_location("0x10000000000000000", "64 bits") && no_location("0xffffffffffffffff+1", "offset") && no_location("0x0-1", "offset"));
    check(no_location("0x1,", "not an address") && no_location("0x1,0", "count is 0") && no_location("0x1,-1", "not an address"));
    check(no_location("0x1,18446744073709551616", "larger") && no_location("a,0", "count is 0") && no_location("a,99999999999999999999", "larger"));
    check(no_location("%", "no register") && no_location("%nonsense", "no register") && no_location("%rax+", "no register"));
    check(no_location("''", "SYMBOL") && no_location("'a", "SYMBOL") && no_location("'", "SYMBOL") && no_location("'a'x", "SYMBOL"));
    check(no_location("'a'+", "SYMBOL") && no_location("'a'@", "SYMBOL") && no_location("'a'+x", "SYMBOL") && no_location("'a':0", "SYMBOL"));
    // Nothing is read behind the end, whatever stands there.
    static const char bytes[] = "'@+-,:0x19a%r";
    for (size_t i = 0, times = unit_times(30000, 1000000); i < times; i++) {
        char text[16];
        size_t n = unit_random() % sizeof text, ways;
        for (size_t k = 0; k < n; k++)
            text[k] = bytes[unit_random() % (sizeof bytes - 1)];
        text[n] = '\0';
        struct location_way at[LOCATION_WAYS];
        const char *edge = unit_edge(text, n + 1);
        if (location_ways(edge, at, &ways) == 0)
            for (size_t k = 0; k < ways; k++)
                if (ways > LOCATION_WAYS || ((at[k].as == LOCATION_AS_SYMBOL || at[k].as == LOCATION_AS_LINE) &&
                     (at[k].name_len == 0 || at[k].name < edge || at[k].name + at[k].name_len > edge + n)))
                    check(false);
    }
}
