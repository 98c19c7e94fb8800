// SPDX-License-Identifier: MIT
//
// Private to target: what a core file says (elf(5), core(5)), as an index: where memory and registers stand
// in it, nothing of either itself.
#ifndef DMT_TARGET_CORE_H
#define DMT_TARGET_CORE_H

#include "mounts.h"
#include "objfile.h"
#include "target_impl.h"

/** A PT_LOAD: addresses [start, end), of which the first FILESZ bytes were dumped to OFFSET. */
struct core_load {
    uint64_t start, end, offset, filesz;
    unsigned perms;        // MAP_ bits
};

/** An entry of NT_FILE. */
struct core_file {
    uint64_t start, end, offset;
    size_t name, name_len; // where in `names`
    bool deleted;
    uint32_t first;        // the entry with the first byte of the same file, CORE_NONE: it is not mapped
};
enum { CORE_NONE = UINT32_MAX };

/** Bytes of the file; n is 0 where the core does not have them. */
struct core_bytes {
    uint64_t at;
    size_t n;
};

struct core_thread {
    pid_t tid;
    struct core_bytes gp, fp, xstate, siginfo;
};

struct core_index {
    pid_t pid;
    struct core_load *loads;     // these three sorted, and none of the first two overlap
    struct core_file *files;
    struct core_thread *threads; // by tid
    size_t nloads, loads_cap, nfiles, files_cap, nthreads, threads_cap;
    struct buf names, auxv;
};

void core_index_fini(struct core_index *c);

/**
 * Reads the headers and notes of the open file O. -1 with ENOEXEC: it is no core of this machine, or is cut
 * off before its notes; EIO. Takes memory and time in proportion to what is there, up to a bound.
 */
NODISCARD int core_index_read(struct objfile *o, struct core_index *ret);

/** Notes as they come: what objfile_each_note calls with this. */
struct core_notes {
    struct core_index *index;
    pid_t first;           // the thread that was written first
    size_t n;
};
NODISCARD int core_take_note(struct objfile *o, const struct objfile_note *note, void *notes);

/** The first that ends behind ADDR, or NULL. */
const struct core_load *core_next_load(const struct core_index *c, uint64_t addr);

/** The one that ADDR is in, or NULL. */
const struct core_file *core_find_file(const struct core_index *c, uint64_t addr);
const struct core_thread *core_find_thread(const struct core_index *c, pid_t tid);

/** Adds its mappings: the union of loads and files. */
NODISCARD int core_index_maps(const struct core_index *c, struct maps *ret);

/** Files of a core that are open, or were refused. */
struct core_backing {
    uint32_t first;        // which, plus 1; 0: none
    int fd, code;          // -1 and why not
    char why[256];
};
enum { CORE_BACKINGS = 16 };

struct core {
    struct target base;
    struct core_index index;
    int fd, procfs, procself; // the latter two -1 until a file is looked for
    struct mounts mounts;
    bool stacks_dumped, stacks_known;
    struct core_backing backings[CORE_BACKINGS];
    unsigned next_backing, opened, reads;
};

static inline struct core *core_of(struct target *t)
{
    return (struct core *)(void *)t;
}

/**
 * Up to N bytes at ADDR, which was not dumped, from the file that was mapped there. -1 with EFAULT: nothing was mapped;
 * EIO: it was not dumped, and no file is known to have the same bytes.
 */
NODISCARD int core_read_file(struct core *c, uint64_t addr, void *to, size_t n, size_t *got);

NODISCARD int core_regs(struct target *t, pid_t tid, unsigned sets, struct regs *ret);
NODISCARD int core_open_file(struct target *t, const struct mapping *mapping, int *ret);
NODISCARD int core_open_path(struct target *t, const char *path, int *ret);
void core_close_files(struct core *c);

#endif
