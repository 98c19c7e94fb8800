// SPDX-License-Identifier: MIT
//
// gostack and goroutine on a process that is made here: the runtime's structs of each layout, stacks, and what becomes
// of them when they are changed.
#include "goroutine.h"
#include "../gotables.h"
#include "err.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>

// What follows the tables in memory: the list, three goroutines, a thread, texts, stacks.
enum {
    LIST = 0x405000,
    GS = 0x405100,
    M = 0x405800,
    TEXTS = 0x405a00,
    STACK = 0x405b00,
    STACK_END = 0x405e00,
};

struct layout {
    unsigned bp, syscallsp, status, goid, reason, procid, curg;
};

static const struct layout layouts[] = {
    {104, 112, 144, 152, 176, 72, 192}, {104, 112, 152, 160, 184, 72, 192}, {96, 104, 144, 152, 176, 64, 184}};

struct process {
    unsigned char bytes[GOTABLES_SIZE];
    size_t reads;
};

static int read_process(void *arg, uint64_t at, void *to, size_t n, size_t *got)
{
    struct process *p = arg;
    p->reads++;
    if (at < GOTABLES_BASE || at - GOTABLES_BASE >= sizeof p->bytes)
        return err_set(EFAULT, "not mapped");
    size_t left = sizeof p->bytes - (size_t)(at - GOTABLES_BASE);
    *got = n < left ? n : left;
    memcpy(to, p->bytes + (at - GOTABLES_BASE), *got);
    return 0;
}

static void put(struct process *p, uint64_t at, uint64_t v)
{
    memcpy(p->bytes + (at - GOTABLES_BASE), &v, sizeof v);
}

static uint64_t g_at(unsigned i)
{
    return GS + i * 0x180;
}

// A goroutine with the stack [LOW, LOW + 0x100).
static void put_g(struct process *p, const struct layout *l, unsigned i, uint32_t status, uint64_t pc, uint64_t sp)
{
    const uint64_t g = g_at(i), low = STACK + i * 0x100;
    put(p, LIST + 8 * i, g);
    put(p, g, low);
    put(p, g + 8, low + 0x100);
    put(p, g + 56, sp);
    put(p, g + 64, pc);
    put(p, g + 72, g);
    put(p, g + l->bp, low + 0xf0);
    put(p, g + l->status, status);
    put(p, g + l->goid, i + 1);
    put(p, g + l->reason, 2);
}

static void make(struct process *p, enum gotables_layout tables, const struct layout *l)
{
    *p = (struct process){0};
    gotables_make(p->bytes, tables, 0, 0);
    memset(p->bytes + 0x5000, 0, GOTABLES_SIZE - 0x5000);
    put(p, GOTABLES_BSS + 0x38, LIST); // runtime.allgs: 3 of 4
    put(p, GOTABLES_BSS + 0x40, 3);
    put(p, GOTABLES_BSS + 0x48, 4);
    // 1 waits in main.inner, which is in main.(*T).M: 0x18 bytes, main.main: 0x28, goexit.
    const uint64_t sp = STACK + 0x80;
    put_g(p, l, 0, 4, GOTABLES_TEXT + 0x57, sp);
    put(p, sp + 0x10, STACK + 0xe0); // the caller's frame pointer
    put(p, sp + 0x18, GOTABLES_TEXT + 0x21);
    put(p, sp + 0x20 + 0x28, GOTABLES_TEXT + 0x91);
    // 2 is in a system call; 3 runs on thread 77.
    put_g(p, l, 1, 0x1003, GOTABLES_TEXT, STACK + 0x180);
    put(p, g_at(1) + l->syscallsp, STACK + 0x190);
    put(p, g_at(1) + l->syscallsp + 8, GOTABLES_TEXT + 0x48);
    put(p, STACK + 0x190 + 0x18, GOTABLES_TEXT + 0x91);
    put_g(p, l, 2, 2, 0, 0);
    put(p, g_at(2) + 48, M);
    put(p, M + l->procid, 77);
    put(p, M + l->curg, g_at(2));
    put(p, M, g_at(3)); // its system stack's g, which is in no list
    put(p, g_at(3) + 48, M);
    put(p, STACK + 0x280, GOTABLES_TEXT + 0x91);
    // The texts of reasons: "", two known ones.
    memcpy(p->bytes + (TEXTS - GOTABLES_BASE), "GC assist markingIO wait", 24);
    put(p, 0x404410 + 16, TEXTS);
    put(p, 0x404410 + 24, 17);
    put(p, 0x404410 + 32, TEXTS + 17);
    put(p, 0x404410 + 40, 7);
}

