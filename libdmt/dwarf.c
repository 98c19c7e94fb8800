// SPDX-License-Identifier: MIT
#include "dwarf.h"

#include "err.h"

#include <errno.h>
#include <string.h>

static void put_text(struct buf *b, const char *s)
{
    packet_put_str(b, s, s ? strlen(s) : 0);
}

// Any bytes.
static void put_bytes(struct buf *b, const char *s, uint64_t n)
{
    packet_put_u8(b, s != NULL);
    packet_put_u32(b, s ? (uint32_t)n : 0);
    if (s)
        buf_add(b, s, (size_t)n);
}

static const char *get_bytes(struct packet *p, size_t *n)
{
    bool is = packet_u8(p) != 0;
    const char *at = p->at;
    *n = packet_u32(p);
    at = p->at;
    if (p->bad || *n > p->left) {
        p->bad = true;
        return NULL;
    }
    p->at += *n;
    p->left -= *n;
    return is ? at : NULL;
}

void variable_put(struct buf *b, const struct variable *v)
{
    packet_put_u32(b, v->level);
    packet_put_u8(b, v->parameter);
    packet_put_u8(b, v->late);
    put_text(b, v->name);
    put_text(b, v->type);
    put_bytes(b, v->value, v->value_len);
    put_text(b, v->reason);
    packet_put_u8(b, v->is_pointer);
    packet_put_u64(b, v->pointer);
    packet_put_u8(b, v->has_addr);
    packet_put_u64(b, v->addr);
    packet_put_u8(b, (uint8_t)v->format);
    packet_put_u64(b, v->size);
    put_bytes(b, v->bytes, v->size);
}

int variable_get(struct packet *p, struct variable *ret)
{
    struct variable v = {0};
    size_t n;
    v.level = packet_u32(p);
    v.parameter = packet_u8(p) != 0;
    v.late = packet_u8(p) != 0;
    v.name = packet_str(p);
    v.type = packet_str(p);
    v.value = get_bytes(p, &v.value_len);
    v.reason = packet_str(p);
    v.is_pointer = packet_u8(p) != 0;
    v.pointer = packet_u64(p);
    v.has_addr = packet_u8(p) != 0;
    v.addr = packet_u64(p);
    v.format = (char)packet_u8(p);
    v.size = packet_u64(p);
    v.bytes = get_bytes(p, &n);
    if (p->bad || !v.name || !v.type || (v.bytes && n != v.size))
        return err_set(EIO, "the reader of debug information answered nonsense");
    *ret = v;
    return 0;
}
