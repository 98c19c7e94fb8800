// SPDX-License-Identifier: MIT
//
// Functions by address and by name, and the values that tables give to each of their instructions.
#include "err.h"
#include "gosym_impl.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

enum { STEPS_MAX = 1 << 22 }; // of one table: more than any compiler makes of a function

// --- functab -------------------------------------------------------------------

static int field(struct gosym *g, uint64_t i, uint64_t *ret)
{
    uint32_t half;
    uint64_t at = g->functab + i * g->field;
    if (g->field == sizeof *ret)
        return gosym_get(g, at, ret, sizeof *ret);
    if (gosym_u32(g, at, &half) < 0)
        return -1;
    *ret = half;
    return 0;
}

static int entry_of(struct gosym *g, uint64_t i, uint64_t *ret)
{
    if (field(g, 2 * i, ret) < 0)
        return -1;
    *ret += g->text; // 0 where entries are addresses
    return 0;
}

// struct _func of runtime/runtime2.go; its first member is the entry.
static int read_func(struct gosym *g, uint64_t at, struct gosym_func *f)
{
    struct {
        uint32_t name, args, deferreturn, pcsp, pcfile, pcln, npcdata;
    } h;
    unsigned char tail[4];
    uint32_t skip = g->layout >= GOSYM_1_18 ? 4 : g->ptrsize;
    if (gosym_get(g, at + skip, &h, sizeof h) < 0)
        return -1;
    at += skip + sizeof h;
    if (g->layout >= GOSYM_1_16) {
        if (gosym_u32(g, at, &f->cu) < 0)
            return -1;
        at += 4 + (g->layout >= GOSYM_1_20 ? 4 : 0); // startLine
    }
    if (gosym_get(g, at, tail, sizeof tail) < 0) // funcID, flag, 0, nfuncdata; before 1.12 one number, which is small
        return -1;
    if (h.name >= g->names_end - g->names)
        return err_set(EPROTO, "a name of a function out of bounds");
    f->name = g->names + h.name;
    f->pcsp = h.pcsp;
    f->pcfile = h.pcfile;
    f->pcln = h.pcln;
    f->npcdata = h.npcdata;
    f->has_flags = g->layout >= GOSYM_1_16;
    f->flags = f->has_flags ? tail[1] : 0;
    f->nfuncdata = tail[3];
    f->pcdata = at + sizeof tail;
    return 0;
}

int gosym_func(struct gosym *g, size_t i, struct gosym_func *ret)
{
    struct gosym_func f = {.index = i};
    uint64_t offset;
    if (i >= g->nfunc || entry_of(g, i, &f.entry) < 0 || field(g, 2 * (uint64_t)i + 1, &offset) < 0 ||
        entry_of(g, (uint64_t)i + 1, &f.end) < 0)
        return err_set(EPROTO, "no such function in the tables of Go");
    if (offset == 0)
        return err_set(ENOENT, "not Go code");
    if (offset >= g->limit - g->funcs || f.end < f.entry || read_func(g, g->funcs + offset, &f) < 0)
        return err_set(EPROTO, "damaged tables of Go");
    *ret = f;
    return 0;
}

