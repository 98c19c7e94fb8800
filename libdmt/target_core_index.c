// SPDX-License-Identifier: MIT
//
// The headers of a core to an index, and what is looked up in it. The file is a stranger's: sizes, counts and addresses are what
// somebody wrote there.
#include "err.h"
#include "target_core.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

// A process has 65,530 mappings (vm.max_map_count) and 32,768 threads of five notes unless root wants more.
enum { PHDRS_MAX = 1 << 19, NOTES_MAX = 1 << 19, NOTES_SIZE_MAX = 512 << 20, NOTE_SEGMENTS_MAX = 16 };

void core_index_fini(struct core_index *c)
{
    free(c->loads);
    free(c->files);
    free(c->threads);
    buf_fini(&c->names);
    buf_fini(&c->auxv);
    *c = (struct core_index){0};
}

// --- segments ------------------------------------------------------------------

static int add_load(struct core_index *c, const struct objfile_phdr *p)
{
    if (p->memsz == 0 || p->memsz > UINT64_MAX - p->vaddr)
        return 0;
    struct core_load *grown = array_grow(c->loads, c->nloads, &c->loads_cap, sizeof *grown);
    if (!grown)
        return -1;
    c->loads = grown;
    uint64_t filesz = p->filesz < p->memsz ? p->filesz : p->memsz;
    if (p->offset > INT64_MAX || filesz > INT64_MAX - p->offset)
        filesz = 0;
    c->loads[c->nloads++] = (struct core_load){
        .start = p->vaddr,
        .end = p->vaddr + p->memsz,
        .offset = p->offset,
        .filesz = filesz,
        .perms = (p->flags & PF_R ? MAP_READ : 0) | (p->flags & PF_W ? MAP_WRITE : 0) | (p->flags & PF_X ? MAP_EXEC : 0),
    };
    return 0;
}

static int load_by_start(const void *a, const void *b)
{
    const struct core_load *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static int file_by_start(const void *a, const void *b)
{
    const struct core_file *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static int thread_by_tid(const void *a, const void *b)
{
    const struct core_thread *x = a, *y = b;
    return (x->tid > y->tid) - (x->tid < y->tid);
}

// What the one before it has already is cut off the beginning of each.
static void part_loads(struct core_index *c)
{
    size_t n = 0;
    uint64_t end = 0;
    if (c->nloads > 1)
        qsort(c->loads, c->nloads, sizeof *c->loads, load_by_start);
    for (size_t i = 0; i < c->nloads; i++) {
        struct core_load l = c->loads[i];
        if (l.end <= end)
            continue;
        uint64_t skip = l.start < end ? end - l.start : 0;
        l.start += skip;
        l.offset += skip < l.filesz ? skip : l.filesz;
        l.filesz -= skip < l.filesz ? skip : l.filesz;
        end = l.end;
        c->loads[n++] = l;
    }
    c->nloads = n;
}

static bool same_name(const struct core_index *c, const struct core_file *a, const struct core_file *b)
{
    return a->name_len == b->name_len && memcmp(c->names.data + a->name, c->names.data + b->name, a->name_len) == 0;
}

static void part_files(struct core_index *c)
{
    size_t n = 0;
    uint64_t end = 0;
    if (c->nfiles > 1)
        qsort(c->files, c->nfiles, sizeof *c->files, file_by_start);
    for (size_t i = 0; i < c->nfiles; i++) {
        struct core_file f = c->files[i];
        if (f.end <= end)
            continue;
        uint64_t skip = f.start < end ? end - f.start : 0;
        f.start += skip;
        f.offset += skip;
        end = f.end;
        // The parts of a module follow one another.
        bool follows = n > 0 && same_name(c, &f, &c->files[n - 1]);
        f.first = f.offset == 0 ? (uint32_t)n : follows ? c->files[n - 1].first : CORE_NONE;
        c->files[n++] = f;
    }
    c->nfiles = n;
}

static void part_threads(struct core_index *c)
{
    size_t n = 0;
    if (c->nthreads > 1)
        qsort(c->threads, c->nthreads, sizeof *c->threads, thread_by_tid);
    for (size_t i = 0; i < c->nthreads; i++)
        if (n == 0 || c->threads[i].tid != c->threads[n - 1].tid)
            c->threads[n++] = c->threads[i];
    c->nthreads = n;
}

static int read_segments(struct objfile *o, struct core_notes *notes)
{
    struct objfile_phdr note[NOTE_SEGMENTS_MAX];
    size_t nnotes = 0;
    uint64_t size = 0;
    for (uint32_t i = 0; i < o->phnum; i++) {
        struct objfile_phdr p;
        if (objfile_phdr(o, i, &p) < 0 || (p.type == PT_LOAD && add_load(notes->index, &p) < 0))
            return -1;
        if (p.type != PT_NOTE || nnotes == NOTE_SEGMENTS_MAX)
            continue;
        note[nnotes++] = p;
        if (p.filesz > NOTES_SIZE_MAX - size)
            return err_set(ENOEXEC, "a core with more than %d MiB of notes", NOTES_SIZE_MAX >> 20);
        size += p.filesz;
    }
    for (size_t i = 0; i < nnotes; i++)
        if (objfile_each_note(o, note[i].offset, note[i].filesz, note[i].align, NOTES_MAX - notes->n, core_take_note, notes) < 0)
            return -1;
    return notes->n < NOTES_MAX ? 0 : err_set(ENOEXEC, "a core with more than %d notes", NOTES_MAX - 1);
}

static int check_kind(const struct objfile *o)
{
    if (o->type != ET_CORE)
        return err_set(ENOEXEC, "an ELF file, but no core");
    if (o->machine != reg_machine)
        return err_set(ENOEXEC, "a core of another machine (e_machine %u)", o->machine);
    if (!o->is64)
        return err_set(ENOEXEC, "a core of a 32-bit program");
    if (o->phnum > PHDRS_MAX)
        return err_set(ENOEXEC, "a core with more than %d segments", PHDRS_MAX);
    return 0;
}

int core_index_read(struct objfile *o, struct core_index *ret)
{
    struct core_index c = {0};
    struct core_notes notes = {.index = &c};
    if (check_kind(o) < 0)
        return -1;
    if (read_segments(o, &notes) < 0) {
        core_index_fini(&c);
        return err_code() == EIO ? err_wrap("cannot read its headers and notes") : -1;
    }
    if (c.nthreads == 0) {
        core_index_fini(&c);
        return err_set(ENOEXEC, "a core without threads");
    }
    if (!c.pid)
        c.pid = notes.first;
    part_loads(&c);
    part_files(&c);
    part_threads(&c);
    *ret = c;
    return 0;
}

// --- looking up ----------------------------------------------------------------

static int addr_in_file(const void *addr, const void *file)
{
    const struct core_file *f = file;
    uint64_t at = *(const uint64_t *)addr;
    return at < f->start ? -1 : at >= f->end;
}

static int tid_of_thread(const void *tid, const void *thread)
{
    pid_t a = *(const pid_t *)tid, b = ((const struct core_thread *)thread)->tid;
    return (a > b) - (a < b);
}

const struct core_load *core_next_load(const struct core_index *c, uint64_t addr)
{
    size_t low = 0, high = c->nloads;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->loads[middle].end > addr)
            high = middle;
        else
            low = middle + 1;
    }
    return low < c->nloads ? &c->loads[low] : NULL;
}

