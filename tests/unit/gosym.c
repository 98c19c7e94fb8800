// SPDX-License-Identifier: MIT
//
// gosym on programs that are made here, in each layout that Go has had: what they say, and what becomes of them when
// they are cut off or changed.
#include "gosym.h"
#include "../gotables.h"
#include "err.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>

// A file, or memory at an address.
struct image {
    const unsigned char *bytes;
    size_t n;
    uint64_t base;
    size_t reads;
};

static int read_image(void *arg, uint64_t at, void *to, size_t n, size_t *got)
{
    struct image *m = arg;
    m->reads++;
    if (at < m->base || at - m->base >= m->n)
        return err_set(EIO, "the file ends too early");
    size_t left = m->n - (size_t)(at - m->base);
    *got = n < left ? n : left;
    memcpy(to, m->bytes + (at - m->base), *got);
    return 0;
}

static int add_frame(const struct gosym_frame *f, void *arg)
{
    buf_printf(arg, "%s%s %s:%u;", f->inlined ? "+" : "", f->name, f->file ? f->file : "?", f->line);
    return 0;
}

static int add_place(uint64_t pc, const char *file, unsigned line, void *arg)
{
    buf_printf(arg, "%llx %s:%u;", (unsigned long long)pc, file, line);
    return 0;
}

static bool frames_are(struct gosym *g, uint64_t pc, const char *want)
{
    CLEANUP_BUF struct buf b = {0};
    (void)!gosym_frames(g, pc, add_frame, &b);
    return unit_is(&b, want, strlen(want));
}

// `name entry end size` of the function at PC.
static bool func_is(struct gosym *g, uint64_t pc, const char *name, uint64_t entry, uint64_t end, uint64_t size)
{
    struct gosym_func f;
    uint64_t n;
    CLEANUP_BUF struct buf b = {0};
    return gosym_func_at(g, pc, &f) == 0 && gosym_name(g, &f, &b) == 0 && unit_is(&b, name, strlen(name)) &&
           f.entry == entry && f.end == end && gosym_size(g, &f, &n) == 0 && n == size && gosym_is_named(g, &f, name) &&
           !gosym_is_named(g, &f, "main");
}

static uint64_t delta_at(struct gosym *g, uint64_t pc)
{
    struct gosym_func f;
    uint64_t delta;
    return gosym_func_at(g, pc, &f) < 0 || gosym_spdelta(g, &f, pc, &delta) < 0 ? UINT64_MAX : delta;
}

static bool places_are(struct gosym *g, const char *file, unsigned line, uint64_t at, const char *found)
{
    CLEANUP_BUF struct buf b = {0}, want = {0};
    (void)!gosym_each_line(g, file, line, add_place, &b);
    if (found)
        buf_printf(&want, "%llx %s;", (unsigned long long)at, found);
    return unit_is(&b, buf_cstr(&want), want.len);
}

