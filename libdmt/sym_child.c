// SPDX-License-Identifier: MIT
//
// In the child: a question about one ELF file, from its bytes to its rows.
#include "err.h"
#include "sym_child.h"

#include <errno.h>
#include <string.h>

static int read_ranges(struct packet *p, struct mapped **ret, size_t *n)
{
    uint32_t count = packet_u32(p);
    if (p->bad || count > SYM_RANGES_MAX)
        return err_set(EPROTO, "a bad question");
    struct mapped *at = calloc(count ? count : 1, sizeof *at);
    if (!at)
        return err_set(ENOMEM, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        at[i].start = packet_u64(p);
        at[i].end = packet_u64(p);
        at[i].offset = packet_u64(p);
        at[i].exec = packet_u8(p);
    }
    *ret = at;
    *n = count;
    return 0;
}

static int do_addrs(struct answers *a, struct packet *p)
{
    uint32_t n = packet_u32(p);
    if (n > SYM_ADDRS_MAX)
        return err_set(EPROTO, "a bad question");
    CLEANUP_FREE struct asked *at = calloc(n ? n : 1, sizeof *at);
    if (!at)
        return err_set(ENOMEM, "out of memory");
    for (uint32_t i = 0; i < n; i++)
        at[i] = (struct asked){packet_u64(p), i};
    return p->bad ? err_set(EPROTO, "a bad question") : answer_addrs(a, at, n);
}

// Which symbols a row is made of: not sections and files, which nm leaves out too.
static bool is_listed(const GElf_Sym *sym, const char *name)
{
    int type = GELF_ST_TYPE(sym->st_info);
    return type != STT_SECTION && type != STT_FILE && name[0];
}

// Each symbol that is listed and that QUERY (NULL: all) asks for, global ones first where it is one name.
static int do_symbols(struct answers *a, const struct name_query *q)
{
    const struct image *m = a->image;
    for (int pass = 0; pass < (q ? 2 : 1); pass++)
        for (size_t k = 0; k < m->ntabs; k++) {
            const struct symtab *t = &m->tabs[k];
            for (size_t i = 1; i < t->n; i++) {
                GElf_Sym sym;
                uint32_t shndx;
                symtab_at(t, i, &sym, &shndx);
                const char *name = symtab_name(t, &sym);
                bool local = GELF_ST_BIND(sym.st_info) == STB_LOCAL;
                bool undefined = shndx == SHN_UNDEF;
                if (q && (local != (pass == 1) || undefined != !!(a->flags & SYM_UNDEFINED)))
                    continue;
                if (!is_listed(&sym, name) || (q && !name_matches(q, name)))
                    continue;
                for (size_t b = 0; b < m->nbiases; b++) {
                    char type = symtab_type(t, &sym, shndx);
                    uint64_t addr = sym.st_value + (strchr("UNAC", type) ? 0 : m->biases[b]);
                    if (answer_symbol(a, 0, addr, m->biases[b], t, &sym, shndx, name) < 0)
                        return -1;
                }
            }
        }
    return go_names(m) && !(a->flags & SYM_UNDEFINED) ? go_functions(a, q ? q->text : NULL) : 0;
}

static int do_name(struct answers *a, struct packet *p)
{
    struct name_query q;
    const char *name = packet_str(p);
    if (p->bad || !name || !*name)
        return err_set(EPROTO, "a bad question");
    name_query_init(&q, name);
    return do_symbols(a, &q);
}

static int one_line(uint64_t vaddr, const char *file, unsigned line, void *arg)
{
    struct answers *a = arg;
    for (size_t b = 0; b < a->image->nbiases; b++) {
        const struct symbol row = {.addr = vaddr + a->image->biases[b], .file = file, .line = line};
        if (answer_row(a, 0, &row) < 0)
            return -1;
    }
    return 0;
}

static int do_line(struct answers *a, struct packet *p)
{
    uint32_t line = packet_u32(p);
    const char *file = packet_str(p);
    if (p->bad || !file || !*file)
        return err_set(EPROTO, "a bad question");
    return a->lines ? lines_each(a->lines, file, line, one_line, a) : go_lines_each(a->image, file, line, one_line, a);
}

struct question {
    uint8_t op, flags;
    const struct mapped *ranges;
    size_t nranges;
};

static int answer(struct image *m, const struct question *q, struct packet *rest)
{
    struct answers a = {.image = m, .flags = q->flags};
    if (!(q->flags & SYM_LOADED))
        m->nbiases = 1;
    else if (m->nbiases == 0)
        image_place(m, q->ranges, q->nranges);
    if ((q->flags & (SYM_LINES | SYM_INLINES)) || q->op == SYM_LINE)
        a.lines = image_lines(m); // without them the rest is still true
    int done = q->op == SYM_LINE ? 0 : image_symtabs(m);
    if (done == 0)
        done = q->op == SYM_ADDRS  ? do_addrs(&a, rest)
               : q->op == SYM_NAME ? do_name(&a, rest)
               : q->op == SYM_EACH ? do_symbols(&a, NULL)
               : q->op == SYM_LINE ? do_line(&a, rest)
                                   : err_set(EPROTO, "a bad question");
    if (done == 0)
        done = a.rows.failed || a.rows.len > 0 ? sandbox_answer_last(&a.rows) : 0;
    buf_fini(&a.rows);
    return done;
}

// Of a file that came with the question, and goes with it.
static int answer_once(int fd, uint32_t object, const struct question *q, struct packet *rest)
{
    struct image m;
    int done = image_open(fd, object, &m);
    if (done == 0)
        done = answer(&m, q, rest);
    image_close(&m);
    return done;
}

int sym_work_kept(const char *question, size_t n, int file, struct image *(*kept)(uint32_t object))
{
    CLEANUP_CLOSE int fd = file;
    CLEANUP_FREE struct mapped *at = NULL;
    struct packet p = packet_of(question, n);
    struct question q = {.op = packet_u8(&p), .flags = packet_u8(&p)};
    uint32_t object = packet_u32(&p);
    if (read_ranges(&p, &at, &q.nranges) < 0)
        return -1;
    q.ranges = at;
    if (fd >= 0 || !kept)
        return answer_once(fd, object, &q, &p);
    struct image *m = kept(object);
    return m ? answer(m, &q, &p) : -1;
}

int sym_work(const char *question, size_t n, int file, void *arg)
{
    (void)arg;
    return sym_work_kept(question, n, file, NULL);
}
