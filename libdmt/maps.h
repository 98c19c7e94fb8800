// SPDX-License-Identifier: MIT
//
// The mappings of an address space, as /proc/PID/maps says them (proc_pid_maps(5)).
#ifndef DMT_MAPS_H
#define DMT_MAPS_H

#include "buf.h"

// MAP_UNSAID: of this mapping a core says no permissions.
enum { MAP_READ = 1 << 0, MAP_WRITE = 1 << 1, MAP_EXEC = 1 << 2, MAP_IS_SHARED = 1 << 3, MAP_UNSAID = 1 << 4 };

#define MAPS_DELETED " (deleted)" // what the kernel puts behind it

/** One mapping. A part is valid when its bit stands in the `have` of its maps. */
struct mapping {
    uint64_t start, end;       // addresses [start, end)
    uint64_t offset;           // of `start` in the file
    unsigned perms;            // MAP_ bits
    unsigned major, minor;     // the file's device
    uint64_t inode;            // 0: no file
    size_t name, name_len;     // where in `names`: a path, `[heap]`, nothing; raw bytes of a stranger
    bool deleted;              // the file has no name any more; MAPS_DELETED is cut from its former one
    bool remote;               // of a live target: a page of it may never come (mounts.h)
    uint64_t rss, pss, dirty, swap; // bytes
};

// What a core may not say: permissions; device and inode; rss, pss, dirty, swap; whether it is shared.
enum { MAPS_PERMS = 1 << 0, MAPS_DEV = 1 << 1, MAPS_USAGE = 1 << 2, MAPS_SHARED = 1 << 3 };

struct maps {
    struct mapping *at;        // by address, none overlaps
    size_t n, cap;
    struct buf names;
    unsigned have;
};

void maps_fini(struct maps *m);

/** Adds the N bytes of a maps or smaps file. Pure. -1 with EPROTO: a line is none of it. */
NODISCARD int maps_parse(const char *text, size_t n, struct maps *ret);

/** Reads `maps` of the open /proc/PID. -1 with ESRCH, EACCES. Kernel threads and zombies have none: n is 0. */
NODISCARD int maps_read(int procdir, struct maps *ret);

/** The same from `smaps`, with rss, pss, dirty, swap: the kernel walks all page tables. */
NODISCARD int maps_read_usage(int procdir, struct maps *ret);

/** Adds one; maps_sort puts all in order. */
NODISCARD int maps_add(struct maps *m, const struct mapping *mapping, const char *name, size_t name_len);
void maps_sort(struct maps *m);

/** The first mapping that ends behind ADDR, or NULL; the one that ADDR is in, or NULL. */
const struct mapping *maps_next(const struct maps *m, uint64_t addr);
const struct mapping *maps_find(const struct maps *m, uint64_t addr);

/** Its name: not a string, MAPPING->name_len bytes. */
const char *maps_name(const struct maps *m, const struct mapping *mapping);

#endif
