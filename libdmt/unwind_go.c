// SPDX-License-Identifier: MIT
//
// In the child: the step from Go code, by the tables of its program. Where Go goes to another stack, or into C, this
// ends: what that stack holds further up is of somebody else, and looks right.
#include "err.h"
#include "gostack.h"
#include "unwind_child.h"

#include <errno.h>
#include <string.h>

static struct gosym *go_at(struct space *s, uint64_t pc, uint64_t *bias)
{
    struct code *c = space_code(s, pc);
    struct file *f = c ? space_file(s, c, pc, bias) : NULL;
    return f ? image_go(&f->image) : NULL;
}

static int read_stack(void *arg, uint64_t at, void *to, size_t n, size_t *got)
{
    *got = climb_read(arg, at, to, n) ? n : 0;
    return *got == n ? 0 : err_set(EFAULT, "the stack cannot be read");
}

// The kernel has called it, to return to code that ends the handler: step_signal knows that.
static int step_handler(const struct gostack *s, const struct gosym_func *func, struct gostack_frame *f)
{
    uint64_t delta, pc;
    size_t got;
    if (gosym_spdelta(s->gosym, func, f->pc - s->bias, &delta) < 0 || delta > UINT64_MAX - sizeof pc - f->sp ||
        s->read(s->arg, f->sp + delta, &pc, sizeof pc, &got) < 0)
        return -1;
    *f = (struct gostack_frame){.pc = pc, .sp = f->sp + delta + sizeof pc};
    return 1;
}

// The goroutine that was there before waits elsewhere now: the scheduler works for nobody.
static bool is_abandoned(const struct climb *w, const struct gostack *s, uint64_t pc)
{
    struct gosym_func func;
    enum gosym_role role;
    return w->user.none && gosym_func_at(s->gosym, pc - s->bias, &func) == 0 &&
           gosym_role(s->gosym, &func, &role) == 0 && (role == GOSYM_MORESTACK || role == GOSYM_SYSTEMSTACK);
}

static int step_up(const struct gostack *s, struct gostack_frame *f)
{
    struct gosym_func func;
    enum gosym_role role;
    if (gosym_machine(s->gosym) == EM_X86_64 && gosym_func_at(s->gosym, f->pc - s->bias, &func) == 0 &&
        gosym_role(s->gosym, &func, &role) == 0 && role == GOSYM_SIGNAL)
        return step_handler(s, &func, f);
    return gostack_step(s, f);
}

// What a guess says of a register is none.
static bool is_told(const struct place *p, unsigned reg)
{
    return frame_knows(&p->regs, reg) && (p->how == HOW_REG || p->how == HOW_SIG || p->how == HOW_CFI);
}

// No register but the frame pointer, and on machines that have one the link register, has a value that Go has kept.
static void put_place(const struct gostack *s, const struct gostack_frame *f, struct place *to)
{
    to->regs.known = 1ULL << reg_dwarf_pc | 1ULL << reg_dwarf_sp;
    to->regs.at[reg_dwarf_pc] = f->pc;
    to->regs.at[reg_dwarf_sp] = f->sp;
    if (f->has_bp) {
        to->regs.known |= 1ULL << reg_dwarf_fp;
        to->regs.at[reg_dwarf_fp] = f->bp;
    }
    if (f->lr && machine_link >= 0) {
        to->regs.known |= 1ULL << machine_link;
        to->regs.at[machine_link] = f->lr;
    }
    to->exact = gostack_code(s, f) == f->pc - s->bias; // also where nobody has called it: a first instruction
}

enum stepped step_go(struct climb *w, const struct place *from, struct place *to)
{
    struct gostack s = {.read = read_stack,
                        .arg = w,
                        .user = {w->user.low, w->user.high, w->user.pc, w->user.sp, w->user.bp, w->user.in_vdso}};
    const struct frame_regs *r = &from->regs;
    s.gosym = go_at(w->space, r->at[reg_dwarf_pc] - !from->exact, &s.bias);
    if (!s.gosym)
        return STEP_NO;
    const unsigned kept = gosym_kept(s.gosym);
    struct gostack_frame f = {
        .pc = r->at[reg_dwarf_pc],
        .sp = r->at[reg_dwarf_sp],
        .bp = r->at[reg_dwarf_fp],
        .has_bp = frame_knows(r, reg_dwarf_fp),
        .lr = machine_link >= 0 && frame_knows(r, (unsigned)machine_link) ? r->at[machine_link] : 0,
        .kept = r->at[kept],
        .has_kept = is_told(from, kept),
        .innermost = from->how == HOW_REG || from->how == HOW_SIG,
        .exact = from->exact,
    };
    int done = step_up(&s, &f);
    if (done == 0)
        return STEP_LAST;
    const bool switched = done < 0 && err_code() == ENOTSUP, lost = done < 0 && err_code() == EFAULT && !w->missed;
    if (switched && is_abandoned(w, &s, f.pc))
        return STEP_LAST;
    if (switched || lost) { // what others would find here looks right, and is not
        w->why = switched ? "Go changes to another stack here" : "the stack was not copied";
        return STEP_END;
    }
    if (done < 0)
        return STEP_NO;
    put_place(&s, &f, to);
    return STEP_DONE;
}