static int regs_of(pid_t tid, struct gostack_frame *ret, void *arg)
{
    (void)arg;
    if (ret)
        *ret = (struct gostack_frame){.pc = GOTABLES_TEXT, .sp = STACK + 0x280, .exact = true};
    return tid == 77 ? 0 : -1;
}

static int add(const struct goroutine *g, void *arg)
{
    struct buf *b = arg;
    buf_printf(b, "%llu %s %s %d%s%s:", (unsigned long long)g->id, g->state, g->reason ? g->reason : "-", g->tid,
               g->whole ? "" : " part", g->changed ? " changed" : "");
    for (size_t i = 0; i < g->n; i++)
        buf_printf(b, " %s%s:%u", g->frames[i].inlined ? "+" : "", g->frames[i].name, g->frames[i].line);
    buf_str(b, "; ");
    return 0;
}

// What is said of all goroutines of P.
static bool says(struct process *p, bool still, uint64_t allgs, const char *want)
{
    CLEANUP_GOSYM struct gosym *gosym = NULL;
    CLEANUP_GOROUTINES struct goroutines *all = NULL;
    CLEANUP_BUF struct buf b = {0};
    if (gosym_open_loaded(read_process, p, GOTABLES_BASE, &gosym) < 0)
        return false;
    const struct goroutine_options o = {.gosym = gosym, .read = read_process, .arg = p, .allgs = allgs, .still = still,
                                        .regs = still ? regs_of : NULL};
    if (goroutines_open(&o, &all) < 0 || goroutines_each(all, add, &b) != 0)
        buf_str(&b, err_text());
    return unit_is(&b, want, strlen(want));
}

#define STACK_OF_1 "1 waiting IO wait 0: +main.inner:40 +main.in:30 main.(*T).M:20 main.main:12 runtime.goexit:1594; "
#define STACK_OF_2 "2 syscall - 0: main.(*T).M:20 runtime.goexit:1594; "

static void test_goroutines(void)
{
    struct process p;
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++)
        for (enum gotables_layout tables = 0; tables < GO_LAYOUTS; tables++) {
            make(&p, tables, &layouts[i]);
            check(says(&p, true, 0, STACK_OF_1 STACK_OF_2 "3 running - 77: main.main:10 runtime.goexit:1594; "));
            check(says(&p, false, GOTABLES_BSS + 0x38, STACK_OF_1 STACK_OF_2 "3 running - 77 part:; "));
        }
    // Dead ones are left out, and those that do not point to themselves.
    make(&p, GO_1_20, &layouts[0]);
    put(&p, g_at(1) + layouts[0].status, 6);
    check(says(&p, false, 0, STACK_OF_1 "3 running - 77 part:; "));
    // A list whose first member is none; two of one number; none that waits: not a list, or of an unknown version.
    make(&p, GO_1_20, &layouts[0]);
    put(&p, g_at(0) + 72, 0);
    check(says(&p, false, 0, "no goroutines, or of a version of Go that is not known"));
    make(&p, GO_1_20, &layouts[0]);
    put(&p, g_at(1) + layouts[0].goid, 1);
    check(says(&p, false, 0, "no goroutines, or of a version of Go that is not known"));
    make(&p, GO_1_20, &layouts[0]);
    put(&p, g_at(0) + layouts[0].bp, 0);
    check(says(&p, false, 0, "no goroutines, or of a version of Go that is not known"));
    // A return address that is no code; a stack pointer beside the stack.
    make(&p, GO_1_20, &layouts[0]);
    put(&p, STACK + 0x80 + 0x18, 12345);
    put(&p, g_at(1) + layouts[0].syscallsp, STACK + 0x90);
    check(says(&p, true, 0, "1 waiting IO wait 0 part: +main.inner:40 +main.in:30 main.(*T).M:20; 2 syscall - 0 part:; "
                            "3 running - 77: main.main:10 runtime.goexit:1594; "));
}