static void test_answers(struct gosym *g, uint64_t bias)
{
    const uint64_t text = GOTABLES_TEXT + bias;
    struct gosym_func f;
    enum gosym_role role;
    check(gosym_count(g) == 4);
    check(func_is(g, text, "main.main", text, text + 0x40, 0x38));
    check(func_is(g, text + 0x3f, "main.main", text, text + 0x40, 0x38));
    check(func_is(g, text + 0x40, "main.(*T).M", text + 0x40, text + 0x80, 0x30));
    check(func_is(g, text + 0x9f, "runtime.goexit", text + 0x90, text + 0xa0, 1));
    check(gosym_func_at(g, text - 1, &f) < 0 && err_code() == ENOENT);
    check(gosym_func_at(g, text + 0x80, &f) < 0 && err_code() == ENOENT); // a gap
    check(gosym_func_at(g, text + 0xa0, &f) < 0 && err_code() == ENOENT);
    check(gosym_func_at(g, 0, &f) < 0 && gosym_func_at(g, UINT64_MAX, &f) < 0);
    check(gosym_func(g, 4, &f) < 0 && gosym_func(g, SIZE_MAX, &f) < 0);

    check(frames_are(g, text, "main.main /src/main.go:10;"));
    check(frames_are(g, text + 8, "main.main /src/main.go:11;"));
    check(frames_are(g, text + 0x37, "main.main /src/main.go:12;"));
    check(frames_are(g, text + 0x38, "main.main ?:0;")); // padding
    check(frames_are(g, text + 0x4f, "main.(*T).M /src/main.go:20;"));
    check(frames_are(g, text + 0x50, "+main.in /src/in.go:30;main.(*T).M /src/main.go:20;"));
    check(frames_are(g, text + 0x57, "+main.inner /src/in.go:40;+main.in /src/in.go:30;main.(*T).M /src/main.go:20;"));
    check(frames_are(g, text + 0x58, "main.(*T).M /src/main.go:21;"));
    check(frames_are(g, text + 0x90, "runtime.goexit /src/asm.s:1594;"));

    check(delta_at(g, text) == 0 && delta_at(g, text + 4) == 8 && delta_at(g, text + 8) == 0x28);
    check(delta_at(g, text + 0x2f) == 0x28 && delta_at(g, text + 0x30) == 0);
    check(delta_at(g, text + 0x38) == UINT64_MAX); // padding
    check(delta_at(g, text + 0x50) == 0x18);

    check(gosym_find(g, "main.(*T).M", &f) == 0 && f.entry == text + 0x40 && f.index == 1);
    check(gosym_role(g, &f, &role) == 0 && role == GOSYM_PLAIN);
    check(gosym_find(g, "runtime.goexit", &f) == 0 && gosym_role(g, &f, &role) == 0 && role == GOSYM_TOP);
    check(gosym_find(g, "main.in", &f) < 0 && err_code() == ENOENT); // inlined, and compiled nowhere
    check(gosym_find(g, "main", &f) < 0 && gosym_find(g, "", &f) < 0);

    check(places_are(g, "main.go", 11, text + 8, "/src/main.go:11"));
    check(places_are(g, "/src/in.go", 1, text + 0x50, "/src/in.go:30"));
    check(places_are(g, "in.go", 31, text + 0x54, "/src/in.go:40"));
    check(places_are(g, "ain.go", 11, 0, NULL) && places_are(g, "main.go", 22, 0, NULL));

    check(gosym_data(g).start == GOTABLES_BASE + 0x4000 + bias && gosym_bss(g).start == GOTABLES_BSS + bias);
    check(gosym_bss(g).end == GOTABLES_BSS + 0x400 + bias);
}

static void test_layouts(void)
{
    static const enum gosym_layout is[GO_LAYOUTS] = {GOSYM_1_2,  GOSYM_1_16, GOSYM_1_16,
                                                     GOSYM_1_18, GOSYM_1_20, GOSYM_1_20};
    unsigned char image[GOTABLES_SIZE];
    for (enum gotables_layout layout = 0; layout < GO_LAYOUTS; layout++)
        for (unsigned flags = 0; flags < 4; flags++) {
            CLEANUP_GOSYM struct gosym *g = NULL, *loaded = NULL;
            if ((flags & GOTABLES_PIE) && layout < GO_1_18)
                continue; // all their addresses are relocated: nothing of them is in the file
            gotables_make(image, layout, flags, 0);
            struct image file = {image, sizeof image, 0, 0};
            check(gosym_open(read_image, &file, &g) == 0);
            if (!g)
                continue;
            check(gosym_layout(g) == is[layout] && gosym_pclntab(g) == GOTABLES_TABLE && gosym_machine(g) == EM_X86_64);
            check(file.reads < 32); // the file has six pages; nothing is looked for twice
            test_answers(g, 0);

            const uint64_t bias = 0x7f1234560000;
            gotables_make(image, layout, 0, bias);
            struct image memory = {image, sizeof image, GOTABLES_BASE + bias, 0};
            check(gosym_open_loaded(read_image, &memory, GOTABLES_BASE + bias, &loaded) == 0);
            if (loaded)
                test_answers(loaded, bias);
        }
}

