// SPDX-License-Identifier: MIT
//
// sandbox: a child that does what it is told, as one would that a hostile file has taken over. The oracles are the
// kernel and the parent: what was to be changed is looked at from outside.
#include "err.h"
#include "sandbox_impl.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif

// What attacks aim at.
static struct {
    pid_t pid;
    volatile uint64_t word;
    char path[64], socket[64];
    int port;
} prey = {.word = 42};
static volatile sig_atomic_t signals;

// --- in the child --------------------------------------------------------------

static long do_open(void)
{
    return open("/etc/passwd", O_RDONLY);
}

static long do_create(void)
{
    return syscall(SYS_openat, AT_FDCWD, prey.path, O_CREAT | O_WRONLY, 0600);
}

static long do_openat2(void)
{
    const uint64_t how[3] = {O_RDONLY, 0, 0};
    return syscall(437, AT_FDCWD, "/etc/passwd", how, sizeof how);
}

static long do_unlink(void)
{
    return syscall(SYS_unlinkat, AT_FDCWD, prey.socket, 0);
}

static long do_memory_of_parent(void)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/mem", prey.pid);
    return open(path, O_RDWR);
}

static long do_connect(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", prey.socket);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return fd < 0 ? fd : connect(fd, (struct sockaddr *)&to, sizeof to);
}

static long do_connect_tcp(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)prey.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 ? fd : connect(fd, (struct sockaddr *)&to, sizeof to);
}

// The socket that it has, used for another.
static long do_connect_own(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", prey.socket);
    return connect(SANDBOX_SOCKET, (struct sockaddr *)&to, sizeof to);
}

static long do_execve(void)
{
    char *const argv[] = {"touch", prey.path, NULL};
    return execve("/usr/bin/touch", argv, NULL);
}