static void test_steps(void)
{
    struct process p;
    CLEANUP_GOSYM struct gosym *gosym = NULL;
    make(&p, GO_1_20, &layouts[0]);
    check(gosym_open_loaded(read_process, &p, GOTABLES_BASE, &gosym) == 0);
    const struct gostack s = {.gosym = gosym, .read = read_process, .arg = &p};
    struct gostack_frame f = {.pc = GOTABLES_TEXT + 0x57, .sp = STACK + 0x80, .innermost = true, .exact = true};
    check(gostack_code(&s, &f) == f.pc);
    check(gostack_step(&s, &f) == 1 && f.pc == GOTABLES_TEXT + 0x21 && f.sp == STACK + 0xa0);
    check(f.has_bp && f.bp == STACK + 0xe0 && !f.innermost && !f.exact && gostack_code(&s, &f) == f.pc - 1);
    check(gostack_step(&s, &f) == 1 && f.pc == GOTABLES_TEXT + 0x91 && f.sp == STACK + 0xd0);
    check(gostack_step(&s, &f) == 0 && f.pc == GOTABLES_TEXT + 0x91); // goexit
    f.pc = 1;
    check(gostack_step(&s, &f) == -1 && err_code() == ENOENT && f.pc == 1);
    f = (struct gostack_frame){.pc = GOTABLES_TEXT + 0x38, .sp = STACK}; // padding
    check(gostack_step(&s, &f) == -1 && err_code() == ENOENT);
    f = (struct gostack_frame){.pc = GOTABLES_TEXT + 8, .sp = UINT64_MAX - 0x10};
    check(gostack_step(&s, &f) == -1 && err_code() == EFAULT);
    f.sp = 8;
    check(gostack_step(&s, &f) == -1 && err_code() == EFAULT && f.sp == 8);
}

// The same program on aarch64: a leaf's caller is in the link register, that of the others at the bottom of the frame.
static void test_steps_aarch64(void)
{
    struct process p;
    CLEANUP_GOSYM struct gosym *gosym = NULL;
    make(&p, GO_1_20, &layouts[0]);
    p.bytes[offsetof(Elf64_Ehdr, e_machine)] = EM_AARCH64;
    check(gosym_open_loaded(read_process, &p, GOTABLES_BASE, &gosym) == 0 && gosym_machine(gosym) == EM_AARCH64);
    const struct gostack s = {.gosym = gosym, .read = read_process, .arg = &p};
    struct gostack_frame f = {.pc = GOTABLES_TEXT, .sp = STACK + 0x80, .lr = GOTABLES_TEXT + 0x48, .innermost = true};
    put(&p, STACK + 0x80, GOTABLES_TEXT + 0x21);
    put(&p, STACK + 0x98, GOTABLES_TEXT + 0x91);
    check(gostack_step(&s, &f) == 1 && f.pc == GOTABLES_TEXT + 0x48 && f.sp == STACK + 0x80);
    check(gostack_step(&s, &f) == 1 && f.pc == GOTABLES_TEXT + 0x21 && f.sp == STACK + 0x98);
    check(gostack_step(&s, &f) == 1 && f.pc == GOTABLES_TEXT + 0x91 && f.sp == STACK + 0xc0);
    check(gostack_step(&s, &f) == 0);
}

// main.main, marked as one that writes the stack pointer: it saves that at +8, its frame made, and has it back at +0x24.
static void make_switching(struct process *p, uint16_t machine)
{
    enum { SPWRITE = 2 };
    const bool arm = machine == EM_AARCH64;
    const uint32_t save = arm ? 0x910003f4 : 0xe48949, restore = arm ? 0x9100029f : 0xe4894c;
    struct gosym *gosym;
    struct gosym_func func;
    make(p, GO_1_20, &layouts[0]);
    memcpy(p->bytes + offsetof(Elf64_Ehdr, e_machine), &machine, sizeof machine);
    check(gosym_open_loaded(read_process, p, GOTABLES_BASE, &gosym) == 0);
    check(gosym_func_at(gosym, GOTABLES_TEXT, &func) == 0);
    p->bytes[func.pcdata - 3 - GOTABLES_BASE] = SPWRITE;
    memcpy(p->bytes + 0x1008, &save, sizeof save);
    memcpy(p->bytes + 0x1024, &restore, sizeof restore);
    gosym_close(gosym);
}

