// SPDX-License-Identifier: MIT
//
// target_core: cores that are made here, whole, cut off and hostile. Real ones are in core.bats.
#include "err.h"
#include "target_core.h"
#include "unit.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <time.h>

enum { PAGE = 4096 };

// --- making one ----------------------------------------------------------------

struct maker {
    struct buf phdrs, notes, content;
    uint32_t nphdrs;
};

static void maker_fini(struct maker *m)
{
    buf_fini(&m->phdrs);
    buf_fini(&m->notes);
    buf_fini(&m->content);
}
#define CLEANUP_MAKER CLEANUP(maker_fini)

static void add_note(struct maker *m, const char *name, uint32_t type, const void *desc, size_t n)
{
    static const char zeros[4];
    Elf64_Nhdr h = {(uint32_t)strlen(name) + 1, (uint32_t)n, type};
    buf_add(&m->notes, &h, sizeof h);
    buf_add(&m->notes, name, h.n_namesz);
    buf_add(&m->notes, zeros, -h.n_namesz & 3);
    buf_add(&m->notes, desc, n);
    buf_add(&m->notes, zeros, -n & 3);
}

// FILESZ bytes of CONTENT; behind the headers and notes, whose size is known last: offsets are put in by finish.
static void add_load(struct maker *m, uint64_t start, uint64_t memsz, unsigned flags, const void *content, uint64_t filesz)
{
    Elf64_Phdr p = {.p_type = PT_LOAD, .p_flags = flags, .p_offset = m->content.len, .p_vaddr = start,
                    .p_filesz = filesz, .p_memsz = memsz};
    buf_add(&m->phdrs, &p, sizeof p);
    buf_add(&m->content, content, content ? (size_t)filesz : 0);
    m->nphdrs++;
}

static void add_thread(struct maker *m, pid_t tid, uint64_t sp)
{
    struct elf_prstatus st = {.pr_pid = tid};
    unsigned char fp[512], xstate[832];
    memset(&st.pr_reg, tid & 0x7f, sizeof st.pr_reg);
    memset(fp, (tid & 0x7f) + 1, sizeof fp);
    memset(xstate, (tid & 0x7f) + 2, sizeof xstate);
    struct regs r = {.have = 1};
    buf_add(&r.set[REGS_GP], &st.pr_reg, sizeof st.pr_reg);
    unsigned char bytes[REG_BYTES_MAX] = {0};
    memcpy(bytes, &sp, sizeof sp);
    check(reg_put(&r, reg_find("sp", 2), bytes) == 0);
    memcpy(&st.pr_reg, r.set[REGS_GP].data, sizeof st.pr_reg);
    regs_fini(&r);
    add_note(m, "CORE", NT_PRSTATUS, &st, sizeof st);
    add_note(m, "CORE", NT_PRFPREG, fp, sizeof fp);
    add_note(m, "LINUX", NT_X86_XSTATE, xstate, sizeof xstate);
}

static void add_pid(struct maker *m, pid_t pid)
{
    const struct elf_prpsinfo ps = {.pr_pid = pid};
    add_note(m, "CORE", NT_PRPSINFO, &ps, sizeof ps);
}

struct file_entry {
    uint64_t start, end, page;
    const char *name;
};

static void add_files(struct maker *m, const struct file_entry *files, size_t n)
{
    CLEANUP_BUF struct buf b = {0};
    const uint64_t head[2] = {n, PAGE};
    buf_add(&b, head, sizeof head);
    for (size_t i = 0; i < n; i++)
        buf_add(&b, &files[i], 3 * sizeof(uint64_t));
    for (size_t i = 0; i < n; i++)
        buf_add(&b, files[i].name, strlen(files[i].name) + 1);
    add_note(m, "CORE", NT_FILE, b.data, b.len);
}

