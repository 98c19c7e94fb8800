// SPDX-License-Identifier: MIT
//
// Private to sym and to who shares its child (unwind): what the two ends say to each other, and the objects of a
// target.
#ifndef DMT_SYM_IMPL_H
#define DMT_SYM_IMPL_H

#include "sandbox.h"
#include "sym.h"

// A question is about one object, whose file comes with it unless the child keeps it:
//     u8 op, u8 flags, u32 object, u32 count, for each range of the object: u64 start, end, offset, u8 executable
//     SYM_ADDRS: u32 count, u64 addresses, ascending    SYM_NAME: str    SYM_LINE: u32 line, str file
// An answer is rows: u32 index of the address, and those of struct symbol that sym_row_get reads.
enum sym_op { SYM_ADDRS = 1, SYM_NAME, SYM_EACH, SYM_LINE };
enum {
    SYM_LOADED = 1 << 0,    // it is mapped: the ranges say where; else the addresses are those of the file
    SYM_LINES = 1 << 1,
    SYM_RAW = 1 << 2,       // not demangled
    SYM_UNDEFINED = 1 << 3, // SYM_NAME: those that are not defined here, and only those
    SYM_INLINES = 1 << 4,   // SYM_ADDRS: before the row of an address those of what is inlined there
};

// A request for a file: a letter, and
enum {
    SYM_WANT_FILE = 'F',     // u32 object: its file
    SYM_WANT_BUILD_ID = 'B', // build-id, lower case hexadecimal: the debug file
    SYM_WANT_LINK = 'L',     // u32 object, u8 number of the place, name of .gnu_debuglink: the debug file
};

enum {
    SYM_RANGES_MAX = 4096,
    SYM_ADDRS_MAX = 1 << 18, // of one question
    SYM_NAME_MAX = 2 << 20,  // a longer one is cut
};

void sym_row_put(struct buf *b, uint32_t index, const struct symbol *s);

/** -1 with EPROTO: it is none. The texts point into P. */
NODISCARD int sym_row_get(struct packet *p, uint32_t *index, struct symbol *ret);

/** The child's side: see struct sandbox_job. */
int sym_work(const char *question, size_t n, int file, void *arg);

/** sym_work of a child that keeps files: what KEPT has of an object is looked at where no file came. */
struct image;
int sym_work_kept(const char *question, size_t n, int file, struct image *(*kept)(uint32_t object));

// --- the parent's objects ----------------------------------------------------------

/** A file that is mapped, or the one plain file. */
struct object {
    char *path;             // as shown
    size_t first;           // its first range; the next of it is range.next
    enum { OBJECT_UNKNOWN, OBJECT_ELF, OBJECT_OTHER } is;
    bool vdso;
    bool held;              // the child keeps its file
};

struct range {
    struct mapping mapping;
    size_t object, next;    // SIZE_MAX: none
};

struct syms {
    struct target *target;  // NULL: the plain file
    int fd;
    bool owns_fd;
    struct sym_options options;
    struct sandbox_job job; // of the child: sym's own, or what shares it
    struct sandbox *box;    // NULL: not started
    unsigned children;      // that were started
    struct object *objects; // in the order of the dynamic linker
    size_t nobjects, objects_cap;
    struct range *ranges;   // those of files, by address
    size_t nranges, ranges_cap;
    bool ordered;
};

/** Starts the child, where there is none or it is dead. */
NODISCARD int sym_child(struct syms *s);

/** syms_of_addrs by the files alone. */
NODISCARD int sym_files_of_addrs(struct syms *s, const uint64_t *addrs, size_t n,
                                 int (*fn)(const struct symbol *symbol, void *arg), void *arg);

/** Calls FN for each function called NAME (NULL: each) in code that no file has. -1: FN did, or they cannot be read. */
NODISCARD int sym_jit_called(struct syms *s, const char *name, int (*fn)(const struct symbol *symbol, void *arg),
                             void *arg);

/** Fills objects and ranges of s->target. */
NODISCARD int sym_objects_read(struct syms *s);

/** The object that ADDR may be in: the one *MAPPED there, or (for its zeros) the nearest below. SIZE_MAX: none. */
size_t sym_object_at(const struct syms *s, uint64_t addr, bool *mapped);

/** Whether it is an ELF file, as its first bytes in memory say. */
bool sym_object_is_elf(struct syms *s, struct object *m);

/** A descriptor of its file, or of a copy of the vdso. */
NODISCARD int sym_object_open(struct syms *s, const struct object *m, int *ret);

/** A regular file of ours. */
NODISCARD int sym_open_regular(const char *path, int *ret);

/** The broker, see struct sandbox_job; ARG is the syms. */
int sym_grant(const char *request, size_t n, void *arg, int *ret);

/** Puts the objects into the order in which the dynamic linker looks symbols up: the program, then its link map. */
void sym_objects_order(struct syms *s);

#endif
