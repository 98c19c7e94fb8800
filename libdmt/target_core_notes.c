// SPDX-License-Identifier: MIT
//
// The notes of a core (core(5), elf(5)) to an index: threads and where their registers stand, the process, its
// auxiliary vector, the files that were mapped. Who wrote them is a stranger.
#include "err.h"
#include "target_core.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/procfs.h>

enum {
    NT_FILE_MAX = 32 << 20, // the kernel writes at most 16 MiB (kernel.core_file_note_size_limit)
    FILES_MAX = 1 << 19, // as many as segments (target_core_index.c)
    AUXV_MAX = 1 << 12,
    REGS_MAX = 1 << 16,
};

static int add_thread(struct objfile *o, const struct objfile_note *note, struct core_notes *notes)
{
    struct core_index *c = notes->index;
    const size_t regs = offsetof(struct elf_prstatus, pr_reg);
    struct elf_prstatus st;
    if (note->size < sizeof st)
        return 0;
    if (objfile_get(o, note->desc, &st, sizeof st) < 0)
        return -1;
    if (st.pr_pid <= 0)
        return 0;
    struct core_thread *grown = array_grow(c->threads, c->nthreads, &c->threads_cap, sizeof *grown);
    if (!grown)
        return -1;
    c->threads = grown;
    c->threads[c->nthreads++] = (struct core_thread){.tid = st.pr_pid, .gp = {note->desc + regs, sizeof st.pr_reg}};
    if (!notes->first)
        notes->first = st.pr_pid;
    return 0;
}

static int take_pid(struct objfile *o, const struct objfile_note *note, struct core_index *c)
{
    struct elf_prpsinfo ps;
    if (c->pid || note->size < sizeof ps)
        return 0;
    if (objfile_get(o, note->desc, &ps, sizeof ps) < 0)
        return -1;
    if (ps.pr_pid > 0)
        c->pid = ps.pr_pid;
    return 0;
}

static int take_auxv(struct objfile *o, const struct objfile_note *note, struct core_index *c)
{
    size_t n = note->size < AUXV_MAX ? (size_t)note->size : AUXV_MAX;
    char bytes[AUXV_MAX];
    if (c->auxv.len > 0)
        return 0;
    if (objfile_get(o, note->desc, bytes, n) < 0)
        return -1;
    buf_add(&c->auxv, bytes, n);
    return buf_ok(&c->auxv);
}

// A name is the bytes up to a zero.
static void take_name(struct core_index *c, struct core_file *f, size_t name)
{
    static const char deleted[] = " (deleted)";
    const size_t tail = sizeof deleted - 1;
    const char *text = c->names.data + name;
    f->name = name;
    f->name_len = strlen(text);
    f->deleted = f->name_len > tail && memcmp(text + f->name_len - tail, deleted, tail) == 0;
    if (f->deleted)
        f->name_len -= tail;
}

// Bytes are added as they are read: a size that lies costs no memory.
static int read_names(struct objfile *o, uint64_t at, uint64_t n, struct buf *ret)
{
    char part[4096];
    while (n > 0) {
        size_t some = n < sizeof part ? (size_t)n : sizeof part;
        if (objfile_get(o, at, part, some) < 0)
            return -1;
        buf_add(ret, part, some);
        at += some;
        n -= some;
    }
    buf_byte(ret, '\0'); // the last name ends where the note does, whatever it says
    return buf_ok(ret);
}

/*
 * Two words, how many there are and the unit of offsets; three words each, start, end and offset; the names,
 * each with a zero behind it (Linux, fs/binfmt_elf.c, fill_files_note).
 */
static int take_files(struct objfile *o, const struct objfile_note *note, struct core_index *c)
{
    uint64_t head[2], entry[3], offset;
    if (c->names.len > 0 || note->size < sizeof head || note->size > NT_FILE_MAX)
        return 0;
    if (objfile_get(o, note->desc, head, sizeof head) < 0)
        return -1;
    const uint64_t at = note->desc + sizeof head, left = note->size - sizeof head, n = head[0];
    if (n == 0 || n > FILES_MAX || n > left / (sizeof entry + 1)) // each has a name, and be it only a zero
        return 0;
    if (read_names(o, at + n * sizeof entry, left - n * sizeof entry, &c->names) < 0)
        return -1;
    for (size_t i = 0, name = 0; i < n && name < c->names.len; i++) {
        struct core_file *grown = array_grow(c->files, c->nfiles, &c->files_cap, sizeof *grown);
        if (!grown)
            return -1;
        c->files = grown;
        struct core_file *f = &c->files[c->nfiles];
        if (objfile_get(o, at + i * sizeof entry, entry, sizeof entry) < 0)
            return -1;
        take_name(c, f, name);
        name += strlen(c->names.data + name) + 1;
        if (entry[0] >= entry[1] || __builtin_mul_overflow(entry[2], head[1], &offset) || offset > INT64_MAX ||
            entry[1] - entry[0] > INT64_MAX - offset)
            continue;
        f->start = entry[0];
        f->end = entry[1];
        f->offset = offset;
        c->nfiles++;
    }
    return 0;
}

static void take_bytes(struct core_bytes *to, const struct objfile_note *note)
{
    if (to->n == 0 && note->size > 0 && note->size <= REGS_MAX)
        *to = (struct core_bytes){note->desc, (size_t)note->size};
}

int core_take_note(struct objfile *o, const struct objfile_note *note, void *arg)
{
    struct core_notes *notes = arg;
    struct core_index *c = notes->index;
    notes->n++;
    // What belongs to a thread stands behind its NT_PRSTATUS.
    struct core_thread *t = c->nthreads ? &c->threads[c->nthreads - 1] : NULL;
    if (strcmp(note->name, "LINUX") == 0 && note->type == NT_X86_XSTATE && t)
        take_bytes(&t->xstate, note);
    if (strcmp(note->name, "CORE") != 0)
        return 0;
    switch (note->type) {
    case NT_PRSTATUS: return add_thread(o, note, notes);
    case NT_PRPSINFO: return take_pid(o, note, c);
    case NT_AUXV: return take_auxv(o, note, c);
    case NT_FILE: return take_files(o, note, c);
    case NT_PRFPREG:
        if (t)
            take_bytes(&t->fp, note);
        return 0;
    case NT_SIGINFO:
        if (t)
            take_bytes(&t->siginfo, note);
        return 0;
    default: return 0;
    }
}