static void finish(struct maker *m, struct buf *ret)
{
    uint64_t notes_at = sizeof(Elf64_Ehdr) + (m->nphdrs + 1) * sizeof(Elf64_Phdr), at = notes_at + m->notes.len;
    // More than 65,534 program headers: their number is in a section header (PN_XNUM).
    const bool many = m->nphdrs + 1 >= PN_XNUM;
    const Elf64_Shdr zero = {.sh_info = m->nphdrs + 1};
    const Elf64_Ehdr h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                          .e_type = ET_CORE,
                          .e_machine = (uint16_t)reg_machine,
                          .e_version = EV_CURRENT,
                          .e_phoff = sizeof h,
                          .e_ehsize = sizeof h,
                          .e_phentsize = sizeof(Elf64_Phdr),
                          .e_phnum = many ? PN_XNUM : (uint16_t)(m->nphdrs + 1),
                          .e_shoff = many ? at + m->content.len : 0,
                          .e_shentsize = many ? sizeof(Elf64_Shdr) : 0,
                          .e_shnum = many};
    const Elf64_Phdr note = {.p_type = PT_NOTE, .p_offset = notes_at, .p_filesz = m->notes.len, .p_align = 4};
    buf_add(ret, &h, sizeof h);
    buf_add(ret, &note, sizeof note);
    for (size_t i = 0; i < m->phdrs.len; i += sizeof(Elf64_Phdr)) {
        Elf64_Phdr p;
        memcpy(&p, m->phdrs.data + i, sizeof p);
        p.p_offset += at;
        buf_add(ret, &p, sizeof p);
    }
    buf_add(ret, m->notes.data, m->notes.len);
    buf_add(ret, m->content.data, m->content.len);
    if (many)
        buf_add(ret, &zero, sizeof zero);
    check(buf_ok(ret) == 0);
}

// --- opening it ----------------------------------------------------------------

static int open_core(const void *bytes, size_t n, struct target **ret)
{
    char path[64];
    int fd = unit_file(bytes, n);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct operand o = {.file = path, .text = path};
    const struct target_options options = {0};
    int done = target_open(NULL, &o, &options, ret);
    close(fd);
    return done;
}

static bool refused(const struct buf *core, int code, const char *why)
{
    struct target *t;
    if (open_core(core->data, core->len, &t) == 0) {
        target_close(t);
        return false;
    }
    if (err_code() != code || !strstr(err_text(), why))
        printf("# %d %s\n", err_code(), err_text());
    return err_code() == code && strstr(err_text(), why);
}

static int list_thread(pid_t tid, void *arg)
{
    buf_printf(arg, "%d ", tid);
    return 0;
}

// `START-END PERMS OFFSET NAME` of each; `?` where a part is not known.
static bool maps_are(struct target *t, const char *want)
{
    const struct maps *m;
    CLEANUP_BUF struct buf b = {0};
    if (target_maps(t, &m) < 0)
        return false;
    for (size_t i = 0; i < m->n; i++) {
        const struct mapping *p = &m->at[i];
        buf_printf(&b, "%llx-%llx %s %llx %.*s%s\n", (unsigned long long)p->start, (unsigned long long)p->end,
                   p->perms & MAP_UNSAID                   ? "?"
                   : p->perms == (MAP_READ | MAP_WRITE)    ? "rw"
                   : p->perms == (MAP_READ | MAP_EXEC)     ? "rx"
                   : p->perms == MAP_READ                  ? "r"
                                                           : "other",
                   (unsigned long long)p->offset, (int)p->name_len, maps_name(m, p), p->deleted ? " (gone)" : "");
    }
    return m->have == MAPS_PERMS && unit_is(&b, want, strlen(want));
}

static bool reads(struct target *t, uint64_t addr, size_t n, int byte, size_t want)
{
    char to[3 * PAGE];
    size_t got;
    if (target_read(t, addr, to, n, &got) < 0 || got != want)
        return false;
    for (size_t i = 0; i < got; i++)
        if (to[i] != byte)
            return false;
    return true;
}

static bool reads_not(struct target *t, uint64_t addr, int code, const char *why)
{
    char to[16];
    size_t got;
    if (target_read(t, addr, to, sizeof to, &got) == 0)
        return false;
    if (err_code() != code || !strstr(err_text(), why))
        printf("# %d %s\n", err_code(), err_text());
    return err_code() == code && strstr(err_text(), why);
}

