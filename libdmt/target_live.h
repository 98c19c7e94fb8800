// SPDX-License-Identifier: MIT
//
// Private to target: the live kind, whose parts are target_live.c and target_live_*.c.
#ifndef DMT_TARGET_LIVE_H
#define DMT_TARGET_LIVE_H

#include "mounts.h"
#include "target_impl.h"
#include "tracer.h"

struct live {
    struct target base;
    struct proc process, thread; // its directory; the thread that is looked at
    int pidfd;
    int mm_dir;                  // see live_dir, or -1
    struct mounts mounts;
    struct maps looked;          // with `remote` known
    uint64_t zeros_start, zeros_end; // a mapping whose untouched pages are zeros
    int mem, pagemap;            // read-only, opened when first needed, or -1
    uint64_t spin;               // nanoseconds for which a thread is waited for without sleep
    struct known *known;         // threads (target_live_known.c); NULL at first
    size_t nknown;
    struct buf seen;             // room for what is read of their stacks
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

/** Opens maps, mem or another of what belongs to the address space. -1 with the sentence of refusal.h. */
NODISCARD int live_open_mm_file(struct live *l, const char *name, int flags, int *ret);

/** Opens `mem` if it is not open; its mappings, read anew, with `remote`, to l->looked. */
NODISCARD int live_open_mem(struct live *l);
NODISCARD int live_look(struct live *l);

/** mem reads 0 bytes: sets ESRCH, the process has ended or executed another program. Always -1. */
NODISCARD int live_memory_gone(struct live *l);

/** Puts ` (deleted)` back where it is the name's own end. */
void live_true_names(struct live *l, struct maps *m);

/**
 * Whether no page of the N bytes at ADDR, which can be read, was ever touched, so that they are zeros; reading them would
 * give the process page tables for nothing. *RET: for how many bytes that answer holds.
 */
bool live_untouched(struct live *l, uint64_t addr, size_t n, size_t *ret);

/**
 * Where the next page of anonymous memory stands, from START on, that is there already, else END. Where one that is not
 * cannot be read it is served by somebody else (userfaultfd(2)) or forbidden, and so are all like it.
 */
uint64_t live_next_present(struct live *l, uint64_t start, uint64_t end);

/** target_open_file of a mapping of MAPS. */
NODISCARD int live_open_mapped(struct live *l, const struct maps *maps, const struct mapping *m, int *ret);

/** The name of a thread, by a descriptor that stays open; false: it cannot be had so. */
bool live_known_name(struct live *l, pid_t tid, struct stack *ret);

/** Remembers the stack of a thread that live_known_name was asked about before it was stopped, for live_unmoved. */
void live_known_stack(struct live *l, const struct stack *s);
void live_known_fini(struct live *l);

NODISCARD int live_write(struct target *t, uint64_t addr, const void *from, size_t n);
NODISCARD int live_open_file(struct target *t, const struct mapping *mapping, int *ret);
NODISCARD int live_open_path(struct target *t, const char *path, int *ret);
NODISCARD int live_open_jitmap(struct target *t, int *ret);
const char *live_own_path(struct target *t, const char *path);

#endif
