// SPDX-License-Identifier: MIT
//
// Private to the child of sym and unwind: an ELF file as libelf shows it, its symbol tables, its lines. All of this
// runs locked in (sandbox.h): a crash here is an error there.
#ifndef DMT_SYM_CHILD_H
#define DMT_SYM_CHILD_H

#include "sym_impl.h"

#include <elfutils/libdw.h>
#include <gelf.h>
#include <string.h>

// Bytes of a stranger.
struct bytes {
    const uint8_t *at;
    size_t n;
};

struct load {
    uint64_t offset, vaddr, filesz, memsz;
    bool exec, write;
};

struct section {
    uint64_t addr, size, flags;
    uint32_t type;
};

/** A symbol table, in the mapped file. */
struct symtab {
    Elf *elf;                 // NULL: there is none
    const void *syms, *xndx;  // Elf32_Sym or Elf64_Sym; Elf32_Word or NULL
    size_t n;
    bool is64;
    const char *strings;      // the last byte is zero
    size_t nstrings;
    struct section *sections; // of the file that it is in
    size_t nsections;
};

/** A further file. */
struct extra {
    int fd;
    Elf *elf;
    bool tried;
};

/** What was read of a file stays until it is closed. */
struct image {
    int fd;                   // -1: closed, libelf has mapped it or read it whole
    uint32_t object;          // for requests
    Elf *elf;
    struct bytes raw;         // the file
    GElf_Ehdr ehdr;
    struct load *loads;
    size_t nloads;
    uint64_t biases[16];      // of each place where it is mapped
    size_t nbiases;
    struct symtab tabs[2];
    size_t ntabs;
    bool tabs_tried;
    bool has_symtab;          // one of them is a .symtab
    bool lines_tried;
    struct lines *lines;      // once image_lines has looked
    struct extra debug, alt;
    struct gosym *go;         // Go's tables, once image_go has looked
    bool go_tried;
    struct Dwfl *dwfl;        // has unpacked .gnu_debugdata
};

/** What a file range is in the target. */
struct mapped {
    uint64_t start, end, offset;
    bool exec;
};

/** Of FD, which stays the caller's. To be closed also when it fails. */
NODISCARD int image_open(int fd, uint32_t object, struct image *ret);
void image_close(struct image *m);

/** Lets the image do without its descriptor: a process may have few. */
void image_close_fd(struct image *m);

/** A descriptor of its file: the caller's. -1: none. */
int image_fd(const struct image *m);

/** Where it is mapped: fills biases. */
void image_place(struct image *m, const struct mapped *at, size_t n);

/** Whether a segment has that address. */
bool image_covers(const struct image *m, uint64_t vaddr);

/** Opens the tables that know most: .symtab, of itself or a debug file, else .dynsym and .gnu_debugdata. */
NODISCARD int image_symtabs(struct image *m);

/** A section by name. NULL: there is none. */
Elf_Scn *image_section(Elf *elf, const char *name, GElf_Shdr *ret);

/** The separate debug file, by build-id or .gnu_debuglink. NULL: there is none. */
Elf *image_debug(struct image *m);

/** What dwz moved out of the debug file, by its build-id. */
Elf *image_alt(struct image *m, const unsigned char *id, size_t n);

/** The table of type SHT_SYMTAB or SHT_DYNSYM of a file; without one RET->elf is NULL. */
NODISCARD int symtab_open(Elf *elf, uint32_t type, struct symtab *ret);

/** The table that PT_DYNAMIC leads to: of a file without section headers. */
bool symtab_of_dynamic(const struct image *m, struct symtab *ret);
void symtab_close(struct symtab *t);

// Inline: a pass over a table is nothing but these.
static inline void symtab_at(const struct symtab *t, size_t i, GElf_Sym *ret, uint32_t *shndx)
{
    if (t->is64) {
        memcpy(ret, (const char *)t->syms + i * sizeof *ret, sizeof *ret);
    } else {
        Elf32_Sym s;
        memcpy(&s, (const char *)t->syms + i * sizeof s, sizeof s);
        *ret = (GElf_Sym){s.st_name, s.st_info, s.st_other, s.st_shndx, s.st_value, s.st_size};
    }
    *shndx = ret->st_shndx;
    if (ret->st_shndx == SHN_XINDEX && t->xndx)
        memcpy(shndx, (const char *)t->xndx + i * sizeof *shndx, sizeof *shndx);
}

static inline void symtab_extent(const struct symtab *t, size_t i, uint64_t *value, uint64_t *size)
{
    if (t->is64) {
        const char *at = (const char *)t->syms + i * sizeof(Elf64_Sym);
        memcpy(value, at + offsetof(Elf64_Sym, st_value), sizeof *value);
        memcpy(size, at + offsetof(Elf64_Sym, st_size), sizeof *size);
    } else {
        Elf32_Sym s;
        memcpy(&s, (const char *)t->syms + i * sizeof s, sizeof s);
        *value = s.st_value;
        *size = s.st_size;
    }
}

static inline const char *symtab_name(const struct symtab *t, const GElf_Sym *sym)
{
    return sym->st_name < t->nstrings ? t->strings + sym->st_name : "";
}