// Everything that can be asked of a core, whatever it is.
static void ask_all(struct target *t)
{
    const struct maps *m;
    CLEANUP_BUF struct buf tids = {0};
    CLEANUP_REGS struct regs r = {0};
    char to[64];
    size_t got;
    uint64_t v;
    if (target_maps(t, &m) == 0) {
        for (size_t i = 0; i < m->n; i++)
            check(m->at[i].start < m->at[i].end && (i == 0 || m->at[i - 1].end <= m->at[i].start));
        for (size_t i = 0; i < m->n && i < 8; i++)
            if (target_read(t, m->at[i].end - 8, to, sizeof to, &got) == 0)
                check(got > 0 && got <= sizeof to);
    }
    check(target_each_thread(t, list_thread, &tids) == 0);
    for (pid_t tid = 1; tid < 4; tid++)
        (void)!target_regs(t, tid, 15, &r);
    (void)!target_auxv(t, AT_ENTRY, &v);
}

// --- a good one ----------------------------------------------------------------

// A module of two pages: a header with a build-id in the first, the letter 'c' in the second and 100 bytes of the third.
static size_t make_module(char *to, const char *id)
{
    struct module {
        Elf64_Ehdr head;
        Elf64_Phdr load, note;
        Elf64_Nhdr n;
        char name[4], id[8];
    } m = {
        .head = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB}, .e_type = ET_DYN, .e_phoff = sizeof m.head,
                 .e_phnum = 2, .e_phentsize = sizeof m.load, .e_machine = (uint16_t)reg_machine},
        .load = {.p_type = PT_LOAD, .p_filesz = 2 * PAGE + 100, .p_memsz = 2 * PAGE + 100},
        .note = {.p_type = PT_NOTE, .p_offset = offsetof(struct module, n), .p_vaddr = offsetof(struct module, n),
                 .p_filesz = 24},
        .n = {4, 8, NT_GNU_BUILD_ID},
        .name = "GNU",
    };
    memcpy(m.id, id, 8);
    memset(to, 'c', 2 * PAGE + 100);
    memcpy(to, &m, sizeof m);
    return 2 * PAGE + 100;
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    check(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    close(fd);
}

enum { STACK = 0x7ff00000, MODULE = 0x400000, HEAP = 0x10000000 };

// Its notes come in the kernel's order; threads 3, 1, 2 of process 7.
static void make_good(struct maker *m, const char *module, uint64_t sp)
{
    char page[2 * PAGE + 100], stack[2 * PAGE];
    const uint64_t aux[] = {AT_ENTRY, MODULE + 0x10, AT_RANDOM, STACK + 64, AT_SYSINFO_EHDR, 0x70000000, AT_NULL, 0};
    const struct file_entry files[] = {
        {MODULE, MODULE + PAGE, 0, module},
        {MODULE + PAGE, MODULE + 4 * PAGE, 1, module},
        {MODULE + 4 * PAGE, MODULE + 5 * PAGE, 1, module},
        {MODULE + 5 * PAGE, MODULE + 6 * PAGE, 1, module},
        {MODULE + 7 * PAGE, MODULE + 9 * PAGE, 1, module},
        {MODULE + 9 * PAGE, MODULE + 10 * PAGE, 1, "/other"},
        {HEAP + PAGE, HEAP + 2 * PAGE, 5, "/dev/zero (deleted)"},
    };
    memset(stack, 's', sizeof stack);
    (void)make_module(page, "build-01");
    add_thread(m, 3, sp);
    add_pid(m, 7);
    add_note(m, "CORE", NT_SIGINFO, "the signal that ended it", 24);
    add_note(m, "CORE", NT_AUXV, aux, sizeof aux);
    add_files(m, files, ARRAY_LEN(files));
    add_thread(m, 1, sp);
    add_thread(m, 2, sp);
    add_load(m, MODULE, PAGE, PF_R, page, PAGE);
    add_load(m, MODULE + PAGE, 3 * PAGE, PF_R | PF_X, NULL, 0);
    add_load(m, MODULE + 4 * PAGE, PAGE, PF_R | PF_W, NULL, 0);
    add_load(m, MODULE + 5 * PAGE, PAGE, PF_R, NULL, 0);
    add_load(m, MODULE + 8 * PAGE, PAGE, PF_R | PF_W, stack, PAGE);
    add_load(m, HEAP, 2 * PAGE, PF_R | PF_W, stack, 2 * PAGE);
    add_load(m, HEAP + 2 * PAGE, 2 * PAGE, PF_R | PF_W, stack, PAGE);
    add_load(m, 0x70000000, PAGE, PF_R | PF_X, stack, PAGE);
    add_load(m, STACK, 2 * PAGE, PF_R | PF_W, stack, 2 * PAGE);
}

