// SPDX-License-Identifier: MIT
//
// unwind: a program is stepped through, and what every instruction does to the stack is written down here: a call puts
// an address on it, a return takes it, the kernel puts a signal frame there. At each step, the frames
// must be exactly those. Then stacks and registers that mean nothing: there is an answer, and no end of the unwinder.
#include "err.h"
#include "target.h"
#include "unit.h"
#include "unwind.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef __x86_64__

enum { SHADOWS = 256, DEPTH_MAX = 64 };

// What the stack is known to hold.
struct shadow {
    uint64_t pc;           // to return to
    uint64_t slot;         // where it stands; 0: in a signal frame
};

struct stepping {
    pid_t pid;
    struct user_regs_struct regs;
    struct shadow at[SHADOWS];
    size_t n;
    struct target *target;
    struct unwinder *unwinder;
    struct stack stack;
    const struct maps *maps;
    // Of the stacks that wait: what they are to be.
    struct expected {
        uint64_t pc[DEPTH_MAX], cfa[DEPTH_MAX];
        size_t n;
    } *expected;
    size_t nexpected, wrong, right, steps;
    unsigned seen[HOWS];
    const struct mapping *vdso;
    uint64_t leaf[2], callback[2]; // functions of the fixture: from, to
    size_t in_vdso, in_handler, on_other, injected, in_plt, in_leaf, in_callback, at_entry;
};

enum { EXPECTED_MAX = 512 };

static bool read_child(pid_t pid, uint64_t addr, void *to, size_t n)
{
    struct iovec here = {to, n}, there = {(void *)(uintptr_t)addr, n};
    return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)n;
}

static int read_stack(void *arg, uint64_t addr, void *to, size_t n, size_t *got)
{
    struct iovec here = {to, n}, there = {(void *)(uintptr_t)addr, n};
    ssize_t done = process_vm_readv(*(pid_t *)arg, &here, 1, &there, 1, 0);
    *got = done > 0 ? (size_t)done : 0;
    return done > 0 ? 0 : err_set(EIO, "cannot read at 0x%llx", (unsigned long long)addr);
}

static int compare(const struct unwound *u, void *arg)
{
    struct stepping *s = arg;
    const struct expected *e = &s->expected[u->index];
    bool same = u->end == UNWIND_WHOLE && u->n == e->n;
    for (size_t i = 0; same && i < u->n; i++) {
        const struct frame *f = &u->frames[i];
        same = f->pc == e->pc[i] && f->how != HOW_FP && f->how != HOW_SCAN && (!e->cfa[i] || e->cfa[i] == f->cfa);
        s->seen[f->how]++;
    }
    s->right += same;
    if (same || s->wrong++ > 3)
        return 0;
    printf("# %s\n", u->reason ? u->reason : "");
    for (size_t i = 0; i < u->n || i < e->n; i++)
        printf("# %zu: 0x%llx %s cfa 0x%llx, not 0x%llx cfa 0x%llx\n", i,
               i < u->n ? (unsigned long long)u->frames[i].pc : 0, i < u->n ? unwind_how_names[u->frames[i].how] : "",
               i < u->n ? (unsigned long long)u->frames[i].cfa : 0, i < e->n ? (unsigned long long)e->pc[i] : 0,
               i < e->n ? (unsigned long long)e->cfa[i] : 0);
    return 0;
}

static void flush(struct stepping *s)
{
    bool ran = unwind_run(s->unwinder, UNWIND_FRAMES_MAX, compare, s) == 0;
    check(ran);
    if (!ran)
        printf("# %s\n", err_text());
    s->nexpected = 0;
}

