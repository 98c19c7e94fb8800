// SPDX-License-Identifier: MIT
//
// In the child: a plain copy of the call frame information of one function, for libunwind.
#include "err.h"
#include "unwind_child.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

enum { PROGRAM_MAX = 1 << 16 };

static void put_leb(struct buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_byte(b, (char)(v | 0x80));
    buf_byte(b, (char)v);
}

static void put_sleb(struct buf *b, int64_t v)
{
    for (; v < -64 || v >= 64; v >>= 7)
        buf_byte(b, (char)(v | 0x80));
    buf_byte(b, (char)(v & 0x7f));
}

// What an instruction is, for a copy.
enum kind { PLAIN, ADVANCE, SET_LOC, EXPRESSION, STRANGE };

// Behind the next instruction. VALUE: how far ADVANCE goes, in units of the code; where SET_LOC goes.
static enum kind skip(struct cursor *c, const struct cie *cie, uint64_t *value)
{
    const unsigned op = (unsigned)cfi_get(c, 1);
    switch (op & 0xc0 ? op & 0xc0 : op) {
    case DW_CFA_nop: case DW_CFA_restore: case DW_CFA_remember_state: case DW_CFA_restore_state:
    case DW_CFA_GNU_window_save: return PLAIN;
    case DW_CFA_advance_loc: *value = op & 0x3f; return ADVANCE;
    case DW_CFA_advance_loc1: *value = cfi_get(c, 1); return ADVANCE;
    case DW_CFA_advance_loc2: *value = cfi_get(c, 2); return ADVANCE;
    case DW_CFA_advance_loc4: *value = cfi_get(c, 4); return ADVANCE;
    case DW_CFA_set_loc: *value = cfi_get_pointer(c, cie->encoding, cie->address_size); return SET_LOC;
    case DW_CFA_register: // libunwind 1.6 reads where that register would be, whatever its number is
        (void)cfi_get_leb(c, false);
        return cfi_get_leb(c, false) < reg_dwarf_count ? PLAIN : STRANGE;
    case DW_CFA_offset_extended: case DW_CFA_def_cfa: case DW_CFA_offset_extended_sf:
    case DW_CFA_def_cfa_sf: case DW_CFA_val_offset: case DW_CFA_val_offset_sf:
    case DW_CFA_GNU_negative_offset_extended:
        (void)cfi_get_leb(c, false);
        (void)cfi_get_leb(c, false);
        return PLAIN;
    case DW_CFA_offset: case DW_CFA_restore_extended: case DW_CFA_undefined: case DW_CFA_same_value:
    case DW_CFA_def_cfa_register: case DW_CFA_def_cfa_offset: case DW_CFA_def_cfa_offset_sf:
    case DW_CFA_GNU_args_size:
        (void)cfi_get_leb(c, false);
        return PLAIN;
    case DW_CFA_expression: case DW_CFA_val_expression:
        (void)cfi_get_leb(c, false);
        __attribute__((fallthrough));
    case DW_CFA_def_cfa_expression: {
        const uint64_t size = cfi_get_leb(c, false);
        if (c->bad || size > c->end - c->at)
            c->bad = true;
        else
            c->at += (size_t)size;
        return EXPRESSION;
    }
    default: return STRANGE;
    }
}

/*
 * The instructions [FROM, END) of an FDE or its CIE. DW_CFA_set_loc has an address of the file, in the form of pointers
 * of this section: it becomes an advance, which has none. False: that is not possible, or they are none.
 */
static bool put_program(const struct cfi *cfi, const struct fde *f, size_t from, size_t end, struct buf *b)
{
    struct cursor c = {cfi, from, end, false};
    uint64_t at = f->start, value = 0;
    while (c.at < c.end) {
        const size_t here = c.at;
        const enum kind kind = skip(&c, &f->cie, &value);
        if (c.bad || kind == STRANGE)
            return false;
        if (kind == ADVANCE)
            at += value * f->cie.code_align;
        if (kind != SET_LOC)
            continue;
        const uint64_t unit = f->cie.code_align;
        if (value < at || unit == 0 || (value - at) % unit != 0 || (value - at) / unit > UINT32_MAX)
            return false;
        buf_add(b, cfi->bytes.at + from, here - from);
        buf_byte(b, DW_CFA_advance_loc4);
        packet_put_u32(b, (uint32_t)((value - at) / unit));
        at = value;
        from = c.at;
    }
    buf_add(b, cfi->bytes.at + from, end - from);
    return true;
}

// Whether the instructions [FROM, END) hold an expression.
static bool has_expression(const struct cfi *cfi, const struct cie *cie, size_t from, size_t end)
{
    struct cursor c = {cfi, from, end, false};
    uint64_t value;
    while (c.at < c.end && !c.bad)
        if (skip(&c, cie, &value) == EXPRESSION)
            return true;
    return false;
}

bool cfi_has_expression(const struct cfi *c, const struct cfi_range *range)
{
    struct fde f;
    return !cfi_read_fde(c, range->at, &f) || has_expression(c, &f.cie, f.cie.program, f.cie.end) ||
           has_expression(c, &f.cie, f.program, f.end);
}

// Fills up with DW_CFA_nop, and writes the length at the beginning.
static void close_entry(struct buf *b, size_t at)
{
    while (b->len % 8)
        buf_byte(b, DW_CFA_nop);
    uint32_t length = (uint32_t)(b->len - at - 4);
    if (!b->failed)
        memcpy(b->data + at, &length, sizeof length);
}

int cfi_put(const struct cfi *c, const struct cfi_range *range, uint64_t base, uint64_t start, struct buf *ret)
{
    struct fde f;
    if (!cfi_read_fde(c, range->at, &f) || f.end - f.program > PROGRAM_MAX || f.cie.end - f.cie.program > PROGRAM_MAX)
        return err_set(EPROTO, "no call frame information");
    buf_reset(ret);
    packet_put_u32(ret, (uint32_t)(start - base)); // the entry of the table; where the FDE is follows
    packet_put_u32(ret, 0);
    const size_t cie = ret->len;
    packet_put_u32(ret, 0);
    packet_put_u32(ret, 0);
    packet_put_u8(ret, 3);
    buf_str(ret, f.cie.signal ? "zS" : "z");
    buf_byte(ret, '\0');
    put_leb(ret, f.cie.code_align);
    put_sleb(ret, f.cie.data_align);
    put_leb(ret, f.cie.return_reg);
    put_leb(ret, 0);
    bool whole = put_program(c, &f, f.cie.program, f.cie.end, ret);
    close_entry(ret, cie);
    const uint32_t fde = (uint32_t)ret->len;
    packet_put_u32(ret, 0);
    packet_put_u32(ret, fde + 4 - (uint32_t)cie);
    packet_put_u64(ret, start);
    packet_put_u64(ret, f.size);
    put_leb(ret, 0);
    whole &= put_program(c, &f, f.program, f.end, ret);
    close_entry(ret, fde);
    if (!whole)
        return err_set(EPROTO, "call frame information that means nothing");
    if (buf_ok(ret) < 0)
        return -1;
    memcpy(ret->data + 4, &fde, sizeof fde);
    return 0;
}
