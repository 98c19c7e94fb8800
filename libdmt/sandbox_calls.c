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

// Its first argument is our socket; its protection has no PROT_EXEC; its last is AT_EMPTY_PATH; F_GETFD or F_GETFL.
static const unsigned with_socket[] = {SYS_sendmsg, SYS_recvmsg};
static const unsigned with_prot[] = {SYS_mmap, SYS_mprotect};

enum { CALLS_MAX = 160 };

struct program {
    struct sock_filter at[CALLS_MAX];
    unsigned short n;
};

static void put(struct program *p, struct sock_filter f)
{
    if (p->n < CALLS_MAX)
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

static void always(struct program *p, const unsigned *calls, size_t n, uint32_t action)
{
    for (size_t i = 0; i < n; i++) {
        unless(p, calls[i], 1);
        give(p, action);
    }
}

// CALL with argument I equal to VALUE is allowed, and else gets EPERM.
static void only_with(struct program *p, unsigned call, int i, uint32_t value)
{
    unless(p, call, 4);
    load(p, arg(i));
    unless(p, value, 1);
    give(p, SECCOMP_RET_ALLOW);
    give(p, SECCOMP_RET_ERRNO | EPERM);
}

int sandbox_lock_calls(void)
{
    const uint32_t refuse = SECCOMP_RET_ERRNO | EPERM;
    struct program p = {0};
    load(&p, offsetof(struct seccomp_data, arch));
    put(&p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0));
    give(&p, SECCOMP_RET_KILL_PROCESS);
    load(&p, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    put(&p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1)); // x32
    give(&p, SECCOMP_RET_KILL_PROCESS);
#endif
    always(&p, allowed, ARRAY_LEN(allowed), SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < ARRAY_LEN(with_socket); i++)
        only_with(&p, with_socket[i], 0, SANDBOX_SOCKET);
    for (size_t i = 0; i < ARRAY_LEN(with_prot); i++) {
        unless(&p, with_prot[i], 4);
        load(&p, arg(2));
        put(&p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0));
        give(&p, SECCOMP_RET_ALLOW);
        give(&p, SECCOMP_RET_KILL_PROCESS);
    }
    only_with(&p, SYS_newfstatat, 3, AT_EMPTY_PATH);
    unless(&p, SYS_fcntl, 5);
    load(&p, arg(1));
    put(&p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_GETFD, 1, 0));
    unless(&p, F_GETFL, 1);
    give(&p, SECCOMP_RET_ALLOW);
    give(&p, refuse);
    always(&p, refused, ARRAY_LEN(refused), refuse);
    give(&p, SECCOMP_RET_KILL_PROCESS);

    const struct sock_fprog filter = {p.n, p.at};
    if (p.n > CALLS_MAX)
        return err_set(EIO, "the filter of system calls is too long");
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) < 0 ? err_sys("seccomp") : 0;
}
