// SPDX-License-Identifier: MIT
//
// x86_64. gp is struct user_regs_struct, fp the 512 bytes of FXSAVE (Intel SDM volume 1, 10.5.1), vector the
// standard form of XSAVE (13.4), which the kernel gives whatever form it keeps itself; debug is u_debugreg.
#ifdef __x86_64__
#include "reg_impl.h"

#include <cpuid.h>
#include <elf.h>
#include <string.h>
#include <sys/user.h>

#define GP(field) offsetof(struct user_regs_struct, field)
#define ST(i) 32 + 16 * (i)

#define UINT(name, at, size) {name, REGS_GP, REG_UINT, size, GP(at), false}
#define PART(name, at, size) {name, REGS_GP, REG_UINT, size, at, true}
#define FP(name, at, size) {name, REGS_FP, REG_UINT, size, at, false}
#define DR(name, i) {name, REGS_DEBUG, REG_UINT, 8, 8 * (i), false}

// Of the vector set a row's number is the register's, and its size says which kind it is.
#define MASK(i) {"k" #i, REGS_VECTOR, REG_UINT, 8, i, false}
#define WIDE(w, size, part, i) {w #i, REGS_VECTOR, REG_VECTOR, size, i, part}
#define WIDE32(w, size, part)                                                                                 \
    WIDE(w, size, part, 0), WIDE(w, size, part, 1), WIDE(w, size, part, 2), WIDE(w, size, part, 3),           \
        WIDE(w, size, part, 4), WIDE(w, size, part, 5), WIDE(w, size, part, 6), WIDE(w, size, part, 7),       \
        WIDE(w, size, part, 8), WIDE(w, size, part, 9), WIDE(w, size, part, 10), WIDE(w, size, part, 11),     \
        WIDE(w, size, part, 12), WIDE(w, size, part, 13), WIDE(w, size, part, 14), WIDE(w, size, part, 15),   \
        WIDE(w, size, part, 16), WIDE(w, size, part, 17), WIDE(w, size, part, 18), WIDE(w, size, part, 19),   \
        WIDE(w, size, part, 20), WIDE(w, size, part, 21), WIDE(w, size, part, 22), WIDE(w, size, part, 23),   \
        WIDE(w, size, part, 24), WIDE(w, size, part, 25), WIDE(w, size, part, 26), WIDE(w, size, part, 27),   \
        WIDE(w, size, part, 28), WIDE(w, size, part, 29), WIDE(w, size, part, 30), WIDE(w, size, part, 31)

