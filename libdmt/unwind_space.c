// SPDX-License-Identifier: MIT
//
// In the child: the executable ranges of the target, and their files as they are needed.
#include "err.h"
#include "unwind_child.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { OBJECTS_MAX = 1 << 17 };

int space_read(struct space *s, struct packet *p)
{
    uint64_t entry = packet_u64(p);
    uint32_t n = packet_u32(p);
    if (p->bad || n > UNWIND_RANGES_MAX)
        return err_set(EPROTO, "a bad question");
    space_fini(s);
    s->entry = entry;
    s->codes = calloc(n + 1UL, sizeof *s->codes);
    if (!s->codes)
        return err_set(ENOMEM, "out of memory");
    for (uint32_t i = 0; i < n; i++) {
        struct code *c = &s->codes[s->ncodes++];
        c->start = packet_u64(p);
        c->end = packet_u64(p);
        c->offset = packet_u64(p);
        c->object = packet_u32(p);
        if (c->object != UNWIND_NO_OBJECT && c->object >= s->nfiles)
            s->nfiles = c->object + 1UL;
    }
    if (p->bad || s->nfiles > OBJECTS_MAX)
        return err_set(EPROTO, "a bad question");
    s->files = calloc(s->nfiles + 1, sizeof *s->files);
    return s->files ? 0 : err_set(ENOMEM, "out of memory");
}

static void drop_piece(struct code *c)
{
    if (c->piece.n > 0)
        (void)munmap((void *)(uintptr_t)c->piece.at, c->piece.n);
    c->piece.n = 0;
}

void space_fini(struct space *s)
{
    for (size_t i = 0; i < s->ncodes; i++)
        drop_piece(&s->codes[i]);
    for (size_t i = 0; i < s->nfiles && s->files; i++) {
        if (s->files[i].is_open)
            image_close(&s->files[i].image);
        free(s->files[i].eh.list);
        free(s->files[i].debug.list);
    }
    free(s->codes);
    free(s->files);
    *s = (struct space){0};
}

struct code *space_code(struct space *s, uint64_t pc)
{
    if (s->last && pc >= s->last->start && pc < s->last->end)
        return s->last;
    size_t low = 0, n = s->ncodes;
    while (n > 0) {
        size_t half = n / 2;
        if (s->codes[low + half].start <= pc) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    if (low == 0 || pc >= s->codes[low - 1].end)
        return NULL;
    return s->last = &s->codes[low - 1];
}

// --- files -------------------------------------------------------------------------

// The bytes of a segment that stand at VADDR.
static struct bytes at_vaddr(const struct file *f, uint64_t vaddr)
{
    for (size_t i = 0; i < f->image.nloads; i++) {
        const struct load *l = &f->image.loads[i];
        if (vaddr < l->vaddr || vaddr - l->vaddr >= l->filesz)
            continue;
        uint64_t skip = vaddr - l->vaddr, left = l->filesz - skip;
        const struct bytes *raw = &f->image.raw;
        if (l->offset > raw->n || skip > raw->n - l->offset)
            break;
        uint64_t at = l->offset + skip, n = raw->n - at < left ? raw->n - at : left;
        return (struct bytes){raw->at + at, (size_t)n};
    }
    return (struct bytes){0};
}

// Without sections, .eh_frame begins where the header table points to, and ends somewhere in its segment.
static void find_eh_by_segment(struct file *f)
{
    size_t n = 0;
    if (elf_getphdrnum(f->image.elf, &n) < 0)
        return;
    for (size_t i = 0; i < n; i++) {
        GElf_Phdr p;
        if (!gelf_getphdr(f->image.elf, (int)i, &p) || p.p_type != PT_GNU_EH_FRAME)
            continue;
        struct cfi *c = &f->eh;
        c->hdr = at_vaddr(f, p.p_vaddr);
        c->hdr_vaddr = p.p_vaddr;
        if (c->hdr.n > p.p_filesz)
            c->hdr.n = (size_t)p.p_filesz;
        cfi_check_hdr(c);
        if (c->hdr.n == 0 || c->bytes.n > 0)
            return;
        int32_t to;
        memcpy(&to, c->hdr.at + 4, sizeof to);
        c->vaddr = p.p_vaddr + 4 + (uint64_t)(int64_t)to;
        c->bytes = at_vaddr(f, c->vaddr);
        return;
    }
}

// Its content is libelf's, unpacked where it was packed.
static void find_section(Elf *elf, const char *name, struct cfi *c)
{
    GElf_Shdr shdr;
    Elf_Scn *scn = image_section(elf, name, &shdr);
    if (!scn || shdr.sh_type == SHT_NOBITS)
        return;
    if ((shdr.sh_flags & SHF_COMPRESSED) && elf_compress(scn, 0, 0) < 0)
        return;
    Elf_Data *d = elf_rawdata(scn, NULL);
    if (!d || !d->d_buf)
        return;
    c->vaddr = shdr.sh_addr;
    c->bytes = (struct bytes){d->d_buf, d->d_size};
}

static int open_file(struct file *f, uint32_t object)
{
    const struct image named = {.fd = -1, .object = object};
    CLEANUP_CLOSE int fd = image_fd(&named);
    f->tried = true;
    if (fd < 0)
        return -1;
    if (image_open(fd, object, &f->image) < 0) {
        image_close(&f->image);
        return -1;
    }
    image_close_fd(&f->image);
    f->is_open = true;
    f->eh.is64 = f->debug.is64 = f->image.ehdr.e_ident[EI_CLASS] == ELFCLASS64;
    f->debug.debug = true;
    find_section(f->image.elf, ".eh_frame", &f->eh);
    find_eh_by_segment(f);
    return 0;
}

struct image *space_image(struct space *s, uint32_t object)
{
    struct file *f = object < s->nfiles ? &s->files[object] : NULL;
    if (!f) {
        err_record(EPROTO, "a bad question");
        return NULL;
    }
    return f->is_open || open_file(f, object) == 0 ? &f->image : NULL;
}

struct file *space_file(struct space *s, struct code *c, uint64_t pc, uint64_t *bias)
{
    if (c->object == UNWIND_NO_OBJECT)
        return NULL;
    struct file *f = &s->files[c->object];
    if (!f->is_open && (f->tried || open_file(f, c->object) < 0))
        return NULL;
    uint64_t at = c->offset + (pc - c->start);
    for (int exec = 1; exec >= 0; exec--) // a page of the file can belong to two segments
        for (size_t i = 0; i < f->image.nloads; i++) {
            const struct load *l = &f->image.loads[i];
            if (l->exec == exec && at >= l->offset && at - l->offset < l->filesz) {
                *bias = pc - (at - l->offset + l->vaddr);
                return f;
            }
        }
    return NULL;
}

// --- bytes -------------------------------------------------------------------------

int space_want(uint8_t kind, uint64_t addr, int *ret)
{
    CLEANUP_BUF struct buf request = {0};
    packet_put_u8(&request, kind);
    packet_put_u64(&request, addr);
    return sandbox_want(&request, ret);
}

static struct bytes piece_at(struct code *c, uint64_t addr)
{
    if (c->piece.n == 0 || addr < c->piece_at || addr - c->piece_at >= c->piece.n) {
        CLEANUP_CLOSE int fd = -1;
        struct stat st;
        uint64_t from = addr & ~(uint64_t)(UNWIND_PIECE - 1);
        drop_piece(c);
        if (from < c->start)
            from = c->start;
        if (space_want(UNWIND_WANT_MEMORY, from, &fd) < 0 || fstat(fd, &st) < 0 || st.st_size <= 0)
            return (struct bytes){0};
        void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at == MAP_FAILED)
            return (struct bytes){0};
        c->piece = (struct bytes){at, (size_t)st.st_size};
        c->piece_at = from;
    }
    if (addr - c->piece_at >= c->piece.n)
        return (struct bytes){0};
    return (struct bytes){c->piece.at + (addr - c->piece_at), c->piece.n - (size_t)(addr - c->piece_at)};
}

