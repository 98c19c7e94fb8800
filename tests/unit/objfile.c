// SPDX-License-Identifier: MIT
//
// objfile: headers, notes, build-ids and biases of ELF files that are made here.
#include "objfile.h"
#include "err.h"
#include "unit.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

// A note of the GNU kind with room for a build-id of 20 bytes or an ABI tag.
struct gnu_note {
    Elf64_Nhdr n;
    char name[4];
    unsigned char desc[20];
};

// A small program: its header, two segments, notes, and behind them sections.
struct elf {
    Elf64_Ehdr head;
    Elf64_Phdr load, note;
    struct gnu_note abi, id;
    Elf64_Shdr sections[2];
};

static const struct elf good = {
    .head = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB},
             .e_type = ET_DYN,
             .e_machine = EM_X86_64,
             .e_phoff = offsetof(struct elf, load),
             .e_phnum = 2,
             .e_phentsize = sizeof(Elf64_Phdr),
             .e_shoff = offsetof(struct elf, sections),
             .e_shnum = 2,
             .e_shentsize = sizeof(Elf64_Shdr)},
    .load = {.p_type = PT_LOAD, .p_vaddr = 0x10000, .p_filesz = sizeof(struct elf), .p_memsz = sizeof(struct elf)},
    .note = {.p_type = PT_NOTE,
             .p_offset = offsetof(struct elf, abi),
             .p_vaddr = 0x10000 + offsetof(struct elf, abi),
             .p_filesz = 2 * sizeof(struct gnu_note),
             .p_align = 4},
    .abi = {{4, 16, NT_GNU_ABI_TAG}, "GNU", {[4] = 3, [8] = 2, [12] = 9}},
    .id = {{4, 20, NT_GNU_BUILD_ID}, "GNU", "abcdefghijklmnopqrst"},
    .sections = {{0}, {.sh_type = SHT_NOTE, .sh_offset = offsetof(struct elf, id), .sh_size = sizeof(struct gnu_note)}},
};

// The ABI tag has 16 bytes; the next note follows at once.
static struct elf packed(void)
{
    struct elf e = good;
    memmove((char *)&e.abi + 32, &e.id, sizeof e.id);
    return e;
}

static int osrel_of(const void *file, size_t n, uint32_t ret[3])
{
    int fd = unit_file(file, n), done = objfile_osrel(fd, ret);
    close(fd);
    return done;
}

// The build-id as text; "" and the error where there is none.
static const char *id_of(const void *file, size_t n)
{
    static char text[BUILD_ID_MAX + 1];
    unsigned char id[BUILD_ID_MAX];
    size_t len = 0;
    int fd = unit_file(file, n), done = objfile_build_id(fd, id, &len);
    close(fd);
    snprintf(text, sizeof text, "%.*s", done < 0 ? 0 : (int)len, id);
    return text;
}

// Memory that holds an image at ADDRESS.
struct image {
    uint64_t address;
    const char *bytes;
    size_t n;
};

static int read_image(void *arg, uint64_t at, void *to, size_t n, size_t *got)
{
    const struct image *m = arg;
    if (at < m->address || at - m->address >= m->n)
        return err_set(EFAULT, "nothing is there");
    size_t left = m->n - (size_t)(at - m->address);
    *got = n < left ? n : left;
    memcpy(to, m->bytes + (at - m->address), *got);
    return 0;
}

static int count(struct objfile *o, const struct objfile_note *note, void *arg)
{
    (void)o;
    (void)note;
    ++*(size_t *)arg;
    return 0;
}

// How many notes there are in what a file holds from 64 on.
static size_t notes_in(const void *notes, size_t n, uint64_t size, uint64_t align, size_t max)
{
    char file[4096] = {0};
    memcpy(file, &good.head, 64);
    memcpy(file + 64, notes, n);
    int fd = unit_file(file, 64 + n);
    struct objfile o;
    size_t found = 0;
    check(objfile_open(objfile_read_fd, &fd, &o) == 0);
    int done = objfile_each_note(&o, 64, size, align, max, count, &found);
    check(done == 0 || (done == -1 && err_code() == EIO));
    close(fd);
    return found;
}

