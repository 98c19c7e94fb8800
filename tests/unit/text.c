// SPDX-License-Identifier: MIT
//
// esc, cell, columns, table: how rows reach the outside.
#include "cell.h"
#include "err.h"
#include "esc.h"
#include "table.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static bool escapes(const char *s, size_t n, const char *want)
{
    CLEANUP_BUF struct buf out = {0}, back = {0};
    esc_field(&out, s, n);
    return unit_is(&out, want, strlen(want)) && esc_undo(&back, out.data, out.len) == 0 && unit_is(&back, s, n);
}
#define ESC(literal, want) check(escapes(literal, sizeof(literal) - 1, want))

static bool undo_fails(const char *field)
{
    CLEANUP_BUF struct buf out = {0};
    return esc_undo(&out, field, strlen(field)) == -1 && err_code() == EINVAL;
}

// A byte of an output that a terminal or a reader of lines could act on.
static bool unsafe_bytes(const struct buf *out)
{
    for (size_t i = 0; i < out->len;) {
        int32_t c;
        i += esc_char(out->data + i, out->len - i, &c);
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
            (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
            return true;
    }
    return false;
}

static size_t random_text(char *to, size_t size)
{
    static const char *const nasty[] = {"\t", "\n", "\r", "\x1b[31m", "\x1b]52;c;", "\xe2\x80\xae", "\xe2\x81\xa6", "\xd8\x9c",
                                        "\\", "\"", "-", "\\x41", "\xc2\x9b", "\x7f", "\xc0\xaf", "\xed\xa0\x80",
                                        "\xf4\x90\x80\x80", "\xe2\x80", ") R (", "\xf0\x9f\x98\x80", "\xe2\x80\xa8", "\\0"};
    size_t n = 0, want = unit_random() % size;
    while (n < want) {
        uint32_t r = unit_random();
        if (r % 3 == 0) {
            const char *word = nasty[r / 3 % ARRAY_LEN(nasty)];
            size_t len = strlen(word);
            if (n + len > size)
                break;
            memcpy(to + n, word, len);
            n += len;
        } else {
            to[n++] = (char)(r >> 8);
        }
    }
    return n;
}

void test_esc(void)
{
    ESC("", "\\0");
    ESC("-", "\\x2d");
    ESC("--", "--");
    ESC("a-", "a-");
    ESC("\"a\"", "\\x22a\"");
    ESC("\"", "\\x22");
    ESC("a\tb\nc\rd", "a\\tb\\nc\\rd");
    ESC("\\", "\\x5c");
    ESC("\\0", "\\x5c0");
    ESC("\0", "\\x00");
    ESC("\x1b[0m\x7f", "\\x1b[0m\\x7f");
    ESC("\xc2\x9b", "\\xc2\\x9b");             // C1 as UTF-8
    ESC("\x9b", "\\x9b");                      // C1 as a byte
    ESC("\xe2\x80\xae" "x", "\\xe2\\x80\\xaex"); // right-to-left override
    ESC("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    ESC("\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xff", "\\xc0\\xaf\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80\\xff");
    ESC("\xe2\x82", "\\xe2\\x82");
    check(undo_fails("\\"));
    check(undo_fails("\\q"));
    check(undo_fails("\\x4"));
    check(undo_fails("\\xZZ"));
    check(undo_fails("a\\0"));

    char text[256];
    bool same = true, safe = true, message = true;
    for (size_t i = 0, times = unit_times(200000, 10000000); i < times; i++) {
        CLEANUP_BUF struct buf out = {0}, back = {0}, json = {0}, line = {0};
        size_t n = random_text(text, sizeof text);
        const char *edge = unit_edge(text, n);
        esc_field(&out, edge, n);
        same = same && esc_undo(&back, unit_edge(out.data, out.len), out.len) == 0 && unit_is(&back, text, n);
        safe = safe && out.len > 0 && !unsafe_bytes(&out) && out.data[0] != '"';
        esc_json(&json, text, n);
        esc_message(&line, text, n);
        message = message && !unsafe_bytes(&json) && !unsafe_bytes(&line);
    }
    check(same);
    check(safe);
    check(message);
}

static bool shows(struct cell c, enum col_type type, const char *exact, const char *human, const char *json)
{
    CLEANUP_BUF struct buf e = {0}, h = {0}, j = {0};
    cell_exact(&e, &c);
    cell_human(&h, &c, type);
    cell_json(&j, &c);
    return unit_is(&e, exact, strlen(exact)) && unit_is(&h, human, strlen(human)) && unit_is(&j, json, strlen(json));
}

static struct cell number(int64_t v, int decimals)
{
    struct cell c = {0};
    cell_fixed(&c, v, decimals);
    return c;
}

static struct cell text(const char *s)
{
    struct cell c = {0};
    cell_str(&c, s);
    return c;
}

void test_cell(void)
{
    check(shows((struct cell){0}, COL_BYTES, "-", "-", "null"));
    check(shows(number(0, 0), COL_BYTES, "0", "0", "0"));
    check(shows(number(1023, 0), COL_BYTES, "1023", "1023", "1023"));
    check(shows(number(1024, 0), COL_BYTES, "1024", "1.0K", "1024"));
    check(shows(number(1048575, 0), COL_BYTES, "1048575", "1.0M", "1048575"));
    check(shows(number(INT64_MAX, 0), COL_BYTES, "9223372036854775807", "8.0E", "\"9223372036854775807\""));
    check(shows(number(INT64_MIN, 0), COL_COUNT, "-9223372036854775808", "-9223372036854775808", "\"-9223372036854775808\""));
    check(shows(number(1LL << 53, 0), COL_COUNT, "9007199254740992", "9007199254740992", "9007199254740992"));
    check(shows(number(5, 2), COL_SECONDS, "0.05", "0.05", "0.05"));
    check(shows(number(250, 6), COL_SECONDS, "0.000250", "0.000250", "0.000250"));
    check(shows(number(65123456, 6), COL_SECONDS, "65.123456", "1:05.12", "65.123456"));
    check(shows(number(6512, 2), COL_SECONDS, "65.12", "1:05.12", "65.12"));
    check(shows(number(360500, 2), COL_SECONDS, "3605.00", "1:00:05", "3605.00"));
    check(shows(number(18367800, 2), COL_SECONDS, "183678.00", "2-03:01:18", "183678.00"));
    check(shows(number(-5, 1), COL_PERCENT, "-0.5", "-0.5", "-0.5"));
    check(shows(text("a\tb"), COL_TEXT, "a\\tb", "a\\tb", "\"a\\u0009b\""));
    check(shows(text(""), COL_TEXT, "\\0", "\\0", "\"\""));
    check(shows(text(NULL), COL_TEXT, "-", "-", "null"));

    struct cell low = {0}, high = {0}, huge = {0}, no_limit = {0};
    cell_address(&low, 0x1000);
    cell_address(&high, 0xffffffffff600000);
    cell_uint(&huge, UINT64_MAX);
    cell_unlimited(&no_limit);
    check(shows(low, COL_ADDRESS, "0x1000", "0x1000", "\"0x1000\""));
    check(shows(high, COL_ADDRESS, "0xffffffffff600000", "0xffffffffff600000", "\"0xffffffffff600000\""));
    check(shows(huge, COL_BYTES, "18446744073709551615", "18446744073709551615", "\"18446744073709551615\""));
    check(shows(no_limit, COL_BYTES, "unlimited", "unlimited", "\"unlimited\""));
    check(cell_compare(&low, &high, false) < 0 && cell_compare(&high, &low, false) > 0);
    check(cell_compare(&huge, &no_limit, false) < 0 && cell_compare(&no_limit, &huge, false) > 0);
    check(cell_compare(&no_limit, &no_limit, false) == 0 && cell_compare(&low, &no_limit, true) > 0);

    struct cell none = {0}, one = number(1, 0), two = number(2, 0), a = text("a"), ab = text("ab");
    check(cell_compare(&one, &two, false) < 0 && cell_compare(&one, &two, true) > 0);
    check(cell_compare(&a, &ab, false) < 0 && cell_compare(&ab, &a, false) > 0 && cell_compare(&a, &a, false) == 0);
    check(cell_compare(&none, &one, false) > 0 && cell_compare(&none, &one, true) > 0); // last, either way
    check(cell_compare(&none, &none, true) == 0);
}

// --- rows ------------------------------------------------------------------------------

struct row {
    int64_t id, parent;
    const char *name;
};

static void get_id(const void *row, struct cell *c)
{
    cell_int(c, ((const struct row *)row)->id);
}

static void get_parent(const void *row, struct cell *c)
{
    cell_int(c, ((const struct row *)row)->parent);
}

static void get_name(const void *row, struct cell *c)
{
    cell_str(c, ((const struct row *)row)->name);
}

static const struct col cols[] = {
    {"id", COL_ID, 1, get_id, ""},
    {"parent", COL_COUNT, 2, get_parent, ""},
    {"name", COL_TEXT, 4, get_name, ""},
    {0},
};

static bool chosen(const char *show, const char *sort, size_t nshown, size_t nused, unsigned needs)
{
    struct columns c;
    return columns_choose(&c, cols, "id,name", show, sort) == 0 && c.nshown == nshown && c.nused == nused &&
           columns_needs(&c) == needs;
}

static bool refused(const char *show, const char *sort, const char *why)
{
    struct columns c;
    return columns_choose(&c, cols, "id,name", show, sort) == -1 && err_code() == EINVAL && strstr(err_text(), why);
}

void test_columns(void)
{
    check(chosen(NULL, NULL, 2, 2, 5));
    check(chosen("all", NULL, 3, 3, 7));
    check(chosen("+parent", NULL, 3, 3, 7));
    check(chosen("name,name,id", NULL, 3, 3, 5));
    check(chosen("id", "name,-id", 1, 2, 5));
    check(refused("nam", NULL, "did you mean 'name'"));
    check(refused("", NULL, "empty"));
    check(refused("id,", NULL, "empty"));
    check(refused(",id", NULL, "empty"));
    check(refused("+", NULL, "empty"));
    check(refused("id", "-", "empty"));
    check(refused("id", "zzzzz", "--list-columns"));
    check(refused("id", "id,id,id,id,id,id,id,id,id,id,id,id,id,id,id,id,id", "sort keys"));
}

// What a table of ROWS prints with the given choices.
static bool prints(const char *show, const char *sort, struct table_options options, bool tree, const char *want,
                   size_t len)
{
    static const struct row rows[] = {{3, 1, "c"}, {1, 0, "\n"}, {4, 3, NULL}, {2, 1, "b"}};
    int pipe_fds[2];
    struct columns c;
    char got[512];
    if (pipe(pipe_fds) < 0 || columns_choose(&c, cols, "id,name", show, sort) < 0)
        return false;
    struct table *t = table_new(&c, &options, pipe_fds[1]);
    bool ok = t && (!tree || table_tree(t, "id", "parent", "name") == 0);
    for (size_t i = 0; ok && i < ARRAY_LEN(rows); i++)
        ok = table_row(t, &rows[i]) == 0;
    ok = ok && table_end(t) == 0;
    table_free(t);
    close(pipe_fds[1]);
    ssize_t n = read(pipe_fds[0], got, sizeof got);
    close(pipe_fds[0]);
    struct buf b = {.data = got, .len = n > 0 ? (size_t)n : 0};
    return ok && unit_is(&b, want, len);
}
#define PRINTS(show, sort, options, tree, want) check(prints(show, sort, options, tree, want, sizeof(want) - 1))

void test_table(void)
{
    const struct table_options tsv = {.format = TABLE_TSV}, json = {.format = TABLE_JSON};
    const struct table_options bare = {.format = TABLE_TSV, .no_header = true};
    const struct table_options commas = {.format = TABLE_TSV, .no_header = true, .separator = ","};
    const struct table_options null = {.format = TABLE_TSV, .no_header = true, .null = true};
    const struct table_options aligned = {.format = TABLE_ALIGNED};
    PRINTS(NULL, NULL, tsv, false, "id\tname\n3\tc\n1\t\\n\n4\t-\n2\tb\n");
    PRINTS("id", "id", bare, false, "1\n2\n3\n4\n");
    PRINTS("id", "parent", bare, false, "4\n3\n2\n1\n");
    PRINTS("id", "+parent,-id", bare, false, "1\n3\n2\n4\n");
    PRINTS("id", "name", bare, false, "1\n2\n3\n4\n");  // no value last
    PRINTS("id", "-name", bare, false, "3\n2\n1\n4\n"); // also downwards
    PRINTS("id", NULL, commas, false, "3,1,4,2\n");
    PRINTS("id", NULL, null, false, "3\0" "1\0" "4\0" "2\0");
    PRINTS("name,id", "id", tsv, true, "name\tid\n\\n\t1\n  b\t2\n  c\t3\n    -\t4\n");
    PRINTS("id", NULL, json, false, "{\"id\":3}\n{\"id\":1}\n{\"id\":4}\n{\"id\":2}\n");
    PRINTS("name", "id", json, true, "{\"name\":\"\\u000a\"}\n{\"name\":\"  b\"}\n{\"name\":\"  c\"}\n{\"name\":null}\n");
    PRINTS(NULL, "id", aligned, false, "id name\n 1 \\n\n 2 b\n 3 c\n 4 -\n");
    PRINTS("name,id", "id", aligned, false, "name id\n\\n    1\nb     2\nc     3\n-     4\n");

    int full = open("/dev/full", O_WRONLY);
    struct columns c;
    const struct row row = {1, 0, "x"};
    check(full >= 0 && columns_choose(&c, cols, "id", NULL, NULL) == 0);
    struct table *t = table_new(&c, &tsv, full);
    check(t && table_row(t, &row) == 0 && table_end(t) == -1 && err_code() == ENOSPC);
    table_free(t);
    close(full);
}
