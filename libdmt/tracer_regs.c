// SPDX-License-Identifier: MIT
//
// The register sets of a stopped thread, out and in.
#include "err.h"
#include "tracer.h"

#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

static int cannot_read(int code, enum reg_set set)
{
    if (code == ESRCH)
        return err_set(ESRCH, "no such thread");
    errno = code;
    return err_sys("cannot read its %s registers", reg_set_names[set]);
}

static int cannot_write(int code, enum reg_set set)
{
    if (code == ESRCH)
        return err_set(ESRCH, "no such thread");
    return err_set(EPERM, "the kernel refuses a value of its %s registers: %s", reg_set_names[set], strerror(code));
}

static int peek(pid_t tid, size_t at, long *ret)
{
    errno = 0;
    *ret = ptrace(PTRACE_PEEKUSER, tid, at, 0);
    return errno;
}

static int get_set(pid_t tid, enum reg_set set, struct buf *to)
{
    const struct reg_source source = reg_source(set);
    if (!source.note) {
        int code = 0;
        for (size_t at = 0; !code && at < source.size; at += sizeof(long)) {
            long word;
            code = peek(tid, source.user + at, &word);
            buf_add(to, &word, sizeof word);
        }
        return code;
    }
    struct iovec iov = {buf_room(to, source.size), source.size};
    if (!iov.iov_base)
        return ENOMEM;
    if (ptrace(PTRACE_GETREGSET, tid, source.note, &iov) < 0)
        return errno;
    to->len += iov.iov_len;
    return 0;
}

int tracer_regs(const struct tracee *t, unsigned sets, struct regs *ret)
{
    // The kernel gives the registers of the mode that the thread is in: how many bytes tells which it is.
    _Alignas(8) char gp[1024];
    struct iovec iov = {gp, sizeof gp};
    if (ptrace(PTRACE_GETREGSET, t->tid, reg_source(REGS_GP).note, &iov) < 0)
        return cannot_read(errno, REGS_GP);
    if (iov.iov_len != reg_source(REGS_GP).size)
        return err_set(ENOTSUP, "it is a 32-bit thread: its registers are not known here");
    ret->have = 0;
    for (unsigned i = 0; i < REG_SETS; i++) {
        struct buf *to = &ret->set[i];
        buf_reset(to);
        if (!(sets >> i & 1))
            continue;
        int code = 0;
        if (i == REGS_GP)
            buf_add(to, gp, iov.iov_len);
        else
            code = get_set(t->tid, (enum reg_set)i, to);
        if (code == ENODEV || code == EINVAL || code == EIO)
            continue; // this machine or kernel has no such set
        if (code)
            return cannot_read(code, (enum reg_set)i);
        if (buf_ok(to) < 0)
            return -1;
        ret->have |= 1u << i;
    }
    return 0;
}

/*
 * A set of words in struct user: the debug registers of x86_64, of which the last is the control register. The
 * kernel checks an address against the length that the control register gives, so that one is cleared first. Words
 * that are as they should be are left alone: not all of them exist.
 */
static int set_user(pid_t tid, const struct reg_source *source, const struct buf *from)
{
    const size_t control = source->user + source->size - sizeof(long);
    int code = ptrace(PTRACE_POKEUSER, tid, control, 0) < 0 ? errno : 0;
    for (size_t at = 0; !code && at < source->size; at += sizeof(long)) {
        long old, word;
        memcpy(&word, from->data + at, sizeof word);
        code = peek(tid, source->user + at, &old);
        if (!code && word != old && ptrace(PTRACE_POKEUSER, tid, source->user + at, word) < 0)
            code = errno;
    }
    return code;
}

static int set_set(pid_t tid, enum reg_set set, const struct buf *from)
{
    const struct reg_source source = reg_source(set);
    if (!source.note)
        return from->len < source.size ? EINVAL : set_user(tid, &source, from);
    struct iovec iov = {from->data, from->len};
    return ptrace(PTRACE_SETREGSET, tid, source.note, &iov) < 0 ? errno : 0;
}

int tracer_set_regs(const struct tracee *t, unsigned sets, const struct regs *r)
{
    for (unsigned i = 0; i < REG_SETS; i++) {
        int code = sets >> i & 1 ? set_set(t->tid, (enum reg_set)i, &r->set[i]) : 0;
        if (code)
            return cannot_write(code, (enum reg_set)i);
    }
    return 0;
}
