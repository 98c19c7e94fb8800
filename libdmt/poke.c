// SPDX-License-Identifier: MIT
#include "poke.h"

#include "err.h"
#include "operands.h"

#include <errno.h>
#include <string.h>

enum { STRING_LIMIT = 1 << 20 };

// One LOCATION VALUE.
struct item {
    const char *text, *value;
    struct location l;
    uint64_t addr;
    struct value_format format;
    struct buf bytes;               // that are written
    struct buf old;                 // of memory; of a string perhaps more than is written: to its zero byte
    unsigned char was[REG_BYTES_MAX], now[REG_BYTES_MAX]; // of a register
};

struct poking {
    const struct poke *p;
    const struct operand *operand;
    struct target *target;
    struct syms *syms;
    struct value_rows rows;
    struct item *items;
    size_t n;
    size_t nthreads;                // that the operand names, where a register is meant
    pid_t tid;                      // the only one of them
};

static void fail(const struct poking *g, const char *what)
{
    CLEANUP_BUF struct buf object = {0};
    int code = err_code();
    buf_printf(&object, "%s: %s", g->operand->text, what);
    if (code == ENOENT || code == EFAULT || code == ERANGE) {
        cmd_note(g->p->run, buf_cstr(&object), "%s", err_text());
        cmd_status(g->p->run, code == ERANGE ? STATUS_USAGE : STATUS_NONE);
    } else {
        cmd_fail(g->p->run, buf_cstr(&object));
    }
}

// --- what is to be written -----------------------------------------------------

static int parse_value(struct item *i, const struct value_format *format)
{
    i->format = *format;
    if (value_parse(i->value, format, &i->bytes) < 0)
        return err_wrap("'%s'", i->value);
    return 0;
}

// Nothing is guessed: the size of a symbol has to be one that the format can have.
static int plan_memory(struct item *i, const struct value_format *want)
{
    struct value_plan plan;
    if (i->l.count > 0)
        return err_set(EINVAL, "a location that is written has no count");
    if (value_plan(&i->l, want, &plan) < 0)
        return -1;
    bool sized = want->size > 0 || want->letter == 's' || want->letter == 'b' || value_size_fits(&plan.format, i->l.size);
    if (want->letter == 0 && plan.format.letter == 'b')
        return err_set(EINVAL, "of which type? -f unsigned4, string, bytes, ...");
    if (!sized)
        return err_set(EINVAL, "of which size? -f %c4, ...", want->letter);
    if (parse_value(i, &plan.format) < 0)
        return -1;
    if (i->l.size > 0 && i->bytes.len > i->l.size)
        return err_set(EINVAL, "%zu bytes are more than the %llu that the symbol has there", i->bytes.len,
                       (unsigned long long)i->l.size);
    return 0;
}

static int plan_reg(struct item *i, const struct value_format *want)
{
    struct value_plan plan;
    value_plan_reg(i->l.reg, want, &plan);
    struct value_format typed = plan.format;
    if (want->letter == 0 && typed.letter == 'x' && typed.size <= 16)
        typed.letter = 'u'; // decimal as well
    if (parse_value(i, &typed) < 0)
        return -1;
    i->format = plan.format;
    return i->bytes.len == i->l.reg->size ? 0 : err_set(EINVAL, "a register of %u bytes is written as a whole", i->l.reg->size);
}

// With EINVAL, or (the target has chosen the address) EFAULT.
static int check_end(uint64_t addr, size_t n, int code)
{
    return n - 1 <= UINT64_MAX - addr ? 0 : err_set(code, "reaches beyond the end of the address space");
}

static int check_item(const struct poke *p, const char *text, const char *value)
{
    struct location_way ways[LOCATION_WAYS];
    struct item item = {.text = text, .value = value};
    size_t n;
    if (location_ways(text, ways, &n) < 0)
        return err_wrap("'%s'", text);
    int done = 0;
    if (ways[0].as == LOCATION_AS_ADDR) {
        item.l = (struct location){.kind = LOCATION_MEMORY, .addr = ways[0].addr, .count = ways[0].count};
        done = plan_memory(&item, &p->want);
        if (done == 0)
            done = check_end(item.l.addr, item.bytes.len, EINVAL);
    } else if (ways[0].as == LOCATION_AS_REG && !ways[0].has_offset) {
        item.l = (struct location){.kind = LOCATION_REG, .reg = ways[0].reg};
        done = plan_reg(&item, &p->want);
    } else if (p->want.size > 0 || p->want.letter == 's' || p->want.letter == 'b') {
        done = parse_value(&item, &p->want);
    }
    buf_fini(&item.bytes);
    return done < 0 ? err_wrap("'%s'", text) : 0;
}

