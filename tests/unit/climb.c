// SPDX-License-Identifier: MIT
//
// The walk along a stack (unwind_climb.c) through a program that is made here: what compilers seldom write, and how
// stacks end that no fixture has at a moment of choice.
#include "../gotables.h"
#include "err.h"
#include "gosym.h"
#include "unit.h"
#include "unwind_child.h"

#include <dwarf.h>
#include <errno.h>
#include <stdio.h>

#ifdef __x86_64__

enum { TEXT = 0x10000, TEXT_SIZE = 0x1000, BIAS = 0x550000000000, STACK = 0x7f0000000000, WORDS = 16, ANSWER = 7 };

// A file of code alone, mapped at BIAS, and a stack.
struct world {
    uint8_t text[TEXT_SIZE];
    struct load load;
    struct file file;
    struct code code;
    struct space space;
    struct climb climb;
    uint64_t stack[WORDS];
    struct frame_regs regs;
};

static void make(struct world *w)
{
    *w = (struct world){.load = {.vaddr = TEXT, .filesz = TEXT_SIZE, .memsz = TEXT_SIZE, .exec = true}};
    memset(w->text, 0x90, sizeof w->text);
    w->file = (struct file){.tried = true, .is_open = true, .extra_tried = true};
    w->file.image.raw = (struct bytes){w->text, sizeof w->text};
    w->file.image.lines_tried = true;
    w->file.image.loads = &w->load;
    w->file.image.nloads = 1;
    w->file.image.go_tried = true;
    w->code = (struct code){.start = BIAS + TEXT, .end = BIAS + TEXT + TEXT_SIZE};
    w->space = (struct space){.codes = &w->code, .ncodes = 1, .files = &w->file, .nfiles = 1};
    w->climb.space = &w->space;
    w->climb.regions[0] = (struct region){STACK, {(const uint8_t *)w->stack, sizeof w->stack}, false};
    w->climb.nregions = 1;
    w->regs.known = ~0ULL;
    w->regs.at[reg_dwarf_sp] = STACK;
}

struct walked {
    enum unwind_end end;
    char reason[128];
    uint32_t n;
    uint64_t pc[4];
    enum unwind_how how[4];
};

static struct walked walk(struct world *w, uint64_t pc)
{
    CLEANUP_BUF struct buf answer = {0};
    struct walked ret = {0};
    w->regs.at[reg_dwarf_pc] = pc;
    check(cfi_engine_open(&w->climb.engine) == 0 && climb_stack(&w->climb, &w->regs, 4, ANSWER, &answer) == 0);
    cfi_engine_close(w->climb.engine);
    struct packet p = packet_of(answer.data, answer.len);
    check(packet_u32(&p) == ANSWER);
    ret.end = packet_u8(&p);
    const char *reason = packet_str(&p);
    snprintf(ret.reason, sizeof ret.reason, "%s", reason ? reason : "");
    ret.n = packet_u32(&p);
    for (uint32_t i = 0; i < ret.n && i < 4; i++) {
        ret.pc[i] = packet_u64(&p);
        (void)packet_u64(&p);
        (void)packet_u64(&p);
        ret.how[i] = packet_u8(&p);
        (void)packet_u8(&p);
    }
    check(!p.bad);
    return ret;
}

// --- DW_CFA_set_loc ------------------------------------------------------------------

static void put_length(struct buf *b, size_t at)
{
    const uint32_t length = (uint32_t)(b->len - at - 4);
    memcpy(b->data + at, &length, sizeof length);
}

// A function from TEXT on: the CFA is sp + 8, and from TEXT + TO on sp + 24. The pointers are of this encoding.
static void put_function(struct buf *b, uint64_t vaddr, unsigned encoding, uint64_t to)
{
    const size_t size = (encoding & 0x0f) == DW_EH_PE_sdata4 ? 4 : 8;
    const bool relative = (encoding & 0xf0) == DW_EH_PE_pcrel;
    packet_put_u32(b, 0);
    packet_put_u32(b, 0);
    packet_put_u8(b, 1);
    buf_add(b, "zR", 3);
    buf_add(b, "\1\x78\x10\1", 4);
    packet_put_u8(b, (uint8_t)encoding);
    buf_add(b, (const uint8_t[]){DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1}, 5);
    put_length(b, 0);
    const size_t fde = b->len;
    packet_put_u32(b, 0);
    packet_put_u32(b, (uint32_t)fde + 4);
    uint64_t v = TEXT - (relative ? vaddr + b->len : 0);
    buf_add(b, &v, size);
    v = 0x100;
    buf_add(b, &v, size);
    packet_put_u8(b, 0);
    packet_put_u8(b, DW_CFA_advance_loc | 1);
    packet_put_u8(b, DW_CFA_set_loc);
    v = TEXT + to - (relative ? vaddr + b->len : 0);
    buf_add(b, &v, size);
    buf_add(b, (const uint8_t[]){DW_CFA_def_cfa_offset, 24}, 2);
    put_length(b, fde);
}

