// SPDX-License-Identifier: MIT
//
// aarch64. gp is struct user_regs_struct, fp and vector are two views of struct user_fpsimd_struct, debug is the
// breakpoint half of the debug registers (struct user_hwdebug_state of <asm/ptrace.h>).
#ifdef __aarch64__
#include "reg_impl.h"

#include <elf.h>
#include <string.h>
#include <sys/user.h>

enum { SP = 31 * 8, PC = 32 * 8, PSTATE = 33 * 8, FPSR = 32 * 16, FPCR = FPSR + 4, BREAKPOINTS = 16 };

// dbg_info (its lowest byte is how many there are), padding, then pairs of address and control in 16 bytes each.
enum { HW_FIRST = 8, HW_EACH = 16, HW_SIZE = HW_FIRST + BREAKPOINTS * HW_EACH };

#define GP(name, at, size) {name, REGS_GP, REG_UINT, size, at, false}
#define X(i) {"x" #i, REGS_GP, REG_UINT, 8, 8 * (i), false}
#define W(i) {"w" #i, REGS_GP, REG_UINT, 4, 8 * (i), true}
#define V(i) {"v" #i, REGS_VECTOR, REG_VECTOR, 16, 16 * (i), false}
#define Q(i) {"q" #i, REGS_VECTOR, REG_VECTOR, 16, 16 * (i), true}
#define D(i) {"d" #i, REGS_VECTOR, REG_VECTOR, 8, 16 * (i), true}
#define S(i) {"s" #i, REGS_VECTOR, REG_VECTOR, 4, 16 * (i), true}
#define BREAKPOINT(i)                                                                                         \
    {"dbgbvr" #i, REGS_DEBUG, REG_UINT, 8, HW_FIRST + HW_EACH * (i), false},                                  \
        {"dbgbcr" #i, REGS_DEBUG, REG_UINT, 4, HW_FIRST + HW_EACH * (i) + 8, false}

#define FROM_0_TO_15(M)                                                                                       \
    M(0), M(1), M(2), M(3), M(4), M(5), M(6), M(7), M(8), M(9), M(10), M(11), M(12), M(13), M(14), M(15)
#define FROM_0_TO_30(M)                                                                                       \
    FROM_0_TO_15(M), M(16), M(17), M(18), M(19), M(20), M(21), M(22), M(23), M(24), M(25), M(26), M(27),      \
        M(28), M(29), M(30)
#define FROM_0_TO_31(M) FROM_0_TO_30(M), M(31)

const unsigned reg_machine = EM_AARCH64;

const struct reg reg_rows[] = {
    FROM_0_TO_30(X),
    GP("sp", SP, 8),
    GP("pc", PC, 8),
    {"cpsr", REGS_GP, REG_FLAGS, 4, PSTATE, false},
    {"fpsr", REGS_FP, REG_UINT, 4, FPSR, false},
    {"fpcr", REGS_FP, REG_UINT, 4, FPCR, false},
    FROM_0_TO_31(V),
    FROM_0_TO_15(BREAKPOINT),
    FROM_0_TO_30(W),
    FROM_0_TO_31(Q),
    FROM_0_TO_31(D),
    FROM_0_TO_31(S),
};
const size_t reg_nrows = ARRAY_LEN(reg_rows);

const struct reg_alias reg_aliases[] = {{"fp", "x29"}, {"lr", "x30"}, {"pstate", "cpsr"}};
const size_t reg_naliases = ARRAY_LEN(reg_aliases);

struct reg_source reg_source(enum reg_set set)
{
    switch (set) {
    case REGS_GP:
        return (struct reg_source){NT_PRSTATUS, sizeof(struct user_regs_struct), 0};
    case REGS_DEBUG:
        return (struct reg_source){NT_ARM_HW_BREAK, HW_SIZE, 0};
    default:
        return (struct reg_source){NT_PRFPREG, sizeof(struct user_fpsimd_struct), 0};
    }
}

static unsigned char *bytes_of(const struct regs *r, const struct reg *reg)
{
    if (reg->set == REGS_DEBUG) {
        const unsigned char *info = reg_bytes(r, REGS_DEBUG, 0, 1);
        if (!info || (reg->number - HW_FIRST) / HW_EACH >= *info)
            return NULL;
    }
    return reg_bytes(r, reg->set, reg->number, reg->size);
}

int reg_get(const struct regs *r, const struct reg *reg, unsigned char ret[REG_BYTES_MAX])
{
    const unsigned char *at = bytes_of(r, reg);
    if (!at)
        return reg_missing(reg);
    memcpy(ret, at, reg->size);
    return 0;
}

int reg_put(struct regs *r, const struct reg *reg, const unsigned char *bytes)
{
    unsigned char *at = bytes_of(r, reg);
    if (!at)
        return reg_missing(reg);
    memcpy(at, bytes, reg->size);
    // A write to a narrower view clears what is above it (Arm ARM, B1.2).
    if (reg->part)
        memset(at + reg->size, 0, (reg->set == REGS_GP ? 8 : 16) - reg->size);
    return 0;
}

bool reg_listed(const struct regs *r, const struct reg *reg)
{
    return !reg->part && bytes_of(r, reg);
}

unsigned reg_join(struct regs *r, unsigned changed)
{
    const unsigned both = 1u << REGS_FP | 1u << REGS_VECTOR;
    const unsigned char *status = reg_bytes(r, REGS_FP, FPSR, 8);
    unsigned char *to = reg_bytes(r, REGS_VECTOR, FPSR, 8);
    if ((changed & both) != both || !status || !to)
        return changed;
    memcpy(to, status, 8);
    return changed & ~(1u << REGS_FP);
}

// AArch64 DWARF ABI, 4.1; struct sigcontext of <asm/sigcontext.h> stands at 176 in struct ucontext.
#define DWARF_X(i) {8 * (i), 184 + 8 * (i)}
const struct reg_dwarf reg_dwarf[] = {FROM_0_TO_30(DWARF_X), {SP, 432}, {PC, 440}};
const unsigned reg_dwarf_count = ARRAY_LEN(reg_dwarf), reg_dwarf_sp = 31, reg_dwarf_pc = 32, reg_dwarf_fp = 29;

bool reg_syscall(const struct regs *r, int64_t *number, uint64_t args[6])
{
    (void)r;
    (void)number;
    (void)args;
    return false; // x8 has it, and many other things
}

uint64_t reg_pc(const struct regs *r)
{
    return reg_word(r, PC);
}

uint64_t reg_sp(const struct regs *r)
{
    return reg_word(r, SP);
}

uint64_t reg_fp(const struct regs *r)
{
    return reg_word(r, 29 * 8);
}

uint64_t reg_thread_pointer(const struct regs *r)
{
    (void)r;
    return 0; // NT_ARM_TLS has it
}

void reg_abandon_call(struct regs *now, const struct regs *was)
{
    (void)now;
    (void)was;
}

#endif
