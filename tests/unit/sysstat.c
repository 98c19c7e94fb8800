// SPDX-License-Identifier: MIT
//
// sysstat: two texts of /proc and what happened between them.
#include "sysstat.h"
#include "unit.h"

#include <string.h>

// A reading of TEXT, SECONDS after boot.
static struct sysstat_reading reading(enum sysstat_resource resource, const char *text, double seconds)
{
    struct sysstat_reading r = {.when = (uint64_t)(seconds * 1e9)};
    const char *edge = unit_edge(text, strlen(text));
    size_t n = strlen(text);
    int done = resource == SYSSTAT_CPU    ? sysstat_parse_cpu(edge, n, &r)
               : resource == SYSSTAT_DISK ? sysstat_parse_disk(edge, n, &r)
               : resource == SYSSTAT_NET  ? sysstat_parse_net(edge, n, &r)
                                          : sysstat_parse_pressure("io", edge, n, &r);
    check(done == 0);
    return r;
}

#define NONE INT64_MIN

// The value of item I of AFTER, times 10^decimals, or NONE.
static int64_t value(enum sysstat_resource resource, const char *before, const char *after, double seconds, size_t i,
                     enum sysstat_value v)
{
    struct sysstat_reading a = reading(resource, before, 100), b = reading(resource, after, 100 + seconds);
    struct sysstat_row row;
    bool shown = i < b.n && sysstat_rates(resource, &a, &b, &b.items[i], &row);
    int64_t got = shown && row.v[v].set ? row.v[v].value : NONE;
    sysstat_fini(&a);
    sysstat_fini(&b);
    return got;
}

static void test_cpu(void)
{
    static const char before[] = "cpu  100 0 50 850 0 0 0 0 0 0\ncpu0 100 0 50 850 0 0 0 0 0 0\nintr 1 2 3\n";
    static const char after[] = "cpu  150 0 75 950 25 0 0 0 10 0\ncpu0 150 0 75 950 25 0 0 0 10 0\ncpu1 9 9 9 9 9\n";
    check(value(SYSSTAT_CPU, before, after, 2, 0, VALUE_PERCENT) == 3750); // 75 of 200
    check(value(SYSSTAT_CPU, before, after, 2, 0, VALUE_USER) == 2500);
    check(value(SYSSTAT_CPU, before, after, 2, 0, VALUE_IOWAIT) == 1250);
    check(value(SYSSTAT_CPU, before, after, 2, 0, VALUE_GUEST) == 500);
    check(value(SYSSTAT_CPU, before, after, 2, 1, VALUE_PERCENT) == 3750);
    check(value(SYSSTAT_CPU, before, after, 2, 2, VALUE_PERCENT) == NONE); // a CPU that came
    check(value(SYSSTAT_CPU, before, before, 2, 0, VALUE_PERCENT) == NONE); // nothing passed
    // Idle goes back by a tick: taken for 0.
    check(value(SYSSTAT_CPU, "cpu 10 0 0 100 0\n", "cpu 20 0 0 99 0\n", 1, 0, VALUE_PERCENT) == 10000);
}

static void test_disk(void)
{
    static const char before[] = "   8  0 sda 10 0 1000 40 5 0 100 20 0 100 60 0 0 0 0 0 0\n";
    static const char after[] = "   8  0 sda 30 0 5000 140 5 0 100 20 0 600 160 0 0 0 0 0 0\n";
    check(value(SYSSTAT_DISK, before, after, 2, 0, VALUE_IN) == 4000 * 512 / 2);
    check(value(SYSSTAT_DISK, before, after, 2, 0, VALUE_OUT) == 0);
    check(value(SYSSTAT_DISK, before, after, 2, 0, VALUE_IN_OPS) == 1000); // 10.00 a second
    check(value(SYSSTAT_DISK, before, after, 2, 0, VALUE_PERCENT) == 2500);
    check(value(SYSSTAT_DISK, before, after, 2, 0, VALUE_AWAIT) == 5000); // 5 ms, in microseconds
    check(value(SYSSTAT_DISK, before, after, 2, 0, VALUE_QUEUE) == 5);
    check(value(SYSSTAT_DISK, after, before, 2, 0, VALUE_IN) == NONE);     // went back: another disk
    check(value(SYSSTAT_DISK, "", after, 2, 0, VALUE_IN) == NONE);         // new
    check(value(SYSSTAT_DISK, "   8 16 sda 10 0 1000 40 5 0 100 20 0 100 60\n", after, 2, 0, VALUE_IN) == NONE);
    check(value(SYSSTAT_DISK, before, "   7 0 loop0 0 0 0 0 0 0 0 0 0 0 0\n", 2, 0, VALUE_TOTAL) == NONE); // never used
    // Milliseconds are 32 bits and wrap.
    check(value(SYSSTAT_DISK, "8 0 a 1 0 0 0 0 0 0 0 0 4294967290 0\n", "8 0 a 1 0 0 0 0 0 0 0 0 4 0\n", 1, 0,
                VALUE_PERCENT) == 100);
}

