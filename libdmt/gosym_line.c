// SPDX-License-Identifier: MIT
//
// Files and lines of addresses, inlined calls, and the way back.
#include "err.h"
#include "gosym_impl.h"

#include <errno.h>
#include <string.h>

// --- of an address -------------------------------------------------------------

int gosym_file(struct gosym *g, const struct gosym_func *f, int32_t file, uint64_t *ret)
{
    uint32_t offset;
    const uint64_t limit = g->layout == GOSYM_1_2 ? g->limit : g->pctab;
    if (g->layout == GOSYM_1_2) { // a table of its own, whose first entry is their number
        if (file <= 0 || (uint32_t)file >= g->nfiles || gosym_u32(g, g->files + (uint32_t)file * 4, &offset) < 0)
            return err_set(ENOENT, "no file is recorded");
        *ret = g->table + offset;
    } else {
        uint64_t at = g->cus + ((uint64_t)f->cu + (uint32_t)file) * 4;
        if (file < 0 || at >= g->files || gosym_u32(g, at, &offset) < 0 || offset == UINT32_MAX)
            return err_set(ENOENT, "no file is recorded");
        *ret = g->files + offset;
    }
    return *ret < limit ? 0 : err_set(ENOENT, "no file is recorded");
}

int gosym_line(struct gosym *g, const struct gosym_func *f, uint64_t pc, struct buf *file, unsigned *line)
{
    int32_t number, l;
    uint64_t name;
    if (gosym_value_at(g, f, f->pcfile, pc, &number) < 0 || gosym_value_at(g, f, f->pcln, pc, &l) < 0 ||
        gosym_file(g, f, number, &name) < 0)
        return -1;
    if (l <= 0)
        return err_set(ENOENT, "no line is recorded");
    *line = (unsigned)l;
    return gosym_string(g, name, file);
}

// --- inlined -------------------------------------------------------------------

// runtime/symtab.go, funcdata(): offsets into what moduledata calls gofunc, before 1.18 pointers.
static uint64_t funcdata(struct gosym *g, const struct gosym_func *f, unsigned i, uint64_t gofunc)
{
    uint32_t offset;
    if (i >= f->nfuncdata || f->npcdata > 64)
        return 0;
    uint64_t at = f->pcdata + 4 * (uint64_t)f->npcdata;
    if (g->layout < GOSYM_1_18) {
        at = (at + g->ptrsize - 1) & ~(uint64_t)(g->ptrsize - 1);
        return gosym_pointer(g, at + (uint64_t)i * g->ptrsize);
    }
    return gofunc && gosym_u32(g, at + 4 * (uint64_t)i, &offset) == 0 && offset != UINT32_MAX ? gofunc + offset : 0;
}

// Record I of the tree at TREE: the function that was inlined, and where the code is that called it. False: it is none.
static bool read_call(struct gosym *g, const struct gosym_func *f, uint64_t tree, uint32_t i, uint64_t *name,
                      uint64_t *parent)
{
    const bool new = g->layout >= GOSYM_1_20; // funcID, name, parentPc, startLine
    struct {
        uint32_t word[5];                     // before: parent, file, line, name, parentPc
    } r;
    const size_t size = new ? 16 : 20;
    uint64_t at = tree + i * (uint64_t)size;
    if (at < tree || gosym_get(g, at, &r, size) < 0)
        return false;
    *name = g->names + r.word[new ? 1 : 3];
    *parent = f->entry + r.word[new ? 2 : 4];
    return *parent < f->end && gosym_is_name(g, *name);
}

enum { INLTREE = 2 }; // PCDATA_InlTreeIndex of Go 1.13 on

// Which funcdata is the tree: 4 of Go 1.13 to 1.16, 3 since then.
static int tree_of(struct gosym *g, const struct gosym_func *f, uint32_t i, uint64_t gofunc, uint64_t *name,
                   uint64_t *parent)
{
    static const unsigned first[] = {4, 4, 3, 3}, second[] = {4, 3, 3, 3};
    const unsigned tries[] = {first[g->layout], second[g->layout]};
    for (size_t k = 0; k < ARRAY_LEN(tries); k++) {
        uint64_t tree = funcdata(g, f, tries[k], gofunc);
        if (tree && read_call(g, f, tree, i, name, parent))
            return 1;
    }
    return 0;
}

// Where in moduledata gofunc stands depends on the version: it is there where it makes the first trees true.
static uint64_t find_gofunc(struct gosym *g)
{
    enum { TREES = 8, FUNCTIONS = 4096, FIRST = 38, LAST = 48 };
    uint64_t name, parent, best = 0;
    unsigned most = 0;
    for (unsigned word = FIRST; g->moduledata && word <= LAST; word++) {
        uint64_t gofunc = gosym_pointer(g, g->moduledata + word * (uint64_t)g->ptrsize);
        unsigned good = 0, bad = 0;
        for (size_t i = 0; gofunc && i < g->nfunc && i < FUNCTIONS && good < TREES && bad == 0; i++) {
            struct gosym_func f;
            uint32_t table;
            struct gosym_values v;
            if (gosym_func(g, i, &f) < 0 || f.npcdata <= INLTREE || gosym_u32(g, f.pcdata + 4 * INLTREE, &table) < 0 ||
                !table || !funcdata(g, &f, 3, gofunc))
                continue;
            gosym_values_init(&v, g, &f, table);
            while (bad == 0 && good < TREES && gosym_values_next(&v) > 0)
                if (v.value >= 0) {
                    bool is = tree_of(g, &f, (uint32_t)v.value, gofunc, &name, &parent) > 0;
                    good += is;
                    bad += !is;
                }
        }
        if (bad == 0 && good > most) {
            best = gofunc;
            most = good;
        }
    }
    return best;
}

