// SPDX-License-Identifier: MIT
//
// In the child: questions about stacks, from their bytes to frames. What it knows of the target it keeps.
#include "err.h"
#include "unwind_child.h"

#include <errno.h>
#include <string.h>

enum { ANSWER = 24576 };

static struct {
    struct space space;
    struct cfi_engine *engine;
} known;

static int do_maps(struct packet *p)
{
    cfi_engine_close(known.engine);
    known.engine = NULL;
    return space_read(&known.space, p) < 0 ? -1 : cfi_engine_open(&known.engine);
}

static int read_stack(struct packet *p, struct climb *w, struct frame_regs *regs, uint32_t *index)
{
    *index = packet_u32(p);
    uint32_t nregs = packet_u32(p), nregions = packet_u32(p);
    if (p->bad || nregs != reg_dwarf_count || nregions > STACK_REGIONS)
        return err_set(EPROTO, "a bad question");
    w->user = (struct stack_user){.low = packet_u64(p)};
    w->user.high = packet_u64(p);
    w->user.pc = packet_u64(p);
    w->user.sp = packet_u64(p);
    w->user.bp = packet_u64(p);
    w->user.none = packet_u8(p);
    for (uint32_t i = 0; i < nregs; i++) {
        regs->known |= packet_u8(p) ? 1ULL << i : 0;
        regs->at[i] = packet_u64(p);
    }
    for (uint32_t i = 0; i < nregions; i++) {
        struct region *r = &w->regions[i];
        r->base = packet_u64(p);
        r->cut = packet_u8(p);
        r->bytes.n = packet_u32(p);
        r->bytes.at = (const uint8_t *)p->at;
        if (p->bad || r->bytes.n > p->left || r->base > UINT64_MAX - r->bytes.n)
            return err_set(EPROTO, "a bad question");
        p->at += r->bytes.n;
        p->left -= r->bytes.n;
    }
    w->nregions = nregions;
    return 0;
}

static int do_stacks(struct packet *p)
{
    CLEANUP_BUF struct buf answer = {0};
    uint32_t max = packet_u32(p), n = packet_u32(p);
    if (!known.engine || p->bad || max > UNWIND_FRAMES_MAX)
        return err_set(EPROTO, "a bad question");
    for (uint32_t i = 0; i < n; i++) {
        struct climb w = {.space = &known.space, .engine = known.engine};
        struct frame_regs regs = {0};
        uint32_t index;
        if (read_stack(p, &w, &regs, &index) < 0 || climb_stack(&w, &regs, max, index, &answer) < 0)
            return -1;
        if (answer.len < ANSWER && i + 1 < n)
            continue;
        if ((i + 1 < n ? sandbox_answer(&answer) : sandbox_answer_last(&answer)) < 0)
            return -1;
        buf_reset(&answer);
    }
    return 0;
}

static int do_locals(struct packet *p)
{
    struct climb w = {.space = &known.space, .engine = known.engine};
    struct frame_regs regs = {0};
    struct locals_question q = {0};
    uint32_t index;
    q.max = packet_u32(p);
    q.from = packet_u32(p);
    q.only = packet_str(p);
    q.nrefused = packet_u32(p);
    if (!known.engine || p->bad || q.nrefused > UNWIND_REFUSED_MAX)
        return err_set(EPROTO, "a bad question");
    for (uint32_t i = 0; i < q.nrefused; i++)
        q.refused[i] = packet_u32(p);
    return read_stack(p, &w, &regs, &index) < 0 ? -1 : locals_of_stack(&w, &regs, &q);
}

static struct image *kept(uint32_t object)
{
    return space_image(&known.space, object);
}

int unwind_work(const char *question, size_t n, int file, void *arg)
{
    struct packet p = packet_of(question, n);
    (void)arg;
    uint8_t op = packet_u8(&p);
    if (op == UNWIND_MAPS) {
        if (do_maps(&p) < 0)
            return -1;
        op = packet_u8(&p);
    }
    switch (op) {
    case UNWIND_STACKS: return do_stacks(&p);
    case UNWIND_LOCALS: return do_locals(&p);
    default: return sym_work_kept(question, n, file, kept);
    }
}
