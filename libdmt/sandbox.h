// SPDX-License-Identifier: MIT
//
// A parser of files that strangers wrote, in a child that can do nothing but read what it is handed and answer: no
// files, no network, no signals, no other process, no program, an end to its memory and time. Questions go
// down a socket, answers come up; files that it finds it needs it asks for, and the parent decides.
//
//     parent                              child (locked in)
//     sandbox_ask(question, file)  ---->  job.work(question, file)
//     job.open(request)            <----    sandbox_want(request)
//     row(answer), ...             <----    sandbox_answer(answer), ...
//     0, or -1 and the child's error <--    returns 0, or -1 with the thread's error
//
// What comes up is a stranger's text as much as the file was: the reader of answers checks it (struct packet).
#ifndef DMT_SANDBOX_H
#define DMT_SANDBOX_H

#include "buf.h"

enum {
    SANDBOX_MESSAGE_MAX = 16 << 20, // bytes of one question or answer
    SANDBOX_REQUEST_MAX = 4096,     // bytes of a request for a file
};

struct sandbox; // the parent's end

struct sandbox_job {
    const char *parser; // `ELF parser`, for messages

    /** In the child, for each question. FILE is its to close, -1: none. What it returns ends the question. */
    int (*work)(const char *question, size_t n, int file, void *arg);

    /** In the parent: a file that the child asks for. -1: not granted, for the reason of the thread's error. */
    int (*open)(const char *request, size_t n, void *arg, int *ret);
    void *arg;
    bool keeps;         // its files stay open from one question to the next: their size counts for all that follow
};

/**
 * Starts the child. JOB is copied. -1: no more processes. That it could not be locked in (a kernel without seccomp)
 * is the answer to its first question.
 */
NODISCARD int sandbox_start(const struct sandbox_job *job, struct sandbox **ret);

/** Kills it. NULL is allowed. */
void sandbox_end(struct sandbox *s);

/** The name of the file that is being parsed, for messages. Copied. */
void sandbox_about(struct sandbox *s, const char *file);

/**
 * Asks, hands FILE over (-1: none; it stays ours too), and calls ROW for each answer; bytes, valid during the call.
 * Its other return values than 0 end it and are returned. -1 with the child's own error; EIO it crashed, broke the
 * protocol, or took longer than the size of its files allows (1 s of CPU time and one more for each 32 MiB, ten
 * times that of waiting). After anything but 0 and an error of its own the child is dead: sandbox_alive says so.
 */
NODISCARD int sandbox_ask(struct sandbox *s, const struct buf *question, int file,
                          int (*row)(const char *answer, size_t n, void *arg), void *arg);
bool sandbox_alive(const struct sandbox *s);
bool sandbox_was_late(const struct sandbox *s); // it is dead since it took longer

// --- in the child, while it works ------------------------------------------------

/** -1: nobody listens any more. */
NODISCARD int sandbox_answer(const struct buf *answer);

/** The last one of a question: WORK has to return 0 then. */
NODISCARD int sandbox_answer_last(const struct buf *answer);

/** A descriptor of a further file, read-only. -1 with the parent's reason. */
NODISCARD int sandbox_want(const struct buf *request, int *ret);

// --- reading a message -----------------------------------------------------------

/** What is left of a message. A read beyond its end gives 0 or "" and marks it. */
struct packet {
    const char *at;
    size_t left;
    bool bad;
};

struct packet packet_of(const char *bytes, size_t n);
uint64_t packet_u64(struct packet *p);
uint32_t packet_u32(struct packet *p);
uint8_t packet_u8(struct packet *p);
const char *packet_str(struct packet *p); // NULL where none was put

/** Writing one: native byte order, the two ends are one program. */
void packet_put_u64(struct buf *b, uint64_t v);
void packet_put_u32(struct buf *b, uint32_t v);
void packet_put_u8(struct buf *b, uint8_t v);
void packet_put_str(struct buf *b, const char *s, size_t n); // S NULL: none

#endif
