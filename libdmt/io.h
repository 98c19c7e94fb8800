// SPDX-License-Identifier: MIT
//
// Whole reads and whole writes. EINTR is handled here and nowhere else.
#ifndef DMT_IO_H
#define DMT_IO_H

#include "buf.h"

/**
 * Raises the limit of open descriptors (RLIMIT_NOFILE) as far as we may, and returns it: a million, where we
 * are root and fs.nr_open allows it, else the hard limit.
 */
uint64_t io_raise_limit(void);

/** read(2) of up to N bytes, restarted on EINTR; errno as read(2). */
ssize_t io_read(int fd, void *to, size_t n);

/** Exactly N bytes of FD at OFFSET. -1 with EIO when the file ends before. */
NODISCARD int io_pread(int fd, void *to, size_t n, uint64_t offset);

/** All N bytes to FD, or -1 with the cause. */
NODISCARD int io_write(int fd, const void *from, size_t n);

/**
 * Appends what is left of FD to BUF, at most LIMIT bytes (the rest is dropped and
 * *CUT set; CUT may be NULL). A read that gives less than was asked for is the last
 * one: true for regular files and for /proc's one-record files, not for pipes.
 * -1 with the cause; errno is the one of read(2).
 */
NODISCARD int io_read_file(int fd, struct buf *buf, size_t limit, bool *cut);

#endif
