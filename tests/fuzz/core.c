// SPDX-License-Identifier: MIT
//
// objfile and the index of a core, over bytes in memory. The first byte chooses: a file, an image in memory, a core.
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

// Bytes that a header needs are put in, so that what is behind them is reached; half of the inputs keep theirs.
static void make_header(uint8_t *file, size_t n)
{
    Elf64_Ehdr h;
    if (n < sizeof h)
        return;
    memcpy(&h, file, sizeof h);
    memcpy(h.e_ident, ELFMAG, SELFMAG);
    h.e_ident[EI_CLASS] = ELFCLASS64;
    h.e_ident[EI_DATA] = ELFDATA2LSB;
    h.e_type = ET_CORE;
    h.e_machine = (uint16_t)reg_machine;
    h.e_phoff = sizeof h;
    h.e_phentsize = sizeof(Elf64_Phdr);
    h.e_phnum &= 15;
    memcpy(file, &h, sizeof h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint8_t *file = malloc(size); // at least a byte: its end is where the input's is
    if (!file)
        return 0;
    memcpy(file, data + 1, size - 1);
    struct bytes b = {file, size - 1, 0};
    struct objfile o;
    if (data[0] & 8)
        make_header(file, size - 1);
    switch (data[0] % 3) {
    case 0:
        if (objfile_open(read_bytes, &b, &o) == 0)
            ask_file(&o);
        break;
    case 1:
        b.base = 0x7f0000000000;
        if (objfile_open_loaded(read_bytes, &b, b.base, &o) == 0)
            ask_file(&o);
        break;
    default:
        if (objfile_open(read_bytes, &b, &o) == 0)
            ask_core(&o);
        break;
    }
    free(file);
    return 0;
}
