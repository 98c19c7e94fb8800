// SPDX-License-Identifier: MIT
#include "objfile.h"

#include "err.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

// What is looked at for one note of a module. No linker makes more; a stranger's file could.
enum { PHDRS_MAX = 256, SECTIONS_MAX = 65536, PLACES_MAX = 8, NOTES_MAX = 32 };

enum { PAGE = 4096 }; // the smallest page of all machines

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { BYTE_ORDER_HERE = ELFDATA2LSB };
#else
enum { BYTE_ORDER_HERE = ELFDATA2MSB };
#endif

int objfile_read_fd(void *fd, uint64_t at, void *to, size_t n, size_t *got)
{
    size_t done = 0;
    while (done < n && at <= INT64_MAX - n) {
        ssize_t part = pread(*(int *)fd, (char *)to + done, n - done, (off_t)(at + done));
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return err_sys("cannot read");
        if (part == 0)
            break;
        done += (size_t)part;
    }
    if (done == 0 && n > 0)
        return err_set(EIO, "the file ends too early");
    *got = done;
    return 0;
}

// --- reading -------------------------------------------------------------------

int objfile_get(struct objfile *o, uint64_t at, void *to, size_t n)
{
    if (at > UINT64_MAX - o->base)
        return err_set(EIO, "behind the end of all addresses");
    at += o->base;
    for (size_t done = 0; done < n;) {
        if (at < o->window_at || at - o->window_at >= o->window_len) {
            o->window_len = 0;
            o->reads++;
            if (o->read(o->arg, at, o->window, sizeof o->window, &o->window_len) < 0)
                return -1;
            o->window_at = at;
        }
        size_t skip = (size_t)(at - o->window_at), part = o->window_len - skip;
        if (part == 0)
            return err_set(EIO, "the file ends too early");
        if (part > n - done)
            part = n - done;
        memcpy((char *)to + done, o->window + skip, part);
        done += part;
        if (part > UINT64_MAX - at && done < n)
            return err_set(EIO, "behind the end of all addresses");
        at += part;
    }
    return 0;
}

// The table of N entries of SIZE bytes at OFFSET ends before the largest offset of a file.
static bool table_fits(uint64_t offset, uint64_t n, uint64_t size)
{
    return offset <= INT64_MAX && n * size <= INT64_MAX - offset; // n has 32 bits, size has 8
}

// Numbers that do not fit into the header's 16 bits stand in the section 0 (gABI, e_phnum and e_shnum).
static int read_extended(struct objfile *o)
{
    if (o->shoff == 0 || (o->phnum != PN_XNUM && o->shnum != 0 && o->shstrndx != SHN_XINDEX))
        return 0;
    union {
        Elf32_Shdr s32;
        Elf64_Shdr s64;
    } s;
    if (objfile_get(o, o->shoff, &s, o->is64 ? sizeof s.s64 : sizeof s.s32) < 0)
        return o->phnum == PN_XNUM ? err_wrap("no number of program headers") : 0;
    uint64_t size = o->is64 ? s.s64.sh_size : s.s32.sh_size;
    if (o->phnum == PN_XNUM)
        o->phnum = o->is64 ? s.s64.sh_info : s.s32.sh_info;
    if (o->shnum == 0)
        o->shnum = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
    if (o->shstrndx == SHN_XINDEX)
        o->shstrndx = o->is64 ? s.s64.sh_link : s.s32.sh_link;
    return 0;
}

static int open_at(objfile_read_fn *read, void *arg, uint64_t base, bool loaded, struct objfile *o)
{
    union {
        unsigned char ident[EI_NIDENT];
        Elf32_Ehdr e32;
        Elf64_Ehdr e64;
    } h;
    o->read = read;
    o->arg = arg;
    o->base = base;
    o->loaded = loaded;
    o->window_at = 0;
    o->window_len = 0;
    o->reads = 0;
    if (objfile_get(o, 0, &h, sizeof h.e32) < 0)
        return err_wrap("no ELF header");
    o->is64 = h.ident[EI_CLASS] == ELFCLASS64;
    if (memcmp(h.ident, ELFMAG, SELFMAG) != 0 || h.ident[EI_DATA] != BYTE_ORDER_HERE ||
        (!o->is64 && h.ident[EI_CLASS] != ELFCLASS32))
        return err_set(ENOEXEC, "not an ELF file");
    if (o->is64 && objfile_get(o, 0, &h, sizeof h.e64) < 0)
        return err_wrap("no ELF header");
#define H(field) (o->is64 ? h.e64.field : h.e32.field)
    o->type = H(e_type);
    o->machine = H(e_machine);
    o->phoff = H(e_phoff);
    o->phnum = H(e_phnum);
    o->shoff = H(e_shoff);
    o->shnum = H(e_shnum);
    o->shstrndx = H(e_shstrndx);
    size_t phentsize = H(e_phentsize), shentsize = H(e_shentsize);
#undef H
    if (shentsize != (o->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)) || o->shoff > INT64_MAX - sizeof(Elf64_Shdr) ||
        loaded)
        o->shoff = o->shnum = 0; // stripped of them, or not in memory
    if (!loaded && read_extended(o) < 0)
        return -1;
    if ((o->phnum > 0 && phentsize != (o->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr))) ||
        !table_fits(o->phoff, o->phnum, sizeof(Elf64_Phdr)) || (loaded && o->phnum >= PN_XNUM))
        return err_set(ENOEXEC, "program headers out of bounds");
    if (!table_fits(o->shoff, o->shnum, sizeof(Elf64_Shdr)))
        o->shoff = o->shnum = 0;
    return 0;
}

