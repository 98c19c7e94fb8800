// SPDX-License-Identifier: MIT
//
// The parent's end, and the child's loop. The parent never waits without a limit, and believes nothing.
#include "err.h"
#include "sandbox_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

struct sandbox {
    struct sandbox_job job;
    pid_t pid; // 0: it is dead and reaped
    bool late;
    int socket;
    clockid_t clock;        // its CPU time
    uint64_t bytes;         // of the files that it has
    uint64_t started, waited; // nanoseconds: its clock at the question, and how long we waited for it since
    struct buf message;
    char about[256];
};

#ifdef __SANITIZE_ADDRESS__
enum { SLOWER = 5, SANITIZED = true };
#else
enum { SLOWER = 1, SANITIZED = false };
#endif
enum { SECOND = 1000000000, BYTES_A_SECOND = 8 << 20, WAIT_FACTOR = 10, SEND_SECONDS = 10 };
static const uint64_t address_space = 2ULL << 30;

// --- the child -----------------------------------------------------------------

static int next_question(struct buf *question, int *file)
{
    struct sandbox_head head = {.more = 1};
    buf_reset(question);
    *file = -1;
    for (bool first = true; head.more; first = false) {
        int got = sandbox_receive(SANDBOX_SOCKET, &head, question, first ? file : NULL);
        if (got <= 0)
            return -1;
    }
    return 0;
}

static bool answered; // the parent waits no longer

static _Noreturn void serve(const struct sandbox_job *job, pid_t parent)
{
    struct buf question = {0};
    int file;
    bool locked = sandbox_lock(parent) == 0;
    while (next_question(&question, &file) == 0) {
        answered = false;
        int done = locked ? job->work(question.data, question.len, file, job->arg) : -1;
        const char *text = done < 0 ? err_text() : "";
        if (!answered &&
            sandbox_send(SANDBOX_SOCKET, SANDBOX_DONE, done < 0 ? err_code() : 0, text, strlen(text), -1) < 0)
            break;
    }
    _exit(0);
}

static int send_answer(const struct buf *answer, enum sandbox_kind kind)
{
    if (buf_ok(answer) < 0)
        return -1;
    if (sandbox_send(SANDBOX_SOCKET, kind, 0, answer->data, answer->len, -1) < 0)
        return err_sys("cannot answer");
    return 0;
}

int sandbox_answer(const struct buf *answer)
{
    return send_answer(answer, SANDBOX_ANSWER);
}

int sandbox_answer_last(const struct buf *answer)
{
    int done = send_answer(answer, SANDBOX_LAST);
    answered = done == 0;
    return done;
}

int sandbox_want(const struct buf *request, int *ret)
{
    CLEANUP_BUF struct buf reason = {0};
    struct sandbox_head head;
    int file = -1;
    if (buf_ok(request) < 0)
        return -1;
    if (sandbox_send(SANDBOX_SOCKET, SANDBOX_WANT, 0, request->data, request->len, -1) < 0 ||
        sandbox_receive(SANDBOX_SOCKET, &head, &reason, &file) <= 0)
        return err_sys("cannot ask for a file");
    if (head.code != 0 || file < 0)
        return err_set(head.code ? head.code : EIO, "%.*s", (int)reason.len, reason.data ? reason.data : "");
    *ret = file;
    return 0;
}

// --- the parent ----------------------------------------------------------------

int sandbox_start(const struct sandbox_job *job, struct sandbox **ret)
{
    struct sandbox *s = calloc(1, sizeof *s);
    int ends[2];
    if (!s)
        return err_set(ENOMEM, "out of memory");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
        free(s);
        return err_sys("cannot make a socket");
    }
    // Who starts us may have ignored it: then nobody could be waited for.
    struct sigaction chld;
    if (sigaction(SIGCHLD, NULL, &chld) == 0 && chld.sa_handler == SIG_IGN)
        (void)signal(SIGCHLD, SIG_DFL);
    s->job = *job;
    pid_t parent = getpid();
    s->pid = fork();
    if (s->pid < 0) {
        (void)err_sys("cannot fork");
        close(ends[0]);
        close(ends[1]);
        free(s);
        return -1;
    }
    if (s->pid == 0) {
        if (ends[1] != SANDBOX_SOCKET && dup3(ends[1], SANDBOX_SOCKET, O_CLOEXEC) < 0)
            _exit(1);
        serve(&s->job, parent);
    }
    close(ends[1]);
    s->socket = ends[0];
    const struct timeval limit = {SEND_SECONDS * SLOWER, 0}; // who does not read does not hold us either
    (void)setsockopt(s->socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    (void)clock_getcpuclockid(s->pid, &s->clock);
    *ret = s;
    return 0;
}

// Its wait status, or -1.
static int reap(struct sandbox *s)
{
    int status = -1;
    if (s->pid == 0)
        return -1;
    (void)kill(s->pid, SIGKILL); // not yet waited for: the number is still its own
    while (waitpid(s->pid, &status, __WALL) < 0 && errno == EINTR)
        ;
    s->pid = 0;
    close(s->socket);
    return status;
}

void sandbox_end(struct sandbox *s)
{
    if (!s)
        return;
    (void)reap(s);
    buf_fini(&s->message);
    free(s);
}

bool sandbox_alive(const struct sandbox *s)
{
    return s->pid != 0;
}

bool sandbox_was_late(const struct sandbox *s)
{
    return s->late;
}

void sandbox_about(struct sandbox *s, const char *file)
{
    size_t n = strnlen(file, sizeof s->about - 1);
    memcpy(s->about, file, n);
    s->about[n] = '\0';
}

