// SPDX-License-Identifier: MIT
//
// Private to unwind's part of the child: modules and their call frame information, and the walk along a stack. All of
// this runs locked in (sandbox.h): a crash here is an error there.
#ifndef DMT_UNWIND_CHILD_H
#define DMT_UNWIND_CHILD_H

#include "sym_child.h"
#include "unwind_impl.h"

// --- call frame information (unwind_cfi.c) ---------------------------------------

/** A section .eh_frame or .debug_frame: LSB 5.0, 10.6; DWARF 5, 6.4. */
struct cfi {
    struct bytes bytes;
    uint64_t vaddr;        // of its first byte
    bool debug;            // it is .debug_frame
    bool is64;
    struct bytes hdr;      // .eh_frame_hdr with a table that can be searched, or n is 0
    uint64_t hdr_vaddr;
    size_t hdr_entries;
    struct cfi_range *list; // sorted: made when there is no hdr
    size_t nlist, cap;
    bool listed;
};

/** One of its FDEs: of the code [start, end), addresses of the file. */
struct cfi_range {
    uint64_t start, end;
    size_t at;             // in the section
};

// What is read, and how far.
struct cursor {
    const struct cfi *cfi;
    size_t at, end;
    bool bad;
};

struct cie {
    unsigned version, encoding, address_size;
    bool sized, signal;    // augmentation z, S
    uint64_t code_align, return_reg;
    int64_t data_align;
    size_t program, end;   // of the initial instructions
};

struct fde {
    struct cie cie;
    uint64_t start, size;
    size_t program, end;
};

/** The next N bytes of it as a number, and the next LEB128; 0 and `bad` behind its end. */
uint64_t cfi_get(struct cursor *c, size_t n);
uint64_t cfi_get_leb(struct cursor *c, bool with_sign);

/** A pointer (LSB 5.0, 10.5.1): an address of the file. */
uint64_t cfi_get_pointer(struct cursor *c, unsigned encoding, unsigned address_size);

/** The FDE at AT of the section, with its CIE. */
bool cfi_read_fde(const struct cfi *cfi, size_t at, struct fde *ret);

/** Looks at the header table of an .eh_frame, and forgets it where it cannot be searched. */
void cfi_check_hdr(struct cfi *c);

/** The FDE that covers VADDR. */
bool cfi_find(struct cfi *c, uint64_t vaddr, struct cfi_range *ret);

/** Whether what it says of registers has to be computed, and not only looked up. */
bool cfi_has_expression(const struct cfi *c, const struct cfi_range *range);

/**
 * The FDE and its CIE, put anew for the address START that it has in the target: as those of an .eh_frame without
 * pointers to anything else, behind a table of one entry as .eh_frame_hdr has it. BASE is where it will be, START
 * rounded down to words. -1 with EPROTO.
 */
NODISCARD int cfi_put(const struct cfi *c, const struct cfi_range *range, uint64_t base, uint64_t start,
                      struct buf *ret);

// --- the target (unwind_space.c) -------------------------------------------------

/** A file that is mapped. */
struct file {
    bool tried, is_open, extra_tried;
    struct image image;
    struct cfi eh, debug;
};

/** An executable range. */
struct code {
    uint64_t start, end, offset;
    uint32_t object;       // index into files, or UNWIND_NO_OBJECT
    struct bytes piece;    // without a file: what was read last, and where it is
    uint64_t piece_at;
};

struct space {
    uint64_t entry;        // of the program
    struct code *codes;    // by address
    size_t ncodes;
    struct file *files;
    size_t nfiles;
    struct code *last;
};

NODISCARD int space_read(struct space *s, struct packet *p);
void space_fini(struct space *s);

/** The executable range that PC is in, or NULL. */
struct code *space_code(struct space *s, uint64_t pc);

/** Its file, opened; NULL: it has none that can be read. BIAS: address minus address in the file, at PC. */
struct file *space_file(struct space *s, struct code *c, uint64_t pc, uint64_t *bias);

/** The file OBJECT, opened. NULL: it cannot be. */
struct image *space_image(struct space *s, uint32_t object);

/** The debug information of its file, or of the separate debug file. NULL: none. */
struct lines *space_lines(struct space *s, struct code *c, uint64_t pc, uint64_t *bias);

