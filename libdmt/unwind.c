// SPDX-License-Identifier: MIT
//
// The parent's side: what the child may know of the target, the questions, and what comes back. Many stacks are one
// question; one that breaks the child is found by asking again, one by one.
#include "err.h"
#include "unwind_impl.h"

#include <errno.h>
#include <string.h>

const char *const unwind_how_names[HOWS] = {"reg", "go", "cfi", "sig", "fp", "scan", "live"};

struct waiting {
    size_t at, size;       // its part of a question
    uint32_t index;
};

struct unwinder {
    struct syms *objects;  // its files, and the child
    unsigned told;         // which child knows of them, of those that were started
    struct buf maps;       // what a child is told first
    struct stack room;
    struct buf stacks;     // a question about all that wait; its beginning is as long as
    size_t head;
    struct waiting *waiting;
    size_t n, cap;
    size_t left;           // to be answered: the first of them
    struct frame *frames;
    size_t frames_cap;
    // Of the question that is asked:
    int (*fn)(const struct unwound *stack, void *arg);
    void *arg;
    bool failed;           // FN has
    bool late;             // a stack has taken too long: no more are asked about
    // Of variables:
    const char *only;
    int (*variables_fn)(const struct frame_variables *v, void *arg); // NULL: they are not wanted
    void *variables_arg;
    uint32_t refused[UNWIND_REFUSED_MAX], nrefused; // objects that have broken the child
    uint32_t asked_index;  // of the question that is asked: the stack,
    size_t next_frame;     // the frame that is to be answered next, and whose turn it is
    uint32_t begun;
};

// --- its beginning ---------------------------------------------------------------

int unwind_open(struct target *t, struct unwinder **ret)
{
    const struct sym_options options = {0};
    const struct maps *maps;
    struct unwinder *u = calloc(1, sizeof *u);
    if (!u)
        return err_set(ENOMEM, "out of memory");
    if (target_maps(t, &maps) < 0 || syms_open(t, -1, "", &options, &u->objects) < 0 ||
        unwind_put_maps(&u->maps, t, maps, u->objects) < 0) {
        unwind_close(u);
        return -1;
    }
    u->objects->job.work = unwind_work;
    u->objects->job.open = unwind_grant;
    u->objects->job.keeps = true;
    // Now, while we have little memory that it would have too; it makes itself ready while stacks are copied.
    if (sym_child(u->objects) < 0) {
        unwind_close(u);
        return -1;
    }
    *ret = u;
    return 0;
}

struct syms *unwind_syms(struct unwinder *u, const struct sym_options *options)
{
    u->objects->options = *options;
    return u->objects;
}

void unwind_close(struct unwinder *u)
{
    if (u->objects)
        syms_close(u->objects);
    buf_fini(&u->maps);
    stack_fini(&u->room);
    buf_fini(&u->stacks);
    free(u->waiting);
    free(u->frames);
    free(u);
}

static int no_row(const char *answer, size_t n, void *arg)
{
    (void)answer;
    (void)n;
    (void)arg;
    return err_set(EIO, "the unwinder answered nonsense");
}

// It has been started, and has died.
static bool is_dead(const struct unwinder *u)
{
    return u->objects->box && !sandbox_alive(u->objects->box);
}

// What the child does not know yet.
static void put_news(const struct unwinder *u, struct buf *question)
{
    if (!u->objects->box || is_dead(u) || u->told != u->objects->children)
        buf_add(question, u->maps.data, u->maps.len);
}

static int ask_child(struct unwinder *u, const struct buf *question, int (*row)(const char *, size_t, void *))
{
    u->told = u->objects->children;
    return sandbox_ask(u->objects->box, question, -1, row, u);
}

// --- stacks ----------------------------------------------------------------------

static void put_head(const struct unwinder *u, struct buf *question, size_t max, size_t n)
{
    put_news(u, question);
    packet_put_u8(question, UNWIND_STACKS);
    packet_put_u32(question, (uint32_t)(max < UNWIND_FRAMES_MAX ? max : UNWIND_FRAMES_MAX));
    packet_put_u32(question, (uint32_t)n);
}

struct stack *unwind_room(struct unwinder *u)
{
    return &u->room;
}