static int died(struct sandbox *s)
{
    int status = reap(s);
    const char *on = s->about[0] ? " on " : "";
    if (status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return err_set(EIO, "the %s tried what it may not do%s%s, and was killed", s->job.parser, on, s->about);
    if (status != -1 && WIFSIGNALED(status))
        return err_set(EIO, "the %s crashed%s%s (signal %d)", s->job.parser, on, s->about, WTERMSIG(status));
    return err_set(EIO, "the %s ended%s%s before its answer", s->job.parser, on, s->about);
}

static int broke(struct sandbox *s)
{
    (void)reap(s);
    return err_set(EIO, "the %s answered nonsense%s%s", s->job.parser, s->about[0] ? " on " : "", s->about);
}

static uint64_t nanoseconds(clockid_t clock)
{
    struct timespec t = {0};
    (void)clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

// More files: more time, and more room to map them.
static void add_budget(struct sandbox *s, int file)
{
    struct stat st;
    if (file < 0 || fstat(file, &st) < 0 || st.st_size <= 0)
        return;
    s->bytes += (uint64_t)st.st_size;
    struct rlimit space = {address_space + s->bytes, RLIM_INFINITY};
    if (s->bytes > address_space / 8 && !SANITIZED) {
        struct rlimit now;
        if (prlimit(s->pid, RLIMIT_AS, NULL, &now) == 0 && now.rlim_max >= space.rlim_cur) {
            space.rlim_max = now.rlim_max;
            (void)prlimit(s->pid, RLIMIT_AS, &space, NULL);
        }
    }
}

// Waits until there is something to receive. -1: it took too long, and is dead.
static int await(struct sandbox *s)
{
    const uint64_t seconds = SLOWER * (1 + s->bytes / BYTES_A_SECOND), limit = seconds * SECOND;
    struct pollfd p = {.fd = s->socket, .events = POLLIN};
    for (;;) {
        uint64_t used = nanoseconds(s->clock) - s->started;
        if (used >= limit || s->waited >= WAIT_FACTOR * limit)
            break;
        uint64_t left = limit - used, start = nanoseconds(CLOCK_MONOTONIC);
        if (left > SECOND)
            left = SECOND;
        int got = poll(&p, 1, (int)(left / 1000000) + 1);
        s->waited += nanoseconds(CLOCK_MONOTONIC) - start;
        if (got > 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return err_sys("cannot wait for the %s", s->job.parser);
    }
    (void)reap(s);
    s->late = true;
    return err_set(EIO, "the %s took longer than %llu s%s%s", s->job.parser, (unsigned long long)seconds,
                   s->about[0] ? " on " : "", s->about);
}

static int next_message(struct sandbox *s, struct sandbox_head *head)
{
    uint8_t kind = 0;
    buf_reset(&s->message);
    do {
        if (await(s) < 0)
            return -1;
        int got = sandbox_receive(s->socket, head, &s->message, NULL);
        if (got < 0 && errno == ENOMEM) {
            (void)reap(s); // the rest of the message would be taken for another
            return err_set(ENOMEM, "out of memory");
        }
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            return died(s);
        if (got < 0 || (kind && head->kind != kind))
            return broke(s);
        kind = head->kind;
    } while (head->more);
    return 0;
}

static int grant(struct sandbox *s)
{
    CLEANUP_CLOSE int file = -1;
    int code = 0;
    if (!s->job.open || s->message.len > SANDBOX_REQUEST_MAX)
        return broke(s);
    if (s->job.open(s->message.data, s->message.len, s->job.arg, &file) < 0)
        code = err_code() ? err_code() : EACCES;
    add_budget(s, file);
    const char *reason = code ? err_text() : "";
    return sandbox_send(s->socket, SANDBOX_FILE, code, reason, strlen(reason), file) < 0 ? died(s) : 0;
}

static int ask(struct sandbox *s, const struct buf *question, int file,
               int (*row)(const char *answer, size_t n, void *arg), void *arg)
{
    struct sandbox_head head;
    if (sandbox_send(s->socket, SANDBOX_QUESTION, 0, question->data, question->len, file) < 0)
        return died(s);
    for (;;) {
        int done = next_message(s, &head);
        if (done < 0)
            return -1;
        switch (head.kind) {
        case SANDBOX_ANSWER:
        case SANDBOX_LAST:
            done = row(s->message.data, s->message.len, arg);
            if (done == 0 && head.kind == SANDBOX_LAST)
                return 0;
            break;
        case SANDBOX_WANT:
            done = grant(s);
            break;
        case SANDBOX_DONE:
            if (head.code == 0)
                return 0;
            // Those two would be understood as the command line's fault, or the target's.
            return err_set(head.code == EINVAL || head.code == ESRCH ? EPERM : head.code, "%.*s",
                           (int)(s->message.len < 512 ? s->message.len : 512), s->message.data);
        default:
            done = broke(s);
        }
        if (done != 0) {
            (void)reap(s); // it would go on answering
            return done;
        }
    }
}

int sandbox_ask(struct sandbox *s, const struct buf *question, int file,
                int (*row)(const char *answer, size_t n, void *arg), void *arg)
{
    if (!sandbox_alive(s))
        return err_set(EIO, "the %s has ended", s->job.parser);
    if (buf_ok(question) < 0)
        return -1;
    if (question->len > SANDBOX_MESSAGE_MAX)
        return err_set(EFBIG, "too much to ask at once");
    if (!s->job.keeps)
        s->bytes = 0;
    s->waited = 0;
    add_budget(s, file);
    s->started = nanoseconds(s->clock);
    return ask(s, question, file, row, arg);
}