static void test_good(const struct buf *core, const char *module)
{
    struct target *t;
    CLEANUP_BUF struct buf b = {0};
    CLEANUP_REGS struct regs r = {0};
    uint64_t v;
    check(open_core(core->data, core->len, &t) == 0);
    check(target_pid(t) == 7 && target_is_core(t));
    check(target_each_thread(t, list_thread, &b) == 0 && is(&b, "1 2 3 "));
    check(target_regs(t, 2, 7, &r) == 0 && r.have == 7 && reg_pc(&r) == 0x0202020202020202 && reg_sp(&r) == STACK + 8);
    check(r.set[REGS_FP].len == 512 && r.set[REGS_FP].data[0] == 3);
    check(r.set[REGS_VECTOR].len == 832 && r.set[REGS_VECTOR].data[0] == 4);
    check(target_regs(t, 3, 1 << REGS_GP | 1 << REGS_DEBUG, &r) == 0 && r.have == 1 && reg_pc(&r) == 0x0303030303030303);
    check(target_regs(t, 3, 1 << REGS_DEBUG, &r) == -1 && err_code() == ENOTSUP);
    check(target_regs(t, 4, 1, &r) == -1 && err_code() == ESRCH);
    check(target_auxv(t, AT_ENTRY, &v) == 0 && v == MODULE + 0x10);
    check(target_auxv(t, AT_UID, &v) == -1 && err_code() == ENOENT);
    check(target_write(t, STACK, "x", 1) == -1 && err_code() == ENOTSUP && strstr(err_text(), "core file"));
    const struct core_thread *ended = core_find_thread(&core_of(t)->index, 3);
    check(ended && ended->siginfo.n == 24 && memcmp(core->data + ended->siginfo.at, "the signal that", 15) == 0);
    t->id.ntids = 1;
    t->id.tids[0] = (struct tid_range){2, 9};
    buf_reset(&b);
    check(target_each_thread(t, list_thread, &b) == 0 && is(&b, "2 3 "));
    t->id.tids[0] = (struct tid_range){1, 2};
    buf_reset(&b);
    check(target_each_thread(t, list_thread, &b) == 0 && is(&b, "1 2 "));
    t->id.tids[0] = (struct tid_range){9, 9};
    check(target_each_thread(t, list_thread, &b) == -1 && err_code() == ESRCH);

    buf_reset(&b);
    buf_printf(&b,
               "400000-401000 r 0 %s\n"
               "401000-404000 rx 1000 %s\n"
               "404000-405000 rw 1000 %s\n"
               "405000-406000 r 1000 %s\n"
               "407000-408000 ? 1000 %s\n"
               "408000-409000 rw 2000 %s\n"
               "409000-40a000 ? 1000 /other\n"
               "10000000-10001000 rw 0 \n"
               "10001000-10002000 rw 5000 /dev/zero (gone)\n"
               "10002000-10004000 rw 0 \n"
               "70000000-70001000 rx 0 [vdso]\n"
               "7ff00000-7ff02000 rw 0 [stack]\n",
               module, module, module, module, module, module);
    check(maps_are(t, buf_cstr(&b)));

    check(reads(t, STACK, 2 * PAGE, 's', 2 * PAGE) && reads(t, STACK + 2 * PAGE - 1, 9, 's', 1));
    check(reads(t, HEAP, 3 * PAGE, 's', 3 * PAGE)); // over the end of one segment
    check(reads(t, HEAP + 2 * PAGE, 2 * PAGE, 's', PAGE));
    check(reads_not(t, HEAP + 3 * PAGE, EIO, "0x10003000 was not dumped"));
    check(reads_not(t, STACK - 1, EFAULT, "nothing is mapped at 0x7fefffff"));
    check(reads_not(t, UINT64_MAX, EFAULT, "nothing"));
    // Out of the file: its second page, 100 bytes of the third, zeros to the end of that, and no more.
    check(reads(t, MODULE + PAGE, PAGE, 'c', PAGE) && reads(t, MODULE + 2 * PAGE, 100, 'c', 100));
    check(reads(t, MODULE + 2 * PAGE + 100, PAGE, 0, PAGE - 100));
    check(reads_not(t, MODULE + 3 * PAGE, EIO, "the file ends before"));
    check(reads_not(t, MODULE + 4 * PAGE, EIO, "may have differed"));
    check(reads(t, MODULE + 5 * PAGE, 2 * PAGE, 'c', PAGE));
    // gcore leaves the segment out; another may follow it.
    char both[2 * PAGE];
    size_t got;
    check(target_read(t, MODULE + 7 * PAGE, both, sizeof both, &got) == 0 && got == sizeof both);
    check(both[0] == 'c' && both[PAGE - 1] == 'c' && both[PAGE] == 's' && both[2 * PAGE - 1] == 's');
    check(reads_not(t, MODULE + 9 * PAGE, EIO, "/other: its first page was not mapped"));

    const struct maps *maps;
    int fd = -1;
    check(target_maps(t, &maps) == 0 && target_open_file(t, maps_find(maps, MODULE + PAGE), &fd) == 0);
    close(fd);
    check(target_open_file(t, maps_find(maps, STACK), &fd) == -1 && err_code() == ENOENT);
    check(target_open_path(t, module, &fd) == 0);
    close(fd);
    check(target_open_path(t, "/dev/null", &fd) == -1 && err_code() == EACCES);
    check(target_open_path(t, "/nowhere", &fd) == -1 && err_code() == ENOENT);
    check(target_open_path(t, "/proc/self/maps", &fd) == -1 && err_code() == EACCES);
    target_close(t);
}

