// SPDX-License-Identifier: MIT
//
// One error a thread, in fixed memory: recording a failure cannot fail.
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local struct {
    int code;
    char text[512]; // longer sentences are cut
} last;

void err_record(int code, const char *fmt, ...)
{
    char text[sizeof last.text]; // err_text() may be among the arguments
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    memcpy(last.text, text, sizeof text);
    last.code = code;
}

void err_record_sys(const char *fmt, ...)
{
    int code = errno;
    char head[sizeof last.text];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(head, sizeof head, fmt, ap);
    va_end(ap);
    err_record(code, "%s: %s", head, strerror(code));
}

void err_record_wrap(const char *fmt, ...)
{
    char head[sizeof last.text], tail[sizeof last.text];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(head, sizeof head, fmt, ap);
    va_end(ap);
    memcpy(tail, last.text, sizeof tail);
    err_record(last.code, "%s: %s", head, tail);
}

int err_code(void)
{
    return last.code;
}

const char *err_text(void)
{
    return last.text;
}
