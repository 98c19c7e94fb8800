// SPDX-License-Identifier: MIT
//
// The walk along a stack (unwind_climb.c) in memory: a program of one segment, its call frame information, registers,
// a stack. The first byte chooses: sections of the input's bytes, or a CIE and an FDE that are whole, with its
// instructions; and the forms of the rest.
#include "err.h"
#include "unwind_child.h"

#include <dwarf.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT = 4096, SP_PAGE = 0x20000, TEXT_BASE = 0x10000, WORDS = 512, HDR = 256 };
enum { MADE = 1 << 0, DEBUG = 1 << 1, WITH_HDR = 1 << 2, CUT = 1 << 3, SIGNAL = 1 << 4 };

static void need(bool so)
{
    if (!so)
        abort();
}

struct input {
    const uint8_t *at;
    size_t n;
};

static uint64_t take(struct input *in, size_t n)
{
    uint64_t v = 0;
    n = n < in->n ? n : in->n;
    memcpy(&v, in->at, n);
    in->at += n;
    in->n -= n;
    return v;
}

// A word of two bytes: one that leads somewhere.
static uint64_t word(struct input *in)
{
    const uint64_t v = take(in, 2), low = v & 0x3fff;
    switch (v >> 14) {
    case 0: return SP_PAGE + low % (WORDS * 8 + 64);
    case 1: return TEXT_BASE + low % TEXT;
    case 2: return low < 0x2000 ? low : ~0ULL - (low - 0x2000);
    default: return TEXT_BASE + low % TEXT / 16 * 16; // behind a call
    }
}

// Calls before every address that 16 divides, code that ends a handler, edges of functions, a thread's start.
static void make_text(uint8_t *text)
{
    static const uint8_t sigreturn[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05},
                         edge[] = {0x55, 0x48, 0x89, 0xe5, 0xc3},
                         clone[] = {0x89, 0xc7, 0x31, 0xc0, 0xb0, 0x3c, 0x0f, 0x05};
    memset(text, 0x90, TEXT);
    for (size_t i = 11; i + 5 <= TEXT; i += 16)
        text[i] = 0xe8;
    memcpy(text + 0x800, sigreturn, sizeof sigreturn);
    memcpy(text + 0x820, edge, sizeof edge);
    memcpy(text + 0x840, clone, sizeof clone);
}

static void put_entry(struct buf *b, size_t at)
{
    const uint32_t length = (uint32_t)(b->len - at - 4);
    memcpy(b->data + at, &length, sizeof length);
}

// Of the whole text.
static void make_cfi(struct buf *b, struct input *in, unsigned flags)
{
    const size_t n = take(in, 1) % 64, m = take(in, 1);
    packet_put_u32(b, 0);
    packet_put_u32(b, flags & DEBUG ? UINT32_MAX : 0);
    packet_put_u8(b, 1);
    if (flags & DEBUG)
        buf_add(b, "", 1);
    else
        buf_add(b, flags & SIGNAL ? "zRS" : "zR", flags & SIGNAL ? 4 : 3);
    buf_add(b, "\1\x78\x10", 3);
    if (!(flags & DEBUG))
        buf_add(b, "\1\0", 2); // absolute
    const uint8_t cfa[] = {DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1};
    buf_add(b, cfa, sizeof cfa);
    for (size_t i = 0; i < n; i++)
        packet_put_u8(b, (uint8_t)take(in, 1));
    put_entry(b, 0);
    const size_t fde = b->len;
    packet_put_u32(b, 0);
    packet_put_u32(b, flags & DEBUG ? 0 : (uint32_t)fde + 4);
    packet_put_u64(b, TEXT_BASE);
    packet_put_u64(b, TEXT);
    if (!(flags & DEBUG))
        packet_put_u8(b, 0);
    for (size_t i = 0; i < m; i++)
        packet_put_u8(b, (uint8_t)take(in, 1));
    put_entry(b, fde);
}

// The answer is what unwind.c believes.
static void check_answer(const struct buf *answer, size_t max)
{
    struct packet p = packet_of(answer->data, answer->len);
    need(packet_u32(&p) == 7);
    const uint8_t end = packet_u8(&p);
    const char *reason = packet_str(&p);
    need(end <= UNWIND_STRAY && (end >= UNWIND_BROKEN) == (reason != NULL));
    const uint32_t n = packet_u32(&p);
    need(n > 0 && n <= max);
    for (uint32_t i = 0; i < n; i++) {
        (void)packet_u64(&p);
        (void)packet_u64(&p);
        (void)packet_u64(&p);
        need(packet_u8(&p) < HOWS);
        (void)packet_u8(&p);
    }
    need(!p.bad && p.left == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t text[TEXT];
    struct input in = {data, size};
    CLEANUP_BUF struct buf cfi = {0}, stack = {0}, answer = {0};
    CLEANUP_FREE uint8_t *hdr = NULL;
    if (size < 8)
        return 0;
    make_text(text);
    const unsigned flags = (unsigned)take(&in, 1);
    const size_t max = 1 + take(&in, 1);
    struct file file = {.tried = true, .is_open = true, .extra_tried = true};
    file.image.raw = (struct bytes){text, TEXT};
    file.image.lines_tried = true;
    struct load load = {.vaddr = TEXT_BASE, .filesz = TEXT, .memsz = TEXT, .exec = true};
    struct code code = {.start = TEXT_BASE, .end = TEXT_BASE + TEXT};
    struct space space = {.codes = &code, .ncodes = 1, .files = &file, .nfiles = 1};
    struct frame_regs regs = {.known = take(&in, 2) | 1ULL << reg_dwarf_pc | 1ULL << reg_dwarf_sp};
    struct climb w = {.space = &space};
    file.image.loads = &load;
    file.image.nloads = 1;
    file.image.go_tried = true;
    for (unsigned i = 0; i < reg_dwarf_count; i++)
        regs.at[i] = word(&in);
    const size_t nwords = take(&in, 1) * 2 % WORDS, ncfi = take(&in, 2) % 2048;
    for (size_t i = 0; i < nwords; i++)
        packet_put_u64(&stack, word(&in));
    if (flags & MADE)
        make_cfi(&cfi, &in, flags);
    else
        for (size_t i = 0; i < ncfi; i++)
            packet_put_u8(&cfi, (uint8_t)take(&in, 1));
    struct cfi *c = flags & DEBUG ? &file.debug : &file.eh;
    // Copies that end where their memory ends.
    CLEANUP_FREE uint8_t *bytes = malloc(cfi.len + 1), *words = malloc(stack.len + 1);
    if (!bytes || !words)
        return 0;
    memcpy(bytes, cfi.len ? cfi.data : "", cfi.len);
    memcpy(words, stack.len ? stack.data : "", stack.len);
    *c = (struct cfi){.bytes = {bytes, cfi.len}, .vaddr = 0x30000, .debug = flags & DEBUG, .is64 = true};
    if (flags & WITH_HDR && (hdr = malloc(in.n + 1))) {
        const size_t n = in.n < HDR ? in.n : HDR;
        memcpy(hdr, in.at, n);
        c->hdr = (struct bytes){hdr, n};
        c->hdr_vaddr = 0x31000;
        cfi_check_hdr(c);
    }
    w.regions[w.nregions++] = (struct region){SP_PAGE, {words, stack.len}, flags & CUT};
    if (cfi_engine_open(&w.engine) < 0)
        return 0;
    if (climb_stack(&w, &regs, max, 7, &answer) == 0)
        check_answer(&answer, max);
    cfi_engine_close(w.engine);
    free(file.eh.list);
    free(file.debug.list);
    return 0;
}
