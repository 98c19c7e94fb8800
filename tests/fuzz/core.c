// SPDX-License-Identifier: MIT
//
// objfile and the index of a core, over bytes in memory. The first byte chooses: a file, an image in
// memory, a core, and a core whose notes have known types.
#include "err.h"
#include "target_core.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
    const uint8_t *at;
    size_t n;
    uint64_t base;
};

static int read_bytes(void *arg, uint64_t at, void *to, size_t n, size_t *got)
{
    const struct bytes *b = arg;
    if (at < b->base || at - b->base >= b->n)
        return err_set(EIO, "the file ends too early");
    size_t left = b->n - (size_t)(at - b->base);
    *got = n < left ? n : left;
    memcpy(to, b->at + (at - b->base), *got);
    return 0;
}

static void need(bool so)
{
    if (!so)
        abort();
}

static void ask_file(struct objfile *o)
{
    unsigned char id[BUILD_ID_MAX];
    size_t n;
    uint64_t bias;
    struct objfile_section s;
    if (objfile_get_build_id(o, id, &n) == 0)
        need(n > 0 && n <= BUILD_ID_MAX);
    (void)!objfile_bias(o, 0x7f0000000000, 0, &bias);
    for (uint32_t i = 0; i < o->shnum && i < 16; i++)
        (void)!objfile_section(o, i, &s);
}

static void ask_core(struct objfile *o)
{
    struct core_index c;
    struct maps maps = {0};
    if (core_index_read(o, &c) < 0)
        return;
    need(c.pid > 0 && c.nthreads > 0 && buf_ok(&c.names) == 0);
    for (size_t i = 0; i < c.nloads; i++) {
        need(c.loads[i].start < c.loads[i].end && (i == 0 || c.loads[i - 1].end <= c.loads[i].start));
        need(c.loads[i].filesz <= c.loads[i].end - c.loads[i].start);
        need(core_next_load(&c, c.loads[i].start) == &c.loads[i]);
    }
    for (size_t i = 0; i < c.nfiles; i++) {
        need(c.files[i].start < c.files[i].end && (i == 0 || c.files[i - 1].end <= c.files[i].start));
        need(c.files[i].name + c.files[i].name_len < c.names.len);
        need(c.files[i].first == CORE_NONE || (c.files[i].first <= i && c.files[c.files[i].first].offset == 0));
        need(core_find_file(&c, c.files[i].end - 1) == &c.files[i]);
    }
    for (size_t i = 0; i < c.nthreads; i++)
        need(c.threads[i].tid > 0 && core_find_thread(&c, c.threads[i].tid) == &c.threads[i]);
    need(core_index_maps(&c, &maps) == 0);
    for (size_t i = 0; i < maps.n; i++) {
        need(maps.at[i].start < maps.at[i].end && (i == 0 || maps.at[i - 1].end <= maps.at[i].start));
        need(maps.at[i].name + maps.at[i].name_len <= maps.names.len);
    }
    maps_fini(&maps);
    core_index_fini(&c);
}

static bool take(const uint8_t **data, size_t *size, void *to, size_t n)
{
    if (n > *size)
        return false;
    memcpy(to, *data, n);
    *data += n;
    *size -= n;
    return true;
}

// A core made of the input: how many segments, their headers, and notes of types that are known.
static void make_core(const uint8_t *data, size_t size, struct buf *ret)
{
    static const struct {
        const char *name;
        uint32_t type;
    } known[] = {{"CORE", NT_PRSTATUS}, {"CORE", NT_PRPSINFO}, {"CORE", NT_AUXV},      {"CORE", NT_FILE},
                 {"CORE", NT_PRFPREG},  {"CORE", NT_SIGINFO},  {"LINUX", NT_X86_XSTATE}, {"OTHER", 1}};
    CLEANUP_BUF struct buf notes = {0};
    Elf64_Phdr loads[8] = {0};
    uint8_t nloads = 0, kind;
    uint16_t len;
    if (!take(&data, &size, &nloads, 1) || !take(&data, &size, loads, (nloads %= 8) * sizeof *loads))
        return;
    while (take(&data, &size, &kind, 1) && take(&data, &size, &len, sizeof len)) {
        const char *name = known[kind % 8].name;
        size_t n = len < size ? len : size;
        const Elf64_Nhdr h = {(uint32_t)strlen(name) + 1, (uint32_t)n, known[kind % 8].type};
        buf_add(&notes, &h, sizeof h);
        buf_add(&notes, name, h.n_namesz);
        buf_add(&notes, "\0\0", -h.n_namesz & 3);
        buf_add(&notes, data, n);
        buf_add(&notes, "\0\0", -n & 3);
        data += n;
        size -= n;
    }
    const Elf64_Ehdr e = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB}, .e_type = ET_CORE,
                          .e_machine = (uint16_t)reg_machine, .e_phoff = sizeof e, .e_phnum = 1 + nloads,
                          .e_phentsize = sizeof *loads};
    const Elf64_Phdr note = {.p_type = PT_NOTE, .p_offset = sizeof e + (1 + nloads) * sizeof *loads, .p_filesz = notes.len};
    buf_add(ret, &e, sizeof e);
    buf_add(ret, &note, sizeof note);
    for (size_t i = 0; i < nloads; i++)
        loads[i].p_type = PT_LOAD;
    buf_add(ret, loads, nloads * sizeof *loads);
    buf_add(ret, notes.data, notes.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    CLEANUP_BUF struct buf core = {0};
    struct bytes b = {NULL, size - 1, 0};
    const uint8_t kind = data[0] % 4;
    if (kind == 3) {
        make_core(data + 1, size - 1, &core);
        b.n = core.len;
    }
    // A copy that ends where its memory ends.
    CLEANUP_FREE uint8_t *file = malloc(b.n ? b.n : 1);
    if (!file)
        return 0;
    if (b.n)
        memcpy(file, kind == 3 ? (const uint8_t *)core.data : data + 1, b.n);
    b.at = file;
    b.base = kind == 1 ? 0x7f0000000000 : 0;
    struct objfile o;
    if ((kind == 1 ? objfile_open_loaded(read_bytes, &b, b.base, &o) : objfile_open(read_bytes, &b, &o)) == 0) {
        if (kind < 2)
            ask_file(&o);
        else
            ask_core(&o);
    }
    return 0;
}
