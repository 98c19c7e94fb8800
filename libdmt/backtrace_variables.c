// SPDX-License-Identifier: MIT
#include "backtrace.h"

#include "err.h"

#include <errno.h>

int backtrace_take_variables(const struct frame_variables *v, void *arg)
{
    enum { BYTES_MAX = 256 << 20 };
    struct backtrace *b = arg;
    struct trace *t = &b->traces[v->index];
    struct frame_locals *grown = array_grow(b->locals, b->nlocals, &b->locals_cap, sizeof *grown);
    if (!grown)
        return -1;
    b->locals = grown;
    if (v->frame == 0) { // anew, where the stack was copied again
        t->first_locals = b->nlocals;
        t->nlocals = 0;
    }
    if (v->size > BYTES_MAX - b->variables.len)
        return err_set(EFBIG, "too many variables");
    b->locals[b->nlocals++] = (struct frame_locals){b->variables.len, v->size, v->levels, v->reason};
    t->nlocals++;
    buf_add(&b->variables, v->variables, v->size);
    return buf_ok(&b->variables);
}

int backtrace_variables(const struct backtrace *b, const struct trace *t, size_t i,
                        int (*fn)(const struct variable *v, void *arg), void *arg)
{
    if (i >= t->nlocals)
        return 0;
    const struct frame_locals *l = &b->locals[t->first_locals + i];
    struct packet p = packet_of(b->variables.data + l->at, l->size);
    while (l->size > 0 && p.left > 0) {
        struct variable v;
        if (variable_get(&p, &v) < 0)
            return -1;
        int done = fn(&v, arg);
        if (done != 0)
            return done;
    }
    return 0;
}
