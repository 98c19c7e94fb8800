// SPDX-License-Identifier: MIT
//
// Private to gosym: the open tables, and bounded reads of them.
#ifndef DMT_GOSYM_IMPL_H
#define DMT_GOSYM_IMPL_H

#include "gosym.h"

enum {
    GOSYM_PAGES = 64,          // of the cache
    GOSYM_PAGE = 4096,
    GOSYM_LOADS_MAX = 64,
    GOSYM_NAME_MAX = 64 << 10, // bytes of a name of a function or file: a longer one is cut
};

struct gosym_load {
    uint64_t start, offset, filesz, memsz;
    bool exec, write;
};

struct gosym_page {
    uint64_t number;           // and one more; 0: none
    size_t len;                // what of it is there
    unsigned char bytes[GOSYM_PAGE];
};

struct gosym {
    objfile_read_fn *read;
    void *arg;
    struct objfile obj;
    uint64_t bias;             // of obj's addresses; a file has 0
    struct gosym_load loads[GOSYM_LOADS_MAX];
    size_t nloads;
    enum gosym_layout layout;
    unsigned quantum, ptrsize;
    uint64_t table, limit;     // where pclntab is, and the end of the bytes that it can have
    uint64_t nfunc;
    uint64_t functab, nfiles;
    unsigned field;            // bytes of a field of functab
    uint64_t text;             // what entries of functab are added to
    uint64_t names, names_end, cus, files, pctab, funcs;
    bool has_moduledata;       // was looked for
    uint64_t moduledata;       // 0: there is none
    bool has_gofunc;           // was looked for
    uint64_t gofunc;           // what funcdata of 1.18 on are added to; 0: not known
    struct gosym_page *pages;  // GOSYM_PAGES of them, once one was read: most files are no Go programs
};

/** Exactly N bytes at an address. -1 with EPROTO: they are not in the file, or not all in one segment. */
NODISCARD int gosym_get(struct gosym *g, uint64_t addr, void *to, size_t n);
NODISCARD int gosym_u32(struct gosym *g, uint64_t addr, uint32_t *ret);
NODISCARD int gosym_word(struct gosym *g, uint64_t addr, uint64_t *ret); // of the program's pointer size

/**
 * A pointer that the loader fills in: in the file of a position-independent program it may be 0, and what it will be
 * stands in its relocation. 0: unknown.
 */
uint64_t gosym_pointer(struct gosym *g, uint64_t addr);

/** The address in a relative relocation for ADDR, or (BY_TARGET) where one that points to ADDR is. 0: none. */
uint64_t gosym_relocation(struct gosym *g, uint64_t addr, bool by_target);

/** The load that has ADDR, or NULL. */
const struct gosym_load *gosym_load_of(const struct gosym *g, uint64_t addr);

/** The string at ADDR, appended, no longer than GOSYM_NAME_MAX. -1 with EPROTO: it does not end. */
NODISCARD int gosym_string(struct gosym *g, uint64_t addr, struct buf *ret);

/** ADDR is the start of a function's name. */
bool gosym_is_name(struct gosym *g, uint64_t addr);

/** Address of the runtime's moduledata (runtime/symtab.go), or 0. */
uint64_t gosym_moduledata(struct gosym *g);

/** Values over the code of a function (golang.org/s/go12symtab, "PC Value Tables"): one run after another. */
struct gosym_values {
    struct gosym *g;
    uint64_t at;               // of the next byte
    unsigned char bytes[64];
    size_t used, len;
    uint64_t from, to;         // of the run: addresses
    int32_t value;
    unsigned steps;
};
void gosym_values_init(struct gosym_values *v, struct gosym *g, const struct gosym_func *f, uint32_t table);

/** Its next run: 1; 0 at the end. -1 with EPROTO. */
NODISCARD int gosym_values_next(struct gosym_values *v);

/** The value at PC. -1 with ENOENT: the table ends before, or there is none. */
NODISCARD int gosym_value_at(struct gosym *g, const struct gosym_func *f, uint32_t table, uint64_t pc, int32_t *ret);

/** The address of the name of file number FILE of F. -1 with ENOENT. */
NODISCARD int gosym_file(struct gosym *g, const struct gosym_func *f, int32_t file, uint64_t *ret);

/** An inlined call that is active at *PC: 1, its name's address, and *PC where its caller calls it; 0: none. */
NODISCARD int gosym_inlined(struct gosym *g, const struct gosym_func *f, uint64_t *pc, uint64_t *name);

#endif