static long do_fork(void)
{
    return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static long do_vfork(void)
{
    const uint64_t args[8] = {0, 0, 0, 0, SIGCHLD, 0, 0, 0};
    return syscall(435, args, sizeof args); // clone3
}

static long do_ptrace(void)
{
    return ptrace(PTRACE_SEIZE, prey.pid, NULL, NULL);
}

static long do_ptrace_me(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long do_kill(void)
{
    return kill(prey.pid, SIGUSR1);
}

static long do_tgkill(void)
{
    return syscall(SYS_tgkill, prey.pid, prey.pid, SIGUSR1);
}

static long do_queue(void)
{
    siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
    return syscall(SYS_rt_sigqueueinfo, prey.pid, SIGUSR1, &info);
}

static long do_pidfd(void)
{
    long fd = syscall(SYS_pidfd_open, prey.pid, 0);
    return fd < 0 ? fd : syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0);
}

static long do_own_by_fcntl(void)
{
    return fcntl(SANDBOX_SOCKET, F_SETOWN, prey.pid) < 0 ? -1 : fcntl(SANDBOX_SOCKET, F_SETSIG, SIGUSR1);
}

static long do_vm_writev(void)
{
    uint64_t evil = 666;
    struct iovec from = {&evil, sizeof evil}, to = {(void *)(uintptr_t)&prey.word, sizeof evil};
    return process_vm_writev(prey.pid, &from, 1, &to, 1, 0);
}

static long do_vm_readv(void)
{
    uint64_t secret;
    struct iovec to = {&secret, sizeof secret}, from = {(void *)(uintptr_t)&prey.word, sizeof secret};
    return process_vm_readv(prey.pid, &to, 1, &from, 1, 0);
}

static long do_exec_memory(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static long do_exec_mprotect(void)
{
    static _Alignas(4096) char page[4096];
    return mprotect(page, sizeof page, PROT_READ | PROT_WRITE | PROT_EXEC);
}

static long do_setuid(void)
{
    return syscall(SYS_setresuid, 0, 0, 0);
}

static long do_unshare(void)
{
    return syscall(SYS_unshare, 0x10000000);
}

static long do_mount(void)
{
    return syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL);
}

static long do_bpf(void)
{
    return syscall(SYS_bpf, 0, NULL, 0);
}

static long do_io_uring(void)
{
    char params[256] = {0};
    return syscall(425, 4, params);
}

static long do_write(void)
{
    return write(1, "hello\n", 6) + write(2, "hello\n", SANITIZED ? 0 : 6);
}

static long do_limits(void)
{
    const uint64_t all[2] = {~0ULL, ~0ULL};
    return syscall(SYS_prlimit64, 0, 9, all, NULL); // RLIMIT_AS
}

static const struct {
    const char *name;
    long (*run)(void);
} attacks[] = {
    {"open", do_open}, {"create", do_create}, {"openat2", do_openat2}, {"unlink", do_unlink},
    {"/proc/PID/mem", do_memory_of_parent}, {"connect", do_connect}, {"connect tcp", do_connect_tcp},
    {"connect own", do_connect_own}, {"execve", do_execve}, {"fork", do_fork}, {"clone3", do_vfork},
    {"ptrace", do_ptrace}, {"traceme", do_ptrace_me}, {"kill", do_kill}, {"tgkill", do_tgkill}, {"sigqueue", do_queue},
    {"pidfd", do_pidfd}, {"fcntl", do_own_by_fcntl}, {"vm_writev", do_vm_writev}, {"vm_readv", do_vm_readv},
    {"mmap exec", do_exec_memory}, {"mprotect exec", do_exec_mprotect}, {"setuid", do_setuid}, {"unshare", do_unshare},
    {"mount", do_mount}, {"bpf", do_bpf}, {"io_uring", do_io_uring}, {"write", do_write}, {"limits", do_limits},
};

static int answer(const char *text, size_t n)
{
    CLEANUP_BUF struct buf b = {0};
    buf_add(&b, text, n);
    return sandbox_answer(&b);
}

static int misbehave(const char *what, int file)
{
    static char block[1 << 16];
    if (strcmp(what, "crash") == 0) {
        char *volatile nowhere = NULL;
        *nowhere = 1;
    }
    if (strcmp(what, "abort") == 0)
        abort();
    if (strcmp(what, "leave") == 0)
        _exit(0);
    for (volatile int i = 0; strcmp(what, "spin") == 0; i++)
        ;
    while (strcmp(what, "endless") == 0)
        if (answer(block, sizeof block) < 0)
            _exit(0);
    if (strcmp(what, "huge") == 0) { // a message without an end
        struct sandbox_head head = {.kind = SANDBOX_ANSWER, .more = 1};
        struct iovec iov[2] = {{&head, sizeof head}, {block, 30000}};
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
        while (sendmsg(SANDBOX_SOCKET, &msg, MSG_NOSIGNAL) > 0)
            ;
        _exit(0);
    }
    if (strcmp(what, "junk") == 0) {
        struct iovec iov = {"x", 1};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        (void)!sendmsg(SANDBOX_SOCKET, &msg, MSG_NOSIGNAL);
        for (;;)
            (void)!recvmsg(SANDBOX_SOCKET, &msg, 0);
    }
    if (strcmp(what, "present") == 0) // a descriptor for the parent, who did not ask for one
        return sandbox_send(SANDBOX_SOCKET, SANDBOX_ANSWER, 0, "here", 4, file);
    if (strcmp(what, "hog") == 0) {
        char *p = mmap(NULL, 3UL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return p == MAP_FAILED ? err_set(ENOMEM, "no more") : answer("got", 3);
    }
    if (strcmp(what, "fail") == 0)
        return err_set(ENOENT, "there is no %s", "such thing");
    return 0;
}

static int work(const char *question, size_t n, int file, void *arg)
{
    (void)arg;
    CLEANUP_CLOSE int owned = file;
    struct packet p = packet_of(question, n);
    const char *what = packet_str(&p);
    if (!what || p.bad || owned < -1)
        return err_set(EPROTO, "a bad question");
    for (size_t i = 0; i < ARRAY_LEN(attacks); i++)
        if (strcmp(attacks[i].name, what) == 0)
            return attacks[i].run() < 0 ? answer("refused", 7) : answer("done", 4);
    if (strcmp(what, "echo") == 0)
        return answer(p.at, p.left);
    if (strcmp(what, "read") == 0) {
        char text[16];
        ssize_t got = pread(file, text, sizeof text, 0);
        return got < 0 ? err_sys("read") : answer(text, (size_t)got);
    }
    if (strcmp(what, "write file") == 0)
        return pwrite(file, "x", 1, 0) < 0 ? err_sys("write") : answer("done", 4);
    if (strcmp(what, "want") == 0) {
        CLEANUP_BUF struct buf request = {0};
        CLEANUP_CLOSE int wanted = -1;
        char text[16];
        buf_add(&request, p.at, p.left);
        if (sandbox_want(&request, &wanted) < 0)
            return err_wrap("not granted");
        ssize_t got = pread(wanted, text, sizeof text, 0);
        return got < 0 ? err_sys("read") : answer(text, (size_t)got);
    }
    if (strcmp(what, "map") == 0) { // and read on when it has been truncated
        struct stat st;
        if (fstat(file, &st) < 0)
            return err_sys("fstat");
        const volatile char *m = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, file, 0);
        if (m == MAP_FAILED || answer("mapped", 6) < 0)
            return err_sys("mmap");
        for (;;)
            (void)m[st.st_size - 1];
    }
    return misbehave(what, file);
}

// --- in the parent -------------------------------------------------------------

static int grant(const char *request, size_t n, void *arg, int *ret)
{
    (void)arg;
    if (n != 4 || memcmp(request, "good", 4) != 0)
        return err_set(EACCES, "never '%.*s'", (int)n, request);
    *ret = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
    return *ret < 0 ? err_sys("open") : 0;
}

static struct sandbox *start(void)
{
    const struct sandbox_job job = {.parser = "test parser", .work = work, .open = grant};
    struct sandbox *s = NULL;
    check(sandbox_start(&job, &s) == 0);
    return s;
}

static int keep(const char *bytes, size_t n, void *arg)
{
    buf_reset(arg);
    buf_add(arg, bytes, n);
    return 0;
}

static int ask_with(struct sandbox *s, const char *what, const char *rest, size_t n, int file, struct buf *ret)
{
    CLEANUP_BUF struct buf question = {0};
    packet_put_str(&question, what, strlen(what));
    buf_add(&question, rest, n);
    buf_reset(ret);
    return sandbox_ask(s, &question, file, keep, ret);
}

// WHAT, asked of a new child, ends in one error that says WHY.
static bool ends_it(const char *what, const char *why)
{
    CLEANUP_BUF struct buf got = {0};
    struct sandbox *s = start();
    sandbox_about(s, "FILE");
    int done = ask_with(s, what, "", 0, -1, &got);
    bool good = done == -1 && err_code() == EIO && strstr(err_text(), why) && strstr(err_text(), "test parser") &&
                strstr(err_text(), " on FILE") && !sandbox_alive(s);
    if (!good)
        printf("# %s: %d, %s\n", what, done, err_text());
    good &= sandbox_was_late(s) == (strstr(why, "longer") != NULL);
    good &= ask_with(s, "echo", "x", 1, -1, &got) == -1 && err_code() == EIO;
    sandbox_end(s);
    return good;
}

static void on_signal(int sig)
{
    (void)sig;
    signals++;
}

static int listen_unix(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)snprintf(prey.socket, sizeof prey.socket, "/tmp/sandbox-test.%d.s", getpid());
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", prey.socket);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    mode_t old = umask(0);
    check(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 5) == 0);
    umask(old);
    return fd;
}

