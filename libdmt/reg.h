// SPDX-License-Identifier: MIT
//
// Registers by name: what a thread's register sets hold, as the kernel gives them (ptrace(2),
// PTRACE_GETREGSET, and the notes of a core, elf(5)). One table file per architecture; nothing else knows
// the names. Of the machine that this is built for.
#ifndef DMT_REG_H
#define DMT_REG_H

#include "buf.h"

/** What elf(5) calls this machine: EM_. */
extern const unsigned reg_machine;

enum reg_set { REGS_GP, REGS_FP, REGS_VECTOR, REGS_DEBUG, REG_SETS };
extern const char *const reg_set_names[REG_SETS]; // "gp", "fp", "vector", "debug"

/** The sets of one thread, as bytes. */
struct regs {
    unsigned have;             // bits 1 << REGS_...
    struct buf set[REG_SETS];  // gp: NT_PRSTATUS' user_regs_struct; fp: NT_FPREGSET; vector: NT_X86_XSTATE (aarch64:
                               // NT_FPREGSET for both); debug: u_debugreg (aarch64: NT_ARM_HW_BREAK)
};

void regs_fini(struct regs *r);
#define CLEANUP_REGS CLEANUP(regs_fini)

enum reg_kind { REG_UINT, REG_FLAGS, REG_FLOAT80, REG_VECTOR };

/** A register, or a part of one (eax of rax, xmm0 of ymm0). */
struct reg {
    const char *name;
    enum reg_set set;
    enum reg_kind kind;
    unsigned size;             // bytes
    unsigned number;           // of the table's own choosing
    bool part;                 // not listed with its set
};

/** The registers in table order; NULL behind the last. */
const struct reg *reg_at(size_t i);

/** By name, case ignored (`rax`, `EAX`, `xmm0`, `pc`, `sp`). NULL: there is none. */
const struct reg *reg_find(const char *name, size_t n);

enum { REG_BYTES_MAX = 64 };

/**
 * The bytes of a register, little end first. -1 with ENOTSUP: this machine or thread has none (its set was
 * not read, or the xstate lacks the component).
 */
NODISCARD int reg_get(const struct regs *r, const struct reg *reg, unsigned char ret[REG_BYTES_MAX]);

/** Puts SIZE bytes into R; parts as the processor does it (eax clears the upper half of rax, ax does not). */
NODISCARD int reg_put(struct regs *r, const struct reg *reg, const unsigned char *bytes);

/** Program counter, stack pointer and frame pointer of the gp set. */
uint64_t reg_pc(const struct regs *r);
uint64_t reg_sp(const struct regs *r);
uint64_t reg_fp(const struct regs *r);

/**
 * Makes the thread abandon the system call that it was stopped in instead of restarting it (x86_64: orig_rax is
 * set to -1): what must be done when pc or the result register is changed.
 */
void reg_abandon_call(struct regs *r);

#endif