static void test_notes(void)
{
    struct elf e = packed();
    check(notes_in(&e.abi, 68, 68, 4, 9) == 2);
    check(notes_in(&e.abi, 68, 68, 4, 1) == 1);
    check(notes_in(&e.abi, 68, 67, 4, 9) == 1); // the second does not fit
    check(notes_in(&e.abi, 68, 43, 4, 9) == 1);
    check(notes_in(&e.abi, 68, 11, 4, 9) == 0);
    check(notes_in(&e.abi, 68, UINT64_MAX - 64, 4, 9) == 2); // more than the file has
    check(notes_in(&e.abi, 68, UINT64_MAX, 4, 9) == 0);
    // Sizes that lie, one by one.
    for (size_t field = 0; field < 2; field++)
        for (size_t bit = 0; bit < 32; bit++) {
            Elf64_Nhdr n[4] = {{4, 16, NT_GNU_ABI_TAG}};
            (field ? &n->n_descsz : &n->n_namesz)[0] ^= 1u << bit;
            check(notes_in(n, sizeof n, sizeof n, 4, 99) <= 4);
            check(notes_in(n, sizeof n, sizeof n, 8, 99) <= 4);
        }
    // Empty notes of 12 bytes, and of 16 where the alignment is 8.
    static const char zeros[1200];
    check(notes_in(zeros, sizeof zeros, sizeof zeros, 4, 9999) == 100);
    check(notes_in(zeros, sizeof zeros, sizeof zeros, 8, 9999) == 75);
    // .note.gnu.property as ld writes it, and a build-id behind it, both with an alignment of 8.
    static const uint32_t wide[] = {4, 16, 5, 0x554e47, 0xc0000002, 4, 3, 0, 4, 4, 3, 0x554e47, 0x64636261, 0};
    check(notes_in(wide, sizeof wide, sizeof wide, 8, 9) == 2);
}

static void test_numbers(void)
{
    // PN_XNUM, and sections by the number in section 0.
    struct elf e = packed();
    e.head.e_phnum = PN_XNUM;
    e.head.e_shnum = 0;
    e.head.e_shstrndx = SHN_XINDEX;
    e.sections[0].sh_info = 2;
    e.sections[0].sh_size = 2;
    e.sections[0].sh_link = 77777;
    int fd = unit_file(&e, sizeof e);
    struct objfile o;
    check(objfile_open(objfile_read_fd, &fd, &o) == 0 && o.phnum == 2 && o.shnum == 2 && o.shstrndx == 77777);
    struct objfile_section s;
    check(objfile_section(&o, 1, &s) == 0 && s.type == SHT_NOTE && s.size == sizeof(struct gnu_note));
    check(objfile_section(&o, 2, &s) == -1 && err_code() == EIO);
    close(fd);
    check(strcmp(id_of(&e, sizeof e), "abcdefghijklmnopqrst") == 0);
    e.head.e_shoff = 1 << 20; // the number stands nowhere
    check(strcmp(id_of(&e, sizeof e), "") == 0 && err_code() == EIO);
    e = packed();
    e.sections[0].sh_info = UINT32_MAX;
    e.sections[0].sh_size = UINT64_MAX;
    e.head.e_phnum = PN_XNUM;
    e.head.e_shnum = 0;
    check(strcmp(id_of(&e, sizeof e), "abcdefghijklmnopqrst") == 0);
}

