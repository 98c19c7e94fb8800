// SPDX-License-Identifier: MIT
//
// reg: names, parts, components of an xstate, the x87 tag word. Offsets and values are of the processor's manual.
#include "err.h"
#include "reg.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

#ifdef __x86_64__
#include <cpuid.h>
#include <elf.h>

static const struct reg *named(const char *name)
{
    return reg_find(name, strlen(name));
}

static bool is_named(const char *name, const char *want)
{
    const struct reg *r = named(name);
    return r && strcmp(r->name, want) == 0;
}

static void give(struct regs *r, enum reg_set set, size_t len)
{
    buf_reset(&r->set[set]);
    char *room = buf_room(&r->set[set], len);
    if (!room)
        abort();
    memset(room, 0, len);
    r->set[set].len = len;
    r->have |= 1u << set;
}

static uint64_t value(const struct regs *r, const char *name)
{
    unsigned char bytes[REG_BYTES_MAX];
    uint64_t v = 0;
    if (reg_get(r, named(name), bytes) < 0)
        return 0xdead;
    memcpy(&v, bytes, named(name)->size < 8 ? named(name)->size : 8);
    return v;
}

static bool put(struct regs *r, const char *name, uint64_t v)
{
    unsigned char bytes[REG_BYTES_MAX] = {0};
    memcpy(bytes, &v, sizeof v);
    return reg_put(r, named(name), bytes) == 0;
}

static void test_names(void)
{
    check(is_named("rax", "rax") && is_named("RAX", "rax") && is_named("Xmm15", "xmm15"));
    check(is_named("pc", "rip") && is_named("sp", "rsp") && is_named("fp", "rbp") && is_named("FP", "rbp"));
    check(!named("") && !named("ra") && !named("raxx") && !named("zmm32") && !named("k8") && !named("dr4"));
    check(reg_find("raxx", 3) == named("rax") && !reg_find("rax", 2));
    // Every name is found as itself, none twice; each has room.
    for (size_t i = 0; reg_at(i); i++)
        if (named(reg_at(i)->name) != reg_at(i) || reg_at(i)->size > REG_BYTES_MAX || !reg_at(i)->size)
            check(false);
    check(reg_at(0) == named("rax") && !reg_at(100000));
    check(strcmp(reg_set_names[REGS_GP], "gp") == 0 && strcmp(reg_set_names[REGS_DEBUG], "debug") == 0);
}

static void test_parts(void)
{
    CLEANUP_REGS struct regs r = {0};
    check(reg_get(&r, named("rax"), (unsigned char[REG_BYTES_MAX]){0}) < 0 && err_code() == ENOTSUP);
    give(&r, REGS_GP, 216);
    check(put(&r, "rax", 0x1122334455667788));
    check(value(&r, "eax") == 0x55667788 && value(&r, "ax") == 0x7788 && value(&r, "al") == 0x88 &&
          value(&r, "ah") == 0x77);
    check(put(&r, "ah", 1) && value(&r, "rax") == 0x1122334455660188);
    check(put(&r, "al", 2) && value(&r, "rax") == 0x1122334455660102);
    check(put(&r, "ax", 3) && value(&r, "rax") == 0x1122334455660003);
    check(put(&r, "eax", 0x80000004) && value(&r, "rax") == 0x80000004);
    check(put(&r, "r15", UINT64_MAX) && put(&r, "r15b", 0) && value(&r, "r15") == UINT64_MAX - 255);
    check(put(&r, "r15w", 0) && value(&r, "r15") == UINT64_MAX - 65535 && put(&r, "r15d", 7) && value(&r, "r15") == 7);
    check(put(&r, "eflags", 0x246) && value(&r, "eflags") == 0x246);
    check(put(&r, "rip", 5) && put(&r, "rsp", 6) && put(&r, "rbp", 7));
    check(reg_pc(&r) == 5 && reg_sp(&r) == 6 && reg_fp(&r) == 7);
    check(reg_listed(&r, named("rax")) && !reg_listed(&r, named("eax")) && !reg_listed(&r, named("st0")));
    r.set[REGS_GP].len = 215; // cut short: the last one, gs, is not there any more
    check(value(&r, "gs") == 0 && value(&r, "fs") == 0);
    r.set[REGS_GP].len = 208;
    check(value(&r, "gs") == 0xdead && !put(&r, "gs", 1) && value(&r, "fs") == 0);
}

