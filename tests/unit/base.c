// SPDX-License-Identifier: MIT
//
// num, buf, near, tree, option: what needs no process.
#include "buf.h"
#include "err.h"
#include "near.h"
#include "num.h"
#include "option.h"
#include "tree.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool uint_is(const char *s, uint64_t max, uint64_t want)
{
    uint64_t v = want + 1;
    return num_uint(s, strlen(s), max, &v) == 0 && v == want;
}

static bool uint_fails(const char *s, uint64_t max, int code)
{
    uint64_t v = 77;
    return num_uint(s, strlen(s), max, &v) == -1 && err_code() == code && v == 77;
}

void test_num(void)
{
    check(uint_is("0", 0, 0));
    check(uint_is("007", 7, 7));
    check(uint_is("18446744073709551615", UINT64_MAX, UINT64_MAX));
    check(uint_fails("18446744073709551616", UINT64_MAX, ERANGE));
    check(uint_fails("8", 7, ERANGE));
    check(uint_fails("10", 9, ERANGE));
    check(uint_fails("", 9, EINVAL));
    check(uint_fails(" 1", 9, EINVAL));
    check(uint_fails("1 ", 9, EINVAL));
    check(uint_fails("+1", 9, EINVAL));
    check(uint_fails("-1", 9, EINVAL));
    check(uint_fails("0x1", 9, EINVAL));
    int64_t v;
    check(num_int("-5", 2, -5, 5, &v) == 0 && v == -5);
    check(num_int("-6", 2, -5, 5, &v) == -1 && err_code() == ERANGE);
    check(num_int("-", 1, -5, 5, &v) == -1 && err_code() == EINVAL);
    check(num_int("--5", 3, -5, 5, &v) == -1);
    check(num_int("9223372036854775807", 19, INT64_MIN, INT64_MAX, &v) == 0 && v == INT64_MAX);
    for (size_t i = 0; i < 1000; i++) {
        uint64_t n = (uint64_t)unit_random() << (unit_random() % 33);
        char ours[NUM_DIGITS], libc[32];
        size_t len = num_text(ours, n);
        check((size_t)snprintf(libc, sizeof libc, "%llu", (unsigned long long)n) == len && !memcmp(ours, libc, len));
    }
}

void test_buf(void)
{
    CLEANUP_BUF struct buf b = {0};
    check(buf_ok(&b) == 0 && b.len == 0);
    check(strcmp(buf_cstr(&b), "") == 0);
    buf_str(&b, "ab");
    buf_byte(&b, '\0');
    buf_int(&b, INT64_MIN);
    buf_uint(&b, UINT64_MAX);
    buf_printf(&b, "<%d>", 7);
    check(is(&b, "ab\0-922337203685477580818446744073709551615<7>"));
    for (int i = 0; i < 5000; i++)
        buf_byte(&b, 'x');
    check(b.len == 5000 + 46 && b.data[b.len - 1] == 'x');
    buf_reset(&b);
    check(b.len == 0 && buf_ok(&b) == 0);
    check(buf_room(&b, SIZE_MAX) == NULL);
    buf_str(&b, "dropped");
    check(b.len == 0 && buf_ok(&b) == -1 && err_code() == ENOMEM);
    check(strcmp(buf_cstr(&b), "") == 0);
}

static bool near_is(const char *typed, const char *want)
{
    static const char *const words[] = {"columns", "sort", "no-header", "format", "json", "bytes"};
    struct near n = {.typed = typed, .len = strlen(typed)};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        near_offer(&n, words[i]);
    return want ? n.best && strcmp(n.best, want) == 0 : !n.best;
}

void test_near(void)
{
    check(near_is("colums", "columns"));
    check(near_is("osrt", "sort"));
    check(near_is("no-headers", "no-header"));
    check(near_is("zzzz", NULL));
    check(near_is("", NULL));
    check(near_is("a-word-that-is-far-longer-than-any-option-of-any-command", NULL));
}

static bool tree_is(struct tree_node *nodes, size_t n, const char *want)
{
    size_t order[16];
    char got[64] = "";
    if (tree_order(nodes, n, order) < 0)
        return false;
    for (size_t i = 0; i < n; i++)
        (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%lld.%u ", (long long)nodes[order[i]].id,
                       nodes[order[i]].depth);
    if (strcmp(got, want) != 0)
        printf("# got %s\n", got);
    return strcmp(got, want) == 0;
}

#define TREE(want, ...)                                                                                       \
    check(tree_is((struct tree_node[]){__VA_ARGS__}, sizeof((struct tree_node[]){__VA_ARGS__}) / sizeof(struct tree_node), want))

