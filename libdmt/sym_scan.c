// SPDX-License-Identifier: MIT
//
// In the child: one pass over a symbol table for all addresses of a question, O(symbols * log addresses).
//
// The symbol of an address is, as libdwfl has it (dwfl_module_addrinfo), one with a size that contains it; where there
// is none, the nearest one without size below it in the same section, unless a symbol with a size ends between them.
// Among several that contain it: the one that begins last (libdwfl: any global one first), then global before weak
// before local, then one of a type (function, object) before one without, then the smaller, then the first.
#include "err.h"
#include "sym_child.h"

#include <errno.h>
#include <string.h>

// --- rows ----------------------------------------------------------------------

int answer_flush(struct answers *a)
{
    int done = a->rows.len > 0 || a->rows.failed ? sandbox_answer(&a->rows) : 0;
    buf_reset(&a->rows);
    return done;
}

int answer_row(struct answers *a, uint32_t index, const struct symbol *row)
{
    sym_row_put(&a->rows, index, row);
    return a->rows.len >= 24576 ? answer_flush(a) : 0;
}

int answer_symbol(struct answers *a, uint32_t index, uint64_t addr, uint64_t bias, const struct symtab *t,
                  const GElf_Sym *sym, uint32_t shndx, const char *name)
{
    struct symbol row = {.addr = addr, .found = sym != NULL};
    CLEANUP_FREE char *pretty = NULL, *cut = NULL;
    CLEANUP_BUF struct buf file = {0};
    if (sym) {
        row.type = symtab_type(t, sym, shndx);
        row.bind = symtab_bind(sym);
        row.value = sym->st_value + (strchr("UNAC", row.type) ? 0 : bias);
        row.size = sym->st_size;
        row.name = strnlen(name, SYM_NAME_MAX) < SYM_NAME_MAX ? name : (cut = strndup(name, SYM_NAME_MAX));
        if (!(a->flags & SYM_RAW) && (pretty = name_pretty(name)) && strlen(pretty) < SYM_NAME_MAX)
            row.pretty = pretty;
    }
    if ((a->flags & SYM_LINES) && !(sym && strchr("UNAC", row.type)) &&
        !(a->lines && lines_of(a->lines, addr - bias, shndx, &row.file, &row.line)) &&
        go_line(a->image, addr - bias, &file, &row.line))
        row.file = buf_cstr(&file);
    if ((a->flags & SYM_INLINES) && a->lines && !(sym && strchr("UNAC", row.type)))
        inlines_of(a->lines, addr - bias, addr, index, a->flags, &a->rows, &row.file, &row.line);
    if ((a->flags & SYM_INLINES) && !a->lines && row.type == 'T') {
        go_inlines(a, index, addr, bias, &file, &row.line);
        row.file = file.len > 0 ? buf_cstr(&file) : row.file;
    }
    return answer_row(a, index, &row);
}

// --- by address ----------------------------------------------------------------

struct candidate {
    GElf_Sym sym;
    uint32_t shndx;
    const struct symtab *tab;
    const char *name; // NULL: there is none
};

struct found {
    struct candidate best;     // contains it
    struct candidate sizeless; // the nearest between the last address and this one
    uint64_t end;              // the highest end of those with a size that begin there
};

static int bind_rank(const GElf_Sym *s)
{
    int bind = GELF_ST_BIND(s->st_info);
    return bind == STB_GLOBAL || bind == STB_GNU_UNIQUE ? 3 : bind == STB_WEAK ? 2 : bind == STB_LOCAL ? 1 : 0;
}

static bool is_better(const GElf_Sym *a, const GElf_Sym *than)
{
    if (a->st_value != than->st_value)
        return a->st_value > than->st_value;
    if (bind_rank(a) != bind_rank(than))
        return bind_rank(a) > bind_rank(than);
    bool typed = GELF_ST_TYPE(a->st_info) != STT_NOTYPE, other = GELF_ST_TYPE(than->st_info) != STT_NOTYPE;
    return typed != other ? typed : a->st_size < than->st_size;
}

