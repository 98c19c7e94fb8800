// SPDX-License-Identifier: MIT
//
// In the child: the variables of a stack. It is walked once more, now with the registers of each frame kept; those that
// a search or a frame pointer cannot have brought back are not known then.
#include "dwarf_child.h"
#include "err.h"
#include "unwind_child.h"

#include <errno.h>
#include <string.h>

enum { PAGES = 256, REQUESTS_MAX = 1 << 14 };

// What was read of the target's memory, for one question.
struct page {
    uint64_t at;
    size_t n;              // bytes from its beginning that are there
    bool used;
    uint8_t bytes[UNWIND_PAGE];
};

struct locals {
    struct climb *climb;
    struct spots spots;
    struct page *pages;
    unsigned requests;
};

static bool read_page(struct locals *l, uint64_t at, struct page *ret)
{
    CLEANUP_CLOSE int fd = -1;
    ret->used = true;
    ret->at = at;
    ret->n = 0;
    if (l->requests++ >= REQUESTS_MAX || space_want(UNWIND_WANT_DATA, at, &fd) < 0)
        return false;
    ssize_t n = pread(fd, ret->bytes, sizeof ret->bytes, 0);
    ret->n = n > 0 ? (size_t)n : 0;
    return ret->n > 0;
}

static bool read_late(struct locals *l, uint64_t addr, uint8_t *to, size_t n)
{
    while (n > 0) {
        const uint64_t at = addr & ~(uint64_t)(UNWIND_PAGE - 1);
        struct page *p = &l->pages[at / UNWIND_PAGE % PAGES];
        if (!p->used || p->at != at)
            (void)read_page(l, at, p);
        const size_t skip = (size_t)(addr - at);
        if (skip >= p->n)
            return false;
        const size_t part = p->n - skip < n ? p->n - skip : n;
        memcpy(to, p->bytes + skip, part);
        if (part < n && p->n < sizeof p->bytes)
            return false;
        to += part;
        n -= part;
        addr += part;
    }
    return true;
}

static bool read_memory(void *arg, uint64_t addr, void *to, size_t n, bool *late)
{
    struct locals *l = arg;
    if (climb_read(l->climb, addr, to, n))
        return true;
    if (n > UINT64_MAX - addr || !read_late(l, addr, to, n))
        return false;
    *late = true;
    return true;
}

// Which registers of the frames are believed.
static void doubt(struct spots *s)
{
    const uint64_t always = 1ULL << reg_dwarf_pc | 1ULL << reg_dwarf_sp;
    uint64_t believed = ~0ULL;
    for (size_t i = 0; i < s->n; i++) {
        struct place *p = &s->at[i].place;
        if (p->how == HOW_SIG)
            believed = ~0ULL;
        else if (p->how == HOW_FP || p->how == HOW_SCAN)
            believed = always;
        p->regs.known &= believed | (p->how == HOW_FP ? 1ULL << reg_dwarf_fp : 0);
    }
}

static bool get_frame(void *arg, size_t i, struct dwarf_frame *ret)
{
    const struct locals *l = arg;
    if (i >= l->spots.n)
        return false;
    const struct spot *s = &l->spots.at[i];
    const uint64_t pc = s->place.regs.at[reg_dwarf_pc];
    *ret = (struct dwarf_frame){
        .pc = pc,
        .exact = s->place.exact,
        .called = i + 1 < l->spots.n && s[1].place.how == HOW_CFI,
        .regs = s->place.regs.at,
        .known = s->place.regs.known,
        .has_cfa = s->has_cfa,
        .cfa = s->cfa,
    };
    struct code *c = space_code(l->climb->space, pc - !s->place.exact);
    ret->lines = c ? space_lines(l->climb->space, c, pc - !s->place.exact, &ret->bias) : NULL;
    return true;
}

static int answer(size_t frame, enum unwind_variables what, uint32_t object, unsigned levels,
                  const struct buf *variables)
{
    CLEANUP_BUF struct buf out = {0};
    packet_put_u32(&out, (uint32_t)frame);
    packet_put_u8(&out, (uint8_t)what);
    packet_put_u32(&out, object);
    packet_put_u32(&out, levels);
    if (variables)
        buf_add(&out, variables->data, variables->len);
    return buf_ok(&out) < 0 ? -1 : sandbox_answer(&out);
}

static int answer_frames(struct locals *l, size_t from, const char *only, const uint32_t *refused, uint32_t nrefused)
{
    const struct dwarf_stack stack = {get_frame, read_memory, l};
    uint32_t begun = UNWIND_NO_OBJECT;
    for (size_t i = from; i < l->spots.n && i < UNWIND_VARIABLES_MAX; i++) {
        CLEANUP_BUF struct buf variables = {0};
        const struct place *p = &l->spots.at[i].place;
        const struct code *c = space_code(l->climb->space, p->regs.at[reg_dwarf_pc] - !p->exact);
        const uint32_t object = c ? c->object : UNWIND_NO_OBJECT;
        bool is_refused = false;
        unsigned levels = 1;
        for (uint32_t k = 0; k < nrefused; k++)
            is_refused |= refused[k] == object;
        if (is_refused) {
            if (answer(i, VARIABLES_REFUSED, object, 1, NULL) < 0)
                return -1;
            continue;
        }
        if (object != begun && answer(i, VARIABLES_BEGIN, object, 1, NULL) < 0)
            return -1;
        begun = object;
        int done = dwarf_variables(&stack, i, only, &levels, &variables);
        if (done < 0 && err_code() != ENOENT)
            return -1;
        if (answer(i, done < 0 ? VARIABLES_UNKNOWN : VARIABLES_KNOWN, object, levels, &variables) < 0)
            return -1;
    }
    return 0;
}

int locals_of_stack(struct climb *w, const struct frame_regs *regs, const struct locals_question *q)
{
    CLEANUP_BUF struct buf frames = {0};
    struct locals l = {.climb = w};
    l.pages = calloc(PAGES, sizeof *l.pages);
    if (!l.pages)
        return err_set(ENOMEM, "out of memory");
    w->spots = &l.spots;
    int done = climb_stack(w, regs, q->max < UNWIND_VARIABLES_MAX ? q->max : UNWIND_VARIABLES_MAX, 0, &frames);
    doubt(&l.spots);
    if (done == 0)
        done = answer_frames(&l, q->from, q->only, q->refused, q->nrefused);
    w->spots = NULL;
    free(l.spots.at);
    free(l.pages);
    return done;
}