static void test_set_loc(void)
{
    static const unsigned encodings[] = {DW_EH_PE_absptr, DW_EH_PE_pcrel | DW_EH_PE_sdata4, DW_EH_PE_sdata4};
    for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
        CLEANUP_BUF struct buf cfi = {0};
        struct world w;
        make(&w);
        put_function(&cfi, 0x20000, encodings[i], 0x40);
        w.file.eh = (struct cfi){.bytes = {(const uint8_t *)cfi.data, cfi.len}, .vaddr = 0x20000, .is64 = true};
        w.stack[0] = BIAS + TEXT + 0x201;
        w.stack[2] = BIAS + TEXT + 0x301;
        struct walked before = walk(&w, BIAS + TEXT + 0x3f), behind = walk(&w, BIAS + TEXT + 0x40);
        check(before.n >= 2 && before.pc[1] == BIAS + TEXT + 0x201 && before.how[1] == HOW_CFI);
        check(behind.n >= 2 && behind.pc[1] == BIAS + TEXT + 0x301 && behind.how[1] == HOW_CFI);
        free(w.file.eh.list);
    }
}

// Where nothing else finds a caller, the stack ends.
static bool is_refused(uint64_t to, const uint8_t *more, size_t n)
{
    CLEANUP_BUF struct buf cfi = {0};
    struct world w;
    make(&w);
    put_function(&cfi, 0x20000, DW_EH_PE_absptr, to);
    if (n > 0) { // in place of the last instruction
        memcpy(cfi.data + cfi.len - 2, more, n < 2 ? n : 2);
        buf_add(&cfi, more + 2, n - 2);
        put_length(&cfi, (size_t)*(uint32_t *)(void *)cfi.data + 4);
    }
    w.file.eh = (struct cfi){.bytes = {(const uint8_t *)cfi.data, cfi.len}, .vaddr = 0x20000, .is64 = true};
    w.stack[0] = BIAS + TEXT + 0x201;
    struct walked none = walk(&w, BIAS + TEXT + 0x3f);
    free(w.file.eh.list);
    return none.n == 1 && none.end == UNWIND_BROKEN && strstr(none.reason, "no way to unwind");
}

// libunwind guesses where it is given nothing, and crashes on a register that is none.
static void test_nonsense(void)
{
    static const uint8_t good[] = {DW_CFA_register, 3, 6}, bad[] = {DW_CFA_register, 3, 0x7f},
                         cut[] = {DW_CFA_def_cfa_offset, 0x80}, strange[] = {0x3a, 0x3a},
                         expression[] = {DW_CFA_def_cfa_expression, 9, 0};
    check(!is_refused(0x40, NULL, 0) && is_refused(0, NULL, 0));
    check(!is_refused(0x40, good, sizeof good) && is_refused(0x40, bad, sizeof bad));
    check(is_refused(0x40, cut, sizeof cut) && is_refused(0x40, strange, sizeof strange));
    check(is_refused(0x40, expression, sizeof expression));
}

// What has to be run anew at each step is not run for ever.
static void test_long(void)
{
    enum { LONG = 60000, FRAMES = 4096 };
    static uint64_t stack[FRAMES];
    CLEANUP_BUF struct buf cfi = {0}, answer = {0};
    struct world w;
    uint32_t cie;
    make(&w);
    put_function(&cfi, 0x20000, DW_EH_PE_absptr, 1);
    cfi.len -= 2;
    buf_add(&cfi, (const uint8_t[]){DW_CFA_def_cfa_expression, 2, DW_OP_breg0 + 7, 8}, 4);
    for (unsigned i = 0; i < LONG / 2; i++)
        buf_add(&cfi, (const uint8_t[]){DW_CFA_GNU_args_size, 0}, 2);
    memcpy(&cie, cfi.data, sizeof cie);
    put_length(&cfi, cie + 4);
    w.file.eh = (struct cfi){.bytes = {(const uint8_t *)cfi.data, cfi.len}, .vaddr = 0x20000, .is64 = true};
    for (unsigned i = 0; i < FRAMES; i++)
        stack[i] = BIAS + TEXT + 0x40;
    w.climb.regions[0].bytes = (struct bytes){(const uint8_t *)stack, sizeof stack};
    w.regs.at[reg_dwarf_pc] = BIAS + TEXT + 0x40;
    check(cfi_engine_open(&w.climb.engine) == 0);
    check(climb_stack(&w.climb, &w.regs, FRAMES, ANSWER, &answer) == 0);
    cfi_engine_close(w.climb.engine);
    struct packet p = packet_of(answer.data, answer.len);
    check(packet_u32(&p) == ANSWER && packet_u8(&p) == UNWIND_SWITCHED);
    const char *reason = packet_str(&p);
    const uint32_t n = packet_u32(&p);
    check(reason && strstr(reason, "too long") && n > 16 && n < FRAMES / 2);
    free(w.file.eh.list);
}