int objfile_open(objfile_read_fn *read, void *arg, struct objfile *ret)
{
    return open_at(read, arg, 0, false, ret);
}

int objfile_open_loaded(objfile_read_fn *read, void *arg, uint64_t base, struct objfile *ret)
{
    return open_at(read, arg, base, true, ret);
}

int objfile_phdr(struct objfile *o, uint32_t i, struct objfile_phdr *ret)
{
    union {
        Elf32_Phdr p32;
        Elf64_Phdr p64;
    } p;
    size_t size = o->is64 ? sizeof p.p64 : sizeof p.p32;
    if (objfile_get(o, o->phoff + i * (uint64_t)size, &p, size) < 0)
        return -1;
#define P(field) (o->is64 ? p.p64.field : p.p32.field)
    *ret = (struct objfile_phdr){P(p_type), P(p_flags), P(p_offset), P(p_vaddr), P(p_filesz), P(p_memsz), P(p_align)};
#undef P
    return 0;
}

int objfile_section(struct objfile *o, uint32_t i, struct objfile_section *ret)
{
    union {
        Elf32_Shdr s32;
        Elf64_Shdr s64;
    } s;
    size_t size = o->is64 ? sizeof s.s64 : sizeof s.s32;
    if (objfile_get(o, o->shoff + i * (uint64_t)size, &s, size) < 0)
        return -1;
#define S(field) (o->is64 ? s.s64.field : s.s32.field)
    *ret = (struct objfile_section){S(sh_name),   S(sh_type), S(sh_link),      S(sh_flags),  S(sh_addr),
                                    S(sh_offset), S(sh_size), S(sh_addralign), S(sh_entsize)};
#undef S
    return 0;
}

// --- notes ---------------------------------------------------------------------

int objfile_each_note(struct objfile *o, uint64_t at, uint64_t size, uint64_t align, size_t max,
                      int (*fn)(struct objfile *o, const struct objfile_note *note, void *arg), void *arg)
{
    if (size > UINT64_MAX - at)
        return err_set(EIO, "notes out of bounds");
    // 8 for .note.gnu.property and its like (gABI of 64-bit files), 4 for all others whatever they say.
    const uint64_t pad = align == 8 ? 7 : 3, end = at + size;
    for (size_t i = 0; i < max && end - at >= sizeof(Elf64_Nhdr); i++) {
        Elf64_Nhdr h; // the same in both classes
        if (objfile_get(o, at, &h, sizeof h) < 0)
            return -1;
        uint64_t desc = (sizeof h + (uint64_t)h.n_namesz + pad) & ~pad, whole = (desc + h.n_descsz + pad) & ~pad;
        if (desc > end - at || h.n_descsz > end - at - desc)
            break;
        struct objfile_note note = {.type = h.n_type, .desc = at + desc, .size = h.n_descsz};
        if (h.n_namesz <= sizeof note.name && objfile_get(o, at + sizeof h, note.name, h.n_namesz) < 0)
            return -1;
        if (note.name[sizeof note.name - 1])
            note.name[0] = '\0';
        int stop = fn(o, &note, arg);
        if (stop || whole > end - at)
            return stop;
        at += whole;
    }
    return 0;
}

// Where a segment is: its bytes in the file, or in memory as an offset from the first byte.
static int place(struct objfile *o, const struct objfile_phdr *p, uint64_t *ret)
{
    uint64_t bias = 0;
    if (o->loaded && objfile_bias(o, o->base, 0, &bias) < 0)
        return -1;
    *ret = o->loaded ? bias + p->vaddr - o->base : p->offset;
    return 0;
}

static int notes_of_segments(struct objfile *o, int (*fn)(struct objfile *, const struct objfile_note *, void *),
                             void *arg)
{
    for (uint32_t i = 0, places = 0; i < o->phnum && i < PHDRS_MAX && places < PLACES_MAX; i++) {
        struct objfile_phdr p;
        uint64_t at;
        if (objfile_phdr(o, i, &p) < 0)
            return -1;
        if (p.type != PT_NOTE || place(o, &p, &at) < 0)
            continue;
        places++;
        // One that cannot be read does not hide the others.
        if (objfile_each_note(o, at, p.filesz, p.align, NOTES_MAX, fn, arg) > 0)
            return 1;
    }
    return 0;
}