// Of another file under the name of the module, nothing is read.
static void test_other_file(const struct buf *core, const char *module, const char *why)
{
    struct target *t;
    int fd = -1;
    check(open_core(core->data, core->len, &t) == 0);
    check(reads_not(t, MODULE + PAGE, EIO, why) && strstr(err_text(), module));
    check(reads_not(t, MODULE + PAGE, EIO, why)); // and once more, from what is remembered
    check(reads(t, MODULE + 8, 2, '\0', 2));      // what was dumped is there
    check(target_open_path(t, module, &fd) == -1);
    target_close(t);
}

static void test_files(const char *dir)
{
    char module[128], bytes[2 * PAGE + 100];
    (void)snprintf(module, sizeof module, "%s/module", dir);
    CLEANUP_MAKER struct maker m = {0};
    CLEANUP_MAKER struct maker no_stack = {0};
    CLEANUP_BUF struct buf core = {0}, dark = {0};
    make_good(&m, module, STACK + 8);
    finish(&m, &core);
    write_file(module, bytes, make_module(bytes, "build-01"));
    test_good(&core, module);

    // No thread stands on memory that was dumped: private pages were left out, changed or not. Text is not changed.
    struct target *t;
    make_good(&no_stack, module, 64);
    finish(&no_stack, &dark);
    check(open_core(dark.data, dark.len, &t) == 0);
    check(reads(t, MODULE + PAGE, PAGE, 'c', PAGE) && reads_not(t, MODULE + 5 * PAGE, EIO, "may have differed"));
    target_close(t);

    write_file(module, bytes, make_module(bytes, "build-02"));
    test_other_file(&core, module, "another build");
    write_file(module, "", 0);
    test_other_file(&core, module, "empty");
    write_file(module, "text", 4);
    test_other_file(&core, module, "no build-id");
    memset(bytes, 'x', sizeof bytes);
    write_file(module, bytes, sizeof bytes);
    test_other_file(&core, module, "no build-id");
    check(unlink(module) == 0 && mkfifo(module, 0600) == 0);
    test_other_file(&core, module, "not a regular file");
    check(unlink(module) == 0 && mkdir(module, 0700) == 0);
    test_other_file(&core, module, "not a regular file");
    check(rmdir(module) == 0);
    test_other_file(&core, module, "no such file");
}

// --- bad ones ------------------------------------------------------------------