static int listen_tcp(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t n = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    check(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 5) == 0);
    check(getsockname(fd, (struct sockaddr *)&at, &n) == 0);
    prey.port = ntohs(at.sin_port);
    return fd;
}

// Each attack, alone in a child of its own: it dies of it, or is refused; and nothing has happened.
static void test_attacks(void)
{
    CLEANUP_CLOSE int local = listen_unix();
    CLEANUP_CLOSE int tcp = listen_tcp();
    prey.pid = getpid();
    (void)snprintf(prey.path, sizeof prey.path, "/tmp/sandbox-test.%d.f", getpid());
    (void)signal(SIGUSR1, on_signal);
    for (size_t i = 0; i < ARRAY_LEN(attacks); i++) {
        CLEANUP_BUF struct buf got = {0};
        struct sandbox *s = start();
        int done = ask_with(s, attacks[i].name, "", 0, -1, &got);
        bool held = done == 0 ? is(&got, "refused")
                              : err_code() == EIO && (strstr(err_text(), "may not do") || strstr(err_text(), "crashed"));
        if (!held)
            printf("# attack %s: %d, %s\n", attacks[i].name, done, err_text());
        check(held);
        sandbox_end(s);
    }
    struct pollfd p[2] = {{.fd = local, .events = POLLIN}, {.fd = tcp, .events = POLLIN}};
    check(poll(p, 2, 0) == 0);
    check(access(prey.path, F_OK) < 0 && access(prey.socket, F_OK) == 0);
    check(signals == 0 && prey.word == 42);
    check(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD); // none of them left behind
    (void)unlink(prey.socket);
    (void)signal(SIGUSR1, SIG_DFL);
    printf("# sandbox, as uid %d: %zu attacks, none of them did anything\n", (int)geteuid(), ARRAY_LEN(attacks));
}

