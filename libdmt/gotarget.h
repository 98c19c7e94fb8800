// SPDX-License-Identifier: MIT
//
// The Go program that a target runs: its tables, from its file, or from memory where the file cannot be had.
#ifndef DMT_GOTARGET_H
#define DMT_GOTARGET_H

#include "goroutine.h"
#include "target.h"

struct gotarget {
    struct gosym *gosym;   // NULL: not open
    uint64_t bias;         // as of struct gostack
    int file;              // that has the tables; -1: memory has
};

/** -1 with ENOENT: it is no Go program. */
NODISCARD int gotarget_open(struct target *t, struct gotarget *ret);
void gotarget_close(struct gotarget *g);

/** The shape of objfile_read_fn, of the memory of the struct target T. */
int gotarget_read(void *t, uint64_t at, void *to, size_t n, size_t *got);

/** As find_user of struct stack_want, ARG a struct gotarget_finding. */
struct gotarget_finding {
    struct target *target;
    struct goroutines *all;
};
void gotarget_find_user(struct stack *s, void *arg);

#endif