int poke_check(const struct poke *p)
{
    if (p->nwords == 0)
        return err_set(EINVAL, "no LOCATION and VALUE was given");
    for (size_t i = 0; i + 1 < p->nwords; i += 2)
        if (check_item(p, p->words[i], p->words[i + 1]) < 0)
            return -1;
    return p->nwords % 2 == 0 ? 0 : err_set(EINVAL, "'%s': no VALUE follows", p->words[p->nwords - 1]);
}

// --- before the first write ----------------------------------------------------

static int read_old(struct poking *g, struct item *i)
{
    while (i->old.len < i->bytes.len) {
        char *to = buf_room(&i->old, i->bytes.len);
        size_t got;
        if (!to)
            return buf_ok(&i->old);
        if (target_read(g->target, i->addr + i->old.len, to, i->bytes.len - i->old.len, &got) < 0)
            return -1;
        i->old.len += got;
    }
    // A string can be put back only with its zero byte, which may stand behind what is written.
    while (i->format.letter == 's' && i->old.data[i->old.len - 1] != '\0') {
        char byte;
        size_t got;
        if (i->old.len == STRING_LIMIT || target_read(g->target, i->addr + i->old.len, &byte, 1, &got) < 0)
            return err_set(EINVAL, "no string stands there that could be put back: -f bytes");
        buf_byte(&i->old, byte);
        if (buf_ok(&i->old) < 0)
            return -1;
    }
    return 0;
}

// The kernel lets a debugger write what is read-only, but never what others would see (ptrace(2), FOLL_FORCE).
static int check_mappings(struct poking *g, const struct item *i)
{
    const struct maps *maps;
    uint64_t last = i->addr + (i->bytes.len - 1);
    if (target_maps(g->target, &maps) < 0)
        return -1;
    for (size_t k = 0; k < maps->n; k++) {
        const struct mapping *m = &maps->at[k];
        if (m->start <= last && i->addr < m->end && (m->perms & MAP_IS_SHARED) && !(m->perms & MAP_WRITE))
            return err_set(EACCES, "a shared mapping that is read-only: nobody may write it");
    }
    return 0;
}

static int find_item(struct poking *g, struct item *i)
{
    CLEANUP_REGS struct regs regs = {0};
    if (location_find(g->target, &g->syms, i->text, &i->l) < 0)
        return -1;
    if (i->l.kind != LOCATION_MEMORY && g->nthreads != 1)
        return err_set(EINVAL, "a register of which of %zu threads? PID/TID", g->nthreads);
    if (i->l.kind == LOCATION_REG)
        return plan_reg(i, &g->p->want);
    if (i->l.kind == LOCATION_REG_MEMORY && target_regs(g->target, g->tid, 1u << i->l.reg->set, &regs) < 0)
        return -1;
    if (location_addr(&i->l, &regs, &i->addr) < 0 || plan_memory(i, &g->p->want) < 0 ||
        check_end(i->addr, i->bytes.len, EFAULT) < 0 || read_old(g, i) < 0)
        return -1;
    return check_mappings(g, i);
}

// --- writing -------------------------------------------------------------------

static int show(struct poking *g, const struct item *i, const void *now)
{
    bool reg = i->l.kind == LOCATION_REG;
    struct value_row row = {.pid = target_pid(g->target), .tid = i->l.kind == LOCATION_MEMORY ? 0 : g->tid,
                            .in_memory = !reg, .addr = i->addr, .location = i->text, .format = i->format,
                            .bytes = now, .n = i->bytes.len, .old = reg ? i->was : (const unsigned char *)i->old.data,
                            .old_n = reg ? i->bytes.len : i->old.len};
    if (memcmp(now, i->bytes.data, i->bytes.len) != 0) {
        cmd_note(g->p->run, i->text, "what is read back is not what was written");
        cmd_status(g->p->run, STATUS_NONE);
    }
    if (i->format.letter == 's') { // its zero byte is not shown
        row.n--;
        row.old_n--;
    }
    return value_rows_add(&g->rows, &row);
}

