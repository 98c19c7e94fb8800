// SPDX-License-Identifier: MIT
//
// The system calls that the child may make (seccomp(2)): what reads descriptors that it has, memory of its own, and
// the one socket. What a library tries and can do without gets EPERM; all else kills.
#include "err.h"
#include "sandbox_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined __x86_64__
#define MACHINE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define MACHINE AUDIT_ARCH_AARCH64
#endif

static const unsigned allowed[] = {
    SYS_read, SYS_pread64, SYS_lseek, SYS_fstat, SYS_close, SYS_dup, SYS_munmap, SYS_mremap, SYS_madvise,
    SYS_brk, SYS_futex, SYS_clock_gettime, SYS_getrandom, SYS_exit, SYS_exit_group, SYS_rt_sigreturn,
    SYS_restart_syscall, SYS_rt_sigprocmask,
#ifdef __SANITIZE_ADDRESS__
    SYS_write, SYS_sigaltstack, SYS_rt_sigaction, SYS_getpid, SYS_gettid, SYS_tgkill,
    SYS_sched_yield,
#endif
};

static const unsigned refused[] = {
    SYS_openat, SYS_readlinkat, SYS_faccessat, SYS_getcwd, SYS_ioctl, SYS_getpid, SYS_gettid,
    SYS_prctl, SYS_sysinfo, SYS_sched_getaffinity, SYS_prlimit64, SYS_write, SYS_writev, SYS_pipe2,
    SYS_mincore,
#ifdef SYS_open
    SYS_open, SYS_readlink, SYS_access, SYS_stat,
#endif
#ifdef __SANITIZE_ADDRESS__ // a report would be lost with its writer
    SYS_clone, SYS_clone3, SYS_setrlimit, SYS_socket,
#endif
};

enum { CALLS_MAX = 96, PROGRAM_MAX = 255 }; // a jump is a byte

struct program {
    struct sock_filter at[PROGRAM_MAX];
    unsigned short n;
};

// What becomes of a call: instructions, each way through them ends in a return.
struct rule {
    unsigned call;
    void (*put)(struct program *p);
};

struct rules {
    struct rule at[CALLS_MAX]; // by number, of one number the first that was added
    size_t n;
};

static void put(struct program *p, struct sock_filter f)
{
    if (p->n < PROGRAM_MAX)
        p->at[p->n] = f;
    p->n++;
}

static void load(struct program *p, size_t offset)
{
    put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void give(struct program *p, uint32_t action)
{
    put(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

// Skips the next SKIP instructions unless the loaded word is VALUE.
static void unless(struct program *p, uint32_t value, uint8_t skip)
{
    put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip));
}

// The low half of an argument: no more of it is used by calls that take an int.
static size_t arg(int i)
{
    return offsetof(struct seccomp_data, args) + sizeof(uint64_t) * (size_t)i +
           (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4);
}

static void allow(struct program *p)
{
    give(p, SECCOMP_RET_ALLOW);
}

static void refuse(struct program *p)
{
    give(p, SECCOMP_RET_ERRNO | EPERM);
}

// Allowed with argument I equal to VALUE, and else refused.
static void only_with(struct program *p, int i, uint32_t value)
{
    load(p, arg(i));
    unless(p, value, 1);
    allow(p);
    refuse(p);
}

static void on_socket(struct program *p)
{
    only_with(p, 0, SANDBOX_SOCKET);
}

static void of_descriptor(struct program *p)
{
    only_with(p, 3, AT_EMPTY_PATH);
}

static void not_executable(struct program *p)
{
    load(p, arg(2));
    put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0));
    allow(p);
    give(p, SECCOMP_RET_KILL_PROCESS);
}

static void get_flags(struct program *p)
{
    load(p, arg(1));
    put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_GETFD, 1, 0));
    unless(p, F_GETFL, 1);
    allow(p);
    refuse(p);
}

static const struct rule conditional[] = {
    {SYS_sendmsg, on_socket},       {SYS_recvmsg, on_socket},          {SYS_mmap, not_executable},
    {SYS_mprotect, not_executable}, {SYS_newfstatat, of_descriptor},   {SYS_fcntl, get_flags},
};

static void add(struct rules *rules, unsigned call, void (*rule)(struct program *p))
{
    size_t i = 0;
    while (i < rules->n && rules->at[i].call < call)
        i++;
    if ((i < rules->n && rules->at[i].call == call) || rules->n++ >= CALLS_MAX)
        return;
    memmove(&rules->at[i + 1], &rules->at[i], (rules->n - 1 - i) * sizeof rules->at[0]);
    rules->at[i] = (struct rule){call, rule};
}

// Halved until few are left: the kernel goes through the filter for each number there is when it is set (seccomp.c,
// seccomp_cache_prepare), and a list takes it longer than the rest of the lock.
static void decide(struct program *p, const struct rule *rules, size_t n)
{
    enum { FEW = 3 };
    const size_t half = n / 2, at = p->n;
    if (n > FEW) {
        put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, rules[half].call, 0, 0));
        decide(p, rules, half);
        if (p->n < PROGRAM_MAX)
            p->at[at].jt = (uint8_t)(p->n - at - 1);
        decide(p, rules + half, n - half);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const size_t from = p->n;
        unless(p, rules[i].call, 0);
        rules[i].put(p);
        if (p->n < PROGRAM_MAX)
            p->at[from].jf = (uint8_t)(p->n - from - 1);
    }
    give(p, SECCOMP_RET_KILL_PROCESS);
}

int sandbox_lock_calls(void)
{
    struct program p = {0};
    struct rules rules = {0};
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
        add(&rules, allowed[i], allow);
    for (size_t i = 0; i < ARRAY_LEN(conditional); i++)
        add(&rules, conditional[i].call, conditional[i].put);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        add(&rules, refused[i], refuse);
    if (rules.n > CALLS_MAX)
        return err_set(EIO, "too many rules for system calls");
    load(&p, offsetof(struct seccomp_data, arch));
    put(&p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0));
    give(&p, SECCOMP_RET_KILL_PROCESS);
    load(&p, offsetof(struct seccomp_data, nr));
    decide(&p, rules.at, rules.n); // x32 has numbers of its own
    const struct sock_fprog filter = {p.n, p.at};
    if (p.n > PROGRAM_MAX)
        return err_set(EIO, "the filter of system calls is too long");
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) < 0 ? err_sys("seccomp") : 0;
}
