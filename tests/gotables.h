// SPDX-License-Identifier: MIT
//
// A small Go program as a linker would write it, in each layout of its tables: for tests, which know what is in it.
// Its byte N is at address 0x400000 + N.
#ifndef GOTABLES_H
#define GOTABLES_H

#include "buf.h"

#include <elf.h>
#include <string.h>

enum gotables_layout { GO_1_2, GO_1_16, GO_1_17, GO_1_18, GO_1_20, GO_1_26, GO_LAYOUTS };
enum {
    GOTABLES_SECTIONS = 1, // with section headers
    GOTABLES_PIE = 2,      // the text's address stands in a relocation alone
    GOTABLES_SIZE = 0x6000,
    GOTABLES_BASE = 0x400000,
    GOTABLES_TEXT = 0x401000,
    GOTABLES_TABLE = 0x402050, // aligned as Go 1.26 does it: no further
    GOTABLES_MODULE = 0x404108,
    GOTABLES_BSS = 0x404800,
};

// One run of a pc-value table.
struct gotables_run {
    int32_t value;
    uint32_t bytes;
};

struct gotables {
    unsigned char *image;
    enum gotables_layout layout;
    uint64_t bias;         // of what the loader writes
    uint32_t at;           // in the image: the next free byte
    uint32_t names, values, cus, files;
};

static inline void gotables_put(struct gotables *t, const void *bytes, size_t n)
{
    memcpy(t->image + t->at, bytes, n);
    t->at += (uint32_t)n;
}

static inline void gotables_u32(struct gotables *t, uint32_t v)
{
    gotables_put(t, &v, sizeof v);
}

static inline void gotables_u64(struct gotables *t, uint64_t v)
{
    gotables_put(t, &v, sizeof v);
}

static inline void gotables_varint(struct gotables *t, uint32_t v)
{
    for (; v >= 0x80; v >>= 7)
        gotables_put(t, &(unsigned char){(unsigned char)(v | 0x80)}, 1);
    gotables_put(t, &(unsigned char){(unsigned char)v}, 1);
}

// A table of runs, the last of which has no bytes; its offset from t->values.
static inline uint32_t gotables_values(struct gotables *t, const struct gotables_run *runs)
{
    uint32_t start = t->at - t->values;
    int32_t last = -1;
    for (; runs->bytes; runs++) {
        uint32_t delta = (uint32_t)runs->value - (uint32_t)last;
        gotables_varint(t, (int32_t)delta < 0 ? ~(delta << 1) : delta << 1);
        gotables_varint(t, runs->bytes);
        last = runs->value;
    }
    gotables_varint(t, 0);
    return start;
}

static inline void gotables_align(struct gotables *t, uint32_t to)
{
    t->at = (t->at + to - 1) / to * to;
}

static inline uint32_t gotables_string(struct gotables *t, const char *s, uint32_t base)
{
    uint32_t at = t->at - base;
    gotables_put(t, s, strlen(s) + 1);
    return at;
}