int gosym_func_at(struct gosym *g, uint64_t pc, struct gosym_func *ret)
{
    uint64_t low = 0, n = g->nfunc + 1, entry; // the last entry is the end
    while (n > 0) {
        uint64_t half = n / 2;
        if (entry_of(g, low + half, &entry) < 0)
            return -1;
        if (entry <= pc) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    if (low == 0 || low > g->nfunc)
        return err_set(ENOENT, "no Go function there");
    struct gosym_func f;
    if (gosym_func(g, (size_t)low - 1, &f) < 0)
        return -1;
    if (pc < f.entry || pc >= f.end)
        return err_set(EPROTO, "damaged tables of Go");
    *ret = f;
    return 0;
}

// --- names ---------------------------------------------------------------------

int gosym_name(struct gosym *g, const struct gosym_func *f, struct buf *ret)
{
    return gosym_string(g, f->name, ret);
}

bool gosym_is_named(struct gosym *g, const struct gosym_func *f, const char *name)
{
    char bytes[256];
    size_t n = strlen(name) + 1;
    for (size_t done = 0; done < n;) {
        size_t part = n - done < sizeof bytes ? n - done : sizeof bytes;
        if (gosym_get(g, f->name + done, bytes, part) < 0 || memcmp(bytes, name + done, part) != 0)
            return false;
        done += part;
    }
    return true;
}

bool gosym_is_name(struct gosym *g, uint64_t addr)
{
    char c[2];
    if (addr < g->names || addr >= g->names_end)
        return false;
    if (addr == g->names)
        return gosym_get(g, addr, c, 1) == 0 && c[0];
    return gosym_get(g, addr - 1, c, 2) == 0 && !c[0] && c[1];
}

int gosym_find(struct gosym *g, const char *name, struct gosym_func *ret)
{
    for (size_t i = 0; i < g->nfunc; i++) {
        struct gosym_func f;
        if (gosym_func(g, i, &f) == 0 && gosym_is_named(g, &f, name)) {
            *ret = f;
            return 0;
        }
    }
    return err_set(ENOENT, "no Go function %s", name);
}

// --- values --------------------------------------------------------------------

void gosym_values_init(struct gosym_values *v, struct gosym *g, const struct gosym_func *f, uint32_t table)
{
    *v = (struct gosym_values){.g = g, .from = f->entry, .to = f->entry, .value = -1};
    if (table > 0 && table < g->limit - g->pctab)
        v->at = g->pctab + table;
}

static int next_byte(struct gosym_values *v, unsigned char *ret)
{
    if (v->used == v->len) {
        const uint64_t left = v->g->limit - v->at;
        v->len = left < sizeof v->bytes ? (size_t)left : sizeof v->bytes;
        v->used = 0;
        if (v->len == 0 || gosym_get(v->g, v->at, v->bytes, v->len) < 0) {
            v->len = 0;
            return err_set(EPROTO, "a table of Go has no end");
        }
        v->at += v->len;
    }
    *ret = v->bytes[v->used++];
    return 0;
}

static int next_number(struct gosym_values *v, uint32_t *ret)
{
    uint32_t number = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        unsigned char byte;
        if (next_byte(v, &byte) < 0)
            return -1;
        if (shift < 32)
            number |= (uint32_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = number;
            return 0;
        }
    }
    return err_set(EPROTO, "a number in a table of Go has no end");
}

int gosym_values_next(struct gosym_values *v)
{
    uint32_t delta, length;
    if (v->at == 0)
        return 0;
    if (next_number(v, &delta) < 0)
        return -1;
    if (delta == 0 && v->steps > 0) {
        v->at = 0;
        return 0;
    }
    if (next_number(v, &length) < 0)
        return -1;
    if (length == 0 || v->steps++ == STEPS_MAX || (uint64_t)length * v->g->quantum > UINT64_MAX - v->to)
        return err_set(EPROTO, "a table of Go does not move on");
    v->value = (int32_t)((uint32_t)v->value + (delta & 1 ? ~(delta >> 1) : delta >> 1)); // zig-zag
    v->from = v->to;
    v->to += (uint64_t)length * v->g->quantum;
    return 1;
}

int gosym_value_at(struct gosym *g, const struct gosym_func *f, uint32_t table, uint64_t pc, int32_t *ret)
{
    struct gosym_values v;
    int more;
    gosym_values_init(&v, g, f, table);
    while ((more = gosym_values_next(&v)) > 0)
        if (pc < v.to) {
            *ret = v.value;
            return 0;
        }
    return more < 0 ? -1 : err_set(ENOENT, "not in the table of Go");
}

int gosym_size(struct gosym *g, const struct gosym_func *f, uint64_t *ret)
{
    struct gosym_values v;
    int more;
    gosym_values_init(&v, g, f, f->pcln ? f->pcln : f->pcsp);
    while ((more = gosym_values_next(&v)) > 0)
        ;
    if (more < 0)
        return -1;
    *ret = v.steps > 0 && v.to <= f->end ? v.to - f->entry : f->end - f->entry;
    return 0;
}

