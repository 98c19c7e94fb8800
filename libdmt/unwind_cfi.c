// SPDX-License-Identifier: MIT
//
// In the child: where the call frame information of an address is, and a plain copy of it. libunwind searches only
// .eh_frame_hdr (Debian's build of it knows no .debug_frame), and follows every pointer; what it gets from here has
// none. Sections are a stranger's: each read is checked.
#include "err.h"
#include "unwind_child.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

enum { LIST_MAX = 8 << 20 };

uint64_t cfi_get(struct cursor *c, size_t n)
{
    uint64_t v = 0;
    if (c->bad || n > c->end - c->at) {
        c->bad = true;
        return 0;
    }
    memcpy(&v, c->cfi->bytes.at + c->at, n); // little end first
    c->at += n;
    return v;
}

uint64_t cfi_get_leb(struct cursor *c, bool with_sign)
{
    uint64_t v = 0, byte = 0x80;
    unsigned shift = 0;
    for (; byte & 0x80 && !c->bad; shift += 7) {
        byte = cfi_get(c, 1);
        if (shift < 64)
            v |= (byte & 0x7f) << shift;
    }
    if (with_sign && shift < 64 && byte & 0x40)
        v |= ~0ULL << shift;
    return v;
}

// A pointer (LSB 5.0, 10.5.1), without where it counts from.
static uint64_t get_value(struct cursor *c, unsigned encoding, unsigned address_size)
{
    switch (encoding & 0x0f) {
    case DW_EH_PE_absptr: return cfi_get(c, address_size);
    case DW_EH_PE_uleb128: return cfi_get_leb(c, false);
    case DW_EH_PE_sleb128: return cfi_get_leb(c, true);
    case DW_EH_PE_udata2: return cfi_get(c, 2);
    case DW_EH_PE_udata4: return cfi_get(c, 4);
    case DW_EH_PE_sdata2: return (uint64_t)(int16_t)cfi_get(c, 2);
    case DW_EH_PE_sdata4: return (uint64_t)(int32_t)cfi_get(c, 4);
    case DW_EH_PE_udata8:
    case DW_EH_PE_sdata8: return cfi_get(c, 8);
    default: c->bad = true; return 0;
    }
}

uint64_t cfi_get_pointer(struct cursor *c, unsigned encoding, unsigned address_size)
{
    uint64_t here = c->cfi->vaddr + c->at, v = get_value(c, encoding, address_size);
    switch (encoding & 0xf0) {
    case 0: return v;
    case DW_EH_PE_pcrel: return v + here;
    default: c->bad = true; return 0;
    }
}

// The head of the entry at AT: its end, and what follows the length. False: there is none.
static bool open_entry(const struct cfi *cfi, size_t at, struct cursor *c, uint64_t *id, size_t *id_at)
{
    *c = (struct cursor){cfi, at, cfi->bytes.n, at > cfi->bytes.n};
    uint64_t length = cfi_get(c, 4);
    bool wide = length == 0xffffffff;
    if (wide)
        length = cfi_get(c, 8);
    if (c->bad || length == 0 || length > c->end - c->at)
        return false;
    c->end = c->at + (size_t)length;
    *id_at = c->at;
    *id = cfi_get(c, wide ? 8 : 4);
    if (wide && cfi->debug && *id == UINT64_MAX)
        *id = UINT32_MAX;
    return !c->bad;
}

static bool is_cie(const struct cfi *cfi, uint64_t id)
{
    return id == (cfi->debug ? UINT32_MAX : 0);
}

static void skip_augmentation(struct cursor *c, const char *letters, struct cie *ret)
{
    for (; *letters && !c->bad; letters++)
        switch (*letters) {
        case 'R': ret->encoding = (unsigned)cfi_get(c, 1); break;
        case 'L': (void)cfi_get(c, 1); break;
        case 'S': ret->signal = true; break;
        case 'B': break; // aarch64: return addresses are signed with the B key
        case 'P': {
            unsigned encoding = (unsigned)cfi_get(c, 1);
            if (encoding == DW_EH_PE_aligned)
                c->bad = true;
            else
                (void)get_value(c, encoding, ret->address_size);
            break;
        }
        default: return; // the size of the rest is known
        }
}

static bool read_cie(const struct cfi *cfi, size_t at, struct cie *ret)
{
    struct cursor c;
    uint64_t id;
    size_t id_at;
    char letters[8] = "";
    if (!open_entry(cfi, at, &c, &id, &id_at) || !is_cie(cfi, id))
        return false;
    *ret = (struct cie){.version = (unsigned)cfi_get(&c, 1), .address_size = cfi->is64 ? 8 : 4};
    if (ret->version != 1 && ret->version != 3 && ret->version != 4)
        return false;
    for (size_t i = 0;; i++) {
        char letter = (char)cfi_get(&c, 1);
        if (c.bad || i == sizeof letters)
            return false;
        letters[i] = letter;
        if (!letter)
            break;
    }
    if (letters[0] && letters[0] != 'z')
        return false; // an augmentation that only its compiler knows
    if (ret->version == 4) {
        ret->address_size = (unsigned)cfi_get(&c, 1);
        if ((ret->address_size != 8 && ret->address_size != 4) || cfi_get(&c, 1) != 0)
            return false;
    }
    ret->code_align = cfi_get_leb(&c, false);
    ret->data_align = (int64_t)cfi_get_leb(&c, true);
    ret->return_reg = ret->version == 1 ? cfi_get(&c, 1) : cfi_get_leb(&c, false);
    if (letters[0] == 'z') {
        uint64_t size = cfi_get_leb(&c, false);
        if (c.bad || size > c.end - c.at)
            return false;
        size_t behind = c.at + (size_t)size;
        ret->sized = true;
        skip_augmentation(&c, letters + 1, ret);
        c.at = behind;
    }
    ret->program = c.at;
    ret->end = c.end;
    return !c.bad;
}

