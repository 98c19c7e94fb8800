// SPDX-License-Identifier: MIT
//
// tracer: stops that are not the one asked for, ends, deadlines, and system calls that are restarted or abandoned.
// The tracees are children of this program; what they did they say through a pipe, their state is /proc's.
#include "err.h"
#include "target.h"
#include "tracer.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static const uint64_t second = 1000000000;
static const uint64_t plenty = 60000000000; // for what has to come, however busy the machine is

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * second + (uint64_t)t.tv_nsec;
}

static char state_of(pid_t tid)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/stat", tid);
    FILE *f = fopen(path, "r");
    char state = 'X';
    if (f && fgets(line, sizeof line, f) && strrchr(line, ')'))
        state = strrchr(line, ')')[2];
    if (f)
        fclose(f);
    return state;
}

static pid_t tracer_of(pid_t tid)
{
    char path[64], line[512];
    pid_t tracer = -1;
    snprintf(path, sizeof path, "/proc/%d/status", tid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        sscanf(line, "TracerPid: %d", &tracer);
    if (f)
        fclose(f);
    return tracer;
}

static long call_of(pid_t tid)
{
    char path[64], line[64];
    long call = -2;
    snprintf(path, sizeof path, "/proc/%d/syscall", tid);
    FILE *f = fopen(path, "r");
    if (f && fgets(line, sizeof line, f))
        sscanf(line, "%ld", &call);
    if (f)
        fclose(f);
    return call;
}

// Until CONDITION holds, up to a minute.
#define soon(condition)                                                                                       \
    ({                                                                                                        \
        bool holds = false;                                                                                   \
        for (uint64_t last = now() + plenty; !(holds = (condition)) && now() < last;)                         \
            usleep(500);                                                                                      \
        holds;                                                                                                \
    })

static int to_child[2], from_child[2];

static pid_t child(void (*run)(void))
{
    fflush(stdout);
    if (pipe2(to_child, O_CLOEXEC) < 0 || pipe2(from_child, O_CLOEXEC) < 0)
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run();
        _exit(0);
    }
    return pid;
}

static void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    for (int i = 0; i < 2; i++) {
        close(to_child[i]);
        close(from_child[i]);
    }
}

static void tell(const void *bytes, size_t n)
{
    if (write(from_child[1], bytes, n) != (ssize_t)n)
        _exit(1);
}

static bool hear(void *bytes, size_t n)
{
    struct pollfd p = {.fd = from_child[0], .events = POLLIN};
    int got;
    while ((got = poll(&p, 1, 60000)) < 0 && errno == EINTR) // SIGCHLD
        ;
    return got == 1 && read(from_child[0], bytes, n) == (ssize_t)n;
}

static void sleep_on(void)
{
    for (;;)
        pause();
}

static pid_t sleeper(void)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            sleep_on();
        _exit(0);
    }
    return pid;
}

static void spin(void)
{
    for (volatile long n = 0;; n++)
        ;
}

static int stop(pid_t pid, pid_t tid, uint64_t max_stop, struct tracee *ret)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d", pid);
    int dir = open(path, O_PATH | O_CLOEXEC), done = tracer_stop(pid, dir, tid, max_stop, ret);
    close(dir);
    return done;
}

static bool fails_with(int code, const char *why, pid_t pid, pid_t tid, uint64_t max_stop)
{
    struct tracee t;
    int done = stop(pid, tid, max_stop, &t);
    if (done == 0)
        tracer_release(&t);
    bool as_told = done == -1 && err_code() == code && strstr(err_text(), why);
    if (!as_told)
        printf("# %d, code %d: %s\n", done, err_code(), err_text());
    return as_told;
}

static bool stop_and_go(pid_t pid, pid_t tid)
{
    struct tracee t;
    CLEANUP_REGS struct regs r = {0};
    if (stop(pid, tid, plenty, &t) < 0)
        return false;
    bool good = state_of(tid) == 't' && tracer_regs(&t, (1u << REG_SETS) - 1, &r) == 0 && (r.have & 1);
    tracer_release(&t);
    return good && tracer_of(tid) == 0;
}

// --- stops ---------------------------------------------------------------------------------------

enum { LAST = -1 };
static int queued, wrong;