static void test_refused(void)
{
    CLEANUP_MAKER struct maker m = {0};
    CLEANUP_BUF struct buf core = {0}, text = {0};
    make_good(&m, "/nowhere", 0);
    finish(&m, &core);
    Elf64_Ehdr *h = (Elf64_Ehdr *)(void *)core.data;
    buf_str(&text, "a text that is longer than the header of an ELF file, which has 64 bytes");
    check(refused(&text, ENOEXEC, "not an ELF file"));
    h->e_type = ET_DYN;
    check(refused(&core, ENOEXEC, "no core"));
    h->e_type = ET_CORE;
    h->e_machine = EM_S390;
    check(refused(&core, ENOEXEC, "another machine"));
    h->e_machine = (uint16_t)reg_machine;
    h->e_phentsize = 55;
    check(refused(&core, ENOEXEC, "program headers"));
    h->e_phentsize = sizeof(Elf64_Phdr);
    h->e_ident[EI_DATA] = ELFDATA2MSB;
    check(refused(&core, ENOEXEC, "not an ELF file"));
    h->e_ident[EI_DATA] = ELFDATA2LSB;
    h->e_phnum = 0;
    check(refused(&core, ENOEXEC, "without threads"));

    struct operand o = {.file = (char *)(uintptr_t)"/"};
    const struct target_options options = {0};
    struct target *t;
    check(target_open(NULL, &o, &options, &t) == -1 && err_code() == ENOEXEC);
    o.file = (char *)(uintptr_t)"/dev/zero";
    check(target_open(NULL, &o, &options, &t) == -1 && err_code() == ENOEXEC);
}

static void test_cut(void)
{
    CLEANUP_MAKER struct maker m = {0};
    CLEANUP_BUF struct buf core = {0};
    make_good(&m, "/nowhere", STACK + 8);
    finish(&m, &core);
    size_t whole = 0;
    for (size_t n = 0; n < core.len; n += n < 1024 ? 1 : 97) {
        struct target *t;
        if (open_core(core.data, n, &t) < 0) {
            check(err_code() == ENOEXEC || err_code() == EIO);
            continue;
        }
        whole++;
        ask_all(t);
        check(reads_not(t, STACK + 2 * PAGE - 16, EIO, "was dumped, but the core file is cut off"));
        target_close(t);
    }
    check(whole > 100);
}

