// SPDX-License-Identifier: MIT
//
// jitmap: lines that are none, and files that are searched line by line from their beginning, without any art.
#include "jitmap.h"

#include "err.h"
#include "procfile.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool parses(const char *text, uint64_t start, uint64_t size, const char *name)
{
    struct jitmap_line l;
    return jitmap_parse(unit_edge(text, strlen(text)), strlen(text), &l) == 0 && l.start == start && l.size == size &&
           l.name_len == strlen(name) && memcmp(l.name, name, l.name_len) == 0;
}

static bool fails(const char *text, size_t n)
{
    struct jitmap_line l;
    return jitmap_parse(unit_edge(text, n), n, &l) == -1;
}

#define is_none(literal) check(fails(literal, sizeof(literal) - 1))

static void test_line(void)
{
    check(parses("7f00 1a name", 0x7f00, 0x1a, "name"));
    check(parses("0x7F00 0XaB a name of words ", 0x7f00, 0xab, "a name of words "));
    check(parses("0 ffffffffffffffff x", 0, UINT64_MAX, "x"));
    check(parses("ffffffffffffffff 0000000000000000000000001 \x1b[", 0, 0, "") == false);
    check(parses("fffffffffffffffe 00000000000000000000000001 \x1b[", UINT64_MAX - 1, 1, "\x1b["));
    check(parses("00000000000000000000000012 1 -", 0x12, 1, "-"));
    is_none("");
    is_none(" ");
    is_none("1");
    is_none("1 ");
    is_none("1 2");
    is_none("1 2 ");
    is_none(" 1 2 x");
    is_none("1  2 x");
    is_none("1\t2\tx");
    is_none("1 0 x");
    is_none("0x 2 x");
    is_none("1 0x x");
    is_none("+1 2 x");
    is_none("-1 2 x");
    is_none("1g 2 x");
    is_none("1 2, x");
    is_none("10000000000000000 1 x");
    is_none("1 10000000000000000 x");
    is_none("1 ffffffffffffffff x");
    is_none("ffffffffffffffff 1 x");
    is_none("1 2 a\0b");
    is_none("\0001 2 a");
}

// --- files -------------------------------------------------------------------------------------

enum { ADDRS = 40 };

struct answer {
    uint64_t start;
    char name[8];
};

static int take(size_t i, const struct jitmap_line *line, void *arg)
{
    struct answer *a = (struct answer *)arg + i;
    check(i < ADDRS && a->start == 0); // once
    a->start = line->start;
    (void)snprintf(a->name, sizeof a->name, "%.*s", (int)line->name_len, line->name);
    return 0;
}

// What the file says of an address, from its first line to its last.
static struct answer plain(const char *text, size_t n, uint64_t addr)
{
    struct answer a = {0};
    struct jitmap_line l;
    const char *at = text, *end = text + n;
    for (const char *eol; n > 0 && (eol = memchr(at, '\n', (size_t)(end - at))); at = eol + 1)
        if (eol - at < JITMAP_LINE_MAX && jitmap_parse(at, (size_t)(eol - at), &l) == 0 && addr >= l.start &&
            addr < l.start + l.size) {
            a.start = l.start;
            (void)snprintf(a.name, sizeof a.name, "%.*s", (int)l.name_len, l.name);
        }
    return a;
}

static bool agrees(const struct buf *text, const uint64_t *addrs, size_t n)
{
    struct answer got[ADDRS] = {0};
    CLEANUP_CLOSE int fd = unit_file(text->data, text->len);
    bool same = jitmap_find(fd, addrs, n, take, got) == 0;
    for (size_t i = 0; i < n; i++) {
        const struct answer want = plain(text->data, text->len, addrs[i]);
        same &= got[i].start == want.start && strcmp(got[i].name, want.name) == 0;
    }
    return same;
}