// From each instruction: the frame is where the stack pointer is, or where the function has saved that.
static void test_kept(uint16_t machine)
{
    struct process p;
    CLEANUP_GOSYM struct gosym *gosym = NULL;
    make_switching(&p, machine);
    check(gosym_open_loaded(read_process, &p, GOTABLES_BASE, &gosym) == 0 &&
          gosym_kept(gosym) == (machine == EM_AARCH64 ? 20 : 12));
    const struct gostack s = {.gosym = gosym, .read = read_process, .arg = &p};
    const uint64_t kept = STACK + 0x40, ra = GOTABLES_TEXT + 0x48, other = GOTABLES_TEXT + 0x91;
    const bool arm = machine == EM_AARCH64;
    put(&p, kept + (arm ? 0 : 0x28), ra);
    for (unsigned at = 0; at < 0x38; at += 4) {
        const unsigned delta = at < 4 ? 0 : at < 8 ? 8 : at < 0x30 ? 0x28 : 0;
        const bool saved = at >= (arm ? 0xc : 0xb) && at < 0x30;
        const struct gostack_frame here = {.pc = GOTABLES_TEXT + at, .sp = STACK + 0x100, .innermost = true, .lr = other,
                                           .exact = true, .has_kept = true, .kept = kept};
        struct gostack_frame f = here;
        put(&p, STACK + 0x100, other);
        put(&p, STACK + 0x100 + (arm ? 0 : delta), other);
        check(gostack_step(&s, &f) == 1 && f.pc == (saved ? ra : other) && !f.has_kept);
        check(f.sp == (saved ? kept + 0x28 : STACK + 0x100 + delta) + (arm ? 0 : 8));
        f = here;
        f.has_kept = false;
        check(gostack_step(&s, &f) == (saved ? -1 : 1));
        f = here;
        f.kept = kept + 1;
        check(gostack_step(&s, &f) == (saved ? -1 : 1));
    }
    // What does not save it, or does not have it back, goes who knows where.
    struct gostack_frame f = {.pc = GOTABLES_TEXT + 0x10, .sp = STACK + 0x100, .has_kept = true, .kept = kept};
    const struct gostack_frame before = f;
    CLEANUP_GOSYM struct gosym *none = NULL;
    p.bytes[0x1024] ^= 1;
    check(gosym_open_loaded(read_process, &p, GOTABLES_BASE, &none) == 0);
    const struct gostack lost = {.gosym = none, .read = read_process, .arg = &p};
    check(gostack_step(&lost, &f) == -1 && err_code() == ENOTSUP && memcmp(&f, &before, sizeof f) == 0);
}

// m.vdsoSP and vdsoPC, wherever they are: 1.19 has them at 0x320.
static void test_vdso(void)
{
    enum { VDSO_SP = M + 0xe8, SP = STACK + 0x2c0 };
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
        struct process p;
        CLEANUP_GOSYM struct gosym *gosym = NULL;
        CLEANUP_GOROUTINES struct goroutines *all = NULL;
        make(&p, GO_1_26, &layouts[i]);
        check(gosym_open_loaded(read_process, &p, GOTABLES_BASE, &gosym) == 0);
        const struct goroutine_options o = {.gosym = gosym, .read = read_process, .arg = &p, .still = true};
        check(goroutines_open(&o, &all) == 0);
        struct gostack s = {0};
        put(&p, VDSO_SP, SP);
        put(&p, VDSO_SP + 8, GOTABLES_TEXT + 0x21);
        check(goroutines_of_g(all, g_at(3), &s) == 0 && !s.user.in_vdso); // it has called nothing
        put(&p, SP - 8, GOTABLES_TEXT + 0x21);
        check(goroutines_of_g(all, g_at(3), &s) == 0 && s.user.in_vdso);
        check(s.user.sp == SP && s.user.pc == GOTABLES_TEXT + 0x21 && s.user.bp == 0 && s.user.low == STACK + 0x200);
        put(&p, VDSO_SP, 0); // it is back
        check(goroutines_of_g(all, g_at(3), &s) == 0 && !s.user.in_vdso);
        put(&p, VDSO_SP, SP);
        put(&p, VDSO_SP + 8, 12345); // no code of Go
        put(&p, SP - 8, 12345);
        check(goroutines_of_g(all, g_at(3), &s) == 0 && !s.user.in_vdso);
    }
}

