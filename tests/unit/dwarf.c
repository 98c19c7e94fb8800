// SPDX-License-Identifier: MIT
//
// dwarf: variables as they come from the child, whole and damaged. What libdw makes of files: tests/locals.bats.
#include "dwarf.h"
#include "err.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

static const struct variable plain = {
    .level = 2,
    .parameter = true,
    .late = true,
    .name = "name",
    .type = "struct pair [2]",
    .value = "a\0b",
    .value_len = 3,
    .reason = "because",
    .is_pointer = true,
    .pointer = 0x123456789abcdef0,
    .has_addr = true,
    .addr = UINT64_MAX,
    .format = 'd',
    .size = 4,
    .bytes = "\1\0\2\3",
};

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool comes_back(const struct variable *v)
{
    CLEANUP_BUF struct buf b = {0};
    struct variable got;
    variable_put(&b, v);
    struct packet p = packet_of(unit_edge(b.data, b.len), b.len);
    if (variable_get(&p, &got) < 0 || p.left > 0)
        return false;
    return got.level == v->level && got.parameter == v->parameter && got.late == v->late &&
           same_text(got.name, v->name) && same_text(got.type, v->type) && same_text(got.reason, v->reason) &&
           !got.value == !v->value && got.value_len == v->value_len &&
           (!v->value || memcmp(got.value, v->value, v->value_len) == 0) && got.is_pointer == v->is_pointer &&
           got.pointer == v->pointer && got.has_addr == v->has_addr && got.addr == v->addr &&
           got.format == v->format && got.size == v->size && !got.bytes == !v->bytes &&
           (!v->bytes || memcmp(got.bytes, v->bytes, v->size) == 0);
}

static void test_cut(void)
{
    CLEANUP_BUF struct buf b = {0};
    struct variable got;
    variable_put(&b, &plain);
    for (size_t n = 0; n < b.len; n++) {
        struct packet p = packet_of(unit_edge(b.data, n), n);
        check(variable_get(&p, &got) == -1 && err_code() == EIO);
    }
}

static void test_damaged(void)
{
    for (size_t i = 0; i < unit_times(20000, 2000000); i++) {
        CLEANUP_BUF struct buf b = {0};
        struct variable got;
        variable_put(&b, &plain);
        for (uint32_t k = unit_random() % 4 + 1; k > 0; k--)
            b.data[unit_random() % b.len] = (char)unit_random();
        struct packet p = packet_of(unit_edge(b.data, b.len), b.len);
        if (variable_get(&p, &got) < 0)
            continue;
        // All of it is there: this reads past the edge if it is not.
        check(strlen(got.name) < b.len && strlen(got.type) < b.len && (!got.reason || strlen(got.reason) < b.len));
        CLEANUP_BUF struct buf copy = {0};
        buf_add(&copy, got.value ? got.value : "", got.value ? got.value_len : 0);
        buf_add(&copy, got.bytes ? got.bytes : "", got.bytes ? got.size : 0);
        check(copy.len <= b.len);
    }
}

void test_dwarf(void)
{
    struct variable v = plain;
    check(comes_back(&v));
    v.value = "";
    v.value_len = 0;
    check(comes_back(&v));
    v.value = NULL;
    v.bytes = NULL;
    v.size = UINT64_MAX;
    check(comes_back(&v));
    v.reason = NULL;
    v.parameter = v.late = v.is_pointer = v.has_addr = false;
    check(comes_back(&v));
    test_cut();
    test_damaged();
}
