// SPDX-License-Identifier: MIT
//
// In the child: an ELF file, where it is mapped, and which further files belong to it.
#include "err.h"
#include "sym_child.h"

#include <errno.h>
#include <elfutils/libdwelf.h>
#include <string.h>

static int read_loads(struct image *m)
{
    size_t n;
    if (elf_getphdrnum(m->elf, &n) < 0 || n > 65535)
        n = 0; // a damaged file may still have its sections
    m->loads = calloc(n ? n : 1, sizeof *m->loads);
    if (!m->loads)
        return err_set(ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        GElf_Phdr p;
        if (gelf_getphdr(m->elf, (int)i, &p) && p.p_type == PT_LOAD && p.p_vaddr + p.p_memsz >= p.p_vaddr)
            m->loads[m->nloads++] = (struct load){p.p_offset, p.p_vaddr, p.p_filesz, p.p_memsz, p.p_flags & PF_X,
                                                  p.p_flags & PF_W};
    }
    return 0;
}

int image_open(int fd, uint32_t object, struct image *ret)
{
    *ret = (struct image){.fd = fd, .object = object, .debug.fd = -1, .alt.fd = -1};
    (void)elf_version(EV_CURRENT);
    ret->elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    if (!ret->elf)
        return err_set(ENOEXEC, "not an ELF file (%s)", elf_errmsg(-1));
    if (elf_kind(ret->elf) != ELF_K_ELF || !gelf_getehdr(ret->elf, &ret->ehdr))
        return err_set(ENOEXEC, "not an ELF file");
    ret->raw.at = (const uint8_t *)elf_rawfile(ret->elf, &ret->raw.n);
    if (!ret->raw.at)
        ret->raw.n = 0;
    return read_loads(ret);
}

void image_close_fd(struct image *m)
{
    (void)elf_cntl(m->elf, ELF_C_FDREAD);
    (void)elf_cntl(m->elf, ELF_C_FDDONE);
    m->fd = -1;
}

int image_fd(const struct image *m)
{
    CLEANUP_BUF struct buf request = {0};
    int fd;
    if (m->fd >= 0)
        return dup(m->fd);
    packet_put_u8(&request, SYM_WANT_FILE);
    packet_put_u32(&request, m->object);
    return sandbox_want(&request, &fd) < 0 ? -1 : fd;
}

static void close_extra(struct extra *e)
{
    if (e->elf)
        (void)elf_end(e->elf);
    if (e->fd >= 0)
        close(e->fd);
}

void image_close(struct image *m)
{
    for (size_t i = 0; i < m->ntabs; i++)
        symtab_close(&m->tabs[i]);
    lines_close(m->lines);
    image_go_close(m);
    image_mini_close(m);
    close_extra(&m->alt);
    close_extra(&m->debug);
    if (m->elf)
        (void)elf_end(m->elf);
    free(m->loads);
}

// --- where it is mapped --------------------------------------------------------

struct vote {
    uint64_t bias;
    size_t votes;
};

enum { VOTES_MAX = 64 };

// The bias of LOAD if RANGE maps the page of the file that it begins in, or a later one.
static bool bias_of(const struct load *l, const struct mapped *r, uint64_t page, uint64_t *ret)
{
    uint64_t first = l->offset & ~(page - 1);
    if (r->offset < first || r->offset - first >= l->filesz + (l->offset - first))
        return false;
    *ret = r->start - r->offset - (l->vaddr - l->offset);
    return true;
}

static void vote(struct vote *votes, size_t *n, uint64_t bias)
{
    size_t i = 0;
    while (i < *n && votes[i].bias != bias)
        i++;
    if (i == VOTES_MAX)
        return;
    if (i == *n)
        votes[(*n)++] = (struct vote){bias, 0};
    votes[i].votes++;
}

static bool add_bias(struct image *m, uint64_t bias)
{
    if (m->nbiases == ARRAY_LEN(m->biases))
        return false;
    m->biases[m->nbiases++] = bias;
    return true;
}

/*
 * A page of the file can belong to two segments, so that one range alone does not say which: the bias that most ranges
 * agree on is right. What is left may be a second place where the file is mapped; a place without code, of a
 * file that has some, is somebody reading the file.
 */
void image_place(struct image *m, const struct mapped *at, size_t n)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), bias;
    CLEANUP_FREE bool *done = calloc(n ? n : 1, sizeof *done);
    bool has_code = false;
    for (size_t k = 0; k < m->nloads; k++)
        has_code |= m->loads[k].exec;
    for (bool more = done != NULL; more;) {
        struct vote votes[VOTES_MAX];
        size_t nvotes = 0, best = 0;
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < m->nloads && k < VOTES_MAX && !done[i]; k++)
                if (bias_of(&m->loads[k], &at[i], page, &bias))
                    vote(votes, &nvotes, bias);
        if (nvotes == 0)
            return;
        for (size_t i = 1; i < nvotes; i++)
            if (votes[i].votes > votes[best].votes)
                best = i;
        bool code = !has_code;
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < m->nloads && k < VOTES_MAX; k++)
                if (!done[i] && bias_of(&m->loads[k], &at[i], page, &bias) && bias == votes[best].bias) {
                    done[i] = true;
                    code |= at[i].exec;
                }
        more = !code || add_bias(m, votes[best].bias);
    }
}