int unwind_add(struct unwinder *u, const struct stack *s, uint32_t index)
{
    struct waiting *grown = array_grow(u->waiting, u->n, &u->cap, sizeof *grown);
    if (!grown)
        return -1;
    u->waiting = grown;
    struct buf *b = &u->stacks;
    if (b->len == 0) {
        put_head(u, b, 0, 0);
        u->head = b->len;
    }
    const size_t at = b->len;
    packet_put_u32(b, index);
    packet_put_u32(b, reg_dwarf_count);
    packet_put_u32(b, (uint32_t)s->nregions);
    const uint64_t user[] = {s->user.low, s->user.high, s->user.pc, s->user.sp, s->user.bp};
    for (size_t i = 0; i < ARRAY_LEN(user); i++)
        packet_put_u64(b, user[i]);
    packet_put_u8(b, s->user.none);
    for (unsigned i = 0; i < reg_dwarf_count; i++) {
        packet_put_u8(b, !s->few_regs || i == reg_dwarf_sp || i == reg_dwarf_pc);
        packet_put_u64(b, reg_dwarf_get(&s->regs, i));
    }
    for (size_t i = 0; i < s->nregions; i++) {
        packet_put_u64(b, s->regions[i].base);
        packet_put_u8(b, s->regions[i].cut);
        packet_put_u32(b, (uint32_t)s->regions[i].size);
        buf_add(b, s->bytes.data + s->regions[i].at, s->regions[i].size);
    }
    if (buf_ok(b) < 0)
        return -1;
    u->waiting[u->n++] = (struct waiting){at, b->len - at, index};
    return 0;
}

size_t unwind_kept(const struct unwinder *u)
{
    return u->stacks.len;
}

static int take_frames(struct unwinder *u, struct packet *p, uint32_t n)
{
    if (n > UNWIND_FRAMES_MAX)
        return no_row(NULL, 0, NULL);
    if (n > u->frames_cap) {
        struct frame *grown = realloc(u->frames, n * sizeof *grown);
        if (!grown)
            return err_set(ENOMEM, "out of memory");
        u->frames = grown;
        u->frames_cap = n;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct frame f = {.pc = packet_u64(p), .cfa = packet_u64(p), .addr = packet_u64(p)};
        unsigned how = packet_u8(p), flags = packet_u8(p);
        if (how >= HOWS)
            return no_row(NULL, 0, NULL);
        f.how = (enum unwind_how)how;
        f.has_addr = flags & UNWIND_HAS_ADDR;
        f.exact = flags & UNWIND_EXACT;
        u->frames[i] = f;
    }
    return 0;
}

// In the order of the question.
static int take_stacks(const char *answer, size_t size, void *arg)
{
    struct unwinder *u = arg;
    struct packet p = packet_of(answer, size);
    while (p.left > 0) {
        struct unwound stack = {.index = packet_u32(&p), .end = (enum unwind_end)packet_u8(&p),
                                .reason = packet_str(&p)};
        uint32_t n = packet_u32(&p);
        if (p.bad || u->left == u->n || stack.index != u->waiting[u->left].index || stack.end > UNWIND_STRAY ||
            (stack.end >= UNWIND_BROKEN && !stack.reason) || take_frames(u, &p, n) < 0 || p.bad)
            return no_row(NULL, 0, NULL);
        stack.frames = u->frames;
        stack.n = n;
        u->left++;
        int done = u->fn(&stack, u->arg);
        u->failed |= done < 0;
        if (done != 0)
            return done;
    }
    return 0;
}

static int ask(struct unwinder *u, size_t max, size_t from, size_t n)
{
    CLEANUP_BUF struct buf part = {0};
    struct buf *question = &part;
    const struct waiting *first = &u->waiting[from], *last = &u->waiting[from + n - 1];
    if (sym_child(u->objects) < 0)
        return -1;
    put_head(u, &part, max, n);
    if (buf_ok(&part) < 0)
        return -1;
    if (n == u->n && part.len == u->head) {
        memcpy(u->stacks.data, part.data, part.len);
        question = &u->stacks;
    } else {
        buf_add(&part, u->stacks.data + first->at, last->at + last->size - first->at);
    }
    int done = ask_child(u, question, take_stacks);
    if (done == 0 && u->left != from + n)
        return no_row(NULL, 0, NULL);
    return done;
}

// The next one has no stack, for the reason that was set last.
static int give_broken(struct unwinder *u)
{
    const struct unwound broken = {.index = u->waiting[u->left++].index, .end = UNWIND_BROKEN, .reason = err_text()};
    return u->fn(&broken, u->arg);
}

