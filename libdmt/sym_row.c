// SPDX-License-Identifier: MIT
#include "err.h"
#include "sym_impl.h"

#include <errno.h>
#include <string.h>

static void put(struct buf *b, const char *s)
{
    packet_put_str(b, s, s ? strlen(s) : 0);
}

void sym_row_put(struct buf *b, uint32_t index, const struct symbol *s)
{
    packet_put_u32(b, index);
    packet_put_u8(b, s->found);
    packet_put_u8(b, s->inlined);
    packet_put_u8(b, (uint8_t)s->type);
    packet_put_u8(b, (uint8_t)s->bind);
    packet_put_u64(b, s->addr);
    packet_put_u64(b, s->value);
    packet_put_u64(b, s->size);
    packet_put_u32(b, s->line);
    put(b, s->name);
    put(b, s->pretty);
    put(b, s->file);
}

int sym_row_get(struct packet *p, uint32_t *index, struct symbol *ret)
{
    struct symbol s = {0};
    *index = packet_u32(p);
    s.found = packet_u8(p) != 0;
    s.inlined = packet_u8(p) != 0;
    s.type = (char)packet_u8(p);
    s.bind = (char)packet_u8(p);
    s.addr = packet_u64(p);
    s.value = packet_u64(p);
    s.size = packet_u64(p);
    s.line = packet_u32(p);
    s.name = packet_str(p);
    s.pretty = packet_str(p);
    s.file = packet_str(p);
    if (p->bad || (s.found && !s.name))
        return err_set(EIO, "the ELF parser answered nonsense");
    *ret = s;
    return 0;
}
