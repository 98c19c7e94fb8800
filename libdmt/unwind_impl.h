// SPDX-License-Identifier: MIT
//
// Private to unwind: what its two ends say to each other.
#ifndef DMT_UNWIND_IMPL_H
#define DMT_UNWIND_IMPL_H

#include "sym_impl.h"
#include "unwind.h"

// A question is
//     u8 UNWIND_MAPS: u64 entry, u32 count, for each executable range, by address: u64 start, end, offset, u32 object;
//         the child forgets what it knew; one of the others follows
//     u8 UNWIND_STACKS: u32 max, u32 count, for each stack: u32 index, u32 registers, u32 regions, u64 low, high,
//         pc, sp, bp, u8 none of stack_user, for each register by DWARF number: u8 known, u64; for each region: u64
//         base, u8 cut, u32 size, bytes
//     u8 UNWIND_LOCALS: u32 max, u32 from (frame), str only (a name, or none), u32 count, u32 objects not to be looked
//         at, one stack as above
// An answer is stacks: u32 index, u8 end, str reason, u32 frames, for each: u64 pc, cfa, addr, u8 how, u8 flags.
// An answer to UNWIND_LOCALS is of one frame: u32 frame, u8 what, u32 object, u32 levels; for VARIABLES_KNOWN variables
// (variable_get). Which object's turn it is is said before, for the case that it breaks the child.
// Other questions are sym's (sym_impl.h): there is one child for both, and each file is read once.
enum unwind_op { UNWIND_MAPS = 'M', UNWIND_STACKS = 'S', UNWIND_LOCALS = 'L' };
enum unwind_variables { VARIABLES_BEGIN, VARIABLES_KNOWN, VARIABLES_UNKNOWN, VARIABLES_REFUSED };
enum { UNWIND_REFUSED_MAX = 64, UNWIND_PAGE = 4096 };
enum { UNWIND_HAS_ADDR = 1 << 0, UNWIND_EXACT = 1 << 1 };
enum { UNWIND_RANGES_MAX = 1 << 17, UNWIND_NO_OBJECT = UINT32_MAX, UNWIND_PIECE = 64 << 10 };

// A request is a letter and a number; other letters are sym's.
enum {
    UNWIND_WANT_MEMORY = 'M', // u64 address: up to UNWIND_PIECE bytes from there on, of executable memory without file
    UNWIND_WANT_DATA = 'D',   // u64 address: up to UNWIND_PAGE bytes from there on, of any memory
};

/** Appends what a child is told of T first (UNWIND_MAPS); the ranges of OBJECTS are those of MAPS that are of files. */
NODISCARD int unwind_put_maps(struct buf *out, struct target *t, const struct maps *maps, const struct syms *objects);

/** The broker, see struct sandbox_job; ARG is the syms. */
int unwind_grant(const char *request, size_t n, void *arg, int *ret);

/** The child's side: see struct sandbox_job. */
int unwind_work(const char *question, size_t n, int file, void *arg);

#endif