/** One that looks for no files. */
struct Dwfl *image_dwfl(void);

/** The Elf inside of .gnu_debugdata, the image's to close, or NULL. */
Elf *image_mini(struct image *m);
void image_mini_close(struct image *m);

/** The letters of struct symbol. */
char symtab_type(const struct symtab *t, const GElf_Sym *sym, uint32_t shndx);
char symtab_bind(const GElf_Sym *sym);

// --- names -------------------------------------------------------------------------

/** As people write it: demangled, without version (`@@V`). To be freed; NULL: as it is. */
char *name_pretty(const char *name);

/** A name that is looked for. */
struct name_query {
    const char *text;
    char word[256];           // what stands in every mangled name of it; empty: not known
    bool mangled;             // TEXT is none that could be demangled: only tables are compared
};
void name_query_init(struct name_query *q, const char *text);
bool name_matches(const struct name_query *q, const char *name);

// --- lines -------------------------------------------------------------------------

struct lines;

/** NULL: the image has no lines, and no debug file for it has. */
struct lines *image_lines(struct image *m);
void lines_close(struct lines *l);
/** Of VADDR; in an object file, of the section SHNDX. */
bool lines_of(struct lines *l, uint64_t vaddr, uint32_t shndx, const char **file, unsigned *line);

/**
 * Calls FN for each place where the code of FILE:LINE begins, or that of the next line that has code. In an object
 * file nothing is found.
 */
NODISCARD int lines_each(struct lines *l, const char *file, unsigned line,
                         int (*fn)(uint64_t vaddr, const char *file, unsigned line, void *arg), void *arg);

/** The DWARF information that they are of, and the unit whose code VADDR is in. */
Dwarf *lines_dwarf(struct lines *l);
bool lines_unit(struct lines *l, uint64_t vaddr, Dwarf_Die *ret);

// --- scopes (sym_scope.c) ----------------------------------------------------------

/** What sym_scope.c keeps with the lines. */
struct scope_cache;
struct scope_cache **lines_cache(struct lines *l);
void scope_cache_free(struct scope_cache *c);

enum { SCOPES_MAX = 256 };

/** A function, and what of it VADDR is in: blocks and inlined functions, from the outermost to the innermost. */
struct scopes {
    Dwarf_Die cu;
    Dwarf_Die at[SCOPES_MAX];
    size_t n;
};
/** To the sibling that stands behind it: a file may have one before it, and there is no end then. */
bool scope_next(Dwarf_Die *die);

bool scopes_of(struct lines *l, uint64_t vaddr, struct scopes *ret);

/** The name of a function, as a symbol table would have it. NULL: it has none. */
const char *scope_function(Dwarf_Die *die);

/**
 * Puts a row for each function that is inlined at VADDR, innermost first. *FILE and *LINE are those of the address, then
 * of where the outermost of them is called.
 */
void inlines_of(struct lines *l, uint64_t vaddr, uint64_t addr, uint32_t index, unsigned flags, struct buf *rows,
                const char **file, unsigned *line);

// --- answers -----------------------------------------------------------------------

struct answers {
    struct image *image;
    struct lines *lines;      // NULL: not asked for, or none
    unsigned flags;
    struct buf rows;
};

/** One row: of the address at INDEX (0 for other questions) at ADDR, SYM NULL where nothing was found. */
NODISCARD int answer_symbol(struct answers *a, uint32_t index, uint64_t addr, uint64_t bias, const struct symtab *t,
                            const GElf_Sym *sym, uint32_t shndx, const char *name);
NODISCARD int answer_flush(struct answers *a);
/** A row that is made. Flushes now and then. */
NODISCARD int answer_row(struct answers *a, uint32_t index, const struct symbol *row);

struct asked {
    uint64_t addr;
    uint32_t index;
};

/** Rows for N addresses, ascending. */
NODISCARD int answer_addrs(struct answers *a, const struct asked *at, size_t n);

// --- Go ----------------------------------------------------------------------------

/** The tables that a Go program has of its own functions. NULL: it has none. */
struct gosym *image_go(struct image *m);
void image_go_close(struct image *m);

/** Whether they are to be asked for names: a .symtab has them too, and more. */
static inline bool go_names(const struct image *m)
{
    return !m->has_symtab;
}

/** A row of the Go function at ADDR: 1; 0: there is none. */
NODISCARD int go_answer(struct answers *a, uint32_t index, uint64_t addr, uint64_t bias);

/** File, into TEXT, and line of VADDR. */
bool go_line(struct image *m, uint64_t vaddr, struct buf *text, unsigned *line);

/**
 * As inlines_of, by those tables, where there is no debug information. FILE, if it is not empty then, and LINE are those
 * of the function itself.
 */
void go_inlines(struct answers *a, uint32_t index, uint64_t addr, uint64_t bias, struct buf *file, unsigned *line);

/** Rows of all Go functions, or those called NAME. */
NODISCARD int go_functions(struct answers *a, const char *name);

/** As lines_each. */
NODISCARD int go_lines_each(struct image *m, const char *file, unsigned line,
                            int (*fn)(uint64_t vaddr, const char *file, unsigned line, void *arg), void *arg);

#endif