/** A request for memory: of unwind_impl.h. */
NODISCARD int space_want(uint8_t kind, uint64_t addr, int *ret);

/** Up to N bytes of code at ADDR; how many. */
size_t space_text(struct space *s, uint64_t addr, uint8_t *to, size_t n);

/** The call frame information that covers PC. */
bool space_cfi(struct space *s, uint64_t pc, struct cfi **cfi, struct cfi_range *range, uint64_t *bias);

/** Up to N bytes of the data of files at ADDR, as they stand in the file. */
bool space_data(struct space *s, uint64_t addr, void *to, size_t n);

// --- the walk (unwind_climb.c) ----------------------------------------------------

struct region {
    uint64_t base;
    struct bytes bytes;
    bool cut;
};

/** The registers of a frame, by DWARF number. */
struct frame_regs {
    uint64_t at[REG_DWARF_MAX];
    uint64_t known;        // bits
};

static inline bool frame_knows(const struct frame_regs *r, unsigned number)
{
    return r->known >> number & 1;
}

/** What a step begins with, and ends with: the frame that called. */
struct place {
    struct frame_regs regs;
    bool exact;            // as of struct frame
    enum unwind_how how;
};

/** A frame of which more is wanted than its addresses. */
struct spot {
    struct place place;
    bool has_cfa;
    uint64_t cfa;
};

struct spots {
    struct spot *at;
    size_t n, cap;
};

/** The stack that is unwound. */
struct climb {
    struct space *space;
    struct region regions[STACK_REGIONS];
    size_t nregions;
    bool missed;           // a step wanted a byte behind a region that was cut
    const char *why;       // STEP_END
    struct stack_user user;
    struct cfi_engine *engine;
    struct spots *spots;   // where frames are kept, or NULL
};

/** N bytes of the copied stack. */
bool climb_read(struct climb *w, uint64_t addr, void *to, size_t n);

/** One way to find the frame that called. */
enum stepped {
    STEP_NO,               // it is not possible in this way
    STEP_DONE,
    STEP_LAST,             // nobody has called it: the thread began here
    STEP_END,              // it has a caller that no way finds: `why`
};
typedef enum stepped step_fn(struct climb *w, const struct place *from, struct place *to);
step_fn step_signal, step_go, step_cfi, step_fp, step_scan;

/** Whether a thread begins in the code at PC, by convention. */
bool climb_is_first(struct climb *w, const struct place *at);

/** libunwind's part (unwind_cfistep.c). */
NODISCARD int cfi_engine_open(struct cfi_engine **ret);
void cfi_engine_close(struct cfi_engine *e);

/** Walks and answers. */
NODISCARD int climb_stack(struct climb *w, const struct frame_regs *regs, size_t max, uint32_t index,
                          struct buf *answer);

// --- variables (unwind_locals.c) -----------------------------------------------------

struct locals_question {
    size_t max, from;      // frames
    const char *only;      // a name, or NULL
    uint32_t refused[UNWIND_REFUSED_MAX], nrefused; // objects
};

/** Answers frame by frame. */
NODISCARD int locals_of_stack(struct climb *w, const struct frame_regs *regs, const struct locals_question *q);

// --- the machine (unwind_x86_64.c, unwind_aarch64.c) -------------------------------

/** Whether the bytes before ADDR end in a call: ADDR may be a return address. */
bool machine_is_return(struct space *s, uint64_t addr);

/** Whether PC is in code that ends a signal handler: *CONTEXT is what has to be added to sp to have the ucontext. */
bool machine_is_sigreturn(struct space *s, uint64_t pc, uint64_t *context);

/** At the edges of a function that keeps a frame pointer: where the return address is, as an offset from sp; or -1. */
int machine_frame_edge(struct space *s, uint64_t pc);

/** Whether the code at PC, to which nobody returns, starts a thread of a C library without call frame information. */
bool machine_is_thread_start(struct space *s, uint64_t pc);

/** The registers that a function leaves as they were (bits): those that a caller's frame has without being told. */
extern const uint64_t machine_saved;

/** The DWARF number of the register that a call leaves the return address in; -1: it is put on the stack. */
extern const int machine_link;

/** A pointer to code as it is without what the processor has signed it with. */
uint64_t machine_plain(uint64_t pc);

#endif
