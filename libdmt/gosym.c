// SPDX-License-Identifier: MIT
//
// Where the tables are, and of which layout.
#include "gosym_impl.h"

#include "err.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

enum { SECTIONS_MAX = 4096, SCAN_MAX = 1 << 30 };

static int read_loads(struct gosym *g)
{
    for (uint32_t i = 0; i < g->obj.phnum && g->nloads < GOSYM_LOADS_MAX; i++) {
        struct objfile_phdr p;
        if (objfile_phdr(&g->obj, i, &p) < 0)
            return -1;
        if (p.type != PT_LOAD || p.memsz == 0)
            continue;
        uint64_t start = p.vaddr + g->bias, filesz = p.filesz < p.memsz ? p.filesz : p.memsz;
        if (p.memsz > UINT64_MAX - start || p.filesz > INT64_MAX || p.offset > INT64_MAX - p.filesz)
            continue;
        g->loads[g->nloads++] = (struct gosym_load){start, p.offset, filesz, p.memsz, p.flags & PF_X, p.flags & PF_W};
    }
    return 0;
}

// --- the header ----------------------------------------------------------------

// NAMES[i] is one of the offsets that the header has behind its numbers.
static int read_offsets(struct gosym *g, unsigned words, uint64_t *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t offset;
        if (gosym_word(g, g->table + 8 + (words + i) * g->ptrsize, &offset) < 0)
            return -1;
        if (offset >= g->limit - g->table)
            return err_set(EPROTO, "offsets out of bounds");
        *names[i] = g->table + offset;
    }
    return 0;
}

static int read_header_1_2(struct gosym *g)
{
    uint32_t files;
    g->functab = g->table + 8 + g->ptrsize;
    g->names = g->pctab = g->funcs = g->table;
    g->names_end = g->limit;
    if (g->nfunc > (g->limit - g->functab) / (2 * g->field) ||
        gosym_u32(g, g->functab + (2 * g->nfunc + 1) * g->field, &files) < 0 || files >= g->limit - g->table)
        return err_set(EPROTO, "offsets out of bounds");
    g->files = g->table + files;
    uint32_t nfiles;
    if (gosym_u32(g, g->files, &nfiles) < 0)
        return -1;
    g->nfiles = nfiles;
    return 0;
}

static int read_header(struct gosym *g)
{
    uint64_t *const offsets[] = {&g->names, &g->cus, &g->files, &g->pctab, &g->funcs};
    const unsigned words = g->layout >= GOSYM_1_18 ? 3 : 2;
    g->field = g->layout >= GOSYM_1_18 ? 4 : g->ptrsize;
    if (gosym_word(g, g->table + 8, &g->nfunc) < 0)
        return -1;
    if (g->layout == GOSYM_1_2) {
        if (read_header_1_2(g) < 0)
            return -1;
    } else {
        if (gosym_word(g, g->table + 8 + g->ptrsize, &g->nfiles) < 0 ||
            read_offsets(g, words, offsets, ARRAY_LEN(offsets)) < 0)
            return -1;
        g->functab = g->funcs;
        g->names_end = g->cus;
        if (g->names >= g->cus || g->cus > g->files || g->files > g->pctab || g->pctab >= g->funcs)
            return err_set(EPROTO, "tables in an order that is not known");
    }
    if (g->nfunc == 0 || g->nfunc > (g->limit - g->functab) / (2 * g->field))
        return err_set(EPROTO, "more functions than there is room for");
    if (g->layout >= GOSYM_1_18) {
        g->text = gosym_pointer(g, g->table + 8 + 2 * g->ptrsize);
        uint64_t module = g->text ? 0 : gosym_moduledata(g); // 1.26 on
        if (module)
            g->text = gosym_pointer(g, module + 22 * g->ptrsize);
        if (!g->text)
            return err_set(EPROTO, "where its code begins is not said");
    }
    return 0;
}