static inline void gotables_headers(unsigned char *image, unsigned flags)
{
    static const char names[] = "\0.text\0.gopclntab\0.shstrtab";
    const Elf64_Phdr loads[] = {
        {PT_LOAD, PF_R, 0, GOTABLES_BASE, 0, 0x1000, 0x1000, 0x1000},
        {PT_LOAD, PF_R | PF_X, 0x1000, GOTABLES_BASE + 0x1000, 0, 0x1000, 0x1000, 0x1000},
        {PT_LOAD, PF_R, 0x2000, GOTABLES_BASE + 0x2000, 0, 0x2000, 0x2000, 0x1000},
        {PT_LOAD, PF_R | PF_W, 0x4000, GOTABLES_BASE + 0x4000, 0, 0x1000, 0x1800, 0x1000},
        {PT_DYNAMIC, PF_R, 0x3f00, GOTABLES_BASE + 0x3f00, 0, 0x40, 0x40, 8},
    };
    const Elf64_Shdr sections[] = {
        {0},
        {1, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, GOTABLES_TEXT, 0x1000, 0x1000, 0, 0, 16, 0},
        {7, SHT_PROGBITS, SHF_ALLOC, GOTABLES_TABLE, GOTABLES_TABLE - GOTABLES_BASE, 0x1e00, 0, 0, 8, 0},
        {18, SHT_STRTAB, 0, 0, 0x5200, sizeof names, 0, 0, 1, 0},
    };
    Elf64_Ehdr e = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB},
                    .e_type = flags & GOTABLES_PIE ? ET_DYN : ET_EXEC,
                    .e_machine = EM_X86_64,
                    .e_phoff = sizeof e,
                    .e_phnum = flags & GOTABLES_PIE ? 5 : 4,
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_shentsize = sizeof(Elf64_Shdr)};
    if (flags & GOTABLES_SECTIONS) {
        e.e_shoff = 0x5000;
        e.e_shnum = 4;
        e.e_shstrndx = 3;
    }
    memcpy(image, &e, sizeof e);
    memcpy(image + sizeof e, loads, sizeof loads);
    memcpy(image + 0x5000, sections, sizeof sections);
    memcpy(image + 0x5200, names, sizeof names);
}

// struct _func and what stands behind it. FLAGS: 1 it is the top of a stack. TREE: address of its inline tree, or 0.
static inline void gotables_func(struct gotables *t, uint64_t entry, uint32_t name, const uint32_t tables[3],
                                 uint32_t inlined, uint64_t tree, unsigned char flags)
{
    const bool old = t->layout < GO_1_18;
    const unsigned index = t->layout < GO_1_17 ? 4 : 3, nfuncdata = tree ? index + 1 : 0;
    if (old)
        gotables_u64(t, entry + t->bias);
    else
        gotables_u32(t, (uint32_t)(entry - GOTABLES_TEXT));
    gotables_u32(t, name);
    gotables_u32(t, 0); // args
    gotables_u32(t, 0); // deferreturn
    for (int i = 0; i < 3; i++)
        gotables_u32(t, tables[i]);
    gotables_u32(t, tree ? 3 : 0); // npcdata
    if (t->layout >= GO_1_16)
        gotables_u32(t, 0); // cuOffset
    if (t->layout >= GO_1_20)
        gotables_u32(t, 9); // startLine
    gotables_put(t, (const unsigned char[]){0, t->layout >= GO_1_17 ? flags : 0, 0, (unsigned char)nfuncdata}, 4);
    for (unsigned i = 0; tree && i < 3; i++)
        gotables_u32(t, i == 2 ? inlined : 0);
    if (old)
        gotables_align(t, 8);
    for (unsigned i = 0; i < nfuncdata; i++) {
        if (old)
            gotables_u64(t, i == index ? tree + t->bias : 0);
        else
            gotables_u32(t, i == index ? (uint32_t)(tree - (GOTABLES_BASE + 0x3c00)) : UINT32_MAX);
    }
}

// Two calls: `main.in` at +8, and in it `main.inner` at +0x10.
static inline void gotables_tree(struct gotables *t, uint32_t in, uint32_t inner)
{
    t->at = 0x3c10;
    const uint32_t calls[2][2] = {{in, 8}, {inner, 0x10}};
    for (int i = 0; i < 2; i++) {
        if (t->layout < GO_1_20) {
            gotables_u32(t, (uint32_t)(i - 1) & 0xffff); // parent, funcID
            gotables_u32(t, 0);                          // file
            gotables_u32(t, 0);                          // line
            gotables_u32(t, calls[i][0]);
            gotables_u32(t, calls[i][1]);
        } else {
            gotables_u32(t, 0); // funcID
            gotables_u32(t, calls[i][0]);
            gotables_u32(t, calls[i][1]);
            gotables_u32(t, 1); // startLine
        }
    }
}

