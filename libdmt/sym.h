// SPDX-License-Identifier: MIT
//
// Modules, and symbols of them both ways. What libelf and libdw parse they parse in the sandboxed child: the
// answers come back as rows. Memory stays bounded: no symbol table is read whole for one address.
#ifndef DMT_SYM_H
#define DMT_SYM_H

#include "target.h"

/** One symbol, or what is known of an address. Texts are bytes of a stranger, strings, valid during the call. */
struct symbol {
    uint64_t addr;         // the question: the address; by name: the symbol's own
    bool found;            // name, value, size, type and bind are valid
    bool inlined;          // a function that is inlined there: name (or NULL), pretty, file and line are valid
    const char *name;      // as it stands in the table
    const char *pretty;    // as people write it: demangled, without version; NULL: as it stands
    uint64_t value, size;  // address in the target; bytes, 0: not said
    char type;             // T text, D data, B bss, R read-only data, I indirect function (its resolver's address);
                           // whose value is no address of the target: U undefined, N thread-local (an offset in its
                           // module's block), A absolute, C common (an alignment); ? none of these
    char bind;             // L local, G global, W weak, U unique
    const char *object;    // path of the module, or NULL: in none
    const char *file;      // source file and line, or NULL
    unsigned line;
};

struct sym_options {
    bool lines;            // file and line too
    bool inlines;          // syms_of_addrs: inlined functions too
    bool raw_names;        // as they stand in the table
};

struct syms;

/**
 * The symbols of a target as it is mapped now, or (target NULL) of the plain ELF file FD, called NAME. Both stay the
 * caller's.
 */
NODISCARD int syms_open(struct target *t, int fd, const char *name, const struct sym_options *options,
                        struct syms **ret);

/** Those of the ELF file at PATH. -1 with EACCES: not a regular file, ENOEXEC: no ELF file, or a core. */
NODISCARD int syms_open_file(const char *path, const struct sym_options *options, struct syms **ret);
void syms_close(struct syms *s);
#define CLEANUP_SYMS CLEANUP(syms_close_ptr)
static inline void syms_close_ptr(struct syms **s)
{
    if (*s)
        syms_close(*s);
}

/**
 * Calls FN once for each of the N addresses, in order, found or not; with inlines before that for each function that is
 * inlined there, innermost first: each has the file and line where the one before it is called. -1: FN did, or (after all calls) the file of a
 * module could not be read, or broke the child (EIO): its addresses are not found.
 */
NODISCARD int syms_of_addrs(struct syms *s, const uint64_t *addrs, size_t n,
                            int (*fn)(const struct symbol *symbol, void *arg), void *arg);

/**
 * Calls FN for each symbol called NAME (as in the table, demangled, or demangled without its arguments), of all
 * modules or those whose path or base name is MODULE; in the order of the dynamic linker, in a module the global
 * ones first.
 * Undefined ones only where no module defines it. Modules that cannot be read are left out as long as another has
 * one; else -1 with the reason. -1 with ENOENT: none.
 */
NODISCARD int syms_of_name(struct syms *s, const char *name, const char *module,
                           int (*fn)(const struct symbol *symbol, void *arg), void *arg);

/** Calls FN for each symbol of the target or file; those of files that cannot be read are left out, then -1. */
NODISCARD int syms_each(struct syms *s, int (*fn)(const struct symbol *symbol, void *arg), void *arg);

/**
 * The addresses at which the code of a line begins, or of the next line of that file that has code; FILE is a path or
 * the end of one. For each: FN, with file and line. -1 with ENOENT.
 */
NODISCARD int syms_of_line(struct syms *s, const char *file, unsigned line,
                           int (*fn)(const struct symbol *symbol, void *arg), void *arg);

#endif