static bool user_is(const struct gostack *s)
{
    return s->user.low == STACK + 0x200 && s->user.high == STACK + 0x300 && s->user.bp == STACK + 0x2f0;
}

static void test_threads(void)
{
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
        struct process p;
        CLEANUP_GOSYM struct gosym *gosym = NULL;
        CLEANUP_GOROUTINES struct goroutines *all = NULL;
        struct gostack s = {0};
        make(&p, GO_1_26, &layouts[i]);
        check(gosym_open_loaded(read_process, &p, GOTABLES_BASE, &gosym) == 0);
        const struct goroutine_options o = {.gosym = gosym, .read = read_process, .arg = &p, .still = true};
        check(goroutines_open(&o, &all) == 0);
        check(goroutines_of_thread(all, 77, &s) == 0 && user_is(&s) && s.gosym == gosym);
        check(goroutines_of_thread(all, 78, &s) < 0 && err_code() == ENOENT);
        s = (struct gostack){0};
        check(goroutines_of_g(all, g_at(3), &s) == 0 && user_is(&s));
        s = (struct gostack){0};
        check(goroutines_of_g(all, g_at(2), &s) == 0 && user_is(&s));
        check(goroutines_of_g(all, g_at(0), &s) < 0 && err_code() == ENOENT); // it waits
        check(goroutines_of_g(all, 0, &s) < 0 && goroutines_of_g(all, UINT64_MAX, &s) < 0);
        check(goroutines_of_g(all, M, &s) < 0 && goroutines_of_g(all, g_at(2) + 8, &s) < 0);
        // The thread's own stack, with no goroutine: its scheduler's.
        put(&p, M + layouts[i].curg, 0);
        check(goroutines_of_g(all, g_at(3), &s) < 0 && err_code() == ENODATA);
        check(goroutines_of_g(all, g_at(2), &s) < 0 && err_code() == ENOENT);
    }
}

static void test_changed(void)
{
    struct process good, p;
    size_t answers = 0;
    make(&good, GO_1_20, &layouts[1]);
    for (size_t i = unit_times(5000, 300000); i > 0; i--) {
        CLEANUP_GOSYM struct gosym *gosym = NULL;
        CLEANUP_GOROUTINES struct goroutines *all = NULL;
        CLEANUP_BUF struct buf b = {0};
        p = good;
        for (unsigned k = 1 + unit_random() % 6; k > 0; k--) {
            size_t at;
            do
                at = 0x4000 + unit_random() % 0x2000;
            while (!p.bytes[at] && unit_random() % 64);
            p.bytes[at] = unit_random() % 3 ? (unsigned char)unit_random() : 0xff;
        }
        if (gosym_open_loaded(read_process, &p, GOTABLES_BASE, &gosym) < 0)
            continue;
        const struct goroutine_options o = {.gosym = gosym, .read = read_process, .arg = &p, .still = i % 2,
                                            .regs = regs_of, .max_frames = 64};
        if (goroutines_open(&o, &all) == 0) {
            answers += goroutines_each(all, add, &b) == 0;
            struct gostack s;
            (void)!goroutines_of_thread(all, 77, &s);
            (void)!goroutines_of_g(all, g_at(unit_random() % 4), &s);
        }
        if (p.reads > 20000)
            check(!"no list is read for ever");
    }
    check(answers > 100);
}

void test_goroutine(void)
{
    test_goroutines();
    test_steps();
    test_steps_aarch64();
    test_kept(EM_X86_64);
    test_kept(EM_AARCH64);
    test_vdso();
    test_threads();
    test_changed();
}