static void put_line(struct buf *text)
{
    static const size_t lengths[] = {1, 3, 20, JITMAP_LINE_MAX / 3, JITMAP_LINE_MAX - 20, JITMAP_LINE_MAX + 3};
    const uint64_t start = 1 + unit_random() % 900;
    buf_printf(text, "%llx %x n%u ", (unsigned long long)start, unit_random() % 60, unit_random() % 1000);
    size_t more = unit_random() % 30 == 0 ? lengths[unit_random() % ARRAY_LEN(lengths)] : 0;
    char *to = more > 0 ? buf_room(text, more) : NULL;
    if (to) {
        memset(to, 'y', more);
        text->len += more;
    }
    if (unit_random() % 20 > 0)
        buf_byte(text, '\n');
}

static int stop_at_once(size_t i, const struct jitmap_line *line, void *arg)
{
    (void)i;
    (void)line;
    ++*(int *)arg;
    return 7;
}

static int count(const struct jitmap_line *line, void *arg)
{
    (void)line;
    ++*(size_t *)arg;
    return 0;
}

static void test_find(void)
{
    uint64_t addrs[ADDRS];
    for (size_t i = 0; i < ADDRS; i++)
        addrs[i] = 5 + 23 * i;
    for (size_t times = unit_times(300, 20000); times > 0; times--) {
        CLEANUP_BUF struct buf text = {0};
        for (unsigned lines = unit_random() % 40; lines > 0; lines--)
            put_line(&text);
        check(agrees(&text, addrs, unit_random() % (ADDRS + 1)));
    }
    CLEANUP_BUF struct buf text = {0};
    buf_str(&text, "1 ffff all\n20 10 part\n");
    int calls = 0;
    CLEANUP_CLOSE int fd = unit_file(text.data, text.len);
    check(jitmap_find(fd, addrs, ADDRS, stop_at_once, &calls) == 7 && calls == 1);
    check(jitmap_find(fd, addrs, 0, stop_at_once, &calls) == 0 && calls == 1);
    CLEANUP_CLOSE int empty = unit_file("", 0);
    check(jitmap_find(empty, addrs, ADDRS, stop_at_once, &calls) == 0 && calls == 1);
}

struct owns {
    size_t right, all;
};

static int is_own(size_t i, const struct jitmap_line *line, void *arg)
{
    struct owns *o = arg;
    o->right += line->start == 16 * i + 16;
    o->all++;
    return 0;
}

// Each line covers what those behind it have answered already: not all of that is looked at again for each.
static void test_overlap(void)
{
    enum { MANY = 1 << 16 };
    CLEANUP_BUF struct buf text = {0};
    CLEANUP_FREE uint64_t *addrs = calloc(MANY, sizeof *addrs);
    struct owns seen = {0};
    for (unsigned i = 0; i < MANY && addrs; i++) {
        addrs[i] = 16 * i + 16;
        buf_printf(&text, "%x %x x\n", 16 * i + 16, 16 * MANY);
    }
    CLEANUP_CLOSE int fd = unit_file(text.data, text.len);
    check(addrs && jitmap_find(fd, addrs, MANY, is_own, &seen) == 0 && seen.right == MANY && seen.all == MANY);
}

static void test_large(void)
{
    size_t lines = 0;
    const char tail[] = "\n1 2 last\n";
    CLEANUP_CLOSE int fd = unit_file("1 2 first\n", 10);
    check(ftruncate(fd, JITMAP_READ_MAX) == 0);
    check(pwrite(fd, tail, sizeof tail - 1, JITMAP_READ_MAX - (off_t)sizeof tail + 1) == (ssize_t)sizeof tail - 1);
    check(jitmap_lines(fd, count, &lines) == 0 && lines == 2);
    check(ftruncate(fd, JITMAP_READ_MAX + 1) == 0);
    check(jitmap_lines(fd, count, &lines) == -1 && err_code() == EFBIG);
}

static void test_own_pid(void)
{
    uint64_t pid = 0;
#define own(text) procfile_own_pid(text, strlen(text), &pid)
    check(own("Name:\tx\nNStgid:\t17\t5\t1\nNSpid:\t9\n") == 0 && pid == 1);
    check(own("NStgid:\t17\n") == 0 && pid == 17);
    check(own("NStgid:\t\n") == -1 && own("NSpid:\t17\n") == -1 && own("") == -1);
#undef own
}

void test_jitmap(void)
{
    test_line();
    test_find();
    test_overlap();
    test_large();
    test_own_pid();
}