static void offer(struct candidate *c, const struct candidate *new)
{
    if (!c->name || is_better(&new->sym, &c->sym))
        *c = *new;
}

// The section that ADDR is in, of those that are loaded; in a file without section headers the segment. SIZE_MAX: none.
static size_t section_of(const struct image *m, const struct symtab *t, uint64_t addr)
{
    for (size_t i = 0; t->nsections == 0 && i < m->nloads; i++)
        if (addr >= m->loads[i].vaddr && addr - m->loads[i].vaddr < m->loads[i].memsz)
            return i;
    for (size_t i = 1; i < t->nsections; i++) {
        const struct section *s = &t->sections[i];
        if ((s->flags & SHF_ALLOC) && !((s->flags & SHF_TLS) && s->type == SHT_NOBITS) && addr >= s->addr &&
            addr - s->addr < s->size)
            return i;
    }
    return SIZE_MAX;
}

// The index of the first address at or above V.
static size_t first_at(const struct asked *at, size_t n, uint64_t bias, uint64_t v)
{
    size_t low = 0;
    while (n > 0) {
        size_t half = n / 2;
        if (at[low + half].addr - bias < v) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

// What the compiler marks its own code and data with on ARM is no symbol.
static bool is_mark(const struct image *m, const char *name)
{
    return (m->ehdr.e_machine == EM_AARCH64 || m->ehdr.e_machine == EM_ARM) && name[0] == '$' && name[1] &&
           strchr("adtx", name[1]) && (!name[2] || name[2] == '.');
}

// Whether its value is an address of code or data.
static inline bool is_place(const struct candidate *c)
{
    int type = GELF_ST_TYPE(c->sym.st_info);
    return c->shndx != SHN_UNDEF && type != STT_SECTION && type != STT_FILE && type != STT_TLS &&
           c->sym.st_shndx != SHN_COMMON && (c->sym.st_shndx != SHN_ABS || c->sym.st_size > 0);
}

// The pages that addresses are on, modulo PAGES. Nearly all symbols are on others: one look is cheaper than a search.
enum { PAGE = 4096, PAGES = 4096 };

struct pages {
    uint64_t bits[PAGES / 64];
};

static inline void pages_add(struct pages *p, uint64_t addr)
{
    p->bits[addr / PAGE % PAGES / 64] |= 1ULL << addr / PAGE % 64;
}

static inline bool pages_have(const struct pages *p, uint64_t addr)
{
    return p->bits[addr / PAGE % PAGES / 64] >> addr / PAGE % 64 & 1;
}

// The symbols that contain an address. Most contain none: of those no more is looked at than where they are.
static void scan_sized(const struct image *m, const struct symtab *t, const struct asked *at, size_t n, uint64_t bias,
                       const size_t *section, struct found *found)
{
    const uint64_t lowest = at[0].addr - bias, highest = at[n - 1].addr - bias;
    struct candidate c = {.tab = t};
    struct pages pages = {0};
    for (size_t i = 0; i < n; i++)
        pages_add(&pages, at[i].addr - bias);
    for (size_t i = 1; i < t->n; i++) {
        uint64_t v, size;
        symtab_extent(t, i, &v, &size);
        const uint64_t last = v + size - 1;
        if (!((v <= highest) & (last >= lowest) & (last >= v) & (size > 0)))
            continue;
        if (size <= PAGE && !pages_have(&pages, v) && !pages_have(&pages, last))
            continue;
        size_t k = first_at(at, n, bias, v);
        if (k == n || at[k].addr - bias > last)
            continue;
        symtab_at(t, i, &c.sym, &c.shndx);
        c.name = symtab_name(t, &c.sym);
        for (bool named = is_place(&c) && c.name[0]; named && k < n && at[k].addr - bias <= last; k++)
            if (m->ehdr.e_type != ET_REL || section[k] == c.shndx)
                offer(&found[k].best, &c);
    }
}

// Those without size, and where the others end.
static void scan_sizeless(const struct image *m, const struct symtab *t, const struct asked *at, size_t n,
                          uint64_t bias, const size_t *section, struct found *found)
{
    struct candidate c = {.tab = t};
    for (size_t i = 1; i < t->n; i++) {
        symtab_at(t, i, &c.sym, &c.shndx);
        uint64_t v = c.sym.st_value, size = c.sym.st_size, last = v + size - (size > 0);
        size_t k = is_place(&c) && last >= v ? first_at(at, n, bias, v) : n;
        if (k == n)
            continue;
        if (size > 0 && m->ehdr.e_type != ET_REL && found[k].end < last)
            found[k].end = last;
        c.name = symtab_name(t, &c.sym);
        // Sections do not overlap: if the first address above it is in another one, so are all others.
        if (size == 0 && c.name[0] && !is_mark(m, c.name) &&
            section[k] == (t->nsections ? c.shndx : section_of(m, t, v)))
            offer(&found[k].sizeless, &c);
    }
}

// What was found at an address holds for the next ones too.
static const struct candidate *choose(struct found *found, const size_t *section, size_t i)
{
    if (i > 0) {
        if (found[i].end < found[i - 1].end)
            found[i].end = found[i - 1].end;
        if (!found[i].sizeless.name && section[i] == section[i - 1])
            found[i].sizeless = found[i - 1].sizeless;
    }
    const struct candidate *c = &found[i].best;
    if (!c->name)
        c = &found[i].sizeless;
    return c->name && (c->sym.st_size || c->sym.st_value > found[i].end || found[i].end == 0) ? c : NULL;
}

static void find_sections(const struct image *m, const struct symtab *t, const struct asked *at, size_t n,
                          uint64_t bias, size_t *ret)
{
    for (size_t i = 0; i < n; i++)
        ret[i] = section_of(m, t, at[i].addr - bias);
}

// N addresses of one place where the file is mapped.
static int answer_place(struct answers *a, const struct asked *at, size_t n, uint64_t bias)
{
    const struct image *m = a->image;
    CLEANUP_FREE struct found *found = calloc(n ? n : 1, sizeof *found);
    CLEANUP_FREE size_t *section = calloc(n ? n : 1, sizeof *section);
    if (!found || !section)
        return err_set(ENOMEM, "out of memory");
    bool missing = false;
    for (size_t k = 0; k < m->ntabs; k++) {
        find_sections(m, &m->tabs[k], at, n, bias, section);
        scan_sized(m, &m->tabs[k], at, n, bias, section, found);
    }
    for (size_t i = 0; i < n; i++)
        missing |= !found[i].best.name;
    for (size_t k = 0; k < m->ntabs && missing; k++) {
        find_sections(m, &m->tabs[k], at, n, bias, section);
        scan_sizeless(m, &m->tabs[k], at, n, bias, section, found);
    }
    for (size_t i = 0; i < n; i++) {
        const struct candidate *c = choose(found, section, i);
        // What Go says contains it comes before the nearest symbol that does not.
        int done = go_names(m) && (!c || !c->sym.st_size) ? go_answer(a, at[i].index, at[i].addr, bias) : 0;
        if (done < 0)
            return -1;
        if (done > 0)
            continue;
        if (answer_symbol(a, at[i].index, at[i].addr, bias, c ? c->tab : NULL, c ? &c->sym : NULL,
                          c ? c->shndx : (uint32_t)section[i], c ? c->name : NULL) < 0)
            return -1;
    }
    return 0;
}

// The place that ADDR belongs to; its bias.
static bool place_of(const struct image *m, uint64_t addr, uint64_t *ret)
{
    for (size_t i = 0; i < m->nbiases; i++)
        if (image_covers(m, addr - m->biases[i])) {
            *ret = m->biases[i];
            return true;
        }
    return false;
}

int answer_addrs(struct answers *a, const struct asked *at, size_t n)
{
    for (size_t from = 0, to; from < n; from = to) {
        uint64_t bias, next;
        to = from + 1;
        if (!place_of(a->image, at[from].addr, &bias))
            continue; // the parent says so
        while (to < n && place_of(a->image, at[to].addr, &next) && next == bias)
            to++;
        if (answer_place(a, at + from, to - from, bias) < 0)
            return -1;
    }
    return 0;
}