bool image_covers(const struct image *m, uint64_t vaddr)
{
    if (m->nloads == 0)
        return true;
    for (size_t i = 0; i < m->nloads; i++)
        if (vaddr >= m->loads[i].vaddr && vaddr - m->loads[i].vaddr < m->loads[i].memsz)
            return true;
    return false;
}

// --- further files -------------------------------------------------------------

Elf_Scn *image_section(Elf *elf, const char *name, GElf_Shdr *ret)
{
    size_t names;
    if (elf_getshdrstrndx(elf, &names) < 0)
        return NULL;
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
        const char *here = gelf_getshdr(scn, ret) ? elf_strptr(elf, names, ret->sh_name) : NULL;
        if (here && strcmp(here, name) == 0)
            return scn;
    }
    return NULL;
}

static ssize_t build_id(Elf *elf, const void **ret)
{
    ssize_t n = dwelf_elf_gnu_build_id(elf, ret);
    return n > 0 && n <= 64 ? n : 0;
}

static bool same_build_id(Elf *elf, const void *id, ssize_t n)
{
    const void *other;
    return n > 0 && build_id(elf, &other) == n && memcmp(id, other, (size_t)n) == 0;
}

static bool open_extra(struct extra *e, const struct buf *request)
{
    if (sandbox_want(request, &e->fd) < 0)
        return false;
    e->elf = elf_begin(e->fd, ELF_C_READ_MMAP, NULL);
    return e->elf && elf_kind(e->elf) == ELF_K_ELF;
}

static void drop_extra(struct extra *e)
{
    close_extra(e);
    *e = (struct extra){.fd = -1, .tried = true};
}

static bool open_by_id(struct extra *e, const void *id, ssize_t n)
{
    CLEANUP_BUF struct buf request = {0};
    buf_byte(&request, SYM_WANT_BUILD_ID);
    for (ssize_t i = 0; i < n; i++)
        buf_printf(&request, "%02x", ((const unsigned char *)id)[i]);
    if (n > 0 && open_extra(e, &request) && same_build_id(e->elf, id, n))
        return true;
    drop_extra(e);
    return false;
}

// CRC-32 as in .gnu_debuglink (ISO 3309, the one of zlib).
static uint32_t checksum(const unsigned char *bytes, size_t n)
{
    uint32_t table[256], crc = ~0U;
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int k = 0; k < 8; k++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
    }
    for (size_t i = 0; i < n; i++)
        crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 255];
    return ~crc;
}

static bool is_linked(Elf *elf, const void *id, ssize_t n, uint32_t crc)
{
    const void *other;
    size_t size;
    if (n > 0 && build_id(elf, &other) > 0)
        return same_build_id(elf, id, n);
    const char *bytes = elf_rawfile(elf, &size);
    return bytes && checksum((const unsigned char *)bytes, size) == crc;
}

static bool open_by_link(struct image *m, const void *id, ssize_t n)
{
    uint32_t crc;
    const char *name = dwelf_elf_gnu_debuglink(m->elf, &crc);
    if (!name || !*name)
        return false;
    for (uint8_t place = 0; place < 3; place++) {
        CLEANUP_BUF struct buf request = {0};
        buf_byte(&request, SYM_WANT_LINK);
        packet_put_u32(&request, m->object);
        packet_put_u8(&request, place);
        buf_str(&request, name);
        if (request.len < SANDBOX_REQUEST_MAX && open_extra(&m->debug, &request) &&
            is_linked(m->debug.elf, id, n, (uint32_t)crc))
            return true;
        drop_extra(&m->debug);
    }
    return false;
}

Elf *image_debug(struct image *m)
{
    if (!m->debug.tried) {
        const void *id = NULL;
        ssize_t n = build_id(m->elf, &id);
        m->debug.tried = true;
        if (!open_by_id(&m->debug, id, n))
            (void)open_by_link(m, id, n);
    }
    return m->debug.elf;
}

Elf *image_alt(struct image *m, const unsigned char *id, size_t n)
{
    if (!m->alt.tried) {
        m->alt.tried = true;
        if (n > 0 && n <= 64)
            (void)open_by_id(&m->alt, id, (ssize_t)n);
    }
    return m->alt.elf;
}
