// SPDX-License-Identifier: MIT
//
// In the child: source files and lines, by libdw.
#include "err.h"
#include "sym_child.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <string.h>

struct cu_range {
    uint64_t start, end;
    Dwarf_Off cu;
};

struct lines {
    Dwarf *dw, *alt;
    Dwfl *dwfl;            // of an object file: has laid its sections out and relocated the lines
    Elf *laid;
    bool has_ranges;       // of all units: read when .debug_aranges lacks an address (clang writes none)
    struct cu_range *ranges;
    size_t nranges, cap;
    struct scope_cache *scopes;
};

Dwarf *lines_dwarf(struct lines *l)
{
    return l->dw;
}

struct scope_cache **lines_cache(struct lines *l)
{
    return &l->scopes;
}

// Before libdw looks for it itself, which it may not.
static void set_alt(struct image *m, struct lines *l)
{
    const char *name;
    const void *id;
    ssize_t n = dwelf_dwarf_gnu_debugaltlink(l->dw, &name, &id);
    Elf *alt = n > 0 ? image_alt(m, id, (size_t)n) : NULL;
    if (alt && (l->alt = dwarf_begin_elf(alt, DWARF_C_READ, NULL)))
        dwarf_setalt(l->dw, l->alt);
}

static bool has_lines(Elf *elf)
{
    GElf_Shdr s;
    return (image_section(elf, ".debug_line", &s) && s.sh_type != SHT_NOBITS) ||
           (image_section(elf, ".zdebug_line", &s) && s.sh_type != SHT_NOBITS);
}

// An object file has all sections at 0. libdwfl gives each its own address, BASE the first.
static Dwarf *lay_out(const struct image *m, struct lines *l)
{
    enum { BASE = 0x10000 };
    Dwarf_Addr bias;
    int fd = (l->dwfl = image_dwfl()) ? image_fd(m) : -1;
    if (fd < 0)
        return NULL;
    dwfl_report_begin(l->dwfl);
    Dwfl_Module *mod = dwfl_report_elf(l->dwfl, "module", "module", fd, BASE, false);
    (void)dwfl_report_end(l->dwfl, NULL, NULL);
    l->laid = mod ? dwfl_module_getelf(mod, &bias) : NULL;
    return l->laid ? dwfl_module_getdwarf(mod, &bias) : NULL;
}

static struct lines *open_lines(struct image *m)
{
    bool object = m->ehdr.e_type == ET_REL;
    Elf *elf = object || has_lines(m->elf) ? m->elf : image_debug(m);
    struct lines *l = elf && has_lines(elf) ? calloc(1, sizeof *l) : NULL;
    if (!l)
        return NULL;
    l->dw = object ? lay_out(m, l) : dwarf_begin_elf(elf, DWARF_C_READ, NULL);
    if (!l->dw) {
        lines_close(l);
        return NULL;
    }
    if (!object)
        set_alt(m, l);
    return l;
}

struct lines *image_lines(struct image *m)
{
    if (!m->lines_tried) {
        m->lines_tried = true;
        m->lines = open_lines(m);
    }
    return m->lines;
}

void lines_close(struct lines *l)
{
    if (!l)
        return;
    if (l->dwfl)
        dwfl_end(l->dwfl);
    else
        (void)dwarf_end(l->dw);
    if (l->alt)
        (void)dwarf_end(l->alt);
    scope_cache_free(l->scopes);
    free(l->ranges);
    free(l);
}

