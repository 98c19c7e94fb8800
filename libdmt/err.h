// SPDX-License-Identifier: MIT
//
// The thread's error: why the last failing call of this library failed.
// A code (an errno value) for programs and one sentence for people.
#ifndef DMT_ERR_H
#define DMT_ERR_H

#include "dmt.h"

/** Records CODE and a sentence. All three are -1, so that `return err_set(...)` reads well. */
#define err_set(...) (err_record(__VA_ARGS__), -1)

/** As err_set with the current errno, whose text is appended after a colon. */
#define err_sys(...) (err_record_sys(__VA_ARGS__), -1)

/** Puts a sentence and a colon before the recorded one; the code stays. */
#define err_wrap(...) (err_record_wrap(__VA_ARGS__), -1)

// Macros, so that the compiler sees the -1 and can follow what is set on failure.
void err_record(int code, const char *fmt, ...) PRINTF_LIKE(2, 3);
void err_record_sys(const char *fmt, ...) PRINTF_LIKE(1, 2);
void err_record_wrap(const char *fmt, ...) PRINTF_LIKE(1, 2);

/** The code of the last error, and its sentence (valid until the next err_ call). */
int err_code(void);
const char *err_text(void);

#endif