// --- Go's switches -------------------------------------------------------------------

struct image_bytes {
    uint8_t at[GOTABLES_SIZE];
};

static int read_image(void *arg, uint64_t at, void *to, size_t n, size_t *got)
{
    const struct image_bytes *b = arg;
    if (at >= sizeof b->at)
        return err_set(EIO, "the file ends too early");
    *got = n < sizeof b->at - at ? n : sizeof b->at - (size_t)at;
    memcpy(to, b->at + at, *got);
    return 0;
}

// main.main (frame 8 at +4) is called NAME.
static void rename_main(struct image_bytes *b, const char *name)
{
    uint8_t *at = memmem(b->at, sizeof b->at, "main.main", sizeof "main.main");
    check(at && strlen(name) + 1 <= sizeof "main.main" + sizeof "main.(*T).M");
    if (at)
        memcpy(at, name, strlen(name) + 1);
}

static struct walked walk_go(const char *name, const struct stack_user *user)
{
    static struct image_bytes b;
    struct world w;
    struct walked ret = {0};
    gotables_make(b.at, GO_1_20, 0, 0);
    rename_main(&b, name);
    make(&w);
    w.file.image.raw = (struct bytes){b.at, sizeof b.at};
    w.load = (struct load){.offset = 0x1000, .vaddr = GOTABLES_TEXT, .filesz = 0x1000, .memsz = 0x1000, .exec = true};
    w.code = (struct code){.start = GOTABLES_TEXT, .end = GOTABLES_TEXT + 0x1000, .offset = 0x1000};
    w.climb.user = *user;
    w.stack[1] = GOTABLES_TEXT + 0x50;              // main.(*T).M
    w.stack[1 + 1 + 3] = GOTABLES_TEXT + 0x90;      // runtime.goexit
    check(gosym_open(read_image, &b, &w.file.image.go) == 0);
    if (w.file.image.go)
        ret = walk(&w, GOTABLES_TEXT + 4);
    gosym_close(w.file.image.go);
    return ret;
}

static void test_switched(void)
{
    const struct stack_user unknown = {0}, nobody = {.none = true};
    const struct stack_user user = {.low = STACK + 0x10000, .high = STACK + 0x20000, .pc = 1, .sp = STACK + 0x18000};
    struct walked w = walk_go("main.main", &unknown);
    check(w.end == UNWIND_WHOLE && w.n == 3 && w.how[1] == HOW_GO && w.pc[2] == GOTABLES_TEXT + 0x90);
    static const char *const switches[] = {"runtime.systemstack", "runtime.morestack", "runtime.gogo"};
    for (size_t i = 0; i < ARRAY_LEN(switches); i++) {
        // What stands on this stack further up looks like callers, and is none.
        w = walk_go(switches[i], &unknown);
        check(w.end == UNWIND_SWITCHED && w.n == 1 && strstr(w.reason, "another stack"));
    }
    // There is no goroutine to go on with: the scheduler's stack is whole.
    check(walk_go("runtime.systemstack", &nobody).end == UNWIND_WHOLE);
    check(walk_go("runtime.morestack", &nobody).end == UNWIND_WHOLE);
    check(walk_go("runtime.gogo", &nobody).end == UNWIND_SWITCHED);
    // The goroutine's stack was not copied.
    w = walk_go("runtime.systemstack", &user);
    check(w.end == UNWIND_SWITCHED && strstr(w.reason, "was not copied"));
}

void test_climb(void)
{
    test_set_loc();
    test_nonsense();
    test_long();
    test_switched();
}

#else

void test_climb(void)
{
}

#endif