static int by_start(const void *a, const void *b)
{
    const struct cu_range *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static void read_ranges(struct lines *l)
{
    size_t size;
    Dwarf_Off next;
    l->has_ranges = true;
    for (Dwarf_Off at = 0; dwarf_nextcu(l->dw, at, &next, &size, NULL, NULL, NULL) == 0; at = next) {
        Dwarf_Die cu;
        Dwarf_Addr base, start, end;
        if (!dwarf_offdie(l->dw, at + size, &cu))
            continue;
        for (ptrdiff_t i = 0; (i = dwarf_ranges(&cu, i, &base, &start, &end)) > 0;) {
            struct cu_range *grown = array_grow(l->ranges, l->nranges, &l->cap, sizeof *grown);
            if (!grown)
                return;
            l->ranges = grown;
            l->ranges[l->nranges++] = (struct cu_range){start, end, at + size};
        }
    }
    if (l->nranges > 0)
        qsort(l->ranges, l->nranges, sizeof *l->ranges, by_start);
}

bool lines_unit(struct lines *l, uint64_t vaddr, Dwarf_Die *ret)
{
    if (dwarf_addrdie(l->dw, vaddr, ret))
        return true;
    if (!l->has_ranges)
        read_ranges(l);
    size_t low = 0, n = l->nranges;
    while (n > 0) {
        size_t half = n / 2;
        if (l->ranges[low + half].start <= vaddr) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low > 0 && vaddr < l->ranges[low - 1].end && dwarf_offdie(l->dw, l->ranges[low - 1].cu, ret);
}

bool lines_of(struct lines *l, uint64_t vaddr, uint32_t shndx, const char **file, unsigned *line)
{
    Dwarf_Die cu;
    GElf_Shdr s;
    if (l->laid) {
        if (!gelf_getshdr(elf_getscn(l->laid, shndx), &s) || !(s.sh_flags & SHF_ALLOC))
            return false;
        vaddr += s.sh_addr;
    }
    Dwarf_Line *at = lines_unit(l, vaddr, &cu) ? dwarf_getsrc_die(&cu, vaddr) : NULL;
    const char *name = at ? dwarf_linesrc(at, NULL, NULL) : NULL;
    int number;
    if (!name || strnlen(name, SYM_NAME_MAX) == SYM_NAME_MAX || dwarf_lineno(at, &number) != 0 || number <= 0)
        return false;
    *file = name;
    *line = (unsigned)number;
    return true;
}

// --- the other way -------------------------------------------------------------------

// PATH is FILE, or ends in a slash and FILE.
static bool is_file(const char *path, const char *file)
{
    size_t n = strlen(path), m = strlen(file);
    return n >= m && memcmp(path + n - m, file, m) == 0 && (n == m || path[n - m - 1] == '/');
}

struct wanted {
    const char *file;
    unsigned line, best;   // the first line at or behind `line` that has code; 0: none so far
    int (*fn)(uint64_t vaddr, const char *file, unsigned line, void *arg);
    void *arg;
};

static int each_in(Dwarf_Die *cu, struct wanted *w, bool call)
{
    Dwarf_Lines *lines;
    Dwarf_Files *files;
    size_t n, nfiles;
    bool named = false;
    if (dwarf_getsrcfiles(cu, &files, &nfiles) != 0)
        return 0;
    for (size_t i = 0; i < nfiles && !named; i++) {
        const char *name = dwarf_filesrc(files, i, NULL, NULL);
        named = name && is_file(name, w->file);
    }
    if (!named || dwarf_getsrclines(cu, &lines, &n) != 0)
        return 0;
    bool inside = false; // the row before is of the same line: this one is no beginning
    for (size_t i = 0; i < n; i++) {
        Dwarf_Line *at = dwarf_onesrcline(lines, i);
        bool begins, ends;
        int line;
        Dwarf_Addr addr;
        const char *name;
        if (!at || dwarf_lineno(at, &line) != 0 || dwarf_lineaddr(at, &addr) != 0 ||
            dwarf_linebeginstatement(at, &begins) != 0 || dwarf_lineendsequence(at, &ends) != 0)
            continue;
        if (ends || line < 0 || (unsigned)line < w->line || !(name = dwarf_linesrc(at, NULL, NULL)) ||
            !is_file(name, w->file) || (call && (unsigned)line != w->best)) {
            inside = false;
            continue;
        }
        if (!begins)
            continue;
        if (!call && (w->best == 0 || (unsigned)line < w->best))
            w->best = (unsigned)line;
        int stop = call && !inside ? w->fn(addr, name, (unsigned)line, w->arg) : 0;
        if (stop)
            return stop;
        inside = true;
    }
    return 0;
}

int lines_each(struct lines *l, const char *file, unsigned line,
               int (*fn)(uint64_t vaddr, const char *file, unsigned line, void *arg), void *arg)
{
    struct wanted w = {file, line, 0, fn, arg};
    for (int pass = 0; pass < 2 && !l->laid; pass++) {
        size_t size;
        Dwarf_Off next;
        for (Dwarf_Off at = 0; dwarf_nextcu(l->dw, at, &next, &size, NULL, NULL, NULL) == 0; at = next) {
            Dwarf_Die cu;
            int stop = dwarf_offdie(l->dw, at + size, &cu) ? each_in(&cu, &w, pass == 1) : 0;
            if (stop)
                return stop;
        }
        if (w.best == 0)
            break;
    }
    return 0;
}
