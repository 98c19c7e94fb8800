// SPDX-License-Identifier: MIT
#include "gotarget.h"

#include "err.h"
#include "module.h"

#include <errno.h>
#include <string.h>

int gotarget_read(void *t, uint64_t at, void *to, size_t n, size_t *got)
{
    return target_read(t, at, to, n, got);
}

void gotarget_close(struct gotarget *g)
{
    if (g->gosym)
        gosym_close(g->gosym);
    if (g->gosym && g->file >= 0)
        close(g->file);
    g->gosym = NULL;
}

static bool open_file(struct target *t, const struct mapping *m, uint64_t bias, struct gotarget *ret)
{
    *ret = (struct gotarget){.bias = bias};
    if (target_open_file(t, m, &ret->file) < 0)
        return false;
    if (gosym_open(objfile_read_fd, &ret->file, &ret->gosym) < 0) {
        close(ret->file);
        ret->gosym = NULL;
    }
    return true;
}

// Whether it has a runtime: a library may have tables and be no Go program. The file's are read where it is there.
static bool open_tables(struct target *t, const struct maps *maps, const struct mapping *m, struct gotarget *ret)
{
    struct module module;
    module_read(t, maps, m, &module);
    if (!module.has_bias || !open_file(t, m, module.bias, ret)) {
        *ret = (struct gotarget){.file = -1};
        if (gosym_open_loaded(gotarget_read, t, m->start, &ret->gosym) < 0)
            ret->gosym = NULL;
    }
    if (ret->gosym && gosym_bss(ret->gosym).end == 0)
        gotarget_close(ret);
    return ret->gosym != NULL;
}

int gotarget_open(struct target *t, struct gotarget *ret)
{
    const struct maps *maps;
    if (target_maps(t, &maps) < 0)
        return -1;
    for (size_t i = 0; i < maps->n; i++) {
        const struct mapping *m = &maps->at[i];
        if (m->offset == 0 && m->name_len > 0 && maps_name(maps, m)[0] == '/' && open_tables(t, maps, m, ret))
            return 0;
    }
    return err_set(ENOENT, "it is no Go program");
}

static bool is_user(const struct gotarget_finding *f, uint64_t g, struct stack_user *ret)
{
    struct gostack s;
    if (goroutines_of_g(f->all, g, &s) < 0)
        return ret->none = err_code() == ENODATA;
    if (s.user.sp < s.user.low || s.user.sp >= s.user.high)
        return false; // Go is just moving it
    *ret = (struct stack_user){.low = s.user.low, .high = s.user.high, .pc = s.user.pc, .sp = s.user.sp,
                               .bp = s.user.bp, .in_vdso = s.user.in_vdso};
    return true;
}

static uint64_t reg_of(const struct stack *s, const char *name)
{
    unsigned char bytes[REG_BYTES_MAX] = {0};
    const struct reg *reg = reg_find(name, strlen(name));
    uint64_t value = 0;
    if (reg && reg_get(&s->regs, reg, bytes) == 0)
        memcpy(&value, bytes, sizeof value);
    return value;
}

// The thread has its g in thread-local storage, where Go's linker has made the program, or in a register.
void gotarget_find_user(struct stack *s, void *arg)
{
    const struct gotarget_finding *f = arg;
    const uint64_t tls = reg_thread_pointer(&s->regs);
    uint64_t g = 0;
    size_t got = 0;
    if (tls && (target_read(f->target, tls - sizeof g, &g, sizeof g, &got) < 0 || got != sizeof g))
        g = 0;
    if (!is_user(f, g, &s->user) && !is_user(f, reg_of(s, "r14"), &s->user))
        (void)is_user(f, reg_of(s, "x28"), &s->user);
}
