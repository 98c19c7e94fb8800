// SPDX-License-Identifier: MIT
//
// Unit tests: one TAP program. A test is a line `check(condition)`; each file tests the
// module of its name.
#ifndef DMT_UNIT_H
#define DMT_UNIT_H

#include "buf.h"
#include "dmt.h"

void unit_check(bool ok, const char *file, int line, const char *what);
#define check(condition) unit_check(condition, __FILE__, __LINE__, #condition)

/** The LEN bytes of B are the string S. */
bool unit_is(const struct buf *b, const char *s, size_t len);
#define is(b, literal) unit_is(b, literal, sizeof(literal) - 1)

/** The same bytes at the end of a page that nothing follows: reading past them crashes. */
char *unit_edge(const void *bytes, size_t n);

/** A file without a name that holds the N bytes; the caller closes it. */
int unit_file(const void *bytes, size_t n);

/** A reproducible random number, and how often to repeat: more with DMT_SOAK. */
uint32_t unit_random(void);
size_t unit_times(size_t times, size_t soak);

void test_num(void);
void test_buf(void);
void test_esc(void);
void test_cell(void);
void test_columns(void);
void test_tree(void);
void test_table(void);
void test_option(void);
void test_near(void);
void test_sig(void);
void test_procfile(void);
void test_objfile(void);
void test_core(void);
void test_ident(void);
void test_match(void);
void test_sysstat(void);
void test_value(void);
void test_location(void);
void test_limit(void);
void test_walk(void);
void test_mounts(void);
void test_maps(void);
void test_mem(void);
void test_target(void);
void test_reg(void);
void test_tracer(void);
void test_packet(void);
void test_sandbox(void);
void test_stack(void);
void test_unwind(void);
void test_climb(void);
void test_gosym(void);
void test_goroutine(void);
void test_dwarf(void);
void test_jitmap(void);

#endif
