// SPDX-License-Identifier: MIT
//
// In the child: from the registers of a thread to its frames. Each way to step has its turn; what it finds is believed
// only if the stack pointer rises (a signal frame alone may lead to another stack), so every walk ends.
#include "err.h"
#include "unwind_child.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SCAN_MAX = 4096 }; // bytes

bool climb_read(struct climb *w, uint64_t addr, void *to, size_t n)
{
    for (size_t i = 0; i < w->nregions; i++) {
        const struct region *r = &w->regions[i];
        if (addr < r->base || addr - r->base > r->bytes.n)
            continue;
        uint64_t at = addr - r->base;
        if (n <= r->bytes.n - at) {
            memcpy(to, r->bytes.at + at, n);
            return true;
        }
        w->missed |= r->cut;
    }
    return false;
}

static bool on_stack(const struct climb *w, uint64_t addr)
{
    for (size_t i = 0; i < w->nregions; i++)
        if (addr >= w->regions[i].base && addr - w->regions[i].base < w->regions[i].bytes.n)
            return true;
    return false;
}

// --- ways to step ------------------------------------------------------------------

enum stepped step_signal(struct climb *w, const struct place *from, struct place *to)
{
    uint64_t context;
    if (!machine_is_sigreturn(w->space, from->regs.at[reg_dwarf_pc], &context))
        return STEP_NO;
    context += from->regs.at[reg_dwarf_sp];
    to->regs.known = 0;
    for (unsigned i = 0; i < reg_dwarf_count; i++) {
        if (!climb_read(w, context + reg_dwarf[i].context, &to->regs.at[i], sizeof to->regs.at[i]))
            return STEP_NO;
        to->regs.known |= 1ULL << i;
    }
    to->exact = true;
    return STEP_DONE;
}

static void return_to(const struct place *from, struct place *to, uint64_t pc, uint64_t sp)
{
    to->regs = from->regs;
    to->regs.known &= machine_saved | 1ULL << reg_dwarf_pc | 1ULL << reg_dwarf_sp;
    to->regs.at[reg_dwarf_pc] = pc;
    to->regs.at[reg_dwarf_sp] = sp;
    to->exact = false;
}

/*
 * A function that keeps a frame pointer has it in its register, but for its first and last instructions: there the
 * return address is near the stack pointer, and the register is still, or again, the caller's.
 */
enum stepped step_fp(struct climb *w, const struct place *from, struct place *to)
{
    const uint64_t sp = from->regs.at[reg_dwarf_sp], fp = from->regs.at[reg_dwarf_fp];
    uint64_t pair[2];
    int edge = from->exact ? machine_frame_edge(w->space, from->regs.at[reg_dwarf_pc]) : -1;
    if (edge >= 0 && climb_read(w, sp + (uint64_t)edge, &pair[1], sizeof pair[1]) &&
        machine_is_return(w->space, pair[1])) {
        return_to(from, to, pair[1], sp + (uint64_t)edge + sizeof pair[1]);
        if (edge > 0 && climb_read(w, sp, &pair[0], sizeof pair[0]))
            to->regs.at[reg_dwarf_fp] = pair[0];
        return STEP_DONE;
    }
    if (!frame_knows(&from->regs, reg_dwarf_fp) || fp < sp || fp % sizeof fp != 0 ||
        !climb_read(w, fp, pair, sizeof pair))
        return STEP_NO;
    pair[1] = machine_plain(pair[1]);
    if (!machine_is_return(w->space, pair[1]))
        return STEP_NO;
    return_to(from, to, pair[1], fp + sizeof pair);
    to->regs.at[reg_dwarf_fp] = pair[0];
    return STEP_DONE;
}

static bool is_frame_pointer(struct climb *w, uint64_t fp, uint64_t above)
{
    uint64_t to;
    return fp >= above && fp % sizeof fp == 0 && climb_read(w, fp + sizeof fp, &to, sizeof to) &&
           machine_is_return(w->space, machine_plain(to));
}

// A function that has used the frame pointer's register for something else has put it on its stack before.
enum stepped step_scan(struct climb *w, const struct place *from, struct place *to)
{
    const uint64_t sp = from->regs.at[reg_dwarf_sp];
    uint64_t fp = from->regs.at[reg_dwarf_fp];
    for (uint64_t at = sp, word; at - sp < SCAN_MAX; at += sizeof at) {
        if (!climb_read(w, at, &word, sizeof word))
            return STEP_NO;
        if (!machine_is_return(w->space, word)) {
            if (is_frame_pointer(w, word, at + sizeof at))
                fp = word;
            continue;
        }
        return_to(from, to, word, at + sizeof at);
        if (!is_frame_pointer(w, from->regs.at[reg_dwarf_fp], at + sizeof at))
            to->regs.at[reg_dwarf_fp] = fp;
        return STEP_DONE;
    }
    return STEP_NO;
}

static const struct {
    step_fn *step;
    enum unwind_how how;
} ways[] = {
    {step_signal, HOW_SIG},
    {step_go, HOW_GO},
    {step_cfi, HOW_CFI},
    {step_fp, HOW_FP},
    {step_scan, HOW_SCAN},
};

// The program's first instruction, by which the kernel starts it, is in its first function; that is short.
bool climb_is_first(struct climb *w, const struct place *at)
{
    enum { ENTRY_SIZE = 64 };
    uint64_t pc = at->regs.at[reg_dwarf_pc];
    return (w->space->entry && pc - w->space->entry < ENTRY_SIZE) || machine_is_thread_start(w->space, pc);
}

