// SPDX-License-Identifier: MIT
//
// In the child: one step by call frame information. libunwind does it, one frame at a time: registers in, registers
// out. It never sees a program counter that has no such information, so it never guesses; it sees the address that is
// looked up, so what it has cached for an address is right for all who ask for that address.
#include "err.h"
#include "unwind_child.h"

#include <errno.h>
#include <libunwind.h>
#include <string.h>

// Exported by libunwind's library of a machine, and used by perf(1) too; no header has it.
#define search_table UNW_OBJ(dwarf_search_unwind_table)
extern int search_table(unw_addr_space_t as, unw_word_t ip, unw_dyn_info_t *di, unw_proc_info_t *pi,
                        int need_unwind_info, void *arg);

enum {
    CACHED = 1 << 12,
    SPENT_MAX = 16 << 20,  // bytes of call frame information that are run; that of a function is some hundred,
    SMALL = 4096,          // and what is no more than this is run nevertheless
};

// What is known of an address.
struct found {
    uint64_t pc;           // 0: nothing
    bool covered;          // there is call frame information
    bool expression;       // libunwind keeps where an expression is, not what: it has to be there at each step
    struct cfi *cfi;
    struct cfi_range range;
    uint64_t bias;
    size_t size;           // of its copy
};

struct cfi_engine {
    unw_addr_space_t as;
    struct climb *climb;    // of the step that is done
    struct frame_regs regs;
    struct buf plain;      // its call frame information, at PLAIN_AT
    uint64_t plain_at;
    uint64_t spent;        // bytes that were copied so far: it is endless where somebody has meant it to be
    const struct found *now; // of the step
    struct found found[CACHED]; // by pc
};

static int put_plain(struct cfi_engine *e)
{
    const uint64_t start = e->now->range.start + e->now->bias;
    e->plain_at = start & ~(uint64_t)7;
    int done = cfi_put(e->now->cfi, &e->now->range, e->plain_at, start, &e->plain);
    e->spent += e->plain.len;
    return done;
}

static int find_proc_info(unw_addr_space_t as, unw_word_t ip, unw_proc_info_t *pi, int need, void *arg)
{
    struct cfi_engine *e = arg;
    if (e->plain.len == 0 && put_plain(e) < 0)
        return -UNW_ENOINFO;
    unw_dyn_info_t di = {
        .start_ip = e->now->range.start + e->now->bias,
        .end_ip = e->now->range.end + e->now->bias,
        .format = UNW_INFO_FORMAT_REMOTE_TABLE,
        .u.rti = {.segbase = e->plain_at, .table_len = 1, .table_data = e->plain_at},
    };
    return search_table(as, ip, &di, pi, need, arg);
}

static void put_unwind_info(unw_addr_space_t as, unw_proc_info_t *pi, void *arg)
{
    (void)as;
    (void)pi;
    (void)arg;
}

static int no_list(unw_addr_space_t as, unw_word_t *ret, void *arg)
{
    (void)as;
    (void)ret;
    (void)arg;
    return -UNW_ENOINFO;
}

// Words, mostly of the stack. Call frame information seldom reads other memory; what files have of it must do.
static int access_mem(unw_addr_space_t as, unw_word_t addr, unw_word_t *value, int write, void *arg)
{
    struct cfi_engine *e = arg;
    (void)as;
    if (write)
        return -UNW_EINVAL;
    if (e->plain.len >= sizeof *value && addr - e->plain_at <= e->plain.len - sizeof *value) {
        memcpy(value, e->plain.data + (addr - e->plain_at), sizeof *value);
        return 0;
    }
    if (climb_read(e->climb, addr, value, sizeof *value) || space_data(e->climb->space, addr, value, sizeof *value))
        return 0;
    return -UNW_EINVAL;
}

static int access_reg(unw_addr_space_t as, unw_regnum_t reg, unw_word_t *value, int write, void *arg)
{
    const struct cfi_engine *e = arg;
    (void)as;
    if (write || reg < 0 || (unsigned)reg >= reg_dwarf_count || !frame_knows(&e->regs, (unsigned)reg))
        return -UNW_EBADREG;
    *value = e->regs.at[reg];
    return 0;
}

