// SPDX-License-Identifier: MIT
//
// Private to target: the live kind, whose parts are target_live.c, target_live_files.c and
// target_live_regs.c.
#ifndef DMT_TARGET_LIVE_H
#define DMT_TARGET_LIVE_H

#include "target_impl.h"

struct live {
    struct target base;
    struct proc process, thread; // its directory; the thread that is looked at
    int pidfd;
    int mm_dir;                  // -1, or the directory of a thread that still has the address space
    int mem;                     // read-only, opened when first needed, or -1
};

static inline struct live *live_of(struct target *t)
{
    return (struct live *)(void *)t;
}

/** Sets the error of an access that the kernel refused: gone, or why (refusal.h). */
NODISCARD int live_refused(struct live *l, const char *what);

NODISCARD int live_open_file(struct target *t, const struct mapping *mapping, int *ret);
NODISCARD int live_open_path(struct target *t, const char *path, int *ret);

#endif
