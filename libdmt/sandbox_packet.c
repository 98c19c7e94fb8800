// SPDX-License-Identifier: MIT
#include "err.h"
#include "sandbox_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int sandbox_send(int socket, enum sandbox_kind kind, int code, const char *bytes, size_t n, int file)
{
    for (size_t sent = 0;;) {
        size_t part = n - sent;
        if (part > SANDBOX_PACKET_MAX - sizeof(struct sandbox_head))
            part = SANDBOX_PACKET_MAX - sizeof(struct sandbox_head);
        struct sandbox_head head = {.kind = (uint8_t)kind, .more = sent + part < n, .code = code};
        struct iovec iov[2] = {{&head, sizeof head}, {(char *)(uintptr_t)bytes + sent, part}};
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = part > 0 ? 2 : 1};
        union {
            struct cmsghdr head;
            char room[CMSG_SPACE(sizeof(int))];
        } control = {0};
        if (file >= 0) {
            msg.msg_control = &control;
            msg.msg_controllen = sizeof control.room;
            control.head = (struct cmsghdr){CMSG_LEN(sizeof file), SOL_SOCKET, SCM_RIGHTS};
            memcpy(CMSG_DATA(&control.head), &file, sizeof file);
            file = -1;
        }
        ssize_t put;
        do
            put = sendmsg(socket, &msg, MSG_NOSIGNAL);
        while (put < 0 && errno == EINTR);
        if (put < 0)
            return -1;
        sent += part;
        if (sent == n)
            return 0;
    }
}

// The descriptors of a message: one is taken, what else there may be is closed.
static int take_file(struct msghdr *msg)
{
    int file = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++) {
            if (file >= 0)
                close(file);
            memcpy(&file, CMSG_DATA(c) + i * sizeof file, sizeof file);
        }
    }
    return file;
}

int sandbox_receive(int socket, struct sandbox_head *head, struct buf *message, int *file)
{
    char *room = buf_room(message, SANDBOX_PACKET_MAX);
    if (!room) {
        errno = ENOMEM;
        return -1;
    }
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov[2] = {{head, sizeof *head}, {room, SANDBOX_PACKET_MAX - sizeof *head}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    if (file) {
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control;
        *file = -1;
    }
    ssize_t got;
    do // without room for descriptors the kernel drops those that are sent
        got = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return (int)got;
    if (file)
        *file = take_file(&msg);
    if ((size_t)got < sizeof *head || (msg.msg_flags & MSG_TRUNC) || head->zero != 0 ||
        message->len > SANDBOX_MESSAGE_MAX) {
        errno = EPROTO;
        return -1;
    }
    message->len += (size_t)got - sizeof *head;
    return 1;
}

struct packet packet_of(const char *bytes, size_t n)
{
    return (struct packet){bytes, n, false};
}

static const char *take(struct packet *p, size_t n)
{
    if (p->bad || n > p->left) {
        p->bad = true;
        return NULL;
    }
    const char *at = p->at;
    p->at += n;
    p->left -= n;
    return at;
}

#define PACKET_NUMBER(type, name)                                                                             \
    type##_t packet_##name(struct packet *p)                                                                  \
    {                                                                                                         \
        type##_t v = 0;                                                                                       \
        const char *at = take(p, sizeof v);                                                                   \
        if (at)                                                                                               \
            memcpy(&v, at, sizeof v);                                                                         \
        return v;                                                                                             \
    }                                                                                                         \
    void packet_put_##name(struct buf *b, type##_t v)                                                         \
    {                                                                                                         \
        buf_add(b, &v, sizeof v);                                                                             \
    }
PACKET_NUMBER(uint64, u64)
PACKET_NUMBER(uint32, u32)
PACKET_NUMBER(uint8, u8)

// A length, which counts the zero byte at the end; 0: no string.
const char *packet_str(struct packet *p)
{
    uint32_t n = packet_u32(p);
    if (n == 0)
        return NULL;
    const char *at = take(p, n);
    if (!at || at[n - 1] != '\0') {
        p->bad = true;
        return "";
    }
    return at;
}

void packet_put_str(struct buf *b, const char *s, size_t n)
{
    packet_put_u32(b, s ? (uint32_t)n + 1 : 0);
    if (s) {
        buf_add(b, s, n);
        buf_byte(b, '\0');
    }
}