static void test_abandon(void)
{
    static const struct {
        const char *name;
        uint64_t v;
        uint64_t call; // afterwards
    } edits[] = {{"rbx", 5, 35}, {"rax", 5, UINT64_MAX}, {"eax", 5, UINT64_MAX}, {"pc", 5, UINT64_MAX},
                 {"orig_rax", 7, 7}, {"rax", 9, 35}};
    for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
        CLEANUP_REGS struct regs was = {0}, now = {0};
        give(&was, REGS_GP, 216);
        check(put(&was, "orig_rax", 35) && put(&was, "rax", 9) && put(&was, "rip", 1));
        check(regs_copy(&now, &was, 1u << REGS_GP | 1u << REGS_FP) == 0 && now.have == 1u << REGS_GP);
        check(put(&now, edits[i].name, edits[i].v));
        reg_abandon_call(&now, &was);
        check(value(&now, "orig_rax") == edits[i].call);
    }
}

// The tag word by the values that FNSAVE stores (SDM, table 10-2 and 8.1.7).
static void test_x87(void)
{
    CLEANUP_REGS struct regs r = {0};
    give(&r, REGS_FP, 512);
    unsigned char *fx = (unsigned char *)r.set[REGS_FP].data;
    check(value(&r, "ftag") == 0xffff);
    fx[3] = 6 << 3;                       // the top is 6: ST0 is register 6, ST1 is 7, ST2 is 0
    fx[4] = 1 << 6 | 1 << 7 | 1 << 0 | 1 << 1;
    memcpy(fx + 32, "\0\0\0\0\0\0\0\x80\xff\x3f", 10);      // ST0: 1.0
    memcpy(fx + 48, "\0\0\0\0\0\0\0\0\0\x80", 10);          // ST1: -0.0
    memcpy(fx + 64, "\0\0\0\0\0\0\0\x80\xff\x7f", 10);      // ST2: infinity
    memcpy(fx + 80, "\1\0\0\0\0\0\0\0\0\0", 10);            // ST3: denormal
    check(value(&r, "ftag") == (0u << 12 | 1u << 14 | 2u << 0 | 2u << 2 | 0x0ff0));
    memcpy(fx + 32, "\0\0\0\0\0\0\0\0\xff\x3f", 10);        // no integer bit: no number at all
    check(value(&r, "ftag") >> 12 == (1u << 2 | 2u));
    check(put(&r, "ftag", 0xffff) && fx[4] == 0 && put(&r, "ftag", 0x3ffc) && fx[4] == 0x81);
    memcpy(fx + 8, "\1\2\3\4\5\6", 6);
    check(value(&r, "fioff") == 0x04030201 && value(&r, "fiseg") == 0x0605);
    check(put(&r, "mxcsr", 0x1fa0) && fx[24] == 0xa0 && fx[25] == 0x1f);
}

// An xstate in Intel's layout with AVX-512 and protection keys, or AMD's.
static void give_xstate(struct regs *r, size_t len, uint64_t xcr0, uint64_t bv)
{
    give(r, REGS_VECTOR, len);
    memcpy(r->set[REGS_VECTOR].data + 464, &xcr0, 8);
    memcpy(r->set[REGS_VECTOR].data + 512, &bv, 8);
}

static uint64_t bv_of(const struct regs *r)
{
    uint64_t bv;
    memcpy(&bv, r->set[REGS_VECTOR].data + 512, 8);
    return bv;
}

static void test_xstate(void)
{
    static const struct {
        size_t len, k, hi256, hi16, pkru;
    } layouts[] = {{2696, 1088, 1152, 1664, 2688}, {2440, 832, 896, 1408, 2432}};
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
        CLEANUP_REGS struct regs r = {0};
        unsigned char v[REG_BYTES_MAX];
        give_xstate(&r, layouts[i].len, 0x2e7, 0);
        char *x = r.set[REGS_VECTOR].data;
        memset(x + 576, 0xee, layouts[i].len - 576);       // of no meaning: all are in their first state
        check(value(&r, "k3") == 0 && value(&r, "ymm1") == 0 && value(&r, "zmm31") == 0 && value(&r, "pkru") == 0);
        check(put(&r, "k3", 0) && put(&r, "zmm9", 0) && bv_of(&r) == 0); // nothing begins to be in use
        check(put(&r, "k3", 0x33) && bv_of(&r) == 1 << 5 && value(&r, "k3") == 0x33 && value(&r, "k4") == 0);
        check(x[layouts[i].k + 24] == 0x33 && x[layouts[i].k + 32] == 0);
        check(put(&r, "pkru", 0x55) && bv_of(&r) == (1 << 5 | 1 << 9) && x[layouts[i].pkru] == 0x55);
        for (unsigned j = 0; j < 64; j++)
            v[j] = (unsigned char)(j + 1);
        check(reg_put(&r, named("zmm2"), v) == 0 && bv_of(&r) == (1 << 1 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 9));
        check(memcmp(x + 160 + 32, v, 16) == 0 && memcmp(x + 576 + 32, v + 16, 16) == 0 &&
              memcmp(x + layouts[i].hi256 + 64, v + 32, 32) == 0);
        check(reg_put(&r, named("zmm17"), v) == 0 && memcmp(x + layouts[i].hi16 + 64, v, 64) == 0);
        check(put(&r, "xmm17", 0x99) && x[layouts[i].hi16 + 64] == (char)0x99 && x[layouts[i].hi16 + 64 + 16] == 17);
        check(value(&r, "zmm16") == 0 && value(&r, "ymm2") == 0x0807060504030201);
        check(reg_listed(&r, named("zmm2")) && !reg_listed(&r, named("ymm2")) && !reg_listed(&r, named("xmm2")));
        check(reg_listed(&r, named("zmm31")) && reg_listed(&r, named("k7")) && reg_listed(&r, named("pkru")));
    }
}

