// SPDX-License-Identifier: MIT
//
// goroutines [--still] [--memory] PID|CORE: what goroutine.h gives, as rows for go.py; the last is `. MICROSECONDS`.
//     G id state reason tid whole|part changed|same why
//     F id pc sp inlined|code name file line
// --still: it is stopped (by the caller), or a core: the registers of its threads are asked for. --memory: the tables
// are read from its memory, as where the file cannot be had.
#include "err.h"
#include "goroutine.h"
#include "module.h"
#include "operands.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int read_target(void *arg, uint64_t at, void *to, size_t n, size_t *got)
{
    return target_read(arg, at, to, n, got);
}

static int read_regs(pid_t tid, struct gostack_frame *ret, void *arg)
{
    CLEANUP_REGS struct regs r = {0};
    if (target_regs(arg, tid, 1 << REGS_GP, &r) < 0)
        return -1;
    *ret = (struct gostack_frame){.pc = reg_pc(&r), .sp = reg_sp(&r), .bp = reg_fp(&r), .has_bp = true};
    return 0;
}

static const char *or_none(const char *s)
{
    return s ? s : "-";
}

static int print(const struct goroutine *g, void *arg)
{
    (void)arg;
    printf("G\t%lu\t%s\t%s\t%d\t%s\t%s\t%s\n", (unsigned long)g->id, g->state, or_none(g->reason), g->tid,
           g->whole ? "whole" : "part", g->changed ? "changed" : "same", or_none(g->why));
    for (size_t i = 0; i < g->n; i++) {
        const struct goroutine_frame *f = &g->frames[i];
        printf("F\t%lu\t%#lx\t%#lx\t%s\t%s\t%s\t%u\n", (unsigned long)g->id, (unsigned long)f->pc, (unsigned long)f->sp,
               f->inlined ? "inlined" : "code", f->name, or_none(f->file), f->line);
    }
    return 0;
}

// The first module of the target that has Go's tables.
static int find_gosym(struct target *t, bool memory, int *file, struct goroutine_options *o)
{
    const struct maps *maps;
    if (target_maps(t, &maps) < 0)
        return -1;
    for (size_t i = 0; i < maps->n; i++) {
        const struct mapping *m = &maps->at[i];
        struct module module;
        if (m->offset != 0 || m->name_len == 0 || maps_name(maps, m)[0] != '/')
            continue;
        if (memory && gosym_open_loaded(read_target, t, m->start, &o->gosym) == 0)
            return 0;
        module_read(t, maps, m, &module);
        if (memory || !module.has_bias || target_open_file(t, m, file) < 0)
            continue;
        o->bias = module.bias;
        if (gosym_open(objfile_read_fd, file, &o->gosym) == 0)
            return 0;
        close(*file);
        *file = -1;
    }
    return -1;
}

static uint64_t microseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
    bool still = false, memory = false;
    for (; argc > 2; argc--, argv++) {
        still |= strcmp(argv[1], "--still") == 0;
        memory |= strcmp(argv[1], "--memory") == 0;
    }
    struct procs ps;
    struct operand operand = {.text = argv[1]};
    const struct target_options options = {.max_stop = 1000000000};
    CLEANUP_TARGET struct target *t = NULL;
    CLEANUP_GOROUTINES struct goroutines *all = NULL;
    struct goroutine_options o = {.still = still, .read = read_target, .regs = still ? read_regs : NULL};
    CLEANUP_CLOSE int file = -1;
    if (argc < 2 || ident_parse(argv[1], strlen(argv[1]), &operand.id) < 0)
        operand.file = argv[1];
    if (procs_open(&ps) < 0 || target_open(&ps, &operand, &options, &t) < 0) {
        fprintf(stderr, "goroutines: %s\n", err_text());
        return 1;
    }
    o.arg = o.regs_arg = t;
    const uint64_t start = microseconds();
    int done = find_gosym(t, memory, &file, &o);
    if (done == 0)
        done = goroutines_open(&o, &all);
    if (done == 0)
        done = goroutines_each(all, print, NULL);
    if (done < 0)
        fprintf(stderr, "goroutines: %s\n", err_text());
    printf(".\t%lu\n", (unsigned long)(microseconds() - start));
    if (o.gosym)
        gosym_close(o.gosym);
    procs_close(&ps);
    return done < 0;
}