size_t space_text(struct space *s, uint64_t addr, uint8_t *to, size_t n)
{
    size_t done = 0;
    while (done < n) {
        struct code *c = space_code(s, addr + done);
        uint64_t bias;
        if (!c)
            break;
        const struct file *f = space_file(s, c, addr + done, &bias);
        // Of a file that is no ELF file (a compiler's memfd), or cannot be opened, memory has the code too.
        struct bytes b = {0};
        if (f)
            b = at_vaddr(f, addr + done - bias);
        else if (c->object == UNWIND_NO_OBJECT || !s->files[c->object].is_open)
            b = piece_at(c, addr + done);
        size_t part = b.n < n - done ? b.n : n - done;
        if (part == 0 || !b.at)
            break;
        memcpy(to + done, b.at, part);
        done += part;
    }
    return done;
}

bool space_data(struct space *s, uint64_t addr, void *to, size_t n)
{
    // A file of which code was run: its data stands where its bias says.
    for (size_t i = 0; i < s->ncodes; i++) {
        struct code *c = &s->codes[i];
        uint64_t bias;
        if (c->object == UNWIND_NO_OBJECT || !s->files[c->object].is_open)
            continue;
        const struct file *f = space_file(s, c, c->start, &bias);
        struct bytes b = f ? at_vaddr(f, addr - bias) : (struct bytes){0};
        if (b.at && b.n >= n) {
            memcpy(to, b.at, n);
            return true;
        }
    }
    return false;
}

// --- call frame information --------------------------------------------------------

// .debug_frame: of the file, or of the separate debug file.
static void open_extra(struct file *f)
{
    f->extra_tried = true;
    find_section(f->image.elf, ".debug_frame", &f->debug);
    Elf *elf = f->debug.bytes.n > 0 ? NULL : image_debug(&f->image);
    if (elf)
        find_section(elf, ".debug_frame", &f->debug);
}

bool space_cfi(struct space *s, uint64_t pc, struct cfi **cfi, struct cfi_range *range, uint64_t *bias)
{
    struct code *c = space_code(s, pc);
    struct file *f = c ? space_file(s, c, pc, bias) : NULL;
    if (!f)
        return false;
    if (cfi_find(&f->eh, pc - *bias, range)) {
        *cfi = &f->eh;
        return true;
    }
    if (!f->extra_tried)
        open_extra(f);
    *cfi = &f->debug;
    return cfi_find(&f->debug, pc - *bias, range);
}

// --- debug information -------------------------------------------------------------

struct lines *space_lines(struct space *s, struct code *c, uint64_t pc, uint64_t *bias)
{
    struct file *f = space_file(s, c, pc, bias);
    return f ? image_lines(&f->image) : NULL;
}
