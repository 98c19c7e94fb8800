// SPDX-License-Identifier: MIT
//
// In the child: the dynamic symbols of a file without section headers, as the dynamic linker finds them (gABI, "Dynamic
// Section"): by addresses, which the segments lead back to the file.
#include "sym_child.h"

struct dynamic {
    uint64_t symtab, strtab, strsz, hash, gnu_hash;
};

// How many bytes of the file are loaded from address VADDR on, in one segment, and where they are in the file.
static uint64_t bytes_at(const struct image *m, uint64_t vaddr, uint64_t *offset)
{
    for (size_t i = 0; i < m->nloads; i++) {
        const struct load *l = &m->loads[i];
        if (vaddr < l->vaddr || vaddr - l->vaddr >= l->filesz)
            continue;
        *offset = l->offset + (vaddr - l->vaddr);
        return l->filesz - (vaddr - l->vaddr);
    }
    return 0;
}

// N items of them, in this machine's byte order. NULL: they are not there.
static const void *items_at(const struct image *m, uint64_t vaddr, uint64_t n, size_t size, Elf_Type type)
{
    uint64_t offset;
    if (n == 0 || n > bytes_at(m, vaddr, &offset) / size)
        return NULL;
    const Elf_Data *d = elf_getdata_rawchunk(m->elf, (int64_t)offset, n * size, type);
    return d ? d->d_buf : NULL;
}

static bool read_dynamic(const struct image *m, struct dynamic *ret)
{
    size_t n;
    GElf_Phdr p;
    Elf_Data *d = NULL;
    if (elf_getphdrnum(m->elf, &n) < 0)
        return false;
    for (size_t i = 0; i < n && !d; i++)
        if (gelf_getphdr(m->elf, (int)i, &p) && p.p_type == PT_DYNAMIC)
            d = elf_getdata_rawchunk(m->elf, (int64_t)p.p_offset, p.p_filesz, ELF_T_DYN);
    *ret = (struct dynamic){0};
    GElf_Dyn e;
    for (int i = 0; d && gelf_getdyn(d, i, &e) && e.d_tag != DT_NULL; i++)
        switch (e.d_tag) {
        case DT_SYMTAB: ret->symtab = e.d_un.d_ptr; break;
        case DT_STRTAB: ret->strtab = e.d_un.d_ptr; break;
        case DT_STRSZ: ret->strsz = e.d_un.d_val; break;
        case DT_HASH: ret->hash = e.d_un.d_ptr; break;
        case DT_GNU_HASH: ret->gnu_hash = e.d_un.d_ptr; break;
        }
    return ret->symtab && ret->strtab;
}

// The table does not say how long it is. The chains of DT_HASH have an entry for each symbol; those of DT_GNU_HASH
// begin with the buckets, and the last entry of each is odd.
static uint64_t count_symbols(const struct image *m, const struct dynamic *dyn, bool is64)
{
    const Elf32_Word *h = dyn->hash ? items_at(m, dyn->hash, 2, sizeof *h, ELF_T_WORD) : NULL;
    if (h)
        return h[1];
    if (!dyn->gnu_hash || !(h = items_at(m, dyn->gnu_hash, 4, sizeof *h, ELF_T_WORD)))
        return 0;
    uint64_t nbuckets = h[0], first = h[1], last = 0;
    uint64_t buckets = dyn->gnu_hash + 4 * sizeof *h + (uint64_t)h[2] * (is64 ? 8 : 4), chains = buckets + nbuckets * 4;
    const Elf32_Word *bucket = items_at(m, buckets, nbuckets, sizeof *bucket, ELF_T_WORD);
    for (uint64_t i = 0; bucket && i < nbuckets; i++)
        last = bucket[i] > last ? bucket[i] : last;
    if (last < first)
        return first; // all are undefined
    chains += (last - first) * 4;
    uint64_t offset, n = bytes_at(m, chains, &offset) / sizeof *h;
    const Elf32_Word *chain = items_at(m, chains, n, sizeof *chain, ELF_T_WORD);
    for (uint64_t i = 0; chain && i < n; i++)
        if (chain[i] & 1)
            return last + i + 1;
    return 0;
}

bool symtab_of_dynamic(const struct image *m, struct symtab *ret)
{
    struct dynamic dyn;
    struct symtab t = {.elf = m->elf, .is64 = gelf_getclass(m->elf) == ELFCLASS64};
    if (!read_dynamic(m, &dyn))
        return false;
    t.n = count_symbols(m, &dyn, t.is64);
    t.syms = items_at(m, dyn.symtab, t.n, t.is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym), ELF_T_SYM);
    t.strings = items_at(m, dyn.strtab, dyn.strsz, 1, ELF_T_BYTE);
    const char *end = t.strings ? memrchr(t.strings, '\0', dyn.strsz) : NULL;
    if (!t.syms || !end)
        return false;
    t.nstrings = (size_t)(end - t.strings) + 1;
    *ret = t;
    return true;
}