static void look(struct stepping *s)
{
    struct expected *e = &s->expected[s->nexpected];
    if (s->n + 1 > DEPTH_MAX) {
        check(!"too deep");
        return;
    }
    e->n = 0;
    e->pc[e->n++] = s->regs.rip;
    for (size_t i = s->n; i > 0; i--) {
        const struct shadow *at = &s->at[i - 1];
        e->cfa[e->n - 1] = at->slot ? at->slot + 8 : 0;
        e->pc[e->n++] = at->pc;
    }
    e->cfa[e->n - 1] = 0;
    if (stack_reserve(&s->stack, STACK_WINDOW) < 0)
        return;
    buf_add(&s->stack.regs.set[REGS_GP], &s->regs, sizeof s->regs);
    s->stack.regs.have = 1 << REGS_GP;
    if (stack_copy(&s->stack, s->maps, &(struct stack_want){.window = STACK_WINDOW}, read_stack, &s->pid) < 0 ||
        unwind_add(s->unwinder, &s->stack, (uint32_t)s->nexpected) < 0) {
        check(!"copied");
        printf("# %s\n", err_text());
        return;
    }
    if (++s->nexpected == EXPECTED_MAX)
        flush(s);
}

static bool is_call(const uint8_t *b)
{
    while (*b == 0x66 || *b == 0xf2 || *b == 0x3e || (*b & 0xf0) == 0x40)
        b++;
    return *b == 0xe8 || (*b == 0xff && (b[1] >> 3 & 7) == 2);
}

// A stub that jumps where a table says.
static bool is_plt(const uint8_t *b)
{
    b += memcmp(b, "\xf3\x0f\x1e\xfa", 4) == 0 ? 4 : 0; // endbr64
    b += *b == 0xf2;
    return b[0] == 0xff && b[1] == 0x25;
}

static bool is_ret(const uint8_t *b)
{
    while (*b == 0xf2 || *b == 0xf3)
        b++;
    return *b == 0xc3 || *b == 0xc2;
}

// One instruction, with SIG delivered before it. False: the program has ended.
static bool step(struct stepping *s, int sig)
{
    const struct user_regs_struct was = s->regs;
    uint8_t code[16] = {0};
    uint64_t top = 0;
    int status;
    (void)read_child(s->pid, was.rip, code, sizeof code);
    if (ptrace(PTRACE_SINGLESTEP, s->pid, 0, sig) < 0 || waitpid(s->pid, &status, 0) < 0 || !WIFSTOPPED(status))
        return false;
    if (WSTOPSIG(status) != SIGTRAP) { // raise(): nothing has been run since
        ptrace(PTRACE_GETREGS, s->pid, 0, &s->regs);
        return step(s, WSTOPSIG(status));
    }
    struct iovec iov = {&s->regs, sizeof s->regs};
    ptrace(PTRACE_GETREGSET, s->pid, 1 /* NT_PRSTATUS */, &iov);
    (void)read_child(s->pid, s->regs.rsp, &top, sizeof top);
    s->steps++;
    if (s->n + 2 >= SHADOWS)
        return false;
    if (sig) {
        s->at[s->n++] = (struct shadow){was.rip, 0};
        s->at[s->n++] = (struct shadow){top, s->regs.rsp};
        s->in_handler++;
    } else if (is_call(code) && s->regs.rsp == was.rsp - 8 && top > was.rip && top - was.rip < 16) {
        s->at[s->n++] = (struct shadow){top, s->regs.rsp};
    } else if (is_ret(code) && s->n > 0 && s->at[s->n - 1].slot == was.rsp) {
        s->n--;
    } else if (code[0] == 0x0f && code[1] == 0x05 && was.rax == 15 && s->n > 0 && !s->at[s->n - 1].slot) {
        s->n--;
    }
    return true;
}