int gosym_inlined(struct gosym *g, const struct gosym_func *f, uint64_t *pc, uint64_t *name)
{
    uint32_t table;
    int32_t i;
    uint64_t parent;
    if (f->npcdata <= INLTREE || f->npcdata > 64 || gosym_u32(g, f->pcdata + 4 * INLTREE, &table) < 0 || !table ||
        gosym_value_at(g, f, table, *pc, &i) < 0 || i < 0)
        return 0;
    if (g->layout >= GOSYM_1_18 && !g->has_gofunc) {
        g->has_gofunc = true;
        (void)gosym_moduledata(g);
        g->gofunc = find_gofunc(g);
    }
    if (tree_of(g, f, (uint32_t)i, g->gofunc, name, &parent) == 0)
        return 0;
    *pc = parent;
    return 1;
}

// One call of FN; the names are read anew.
static int give(struct gosym *g, const struct gosym_func *f, uint64_t name, uint64_t pc, bool inlined,
                int (*fn)(const struct gosym_frame *frame, void *arg), void *arg)
{
    CLEANUP_BUF struct buf function = {0}, file = {0};
    struct gosym_frame frame = {.func = f, .inlined = inlined};
    if (gosym_string(g, name, &function) < 0)
        return -1;
    frame.name = buf_cstr(&function);
    if (gosym_line(g, f, pc, &file, &frame.line) == 0)
        frame.file = buf_cstr(&file);
    return fn(&frame, arg);
}

int gosym_frames(struct gosym *g, uint64_t pc, int (*fn)(const struct gosym_frame *frame, void *arg), void *arg)
{
    enum { DEPTH_MAX = 256 }; // a tree of a stranger may go round
    struct gosym_func f;
    if (gosym_func_at(g, pc, &f) < 0)
        return -1;
    for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
        uint64_t at = pc, name;
        if (gosym_inlined(g, &f, &pc, &name) == 0)
            break;
        int done = give(g, &f, name, at, true, fn, arg);
        if (done != 0)
            return done;
    }
    return give(g, &f, f.name, pc, false, fn, arg);
}

// --- the way back --------------------------------------------------------------

// Which files match, remembered: a program has few, and they are asked for again and again.
struct files {
    struct gosym *g;
    const char *file;
    struct {
        uint64_t at;
        bool known, is;
    } memo[1024];
};

static bool is_file(struct files *files, uint64_t at)
{
    size_t slot = (at ^ at >> 10) % ARRAY_LEN(files->memo);
    if (!files->memo[slot].known || files->memo[slot].at != at) {
        CLEANUP_BUF struct buf path = {0};
        size_t n = strlen(files->file);
        files->memo[slot].known = true;
        files->memo[slot].at = at;
        files->memo[slot].is = gosym_string(files->g, at, &path) == 0 && path.len >= n &&
                               memcmp(path.data + path.len - n, files->file, n) == 0 &&
                               (path.len == n || path.data[path.len - n - 1] == '/');
    }
    return files->memo[slot].is;
}

struct wanted {
    unsigned line, best;   // the first line at or behind `line` that has code; 0: none so far
    int (*fn)(uint64_t pc, const char *file, unsigned line, void *arg);
    void *arg;
};

// The lines of F in [FROM, TO), which is code of the file at PATH.
static int lines_in(struct gosym *g, const struct gosym_func *f, uint64_t from, uint64_t to, uint64_t path,
                    struct wanted *w, bool call)
{
    struct gosym_values v;
    gosym_values_init(&v, g, f, f->pcln);
    while (gosym_values_next(&v) > 0 && v.from < to) {
        if (v.to <= from || v.value <= 0 || (unsigned)v.value < w->line || (call && (unsigned)v.value != w->best))
            continue;
        if (!call) {
            if (w->best == 0 || (unsigned)v.value < w->best)
                w->best = (unsigned)v.value;
            continue;
        }
        CLEANUP_BUF struct buf name = {0};
        int done = gosym_string(g, path, &name) < 0
                       ? -1 : w->fn(v.from > from ? v.from : from, buf_cstr(&name), w->best, w->arg);
        if (done != 0)
            return done;
    }
    return 0;
}

int gosym_each_line(struct gosym *g, const char *file, unsigned line,
                    int (*fn)(uint64_t pc, const char *file, unsigned line, void *arg), void *arg)
{
    struct wanted w = {line, 0, fn, arg};
    CLEANUP_FREE struct files *files = calloc(1, sizeof *files);
    if (!files)
        return err_set(ENOMEM, "out of memory");
    files->g = g;
    files->file = file;
    for (int pass = 0; pass < 2 && (pass == 0 || w.best); pass++)
        for (size_t i = 0; i < g->nfunc; i++) {
            struct gosym_func f;
            struct gosym_values v;
            uint64_t path;
            if (gosym_func(g, i, &f) < 0)
                continue;
            gosym_values_init(&v, g, &f, f.pcfile);
            while (gosym_values_next(&v) > 0) {
                int done = gosym_file(g, &f, v.value, &path) == 0 && is_file(files, path)
                               ? lines_in(g, &f, v.from, v.to, path, &w, pass == 1) : 0;
                if (done != 0)
                    return done;
            }
        }
    return 0;
}