// The child broke at one of those from LEFT on: each is asked about alone, the one that breaks it has the reason. One
// that takes too long has it for all that are left, or each might take as long.
static int ask_alone(struct unwinder *u, size_t max)
{
    size_t i = u->left;
    if (u->late)
        return give_broken(u);
    int done = ask(u, max, i, 1);
    if (done >= 0 || u->failed || !is_dead(u))
        return done;
    if (u->left > i)
        return 0; // it broke when it had answered
    u->late = sandbox_was_late(u->objects->box);
    return give_broken(u);
}

// --- variables -------------------------------------------------------------------

void unwind_want_variables(struct unwinder *u, const char *only, int (*fn)(const struct frame_variables *v, void *arg),
                           void *arg)
{
    u->only = only;
    u->variables_fn = fn;
    u->variables_arg = arg;
}

static int give_variables(struct unwinder *u, unsigned levels, const char *bytes, size_t n, const char *reason)
{
    const struct frame_variables v = {u->asked_index, u->next_frame++, levels, bytes, n, reason};
    int done = u->variables_fn(&v, u->variables_arg);
    u->failed |= done < 0;
    return done;
}

const char unwind_no_debug[] = "no debug information";
static const char broken[] = "the debug information broke its reader";

static int take_variables(const char *answer, size_t size, void *arg)
{
    struct unwinder *u = arg;
    struct packet p = packet_of(answer, size);
    uint32_t frame = packet_u32(&p);
    uint8_t what = packet_u8(&p);
    uint32_t object = packet_u32(&p), levels = packet_u32(&p);
    if (p.bad || levels == 0 || what > VARIABLES_REFUSED || frame != u->next_frame || frame >= UNWIND_VARIABLES_MAX)
        return no_row(NULL, 0, NULL);
    switch (what) {
    case VARIABLES_BEGIN: u->begun = object; return 0;
    case VARIABLES_KNOWN: return give_variables(u, levels, p.at, p.left, NULL);
    case VARIABLES_UNKNOWN: return give_variables(u, 1, NULL, 0, unwind_no_debug);
    default: return give_variables(u, 1, NULL, 0, broken);
    }
}

static int ask_variables(struct unwinder *u, size_t max, const struct waiting *w)
{
    CLEANUP_BUF struct buf question = {0};
    if (sym_child(u->objects) < 0)
        return -1;
    put_news(u, &question);
    packet_put_u8(&question, UNWIND_LOCALS);
    packet_put_u32(&question, (uint32_t)(max < UNWIND_FRAMES_MAX ? max : UNWIND_FRAMES_MAX));
    packet_put_u32(&question, (uint32_t)u->next_frame);
    packet_put_str(&question, u->only, u->only ? strlen(u->only) : 0);
    packet_put_u32(&question, u->nrefused);
    for (uint32_t i = 0; i < u->nrefused; i++)
        packet_put_u32(&question, u->refused[i]);
    buf_add(&question, u->stacks.data + w->at, w->size);
    u->begun = UNWIND_NO_OBJECT;
    return ask_child(u, &question, take_variables);
}

// A file that breaks the child is left out from then on. What remains when that was in vain has the reason.
static int run_variables(struct unwinder *u, size_t max)
{
    enum { BREAKS_MAX = 3 };
    for (size_t i = 0; i < u->n; i++) {
        int done = -1;
        u->asked_index = u->waiting[i].index;
        u->next_frame = 0;
        while (u->nrefused < BREAKS_MAX) {
            done = ask_variables(u, max, &u->waiting[i]);
            if (done >= 0 || u->failed || !is_dead(u))
                break;
            if (sandbox_was_late(u->objects->box))
                u->nrefused = BREAKS_MAX - 1;
            u->refused[u->nrefused++] = u->begun;
        }
        if (done > 0 || u->failed)
            return done;
        if (done < 0 && u->next_frame == 0 && give_variables(u, 1, NULL, 0, broken) < 0)
            return -1;
    }
    return 0;
}

int unwind_run(struct unwinder *u, size_t max, int (*fn)(const struct unwound *stack, void *arg), void *arg)
{
    u->fn = fn;
    u->arg = arg;
    u->left = 0;
    u->failed = false;
    int done = u->n > 0 && !u->late ? ask(u, max, 0, u->n) : 0;
    if (u->late)
        (void)err_set(EIO, "not unwound: another stack took too long");
    if (u->late || (done < 0 && !u->failed && is_dead(u)))
        for (done = 0; done == 0 && u->left < u->n;)
            done = ask_alone(u, max);
    if (done == 0 && u->variables_fn)
        done = run_variables(u, max);
    u->n = 0;
    buf_reset(&u->stacks);
    return done;
}