static bool open_stepped(struct stepping *s, struct procs *ps)
{
    CLEANUP_BUF struct buf path = {0};
    int status;
    buf_printf(&path, "%s/fixtures/stepped", getenv("DMT_BUILD") ? getenv("DMT_BUILD") : "build");
    s->pid = fork();
    if (s->pid == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execl(buf_cstr(&path), "stepped", (char *)NULL);
        _exit(127);
    }
    if (waitpid(s->pid, &status, 0) < 0 || !WIFSTOPPED(status))
        return false;
    ptrace(PTRACE_GETREGS, s->pid, 0, &s->regs);
    const struct operand operand = {.id = {.pid = s->pid}};
    const struct target_options options = {.max_stop = 1000000000};
    return procs_open(ps) == 0 && target_open(ps, &operand, &options, &s->target) == 0;
}

// A function of the fixture, by where its program is mapped.
static int take_range(const struct symbol *symbol, void *arg)
{
    uint64_t *range = arg;
    range[0] = symbol->addr;
    range[1] = symbol->addr + symbol->size;
    return 1;
}

static void range_of(struct target *t, const char *name, uint64_t range[2])
{
    const struct sym_options options = {0};
    CLEANUP_SYMS struct syms *syms = NULL;
    if (syms_open(t, -1, "", &options, &syms) == 0)
        (void)!syms_of_name(syms, name, NULL, take_range, range);
    check(range[0] != 0);
}

static bool in_range(uint64_t pc, const uint64_t range[2])
{
    return pc >= range[0] && pc < range[1];
}

// A kind of code that a run is in for a few steps only, or not yet for many.
static bool is_rare(struct stepping *s, size_t few)
{
    uint8_t code[16] = {0};
    (void)read_child(s->pid, s->regs.rip, code, sizeof code);
    const bool vdso = s->vdso && s->regs.rip >= s->vdso->start && s->regs.rip < s->vdso->end;
    return (vdso && s->in_vdso < few / 8) || is_plt(code) || in_range(s->regs.rip, s->leaf) ||
           in_range(s->regs.rip, s->callback);
}

// In which kinds of code it was looked.
static void count_place(struct stepping *s, const struct user_regs_struct *was)
{
    uint8_t code[16] = {0};
    (void)read_child(s->pid, s->regs.rip, code, sizeof code);
    s->in_vdso += s->vdso && s->regs.rip >= s->vdso->start && s->regs.rip < s->vdso->end;
    s->in_plt += is_plt(code);
    s->in_leaf += in_range(s->regs.rip, s->leaf);
    s->in_callback += in_range(s->regs.rip, s->callback);
    s->at_entry += s->regs.rsp == was->rsp - 8 && s->regs.rip - was->rip > 16;
}

// Runs up to PC; the shadow goes on.
static bool run_to(struct stepping *s, uint64_t pc)
{
    while (s->regs.rip != pc)
        if (!step(s, 0))
            return false;
    return true;
}