#define PARTS_X(l) /* eax ax al ah */                                                                         \
    PART("e" #l "x", GP(r##l##x), 4), PART(#l "x", GP(r##l##x), 2), PART(#l "l", GP(r##l##x), 1),             \
        PART(#l "h", GP(r##l##x) + 1, 1)
#define PARTS_I(i) /* esi si sil */                                                                           \
    PART("e" #i, GP(r##i), 4), PART(#i, GP(r##i), 2), PART(#i "l", GP(r##i), 1)
#define PARTS_R(r) /* r8d r8w r8b, and gdb's r8l */                                                           \
    PART(#r "d", GP(r), 4), PART(#r "w", GP(r), 2), PART(#r "b", GP(r), 1), PART(#r "l", GP(r), 1)

enum { FTAG = 4, FOP = 6, MXCSR = 24, PKRU_SIZE = 4 };

const unsigned reg_machine = EM_X86_64;

const struct reg reg_rows[] = {
    UINT("rax", rax, 8), UINT("rbx", rbx, 8), UINT("rcx", rcx, 8), UINT("rdx", rdx, 8),
    UINT("rsi", rsi, 8), UINT("rdi", rdi, 8), UINT("rbp", rbp, 8), UINT("rsp", rsp, 8),
    UINT("r8", r8, 8), UINT("r9", r9, 8), UINT("r10", r10, 8), UINT("r11", r11, 8),
    UINT("r12", r12, 8), UINT("r13", r13, 8), UINT("r14", r14, 8), UINT("r15", r15, 8),
    UINT("rip", rip, 8), {"eflags", REGS_GP, REG_FLAGS, 4, GP(eflags), false},
    UINT("cs", cs, 2), UINT("ss", ss, 2), UINT("ds", ds, 2), UINT("es", es, 2), UINT("fs", fs, 2), UINT("gs", gs, 2),
    UINT("fs_base", fs_base, 8), UINT("gs_base", gs_base, 8), UINT("orig_rax", orig_rax, 8),

#define STACK(i) {"st" #i, REGS_FP, REG_FLOAT80, 10, ST(i), false}
    STACK(0), STACK(1), STACK(2), STACK(3), STACK(4), STACK(5), STACK(6), STACK(7),
    FP("fctrl", 0, 2), FP("fstat", 2, 2), FP("ftag", FTAG, 2), FP("fiseg", 12, 2), FP("fioff", 8, 4),
    FP("foseg", 20, 2), FP("fooff", 16, 4), FP("fop", FOP, 2),
    {"mxcsr", REGS_FP, REG_FLAGS, 4, MXCSR, false},

    MASK(0), MASK(1), MASK(2), MASK(3), MASK(4), MASK(5), MASK(6), MASK(7),
    {"pkru", REGS_VECTOR, REG_UINT, PKRU_SIZE, 0, false},
    WIDE32("zmm", 64, false), WIDE32("ymm", 32, true), WIDE32("xmm", 16, true),

    DR("dr0", 0), DR("dr1", 1), DR("dr2", 2), DR("dr3", 3), DR("dr6", 6), DR("dr7", 7),

    PARTS_X(a), PARTS_X(b), PARTS_X(c), PARTS_X(d),
    PARTS_I(si), PARTS_I(di), PARTS_I(bp), PART("esp", GP(rsp), 4), PART("spl", GP(rsp), 1), // sp: rsp itself, as gdb's
    PARTS_R(r8), PARTS_R(r9), PARTS_R(r10), PARTS_R(r11), PARTS_R(r12), PARTS_R(r13), PARTS_R(r14), PARTS_R(r15),
};
const size_t reg_nrows = ARRAY_LEN(reg_rows);

const struct reg_alias reg_aliases[] = {{"pc", "rip"}, {"sp", "rsp"}, {"fp", "rbp"}};
const size_t reg_naliases = ARRAY_LEN(reg_aliases);

// --- sources ---------------------------------------------------------------------------

// CPUID leaf 0xD; a is 0 where it says nothing.
struct leaf {
    unsigned a, b, c, d;
};

static struct leaf xsave_leaf(unsigned i)
{
    struct leaf l = {0};
    if (!__get_cpuid_count(0xD, i, &l.a, &l.b, &l.c, &l.d))
        l = (struct leaf){0};
    return l;
}

static bool has_xsave(void)
{
    unsigned a, b, c = 0, d;
    return __get_cpuid(1, &a, &b, &c, &d) && c & bit_OSXSAVE;
}

struct reg_source reg_source(enum reg_set set)
{
    switch (set) {
    case REGS_GP:
        return (struct reg_source){NT_PRSTATUS, sizeof(struct user_regs_struct), 0};
    case REGS_VECTOR:
        if (has_xsave()) // c: of all that this machine has, whether in use or not
            return (struct reg_source){NT_X86_XSTATE, xsave_leaf(0).c, 0};
        return (struct reg_source){NT_PRFPREG, sizeof(struct user_fpregs_struct), 0};
    case REGS_FP:
        return (struct reg_source){NT_PRFPREG, sizeof(struct user_fpregs_struct), 0};
    default:
        return (struct reg_source){0, sizeof ((struct user *)0)->u_debugreg, offsetof(struct user, u_debugreg)};
    }
}

// --- the components of an xstate -------------------------------------------------------

enum comp { SSE = 1, AVX = 2, OPMASK = 5, ZMM_HI256 = 6, HI16_ZMM = 7, PKRU = 9, COMPS };
enum { SSE_AT = 160, XCR0_AT = 464, BV_AT = 512, AREAS_AT = 576 };

static uint64_t xstate_word(const struct regs *r, size_t at)
{
    uint64_t word = 0;
    const unsigned char *bytes = reg_bytes(r, REGS_VECTOR, at, sizeof word);
    if (bytes)
        memcpy(&word, bytes, sizeof word);
    return word;
}

// Where a component begins. An xstate may be of another machine's core, and its layout is not written in it. Two
// are known, and with AVX-512 the size tells which it is: Intel's (with the place of MPX), AMD's (without). gdb
// guesses so as well (i387_guess_xsave_layout). This machine's own is asked for first.
static size_t comp_at(const struct regs *r, enum comp comp)
{
    static const struct {
        unsigned intel, amd, size;
    } known[COMPS] = {[AVX] = {576, 576, 256}, [OPMASK] = {1088, 832, 64}, [ZMM_HI256] = {1152, 896, 512},
                      [HI16_ZMM] = {1664, 1408, 1024}, [PKRU] = {2688, 2432, 8}};
    size_t len = r->set[REGS_VECTOR].len;
    if (comp == SSE)
        return SSE_AT;
    struct leaf all = xsave_leaf(0), own = xsave_leaf(comp);
    if (len == all.c && xstate_word(r, XCR0_AT) == (all.a | (uint64_t)all.d << 32) && own.a)
        return own.b;
    bool amd = len < known[HI16_ZMM].intel + known[HI16_ZMM].size;
    return amd ? known[comp].amd : known[comp].intel;
}

static const unsigned comp_sizes[COMPS] = {[SSE] = 256,       [AVX] = 256,       [OPMASK] = 64,
                                           [ZMM_HI256] = 512, [HI16_ZMM] = 1024, [PKRU] = 8};

static unsigned char *comp_bytes(const struct regs *r, enum comp comp)
{
    return reg_bytes(r, REGS_VECTOR, comp_at(r, comp), comp_sizes[comp]);
}

// All of it: a stranger's xstate may be cut off.
static bool comp_there(const struct regs *r, enum comp comp)
{
    size_t len = r->set[REGS_VECTOR].len;
    bool said = len < AREAS_AT ? comp == SSE // no XSAVE: FXSAVE's bytes
                               : xstate_word(r, XCR0_AT) >> comp & 1;
    return said && comp_bytes(r, comp);
}

static bool comp_init(const struct regs *r, enum comp comp)
{
    return r->set[REGS_VECTOR].len >= AREAS_AT && !(xstate_word(r, BV_AT) >> comp & 1);
}

// A register is pieces of components, the lowest bytes first.
struct piece {
    enum comp comp;
    unsigned at, size; // in the component
};
enum { PIECES = 3 };

static unsigned pieces_of(const struct reg *reg, struct piece ret[PIECES])
{
    unsigned i = reg->number;
    if (reg->kind != REG_VECTOR) {
        ret[0] = reg->size == PKRU_SIZE ? (struct piece){PKRU, 0, PKRU_SIZE} : (struct piece){OPMASK, 8 * i, 8};
        return 1;
    }
    if (i >= 16) {
        ret[0] = (struct piece){HI16_ZMM, 64 * (i - 16), reg->size};
        return 1;
    }
    ret[0] = (struct piece){SSE, 16 * i, 16};
    ret[1] = (struct piece){AVX, 16 * i, 16};
    ret[2] = (struct piece){ZMM_HI256, 32 * i, 32};
    return reg->size == 16 ? 1 : reg->size == 32 ? 2 : 3;
}

static unsigned char *piece_bytes(const struct regs *r, const struct piece *p)
{
    return comp_there(r, p->comp) ? reg_bytes(r, REGS_VECTOR, comp_at(r, p->comp) + p->at, p->size) : NULL;
}

static int vector_get(const struct regs *r, const struct reg *reg, unsigned char *ret)
{
    struct piece pieces[PIECES];
    unsigned n = pieces_of(reg, pieces);
    for (unsigned i = 0; i < n; i++)
        if (!piece_bytes(r, &pieces[i]))
            return reg_missing(reg);
    for (unsigned i = 0; i < n; ret += pieces[i++].size)
        if (comp_init(r, pieces[i].comp)) // what stands there is of no meaning; all of these begin as zeros
            memset(ret, 0, pieces[i].size);
        else
            memcpy(ret, piece_bytes(r, &pieces[i]), pieces[i].size);
    return 0;
}

// The component is in use from now on: what was of no meaning in it becomes its first state.
static bool comp_use(struct regs *r, enum comp comp)
{
    if (!comp_init(r, comp))
        return true;
    unsigned char *area = comp_bytes(r, comp);
    unsigned char *bv = reg_bytes(r, REGS_VECTOR, BV_AT, 8);
    if (!area || !bv)
        return false;
    memset(area, 0, comp_sizes[comp]);
    bv[0] |= (unsigned char)(1u << comp & 0xff);
    bv[1] |= (unsigned char)(1u << comp >> 8);
    return true;
}

static bool all_zero(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i])
            return false;
    return true;
}

static int vector_put(struct regs *r, const struct reg *reg, const unsigned char *bytes)
{
    struct piece pieces[PIECES];
    unsigned n = pieces_of(reg, pieces);
    for (unsigned i = 0; i < n; i++)
        if (!piece_bytes(r, &pieces[i]))
            return reg_missing(reg);
    for (unsigned i = 0; i < n; bytes += pieces[i++].size) {
        if (comp_init(r, pieces[i].comp) && all_zero(bytes, pieces[i].size))
            continue; // as it is: a component in use costs the thread time at each switch
        if (!comp_use(r, pieces[i].comp))
            return reg_missing(reg);
        memcpy(piece_bytes(r, &pieces[i]), bytes, pieces[i].size);
    }
    return 0;
}

// --- the x87 tag word ------------------------------------------------------------------

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static unsigned tag_of(const unsigned char st[10])
{
    unsigned exponent = (st[9] & 0x7fu) << 8 | st[8];
    if (exponent == 0)
        return all_zero(st, 8) ? TAG_ZERO : TAG_SPECIAL;
    return exponent != 0x7fff && st[7] & 0x80 ? TAG_VALID : TAG_SPECIAL;
}

// FXSAVE keeps one bit a register: not empty. The whole word of FSTENV follows from the contents (SDM, 10.5.1.1).
static unsigned full_tags(const unsigned char *fx)
{
    unsigned top = fx[3] >> 3 & 7, tags = 0;
    for (unsigned i = 0; i < 8; i++) // a physical register; ST0 is the one at the top
        tags |= (fx[FTAG] >> i & 1 ? tag_of(fx + ST((i - top) & 7)) : TAG_EMPTY) << 2 * i;
    return tags;
}

static unsigned char short_tags(unsigned tags)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < 8; i++)
        bits |= ((tags >> 2 * i & 3) != TAG_EMPTY) << i;
    return (unsigned char)bits;
}