static int notes_of_sections(struct objfile *o, int (*fn)(struct objfile *, const struct objfile_note *, void *),
                             void *arg)
{
    for (uint32_t i = 0, places = 0; i < o->shnum && i < SECTIONS_MAX && places < PLACES_MAX; i++) {
        struct objfile_section s;
        if (objfile_section(o, i, &s) < 0)
            return -1;
        places += s.type == SHT_NOTE;
        if (s.type == SHT_NOTE && objfile_each_note(o, s.offset, s.size, s.align, NOTES_MAX, fn, arg) > 0)
            return 1;
    }
    return 0;
}

int objfile_bias(struct objfile *o, uint64_t address, uint64_t offset, uint64_t *ret)
{
    for (uint32_t i = 0; i < o->phnum && i < PHDRS_MAX; i++) {
        struct objfile_phdr p;
        if (objfile_phdr(o, i, &p) < 0)
            return -1;
        // Whole pages are mapped (the head of a page that a segment begins in the middle of too).
        uint64_t start = p.offset & ~(uint64_t)(PAGE - 1);
        if (p.type == PT_LOAD && offset >= start && offset - start < p.filesz + (p.offset - start)) {
            *ret = address - offset + p.offset - p.vaddr;
            return 0;
        }
    }
    return err_set(ENOENT, "no segment is loaded from there");
}

struct build_id {
    unsigned char bytes[BUILD_ID_MAX];
    size_t n;
};

static int take_build_id(struct objfile *o, const struct objfile_note *note, void *arg)
{
    struct build_id *id = arg;
    if (note->type != NT_GNU_BUILD_ID || strcmp(note->name, "GNU") != 0 || note->size == 0 || note->size > BUILD_ID_MAX ||
        objfile_get(o, note->desc, id->bytes, (size_t)note->size) < 0)
        return 0;
    id->n = (size_t)note->size;
    return 1;
}

int objfile_get_build_id(struct objfile *o, unsigned char ret[BUILD_ID_MAX], size_t *n)
{
    struct build_id id;
    int found = notes_of_segments(o, take_build_id, &id);
    // A file of debug information alone has the sections, and no segment where its header says.
    if (found <= 0 && o->shnum > 0)
        found = notes_of_sections(o, take_build_id, &id);
    if (found < 0)
        return -1;
    if (found == 0)
        return err_set(ENOENT, "no build-id");
    memcpy(ret, id.bytes, id.n);
    *n = id.n;
    return 0;
}

int objfile_build_id(int fd, unsigned char ret[BUILD_ID_MAX], size_t *n)
{
    struct objfile o;
    return objfile_open(objfile_read_fd, &fd, &o) < 0 ? -1 : objfile_get_build_id(&o, ret, n);
}

int objfile_build_id_at(objfile_read_fn *read, void *arg, uint64_t base, unsigned char ret[BUILD_ID_MAX], size_t *n)
{
    struct objfile o;
    return objfile_open_loaded(read, arg, base, &o) < 0 ? -1 : objfile_get_build_id(&o, ret, n);
}

struct build {
    unsigned char bytes[BUILD_MAX];
    size_t n;
};

static int take_go_build(struct objfile *o, const struct objfile_note *note, void *arg)
{
    enum { NT_GO_BUILD_ID = 4 };
    struct build *b = arg;
    if (note->type != NT_GO_BUILD_ID || strcmp(note->name, "Go") != 0 || note->size == 0 || note->size > BUILD_MAX ||
        objfile_get(o, note->desc, b->bytes, (size_t)note->size) < 0)
        return 0;
    b->n = (size_t)note->size;
    return 1;
}

static int get_build(struct objfile *o, unsigned char ret[BUILD_MAX], size_t *n)
{
    struct build b;
    if (objfile_get_build_id(o, ret, n) == 0)
        return 0;
    if (notes_of_segments(o, take_go_build, &b) <= 0)
        return err_set(ENOENT, "no build-id");
    memcpy(ret, b.bytes, b.n);
    *n = b.n;
    return 0;
}

int objfile_build(int fd, unsigned char ret[BUILD_MAX], size_t *n)
{
    struct objfile o;
    return objfile_open(objfile_read_fd, &fd, &o) < 0 ? -1 : get_build(&o, ret, n);
}

int objfile_build_at(objfile_read_fn *read, void *arg, uint64_t base, unsigned char ret[BUILD_MAX], size_t *n)
{
    struct objfile o;
    return objfile_open_loaded(read, arg, base, &o) < 0 ? -1 : get_build(&o, ret, n);
}

static int take_osrel(struct objfile *o, const struct objfile_note *note, void *arg)
{
    uint32_t words[4]; // the system, and the three
    if (note->type != NT_GNU_ABI_TAG || strcmp(note->name, "GNU") != 0 || note->size < sizeof words ||
        objfile_get(o, note->desc, words, sizeof words) < 0)
        return 0;
    memcpy(arg, words + 1, 3 * sizeof words[0]);
    return 1;
}

int objfile_osrel(int fd, uint32_t ret[3])
{
    struct objfile o;
    if (objfile_open(objfile_read_fd, &fd, &o) < 0)
        return -1;
    int found = notes_of_segments(&o, take_osrel, ret);
    return found > 0 ? 0 : found < 0 ? -1 : err_set(ENOENT, "no ABI note");
}
