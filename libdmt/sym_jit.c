// SPDX-License-Identifier: MIT
//
// Symbols of code that no file has, by the names that its compiler has written down (jitmap.h).
#include "err.h"
#include "jitmap.h"
#include "sym_impl.h"

#include <stdio.h>

static void name_symbol(struct symbol *s, const struct jit_names *names, const struct jit_name *name)
{
    s->found = true;
    s->name = jit_name_text(names, name);
    s->value = name->start;
    s->size = name->size;
    s->type = 'T';
    s->bind = '?';
}

struct naming {
    const struct jit_names *names;
    int (*fn)(const struct symbol *symbol, void *arg);
    void *arg;
};

static int name_it(const struct symbol *symbol, void *arg)
{
    const struct naming *n = arg;
    const struct jit_name *name = symbol->found || symbol->inlined ? NULL : jit_names_at(n->names, symbol->addr);
    struct symbol named = *symbol;
    if (name)
        name_symbol(&named, n->names, name);
    return n->fn(&named, n->arg);
}

int syms_of_addrs(struct syms *s, const uint64_t *addrs, size_t n, int (*fn)(const struct symbol *symbol, void *arg),
                  void *arg)
{
    CLEANUP_JIT_NAMES struct jit_names names = {0};
    struct naming naming = {&names, fn, arg};
    char why[512];
    int code = 0;
    if (s->target && jit_names_find(s->target, addrs, n, &names) < 0) {
        code = err_code();
        (void)snprintf(why, sizeof why, "%s", err_text());
    }
    int done = names.n > 0 ? sym_files_of_addrs(s, addrs, n, name_it, &naming)
                           : sym_files_of_addrs(s, addrs, n, fn, arg);
    return done == 0 && code ? err_set(code, "%s", why) : done;
}

int sym_jit_called(struct syms *s, const char *name, int (*fn)(const struct symbol *symbol, void *arg), void *arg)
{
    CLEANUP_JIT_NAMES struct jit_names names = {0};
    if (!s->target)
        return 0;
    if (jit_names_called(s->target, name, &names) < 0)
        return -1;
    for (size_t i = 0; i < names.n; i++) {
        struct symbol symbol = {.addr = names.at[i].start};
        name_symbol(&symbol, &names, &names.at[i]);
        int done = fn(&symbol, arg);
        if (done != 0)
            return done;
    }
    return 0;
}