// All that can be asked. What is found lies where it was asked for, in an order that holds.
static void ask_all(struct gosym *g, uint64_t bias)
{
    struct gosym_func f;
    enum gosym_role role;
    uint64_t n;
    CLEANUP_BUF struct buf b = {0};
    for (uint64_t pc = GOTABLES_TEXT - 4; pc < GOTABLES_TEXT + 0xa8; pc += 3) {
        uint64_t at = pc + bias;
        if (gosym_func_at(g, at, &f) < 0)
            continue;
        if (at < f.entry || at >= f.end)
            check(!"the function of an address has it");
        (void)!gosym_role(g, &f, &role);
        if (gosym_size(g, &f, &n) == 0 && n > f.end - f.entry)
            check(!"code ends before the next function");
        (void)!gosym_spdelta(g, &f, at, &n);
        buf_reset(&b);
        (void)!gosym_frames(g, at, add_frame, &b);
    }
    (void)!gosym_find(g, "nowhere", &f);
    (void)!gosym_each_line(g, "in.go", 1, add_place, &b);
    (void)gosym_data(g);
}

static size_t ask_image(const unsigned char *bytes, size_t n)
{
    CLEANUP_GOSYM struct gosym *g = NULL;
    struct image file = {(const unsigned char *)unit_edge(bytes, n), n, 0, 0};
    if (gosym_open(read_image, &file, &g) < 0)
        return 0;
    ask_all(g, 0);
    return 1;
}

static void test_hostile(void)
{
    unsigned char image[GOTABLES_SIZE], changed[GOTABLES_SIZE];
    size_t opened = 0;
    for (enum gotables_layout layout = 0; layout < GO_LAYOUTS; layout++) {
        gotables_make(image, layout, GOTABLES_SECTIONS, 0);
        for (size_t n = 0; n < sizeof image; n += n < 0x3000 ? 61 : 509) // cut off
            opened += ask_image(image, n);
        for (size_t i = unit_times(1000, 50000); i > 0; i--) { // changed, where something stands
            memcpy(changed, image, sizeof image);
            for (unsigned k = 1 + unit_random() % 4; k > 0; k--) {
                size_t at;
                do
                    at = unit_random() % sizeof image;
                while (at < 0x5000 && !image[at] && unit_random() % 64);
                changed[at] = unit_random() % 3 ? (unsigned char)unit_random() : 0xff;
            }
            opened += ask_image(changed, sizeof changed);
        }
    }
    check(opened > 1000); // most damage is not in what is read first
}

static void test_refused(void)
{
    unsigned char image[GOTABLES_SIZE];
    CLEANUP_GOSYM struct gosym *g = NULL;
    struct image file = {image, sizeof image, 0, 0};
    gotables_make(image, GO_1_20, GOTABLES_SECTIONS, 0);
    image[GOTABLES_TABLE - GOTABLES_BASE] = 0xf2; // the next layout
    check(gosym_open(read_image, &file, &g) < 0 && err_code() == EPROTO);
    image[GOTABLES_TABLE - GOTABLES_BASE + 3] = 0;
    check(gosym_open(read_image, &file, &g) < 0 && err_code() == ENOENT);
    gotables_make(image, GO_1_20, GOTABLES_SECTIONS, 0);
    memset(image + 0x5200, 'x', 40); // no section of that name
    check(gosym_open(read_image, &file, &g) < 0 && err_code() == ENOENT);
    gotables_make(image, GO_1_20, 0, 0);
    memset(image + (GOTABLES_TABLE - GOTABLES_BASE) + 8, 0xff, 8); // as many functions as there are numbers
    check(gosym_open(read_image, &file, &g) < 0 && err_code() == ENOENT);
    gotables_make(image, GO_1_20, GOTABLES_SECTIONS, 0);
    memset(image + (GOTABLES_TABLE - GOTABLES_BASE) + 8, 0xff, 8);
    check(gosym_open(read_image, &file, &g) < 0 && err_code() == EPROTO);
    file.n = 0;
    check(gosym_open(read_image, &file, &g) < 0 && err_code() == ENOEXEC);
    check(g == NULL);
}

void test_gosym(void)
{
    test_layouts();
    test_hostile();
    test_refused();
}