static void on_queued(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    if (info->si_value.sival_int == LAST) {
        const int said[] = {queued, wrong};
        tell(said, sizeof said);
    } else if (info->si_value.sival_int != queued++) {
        wrong++;
    }
}

static void take_signals(void)
{
    struct sigaction act = {.sa_sigaction = on_queued, .sa_flags = SA_SIGINFO};
    // All of a user's processes share what may be queued: the rest is for the others.
    const struct rlimit few = {2000, 2000};
    setrlimit(RLIMIT_SIGPENDING, &few);
    sigaction(SIGRTMIN, &act, NULL);
    tell("r", 1);
    spin();
}

static void test_stops(void)
{
    pid_t pid = child(sleep_on);
    check(stop_and_go(pid, pid) && stop_and_go(pid, pid) && soon(state_of(pid) == 'S'));

    // A stopped one stays so, and goes on when it is told to.
    kill(pid, SIGSTOP);
    check(soon(state_of(pid) == 'T'));
    struct tracee t;
    check(stop(pid, pid, plenty, &t) == 0 && t.group_stop && t.signal == 0);
    tracer_release(&t);
    check(soon(state_of(pid) == 'T') && tracer_of(pid) == 0);
    kill(pid, SIGCONT);
    check(soon(state_of(pid) == 'S'));
    end_child(pid);

    // One that comes while it is held: it takes effect afterwards.
    pid = child(spin);
    check(stop(pid, pid, plenty, &t) == 0 && !t.group_stop);
    kill(pid, SIGSTOP);
    tracer_release(&t);
    check(soon(state_of(pid) == 'T') && stop_and_go(pid, pid) && soon(state_of(pid) == 'T'));
    kill(pid, SIGCONT);
    check(soon(state_of(pid) == 'R'));
    end_child(pid);
}

static bool queue(pid_t pid, int value)
{
    return sigqueue(pid, SIGRTMIN, (union sigval){value}) == 0;
}

// Sends until it is told to stop, then says how many.
static void send_signals(pid_t pid, int told, int say)
{
    struct pollfd p = {.fd = told, .events = POLLIN};
    int n = 0;
    while (poll(&p, 1, 0) == 0)
        n += queue(pid, n);
    while (!queue(pid, LAST))
        usleep(100);
    _exit(write(say, &n, sizeof n) == sizeof n ? 0 : 1);
}

// Signals that race with our stops: each one arrives, once, and in order.
static void test_signals(void)
{
    int end[2], sent[2], said[2] = {0}, n = -1;
    char ready;
    unsigned carried = 0, want = (unsigned)unit_times(20, 5000);
    pid_t pid = child(take_signals), sender;
    check(hear(&ready, 1) && pipe2(end, O_CLOEXEC) == 0 && pipe2(sent, O_CLOEXEC) == 0);
    fflush(stdout);
    if ((sender = fork()) == 0)
        send_signals(pid, end[0], sent[1]);
    bool stopped = true;
    for (uint64_t until = now() + 4 * plenty; stopped && carried < want && now() < until;) {
        struct tracee t;
        stopped = stop(pid, pid, plenty, &t) == 0;
        if (stopped) {
            carried += t.signal == SIGRTMIN;
            tracer_release(&t);
        }
    }
    check(stopped && carried == want);
    check(write(end[1], "e", 1) == 1 && read(sent[0], &n, sizeof n) == sizeof n && hear(said, sizeof said));
    check(said[0] == n && said[1] == 0);
    check(waitpid(sender, NULL, 0) == sender);
    check(soon(state_of(pid) == 'R') && tracer_of(pid) == 0);
    end_child(pid);
    for (int i = 0; i < 2; i++) {
        close(end[i]);
        close(sent[i]);
    }
}

// --- ends ----------------------------------------------------------------------------------------

static void *sleep_thread(void *arg)
{
    (void)arg;
    pid_t tid = (pid_t)syscall(SYS_gettid);
    tell(&tid, sizeof tid);
    sleep_on();
    return NULL;
}

static void with_thread(void)
{
    pthread_t id;
    pthread_create(&id, NULL, sleep_thread, NULL);
    sleep_on();
}

