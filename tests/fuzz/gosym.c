// SPDX-License-Identifier: MIT
//
// gosym over bytes in memory. The first byte chooses: a whole file, or a program of a layout that is made here, with
// the rest of the input as changes to it: two bytes where, one what.
#include "gosym.h"
#include "../gotables.h"
#include "err.h"

#include <errno.h>

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

static int take_frame(const struct gosym_frame *f, void *arg)
{
    unsigned *n = arg;
    need(f->func && f->name && (f->file || !f->line));
    need(++*n <= 257);
    return 0;
}

static int take_place(uint64_t pc, const char *file, unsigned line, void *arg)
{
    (void)pc, (void)arg;
    need(file && line > 0);
    return 0;
}

static void ask(struct gosym *g)
{
    struct gosym_func f;
    enum gosym_role role;
    uint64_t n;
    need(gosym_count(g) > 0);
    for (size_t i = 0; i < gosym_count(g) && i < 16; i++)
        if (gosym_func(g, i, &f) == 0)
            for (uint64_t pc = f.entry, k = 0; k < 8 && pc < f.end; pc += 9, k++) {
                unsigned frames = 0;
                (void)!gosym_frames(g, pc, take_frame, &frames);
                if (gosym_spdelta(g, &f, pc, &n) == 0)
                    need(n <= INT32_MAX);
                (void)!gosym_role(g, &f, &role);
                if (gosym_size(g, &f, &n) == 0)
                    need(n <= f.end - f.entry);
            }
    if (gosym_func_at(g, GOTABLES_TEXT + 0x50, &f) == 0)
        need(f.entry <= GOTABLES_TEXT + 0x50 && GOTABLES_TEXT + 0x50 < f.end);
    if (gosym_count(g) < 4096) {
        (void)!gosym_find(g, "main.none", &f);
        (void)!gosym_each_line(g, "in.go", 31, take_place, NULL);
    }
    struct gosym_range r = gosym_bss(g);
    need(r.end == 0 || r.start < r.end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t image[GOTABLES_SIZE];
    struct bytes b = {data + 1, size - 1, 0};
    CLEANUP_GOSYM struct gosym *g = NULL, *loaded = NULL;
    if (size == 0)
        return 0;
    const unsigned layout = data[0] & 7, flags = data[0] >> 3 & 3;
    if (layout < GO_LAYOUTS) {
        gotables_make(image, layout, flags, 0);
        for (size_t i = 1; i + 3 <= size; i += 3)
            image[(data[i] | (unsigned)data[i + 1] << 8) % sizeof image] = data[i + 2];
        b = (struct bytes){image, sizeof image, 0};
    }
    if (gosym_open(read_bytes, &b, &g) == 0)
        ask(g);
    b.base = GOTABLES_BASE;
    if (gosym_open_loaded(read_bytes, &b, GOTABLES_BASE, &loaded) == 0)
        ask(loaded);
    return 0;
}
