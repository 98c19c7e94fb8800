// SPDX-License-Identifier: MIT
#include "cell.h"

#include "esc.h"
#include "num.h"

#include <string.h>
#include <time.h>

static const struct {
    const char *name, *unit;
    bool largest_first, number;
} types[] = {
    [COL_ID] = {"id", NULL, false, true},
    [COL_COUNT] = {"count", NULL, true, true},
    [COL_BYTES] = {"bytes", "bytes", true, true},
    [COL_SECONDS] = {"seconds", "seconds", true, true},
    [COL_PERCENT] = {"percent", "percent", true, true},
    [COL_TIME] = {"time", "seconds since the epoch", false, true},
    [COL_ADDRESS] = {"address", NULL, false, true},
    [COL_TEXT] = {"text", NULL, false, false},
};

const char *col_type_name(enum col_type type)
{
    return types[type].name;
}

const char *col_type_unit(enum col_type type)
{
    return types[type].unit;
}

bool col_type_largest_first(enum col_type type)
{
    return types[type].largest_first;
}

bool col_type_is_number(enum col_type type)
{
    return types[type].number;
}

void cell_fixed(struct cell *c, int64_t v, int decimals)
{
    c->kind = CELL_NUMBER;
    c->number = v;
    c->decimals = decimals;
}

void cell_int(struct cell *c, int64_t v)
{
    cell_fixed(c, v, 0);
}

void cell_uint(struct cell *c, uint64_t v)
{
    cell_fixed(c, (int64_t)v, 0);
    c->wide = v > INT64_MAX;
}

void cell_address(struct cell *c, uint64_t v)
{
    cell_uint(c, v);
    c->hex = true;
}

void cell_unlimited(struct cell *c)
{
    cell_uint(c, UINT64_MAX);
    c->unlimited = true;
}

void cell_text(struct cell *c, const char *s, size_t n)
{
    c->kind = CELL_TEXT;
    c->text = s;
    c->len = n;
}

void cell_str(struct cell *c, const char *s)
{
    if (s)
        cell_text(c, s, strlen(s));
}

void cell_show_as(struct cell *c, enum col_type type)
{
    c->shown_as = 1 + (int)type;
}

int cell_compare(const struct cell *a, const struct cell *b, bool largest_first)
{
    if (a->kind == CELL_NONE || b->kind == CELL_NONE)
        return (a->kind == CELL_NONE) - (b->kind == CELL_NONE);
    int order;
    if (a->kind == CELL_NUMBER) {
        order = a->wide - b->wide;
        if (order == 0)
            order = a->unlimited - b->unlimited;
        if (order == 0)
            order = (a->number > b->number) - (a->number < b->number);
    } else {
        order = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);
        if (order == 0)
            order = (a->len > b->len) - (a->len < b->len);
    }
    return largest_first ? -order : order;
}

static int64_t scale_of(const struct cell *c)
{
    int64_t scale = 1;
    for (int i = 0; i < c->decimals; i++)
        scale *= 10;
    return scale;
}

static void add_number(struct buf *out, const struct cell *c)
{
    if (c->unlimited)
        buf_str(out, "unlimited");
    else if (c->hex)
        buf_printf(out, "0x%llx", (unsigned long long)c->number);
    else if (c->wide)
        buf_uint(out, (uint64_t)c->number);
    else if (c->decimals == 0)
        buf_int(out, c->number);
    if (c->decimals == 0)
        return;
    if (c->number < 0)
        buf_byte(out, '-');
    // The digits of the whole, and a point among them: to divide by a power of ten takes longer than all the rest.
    char digits[NUM_DIGITS];
    size_t n = num_text(digits, c->number < 0 ? -(uint64_t)c->number : (uint64_t)c->number);
    size_t decimals = (size_t)c->decimals, zeros = n > decimals ? 0 : decimals + 1 - n, whole = n + zeros - decimals;
    char *to = buf_room(out, zeros + n + 1);
    for (size_t i = 0; to && i < zeros + n; i++) {
        if (i == whole)
            *to++ = '.';
        *to++ = i < zeros ? '0' : digits[i - zeros];
    }
    out->len += to ? zeros + n + 1 : 0;
}

void cell_exact(struct buf *out, const struct cell *c)
{
    if (c->kind == CELL_NONE)
        buf_byte(out, '-');
    else if (c->kind == CELL_NUMBER)
        add_number(out, c);
    else
        esc_field(out, c->text, c->len);
}

// 999 -> 999, 1536 -> 1.5K, 10 GiB -> 10.0G
static void human_bytes(struct buf *out, int64_t v)
{
    static const char unit[] = "KMGTPE";
    double size = (double)v;
    int step = -1;
    while (size >= 1023.95 && step + 1 < (int)sizeof unit - 1) {
        size /= 1024;
        step++;
    }
    if (step < 0)
        buf_int(out, v);
    else
        buf_printf(out, "%.1f%c", size, unit[step]);
}

// 0:01.25, 12:34, 3:04:05, 2-03:04:05
static void human_duration(struct buf *out, const struct cell *c)
{
    int64_t scale = scale_of(c), whole = c->number / scale, hundredths = c->number % scale * 100 / scale;
    int64_t days = whole / 86400, hours = whole / 3600 % 24, minutes = whole / 60 % 60;
    if (days)
        buf_printf(out, "%lld-%02lld:%02lld:", (long long)days, (long long)hours, (long long)minutes);
    else if (hours)
        buf_printf(out, "%lld:%02lld:", (long long)hours, (long long)minutes);
    else
        buf_printf(out, "%lld:", (long long)minutes);
    buf_printf(out, "%02lld", (long long)(whole % 60));
    if (!days && !hours && c->decimals > 0)
        buf_printf(out, ".%02lld", (long long)hundredths);
}

static void human_time(struct buf *out, const struct cell *c)
{
    time_t when = (time_t)(c->number / scale_of(c));
    struct tm tm;
    char text[32];
    if (localtime_r(&when, &tm) && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm) > 0)
        buf_str(out, text);
    else
        add_number(out, c);
}

void cell_human(struct buf *out, const struct cell *c, enum col_type type)
{
    if (c->shown_as)
        type = (enum col_type)(c->shown_as - 1);
    if (c->kind == CELL_NUMBER && c->wide)
        cell_exact(out, c);
    else if (c->kind == CELL_NUMBER && type == COL_BYTES && c->decimals == 0)
        human_bytes(out, c->number);
    else if (c->kind == CELL_NUMBER && type == COL_SECONDS && c->number >= scale_of(c))
        human_duration(out, c);
    else if (c->kind == CELL_NUMBER && type == COL_TIME)
        human_time(out, c);
    else
        cell_exact(out, c);
}

void cell_json(struct buf *out, const struct cell *c)
{
    const int64_t exact = 1LL << 53; // beyond it a reader that uses doubles would round
    if (c->kind == CELL_NONE) {
        buf_str(out, "null");
    } else if (c->kind == CELL_TEXT) {
        esc_json(out, c->text, c->len);
    } else if (c->hex || c->wide || c->number > exact || c->number < -exact) {
        buf_byte(out, '"');
        add_number(out, c);
        buf_byte(out, '"');
    } else {
        add_number(out, c);
    }
}