static void exec_on_word(void)
{
    char word;
    pthread_t id;
    pthread_create(&id, NULL, sleep_thread, NULL);
    if (read(to_child[0], &word, 1) == 1)
        execl("/bin/sleep", "sleep", "1000", (char *)NULL);
}

static void be_parent(void)
{
    int status;
    pid_t pid = sleeper();
    tell(&pid, sizeof pid);
    if (waitpid(pid, &status, 0) == pid)
        tell(&status, sizeof status);
    sleep_on();
}

static void test_ends(void)
{
    struct tracee t;
    CLEANUP_REGS struct regs r = {0};
    // Killed while it is held: its parent sees it as ever.
    pid_t parent = child(be_parent), pid = 0, tid;
    int status = 0;
    check(hear(&pid, sizeof pid) && stop(pid, pid, plenty, &t) == 0);
    kill(pid, SIGKILL);
    check(soon(state_of(pid) == 'Z'));
    check(tracer_regs(&t, 1, &r) == -1 && err_code() == ESRCH);
    tracer_release(&t);
    check(hear(&status, sizeof status) && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    check(fails_with(ESRCH, "no such", pid, pid, plenty));
    end_child(parent);

    // A thread that is held when its process executes a program: the exec is not kept waiting.
    pid = child(exec_on_word);
    check(hear(&tid, sizeof tid));
    check(stop(pid, tid, plenty, &t) == 0);
    check(write(to_child[1], "x", 1) == 1 && soon(state_of(tid) == 'Z' || state_of(tid) == 'X'));
    tracer_release(&t);
    check(soon(call_of(pid) == SYS_clock_nanosleep) && tracer_of(pid) == 0 && stop_and_go(pid, pid));
    check(fails_with(ESRCH, "no such", pid, tid, plenty));
    end_child(pid);

    // A number that is a thread of another process.
    pid = child(with_thread);
    check(hear(&tid, sizeof tid) && stop_and_go(pid, tid));
    check(fails_with(ESRCH, "no such", getpid(), tid, plenty) && soon(tracer_of(tid) == 0) && soon(state_of(tid) == 'S'));
    end_child(pid);
}

// --- refusals ------------------------------------------------------------------------------------

static void trace_parent_of_it(void)
{
    pid_t pid = getppid();
    char word = ptrace(PTRACE_SEIZE, pid, 0, 0) < 0 ? (char)errno : 0;
    tell(&word, 1);
    sleep_on();
}

static void trace_child(void)
{
    pid_t pid = sleeper();
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
        _exit(1);
    tell(&pid, sizeof pid);
    sleep_on();
}

static void test_refusals(void)
{
    pid_t pid = child(sleep_on), other;
    check(fails_with(EPERM, "this very process", getpid(), getpid(), plenty));
    kill(pid, SIGKILL);
    siginfo_t info;
    check(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
    check(fails_with(EPERM, "zombie", pid, pid, plenty));
    end_child(pid);

    pid = child(trace_child);
    check(hear(&other, sizeof other));
    char why[64];
    snprintf(why, sizeof why, "process %d (unit) traces it already", pid);
    check(fails_with(EPERM, why, other, other, plenty));
    end_child(pid);

    // Who traces us is refused before anything is done.
    pid = child(trace_parent_of_it);
    char code = 1;
    check(hear(&code, 1) && code == 0 && tracer_of(getpid()) == pid);
    usleep(2000); // for a millisecond nobody looks again who traces us
    check(fails_with(EPERM, "traces this command", pid, pid, plenty) && tracer_of(pid) == 0);
    end_child(pid);
    check(soon(tracer_of(getpid()) == 0));
}

// --- deadlines -----------------------------------------------------------------------------------

// The parent of a vfork child waits in the kernel until that one ends, here when its input does.
static void wait_in_vfork(void)
{
    close(to_child[1]);
    pid_t pid = vfork();
    if (pid == 0) {
        char word;
        syscall(SYS_read, to_child[0], &word, 1);
        _exit(0);
    }
    tell("v", 1);
    sleep_on();
}

static bool in_vfork(pid_t pid)
{
    return state_of(pid) == 'D' || (state_of(pid) == 'S' && call_of(pid) == SYS_vfork);
}

static void test_deadline(void)
{
    pid_t pid = child(wait_in_vfork);
    char word;
    check(soon(in_vfork(pid)));
    uint64_t start = now();
    check(fails_with(ETIMEDOUT, "did not stop within 100 ms", pid, pid, second / 10));
    check(now() - start >= second / 10);
    check(soon(in_vfork(pid)) && tracer_of(pid) == getpid());
    // Again, as who samples does.
    check(fails_with(ETIMEDOUT, "did not stop", pid, pid, second / 100) && tracer_of(pid) == getpid());
    // When it comes out it is let go at once, while we are blocked in a call.
    close(to_child[1]);
    to_child[1] = -1;
    check(hear(&word, 1) && word == 'v');
    check(soon(tracer_of(pid) == 0) && soon(state_of(pid) == 'S') && stop_and_go(pid, pid));
    end_child(pid);

    // It comes out in the middle of the next wait.
    pid = child(wait_in_vfork);
    check(soon(in_vfork(pid)) && fails_with(ETIMEDOUT, "", pid, pid, second / 100));
    close(to_child[1]);
    to_child[1] = -1;
    check(stop_and_go(pid, pid) && hear(&word, 1));
    end_child(pid);
}

// The same when we end: what the kernel does for us then.
static void time_out(void)
{
    pid_t pid;
    struct tracee t;
    if (read(to_child[0], &pid, sizeof pid) != sizeof pid)
        _exit(1);
    char code = stop(pid, pid, second / 50, &t) < 0 ? (char)err_code() : 0;
    tell(&code, 1);
}

static void test_end_of_tracer(void)
{
    pid_t pid = child(wait_in_vfork);
    int to[2] = {to_child[0], to_child[1]}, from[2] = {from_child[0], from_child[1]};
    char word;
    check(soon(in_vfork(pid)));
    pid_t tracer = child(time_out);
    check(write(to_child[1], &pid, sizeof pid) == sizeof pid && hear(&word, 1) && word == ETIMEDOUT);
    end_child(tracer);
    check(tracer_of(pid) == 0 && soon(in_vfork(pid)));
    close(to[1]);
    memcpy(from_child, from, sizeof from);
    check(hear(&word, 1) && word == 'v' && soon(call_of(pid) == SYS_pause) && state_of(pid) == 'S');
    to_child[0] = to[0];
    to_child[1] = -1;
    end_child(pid);
}

static void exec_later(void)
{
    char word;
    pthread_t id;
    pthread_create(&id, NULL, sleep_thread, NULL);
    if (read(to_child[0], &word, 1) == 1)
        execl("/bin/sleep", "sleep", "1000", (char *)NULL);
}

// A process in the middle of an exec that waits for another tracer: it cannot even be seized.
static void test_exec_in_the_way(void)
{
    pid_t pid = child(exec_later), tid;
    check(hear(&tid, sizeof tid));
    check(ptrace(PTRACE_SEIZE, tid, 0, 0) == 0); // as a tracer would that never looks
    sigset_t children, old;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, &old);
    check(write(to_child[1], "x", 1) == 1 && soon(state_of(tid) == 'Z'));
    check(soon(call_of(pid) == SYS_execve || state_of(pid) == 'D'));
    sigprocmask(SIG_SETMASK, &old, NULL);
    check(fails_with(ETIMEDOUT, "did not stop", pid, pid, second / 10));
    check(waitpid(tid, NULL, __WALL) == tid); // it goes on now
    check(soon(call_of(pid) == SYS_clock_nanosleep) && tracer_of(pid) == 0 && stop_and_go(pid, pid));
    end_child(pid);
}

static void *exec_thread(void *arg)
{
    char word;
    if (read(to_child[0], &word, 1) == 1)
        execl("/bin/sleep", "sleep", "1000", (char *)NULL);
    return arg;
}

// The first thread cannot stop, and another executes a program when it is told to: that one has its number then, and
// nobody hears of its end. A child of the child, or it would be ours to wait for under any thread.
static void exec_beside_vfork(void)
{
    pthread_t id;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pthread_create(&id, NULL, exec_thread, NULL);
        if (vfork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            sleep_on();
        }
        _exit(1);
    }
    tell(&pid, sizeof pid);
    sleep_on();
}

