// SPDX-License-Identifier: MIT
//
// In the child: symbol tables, as they lie in the mapped file. Nothing is copied and no index is kept.
#include "err.h"
#include "sym_child.h"

#include <errno.h>
#include <elfutils/libdwfl.h>
#include <string.h>

static int read_sections(Elf *elf, struct symtab *t)
{
    size_t n;
    if (elf_getshdrnum(elf, &n) < 0)
        n = 0;
    t->sections = calloc(n ? n : 1, sizeof *t->sections);
    if (!t->sections) {
        t->elf = NULL;
        return err_set(ENOMEM, "out of memory");
    }
    t->nsections = n;
    for (size_t i = 0; i < n; i++) {
        GElf_Shdr s;
        if (gelf_getshdr(elf_getscn(elf, i), &s))
            t->sections[i] = (struct section){s.sh_addr, s.sh_size, s.sh_flags, s.sh_type};
    }
    return 0;
}

static Elf_Data *find_table(Elf *elf, uint32_t type, size_t *index, GElf_Shdr *s)
{
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
        if (!gelf_getshdr(scn, s) || s->sh_type != type)
            continue;
        Elf_Data *data = elf_getdata(scn, NULL);
        if (!data || !data->d_buf || data->d_type != ELF_T_SYM)
            continue;
        *index = elf_ndxscn(scn);
        return data;
    }
    return NULL;
}

int symtab_open(Elf *elf, uint32_t type, struct symtab *ret)
{
    struct symtab t = {.elf = elf, .is64 = gelf_getclass(elf) == ELFCLASS64};
    GElf_Shdr s, other;
    size_t index = 0;
    *ret = (struct symtab){0};
    const Elf_Data *syms = find_table(elf, type, &index, &s);
    const Elf_Data *strings = syms ? elf_getdata(elf_getscn(elf, s.sh_link), NULL) : NULL;
    if (!strings || !strings->d_buf)
        return 0;
    t.syms = syms->d_buf;
    t.n = syms->d_size / (t.is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym));
    t.strings = strings->d_buf;
    const char *end = memrchr(t.strings, '\0', strings->d_size);
    t.nstrings = end ? (size_t)(end - t.strings) + 1 : 0;
    for (Elf_Scn *scn = NULL; type == SHT_SYMTAB && (scn = elf_nextscn(elf, scn));) {
        const Elf_Data *d;
        if (gelf_getshdr(scn, &other) && other.sh_type == SHT_SYMTAB_SHNDX && other.sh_link == index &&
            (d = elf_getdata(scn, NULL)) && d->d_buf && d->d_size / sizeof(Elf32_Word) >= t.n)
            t.xndx = d->d_buf;
    }
    *ret = t;
    return read_sections(elf, ret);
}

void symtab_close(struct symtab *t)
{
    free(t->sections);
    t->sections = NULL;
}

static bool add_table(struct image *m, Elf *elf, uint32_t type)
{
    if (elf && m->ntabs < ARRAY_LEN(m->tabs) && symtab_open(elf, type, &m->tabs[m->ntabs]) == 0 &&
        m->tabs[m->ntabs].elf)
        m->ntabs++;
    return m->ntabs > 0;
}

int image_symtabs(struct image *m)
{
    if (m->tabs_tried)
        return 0;
    m->tabs_tried = true;
    m->has_symtab = add_table(m, m->elf, SHT_SYMTAB) ||
                    (m->ehdr.e_type != ET_REL && add_table(m, image_debug(m), SHT_SYMTAB));
    if (m->has_symtab)
        return 0;
    if (!add_table(m, m->elf, SHT_DYNSYM) && symtab_of_dynamic(m, &m->tabs[0]))
        m->ntabs = 1;
    (void)add_table(m, image_mini(m), SHT_SYMTAB);
    return 0;
}

char symtab_type(const struct symtab *t, const GElf_Sym *sym, uint32_t shndx)
{
    int type = GELF_ST_TYPE(sym->st_info);
    if (shndx == SHN_UNDEF)
        return 'U';
    if (type == STT_TLS)
        return 'N';
    if (type == STT_GNU_IFUNC)
        return 'I';
    if (sym->st_shndx == SHN_ABS)
        return 'A';
    if (sym->st_shndx == SHN_COMMON)
        return 'C';
    if (shndx >= t->nsections)
        return type == STT_FUNC ? 'T' : type == STT_OBJECT ? 'D' : '?';
    const struct section *s = &t->sections[shndx];
    if (!(s->flags & SHF_ALLOC))
        return '?';
    if (s->flags & SHF_EXECINSTR)
        return 'T';
    if (!(s->flags & SHF_WRITE))
        return 'R';
    return s->type == SHT_NOBITS ? 'B' : 'D';
}

char symtab_bind(const GElf_Sym *sym)
{
    switch (GELF_ST_BIND(sym->st_info)) {
    case STB_LOCAL:
        return 'L';
    case STB_GLOBAL:
        return 'G';
    case STB_WEAK:
        return 'W';
    case STB_GNU_UNIQUE:
        return 'U';
    default:
        return '?';
    }
}

// --- .gnu_debugdata ------------------------------------------------------------

// libdwfl unpacks it, and says of each symbol which file it is from: of the first that is not from the file itself
// we take the file.

static int no_debuginfo(Dwfl_Module *mod, void **data, const char *name, Dwarf_Addr base, const char *file,
                        const char *link, GElf_Word crc, char **ret)
{
    (void)mod, (void)data, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)ret;
    return -1;
}

static int no_elf(Dwfl_Module *mod, void **data, const char *name, Dwarf_Addr base, char **file, Elf **elf)
{
    (void)mod, (void)data, (void)name, (void)base, (void)file, (void)elf;
    return -1;
}

Dwfl *image_dwfl(void)
{
    static const Dwfl_Callbacks callbacks = {
        .find_elf = no_elf, .find_debuginfo = no_debuginfo, .section_address = dwfl_offline_section_address};
    return dwfl_begin(&callbacks);
}

Elf *image_mini(struct image *m)
{
    GElf_Shdr s;
    if (m->dwfl || !image_section(m->elf, ".gnu_debugdata", &s) || !(m->dwfl = image_dwfl()))
        return NULL;
    int fd = image_fd(m);
    dwfl_report_begin(m->dwfl);
    Dwfl_Module *mod = fd < 0 ? NULL : dwfl_report_elf(m->dwfl, "module", "module", fd, 0, false);
    (void)dwfl_report_end(m->dwfl, NULL, NULL);
    GElf_Addr bias, addr;
    Elf *own = mod ? dwfl_module_getelf(mod, &bias) : NULL, *elf;
    int n = own ? dwfl_module_getsymtab(mod) : 0;
    for (int i = 1; i < n; i++) {
        GElf_Sym sym;
        GElf_Word shndx;
        elf = NULL;
        if (dwfl_module_getsym_info(mod, i, &sym, &addr, &shndx, &elf, &bias) && elf && elf != own)
            return elf;
    }
    return NULL;
}

void image_mini_close(struct image *m)
{
    if (m->dwfl)
        dwfl_end(m->dwfl);
}
