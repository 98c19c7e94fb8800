// SPDX-License-Identifier: MIT
#include "location.h"

#include "err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum rank { BY_LOCAL_SOURCE_NAME, BY_SOURCE_NAME, BY_LOCAL_NAME, BY_NAME };

struct pick {
    const char *name;
    bool found, several;
    enum rank rank;
    uint64_t addr, size;
    char type;
    uint64_t raw; // a hash of the name as it stands in the table
};

static uint64_t hash(const char *s)
{
    uint64_t h = 0xcbf29ce484222325; // FNV-1a
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3;
    return h;
}

/*
 * The name as it stands in a table comes before one from the source, a global symbol before a local one. Of
 * global symbols that are called the same in the table the linker takes the first, and so do we.
 */
static int offer(const struct symbol *s, void *arg)
{
    struct pick *p = arg;
    if (strchr("UAC", s->type)) // no addresses (sym.h)
        return 0;
    bool local = s->bind == 'L', own = strcmp(s->name, p->name) == 0;
    enum rank rank = own ? (local ? BY_LOCAL_NAME : BY_NAME) : local ? BY_LOCAL_SOURCE_NAME : BY_SOURCE_NAME;
    uint64_t raw = hash(s->name);
    if (p->found && rank < p->rank)
        return 0;
    if (p->found && rank == p->rank) {
        p->several |= s->value != p->addr && (local || raw != p->raw);
        return 0;
    }
    *p = (struct pick){p->name, true, false, rank, s->value, s->size, s->type, raw};
    return 0;
}

static int first(const struct symbol *s, void *arg)
{
    struct pick *p = arg;
    if (!p->found)
        *p = (struct pick){.found = true, .addr = s->addr};
    return 0;
}

static int open_syms(struct target *t, struct syms **syms)
{
    static const struct sym_options options = {0};
    return *syms ? 0 : syms_open(t, -1, NULL, &options, syms);
}

// -1 with ENOENT: try the next way.
static int find_symbol(struct syms *syms, const struct location_way *way, struct pick *pick)
{
    CLEANUP_FREE char *name = strndup(way->name, way->name_len);
    CLEANUP_FREE char *module = way->module ? strndup(way->module, way->module_len) : NULL;
    if (!name || (way->module && !module))
        return err_set(ENOMEM, "out of memory");
    if (way->as == LOCATION_AS_LINE)
        return syms_of_line(syms, name, (unsigned)way->line, first, pick);
    *pick = (struct pick){.name = name};
    int done = syms_of_name(syms, name, module, offer, pick);
    pick->name = NULL;
    return done;
}

static int place(const struct pick *p, const struct location_way *way, struct location *ret)
{
    struct location l = {.kind = LOCATION_MEMORY, .count = way->count};
    if (p->several)
        return err_set(EINVAL, "the name of several symbols: give SYMBOL@MODULE, the mangled name or the address");
    if (p->type == 'N')
        return err_set(ENOTSUP, "thread-local: each thread has it at an address of its own");
    if (location_offset(p->addr, way, &l.addr) < 0)
        return -1;
    if (l.addr >= p->addr && l.addr - p->addr < p->size) {
        l.size = p->size - (l.addr - p->addr);
        l.type = p->type;
    }
    *ret = l;
    return 0;
}

int location_find(struct target *t, struct syms **syms, const char *text, struct location *ret)
{
    struct location_way ways[LOCATION_WAYS];
    size_t n;
    if (location_ways(text, ways, &n) < 0)
        return -1;
    if (ways[0].as == LOCATION_AS_ADDR) {
        *ret = (struct location){.kind = LOCATION_MEMORY, .addr = ways[0].addr, .count = ways[0].count};
        return 0;
    }
    if (ways[0].as == LOCATION_AS_REG) {
        uint64_t offset = ways[0].negative ? -ways[0].offset : ways[0].offset;
        *ret = (struct location){.kind = ways[0].has_offset ? LOCATION_REG_MEMORY : LOCATION_REG,
                                 .addr = offset, .reg = ways[0].reg, .count = ways[0].count};
        return 0;
    }
    if (open_syms(t, syms) < 0)
        return -1;
    int code = ENOENT; // a module that cannot be read may have it, and another for another way
    char why[256] = "no such symbol";
    for (size_t i = 0; i < n; i++) {
        struct pick pick = {0};
        int done = find_symbol(*syms, &ways[i], &pick);
        if (done == 0 && pick.found)
            return place(&pick, &ways[i], ret);
        if (done < 0 && err_code() != ENOENT && code == ENOENT) {
            code = err_code();
            (void)snprintf(why, sizeof why, "%s", err_text());
        }
    }
    return err_set(code, "%s", why);
}

int location_addr(const struct location *l, const struct regs *regs, uint64_t *ret)
{
    unsigned char bytes[REG_BYTES_MAX] = {0};
    uint64_t base = 0;
    if (l->kind == LOCATION_REG_MEMORY) {
        if (reg_get(regs, l->reg, bytes) < 0)
            return -1;
        memcpy(&base, bytes, sizeof base);
    }
    *ret = base + l->addr; // of a register it may wrap: %rax-8 where rax is 0 is the top, and not there
    return 0;
}