int gosym_spdelta(struct gosym *g, const struct gosym_func *f, uint64_t pc, uint64_t *ret)
{
    int32_t delta;
    if (f->pcsp == 0)
        return err_set(ENOENT, "no frame of Go");
    if (gosym_value_at(g, f, f->pcsp, pc, &delta) < 0)
        return -1;
    if (delta < 0 || delta % (int32_t)g->ptrsize != 0)
        return err_set(EPROTO, "a frame of Go has no such size");
    *ret = (uint32_t)delta;
    return 0;
}

int gosym_role(struct gosym *g, const struct gosym_func *f, enum gosym_role *ret)
{
    enum { TOPFRAME = 1, SPWRITE = 2 }; // funcFlag of Go 1.17 on; the names are for those before, and say more
    static const struct {
        const char *name;
        enum gosym_role role;
    } named[] = {
        {"runtime.systemstack", GOSYM_SYSTEMSTACK}, {"runtime.morestack", GOSYM_MORESTACK},
        {"runtime.sigpanic", GOSYM_PANIC},          {"runtime.goexit", GOSYM_TOP},
        {"runtime.mstart", GOSYM_TOP},              {"runtime.mcall", GOSYM_TOP},
        {"runtime.rt0_go", GOSYM_TOP},              {"runtime.gogo", GOSYM_SWITCHES},
        {"runtime.asmcgocall", GOSYM_SWITCHES},     {"runtime.cgocallback", GOSYM_PLAIN},
        {"runtime.sigtramp", GOSYM_SIGNAL},
    };
    char head[sizeof "runtime." - 1];
    enum gosym_role role = f->flags & TOPFRAME ? GOSYM_TOP : f->flags & SPWRITE ? GOSYM_SWITCHES : GOSYM_PLAIN;
    if (gosym_get(g, f->name, head, sizeof head) == 0 && memcmp(head, "runtime.", sizeof head) == 0)
        for (size_t i = 0; i < ARRAY_LEN(named); i++)
            if (gosym_is_named(g, f, named[i].name))
                role = named[i].role;
    *ret = role;
    return 0;
}

unsigned gosym_kept(const struct gosym *g)
{
    enum { R12 = 12, X20 = 20 };
    return gosym_machine(g) == EM_AARCH64 ? X20 : R12;
}

/*
 * runtime/sys_linux_amd64.s, sys_linux_arm64.s, time_linux_amd64.s, race_amd64.s: MOVQ SP, R12 (MOVD RSP, R20) when the
 * frame is made, MOVQ R12, SP before it is taken down; from the one to the other, and a bit on, both tell the same frame.
 */
int gosym_keeps_sp(struct gosym *g, const struct gosym_func *f, uint64_t pc)
{
    enum { SAVED_WITHIN = 64 };
    static const unsigned char x86[][4] = {{0x49, 0x89, 0xe4}, {0x4c, 0x89, 0xe4}},
                               arm[][4] = {{0xf4, 0x03, 0x00, 0x91}, {0x9f, 0x02, 0x00, 0x91}};
    const bool is_arm = gosym_machine(g) == EM_AARCH64;
    const unsigned char (*word)[4] = is_arm ? arm : x86;
    const size_t size = is_arm ? 4 : 3;
    unsigned char code[512];
    uint64_t made, now;
    const size_t n = f->end - f->entry < sizeof code ? (size_t)(f->end - f->entry) : sizeof code;
    const unsigned char *save = NULL;
    if (gosym_get(g, f->entry, code, n) == 0)
        save = memmem(code, n < SAVED_WITHIN ? n : SAVED_WITHIN, word[0], size);
    if (!save || !memmem(save, n - (size_t)(save - code), word[1], size))
        return err_set(ENOTSUP, "the stack is changed here");
    const uint64_t saved = f->entry + (uint64_t)(save - code) + size;
    if (pc < saved)
        return 0;
    return gosym_spdelta(g, f, saved, &made) < 0 || gosym_spdelta(g, f, pc, &now) < 0 ? -1 : now == made;
}