static void test_steps(void)
{
    static struct expected expected[EXPECTED_MAX];
    struct stepping s = {.expected = expected};
    struct procs ps;
    if (!open_stepped(&s, &ps)) {
        check(!"the fixture stepped is there");
        return;
    }
    uint64_t works[2] = {0}, inside = 0;
    range_of(s.target, "work", works);
    range_of(s.target, "leaf", s.leaf);
    range_of(s.target, "by_value", s.callback);
    const uint64_t work = works[0];
    struct user_regs_struct was = s.regs;
    check(run_to(&s, work));
    check(target_maps_again(s.target, &s.maps) == 0 && unwind_open(s.target, &s.unwinder) == 0);
    for (size_t i = 0; i < s.maps->n; i++)
        if (s.maps->at[i].name_len == 6 && memcmp(maps_name(s.maps, &s.maps->at[i]), "[vdso]", 6) == 0)
            s.vdso = &s.maps->at[i];
    inside = s.n;
    // Four rounds of work(). A part of the steps in the short form, other ones each time it is run there.
    size_t few = unit_times(2000, 20000), looks = 0, base = inside;
    while (s.n >= base - 1 && looks < few) {
        for (size_t i = 0; i < s.n; i++)
            s.on_other += !s.at[i].slot && i + 1 < s.n && s.at[i + 1].slot + (1 << 20) < s.at[0].slot;
        if (few >= 20000 || s.regs.rip == work || is_rare(&s, few) || unit_random() % 8 == 0) {
            look(&s);
            looks++;
            count_place(&s, &was);
        }
        bool nested = false;
        for (size_t i = base; i < s.n; i++)
            nested |= !s.at[i].slot;
        int sig = s.n >= base && !nested && unit_random() % 64 == 0 ? (unit_random() & 1 ? SIGUSR1 : SIGUSR2) : 0;
        s.injected += sig != 0;
        was = s.regs;
        if (!step(&s, sig))
            break;
    }
    flush(&s);
    printf("# %zu steps, %zu of them unwound (cfi %u sig %u), in the vdso %zu, in %zu handlers\n", s.steps, looks,
           s.seen[HOW_CFI], s.seen[HOW_SIG], s.in_vdso, s.in_handler);
    check(s.wrong == 0 && s.right == looks);
    check(looks >= few);
    printf("# in a leaf %zu, at a function's first instruction %zu, in stubs of the PLT %zu, in a callback %zu\n",
           s.in_leaf, s.at_entry, s.in_plt, s.in_callback);
    check(s.in_leaf > 0 && s.at_entry > 0 && s.in_plt > 0 && s.in_callback > 0);
    check(s.in_vdso > 0 && s.injected > 0 && s.seen[HOW_SIG] > 0 && s.on_other > 0);
    unwind_close(s.unwinder);
    target_close(s.target);
    procs_close(&ps);
    stack_fini(&s.stack);
    kill(s.pid, SIGKILL);
    waitpid(s.pid, NULL, 0);
}

#else
static void test_steps(void)
{
}
#endif

// --- stacks that mean nothing -----------------------------------------------------

static int count(const struct unwound *u, void *arg)
{
    size_t *n = arg;
    check(u->n <= UNWIND_FRAMES_MAX && (u->end < UNWIND_BROKEN || u->reason));
    ++*n;
    return 0;
}

// Words that lead somewhere: into code, onto the stack, and nowhere.
static uint64_t word(const struct maps *maps, uint64_t base, size_t size)
{
    const struct mapping *m = &maps->at[unit_random() % maps->n];
    switch (unit_random() % 4) {
    case 0: return base + unit_random() % size;
    case 1: return unit_random();
    case 2: return (uint64_t)unit_random() << 32 | unit_random();
    default: return m->start + unit_random() % (m->end - m->start);
    }
}

static void test_rubbish(void)
{
    enum { BATCH = 64, SIZE = 8192 };
    const uint64_t base = 0x10000;
    struct procs ps;
    const struct operand operand = {.id = {.pid = getpid()}};
    const struct target_options options = {0};
    struct target *t;
    struct unwinder *u;
    const struct maps *maps;
    CLEANUP_STACK struct stack s = {0};
    if (procs_open(&ps) < 0 || target_open(&ps, &operand, &options, &t) < 0 || target_maps(t, &maps) < 0 ||
        unwind_open(t, &u) < 0) {
        check(!"opened");
        return;
    }
    size_t answered = 0, asked = unit_times(20, 3000);
    for (size_t i = 0; i < asked; i++) {
        for (uint32_t k = 0; k < BATCH; k++) {
            if (stack_reserve(&s, STACK_WINDOW) < 0)
                return;
            struct buf *gp = &s.regs.set[REGS_GP];
            memset(gp->data, 0, gp->cap);
            gp->len = reg_source(REGS_GP).size;
            s.regs.have = 1 << REGS_GP;
            for (unsigned r = 0; r < reg_dwarf_count; r++)
                reg_dwarf_put(&s.regs, r, word(maps, base, SIZE));
            if (unit_random() % 8)
                reg_dwarf_put(&s.regs, reg_dwarf_sp, base + unit_random() % SIZE / 8 * 8);
            for (size_t at = 0; at < SIZE; at += 8) {
                uint64_t w = word(maps, base, SIZE);
                buf_add(&s.bytes, &w, sizeof w);
            }
            s.regions[s.nregions++] = (struct stack_region){base, 0, SIZE, unit_random() & 1};
            check(unwind_add(u, &s, k) == 0);
        }
        check(unwind_run(u, 1 + unit_random() % 1000, count, &answered) == 0);
    }
    check(answered == asked * BATCH);
    unwind_close(u);
    target_close(t);
    procs_close(&ps);
}

