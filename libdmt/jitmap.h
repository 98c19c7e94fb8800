// SPDX-License-Identifier: MIT
//
// Names of code that a compiler has made in the running process: a file /tmp/perf-PID.map that it writes for perf(1),
// a line `START SIZE NAME` for each function, numbers in hexadecimal (tools/perf/Documentation/jit-interface.txt of
// Linux). A later line replaces an earlier one. It is a stranger's text, and read line by line from its end: it may be
// large, and what was written last counts.
#ifndef DMT_JITMAP_H
#define DMT_JITMAP_H

#include "target.h"

enum {
    JITMAP_LINE_MAX = 256 << 10, // a longer line is none
    JITMAP_READ_MAX = 256 << 20, // bytes, the last of the file, that are looked through
    JITMAP_NAME_MAX = 4096,      // a longer name is cut
    JITMAP_LIST_MAX = 1 << 22,   // names that are listed
};

struct jitmap_line {
    uint64_t start, size;        // start + size is no more than 2^64 - 1, size no less than 1
    const char *name;            // NAME_LEN bytes, at least 1, no zero byte
    size_t name_len;
};

/** A line without its end. -1: it is none. Pure; the name points into LINE. */
NODISCARD int jitmap_parse(const char *line, size_t n, struct jitmap_line *ret);

/**
 * Calls FN once for each of the N ascending, different addresses that a line of the file covers, with the last such
 * line; in no order. Other return values of FN than 0 end it and are returned. A last line without an end is
 * being written, and left out. -1 with EFBIG: not all of the file was looked through.
 */
NODISCARD int jitmap_find(int fd, const uint64_t *addrs, size_t n,
                          int (*fn)(size_t i, const struct jitmap_line *line, void *arg), void *arg);

/** Calls FN for each line, the last first. */
NODISCARD int jitmap_lines(int fd, int (*fn)(const struct jitmap_line *line, void *arg), void *arg);

// --- of a target -----------------------------------------------------------------------------------

/** What is known of an address. */
struct jit_name {
    uint64_t addr, start, size;
    size_t name, name_len;       // where in the text; a string
    bool found;
};

struct jit_names {
    struct jit_name *at;         // by address
    size_t n, cap;
    struct buf text;
};

void jit_names_fini(struct jit_names *j);
#define CLEANUP_JIT_NAMES CLEANUP(jit_names_fini)

static inline const char *jit_name_text(const struct jit_names *j, const struct jit_name *name)
{
    return j->text.data + name->name;
}

/**
 * The names of those of the N addresses that lie in code which is no file's. RET is empty. 0 too where there are
 * none; -1 with EIO: the target's file cannot be read or believed, for this reason (target_open_jitmap).
 */
NODISCARD int jit_names_find(struct target *t, const uint64_t *addrs, size_t n, struct jit_names *ret);

/** What was found of an address, or NULL. */
const struct jit_name *jit_names_at(const struct jit_names *j, uint64_t addr);

/** The same of the functions called NAME (NULL: of all) that are still there. */
NODISCARD int jit_names_called(struct target *t, const char *name, struct jit_names *ret);

#endif