// The attacks do work where nothing holds them: else they would prove nothing.
static void test_attacks_unheld(void)
{
    static const char *const harmless[] = {"open",      "connect",   "connect tcp", "kill", "ptrace", "execve",
                                           "vm_writev", "mmap exec", "create"};
    int local = listen_unix(), tcp = listen_tcp();
    prey.pid = getpid();
    (void)snprintf(prey.path, sizeof prey.path, "/tmp/sandbox-test.%d.f", getpid());
    (void)signal(SIGUSR1, on_signal);
    for (size_t k = 0; k < ARRAY_LEN(harmless); k++)
        for (size_t i = 0; i < ARRAY_LEN(attacks); i++) {
            if (strcmp(attacks[i].name, harmless[k]) != 0)
                continue;
            int status = -1;
            pid_t pid = fork();
            if (pid == 0)
                _exit(attacks[i].run() >= 0 ? 0 : 1);
            check(waitpid(pid, &status, 0) == pid);
            // Yama may forbid two of them to who is not root, and touch may be elsewhere.
            bool by_yama = strcmp(harmless[k], "ptrace") == 0 || strcmp(harmless[k], "vm_writev") == 0;
            bool may_fail = (geteuid() != 0 && by_yama) ||
                            (strcmp(harmless[k], "execve") == 0 && access("/usr/bin/touch", X_OK) < 0);
            if (status != 0)
                printf("# unheld %s: %#x\n", attacks[i].name, status);
            check(status == 0 || may_fail);
        }
    check(signals == 1 && (prey.word == 666 || geteuid() != 0));
    signals = 0;
    prey.word = 42;
    close(local);
    close(tcp);
    (void)unlink(prey.socket);
    (void)unlink(prey.path);
    (void)signal(SIGUSR1, SIG_DFL);
}

static void test_truncated_while_mapped(void)
{
    CLEANUP_BUF struct buf got = {0};
    char path[] = "/tmp/sandbox-test.XXXXXX", page[8192] = "x";
    CLEANUP_CLOSE int fd = mkstemp(path);
    check(fd >= 0 && unlink(path) == 0 && write(fd, page, sizeof page) == sizeof page);
    struct sandbox *s = start();
    CLEANUP_BUF struct buf question = {0};
    packet_put_str(&question, "map", 3);
    pid_t truncater = fork(); // it may be truncated before it is mapped: that is an error of its own
    if (truncater == 0) {
        usleep(20000);
        _exit(ftruncate(fd, 0) == 0 ? 0 : 1);
    }
    check(sandbox_ask(s, &question, fd, keep, &got) == -1);
    check(got.len == 0 || (err_code() == EIO && strstr(err_text(), SANITIZED ? "crashed" : "(signal 7)")));
    check(waitpid(truncater, NULL, 0) == truncater);
    sandbox_end(s);
}

static int refuse_row(const char *bytes, size_t n, void *arg)
{
    (void)bytes;
    (void)n;
    (void)arg;
    return 7;
}

