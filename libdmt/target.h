// SPDX-License-Identifier: MIT
//
// The target: one noun, and commands that do not know which kind they hold. A live process, or
// an ELF core file. What a kind cannot do is -1 with ENOTSUP ("not possible on a core file").
#ifndef DMT_TARGET_H
#define DMT_TARGET_H

#include "maps.h"
#include "operands.h"
#include "reg.h"
#include "stack.h"
#include "tracer.h"

struct target;

struct target_options {
    bool remote_fs;        // read pages of files on network and FUSE file systems too: they may never come
    uint64_t max_stop;     // nanoseconds that a thread may take to stop
};

/**
 * Opens what OPERAND names. -1 with ESRCH it is gone, EACCES it is hidden, ENOEXEC the file is no core of this machine.
 * Opening stops nobody and makes no ptrace call. Whatever is asked of a live process then is -1 with EPERM where we may
 * not trace it: the sentence names the check that failed and its cure (refusal.h).
 */
NODISCARD int target_open(const struct procs *ps, const struct operand *operand, const struct target_options *options,
                          struct target **ret);
void target_close(struct target *t);
#define CLEANUP_TARGET CLEANUP(target_close_ptr)
static inline void target_close_ptr(struct target **t)
{
    if (*t)
        target_close(*t);
}

bool target_is_core(const struct target *t);
pid_t target_pid(const struct target *t);

/** Its mappings, read once; target_maps_again reads them anew. The maps are the target's. */
NODISCARD int target_maps(struct target *t, const struct maps **ret);
NODISCARD int target_maps_again(struct target *t, const struct maps **ret);

/** target_maps_again with rss, pss, dirty and swap, where the kind knows them (MAPS_USAGE in `have`). */
NODISCARD int target_maps_usage(struct target *t, const struct maps **ret);

/** Calls FN for each thread of it that the operand names; stops when FN returns other than 0, and returns that. */
NODISCARD int target_each_thread(struct target *t, int (*fn)(pid_t tid, void *arg), void *arg);

/**
 * Memory, up to the first byte that cannot be read: *GOT bytes. -1 when that is the first: EFAULT
 * nothing is mapped there, EIO it cannot be read, EACCES the page may never come (--remote-fs).
 */
NODISCARD int target_read(struct target *t, uint64_t addr, void *to, size_t n, size_t *got);

/** ADDR could not be read: from where on it is worth trying again. 0: nothing follows. */
uint64_t target_hole(struct target *t, uint64_t addr);

/** All N bytes, read-only pages too, or -1; nothing is written where a page of it is not mapped. */
NODISCARD int target_write(struct target *t, uint64_t addr, const void *from, size_t n);

/** tracer_stop of a thread of it, to be released with tracer_release. */
NODISCARD int target_stop(struct target *t, pid_t tid, struct tracee *ret);

/** The register sets SETS (bits 1 << REGS_...) of a thread; a live one is stopped for that moment. */
NODISCARD int target_regs(struct target *t, pid_t tid, unsigned sets, struct regs *ret);

/**
 * In one stop of the thread: reads SETS, lets EDIT change them, writes those whose bits EDIT left in
 * *CHANGED. EDIT does no I/O; what it returns other than 0 ends it with nothing written, and is returned. At last
 * the sets are read again, and EDIT looks at what stands there now: CHANGED is NULL then.
 */
NODISCARD int target_edit_regs(struct target *t, pid_t tid, unsigned sets,
                               int (*edit)(struct regs *r, unsigned *changed, void *arg), void *arg);

/**
 * The stack of a thread. A live one is stopped for as long as its registers and its stack are copied. -1 with ESRCH it
 * is gone; EPERM, ETIMEDOUT as of target_regs; EBUSY (no_stop) it runs; ENOENT it has no stack. What was found before
 * that (name, state) is in RET.
 */
NODISCARD int target_stack(struct target *t, pid_t tid, const struct stack_want *want, struct stack *ret);

/**
 * The stacks of N threads, in any order: those that have to wait for a processor before they can stop wait together. FN
 * is called once for each, with what target_stack would return (EAGAIN too: it does not run, and WANT is of those that
 * do), and no thread is held for longer than its copy takes if FN is quick. When it returns other than 0 no more are
 * begun. *BEGUN: how many were; -1: FN did, or none can be.
 */
typedef int target_stack_fn(size_t i, int done, const struct stack *stack, void *arg);
NODISCARD int target_stacks(struct target *t, const pid_t *tids, size_t n, const struct stack_want *want,
                            struct stack *room, size_t *begun, target_stack_fn *fn, void *arg);

/**
 * Whether the stack of a thread is known, without stopping it, to be the one that a WANT with `remember` got last: it
 * sleeps in a system call where it did then.
 */
bool target_unmoved(struct target *t, pid_t tid);

/** The value of an auxv entry (getauxval(3)). -1 with ENOENT. */
NODISCARD int target_auxv(struct target *t, uint64_t type, uint64_t *ret);

/**
 * A descriptor of the file that is mapped at MAPPING, through map_files or the target's root, never through
 * our own mount namespace by mistake; a regular file on a file system that cannot wedge us, else -1 with
 * EACCES. For a core: the file of that path, only when its build-id is the one in the core.
 */
NODISCARD int target_open_file(struct target *t, const struct mapping *mapping, int *ret);

/**
 * A descriptor of PATH as the target sees it: below its root, in its mount namespace, no device and no FIFO.
 * For a core, as we see it. -1 with ENOENT, EACCES.
 */
NODISCARD int target_open_path(struct target *t, const char *path, int *ret);

/**
 * A descriptor of the file in which the target says how code is called that it has made (jitmap.h): /tmp/perf-PID.map
 * below its root, PID as the target itself sees it. -1 with ENOENT: there is none, or one from before the target
 * began; EACCES: it is no regular file, or belongs neither to the target's effective user nor to root.
 */
NODISCARD int target_open_jitmap(struct target *t, int *ret);

/** PATH, the name of a mapping, as the target sees it: the part of PATH behind the root that it was put into. */
const char *target_own_path(struct target *t, const char *path);

#endif