static void test_taken_number(void)
{
    pid_t parent = child(exec_beside_vfork), pid = 0, helper;
    check(hear(&pid, sizeof pid) && soon(in_vfork(pid)));
    fflush(stdout);
    if ((helper = fork()) == 0)
        _exit(soon(tracer_of(pid) == getppid()) && write(to_child[1], "x", 1) == 1 ? 0 : 1);
    check(fails_with(ESRCH, "no such thread", pid, pid, plenty));
    int status;
    check(waitpid(helper, &status, 0) == helper && status == 0);
    check(soon(call_of(pid) == SYS_clock_nanosleep) && tracer_of(pid) == 0 && stop_and_go(pid, pid));
    kill(pid, SIGKILL); // PR_SET_PDEATHSIG was of the thread that is gone
    end_child(parent);
}

// --- registers changed in a system call -----------------------------------------------------------

#ifdef __x86_64__

struct outcome {
    long result;
    uint64_t r12; // 12, unless it was changed
    uint64_t rbx; // 0, unless the instruction behind the call was skipped
    uint64_t start, took;
};

// The instruction behind the call has two bytes.
static struct outcome call(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    struct outcome o;
    o.start = now();
    register uint64_t r10 __asm__("r10") = d;
    __asm__ volatile("movl $12, %%r12d\n\tmovl $7, %%ebx\n\tsyscall\n\txorl %%ebx, %%ebx\n\t"
                     "movq %%rbx, %1\n\tmovq %%r12, %2"
                     : "=a"(o.result), "=m"(o.rbx), "=m"(o.r12)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rbx", "rcx", "r11", "r12", "memory", "cc");
    o.took = now() - o.start;
    return o;
}

static int which, pipe_end, wait_ms;

static void make_call(void)
{
    static struct outcome o;
    const struct timespec wait = {wait_ms / 1000, wait_ms % 1000 * 1000000l};
    struct pollfd p = {.fd = pipe_end, .events = POLLIN};
    struct epoll_event event;
    static uint32_t word = 1;
    char byte;
    int epoll = epoll_create1(0);
    switch (which) {
    case 0:
        o = call(SYS_nanosleep, (uintptr_t)&wait, 0, 0, 0);
        break;
    case 1:
        o = call(SYS_poll, (uintptr_t)&p, 1, (uint64_t)wait_ms, 0);
        break;
    case 2:
        o = call(SYS_futex, (uintptr_t)&word, FUTEX_WAIT, 1, (uintptr_t)&wait);
        break;
    case 3:
        o = call(SYS_read, (uintptr_t)pipe_end, (uintptr_t)&byte, 1, 0);
        break;
    default:
        o = call(SYS_epoll_wait, (uintptr_t)epoll, (uintptr_t)&event, 1, (uint64_t)wait_ms);
    }
    tell(&o, sizeof o);
    sleep_on();
}

static const struct waiting {
    long number, result; // what the untouched call returns in the end
    bool waits;          // for a time; else until a byte comes
} calls[] = {{SYS_nanosleep, 0, true}, {SYS_poll, 0, true}, {SYS_futex, -ETIMEDOUT, true}, {SYS_read, 1, false},
             {SYS_epoll_wait, -EINTR, false}}; // epoll_wait(2) ends with any stop (signal(7)): there is no restart

struct edit {
    const char *name;
    int64_t value;   // added, where the register is pc
};

static int change(struct regs *r, unsigned *changed, void *arg)
{
    const struct edit *e = arg;
    const struct reg *reg = reg_find(e->name, strlen(e->name));
    unsigned char bytes[REG_BYTES_MAX] = {0}, found[REG_BYTES_MAX];
    static uint64_t value;
    if (changed) {
        value = (uint64_t)e->value + (strcmp(e->name, "pc") == 0 ? reg_pc(r) : 0);
        *changed = 1u << REGS_GP;
    }
    memcpy(bytes, &value, sizeof value);
    if (changed)
        return reg_put(r, reg, bytes);
    return reg_get(r, reg, found) < 0 || memcmp(found, bytes, reg->size) != 0 ? -1 : 0; // what stands there now
}

static int refuse(struct regs *r, unsigned *changed, void *arg)
{
    struct edit rax = {"rax", 1};
    (void)arg;
    return change(r, changed, &rax) < 0 ? -1 : 7;
}

// What EDIT returns.
static int edit_in(pid_t pid, int (*edit)(struct regs *r, unsigned *changed, void *arg), void *arg)
{
    struct procs ps;
    struct target *t = NULL;
    const struct operand operand = {.id = {.pid = pid}};
    const struct target_options options = {.max_stop = plenty};
    int done = -1;
    if (procs_open(&ps) < 0)
        return -1;
    if (target_open(&ps, &operand, &options, &t) == 0) {
        done = target_edit_regs(t, pid, 1u << REGS_GP, edit, arg);
        target_close(t);
    }
    procs_close(&ps);
    return done;
}

// The register NAME of a thread changed that makes call I, which waits for MS milliseconds. *LATE: whether it took
// as long as one that begins anew would.
static struct outcome changed_call(int i, int ms, const char *name, int64_t value, bool *late)
{
    struct edit e = {name, value};
    struct outcome o = {.result = -9999};
    int wake[2];
    if (pipe2(wake, O_CLOEXEC) < 0)
        return o;
    which = i;
    wait_ms = ms;
    pipe_end = wake[0];
    pid_t pid = child(make_call);
    check(soon(call_of(pid) == calls[i].number));
    if (late)
        usleep((unsigned)ms * 200); // a part of the time
    uint64_t changed = now();
    check(edit_in(pid, change, &e) == 0);
    if (late && !calls[i].waits)
        check(write(wake[1], "x", 1) == 1);
    check(hear(&o, sizeof o));
    if (late)
        *late = o.start + o.took >= changed + (uint64_t)ms * 1000000;
    end_child(pid);
    close(wake[0]);
    close(wake[1]);
    return o;
}

static void test_calls(void)
{
    const int hour = 3600 * 1000;
    for (int i = 0; i < (int)ARRAY_LEN(calls); i++) {
        // Another register: the call goes on, for the time that is left. On a busy machine it may be over before it is
        // changed, or wake up late: then once more.
        struct outcome o;
        int ms = 200;
        bool late;
        do {
            o = changed_call(i, ms, "r12", 99, &late);
            check(o.result == calls[i].result && o.rbx == 0 && (!calls[i].waits || o.took >= (uint64_t)ms * 1000000));
            ms *= 2;
        } while (calls[i].waits && ms < 20000 && (o.r12 != 99 || late));
        check(o.r12 == 99 && (!calls[i].waits || !late));
        // The result: the call is over, and this is it.
        o = changed_call(i, hour, "rax", 77, NULL);
        check(o.result == 77 && o.r12 == 12 && o.rbx == 0);
        o = changed_call(i, hour, "rax", -514, NULL); // ERESTARTNOHAND, as if it were to be restarted
        check(o.result == -514);
        // The program counter: it goes on there.
        o = changed_call(i, hour, "pc", 2, NULL);
        check(o.rbx == 7 && o.r12 == 12);
    }
}

// What the kernel refuses changes nothing, though registers before it in its order were taken.
static void test_refused_values(void)
{
    static const struct edit bad[] = {{"cs", 0x30}, {"fs_base", -1}, {"gs_base", -1}, {"ss", 0}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct outcome o = {0};
        which = 0;
        wait_ms = 300;
        pid_t pid = child(make_call);
        check(soon(call_of(pid) == SYS_nanosleep));
        struct edit e = bad[i];
        check(edit_in(pid, refuse, NULL) == 7);
        check(edit_in(pid, change, &e) == -1 && err_code() != ESRCH);
        check(strstr(err_text(), "refuses a value of its gp registers"));
        check(hear(&o, sizeof o) && o.result == 0 && o.r12 == 12 && o.rbx == 0);
        end_child(pid);
    }
}

#else

static void test_calls(void)
{
}

static void test_refused_values(void)
{
}

#endif

void test_tracer(void)
{
    test_stops();
    test_signals();
    test_ends();
    test_refusals();
    test_deadline();
    test_end_of_tracer();
    test_exec_in_the_way();
    test_taken_number();
    test_calls();
    test_refused_values();
}