void test_sandbox(void)
{
    CLEANUP_BUF struct buf got = {0}, big = {0};
    struct sandbox *s = start();

    // Questions of any size come back whole, many of them from one child.
    for (size_t n = 0; n < 300000; n = n * 3 + 1) {
        buf_reset(&big);
        for (size_t i = 0; i < n; i++)
            buf_byte(&big, (char)unit_random());
        check(ask_with(s, "echo", big.data, big.len, -1, &got) == 0 && got.len == n &&
              (n == 0 || memcmp(got.data, big.data, n) == 0));
    }
    // Files, both ways; read-only.
    CLEANUP_CLOSE int comm = open("/proc/self/comm", O_RDONLY);
    check(ask_with(s, "read", "", 0, comm, &got) == 0 && is(&got, "unit\n"));
    check(ask_with(s, "want", "good", 4, -1, &got) == 0 && is(&got, "unit\n"));
    check(ask_with(s, "want", "evil", 4, -1, &got) == -1 && err_code() == EACCES &&
          strcmp(err_text(), "not granted: never 'evil'") == 0);
    check(ask_with(s, "fail", "", 0, -1, &got) == -1 && err_code() == ENOENT &&
          strcmp(err_text(), "there is no such thing") == 0);
    check(sandbox_alive(s));
    if (!SANITIZED) // which need their shadow
        check(ask_with(s, "hog", "", 0, -1, &got) == -1 && err_code() == ENOMEM);
    // A descriptor that comes unasked does not arrive.
    int before = dup(0);
    close(before);
    check(ask_with(s, "present", "", 0, comm, &got) == 0 && is(&got, "here"));
    int after = dup(0);
    close(after);
    check(before == after);
    // What the reader of answers returns ends it.
    CLEANUP_BUF struct buf question = {0};
    packet_put_str(&question, "echo", 4);
    check(sandbox_ask(s, &question, -1, refuse_row, NULL) == 7 && !sandbox_alive(s));
    sandbox_end(s);

    check(ends_it("crash", SANITIZED ? "" : "crashed on FILE (signal 11)"));
    check(ends_it("abort", ""));
    check(ends_it("leave", "ended"));
    check(ends_it("junk", "nonsense"));
    check(ends_it("huge", "nonsense"));
    check(ends_it("spin", "took longer than"));
    check(ends_it("endless", "took longer than"));
    test_truncated_while_mapped();
    test_attacks();
    test_attacks_unheld();
}

void test_packet(void)
{
    CLEANUP_BUF struct buf b = {0};
    packet_put_u64(&b, 1ULL << 60);
    packet_put_str(&b, NULL, 0);
    packet_put_str(&b, "", 0);
    packet_put_str(&b, "abc", 3);
    packet_put_u32(&b, 7);
    packet_put_u8(&b, 9);
    struct packet p = packet_of(b.data, b.len);
    check(packet_u64(&p) == 1ULL << 60 && packet_str(&p) == NULL && strcmp(packet_str(&p), "") == 0);
    check(strcmp(packet_str(&p), "abc") == 0 && packet_u32(&p) == 7 && packet_u8(&p) == 9 && !p.bad && p.left == 0);
    check(packet_u8(&p) == 0 && p.bad);
    // Each beginning of it, at the end of a page: bad, and nothing is read behind it.
    for (size_t n = 0; n < b.len; n++) {
        p = packet_of(unit_edge(b.data, n), n);
        (void)packet_u64(&p);
        for (int i = 0; i < 3; i++)
            (void)packet_str(&p);
        (void)packet_u32(&p);
        (void)packet_u8(&p);
        check(p.bad);
    }
    // Lengths that lie, strings without an end.
    for (size_t i = 0; i < unit_times(2000, 200000); i++) {
        char bytes[40];
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (char)(unit_random() % 4 ? unit_random() % 8 : unit_random());
        p = packet_of(unit_edge(bytes, sizeof bytes), sizeof bytes);
        while (!p.bad && p.left > 0) {
            const char *s = packet_str(&p);
            check(!s || strlen(s) <= sizeof bytes);
        }
    }
}
