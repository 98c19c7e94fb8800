// SPDX-License-Identifier: MIT
//
// Memory as segments of files: /proc/PID/mem is one, a core file has many. Reading is pread(2)
// for all of them.
#ifndef DMT_MEM_H
#define DMT_MEM_H

#include "dmt.h"

/** SIZE bytes at address BASE are those of FD from OFFSET on, and zeros behind the first FILESZ. */
struct mem_segment {
    uint64_t base, size;
    int fd;                // borrowed
    uint64_t offset, filesz;
};

struct mem {
    struct mem_segment *at; // by base, none overlaps
    size_t n, cap;
};

void mem_fini(struct mem *m);

/** Adds what S has that no segment has yet: the earlier one keeps its bytes. -1 with EINVAL: it wraps around. */
NODISCARD int mem_add(struct mem *m, const struct mem_segment *s);

/**
 * Reads up to N bytes at ADDR, up to the first one that is not there: *GOT bytes. -1 when that is the
 * first: EFAULT nothing is mapped there, EIO it cannot be read, ESRCH the process has gone.
 */
NODISCARD int mem_read(const struct mem *m, uint64_t addr, void *to, size_t n, size_t *got);

#endif