// Segments, one after another, as many as a process may have and more.
static double open_seconds(struct maker *m, size_t *mappings)
{
    enum { NAMES_MAX = 100000 };
    CLEANUP_BUF struct buf core = {0};
    struct target *t;
    const struct maps *maps;
    struct timespec a, b;
    finish(m, &core);
    char path[64];
    int fd = unit_file(core.data, core.len);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct operand o = {.file = path};
    const struct target_options options = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    int done = target_open(NULL, &o, &options, &t);
    *mappings = done == 0 && target_maps(t, &maps) == 0 ? maps->n : 0;
    if (done == 0)
        ask_all(t);
    check(*mappings == 0 || maps->names.len < NAMES_MAX);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    if (done == 0)
        target_close(t);
    close(fd);
    return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

enum { MANY = 150000 };

static void test_many(void)
{
    static const char byte[1];
    size_t n;
    for (int shape = 0; shape < 5; shape++) {
        CLEANUP_MAKER struct maker m = {0};
        add_thread(&m, 1, 0);
        static char name[4001];
        memset(name, 'n', sizeof name - 1);
        const struct file_entry wide = {PAGE, PAGE * (MANY + 1UL), 0, name};
        if (shape == 4) // each a part of one file with a long name
            add_files(&m, &wide, 1);
        for (uint64_t i = 0; i < MANY; i++) {
            uint64_t up = PAGE * (1 + i), down = PAGE * (MANY - i);
            switch (shape) {
            case 0: add_load(&m, down, PAGE, PF_R, byte, 1); break;
            case 1: add_load(&m, PAGE, up, PF_R, byte, 1); break;                   // all begin at one address
            case 2: add_load(&m, down, UINT64_MAX - down, PF_R, NULL, 1 << 20); break; // all end at one
            case 3: add_load(&m, up, 2 * PAGE, PF_R, NULL, UINT64_MAX); break;      // each in the one before it
            default: add_load(&m, up, PAGE, PF_R, NULL, 0); break;
            }
        }
        double seconds = open_seconds(&m, &n);
        check(n == (shape == 2 ? 1 : MANY));
        if (seconds > 2)
            printf("# shape %d: %g s\n", shape, seconds);
        check(seconds < 2);
    }

    // Notes: empty ones, threads that are all the same, threads without registers.
    CLEANUP_MAKER struct maker m = {0};
    for (size_t i = 0; i < 400000; i++)
        add_note(&m, "CORE", NT_FPREGSET, NULL, 0);
    add_thread(&m, 1, 0);
    add_load(&m, PAGE, PAGE, PF_R, NULL, 0);
    check(open_seconds(&m, &n) < 2 && n == 1);
    for (size_t i = 0; i < 200000; i++)
        add_note(&m, "CORE", NT_FPREGSET, NULL, 0);
    CLEANUP_BUF struct buf core = {0};
    finish(&m, &core);
    check(refused(&core, ENOEXEC, "notes"));
    CLEANUP_MAKER struct maker same = {0};
    const struct elf_prstatus st = {.pr_pid = 5};
    for (size_t i = 0; i < 100000; i++)
        add_note(&same, "CORE", NT_PRSTATUS, &st, sizeof st);
    add_load(&same, PAGE, PAGE, PF_R, NULL, 0);
    check(open_seconds(&same, &n) < 2 && n == 1);
}

// Files of some GiB that are holes.
static void test_sparse(void)
{
    struct {
        Elf64_Ehdr h;
        Elf64_Phdr note;
    } core = {
        .h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB}, .e_type = ET_CORE,
              .e_machine = (uint16_t)reg_machine, .e_phoff = sizeof core.h, .e_phnum = 1, .e_phentsize = sizeof core.note},
        .note = {.p_type = PT_NOTE, .p_offset = PAGE, .p_filesz = 4ULL << 30},
    };
    const Elf64_Nhdr far = {0, PAGE - sizeof far, 77};
    char path[64];
    struct timespec a, b;
    int fd = unit_file(&core, sizeof core);
    struct operand o = {.file = path};
    const struct target_options options = {0};
    struct target *t;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    check(ftruncate(fd, 6LL << 30) == 0);
    clock_gettime(CLOCK_MONOTONIC, &a);
    check(target_open(NULL, &o, &options, &t) == -1 && err_code() == ENOEXEC && strstr(err_text(), "MiB of notes"));
    // As much as is looked at: empty notes first, then one a page.
    core.note.p_filesz = 512 << 20;
    check(pwrite(fd, &core, sizeof core, 0) == sizeof core);
    check(target_open(NULL, &o, &options, &t) == -1 && err_code() == ENOEXEC && strstr(err_text(), "524287 notes"));
    for (off_t i = 1; i < 20000; i++)
        check(pwrite(fd, &far, sizeof far, i * PAGE) == sizeof far);
    check(target_open(NULL, &o, &options, &t) == -1 && err_code() == ENOEXEC);
    clock_gettime(CLOCK_MONOTONIC, &b);
    check(b.tv_sec - a.tv_sec < 3);
    close(fd);
}

// NT_FILE that lies.
static void test_lying_files(void)
{
    const struct file_entry entry = {PAGE, 2 * PAGE, 3, "/a"};
    for (size_t word = 0; word < 5; word++)
        for (unsigned bit = 0; bit < 64; bit++) {
            CLEANUP_MAKER struct maker m = {0};
            CLEANUP_BUF struct buf core = {0};
            struct target *t;
            add_files(&m, &entry, 1);
            uint64_t v;
            char *at = m.notes.data + sizeof(Elf64_Nhdr) + 8 + 8 * word;
            memcpy(&v, at, sizeof v);
            v ^= 1ULL << bit;
            memcpy(at, &v, sizeof v);
            add_thread(&m, 1, 0);
            finish(&m, &core);
            bool opened = open_core(core.data, core.len, &t) == 0;
            check(opened);
            if (opened) {
                ask_all(t);
                target_close(t);
            }
        }
    // Entries in each other, names without an end, empty names, a name of 60,000 bytes.
    CLEANUP_MAKER struct maker m = {0};
    CLEANUP_BUF struct buf core = {0};
    struct target *t;
    static char longest[60001];
    memset(longest, 'n', sizeof longest - 1);
    const struct file_entry files[] = {{0x5000, 0x9000, 1, "/a"}, {0x1000, 0x7000, 0, "/b"}, {0x6000, 0xa000, 0, ""},
                                       {0x5000, 0x4000, 0, "/c"}, {0xb000, 0xc000, 1ULL << 60, "/d"},
                                       {0xc000, 0xd000, 0, longest}};
    add_files(&m, files, ARRAY_LEN(files));
    add_thread(&m, 1, 0);
    add_load(&m, 0x2000, 0x1000, PF_R, NULL, 0);
    finish(&m, &core);
    check(open_core(core.data, core.len, &t) == 0);
    CLEANUP_BUF struct buf want = {0};
    buf_printf(&want, "1000-2000 ? 0 /b\n2000-3000 r 1000 /b\n3000-7000 ? 2000 /b\n7000-9000 ? 3000 /a\n"
                      "9000-a000 ? 3000 \nc000-d000 ? 0 %s\n", longest);
    check(maps_are(t, buf_cstr(&want)));
    check(reads_not(t, 0xc000, EIO, "not dumped"));
    target_close(t);
}