// --- the rest of reg.h -------------------------------------------------------------------

static bool is_ftag(const struct reg *reg)
{
    return reg->set == REGS_FP && reg->number == FTAG;
}

int reg_get(const struct regs *r, const struct reg *reg, unsigned char ret[REG_BYTES_MAX])
{
    if (reg->set == REGS_VECTOR)
        return vector_get(r, reg, ret);
    const unsigned char *at = reg_bytes(r, reg->set, reg->number, reg->size);
    const unsigned char *fx = reg_bytes(r, REGS_FP, 0, sizeof(struct user_fpregs_struct));
    if (!at || (is_ftag(reg) && !fx))
        return reg_missing(reg);
    memcpy(ret, at, reg->size);
    if (is_ftag(reg)) {
        unsigned tags = full_tags(fx);
        ret[0] = (unsigned char)tags;
        ret[1] = (unsigned char)(tags >> 8);
    }
    return 0;
}

int reg_put(struct regs *r, const struct reg *reg, const unsigned char *bytes)
{
    if (reg->set == REGS_VECTOR)
        return vector_put(r, reg, bytes);
    unsigned char *at = reg_bytes(r, reg->set, reg->number, reg->size);
    if (!at)
        return reg_missing(reg);
    if (is_ftag(reg)) {
        *at = short_tags(bytes[0] | (unsigned)bytes[1] << 8);
        return 0;
    }
    memcpy(at, bytes, reg->size);
    if (reg->part && reg->size == 4) // a write to the lower half clears the upper one (SDM, 3.4.1.1)
        memset(at + 4, 0, 4);
    return 0;
}