// Its first and last function lie in code.
static int check_functions(struct gosym *g)
{
    struct gosym_func first, last;
    if (gosym_func(g, 0, &first) < 0 || gosym_func(g, (size_t)g->nfunc - 1, &last) < 0)
        return err_code() == ENOENT ? 0 : -1;
    const struct gosym_load *a = gosym_load_of(g, first.entry), *b = gosym_load_of(g, last.entry);
    if (!a || !b || !a->exec || !b->exec || last.entry < first.entry)
        return err_set(EPROTO, "functions outside of code");
    return 0;
}

// The tables at ADDR. -1 with ENOENT: those are no tables.
static int try_at(struct gosym *g, uint64_t addr)
{
    static const struct {
        uint32_t magic;
        enum gosym_layout layout;
    } layouts[] = {
        {0xfffffffb, GOSYM_1_2}, {0xfffffffa, GOSYM_1_16}, {0xfffffff0, GOSYM_1_18}, {0xfffffff1, GOSYM_1_20}};
    unsigned char h[8];
    uint32_t magic;
    const struct gosym_load *l = gosym_load_of(g, addr);
    if (!l || gosym_get(g, addr, h, sizeof h) < 0)
        return err_set(ENOENT, "no tables of Go");
    memcpy(&magic, h, sizeof magic);
    size_t i = 0;
    while (i < ARRAY_LEN(layouts) && layouts[i].magic != magic)
        i++;
    if (i == ARRAY_LEN(layouts))
        return err_set(magic >> 8 == 0xffffff ? EPROTO : ENOENT, "its tables of Go have a layout that is not known");
    if (h[4] || h[5] || (h[6] != 1 && h[6] != 2 && h[6] != 4) || h[7] != (g->obj.is64 ? 8 : 4))
        return err_set(ENOENT, "no tables of Go");
    g->layout = layouts[i].layout;
    g->quantum = h[6];
    g->ptrsize = h[7];
    g->table = addr;
    g->limit = l->start + l->filesz;
    g->text = 0;
    g->has_moduledata = g->has_gofunc = false;
    g->moduledata = g->gofunc = 0;
    return read_header(g) < 0 || check_functions(g) < 0 ? err_wrap("damaged tables of Go") : 0;
}

// --- where it is ---------------------------------------------------------------

// What stands at an address that a pointer could have (Go 1.26 aligns it no further), in SIZE bytes from START on.
static int scan(struct gosym *g, uint64_t start, uint64_t size)
{
    const unsigned step = g->obj.is64 ? 8 : 4;
    unsigned char bytes[GOSYM_PAGE];
    for (uint64_t at = -start & (step - 1), n; at < size && size - at >= 8 && at < SCAN_MAX; at += n) {
        n = sizeof bytes - (start + at) % sizeof bytes; // a page that is not there hides no other
        if (n > size - at)
            n = size - at;
        if (gosym_get(g, start + at, bytes, n) < 0)
            continue;
        for (size_t k = 0; k + 4 <= n; k += step)
            if (bytes[k + 3] == 0xff && bytes[k + 2] == 0xff && bytes[k + 1] == 0xff && bytes[k] >= 0xf0 &&
                try_at(g, start + at + k) == 0)
                return 0;
    }
    return err_set(ENOENT, "no tables of Go");
}

static int open_by_scan(struct gosym *g)
{
    for (size_t i = 0; i < g->nloads; i++)
        if (!g->loads[i].exec && scan(g, g->loads[i].start, g->loads[i].filesz) == 0)
            return 0;
    return err_set(ENOENT, "no tables of Go");
}

// What the name of a section says of it. ld(1) puts the tables of a position-independent program together with others.
enum section_is { IS_OTHER, IS_PCLNTAB, IS_RELRO, IS_GO };