void test_objfile(void)
{
    const struct elf e = packed();
    uint32_t rel[3];
    check(osrel_of(&e, sizeof e, rel) == 0 && rel[0] == 3 && rel[1] == 2 && rel[2] == 9);
    check(strcmp(id_of(&e, sizeof e), "abcdefghijklmnopqrst") == 0);
    size_t notes_end = offsetof(struct elf, abi) + 32 + offsetof(struct gnu_note, desc) + 20;
    for (size_t n = 0; n < notes_end; n++)
        check(strcmp(id_of(&e, n), "") == 0 && (err_code() == EIO || err_code() == ENOENT));
    struct elf bad = e;
    bad.head.e_ident[EI_DATA] = ELFDATA2MSB;
    check(osrel_of(&bad, sizeof bad, rel) == -1 && err_code() == ENOEXEC);
    bad = e;
    bad.head.e_phentsize--;
    check(osrel_of(&bad, sizeof bad, rel) == -1 && err_code() == ENOEXEC);
    bad = e;
    bad.head.e_phoff = INT64_MAX;
    check(osrel_of(&bad, sizeof bad, rel) == -1 && err_code() == ENOEXEC);
    // Debug information alone: the segment lies, the section is right. An empty id and one too long are none.
    bad = e;
    bad.note.p_filesz = 0;
    bad.sections[1].sh_offset = offsetof(struct elf, abi) + 32;
    check(strcmp(id_of(&bad, sizeof bad), "abcdefghijklmnopqrst") == 0);
    bad.sections[1].sh_type = SHT_NOBITS;
    check(strcmp(id_of(&bad, sizeof bad), "") == 0 && err_code() == ENOENT);
    bad = e;
    ((Elf64_Nhdr *)((char *)&bad.abi + 32))->n_descsz = 0;
    bad.head.e_shnum = 0;
    check(strcmp(id_of(&bad, sizeof bad), "") == 0 && err_code() == ENOENT);
    test_notes();
    test_numbers();

    // As it is mapped: at the end of a page, so that nothing behind it is read.
    struct image m = {0x7f0000400000, unit_edge(&e, sizeof e), sizeof e};
    unsigned char id[BUILD_ID_MAX];
    size_t n = 0;
    check(objfile_build_id_at(read_image, &m, m.address, id, &n) == 0 && n == 20 && memcmp(id, "abcdef", 6) == 0);
    check(objfile_build_id_at(read_image, &m, m.address + 1, id, &n) == -1 && err_code() == ENOEXEC);
    check(objfile_build_id_at(read_image, &m, m.address - 1, id, &n) == -1 && err_code() == EFAULT);
    m.address = UINT64_MAX - sizeof e + 1;
    check(objfile_build_id_at(read_image, &m, m.address, id, &n) == 0);
    m.n = offsetof(struct elf, id);
    check(objfile_build_id_at(read_image, &m, m.address, id, &n) == -1);

    struct objfile o;
    struct image file = {0, (const char *)&e, sizeof e};
    uint64_t bias;
    check(objfile_open(read_image, &file, &o) == 0);
    check(objfile_bias(&o, 0x7f0000400000, 0, &bias) == 0 && bias == 0x7f00003f0000);
    check(objfile_bias(&o, 0x7f0000400000, 4096, &bias) == -1 && err_code() == ENOENT);
    // A data segment that begins in the middle of a page: the page is mapped, from its first byte.
    bad = e;
    bad.load.p_offset = 0x2dd0;
    bad.load.p_vaddr = 0x13dd0;
    bad.load.p_filesz = 0x300;
    file.bytes = (const char *)&bad;
    check(objfile_open(read_image, &file, &o) == 0);
    check(objfile_bias(&o, 0x7f0000404000, 0x2000, &bias) == 0 && bias == 0x7f00003f1000);
    check(objfile_bias(&o, 0x7f0000405000, 0x3000, &bias) == 0 && bias == 0x7f00003f1000);
    check(objfile_bias(&o, 0x7f0000404000, 0x4000, &bias) == -1);

    // Ourselves, in the file and in memory, with the dynamic linker's word for the bias.
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    check(objfile_osrel(self, rel) == 0 && rel[0] >= 2);
    check(objfile_open(objfile_read_fd, &self, &o) == 0 && o.type == ET_DYN);
    check(objfile_bias(&o, _r_debug.r_map->l_addr, 0, &bias) == 0 && bias == _r_debug.r_map->l_addr);
    close(self);

    for (size_t i = 0, times = unit_times(5000, 200000); i < times; i++) {
        bad = e;
        for (unsigned k = 0; k < 1 + i % 6; k++)
            ((char *)&bad)[unit_random() % sizeof bad] = (char)unit_random();
        int done = osrel_of(&bad, sizeof bad, rel);
        if (done != 0 && done != -1)
            check(false);
        m = (struct image){0x400000, unit_edge(&bad, sizeof bad), sizeof bad};
        n = 0;
        if (objfile_build_id_at(read_image, &m, m.address, id, &n) == 0 && (n == 0 || n > BUILD_ID_MAX))
            check(false);
        (void)id_of(&bad, sizeof bad);
    }
}
