// SPDX-License-Identifier: MIT
//
// What a Go program says of its own code: .gopclntab, which the runtime needs for its stack traces, so that `strip`
// and -ldflags "-s -w" leave it. Functions, files and lines, inlined calls and the exact size of each frame, of any
// address. Layouts: Go 1.2, 1.16, 1.18, 1.20 and 1.26 (debug/gosym/pclntab.go, runtime/symtab.go and
// internal/abi/symtab.go of Go's source; golang.org/s/go12symtab).
//
// The tables are a stranger's: each read is bounded by the segment that it is in, each loop by a number, nothing is
// mapped and no table is read whole: what is kept is a cache of fixed size.
#ifndef DMT_GOSYM_H
#define DMT_GOSYM_H

#include "buf.h"
#include "objfile.h"

struct gosym;

enum gosym_layout { GOSYM_1_2, GOSYM_1_16, GOSYM_1_18, GOSYM_1_20 };

/**
 * The tables of an ELF file: found by the name of their section (.gopclntab, .data.rel.ro.gopclntab), where ld(1) has
 * put them into .data.rel.ro of a Go program, and in a file without section headers, by their first bytes. Addresses
 * are those of the file. -1 with ENOENT: it has none, ENOEXEC: it is no ELF file, EPROTO: it has one that is damaged,
 * or of a layout that is not known.
 */
NODISCARD int gosym_open(objfile_read_fn *read, void *arg, struct gosym **ret);

/**
 * The same of a module that is mapped with its first byte at address BASE. Addresses are those of the process. All
 * that is not written is looked through: for modules whose file cannot be opened.
 */
NODISCARD int gosym_open_loaded(objfile_read_fn *read, void *arg, uint64_t base, struct gosym **ret);
void gosym_close(struct gosym *g);
#define CLEANUP_GOSYM CLEANUP(gosym_close_ptr)
static inline void gosym_close_ptr(struct gosym **g)
{
    if (*g)
        gosym_close(*g);
}

enum gosym_layout gosym_layout(const struct gosym *g);
uint16_t gosym_machine(const struct gosym *g); // EM_
uint64_t gosym_pclntab(const struct gosym *g); // its address

/** The number of its functions. */
size_t gosym_count(const struct gosym *g);

/** One function, as it was compiled: what is inlined into it is part of it. */
struct gosym_func {
    uint64_t entry, end;      // addresses; END is where the next one begins
    size_t index;             // by address
    uint64_t name;            // address of its name, for gosym_name
    // What the tables have on it; 0: nothing. For gosym alone.
    uint64_t pcdata;
    uint32_t pcsp, pcfile, pcln, npcdata, cu;
    uint8_t nfuncdata, flags; // flags: Go 1.17 on
    bool has_flags;
};

/** Function I < gosym_count. -1 with ENOENT: a gap without Go code, EPROTO: damaged. */
NODISCARD int gosym_func(struct gosym *g, size_t i, struct gosym_func *ret);

/** The function whose code, or the padding behind it, is at PC. -1 with ENOENT: none, EPROTO. */
NODISCARD int gosym_func_at(struct gosym *g, uint64_t pc, struct gosym_func *ret);

/** Its name as Go prints it (`main.(*T).M`), appended to RET. -1 with EPROTO. */
NODISCARD int gosym_name(struct gosym *g, const struct gosym_func *f, struct buf *ret);
bool gosym_is_named(struct gosym *g, const struct gosym_func *f, const char *name);

/** The bytes of its code, without padding. */
NODISCARD int gosym_size(struct gosym *g, const struct gosym_func *f, uint64_t *ret);

/** The function called NAME. -1 with ENOENT. A walk over all names. */
NODISCARD int gosym_find(struct gosym *g, const char *name, struct gosym_func *ret);

/** File, appended, and line of PC in F. -1 with ENOENT: none is recorded, as in padding; EPROTO. */
NODISCARD int gosym_line(struct gosym *g, const struct gosym_func *f, uint64_t pc, struct buf *file, unsigned *line);

/** A function that is active at a PC: inlined ones first, the one that was compiled last. Strings valid in the call. */
struct gosym_frame {
    const struct gosym_func *func;
    const char *name, *file;  // FILE NULL, LINE 0: not recorded
    unsigned line;            // where it is, or where it calls the one before
    bool inlined;
};

/**
 * Calls FN for each function that is active at PC. Inlined calls are not known of Go before 1.13. Stops when FN
 * returns other than 0, and returns that. -1 as gosym_func_at.
 */
NODISCARD int gosym_frames(struct gosym *g, uint64_t pc, int (*fn)(const struct gosym_frame *frame, void *arg),
                           void *arg);

/**
 * Calls FN for each place where the code of FILE:LINE begins, or that of the next line of that file that has code;
 * FILE is a path or the end of one.
 */
NODISCARD int gosym_each_line(struct gosym *g, const char *file, unsigned line,
                              int (*fn)(uint64_t pc, const char *file, unsigned line, void *arg), void *arg);

/** How far the stack pointer is below the return address at PC, bytes. -1 with ENOENT: not Go's frame; EPROTO. */
NODISCARD int gosym_spdelta(struct gosym *g, const struct gosym_func *f, uint64_t pc, uint64_t *ret);

/** What a function does to the stack. */
enum gosym_role {
    GOSYM_PLAIN,
    GOSYM_TOP,         // nobody has called it: goexit, mstart, rt0_go, ...
    GOSYM_SYSTEMSTACK, // its caller is on the goroutine's stack
    GOSYM_MORESTACK,   // the goroutine goes on where it was saved
    GOSYM_SWITCHES,    // it writes the stack pointer, as no table says
    GOSYM_PANIC,       // a fault made the caller call it: the caller's pc is exact
    GOSYM_SIGNAL,      // the kernel called it: behind its frame are the registers of what was interrupted
};
NODISCARD int gosym_role(struct gosym *g, const struct gosym_func *f, enum gosym_role *ret);

/**
 * F, GOSYM_SWITCHES, calls C, as time.now the vDSO, on the system's stack or on what it has aligned of its own. 1: at PC
 * its own stack pointer is in a register that C leaves as it was (gosym_kept, by DWARF number); 0: not yet, or not any
 * more: it is the stack pointer. -1 with ENOTSUP: it is no such function. By its code; all of Go 1.17 on are alike.
 */
NODISCARD int gosym_keeps_sp(struct gosym *g, const struct gosym_func *f, uint64_t pc);
unsigned gosym_kept(const struct gosym *g);

/** Where the program keeps its variables, as the runtime's moduledata says. END 0: not known. */
struct gosym_range {
    uint64_t start, end;
};
struct gosym_range gosym_data(struct gosym *g);
struct gosym_range gosym_bss(struct gosym *g);

#endif
