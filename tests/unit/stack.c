// SPDX-License-Identifier: MIT
//
// stack: where the copy of a stack ends.
#include "stack.h"
#include "unit.h"

#include <string.h>

static int read_zeros(void *arg, uint64_t addr, void *to, size_t n, size_t *got)
{
    (void)arg;
    (void)addr;
    memset(to, 0, n);
    *got = n;
    return 0;
}

static bool set_reg(struct regs *r, const char *name, uint64_t value)
{
    const struct reg *reg = reg_find(name, strlen(name));
    return reg && reg_put(r, reg, (const unsigned char *)&value) == 0;
}

enum { BOTTOM = 0x10000, SP = 0x10800, FROM = SP - STACK_RED_ZONE, MIDDLE = 0x30000, TOP = 0x40000, END = 0x48000 };

// The stack, what the kernel has not made one mapping with it, and what is mapped behind.
static bool map(struct maps *m, uint64_t inode, uint64_t inode_behind, const char *name_behind)
{
    const unsigned rw = MAP_READ | MAP_WRITE;
    const struct mapping all[] = {{.start = BOTTOM, .end = MIDDLE, .perms = rw, .inode = inode},
                                  {.start = MIDDLE, .end = TOP, .perms = rw, .inode = inode},
                                  {.start = TOP, .end = END, .perms = MAP_READ, .inode = inode_behind}};
    return maps_add(m, &all[0], "", 0) == 0 && maps_add(m, &all[1], "", 0) == 0 &&
           maps_add(m, &all[2], name_behind, strlen(name_behind)) == 0;
}

// The end of what is copied; more is said to be behind it, or not.
static uint64_t end_of(const struct maps *m, uint64_t thread_pointer, size_t window, bool more)
{
    CLEANUP_STACK struct stack s = {0};
    if (stack_reserve(&s, window) < 0)
        return 0;
    struct buf *gp = &s.regs.set[REGS_GP];
    memset(gp->data, 0, gp->cap);
    gp->len = reg_source(REGS_GP).size;
    s.regs.have = 1u << REGS_GP;
    reg_dwarf_put(&s.regs, reg_dwarf_sp, SP);
    if (thread_pointer && !set_reg(&s.regs, "fs_base", thread_pointer))
        return 0;
    if (stack_copy(&s, m, &(struct stack_want){.window = window}, read_zeros, NULL) < 0 || s.nregions != 1)
        return 0;
    const struct stack_region *r = &s.regions[0];
    return r->base == FROM && r->cut == more ? r->base + r->size : 0;
}

void test_stack(void)
{
    struct maps file = {0}, named = {0}, shared = {0}, memory = {0};
    check(map(&file, 0, 5, "/lib") && map(&named, 0, 0, "/lib") && map(&shared, 7, 7, "/memfd:stack") &&
          map(&memory, 0, 0, "[anon:heap]"));
    // The mapping that follows is of a file: that is no stack, whether its inode is known or only its name.
    check(end_of(&file, 0, STACK_WINDOW, false) == TOP);
    check(end_of(&named, 0, STACK_WINDOW, false) == TOP);
    // It is of the same kind as the stack.
    check(end_of(&shared, 0, STACK_WINDOW, false) == END);
    check(end_of(&memory, 0, STACK_WINDOW, false) == END);
    const char name[] = "fs_base";
    if (reg_find(name, strlen(name))) {
        // A control block above the stack pointer is its likely end; behind it there may be more, and that is said.
        check(end_of(&memory, 0x20000, STACK_WINDOW, true) == 0x20000);
        check(end_of(&memory, 0x20003, STACK_WINDOW, true) == 0x20000);
        check(end_of(&memory, 0x20000, STACK_WINDOW_MAX, false) == END);
        // Elsewhere it says nothing.
        check(end_of(&memory, BOTTOM, STACK_WINDOW, false) == END);
        check(end_of(&memory, END + 8, STACK_WINDOW, false) == END);
        check(end_of(&file, TOP + 8, STACK_WINDOW, false) == TOP);
    }
    maps_fini(&file);
    maps_fini(&named);
    maps_fini(&shared);
    maps_fini(&memory);
}
