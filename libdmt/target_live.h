// SPDX-License-Identifier: MIT
//
// Private to target: the live kind, whose parts are target_live.c, target_live_files.c and
// target_live_regs.c.
#ifndef DMT_TARGET_LIVE_H
#define DMT_TARGET_LIVE_H

#include "mounts.h"
#include "target_impl.h"

struct live {
    struct target base;
    struct proc process, thread; // its directory; the thread that is looked at
    int pidfd;
    int mm_dir;                  // see live_dir, or -1
    struct mounts mounts;
    struct maps looked;          // with `remote` known
    int mem;                     // read-only, opened when first needed, or -1
};

static inline struct live *live_of(struct target *t)
{
    return (struct live *)(void *)t;
}

/**
 * The directory that has maps, mem, root: its own, or that of a thread that goes on where the first one has ended
 * (proc(5)). -1: it cannot be had.
 */
NODISCARD int live_dir(struct live *l);

/** Puts ` (deleted)` back where it is the name's own end. */
void live_true_names(struct live *l, struct maps *m);

NODISCARD int live_open_file(struct target *t, const struct mapping *mapping, int *ret);
NODISCARD int live_open_path(struct target *t, const char *path, int *ret);
const char *live_own_path(struct target *t, const char *path);

#endif