static int access_fpreg(unw_addr_space_t as, unw_regnum_t reg, unw_fpreg_t *value, int write, void *arg)
{
    (void)as;
    (void)reg;
    (void)value;
    (void)write;
    (void)arg;
    return -UNW_EBADREG;
}

static int resume(unw_addr_space_t as, unw_cursor_t *c, void *arg)
{
    (void)as;
    (void)c;
    (void)arg;
    return -UNW_EINVAL;
}

static int get_proc_name(unw_addr_space_t as, unw_word_t addr, char *name, size_t n, unw_word_t *offset, void *arg)
{
    (void)as;
    (void)addr;
    (void)name;
    (void)n;
    (void)offset;
    (void)arg;
    return -UNW_ENOINFO;
}

int cfi_engine_open(struct cfi_engine **ret)
{
    static unw_accessors_t accessors = {
        .find_proc_info = find_proc_info,
        .put_unwind_info = put_unwind_info,
        .get_dyn_info_list_addr = no_list,
        .access_mem = access_mem,
        .access_reg = access_reg,
        .access_fpreg = access_fpreg,
        .resume = resume,
        .get_proc_name = get_proc_name,
    };
    struct cfi_engine *e = calloc(1, sizeof *e);
    if (e)
        e->as = unw_create_addr_space(&accessors, 0);
    if (!e || !e->as) {
        free(e);
        return err_set(ENOMEM, "out of memory");
    }
    (void)unw_set_caching_policy(e->as, UNW_CACHE_GLOBAL);
    (void)unw_set_cache_size(e->as, CACHED, 0);
    *ret = e;
    return 0;
}

void cfi_engine_close(struct cfi_engine *e)
{
    if (!e)
        return;
    unw_destroy_addr_space(e->as);
    buf_fini(&e->plain);
    free(e);
}

// What cannot be copied for libunwind does not count: where it gets nothing, it guesses.
static void find(struct cfi_engine *e, struct space *space, uint64_t pc)
{
    struct found *f = &e->found[pc % CACHED];
    e->now = f;
    e->plain.len = 0;
    if (f->pc == pc)
        return;
    *f = (struct found){.pc = pc};
    f->covered = space_cfi(space, pc, &f->cfi, &f->range, &f->bias) && put_plain(e) == 0;
    f->size = e->plain.len;
    f->expression = f->covered && cfi_has_expression(f->cfi, &f->range);
}

enum stepped step_cfi(struct climb *w, const struct place *from, struct place *to)
{
    struct cfi_engine *e = w->engine;
    uint64_t pc = from->regs.at[reg_dwarf_pc] - !from->exact;
    unw_cursor_t cursor;
    find(e, w->space, pc);
    if (!e->now->covered)
        return STEP_NO;
    if (e->spent > SPENT_MAX && e->now->size > SMALL) {
        w->why = "its call frame information is too long";
        return STEP_END;
    }
    e->climb = w;
    e->regs = from->regs;
    e->regs.at[reg_dwarf_pc] = pc;
    if (e->now->expression && e->plain.len == 0 && put_plain(e) < 0)
        return STEP_NO;
    if (unw_init_remote(&cursor, e->as, e) < 0)
        return STEP_NO;
    int done = unw_step(&cursor);
    if (done < 0)
        return STEP_NO;
    if (done == 0)
        return STEP_LAST;
    to->exact = false;
    to->regs.known = 0;
    for (unsigned i = 0; i < reg_dwarf_count; i++) {
        unw_word_t value;
        if (!(machine_saved >> i & 1) || unw_get_reg(&cursor, (unw_regnum_t)i, &value) < 0)
            continue;
        to->regs.at[i] = value;
        to->regs.known |= 1ULL << i;
    }
    return frame_knows(&to->regs, reg_dwarf_pc) && frame_knows(&to->regs, reg_dwarf_sp) ? STEP_DONE : STEP_NO;
}
