// SPDX-License-Identifier: MIT
#include "clock.h"

#include <errno.h>
#include <time.h>

enum { SECOND = 1000000000 };

uint64_t clock_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

void clock_sleep_until(uint64_t when)
{
    const struct timespec t = {(time_t)(when / SECOND), (long)(when % SECOND)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}