bool cfi_read_fde(const struct cfi *cfi, size_t at, struct fde *ret)
{
    struct cursor c;
    uint64_t id;
    size_t id_at;
    if (!open_entry(cfi, at, &c, &id, &id_at) || is_cie(cfi, id))
        return false;
    if (cfi->debug ? id > cfi->bytes.n : id > id_at)
        return false;
    if (!read_cie(cfi, cfi->debug ? (size_t)id : id_at - (size_t)id, &ret->cie))
        return false;
    const struct cie *cie = &ret->cie;
    ret->start = cfi_get_pointer(&c, cie->encoding, cie->address_size);
    ret->size = get_value(&c, cie->encoding & 0x0f, cie->address_size);
    if (cie->sized) {
        uint64_t size = cfi_get_leb(&c, false);
        if (c.bad || size > c.end - c.at)
            return false;
        c.at += (size_t)size;
    }
    ret->program = c.at;
    ret->end = c.end;
    return !c.bad && ret->size > 0 && ret->size <= UINT64_MAX - ret->start;
}

static bool range_of(const struct cfi *c, size_t at, struct cfi_range *ret)
{
    struct fde f;
    if (!cfi_read_fde(c, at, &f))
        return false;
    *ret = (struct cfi_range){f.start, f.start + f.size, at};
    return true;
}

// --- looking it up -----------------------------------------------------------------

enum { HDR_HEAD = 12, HDR_ENTRY = 8 };

// The form that every linker writes: version 1, a count of 4 bytes, entries of two offsets of 4 bytes from the table.
void cfi_check_hdr(struct cfi *c)
{
    const uint8_t *h = c->hdr.at;
    uint32_t n;
    bool is = c->hdr.n >= HDR_HEAD && h[0] == 1 && h[1] == (DW_EH_PE_pcrel | DW_EH_PE_sdata4) &&
              h[2] == DW_EH_PE_udata4 && h[3] == (DW_EH_PE_datarel | DW_EH_PE_sdata4);
    if (is) {
        memcpy(&n, h + 8, sizeof n);
        c->hdr_entries = n;
        is = n > 0 && n <= (c->hdr.n - HDR_HEAD) / HDR_ENTRY;
    }
    if (!is)
        c->hdr = (struct bytes){0};
}

static uint64_t hdr_value(const struct cfi *c, size_t i, size_t half)
{
    int32_t v;
    memcpy(&v, c->hdr.at + HDR_HEAD + i * HDR_ENTRY + half * sizeof v, sizeof v);
    return c->hdr_vaddr + (uint64_t)(int64_t)v;
}

static bool find_by_hdr(const struct cfi *c, uint64_t vaddr, struct cfi_range *ret)
{
    size_t low = 0, n = c->hdr_entries;
    while (n > 0) {
        size_t half = n / 2;
        if (hdr_value(c, low + half, 0) <= vaddr) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    if (low == 0)
        return false;
    uint64_t at = hdr_value(c, low - 1, 1) - c->vaddr;
    return at < c->bytes.n && range_of(c, (size_t)at, ret);
}

static int by_start(const void *a, const void *b)
{
    const struct cfi_range *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static void make_list(struct cfi *c)
{
    c->listed = true;
    for (size_t at = 0; at < c->bytes.n && c->nlist < LIST_MAX;) {
        struct cursor entry;
        struct cfi_range range;
        uint64_t id;
        size_t id_at;
        if (!open_entry(c, at, &entry, &id, &id_at)) {
            at += 4; // the zero at the end of one object's part; crt files put several parts in a row
            continue;
        }
        if (!is_cie(c, id) && range_of(c, at, &range)) {
            struct cfi_range *grown = array_grow(c->list, c->nlist, &c->cap, sizeof *grown);
            if (!grown)
                break;
            c->list = grown;
            c->list[c->nlist++] = range;
        }
        at = entry.end;
    }
    if (c->nlist > 1)
        qsort(c->list, c->nlist, sizeof *c->list, by_start);
}

bool cfi_find(struct cfi *c, uint64_t vaddr, struct cfi_range *ret)
{
    struct cfi_range found = {0};
    if (c->bytes.n == 0)
        return false;
    if (c->hdr.n > 0) {
        if (!find_by_hdr(c, vaddr, &found))
            return false;
    } else {
        if (!c->listed)
            make_list(c);
        size_t low = 0, n = c->nlist;
        while (n > 0) {
            size_t half = n / 2;
            if (c->list[low + half].start <= vaddr) {
                low += half + 1;
                n -= half + 1;
            } else {
                n = half;
            }
        }
        if (low == 0)
            return false;
        found = c->list[low - 1];
    }
    if (vaddr < found.start || vaddr >= found.end)
        return false;
    *ret = found;
    return true;
}