static enum section_is section_is(struct gosym *g, uint64_t name)
{
    static const struct {
        const char *name;
        enum section_is is;
    } known[] = {{".gopclntab", IS_PCLNTAB}, {".data.rel.ro.gopclntab", IS_PCLNTAB}, {".data.rel.ro", IS_RELRO},
                 {".noptrdata", IS_GO},      {".go.buildinfo", IS_GO},               {".go.module", IS_GO}};
    char text[sizeof ".data.rel.ro.gopclntab"] = "";
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (objfile_get(&g->obj, name, text, strlen(known[i].name) + 1) == 0 &&
            memcmp(text, known[i].name, strlen(known[i].name) + 1) == 0)
            return known[i].is;
    return IS_OTHER;
}

static int open_by_section(struct gosym *g)
{
    enum { CANDIDATES = 256 };
    struct objfile_section s, names;
    const uint32_t n = g->obj.shnum < SECTIONS_MAX ? g->obj.shnum : SECTIONS_MAX;
    struct {
        uint32_t name;
        uint64_t addr, size;
    } at[CANDIDATES];
    size_t count = 0, relro = CANDIDATES;
    bool go = false;
    if (g->obj.shstrndx >= g->obj.shnum || objfile_section(&g->obj, g->obj.shstrndx, &names) < 0 ||
        names.offset > INT64_MAX)
        return err_set(ENOENT, "no tables of Go");
    // First all headers, then the names: each stand together.
    for (uint32_t i = 1; i < n && count < CANDIDATES && objfile_section(&g->obj, i, &s) == 0; i++)
        if (s.type == SHT_PROGBITS && (s.flags & SHF_ALLOC) && !(s.flags & SHF_EXECINSTR) && s.name < names.size) {
            at[count].name = s.name;
            at[count].addr = s.addr;
            at[count++].size = s.size;
        }
    for (size_t i = 0; i < count; i++) {
        enum section_is is = section_is(g, names.offset + at[i].name);
        if (is == IS_PCLNTAB)
            return try_at(g, at[i].addr);
        relro = is == IS_RELRO ? i : relro;
        go |= is == IS_GO;
    }
    return go && relro < CANDIDATES ? scan(g, at[relro].addr, at[relro].size) : err_set(ENOENT, "no tables of Go");
}

static int open_at(objfile_read_fn *read, void *arg, uint64_t base, bool loaded, struct gosym **ret)
{
    CLEANUP_GOSYM struct gosym *g = calloc(1, sizeof *g);
    if (!g)
        return err_set(ENOMEM, "out of memory");
    g->read = read;
    g->arg = arg;
    if ((loaded ? objfile_open_loaded(read, arg, base, &g->obj) : objfile_open(read, arg, &g->obj)) < 0)
        return err_code() == EIO ? err_set(ENOEXEC, "not an ELF file") : -1;
    g->ptrsize = g->obj.is64 ? 8 : 4;
    if (loaded && objfile_bias(&g->obj, base, 0, &g->bias) < 0)
        return -1;
    if (read_loads(g) < 0)
        return -1;
    if ((g->obj.shnum > 0 ? open_by_section(g) : open_by_scan(g)) < 0)
        return -1;
    *ret = g;
    g = NULL;
    return 0;
}

int gosym_open(objfile_read_fn *read, void *arg, struct gosym **ret)
{
    return open_at(read, arg, 0, false, ret);
}

int gosym_open_loaded(objfile_read_fn *read, void *arg, uint64_t base, struct gosym **ret)
{
    return open_at(read, arg, base, true, ret);
}

void gosym_close(struct gosym *g)
{
    free(g->pages);
    free(g);
}

enum gosym_layout gosym_layout(const struct gosym *g)
{
    return g->layout;
}

uint16_t gosym_machine(const struct gosym *g)
{
    return g->obj.machine;
}

uint64_t gosym_pclntab(const struct gosym *g)
{
    return g->table;
}

size_t gosym_count(const struct gosym *g)
{
    return (size_t)g->nfunc;
}
