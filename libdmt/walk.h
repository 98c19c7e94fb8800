// SPDX-License-Identifier: MIT
//
// Finds a file below a root that a stranger furnished, one name at a time, and asks no file system that may
// never answer (mounts.h): openat2(2) with RESOLVE_IN_ROOT would.
#ifndef DMT_WALK_H
#define DMT_WALK_H

#include "mounts.h"

/**
 * An O_PATH descriptor of PATH below the directory ROOT, links followed, nothing of it outside of ROOT. MOUNTS
 * may be NULL: any file system will do. -1 with ENOENT, EACCES, ELOOP and the like.
 */
NODISCARD int walk_open(struct mounts *mounts, int root, const char *path, int *ret);

/** A descriptor to read the file of an O_PATH descriptor. -1 with EACCES: it is no regular file, or may never answer. */
NODISCARD int walk_read(struct mounts *mounts, int path, int *ret);

#endif