void test_tree(void)
{
    TREE("1.0 2.1 4.2 3.1 ", {1, 0, 9}, {2, 1, 9}, {3, 1, 9}, {4, 2, 9});
    TREE("1.0 3.1 2.1 4.2 ", {4, 2, 9}, {3, 1, 9}, {2, 1, 9}, {1, 0, 9}); // siblings as they stand
    TREE("7.0 8.0 ", {7, 99, 9}, {8, 98, 9});                             // no parent here: roots
    TREE("5.0 ", {5, 5, 9});                                              // its own parent
    TREE("1.0 2.1 ", {1, 2, 9}, {2, 1, 9});                               // a circle
    TREE("9.0 1.0 2.1 3.2 ", {9, 0, 9}, {1, 3, 9}, {2, 1, 9}, {3, 2, 9});
    size_t none;
    check(tree_order(NULL, 0, &none) == 0);
}

struct values {
    bool flag, other;
    uint64_t number;
    const char *text;
    struct texts many;
};

static int take_hup(void *values, const char *word)
{
    (void)values;
    return strcmp(word, "-HUP") == 0 ? 1 : strcmp(word, "-99") == 0 ? err_set(EINVAL, "no signal") : 0;
}

static int read_words(struct values *v, struct texts *operands, const char *line)
{
    static const struct opt own[] = {
        {'f', "flag", NULL, OPT_FLAG, offsetof(struct values, flag), NULL, ""},
        {'n', "number", "N", OPT_UINT, offsetof(struct values, number), NULL, ""},
        {'t', "text", "TEXT", OPT_TEXT, offsetof(struct values, text), NULL, ""},
    };
    static const struct opt shared[] = {
        {'f', "format", "F", OPT_TEXT, offsetof(struct values, text), NULL, ""},
        {'m', "many", "M", OPT_TEXTS, offsetof(struct values, many), NULL, ""},
        {'o', "other", NULL, OPT_FLAG, offsetof(struct values, other), NULL, ""},
    };
    const struct opt_table tables[] = {{own, ARRAY_LEN(own), v}, {shared, ARRAY_LEN(shared), v}};
    static char text[256];
    static char *argv[32];
    int argc = 1;
    (void)snprintf(text, sizeof text, "%s", line);
    for (char *save, *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    const struct words words = {argc, argv, take_hup, v};
    const bool *const stop[] = {&v->other};
    texts_fini(operands);
    texts_fini(&v->many);
    *v = (struct values){0};
    check(!option_has_letter(tables, 1, &shared[0]) && option_has_letter(tables, 0, &own[0]));
    return options_read(&words, tables, ARRAY_LEN(tables), stop, ARRAY_LEN(stop), operands);
}

void test_option(void)
{
    struct values v = {0};
    struct texts ops = {0};
    check(read_words(&v, &ops, "a -f b --number=5 c") == 0 && v.flag && v.number == 5 && ops.n == 3);
    check(read_words(&v, &ops, "-fn7 -tx") == 0 && v.flag && v.number == 7 && strcmp(v.text, "x") == 0);
    check(read_words(&v, &ops, "-n 7 -t -f") == 0 && v.number == 7 && strcmp(v.text, "-f") == 0 && !v.flag);
    check(read_words(&v, &ops, "-m a --many b --many=c") == 0 && v.many.n == 3 && strcmp(v.many.at[2], "c") == 0);
    check(read_words(&v, &ops, "--num 3 --fl") == 0 && v.number == 3 && v.flag);
    check(read_words(&v, &ops, "-- -f --flag") == 0 && !v.flag && ops.n == 2);
    check(read_words(&v, &ops, "- -f") == 0 && ops.n == 1 && strcmp(ops.at[0], "-") == 0);
    check(read_words(&v, &ops, "-HUP 5") == 0 && ops.n == 1);
    check(read_words(&v, &ops, "--other --nonsense") == 1 && v.other);
    check(read_words(&v, &ops, "--f") == -1 && strstr(err_text(), "several"));
    check(read_words(&v, &ops, "--flags") == -1 && strstr(err_text(), "did you mean '--flag'"));
    check(read_words(&v, &ops, "--flag=1") == -1);
    check(read_words(&v, &ops, "--number") == -1);
    check(read_words(&v, &ops, "--number=x") == -1);
    check(read_words(&v, &ops, "-n") == -1);
    check(read_words(&v, &ops, "-z") == -1 && err_code() == EINVAL);
    check(read_words(&v, &ops, "-99") == -1);
    texts_fini(&ops);
    texts_fini(&v.many);
}
