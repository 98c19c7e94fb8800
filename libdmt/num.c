// SPDX-License-Identifier: MIT
#include "num.h"

#include "err.h"

#include <errno.h>
#include <string.h>

int num_uint(const char *s, size_t n, uint64_t max, uint64_t *ret)
{
    if (n == 0)
        return err_set(EINVAL, "a number is missing");
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return err_set(EINVAL, "not a number");
        unsigned digit = (unsigned)(s[i] - '0');
        if (v > (max - digit) / 10 || digit > max)
            return err_set(ERANGE, "larger than %llu", (unsigned long long)max);
        v = v * 10 + digit;
    }
    *ret = v;
    return 0;
}

int num_int(const char *s, size_t n, int64_t min, int64_t max, int64_t *ret)
{
    bool negative = n > 0 && s[0] == '-';
    uint64_t v;
    if (num_uint(s + negative, n - negative, (uint64_t)INT64_MAX, &v) < 0)
        return -1;
    int64_t value = negative ? -(int64_t)v : (int64_t)v;
    if (value < min || value > max)
        return err_set(ERANGE, "not between %lld and %lld", (long long)min, (long long)max);
    *ret = value;
    return 0;
}

int num_seconds(const char *s, size_t n, uint64_t max, uint64_t *ret)
{
    const uint64_t second = 1000000000;
    const char *dot = memchr(s, '.', n);
    size_t whole_len = dot ? (size_t)(dot - s) : n, decimals = dot ? n - whole_len - 1 : 0;
    uint64_t whole, part = 0;
    if (num_uint(s, whole_len, max / second, &whole) < 0 ||
        (dot && (decimals > 9 || num_uint(dot + 1, decimals, second, &part) < 0)))
        return err_set(EINVAL, "not a number of seconds");
    for (size_t i = decimals; dot && i < 9; i++)
        part *= 10;
    if (part > max - whole * second)
        return err_set(ERANGE, "too long");
    *ret = whole * second + part;
    return 0;
}

size_t num_text(char to[NUM_DIGITS], uint64_t v)
{
    size_t n = 1;
    for (uint64_t least = 10; n < NUM_DIGITS && v >= least; least *= 10)
        n++;
    for (size_t at = n; at-- > 0; v /= 10)
        to[at] = (char)('0' + v % 10);
    return n;
}