// What says the same thing twice.
static void test_overlaps(void)
{
    char bytes[2 * PAGE];
    memset(bytes, 'a', PAGE);
    memset(bytes + PAGE, 'b', PAGE);
    CLEANUP_MAKER struct maker m = {0};
    CLEANUP_BUF struct buf core = {0}, tids = {0};
    struct target *t;
    for (pid_t tid = 5; tid > 2; tid--) {
        add_thread(&m, tid, 0);
        add_thread(&m, 4, 0);
    }
    // The one that begins first has the page that both have.
    add_load(&m, 0x2000, 2 * PAGE, PF_R, bytes, 2 * PAGE);
    add_load(&m, 0x1000, 2 * PAGE, PF_R | PF_W, bytes + PAGE, PAGE);
    // A name that fills its note: no zero behind it.
    char name[68] = "/";
    memset(name + 1, 'n', sizeof name - 2);
    const struct file_entry entry = {0x8000, 0x9000, 0, name};
    add_files(&m, &entry, 1);
    Elf64_Nhdr h;
    char *note = m.notes.data + m.notes.len - 40 - 68 - 8 - sizeof h;
    memcpy(&h, note, sizeof h);
    check(h.n_type == NT_FILE && h.n_descsz == 40 + 68);
    h.n_descsz = 40 + 64;
    memcpy(note, &h, sizeof h);
    m.notes.len -= 4;
    finish(&m, &core);
    check(open_core(core.data, core.len, &t) == 0);
    check(target_each_thread(t, list_thread, &tids) == 0 && is(&tids, "3 4 5 "));
    check(maps_are(t, "1000-3000 rw 0 \n3000-4000 r 0 \n"
                      "8000-9000 ? 0 /nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\n"));
    check(reads(t, 0x1000, PAGE, 'b', PAGE) && reads_not(t, 0x2000, EIO, "not dumped"));
    check(reads(t, 0x3000, 2 * PAGE, 'b', PAGE));
    target_close(t);
}

static void test_mutants(void)
{
    CLEANUP_MAKER struct maker m = {0};
    CLEANUP_BUF struct buf core = {0};
    make_good(&m, "/nowhere", STACK + 8);
    finish(&m, &core);
    const size_t heads = sizeof(Elf64_Ehdr) + m.phdrs.len + sizeof(Elf64_Phdr) + m.notes.len;
    size_t opened = 0;
    CLEANUP_BUF struct buf bad = {0};
    for (size_t i = 0, times = unit_times(3000, 200000); i < times; i++) {
        struct target *t;
        buf_reset(&bad);
        buf_add(&bad, core.data, core.len);
        for (unsigned k = 0; k < 1 + i % 8; k++) {
            size_t at = unit_random() % heads;
            bad.data[at] = unit_random() % 4 ? (char)unit_random() : (char)(0xff * (unit_random() % 2));
        }
        if (open_core(bad.data, bad.len, &t) < 0)
            continue;
        opened++;
        ask_all(t);
        target_close(t);
    }
    check(opened > 100);
}

void test_core(void)
{
    char dir[] = "/tmp/unit-core-XXXXXX";
    check(mkdtemp(dir) != NULL);
    test_files(dir);
    check(rmdir(dir) == 0);
    test_refused();
    test_cut();
    test_many();
    test_sparse();
    test_lying_files();
    test_overlaps();
    test_mutants();
}
