// SPDX-License-Identifier: MIT
#include "btgo.h"

#include "err.h"
#include "gotarget.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

struct reading {
    struct run *run;
    const char *operand;
    struct target *target;
    const struct btgo_options *options;
    const struct maps *maps;
    struct gotarget go;
    struct goroutines *all;
    struct stack held;     // what was copied of a thread that runs
    bool has_held;
    size_t nparts;         // goroutines whose stack is not all there
};

// --- what it is read by --------------------------------------------------------------

// The stack of a thread that was held is what it was then.
static int read_moment(void *arg, uint64_t at, void *to, size_t n, size_t *got)
{
    struct reading *r = arg;
    for (size_t i = 0; r->has_held && i < r->held.nregions; i++) {
        const struct stack_region *s = &r->held.regions[i];
        if (at < s->base || at - s->base >= s->size || n > s->size - (at - s->base))
            continue;
        memcpy(to, r->held.bytes.data + s->at + (at - s->base), n);
        *got = n;
        return 0;
    }
    return target_read(r->target, at, to, n, got);
}

static int hold_thread(pid_t tid, struct gostack_frame *ret, void *arg)
{
    enum { LINK_AARCH64 = 30 };
    struct reading *r = arg;
    struct gotarget_finding finding = {r->target, r->all};
    const struct stack_want want = {.window = STACK_WINDOW, .find_user = gotarget_find_user, .arg = &finding};
    r->has_held = false;
    if (!ret)
        return 0;
    if (target_stack(r->target, tid, &want, &r->held) < 0)
        return -1;
    r->has_held = true;
    if (r->held.user.in_vdso) {
        *ret = (struct gostack_frame){.pc = r->held.user.pc, .sp = r->held.user.sp};
        return 0;
    }
    *ret = (struct gostack_frame){.pc = reg_pc(&r->held.regs), .sp = reg_sp(&r->held.regs),
                                  .bp = reg_fp(&r->held.regs), .has_bp = true, .exact = true,
                                  .kept = reg_dwarf_get(&r->held.regs, gosym_kept(r->go.gosym)), .has_kept = true};
    if (gosym_machine(r->go.gosym) == EM_AARCH64)
        ret->lr = reg_dwarf_get(&r->held.regs, LINK_AARCH64);
    return 0;
}

// --- rows ------------------------------------------------------------------------------

static size_t put_text(struct buf *b, const char *text, size_t n)
{
    const size_t at = b->len;
    buf_add(b, text, n);
    buf_byte(b, '\0');
    return at + 1;
}

static int show_frame(struct reading *r, const struct bt_row *of, const struct goroutine_frame *f)
{
    CLEANUP_FRAME_NAMES struct frame_names names = {0};
    const struct mapping *m = maps_find(r->maps, f->pc);
    struct bt_row row = *of;
    struct frame_name name = {.addr = f->pc, .value = f->entry, .line = f->line};
    const struct frame frame = {
        .pc = f->pc,
        .addr = f->pc - r->go.bias,
        .has_addr = r->go.file >= 0,
        .how = HOW_GO,
    };
    name.function = put_text(&names.text, f->name, strlen(f->name));
    if (m)
        name.object = put_text(&names.text, maps_name(r->maps, m), m->name_len);
    if (f->file && (r->options->needs & BTCOL_LINES))
        name.file = put_text(&names.text, f->file, strlen(f->file));
    if (buf_ok(&names.text) < 0)
        return -1;
    row.frame = &frame;
    row.inlined = f->inlined;
    row.names = &names;
    row.name = &name;
    if (r->options->needs & BTCOL_BUILD_ID)
        bt_row_set_build_id(&row, r->target, r->maps);
    return cmd_row(r->run, &row) < 0 ? 1 : 0;
}

// Not because no more were asked for.
static bool is_part(const struct reading *r, const struct goroutine *g)
{
    return !g->whole && g->n < r->options->max;
}

static int show(const struct goroutine *g, void *arg)
{
    struct reading *r = arg;
    const struct trace thread = {.tid = g->tid, .pause = r->held.pause};
    struct bt_row row = {.pid = target_pid(r->target), .trace = &thread, .goroutine = g};
    int done = 0;
    r->held.pause = 0;
    if (is_part(r, g)) {
        cmd_status(r->run, STATUS_NONE);
        if (r->nparts++ == 0)
            cmd_note(r->run, r->operand, "goroutine %llu: %s", (unsigned long long)g->id, g->why);
    }
    if (g->n == 0) {
        row.reason = g->why;
        return cmd_row(r->run, &row) < 0 ? 1 : 0;
    }
    for (size_t i = 0; i < g->n && done == 0; i++) {
        row.number = i;
        row.reason = i + 1 == g->n && is_part(r, g) ? g->why : NULL;
        done = show_frame(r, &row, &g->frames[i]);
    }
    return done;
}

static int read_all(struct reading *r)
{
    if (target_maps(r->target, &r->maps) < 0 || gotarget_open(r->target, &r->go) < 0)
        return -1;
    const struct goroutine_options o = {
        .gosym = r->go.gosym,
        .bias = r->go.bias,
        .read = read_moment,
        .arg = r,
        .still = target_is_core(r->target),
        .max_frames = (unsigned)r->options->max,
        .regs = r->options->no_stop ? NULL : hold_thread,
        .regs_arg = r,
    };
    return goroutines_open(&o, &r->all) < 0 ? -1 : goroutines_each(r->all, show, r);
}

int btgo_put(struct run *run, const char *operand, struct target *t, const struct btgo_options *options)
{
    struct reading r = {.run = run, .operand = operand, .target = t, .options = options};
    int done = read_all(&r);
    goroutines_close_ptr(&r.all);
    gotarget_close(&r.go);
    stack_fini(&r.held);
    return done;
}