static inline void gotables_module(struct gotables *t, uint64_t functab)
{
    const bool old = t->layout < GO_1_16;
    uint64_t w[64] = {0};
    w[0] = GOTABLES_TABLE;
    if (old)
        w[3] = functab;
    else
        w[1] = GOTABLES_BASE + t->names;
    w[old ? 12 : 22] = GOTABLES_TEXT;
    w[old ? 13 : 23] = GOTABLES_TEXT + 0xa0;
    w[old ? 16 : 26] = GOTABLES_BASE + 0x4000; // data, bss
    w[old ? 17 : 27] = GOTABLES_BASE + 0x4800;
    w[old ? 18 : 28] = GOTABLES_BSS;
    w[old ? 19 : 29] = GOTABLES_BSS + 0x400;
    if (!old)
        w[t->layout >= GO_1_20 ? 40 : 38] = GOTABLES_BASE + 0x3c00;
    t->at = GOTABLES_MODULE - GOTABLES_BASE;
    for (int i = 0; i < 64; i++)
        gotables_u64(t, w[i] ? w[i] + t->bias : 0);
}

// PT_DYNAMIC, and relocations for the text's address and for moduledata's first words.
static inline void gotables_relocations(struct gotables *t, uint64_t text_at)
{
    const uint64_t rela[][3] = {
        {text_at, R_X86_64_RELATIVE, GOTABLES_TEXT},
        {GOTABLES_MODULE, R_X86_64_RELATIVE, GOTABLES_TABLE},
        {GOTABLES_MODULE + 8, R_X86_64_RELATIVE, GOTABLES_BASE + t->names},
        {GOTABLES_MODULE + 22 * 8, R_X86_64_RELATIVE, GOTABLES_TEXT},
        {GOTABLES_MODULE + (t->layout >= GO_1_20 ? 40 : 38) * 8, R_X86_64_RELATIVE, GOTABLES_BASE + 0x3c00},
    };
    const uint64_t dynamic[] = {DT_RELA, GOTABLES_BASE + 0x3e00, DT_RELASZ, sizeof rela, DT_NULL, 0};
    memcpy(t->image + 0x3e00, rela, sizeof rela);
    memcpy(t->image + 0x3f00, dynamic, sizeof dynamic);
    memset(t->image + (text_at - GOTABLES_BASE), 0, 8);
    for (size_t i = 1; i < ARRAY_LEN(rela); i++)
        memset(t->image + (rela[i][0] - GOTABLES_BASE), 0, 8);
}

/*
 * Fills IMAGE, of GOTABLES_SIZE bytes: the functions
 *     0x401000 main.main       frame 0, 8 at +4, 0x28 at +8, 0 at +0x30 to +0x38; /src/main.go:10, 11 at +8, 12 at
 *                              +0x20
 *     0x401040 main.(*T).M     frame 0x18, 0x30 bytes, /src/main.go:20; main.in inlined from +0x10, /src/in.go:30, and
 *                              in it main.inner from +0x14 to +0x18, /src/in.go:40; the rest is its own, line 21
 *     0x401080                 no Go code
 *     0x401090 runtime.goexit  one byte, /src/asm.s:1594; the top of a stack
 */