static bool is_progress(const struct climb *w, const struct place *from, const struct place *to, enum unwind_how how)
{
    const uint64_t sp = from->regs.at[reg_dwarf_sp], up = to->regs.at[reg_dwarf_sp];
    if (how == HOW_SIG)
        return up != sp && on_stack(w, up - 1);
    const struct stack_user *user = &w->user; // from the runtime's stack to the goroutine's, and never back
    if (how == HOW_GO && (sp < user->low || sp >= user->high) && up >= user->low && up < user->high)
        return true;
    // A leaf of a machine that keeps the return address in a register has no stack of its own.
    return up > sp || (up == sp && from->exact && to->regs.at[reg_dwarf_pc] != from->regs.at[reg_dwarf_pc]);
}

static enum stepped step(struct climb *w, const struct place *from, struct place *to)
{
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        if (ways[i].how == HOW_FP && climb_is_first(w, from))
            return STEP_LAST;
        enum stepped done = ways[i].step(w, from, to);
        if (done == STEP_DONE && !is_progress(w, from, to, ways[i].how)) {
            done = ways[i].how == HOW_GO ? STEP_END : STEP_NO; // a goroutine's stack, not known yet to be that
            w->why = "Go changes to another stack here";
        }
        to->how = ways[i].how;
        if (done != STEP_NO || w->missed)
            return done;
    }
    return STEP_NO;
}

// --- frames ------------------------------------------------------------------------

struct trail {
    struct climb *w;
    struct buf *out;
    uint32_t n;
    unsigned signals;      // more of them than stacks can be is a circle
};

static void keep_spot(struct spots *s, const struct place *at, const struct place *caller)
{
    struct spot *grown = array_grow(s->at, s->n, &s->cap, sizeof *grown);
    if (!grown)
        return; // the frames that follow have no variables
    s->at = grown;
    s->at[s->n++] = (struct spot){*at, caller != NULL, caller ? caller->regs.at[reg_dwarf_sp] : 0};
}

static void put_frame(struct trail *t, const struct place *at, const struct place *caller)
{
    uint64_t pc = at->regs.at[reg_dwarf_pc], cfa = caller ? caller->regs.at[reg_dwarf_sp] : 0, bias = 0;
    struct code *c = space_code(t->w->space, pc - !at->exact);
    bool has_addr = c && space_file(t->w->space, c, pc - !at->exact, &bias);
    packet_put_u64(t->out, pc);
    packet_put_u64(t->out, cfa);
    packet_put_u64(t->out, has_addr ? pc - bias : 0);
    packet_put_u8(t->out, (uint8_t)at->how);
    packet_put_u8(t->out, (uint8_t)((has_addr ? UNWIND_HAS_ADDR : 0) | (at->exact ? UNWIND_EXACT : 0)));
    t->n++;
    if (t->w->spots)
        keep_spot(t->w->spots, at, caller);
}

static enum unwind_end follow(struct trail *t, struct place *at, size_t max, char *why, size_t size)
{
    enum { SIGNALS_MAX = 256 };
    struct place next = {0};
    for (;;) {
        uint64_t pc = at->regs.at[reg_dwarf_pc], context;
        if ((at->how == HOW_CFI || at->how == HOW_GO) && machine_is_sigreturn(t->w->space, pc, &context))
            at->exact = true; // nobody called it: the kernel has made it the return address of the handler
        if (!space_code(t->w->space, pc - !at->exact)) {
            put_frame(t, at, NULL);
            (void)snprintf(why, size, "0x%" PRIx64 " is no code", pc);
            return UNWIND_STRAY;
        }
        t->w->missed = false;
        enum stepped done = step(t->w, at, &next);
        put_frame(t, at, done == STEP_DONE ? &next : NULL);
        if (t->w->missed) {
            (void)snprintf(why, size, "the stack goes on behind what was copied of it");
            return UNWIND_CUT;
        }
        if (done == STEP_LAST || (done == STEP_DONE && next.regs.at[reg_dwarf_pc] == 0))
            return UNWIND_WHOLE;
        if (done == STEP_END) {
            (void)snprintf(why, size, "%s", t->w->why);
            return UNWIND_SWITCHED;
        }
        if (done == STEP_NO) {
            (void)snprintf(why, size, "no way to unwind from 0x%" PRIx64, pc);
            return UNWIND_BROKEN;
        }
        t->signals += next.how == HOW_SIG;
        if (t->n >= max)
            return UNWIND_ENOUGH;
        if (t->signals > SIGNALS_MAX) {
            (void)snprintf(why, size, "more than %d signal frames", SIGNALS_MAX);
            return UNWIND_BROKEN;
        }
        *at = next;
    }
}

int climb_stack(struct climb *w, const struct frame_regs *regs, size_t max, uint32_t index, struct buf *answer)
{
    CLEANUP_BUF struct buf frames = {0};
    struct trail t = {.w = w, .out = &frames};
    struct place first = {.regs = *regs, .exact = true, .how = HOW_REG};
    char why[128];
    enum unwind_end end = follow(&t, &first, max, why, sizeof why);
    packet_put_u32(answer, index);
    packet_put_u8(answer, (uint8_t)end);
    packet_put_str(answer, end >= UNWIND_BROKEN ? why : NULL, strlen(end >= UNWIND_BROKEN ? why : ""));
    packet_put_u32(answer, t.n);
    if (frames.failed)
        return buf_ok(&frames);
    buf_add(answer, frames.data, frames.len);
    return buf_ok(answer);
}