bool reg_listed(const struct regs *r, const struct reg *reg)
{
    unsigned char bytes[REG_BYTES_MAX];
    if (reg->set != REGS_VECTOR || reg->kind != REG_VECTOR)
        return !reg->part && reg_get(r, reg, bytes) == 0;
    // The widest that there is; above 15 there are only the widest.
    bool sse = comp_there(r, SSE), avx = sse && comp_there(r, AVX), zmm = avx && comp_there(r, ZMM_HI256);
    unsigned widest = zmm ? 64 : avx ? 32 : sse ? 16 : 0;
    return reg->size == widest && (reg->number < 16 || comp_there(r, HI16_ZMM));
}

// x87 and mxcsr stand in the first bytes of an xstate too, and are components 0 and 1 of it.
unsigned reg_join(struct regs *r, unsigned changed)
{
    const unsigned both = 1u << REGS_FP | 1u << REGS_VECTOR;
    const unsigned char *fx = reg_bytes(r, REGS_FP, 0, SSE_AT);
    unsigned char *xstate = reg_bytes(r, REGS_VECTOR, 0, sizeof(struct user_fpregs_struct));
    if ((changed & both) != both || !fx || !xstate || !comp_use(r, SSE))
        return changed;
    memcpy(xstate, fx, SSE_AT);
    unsigned char *bv = reg_bytes(r, REGS_VECTOR, BV_AT, 1);
    if (bv)
        *bv |= 1;
    return changed & ~(1u << REGS_FP);
}

