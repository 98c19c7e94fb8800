// SPDX-License-Identifier: MIT
//
// Variables, inlined functions and lines (dwarf_*.c, sym_scope.c, sym_line.c) of a program with debug information: the
// fixture locals, damaged. The input: addresses of code, values of registers, then changes: two bytes where in its
// sections .debug_*, one what.
#include "dwarf_child.h"
#include "err.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { FRAMES = 4, PARTS = 64, STACK_AT = 0x20000, STACK_SIZE = 0x4000 };

static struct {
    uint8_t *at;
    size_t size;
    int fd;
    struct {
        size_t at, size;
    } parts[PARTS];        // .debug_*
    size_t nparts, total;
    uint64_t text, text_size;
} program;

static void need(bool so)
{
    if (!so)
        abort();
}

static void find_parts(void)
{
    const Elf64_Ehdr *e = (const void *)program.at;
    const Elf64_Shdr *s = (const void *)(program.at + e->e_shoff);
    for (unsigned i = 0; i < e->e_shnum; i++) {
        const char *name = (const char *)program.at + s[e->e_shstrndx].sh_offset + s[i].sh_name;
        if (strcmp(name, ".text") == 0) {
            program.text = s[i].sh_addr;
            program.text_size = s[i].sh_size;
        }
        if (strncmp(name, ".debug_", 7) != 0 || s[i].sh_size == 0 || program.nparts == PARTS)
            continue;
        program.parts[program.nparts].at = s[i].sh_offset;
        program.parts[program.nparts++].size = s[i].sh_size;
        program.total += s[i].sh_size;
    }
    need(program.nparts > 4 && program.text > 0);
}

// The fixture stands beside this program.
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    CLEANUP_BUF struct buf path = {0};
    struct stat st;
    const char *me = (*argv)[0], *slash = strrchr(me, '/');
    (void)argc;
    buf_printf(&path, "%.*s/../fixtures/locals", slash ? (int)(slash - me) : 1, slash ? me : ".");
    int fd = open(buf_cstr(&path), O_RDONLY | O_CLOEXEC);
    need(fd >= 0 && fstat(fd, &st) == 0);
    program.size = (size_t)st.st_size;
    program.at = mmap(NULL, program.size, PROT_READ, MAP_PRIVATE, fd, 0);
    program.fd = memfd_create("program", MFD_CLOEXEC);
    need(program.at != MAP_FAILED && program.fd >= 0);
    close(fd);
    need(write(program.fd, program.at, program.size) == (ssize_t)program.size);
    find_parts();
    return 0;
}

static size_t place(size_t at)
{
    at %= program.total;
    for (size_t i = 0; i < program.nparts; at -= program.parts[i++].size)
        if (at < program.parts[i].size)
            return program.parts[i].at + at;
    return 0;
}

struct frames {
    struct lines *lines;
    uint64_t pc[FRAMES], regs[FRAMES][REG_DWARF_MAX];
};

static bool get_frame(void *arg, size_t i, struct dwarf_frame *ret)
{
    struct frames *f = arg;
    if (i >= FRAMES)
        return false;
    *ret = (struct dwarf_frame){.lines = f->lines, .pc = f->pc[i], .exact = i == 0, .called = true, .regs = f->regs[i],
                                .known = ~0ULL >> i, .has_cfa = i < 3, .cfa = STACK_AT + 256 * (i + 1)};
    return true;
}

static bool read_memory(void *arg, uint64_t addr, void *to, size_t n, bool *late)
{
    (void)arg;
    if (addr < STACK_AT || n > STACK_SIZE || addr - STACK_AT > STACK_SIZE - n)
        return false;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = (addr + i) % 8 == 2 ? 2 : (addr + i) % 8 < 2 ? (uint8_t)(addr + i) : 0;
    *late = addr & 1;
    return true;
}

static void ask(struct frames *f)
{
    struct dwarf_stack stack = {get_frame, read_memory, f};
    for (size_t i = 0; i < FRAMES; i++) {
        CLEANUP_BUF struct buf rows = {0}, variables = {0};
        const char *file = NULL;
        unsigned line = 0, levels = 0;
        if (lines_of(f->lines, f->pc[i], 0, &file, &line))
            need(file && line > 0);
        inlines_of(f->lines, f->pc[i], f->pc[i], 0, 0, &rows, &file, &line);
        if (dwarf_variables(&stack, i, NULL, &levels, &variables) < 0)
            continue;
        struct packet p = packet_of(variables.data, variables.len);
        while (p.left > 0) {
            struct variable v;
            need(variable_get(&p, &v) == 0 && v.level < levels && (v.value || v.reason) && v.value_len < 1 << 16);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frames f = {0};
    struct image image;
    if (size < FRAMES * 4)
        return 0;
    for (size_t i = 0; i < FRAMES; i++, data += 4, size -= 4) {
        f.pc[i] = program.text + (data[0] | (unsigned)data[1] << 8) % program.text_size;
        for (unsigned r = 0; r < reg_dwarf_count; r++)
            f.regs[i][r] = r & 1 ? STACK_AT + data[2] * 8U * r : data[3] * r;
    }
    for (size_t i = 0; i + 3 <= size; i += 3)
        need(pwrite(program.fd, data + i + 2, 1, (off_t)place(data[i] | (size_t)data[i + 1] << 8)) == 1);
    if (image_open(program.fd, 0, &image) == 0 && (f.lines = image_lines(&image)))
        ask(&f);
    image_close(&image);
    for (size_t i = 0; i + 3 <= size; i += 3) {
        const size_t at = place(data[i] | (size_t)data[i + 1] << 8);
        need(pwrite(program.fd, program.at + at, 1, (off_t)at) == 1);
    }
    return 0;
}