static void test_net(void)
{
    static const char before[] = "Inter-|   Receive\n face |bytes\n  eth0: 1000 10 0 0 0 0 0 0 500 5 0 0 0 0 0 0\n";
    static const char after[] = "  eth0:3000 30 2 4 0 0 0 0 500 5 0 0 0 0 0 0\n a:b: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n";
    check(value(SYSSTAT_NET, before, after, 2, 0, VALUE_IN) == 1000);
    check(value(SYSSTAT_NET, before, after, 2, 0, VALUE_OUT) == 0);
    check(value(SYSSTAT_NET, before, after, 2, 0, VALUE_USED) == 1000);
    check(value(SYSSTAT_NET, before, after, 2, 0, VALUE_IN_OPS) == 1000);
    check(value(SYSSTAT_NET, before, after, 2, 0, VALUE_ERRORS) == 100);
    check(value(SYSSTAT_NET, before, after, 2, 0, VALUE_DROPS) == 200);
    check(value(SYSSTAT_NET, before, after, 2, 0, VALUE_PERCENT) == NONE); // speed unknown
    check(value(SYSSTAT_NET, before, after, 2, 1, VALUE_IN) == NONE);
    check(value(SYSSTAT_NET, after, before, 2, 0, VALUE_IN) == NONE);
}

// Names that are given again: the same name is not the same thing.
static void test_identity(void)
{
    static const char before[] = "  eth0: 1000 10 0 0 0 0 0 0 500 5 0 0 0 0 0 0\n  eth1: 1 1 0 0 0 0 0 0 5 5 0 0 0 0 0 0\n";
    static const char after[] = "  eth1: 1 1 0 0 0 0 0 0 5 5 0 0 0 0 0 0\n  eth0: 3000 30 0 0 0 0 0 0 500 5 0 0 0 0 0 0\n";
    struct sysstat_reading a = reading(SYSSTAT_NET, before, 100), b = reading(SYSSTAT_NET, after, 101);
    struct sysstat_row row;
    for (int i = 0; i < 6; i++) {
        a.items[0].id = i == 1;
        b.items[1].id = i == 2;
        a.items[0].torn = i == 3;
        b.items[1].torn = i == 4;
        check(sysstat_rates(SYSSTAT_NET, &a, &b, &b.items[1], &row));
        check(row.v[VALUE_IN].set == (i == 0 || i == 5));
        check(sysstat_rates(SYSSTAT_NET, &a, &b, &b.items[0], &row) && row.v[VALUE_IN].set); // no matter to eth1
    }
    sysstat_fini(&a);
    sysstat_fini(&b);
}

void test_sysstat(void)
{
    test_cpu();
    test_disk();
    test_net();
    test_identity();
    static const char calm[] = "some avg10=1.25 avg60=0.00 avg300=0.00 total=1000000\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=500000\n";
    static const char busy[] = "some avg10=2.00 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=0.75 avg60=0.00 avg300=0.00 total=600000\n";
    check(value(SYSSTAT_PRESSURE, calm, busy, 1, 0, VALUE_PERCENT) == 5000);
    check(value(SYSSTAT_PRESSURE, calm, busy, 1, 0, VALUE_FULL) == 1000);
    check(value(SYSSTAT_PRESSURE, calm, busy, 1, 0, VALUE_SOME_AVG10) == 200);
    check(value(SYSSTAT_PRESSURE, calm, "full avg10=0.00 avg60=0.00 avg300=0.00 total=600000\n", 1, 0, VALUE_PERCENT) == NONE);

    static const char meminfo[] = "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 250 kB\nCached: 40 kB\nSReclaimable: 2 kB\n"
                                  "SwapTotal: 10 kB\nSwapFree: 4 kB\n";
    struct sysstat_reading r = {.when = 1};
    struct sysstat_row row;
    check(sysstat_parse_memory(meminfo, strlen(meminfo), "pswpin 5\n", 9, false, &r) == 0);
    check(sysstat_rates(SYSSTAT_MEM, NULL, &r, &r.items[0], &row));
    check(row.v[VALUE_USED].value == 750 * 1024 && row.v[VALUE_PERCENT].value == 7500 && row.v[VALUE_CACHED].value == 42 * 1024);
    check(!row.v[VALUE_IN].set);
    r.n = 0;
    check(sysstat_parse_memory(meminfo, strlen(meminfo), "", 0, true, &r) == 0);
    check(sysstat_rates(SYSSTAT_SWAP, NULL, &r, &r.items[0], &row) && row.v[VALUE_USED].value == 6 * 1024);
    sysstat_fini(&r);

    static const char *const texts[] = {calm, "cpu  1 2 3 4 5 6 7 8 9 10\n", "  8  0 sda 1 2 3 4 5 6 7 8 9 10 11 12\n",
                                        "  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"};
    for (size_t t = 0; t < ARRAY_LEN(texts); t++)
        for (size_t i = 0, times = unit_times(5000, 200000); i < times; i++) {
            struct sysstat_reading hurt = {.when = 2};
            size_t n = strlen(texts[t]) - i % 5;
            char *at = unit_edge(texts[t], n);
            for (size_t k = 0; k < 1 + i % 4; k++)
                at[unit_random() % n] = (char)unit_random();
            if (sysstat_parse_cpu(at, n, &hurt) < 0 || sysstat_parse_disk(at, n, &hurt) < 0 ||
                sysstat_parse_net(at, n, &hurt) < 0 || sysstat_parse_pressure("x", at, n, &hurt) < 0)
                check(false);
            sysstat_fini(&hurt);
        }
}
