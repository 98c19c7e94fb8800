// SPDX-License-Identifier: MIT
#include "objfile.h"

#include "err.h"
#include "io.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

enum { NOTES_MAX = 16384, PHDRS_MAX = 256 };

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { BYTE_ORDER_HERE = ELFDATA2LSB };
#else
enum { BYTE_ORDER_HERE = ELFDATA2MSB };
#endif

struct phdrs {
    uint64_t offset;
    size_t n, size;
    bool is64;
};

static int read_header(int fd, struct phdrs *ret)
{
    union {
        unsigned char ident[EI_NIDENT];
        Elf32_Ehdr e32;
        Elf64_Ehdr e64;
    } h;
    if (io_pread(fd, &h, sizeof h.e32, 0) < 0)
        return -1;
    bool is64 = h.ident[EI_CLASS] == ELFCLASS64;
    if (memcmp(h.ident, ELFMAG, SELFMAG) != 0 || h.ident[EI_DATA] != BYTE_ORDER_HERE)
        return err_set(ENOEXEC, "not an ELF file");
    if (is64 && io_pread(fd, &h, sizeof h.e64, 0) < 0)
        return -1;
    *ret = is64 ? (struct phdrs){h.e64.e_phoff, h.e64.e_phnum, h.e64.e_phentsize, true}
                : (struct phdrs){h.e32.e_phoff, h.e32.e_phnum, h.e32.e_phentsize, false};
    if (ret->size != (is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) || ret->n > PHDRS_MAX ||
        ret->offset > INT64_MAX - PHDRS_MAX * sizeof(Elf64_Phdr))
        return err_set(ENOEXEC, "program headers out of bounds");
    return 0;
}

static int find_abi_tag(const char *notes, size_t n, uint32_t ret[3])
{
    for (size_t at = 0; n - at >= sizeof(Elf32_Nhdr);) {
        Elf32_Nhdr note; // the same in both classes
        memcpy(&note, notes + at, sizeof note);
        at += sizeof note;
        uint64_t name = ((uint64_t)note.n_namesz + 3) & ~3ULL, desc = ((uint64_t)note.n_descsz + 3) & ~3ULL;
        if (name > n - at || desc > n - at - name)
            break;
        if (note.n_type == NT_GNU_ABI_TAG && note.n_namesz == 4 && memcmp(notes + at, "GNU", 4) == 0 &&
            note.n_descsz >= 16) {
            memcpy(ret, notes + at + name + 4, 12);
            return 0;
        }
        at += name + desc;
    }
    return err_set(ENOENT, "no ABI note");
}

int objfile_osrel(int fd, uint32_t ret[3])
{
    struct phdrs p;
    if (read_header(fd, &p) < 0)
        return -1;
    for (size_t i = 0; i < p.n; i++) {
        union {
            Elf32_Phdr p32;
            Elf64_Phdr p64;
        } ph;
        if (io_pread(fd, &ph, p.size, p.offset + i * p.size) < 0)
            return -1;
        uint32_t type = p.is64 ? ph.p64.p_type : ph.p32.p_type;
        uint64_t offset = p.is64 ? ph.p64.p_offset : ph.p32.p_offset;
        uint64_t size = p.is64 ? ph.p64.p_filesz : ph.p32.p_filesz;
        char notes[NOTES_MAX];
        if (type != PT_NOTE || size > sizeof notes || offset > INT64_MAX - sizeof notes)
            continue;
        if (io_pread(fd, notes, size, offset) == 0 && find_abi_tag(notes, size, ret) == 0)
            return 0;
    }
    return err_set(ENOENT, "no ABI note");
}
