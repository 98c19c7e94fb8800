// SPDX-License-Identifier: MIT
#include "gostack.h"

#include "err.h"

#include <elf.h>
#include <errno.h>

static int read_word(const struct gostack *s, uint64_t addr, uint64_t *ret)
{
    size_t got = 0;
    if (s->read(s->arg, addr, ret, sizeof *ret, &got) < 0 || got != sizeof *ret)
        return err_set(EFAULT, "the stack cannot be read");
    return 0;
}

static bool on_system_stack(const struct gostack *s, const struct gostack_frame *f)
{
    return s->user.high && (f->sp < s->user.low || f->sp >= s->user.high);
}

// morestack comes back nowhere: the goroutine goes on where it was saved.
static int go_to_user(const struct gostack *s, struct gostack_frame *f)
{
    *f = (struct gostack_frame){.pc = s->user.pc, .sp = s->user.sp, .bp = s->user.bp, .has_bp = s->user.bp != 0};
    return 1;
}

// Calls C on another stack, and remembers its own.
static int go_to_kept(const struct gostack *s, const struct gosym_func *func, struct gostack_frame *f)
{
    const int keeps = gosym_keeps_sp(s->gosym, func, f->pc - s->bias);
    if (keeps < 0)
        return -1;
    if (keeps && (!f->has_kept || f->kept % sizeof f->kept != 0))
        return err_set(ENOTSUP, "the stack is changed here");
    if (keeps)
        f->sp = f->kept;
    return 0;
}

/*
 * Where there are frame pointers, a function with a frame keeps its caller's below the return address; assembly may
 * not. It is believed where it is an address above this frame.
 */
static void step_bp(const struct gostack *s, uint64_t slot, uint64_t delta, struct gostack_frame *f)
{
    enum { FAR = 1 << 30 };
    uint64_t saved;
    if (delta == 0)
        return; // not touched
    f->has_bp = delta >= sizeof saved && read_word(s, slot, &saved) == 0 && saved > slot && saved - slot < FAR;
    if (f->has_bp)
        f->bp = saved;
}

static int up_x86(const struct gostack *s, uint64_t delta, struct gostack_frame *f)
{
    uint64_t ra;
    if (delta > UINT64_MAX - 8 - f->sp)
        return err_set(EFAULT, "the stack cannot be read");
    const uint64_t at = f->sp + delta;
    if (read_word(s, at, &ra) < 0)
        return -1;
    step_bp(s, at - 8, delta, f);
    f->pc = ra;
    f->sp = at + 8;
    return 1;
}

// The return address is in the link register until a function with a frame has put it at the bottom of that.
static int up_aarch64(const struct gostack *s, uint64_t delta, bool panics, struct gostack_frame *f)
{
    uint64_t ra = f->lr, lr = 0;
    if (delta > UINT64_MAX - 16 - f->sp)
        return err_set(EFAULT, "the stack cannot be read");
    if (((f->innermost && delta > 0) || ra == 0) && read_word(s, f->sp, &ra) < 0)
        return -1;
    uint64_t sp = f->sp + delta;
    if (panics) { // the handler has put the link register on the stack before it made the call
        struct gosym_func caller;
        uint64_t size;
        if (read_word(s, sp, &lr) < 0)
            return -1;
        sp += 16;
        if (gosym_func_at(s->gosym, ra - s->bias, &caller) < 0 ||
            gosym_spdelta(s->gosym, &caller, ra - s->bias, &size) < 0 || size != 0)
            lr = 0;
    }
    step_bp(s, f->sp - 8, delta, f);
    f->pc = ra;
    f->sp = sp;
    f->lr = lr;
    return 1;
}

// What rt_sigreturn(2) takes back stands behind the return address: struct ucontext (<sys/ucontext.h>).
static int up_signal_x86(const struct gostack *s, uint64_t delta, struct gostack_frame *f)
{
    enum { BP = 40 + 10 * 8, SP = 40 + 15 * 8, PC = 40 + 16 * 8 };
    if (delta > UINT64_MAX - 256 - f->sp)
        return err_set(EFAULT, "the stack cannot be read");
    const uint64_t context = f->sp + delta + 8;
    if (read_word(s, context + PC, &f->pc) < 0 || read_word(s, context + BP, &f->bp) < 0 ||
        read_word(s, context + SP, &f->sp) < 0)
        return -1;
    f->has_bp = true;
    return 1;
}

int gostack_step(const struct gostack *s, struct gostack_frame *f)
{
    struct gosym_func func;
    enum gosym_role role;
    uint64_t delta;
    struct gostack_frame next = *f;
    if (gosym_func_at(s->gosym, f->pc - s->bias, &func) < 0 || gosym_role(s->gosym, &func, &role) < 0)
        return -1;
    if (role == GOSYM_TOP)
        return 0;
    if (role == GOSYM_SWITCHES && !(f->innermost && f->entered) && go_to_kept(s, &func, &next) < 0)
        return -1;
    if (role == GOSYM_MORESTACK && on_system_stack(s, f))
        return go_to_user(s, f);
    if (role == GOSYM_SYSTEMSTACK && on_system_stack(s, f)) {
        next.sp = s->user.sp;
        next.bp = s->user.bp;
    } else if ((role == GOSYM_SYSTEMSTACK || role == GOSYM_MORESTACK) && !s->user.high) {
        return err_set(ENOTSUP, "the stack is changed here");
    }
    if (gosym_spdelta(s->gosym, &func, f->pc - s->bias, &delta) < 0)
        return -1;
    const bool arm = gosym_machine(s->gosym) == EM_AARCH64;
    if (arm && role == GOSYM_SIGNAL)
        return err_set(ENOTSUP, "the stack is changed here");
    int done = arm                    ? up_aarch64(s, delta, role == GOSYM_PANIC, &next)
               : role == GOSYM_SIGNAL ? up_signal_x86(s, delta, &next)
                                      : up_x86(s, delta, &next);
    if (done < 0)
        return -1;
    next.exact = role == GOSYM_PANIC || role == GOSYM_SIGNAL;
    next.innermost = next.entered = next.has_kept = false;
    *f = next;
    return 1;
}

uint64_t gostack_code(const struct gostack *s, const struct gostack_frame *f)
{
    struct gosym_func func;
    const uint64_t pc = f->pc - s->bias;
    // A goroutine that has not run yet, and mstart, stand at their first instruction: no call is before it.
    return f->exact || (gosym_func_at(s->gosym, pc, &func) == 0 && pc == func.entry) ? pc : pc - 1;
}
