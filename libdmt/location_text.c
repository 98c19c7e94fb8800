// SPDX-License-Identifier: MIT
#include "location.h"

#include "err.h"
#include "ident.h"
#include "num.h"

#include <errno.h>
#include <string.h>

// Decimal, or hex behind 0x. -1 with EINVAL, ERANGE.
static int parse_number(const char *s, size_t n, uint64_t *ret)
{
    uint64_t v = 0;
    if (n < 2 || s[0] != '0' || (s[1] != 'x' && s[1] != 'X'))
        return num_uint(s, n, UINT64_MAX, ret);
    if (n == 2)
        return err_set(EINVAL, "hex digits are missing after 0x");
    for (size_t i = 2; i < n; i++) {
        char c = s[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return err_set(EINVAL, "not a hex number");
        if (v >> 60)
            return err_set(ERANGE, "larger than 64 bits");
        v = v << 4 | digit;
    }
    *ret = v;
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// The last byte of S that is one of SET, or NULL; not the first byte: something stands before it.
static const char *last_of(const char *s, size_t n, const char *set)
{
    while (n > 1)
        if (strchr(set, s[--n]) && s[n])
            return s + n;
    return NULL;
}

// Cuts `,COUNT` off the N bytes: 1 when there was one, 0 when not. -1 with EINVAL.
static int cut_count(const char *s, size_t *n, uint64_t *count)
{
    const char *comma = last_of(s, *n, ",");
    if (!comma || !is_digit(comma[1]))
        return 0;
    size_t len = (size_t)(s + *n - comma - 1);
    if (parse_number(comma + 1, len, count) < 0)
        return err_code() == ERANGE ? err_set(EINVAL, "the count is larger than 64 bits") : 0;
    if (*count == 0)
        return err_set(EINVAL, "the count is 0");
    *n = (size_t)(comma - s);
    return 1;
}

// Cuts `+OFF` or `-OFF` off.
static bool cut_offset(const char *s, size_t *n, struct location_way *way)
{
    const char *sign = last_of(s, *n, "+-");
    if (!sign || !is_digit(sign[1]) || parse_number(sign + 1, (size_t)(s + *n - sign - 1), &way->offset) < 0)
        return false;
    way->has_offset = true;
    way->negative = *sign == '-';
    *n = (size_t)(sign - s);
    return true;
}

int location_offset(uint64_t base, const struct location_way *way, uint64_t *ret)
{
    uint64_t sum = way->negative ? base - way->offset : base + way->offset;
    if (way->negative ? sum > base : sum < base)
        return err_set(EINVAL, "the offset leads out of the address space");
    *ret = sum;
    return 0;
}

struct ways {
    struct location_way *at;
    size_t n;
};

static void add(struct ways *ways, const struct location_way *way)
{
    ways->at[ways->n++] = *way;
}

static bool set_module(struct location_way *way, const char *s, size_t n)
{
    way->module = s;
    way->module_len = n;
    return n > 0;
}

// `FILE:LINE`.
static bool set_line(struct location_way *way, const char *s, size_t n)
{
    const char *colon = last_of(s, n, ":");
    size_t digits = colon ? (size_t)(s + n - colon - 1) : 0;
    if (!colon || num_uint(colon + 1, digits, UINT32_MAX, &way->line) < 0 || way->line == 0)
        return false;
    way->as = LOCATION_AS_LINE;
    way->name = s;
    way->name_len = (size_t)(colon - s);
    return true;
}

// SYMBOL, SYMBOL@MODULE, SYMBOL+OFF, SYMBOL@MODULE+OFF, FILE:LINE: what a symbol may hold itself comes later.
static void add_plain(struct ways *ways, const char *s, size_t n, uint64_t count)
{
    struct location_way whole = {.as = LOCATION_AS_SYMBOL, .name = s, .name_len = n, .count = count}, way = whole;
    const char *at = last_of(s, n, "@");
    add(ways, &whole);
    if (at && set_module(&way, at + 1, (size_t)(s + n - at - 1))) {
        way.name_len = (size_t)(at - s);
        add(ways, &way);
    }
    way = whole;
    if (cut_offset(s, &way.name_len, &way)) {
        add(ways, &way);
        at = last_of(s, way.name_len, "@");
        if (at && set_module(&way, at + 1, (size_t)(s + way.name_len - at - 1))) {
            way.name_len = (size_t)(at - s);
            add(ways, &way);
        }
    }
    way = whole;
    if (set_line(&way, s, n))
        add(ways, &way);
}

// What stands behind the quoted name of WAY: nothing, @MODULE, +OFF, both, or :LINE.
static void add_quoted(struct ways *ways, struct location_way way, const char *rest, size_t n)
{
    const char *end = rest + n, *close;
    struct location_way whole = way;
    if (n == 0) {
        add(ways, &way);
    } else if (*rest == ':') {
        size_t name_len = way.name_len;
        const char *name = way.name;
        if (set_line(&way, rest - 1, n + 1)) {
            way.name = name;
            way.name_len = name_len;
            add(ways, &way);
        }
    } else if (*rest == '@' && n > 1 && rest[1] == '\'') {
        for (close = rest + 2; close < end && *close != '\''; close++)
            ;
        size_t after = close < end ? (size_t)(end - close) : 0; // the quote included
        if (after > 1)
            (void)cut_offset(close, &after, &way);
        if (after == 1 && set_module(&way, rest + 2, (size_t)(close - rest - 2)))
            add(ways, &way);
    } else if (*rest == '@' && !memchr(rest, '\'', n)) {
        if (set_module(&whole, rest + 1, n - 1))
            add(ways, &whole);
        size_t left = n;
        if (cut_offset(rest, &left, &way) && set_module(&way, rest + 1, left - 1))
            add(ways, &way);
    } else if (*rest == '+' || *rest == '-') {
        size_t left = n + 1; // the closing quote stands for what the sign follows
        if (cut_offset(rest - 1, &left, &way) && left == 1)
            add(ways, &way);
    }
}

static int quoted_ways(struct ways *ways, const char *text)
{
    for (const char *close = strchr(text + 1, '\''); close; close = strchr(close + 1, '\'')) {
        struct location_way way = {.as = LOCATION_AS_SYMBOL, .name = text + 1, .name_len = (size_t)(close - text - 1)};
        size_t n = strlen(close);
        if (way.name_len == 0 || cut_count(close, &n, &way.count) < 0)
            continue;
        add_quoted(ways, way, close + 1, n - 1);
        if (ways->n > 0)
            return 0;
    }
    return err_set(EINVAL, "not 'SYMBOL', 'SYMBOL'@MODULE or 'SYMBOL'+OFF");
}

static int address_way(struct ways *ways, const char *text)
{
    struct location_way way = {.as = LOCATION_AS_ADDR};
    size_t n = strlen(text);
    uint64_t base;
    if (cut_count(text, &n, &way.count) < 0)
        return -1;
    (void)cut_offset(text, &n, &way);
    if (parse_number(text, n, &base) < 0)
        return err_code() == ERANGE ? err_set(EINVAL, "an address has at most 64 bits")
                                    : err_set(EINVAL, "not an address: 0x and hex digits");
    if (location_offset(base, &way, &way.addr) < 0)
        return -1;
    add(ways, &way);
    return 0;
}

static int register_way(struct ways *ways, const char *text)
{
    struct location_way way = {.as = LOCATION_AS_REG};
    size_t n = strlen(text);
    if (cut_count(text, &n, &way.count) < 0)
        return -1;
    (void)cut_offset(text, &n, &way);
    way.reg = reg_find(text + 1, n - 1);
    if (!way.reg)
        return err_set(EINVAL, "no register '%.*s'", (int)n - 1, text + 1);
    if (way.has_offset && (way.reg->set != REGS_GP || way.reg->size != sizeof(uint64_t)))
        return err_set(EINVAL, "%%%s holds no address", way.reg->name);
    if (way.count > 0 && !way.has_offset)
        return err_set(EINVAL, "a register has no count; %%%s+0 is the memory that it points to", way.reg->name);
    add(ways, &way);
    return 0;
}

// A plain number, or what names a process: PID:INODE, PID@START, PID/TID.
static bool looks_like_pid(const char *text)
{
    size_t n = strlen(text);
    uint64_t count;
    struct ident id;
    return is_digit(*text) && (strspn(text, "0123456789") == n || ident_parse(text, n, &id) == 0 ||
                               (cut_count(text, &n, &count) == 1 && strspn(text, "0123456789") == n));
}

int location_ways(const char *text, struct location_way ret[LOCATION_WAYS], size_t *n)
{
    struct ways ways = {ret, 0};
    size_t len = strlen(text);
    struct location_way whole = {.as = LOCATION_AS_SYMBOL, .name = text, .name_len = len};
    int cut = 0, done = 0;
    if (len == 0)
        return err_set(EINVAL, "an empty location");
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        done = address_way(&ways, text);
    else if (looks_like_pid(text))
        return err_set(EINVAL, "a plain number is no location: an address is 0x...; more targets go in -p LIST");
    else if (text[0] == '%')
        done = register_way(&ways, text);
    else if (text[0] == '\'')
        done = quoted_ways(&ways, text);
    else if ((cut = cut_count(text, &len, &whole.count)) >= 0) {
        uint64_t count = whole.count;
        whole.count = 0;
        if (cut > 0)
            add(&ways, &whole);
        add_plain(&ways, text, len, count);
    }
    *n = ways.n;
    return cut < 0 ? -1 : done;
}

int location_check(const char *text)
{
    struct location_way ways[LOCATION_WAYS];
    size_t n;
    return location_ways(text, ways, &n);
}
