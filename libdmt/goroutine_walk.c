// SPDX-License-Identifier: MIT
//
// The frames of one stack, with their functions and lines.
#include "err.h"
#include "goroutine_impl.h"

#include <errno.h>
#include <string.h>

void goroutines_forget(struct goroutines *all)
{
    for (size_t i = 0; i < all->shown_room; i++) {
        free(all->shown[i].at);
        buf_fini(&all->shown[i].text);
    }
    free(all->shown);
    all->shown = NULL;
    all->nshown = all->shown_room = all->text = 0;
}

struct showing {
    const struct goroutines *all;
    struct shown *to;
};

static size_t put_text(struct buf *b, const char *text)
{
    size_t at = b->len;
    buf_add(b, text, strlen(text) + 1);
    return at;
}

static int show_frame(const struct gosym_frame *f, void *arg)
{
    const struct showing *s = arg;
    struct shown *to = s->to;
    struct shown_frame *grown = array_grow(to->at, to->n, &to->cap, sizeof *grown);
    if (!grown)
        return -1;
    to->at = grown;
    const size_t name = put_text(&to->text, f->name), file = f->file ? put_text(&to->text, f->file) : 0;
    to->at[to->n++] = (struct shown_frame){name, file, f->func->entry + s->all->o.bias, f->line, f->inlined};
    return buf_ok(&to->text) < 0 || s->all->text + to->text.len <= GOROUTINE_TEXT_MAX ? buf_ok(&to->text)
                                                                            : err_set(EPROTO, "the names are too long");
}

static struct shown *slot_of(struct shown *shown, size_t room, uint64_t code)
{
    size_t i = (size_t)(code * 0x9e3779b97f4a7c15 >> 32) & (room - 1); // Fibonacci hashing; the room is a power of two
    while (shown[i].code && shown[i].code != code + 1)
        i = (i + 1) & (room - 1);
    return &shown[i];
}

static bool grow_shown(struct goroutines *all)
{
    if (all->nshown * 2 < all->shown_room)
        return true;
    const size_t room = all->shown_room ? all->shown_room * 2 : 256;
    struct shown *grown = calloc(room, sizeof *grown);
    if (!grown)
        return false;
    for (size_t i = 0; i < all->shown_room; i++)
        if (all->shown[i].code)
            *slot_of(grown, room, all->shown[i].code - 1) = all->shown[i];
    free(all->shown);
    all->shown = grown;
    all->shown_room = room;
    return true;
}

// Goroutines wait in few places: what is there is looked up once. NULL: it is no Go code.
static const struct shown *shown_at(struct goroutines *all, uint64_t code)
{
    if (!grow_shown(all)) {
        err_record(ENOMEM, "out of memory");
        return NULL;
    }
    struct shown *s = slot_of(all->shown, all->shown_room, code);
    if (s->code)
        return s;
    struct shown new = {.code = code + 1};
    struct showing showing = {all, &new};
    buf_byte(&new.text, '\0'); // 0 is no offset of a text
    if (gosym_frames(all->o.gosym, code, show_frame, &showing) != 0) {
        free(new.at);
        buf_fini(&new.text);
        return NULL;
    }
    *s = new;
    all->nshown++;
    all->text += new.text.len;
    return s;
}

static int add_frames(struct goroutines *all, const struct gostack *s, const struct gostack_frame *f)
{
    const uint64_t code = gostack_code(s, f);
    const struct shown *shown = shown_at(all, code);
    if (!shown)
        return -1;
    for (size_t i = 0; i < shown->n; i++) {
        const struct shown_frame *at = &shown->at[i];
        struct goroutine_frame *grown = array_grow(all->frames, all->n, &all->cap, sizeof *grown);
        if (!grown)
            return -1;
        all->frames = grown;
        if (all->n == all->o.max_frames) {
            all->cut = true;
            return err_set(EFBIG, "there are more frames");
        }
        all->frames[all->n++] =
            (struct goroutine_frame){f->pc, f->sp, at->entry, shown->text.data + at->name,
                                     at->file ? shown->text.data + at->file : NULL, at->line, at->inlined};
    }
    return 0;
}

int goroutines_walk(struct goroutines *all, const struct gostack *s, struct gostack_frame f)
{
    int done;
    all->n = 0;
    all->cut = false;
    do
        done = add_frames(all, s, &f) < 0 ? -1 : gostack_step(s, &f);
    while (done > 0);
    return done;
}