static inline void gotables_make(unsigned char *image, enum gotables_layout layout, unsigned flags, uint64_t bias)
{
    static const uint32_t magic[GO_LAYOUTS] = {0xfffffffb, 0xfffffffa, 0xfffffffa, 0xfffffff0, 0xfffffff1, 0xfffffff1};
    static const uint64_t entries[] = {0x401000, 0x401040, 0x401080, 0x401090, 0x4010a0};
    enum { MAIN = 1, IN = 0, ASM = 2 }; // files; Go 1.2's are counted from 1
    const int first = layout < GO_1_16;
    const uint32_t table = GOTABLES_TABLE - GOTABLES_BASE;
    struct gotables t = {.image = image, .layout = layout, .bias = bias};
    uint32_t name[5], file[3], tables[3][3], inlined, funcs[4] = {0}, functab, base;
    memset(image, 0, GOTABLES_SIZE);
    gotables_headers(image, flags);
    // Names, files, values: in an order of their own; all offsets of 1.2 count from the table.
    t.at = table + (first ? 0x400 : 0x48);
    t.names = t.at;
    base = first ? table : t.names;
    name[0] = gotables_string(&t, "main.in", base);
    name[1] = gotables_string(&t, "main.main", base);
    name[2] = gotables_string(&t, "main.(*T).M", base);
    name[3] = gotables_string(&t, "main.inner", base);
    name[4] = gotables_string(&t, "runtime.goexit", base);
    gotables_align(&t, 4);
    t.cus = t.at;
    t.at += first ? 0 : 3 * 4;
    t.files = t.at;
    base = first ? table : t.files;
    file[0] = gotables_string(&t, "/src/in.go", base);
    file[1] = gotables_string(&t, "/src/main.go", base);
    file[2] = gotables_string(&t, "/src/asm.s", base);
    if (!first)
        memcpy(image + t.cus, file, sizeof file);
    t.values = first ? table : t.at;
    t.at += !first; // offset 0 means: none
#define RUNS(...) gotables_values(&t, (const struct gotables_run[]){__VA_ARGS__, {0, 0}})
    tables[0][0] = RUNS({0, 4}, {8, 4}, {0x28, 0x28}, {0, 8});
    tables[0][1] = RUNS({MAIN + first, 0x38});
    tables[0][2] = RUNS({10, 8}, {11, 0x18}, {12, 0x18});
    tables[1][0] = RUNS({0x18, 0x30});
    tables[1][1] = RUNS({MAIN + first, 0x10}, {IN + first, 8}, {MAIN + first, 0x18});
    tables[1][2] = RUNS({20, 0x10}, {30, 4}, {40, 4}, {21, 0x18});
    inlined = RUNS({-1, 0x10}, {0, 4}, {1, 4}, {-1, 0x18});
    tables[2][0] = RUNS({0, 1});
    tables[2][1] = RUNS({ASM + first, 1});
    tables[2][2] = RUNS({1594, 1});
#undef RUNS
    gotables_align(&t, 8);
    functab = first ? table + 16 : t.at;
    base = first ? table : functab;
    t.at = first ? t.at : functab + (2 * 4 + 1) * (layout < GO_1_18 ? 8 : 4);
    for (int i = 0; i < 4; i++) {
        const int k = i == 3 ? 2 : i;
        gotables_align(&t, 8);
        if (i == 2)
            continue;
        funcs[i] = t.at - base;
        gotables_func(&t, entries[i], name[i == 3 ? 4 : i + 1], tables[k], inlined,
                      i == 1 ? GOTABLES_BASE + 0x3c10 : 0, i == 3);
    }
    t.at = functab;
    for (int i = 0; i < 5; i++) {
        if (layout < GO_1_18) {
            gotables_u64(&t, entries[i] + bias);
            if (i < 4)
                gotables_u64(&t, funcs[i]);
        } else {
            gotables_u32(&t, (uint32_t)(entries[i] - GOTABLES_TEXT));
            if (i < 4)
                gotables_u32(&t, funcs[i]);
        }
    }
    if (first) { // the file table: its length, then where the names are
        gotables_u32(&t, 0x300);
        t.at = table + 0x300;
        gotables_u32(&t, 4);
        gotables_put(&t, file, sizeof file);
    }
    t.at = table;
    gotables_u32(&t, magic[layout]);
    gotables_put(&t, (const unsigned char[]){0, 0, 1, 8}, 4);
    gotables_u64(&t, 4);
    if (!first) {
        gotables_u64(&t, 3);
        if (layout >= GO_1_18)
            gotables_u64(&t, layout == GO_1_26 ? 0 : GOTABLES_TEXT + bias);
        const uint32_t parts[] = {t.names, t.cus, t.files, t.values, functab};
        for (size_t i = 0; i < ARRAY_LEN(parts); i++)
            gotables_u64(&t, parts[i] - table);
    }
    gotables_tree(&t, name[0], name[3]);
    gotables_module(&t, GOTABLES_BASE + functab);
    if (flags & GOTABLES_PIE)
        gotables_relocations(&t, GOTABLES_TABLE + 24);
}

#endif
