// SPDX-License-Identifier: MIT
#include "reg_impl.h"

#include "err.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

const char *const reg_set_names[REG_SETS] = {"gp", "fp", "vector", "debug"};

void regs_fini(struct regs *r)
{
    for (size_t i = 0; i < REG_SETS; i++)
        buf_fini(&r->set[i]);
    r->have = 0;
}

int regs_reserve(struct regs *r, unsigned sets)
{
    r->have = 0;
    for (unsigned i = 0; i < REG_SETS; i++) {
        buf_reset(&r->set[i]);
        if (sets >> i & 1 && !buf_room(&r->set[i], reg_source((enum reg_set)i).size))
            return buf_ok(&r->set[i]);
    }
    return 0;
}

int regs_copy(struct regs *r, const struct regs *from, unsigned sets)
{
    r->have = 0;
    for (unsigned i = 0; i < REG_SETS; i++) {
        buf_reset(&r->set[i]);
        if (!((sets & from->have) >> i & 1))
            continue;
        buf_add(&r->set[i], from->set[i].data, from->set[i].len);
        if (buf_ok(&r->set[i]) < 0)
            return -1;
        r->have |= 1u << i;
    }
    return 0;
}

const struct reg *reg_at(size_t i)
{
    return i < reg_nrows ? &reg_rows[i] : NULL;
}

static bool is_called(const char *name, const char *text, size_t n)
{
    return strlen(name) == n && strncasecmp(name, text, n) == 0;
}

static const struct reg *find_row(const char *name, size_t n)
{
    for (size_t i = 0; i < reg_nrows; i++)
        if (is_called(reg_rows[i].name, name, n))
            return &reg_rows[i];
    return NULL;
}

const struct reg *reg_find(const char *name, size_t n)
{
    for (size_t i = 0; i < reg_naliases; i++)
        if (is_called(reg_aliases[i].name, name, n))
            return find_row(reg_aliases[i].means, strlen(reg_aliases[i].means));
    return find_row(name, n);
}

unsigned char *reg_bytes(const struct regs *r, enum reg_set set, size_t offset, size_t n)
{
    const struct buf *b = &r->set[set];
    if (!(r->have >> set & 1) || offset > b->len || n > b->len - offset)
        return NULL;
    return (unsigned char *)b->data + offset;
}

uint64_t reg_word(const struct regs *r, size_t offset)
{
    uint64_t word = 0;
    const unsigned char *at = reg_bytes(r, REGS_GP, offset, sizeof word);
    if (at)
        memcpy(&word, at, sizeof word);
    return word;
}

int reg_missing(const struct reg *reg)
{
    return err_set(ENOTSUP, "there is no register %s here", reg->name);
}