static void test_lesser_xstates(void)
{
    CLEANUP_REGS struct regs r = {0};
    give_xstate(&r, 832, 7, 0);            // AVX
    check(reg_listed(&r, named("ymm15")) && !reg_listed(&r, named("xmm15")) && !reg_listed(&r, named("zmm15")));
    check(!reg_listed(&r, named("ymm16")) && !reg_listed(&r, named("k0")) && !reg_listed(&r, named("pkru")));
    check(value(&r, "zmm0") == 0xdead && err_code() == ENOTSUP && value(&r, "xmm16") == 0xdead && !put(&r, "k0", 1));
    check(put(&r, "ymm3", 4) && bv_of(&r) == 1 << 1 && value(&r, "xmm3") == 4);
    give_xstate(&r, 576, 3, 0);            // SSE
    check(reg_listed(&r, named("xmm15")) && !reg_listed(&r, named("ymm15")) && value(&r, "ymm0") == 0xdead);
    give(&r, REGS_VECTOR, 512);            // no XSAVE
    check(reg_listed(&r, named("xmm15")) && put(&r, "xmm0", 8) && r.set[REGS_VECTOR].data[160] == 8);
    give_xstate(&r, 600, 0xe7, 0xe7);      // says more than it holds
    check(value(&r, "zmm31") == 0xdead && value(&r, "k0") == 0xdead && value(&r, "ymm15") == 0xdead);
    check(value(&r, "xmm15") == 0 && !put(&r, "zmm0", 1));
    for (size_t len = 0; len < 600; len++) // any length, at the end of a page
        for (size_t i = 0; reg_at(i); i++) {
            struct regs cut = {.have = 1u << REGS_VECTOR};
            cut.set[REGS_VECTOR] = (struct buf){.data = unit_edge(r.set[REGS_VECTOR].data, len), .len = len, .cap = len};
            unsigned char bytes[REG_BYTES_MAX] = {1};
            bool there = reg_get(&cut, reg_at(i), bytes) == 0;
            if (there != (reg_put(&cut, reg_at(i), bytes) == 0))
                check(false);
        }
}

static void test_join(void)
{
    CLEANUP_REGS struct regs r = {0};
    const unsigned fp = 1u << REGS_FP, vector = 1u << REGS_VECTOR;
    give(&r, REGS_FP, 512);
    give_xstate(&r, 832, 7, 0);
    check(reg_join(&r, fp) == fp && reg_join(&r, vector) == vector && reg_join(&r, 1) == 1);
    check(put(&r, "mxcsr", 0x1fa0) && put(&r, "st7", 77) && put(&r, "xmm5", 5));
    check(reg_join(&r, fp | vector) == vector && bv_of(&r) == 3);
    const unsigned char *x = (const unsigned char *)r.set[REGS_VECTOR].data;
    check(x[24] == 0xa0 && x[32 + 7 * 16] == 77 && x[160 + 5 * 16] == 5);
}

// This machine's layout, as it says itself, whatever it is.
static void test_source(void)
{
    struct reg_source vector = reg_source(REGS_VECTOR), debug = reg_source(REGS_DEBUG);
    unsigned a, b, c = 0, d;
    check(reg_source(REGS_GP).size == 216 && reg_source(REGS_FP).size == 512 && debug.size == 64 && !debug.note);
    if (vector.note == NT_X86_XSTATE) {
        __cpuid_count(0xd, 0, a, b, c, d);
        check(vector.size == c && c >= 576);
        CLEANUP_REGS struct regs r = {0};
        give_xstate(&r, c, a | (uint64_t)d << 32, 0);
        __cpuid_count(0xd, 2, a, b, c, d);
        check(!a || (put(&r, "ymm0", 0) && reg_put(&r, named("ymm0"), (const unsigned char[32]){[16] = 9}) == 0 &&
                     r.set[REGS_VECTOR].data[b] == 9));
    }
}

void test_reg(void)
{
    test_names();
    test_parts();
    test_abandon();
    test_x87();
    test_xstate();
    test_lesser_xstates();
    test_join();
    test_source();
}

#else

void test_reg(void)
{
    check(reg_find("pc", 2) && reg_find("sp", 2) && !reg_find("", 0));
}

#endif
