// SPDX-License-Identifier: MIT
//
// Registers by name: what a thread's register sets hold, as the kernel gives them (ptrace(2),
// PTRACE_GETREGSET, and the notes of a core, elf(5)). One table file per architecture; nothing else knows
// the names. Of the machine that this is built for. Names and order are gdb's, where gdb has them.
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
    struct buf set[REG_SETS];  // gp: NT_PRSTATUS' user_regs_struct; fp: NT_FPREGSET; vector: NT_X86_XSTATE (where there
                               // is none, and aarch64: NT_FPREGSET again); debug: u_debugreg (aarch64: NT_ARM_HW_BREAK)
};

void regs_fini(struct regs *r);
#define CLEANUP_REGS CLEANUP(regs_fini)

/** What ptrace(2) calls a set on this machine. */
struct reg_source {
    int note;              // of PTRACE_GETREGSET; 0: PTRACE_PEEKUSER
    size_t size;           // bytes, at most
    size_t user;           // where it begins in struct user, for PTRACE_PEEKUSER
};
struct reg_source reg_source(enum reg_set set);

/** Forgets what was read and makes room for SETS, so that reading them allocates nothing. -1 with ENOMEM. */
NODISCARD int regs_reserve(struct regs *r, unsigned sets);

/** A copy of SETS, of those that FROM has. -1 with ENOMEM: there was not room enough, and there is no more. */
NODISCARD int regs_copy(struct regs *r, const struct regs *from, unsigned sets);

enum reg_kind { REG_UINT, REG_FLAGS, REG_FLOAT80, REG_VECTOR };

/** A register, or a part of one (eax of rax, xmm0 of ymm0). */
struct reg {
    const char *name;
    enum reg_set set;
    enum reg_kind kind;
    unsigned size;             // bytes
    unsigned number;           // of the table's own choosing
    bool part;                 // of a wider one: see reg_listed
};

/** The registers in table order; NULL behind the last. */
const struct reg *reg_at(size_t i);

/** By name, case ignored (`rax`, `EAX`, `xmm0`, `pc`, `sp`). NULL: there is none. */
const struct reg *reg_find(const char *name, size_t n);

/** Whether R has it and no wider register of R holds it: a list of R's registers is of these. */
bool reg_listed(const struct regs *r, const struct reg *reg);

enum { REG_BYTES_MAX = 64 };

/**
 * The bytes of a register, little end first. -1 with ENOTSUP: this machine or thread has none (its set was
 * not read, or the xstate lacks the component).
 */
NODISCARD int reg_get(const struct regs *r, const struct reg *reg, unsigned char ret[REG_BYTES_MAX]);

/**
 * Puts SIZE bytes into R; parts as the processor does it (eax clears the upper half of rax, ax does not; xmm0
 * leaves the rest of zmm0 alone). -1 as reg_get.
 */
NODISCARD int reg_put(struct regs *r, const struct reg *reg, const unsigned char *bytes);

/**
 * fp and vector are two views that share bytes. What of CHANGED (bits) is to be written to the thread, now that
 * the changes of one are in the other: never both.
 */
unsigned reg_join(struct regs *r, unsigned changed);

/** Program counter, stack pointer and frame pointer of the gp set. */
uint64_t reg_pc(const struct regs *r);
uint64_t reg_sp(const struct regs *r);
uint64_t reg_fp(const struct regs *r);

/** The thread pointer, by which its local storage is found: 0 where the gp set does not have it (aarch64). */
uint64_t reg_thread_pointer(const struct regs *r);

/** The registers by their DWARF numbers (of the psABI's): what unwinding needs. */
struct reg_dwarf {
    size_t gp;             // where in the gp set
    size_t context;        // where in the struct ucontext of a signal frame (rt_sigreturn(2), <asm/ucontext.h>)
};
enum { REG_DWARF_MAX = 33 };
extern const struct reg_dwarf reg_dwarf[];
extern const unsigned reg_dwarf_count, reg_dwarf_sp, reg_dwarf_pc, reg_dwarf_fp;

/** One of them; 0 where the set is not there. */
uint64_t reg_dwarf_get(const struct regs *r, unsigned number);

/** Puts a number into the gp set. */
void reg_dwarf_put(struct regs *r, unsigned number, uint64_t value);

/** The system call that the thread is in, or about to leave. False: none, or the registers do not tell (aarch64). */
bool reg_syscall(const struct regs *r, int64_t *number, uint64_t args[6]);

/**
 * Makes the thread abandon the system call that it was stopped in, if NOW differs from what it WAS in the program
 * counter or the result register: else the kernel, which restarts interrupted calls at their end (rax is -ERESTART...
 * then, orig_rax the call), would overwrite both. x86_64: orig_rax becomes -1, unless NOW has another one by choice.
 * aarch64: nothing, its kernel has wound pc back before the stop and looks at pc afterwards.
 */
void reg_abandon_call(struct regs *now, const struct regs *was);

#endif
