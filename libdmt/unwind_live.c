// SPDX-License-Identifier: MIT
//
// The other way: libunwind-ptrace, with accessors of its own, while the thread is held. A process of ours holds it:
// foreign files are parsed there with all our rights, but what they break is that process, and with its end the kernel
// lets the thread go on.
#include "clock.h"
#include "err.h"
#include "io.h"
#include "unwind_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <libunwind-ptrace.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { SECONDS = 30 };

static void put_frames(struct buf *out, pid_t tid, size_t max)
{
    CLEANUP_BUF struct buf frames = {0};
    unw_addr_space_t as = unw_create_addr_space(&_UPT_accessors, 0);
    void *upt = as ? _UPT_create(tid) : NULL;
    unw_cursor_t c;
    uint32_t n = 0;
    int done = upt ? unw_init_remote(&c, as, upt) : -UNW_ENOMEM;
    bool exact = true;
    if (done == 0)
        for (done = 1; done > 0 && n < max; n++) {
            unw_word_t pc = 0, sp = 0;
            if (unw_get_reg(&c, UNW_REG_IP, &pc) < 0)
                pc = 0;
            if (pc == 0 && n > 0)
                break;
            exact = exact || unw_is_signal_frame(&c) > 0;
            packet_put_u64(&frames, pc);
            done = unw_step(&c);
            if (done <= 0 || unw_get_reg(&c, UNW_REG_SP, &sp) < 0)
                sp = 0;
            packet_put_u64(&frames, sp);
            packet_put_u64(&frames, 0);
            packet_put_u8(&frames, n == 0 ? HOW_REG : HOW_LIVE);
            packet_put_u8(&frames, exact ? UNWIND_EXACT : 0);
            exact = done > 0 && unw_is_signal_frame(&c) > 0;
        }
    const char *why = done < 0 ? unw_strerror(done) : NULL;
    packet_put_u8(out, done < 0 ? UNWIND_BROKEN : done > 0 && n >= max ? UNWIND_ENOUGH : UNWIND_WHOLE);
    packet_put_str(out, why, why ? strlen(why) : 0);
    packet_put_u32(out, n);
    buf_add(out, frames.data, frames.len);
}

static void hold(struct target *t, pid_t tid, size_t max, struct buf *out)
{
    struct tracee tracee;
    bool stopped = target_stop(t, tid, &tracee) == 0;
    packet_put_u32(out, stopped ? 0 : (uint32_t)err_code());
    if (!stopped) {
        packet_put_str(out, err_text(), strlen(err_text()));
        return;
    }
    const uint64_t since = tracee.since;
    CLEANUP_BUF struct buf frames = {0};
    put_frames(&frames, tid, max);
    tracer_release(&tracee);
    packet_put_str(out, NULL, 0);
    packet_put_u64(out, clock_now() - since);
    buf_add(out, frames.data, frames.len);
}

static _Noreturn void work(struct target *t, pid_t tid, uint64_t max_stop, size_t max, int to, pid_t parent)
{
    CLEANUP_BUF struct buf out = {0};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        _exit(1);
    (void)signal(SIGALRM, SIG_DFL);
    alarm(SECONDS + (unsigned)(max_stop / 1000000000));
    hold(t, tid, max, &out);
    for (size_t done = 0; done < out.len;) {
        ssize_t put = write(to, out.data + done, out.len - done);
        if (put <= 0)
            _exit(1);
        done += (size_t)put;
    }
    _exit(0);
}

static int take(const struct buf *bytes, uint64_t *pause, size_t max, int (*fn)(const struct unwound *, void *),
                void *arg)
{
    struct packet p = packet_of(bytes->data, bytes->len);
    uint32_t code = packet_u32(&p);
    const char *why = packet_str(&p);
    if (!p.bad && code)
        return err_set((int)code, "%s", why ? why : "");
    *pause = packet_u64(&p);
    struct unwound stack = {.end = (enum unwind_end)packet_u8(&p), .reason = packet_str(&p)};
    uint32_t n = packet_u32(&p);
    if (p.bad || n > max || stack.end > UNWIND_STRAY || (stack.end >= UNWIND_BROKEN && !stack.reason))
        return err_set(EIO, "libunwind-ptrace crashed, or took too long");
    CLEANUP_FREE struct frame *frames = calloc(n + 1UL, sizeof *frames);
    if (!frames)
        return err_set(ENOMEM, "out of memory");
    for (uint32_t i = 0; i < n; i++) {
        frames[i].pc = packet_u64(&p);
        frames[i].cfa = packet_u64(&p);
        (void)packet_u64(&p);
        frames[i].how = packet_u8(&p) == HOW_REG ? HOW_REG : HOW_LIVE;
        frames[i].exact = packet_u8(&p) & UNWIND_EXACT;
    }
    stack.frames = frames;
    stack.n = n;
    return fn(&stack, arg);
}

int unwind_live(struct target *t, pid_t tid, uint64_t max_stop, size_t max, uint64_t *pause,
                int (*fn)(const struct unwound *stack, void *arg), void *arg)
{
    CLEANUP_BUF struct buf bytes = {0};
    int ends[2];
    if (target_is_core(t))
        return err_set(ENOTSUP, "not possible on a core file");
    if (max > UNWIND_FRAMES_MAX)
        max = UNWIND_FRAMES_MAX;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys("cannot make a pipe");
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        work(t, tid, max_stop, max, ends[1], parent);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return err_sys("cannot fork");
    }
    for (ssize_t got = 1; got > 0;) { // it has an end to its time
        char *room = buf_room(&bytes, 1 << 16);
        got = room ? io_read(ends[0], room, 1 << 16) : 0;
        bytes.len += got > 0 ? (size_t)got : 0;
    }
    close(ends[0]);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return take(&bytes, pause, max, fn, arg);
}