// x86-64 psABI, figure 3.36; struct sigcontext of <asm/sigcontext.h> stands at 40 in struct ucontext.
const struct reg_dwarf reg_dwarf[] = {
    {GP(rax), 144}, {GP(rdx), 136}, {GP(rcx), 152}, {GP(rbx), 128}, {GP(rsi), 112}, {GP(rdi), 104},
    {GP(rbp), 120}, {GP(rsp), 160}, {GP(r8), 40},   {GP(r9), 48},   {GP(r10), 56},  {GP(r11), 64},
    {GP(r12), 72},  {GP(r13), 80},  {GP(r14), 88},  {GP(r15), 96},  {GP(rip), 168},
};
const unsigned reg_dwarf_count = ARRAY_LEN(reg_dwarf), reg_dwarf_sp = 7, reg_dwarf_pc = 16, reg_dwarf_fp = 6;

// Whatever else has stopped it, the kernel has set orig_rax to -1.
bool reg_syscall(const struct regs *r, int64_t *number, uint64_t args[6])
{
    static const size_t at[6] = {GP(rdi), GP(rsi), GP(rdx), GP(r10), GP(r8), GP(r9)};
    *number = (int64_t)reg_word(r, GP(orig_rax));
    for (size_t i = 0; i < 6; i++)
        args[i] = reg_word(r, at[i]);
    return (r->have >> REGS_GP & 1) && *number >= 0;
}

uint64_t reg_pc(const struct regs *r)
{
    return reg_word(r, GP(rip));
}

uint64_t reg_sp(const struct regs *r)
{
    return reg_word(r, GP(rsp));
}

uint64_t reg_fp(const struct regs *r)
{
    return reg_word(r, GP(rbp));
}

uint64_t reg_thread_pointer(const struct regs *r)
{
    return reg_word(r, GP(fs_base));
}

void reg_abandon_call(struct regs *now, const struct regs *was)
{
    unsigned char *call = reg_bytes(now, REGS_GP, GP(orig_rax), 8);
    bool moved = reg_pc(now) != reg_pc(was) || reg_word(now, GP(rax)) != reg_word(was, GP(rax));
    if (call && moved && reg_word(now, GP(orig_rax)) == reg_word(was, GP(orig_rax)))
        memset(call, 0xff, 8);
}

#endif