// --- a child that breaks ------------------------------------------------------------

#ifdef __x86_64__

// More answers than a socket holds: the child cannot have ended when the first one is here.
enum { BROKEN = 400, DEEP = 40, DEEPER = 1500, COPY = 24 << 10, COPY_ALL = 1 << 20 };

struct breaking {
    pid_t first;           // the child that was killed first
    unsigned kills, most;  // how many, and how many there are to be
    bool alone;            // kill those that are asked about one stack
    uint32_t next;         // of the stacks
    size_t frames[BROKEN], broken, right;
    size_t frame, known, unknown, refused; // of the variables
};

// The one child that this program has now; 0: none.
static pid_t child_of_ours(void)
{
    char path[64], text[64] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    if (!fgets(text, sizeof text, f))
        text[0] = '\0';
    fclose(f);
    return atoi(text);
}

// It sleeps when it has answered, and waits for a question.
static bool sleeps(pid_t pid)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "re");
    const size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    const char *state = n > 0 ? strrchr(text, ')') : NULL;
    return !state || state[2] != 'R';
}

// It has ended when this comes back.
static void kill_child(struct breaking *b)
{
    const pid_t child = child_of_ours();
    siginfo_t info;
    if (b->kills == b->most || child == 0 || child == b->first)
        return;
    while (b->kills > 0 && !sleeps(child))
        usleep(100);
    check(kill(child, SIGKILL) == 0 && waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    b->first = b->first ? b->first : child;
    b->kills++;
}

static int take_whole(const struct unwound *u, void *arg)
{
    struct breaking *b = arg;
    check(u->index == b->next && u->end == UNWIND_WHOLE && u->n > DEEP);
    if (u->end != UNWIND_WHOLE)
        printf("# %zu frames: %s\n", u->n, u->reason ? u->reason : "");
    b->frames[b->next++] = u->n;
    return 0;
}

// The first answer, and then one of those that are asked for alone, are followed by the child's end.
static int take_broken(const struct unwound *u, void *arg)
{
    struct breaking *b = arg;
    check(u->index == b->next);
    if (u->end == UNWIND_BROKEN) {
        check(u->n == 0 && strstr(u->reason, "crashed") && strstr(u->reason, "signal 9"));
        b->broken++;
    } else {
        b->right += u->end == UNWIND_WHOLE && u->n == b->frames[b->next];
    }
    b->next++;
    if (b->kills == 0 || b->alone)
        kill_child(b);
    return 0;
}

static int take_variables(const struct frame_variables *v, void *arg)
{
    struct breaking *b = arg;
    check(v->index == 0 && v->frame == b->frame++);
    b->known += v->size > 0;
    b->refused += v->reason && strstr(v->reason, "broke its reader");
    b->unknown += v->reason == unwind_no_debug;
    if (v->frame == 0)
        kill_child(b);
    return 0;
}

static int read_self(void *arg, uint64_t addr, void *to, size_t n, size_t *got)
{
    pid_t self = getpid();
    return read_stack(arg ? arg : &self, addr, to, n, got);
}

// Adds this stack N times.
__attribute__((noinline)) static bool add_here(struct unwinder *u, const struct maps *maps, size_t n)
{
    volatile bool done = true;
    CLEANUP_STACK struct stack s = {0};
    // DWARF's order (psABI, figure 3.36).
    static const int order[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
                                REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    ucontext_t context;
    const size_t window = n > 1 ? COPY : COPY_ALL;
    if (getcontext(&context) < 0 || stack_reserve(&s, window) < 0)
        return false;
    struct buf *gp = &s.regs.set[REGS_GP];
    memset(gp->data, 0, gp->cap);
    gp->len = reg_source(REGS_GP).size;
    s.regs.have = 1 << REGS_GP;
    for (unsigned i = 0; i < ARRAY_LEN(order); i++)
        reg_dwarf_put(&s.regs, i, (uint64_t)context.uc_mcontext.gregs[order[i]]);
    if (stack_copy(&s, maps, &(struct stack_want){.window = window}, read_self, NULL) < 0)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (unwind_add(u, &s, i) < 0)
            done = false;
    return done;
}

__attribute__((noinline)) static bool add_self(struct unwinder *u, const struct maps *maps, size_t n, int deep)
{
    volatile bool done = deep > 0 ? add_self(u, maps, n, deep - 1) : add_here(u, maps, n);
    return done; // no tail call
}

// The stack as large as it will be, before it is looked at.
__attribute__((noinline)) static void grow_stack(void)
{
    volatile char room[COPY_ALL];
    for (size_t i = 0; i < sizeof room; i += 4096)
        room[sizeof room - 1 - i] = 0;
}

static void test_breaks(void)
{
    struct procs ps;
    const struct operand operand = {.id = {.pid = getpid()}};
    const struct target_options options = {0};
    struct target *t;
    struct unwinder *u;
    const struct maps *maps;
    struct breaking b = {0};
    if (child_of_ours() != 0)
        return; // not ours alone
    grow_stack();
    if (procs_open(&ps) < 0 || target_open(&ps, &operand, &options, &t) < 0 || target_maps(t, &maps) < 0 ||
        unwind_open(t, &u) < 0) {
        check(!"opened");
        return;
    }
    check(add_self(u, maps, BROKEN, DEEP) && unwind_run(u, UNWIND_FRAMES_MAX, take_whole, &b) == 0);
    check(b.next == BROKEN);
    // The child ends in the middle of its answers: those that are left are asked for one by one, and none is lost.
    b.next = 0;
    b.most = 1;
    check(add_self(u, maps, BROKEN, DEEP) && unwind_run(u, UNWIND_FRAMES_MAX, take_broken, &b) == 0);
    check(b.next == BROKEN && b.kills == 1 && b.broken == 0 && b.right == BROKEN);
    // And once more while it is asked alone: that stack has the reason, and no other.
    b.next = b.kills = 0;
    b.right = 0;
    b.first = 0;
    b.most = 2;
    b.alone = true;
    check(add_self(u, maps, BROKEN, DEEP) && unwind_run(u, UNWIND_FRAMES_MAX, take_broken, &b) == 0);
    check(b.next == BROKEN && b.kills == 2 && b.broken == 1 && b.right == BROKEN - 1);
    // Its end while it reads variables: no frame is left out, none comes twice, and the file is looked at no more.
    b = (struct breaking){.most = 1};
    unwind_want_variables(u, NULL, take_variables, &b);
    bool ran = add_self(u, maps, 1, DEEPER) && unwind_run(u, UNWIND_FRAMES_MAX, take_whole, &b) == 0;
    check(ran);
    if (!ran)
        printf("# frame %zu of %zu: %s\n", b.frame, b.frames[0], err_text());
    check(b.kills == 1 && b.frame == b.frames[0] && b.frame > DEEPER && b.known > 0 && b.refused > 0);
    check(b.known + b.refused + b.unknown == b.frame);
    unwind_close(u);
    target_close(t);
    procs_close(&ps);
}

#else
static void test_breaks(void)
{
}
#endif

void test_unwind(void)
{
    test_steps();
    test_rubbish();
    test_breaks();
}
