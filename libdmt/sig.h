// SPDX-License-Identifier: MIT
//
// Signals by name and number (signal(7)).
#ifndef DMT_SIG_H
#define DMT_SIG_H

#include "dmt.h"

enum { SIG_LAST = 64 };

/** `TERM`, `SIGTERM`, `term`, `15`, `RTMIN+3`, `RTMAX-1`, `0`; -1 with EINVAL and the near ones. */
NODISCARD int sig_parse(const char *text, int *ret);

struct sig_name {
    char text[16];
};

/** `TERM`, `RTMIN+3`; the number where the signal has no name. */
struct sig_name sig_name(int sig);

/** What it does to a process that does not handle it (`terminate`, `core`, `stop`, `continue`, `ignore`); NULL for 0. */
const char *sig_default(int sig);

/** What it is for, a few words; NULL for real-time signals. */
const char *sig_help(int sig);

#endif
