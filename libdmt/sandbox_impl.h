// SPDX-License-Identifier: MIT
//
// Private to sandbox: the packets between the two ends, and the lock.
#ifndef DMT_SANDBOX_IMPL_H
#define DMT_SANDBOX_IMPL_H

#include "sandbox.h"

enum { SANDBOX_SOCKET = 3 }; // in the child

// SANDBOX_LAST is an answer and SANDBOX_DONE.
enum sandbox_kind { SANDBOX_QUESTION = 1, SANDBOX_ANSWER, SANDBOX_WANT, SANDBOX_FILE, SANDBOX_DONE, SANDBOX_LAST };

/** The head of a packet. A message is one or more of them, `more` in all but the last. */
struct sandbox_head {
    uint8_t kind, more;
    uint16_t zero;
    int32_t code; // SANDBOX_FILE, SANDBOX_DONE: 0 or the errno code of the error that the bytes spell
};

enum { SANDBOX_PACKET_MAX = 32768 };

/** Sends a message, FILE (-1: none) with its first packet. -1: errno says why. */
int sandbox_send(int socket, enum sandbox_kind kind, int code, const char *bytes, size_t n, int file);

/**
 * Receives one packet: appends its bytes to MESSAGE. FILE (NULL: none is taken) gets a descriptor that came with it, or
 * -1. 1; 0 at the end of the stream; -1 with errno, EPROTO where it is no packet of ours.
 */
int sandbox_receive(int socket, struct sandbox_head *head, struct buf *message, int *file);

/** Gives up every right that is not needed, for ever. -1: what could not be given up. */
NODISCARD int sandbox_lock(pid_t parent);

/** The seccomp filter; the last step. */
NODISCARD int sandbox_lock_calls(void);

#endif