// -1: the rest is left alone; 1: standard output is gone.
static int write_memory(struct poking *g, struct item *i)
{
    CLEANUP_BUF struct buf now = {0};
    char *to = buf_room(&now, i->bytes.len);
    size_t got = 0;
    if (!to)
        return buf_ok(&now);
    if (target_write(g->target, i->addr, i->bytes.data, i->bytes.len) < 0)
        return -1;
    for (size_t have = 0; have < i->bytes.len; have += got)
        if (target_read(g->target, i->addr + have, to + have, i->bytes.len - have, &got) < 0)
            return err_wrap("written, but cannot be read back");
    return show(g, i, to) < 0 ? 1 : 0;
}

static int edit(struct regs *r, unsigned *changed, void *arg)
{
    struct poking *g = arg;
    for (size_t k = 0; k < g->n; k++) {
        struct item *i = &g->items[k];
        if (i->l.kind == LOCATION_REG && reg_get(r, i->l.reg, changed ? i->was : i->now) < 0)
            return -1;
    }
    for (size_t k = 0; k < g->n && changed; k++) {
        struct item *i = &g->items[k];
        if (i->l.kind != LOCATION_REG)
            continue;
        if (reg_put(r, i->l.reg, (const unsigned char *)i->bytes.data) < 0)
            return -1;
        *changed |= 1u << i->l.reg->set;
    }
    return 0;
}

static int write_regs(struct poking *g)
{
    unsigned sets = 0;
    for (size_t k = 0; k < g->n; k++)
        if (g->items[k].l.kind == LOCATION_REG)
            sets |= 1u << g->items[k].l.reg->set;
    if (!sets)
        return 0;
    if (target_edit_regs(g->target, g->tid, sets, edit, g) < 0) {
        fail(g, "registers");
        return 0;
    }
    for (size_t k = 0; k < g->n; k++)
        if (g->items[k].l.kind == LOCATION_REG && show(g, &g->items[k], g->items[k].now) < 0)
            return 1;
    return 0;
}

static int write_all(struct poking *g)
{
    for (size_t k = 0; k < g->n; k++) {
        struct item *i = &g->items[k];
        int done = i->l.kind == LOCATION_REG ? 0 : write_memory(g, i);
        if (done > 0)
            return done;
        if (done < 0) {
            fail(g, i->text);
            return 0; // what follows may have been meant for a state that was not reached
        }
    }
    return write_regs(g);
}

// --- a target ------------------------------------------------------------------

static int count_thread(pid_t tid, void *arg)
{
    struct poking *g = arg;
    g->tid = tid;
    g->nthreads++;
    return 0;
}

// Whether all is well; all that is wrong is said.
static bool find_all(struct poking *g)
{
    bool good = true, regs = false;
    for (size_t k = 0; k < g->n; k++) {
        g->items[k] = (struct item){.text = g->p->words[2 * k], .value = g->p->words[2 * k + 1]};
        regs |= g->items[k].text[0] == '%';
    }
    if (regs && target_each_thread(g->target, count_thread, g) < 0) {
        cmd_fail(g->p->run, g->operand->text);
        return false;
    }
    for (size_t k = 0; k < g->n; k++)
        if (find_item(g, &g->items[k]) < 0) {
            fail(g, g->items[k].text);
            good = false;
        }
    return good;
}

int poke_target(const struct poke *p, const struct operand *operand, struct target *t)
{
    CLEANUP_FREE struct item *items = calloc(p->nwords / 2 + 1, sizeof *items);
    struct poking g = {.p = p, .operand = operand, .target = t, .items = items, .n = p->nwords / 2};
    g.rows = (struct value_rows){.run = p->run, .target = t, .syms = &g.syms};
    if (!items)
        (void)err_set(ENOMEM, "out of memory");
    if (!items || (target_is_core(t) && err_set(ENOTSUP, "not possible on a core file"))) {
        cmd_fail(p->run, operand->text);
        return 0;
    }
    int stop = find_all(&g) ? write_all(&g) : 0;
    if (!stop && value_rows_flush(&g.rows) < 0)
        stop = 1;
    for (size_t k = 0; k < g.n; k++) {
        buf_fini(&items[k].bytes);
        buf_fini(&items[k].old);
    }
    value_rows_fini(&g.rows);
    syms_close_ptr(&g.syms);
    return stop;
}