const struct core_file *core_find_file(const struct core_index *c, uint64_t addr)
{
    return c->nfiles ? bsearch(&addr, c->files, c->nfiles, sizeof *c->files, addr_in_file) : NULL;
}

const struct core_thread *core_find_thread(const struct core_index *c, pid_t tid)
{
    return c->nthreads ? bsearch(&tid, c->threads, c->nthreads, sizeof *c->threads, tid_of_thread) : NULL;
}

// --- mappings ------------------------------------------------------------------

// An entry of the auxiliary vector (getauxval(3)); 0: none.
static uint64_t auxv_value(const struct core_index *c, uint64_t type)
{
    Elf64_auxv_t a;
    for (size_t at = 0; c->auxv.len - at >= sizeof a; at += sizeof a) {
        memcpy(&a, c->auxv.data + at, sizeof a);
        if (a.a_type == type)
            return a.a_un.a_val;
    }
    return 0;
}

// Adds a part of F. Its name, which may be long, is added once however many parts there are.
static int add_part(const struct core_index *c, const struct core_file *f, struct mapping *m, struct maps *ret)
{
    const struct mapping *before = ret->n > 0 ? &ret->at[ret->n - 1] : NULL;
    bool again = before && before->end == m->start && m->start > f->start;
    size_t name = again ? before->name : 0;
    m->offset = f->offset + (m->start - f->start);
    m->deleted = f->deleted;
    if (maps_add(ret, m, c->names.data + f->name, again ? 0 : f->name_len) < 0)
        return -1;
    if (again) {
        ret->at[ret->n - 1].name = name;
        ret->at[ret->n - 1].name_len = f->name_len;
    }
    return 0;
}

int core_index_maps(const struct core_index *c, struct maps *ret)
{
    // What the kernel calls so in maps: the vector points into them.
    const uint64_t vdso = auxv_value(c, AT_SYSINFO_EHDR), stack = auxv_value(c, AT_RANDOM);
    ret->have |= MAPS_PERMS;
    uint64_t at = 0;
    for (size_t i = 0, j = 0; i < c->nloads || j < c->nfiles;) {
        const struct core_load *l = i < c->nloads ? &c->loads[i] : NULL;
        const struct core_file *f = j < c->nfiles ? &c->files[j] : NULL;
        uint64_t l_start = l ? l->start : UINT64_MAX, f_start = f ? f->start : UINT64_MAX;
        if (at < l_start && at < f_start)
            at = l_start < f_start ? l_start : f_start;
        bool in_load = l && at >= l_start, in_file = f && at >= f_start;
        uint64_t l_stop = in_load ? l->end : l_start, f_stop = in_file ? f->end : f_start;
        struct mapping m = {.start = at, .perms = in_load ? l->perms : MAP_UNSAID};
        at = m.end = l_stop < f_stop ? l_stop : f_stop;
        const char *name = vdso && m.start == vdso ? "[vdso]" : stack >= m.start && stack < m.end ? "[stack]" : "";
        if ((in_file ? add_part(c, f, &m, ret) : maps_add(ret, &m, name, strlen(name))) < 0)
            return -1;
        i += in_load && at == l->end;
        j += in_file && at == f->end;
    }
    return 0;
}
