// SPDX-License-Identifier: MIT
//
// The whole machine's counters as the kernel states them, and what two readings of them say
// about the time between (proc(5); the kernel's iostats.rst, psi.rst).
#ifndef DMT_SYSSTAT_H
#define DMT_SYSSTAT_H

#include "buf.h"

enum sysstat_resource { SYSSTAT_CPU, SYSSTAT_MEM, SYSSTAT_SWAP, SYSSTAT_DISK, SYSSTAT_NET, SYSSTAT_PRESSURE };
enum { SYSSTAT_RESOURCES = 6 };
extern const char *const sysstat_names[SYSSTAT_RESOURCES]; // "cpu", "mem", ...

/** One thing that is counted: a CPU, a disk, an interface. */
struct sysstat_item {
    char name[32];
    uint64_t id;    // of things that are given names again: another id is another thing
    bool torn;      // the name went from one thing to another while it was read
    uint64_t v[24]; // counters; which is which only sysstat.c and sysstat_rate.c know
};

struct sysstat_reading {
    uint64_t when; // nanoseconds, CLOCK_MONOTONIC, when the file was read
    struct sysstat_item *items;
    size_t n, cap;
};

void sysstat_fini(struct sysstat_reading *r);

/** Reads a resource. -1 with ENOENT or EOPNOTSUPP where the kernel does not have it. */
NODISCARD int sysstat_read(enum sysstat_resource resource, struct sysstat_reading *ret);

/** Pure: adds what the N bytes of TEXT say. Lines that are not understood are left out. */
NODISCARD int sysstat_parse_cpu(const char *text, size_t n, struct sysstat_reading *ret);      // /proc/stat
NODISCARD int sysstat_parse_disk(const char *text, size_t n, struct sysstat_reading *ret);     // /proc/diskstats
NODISCARD int sysstat_parse_net(const char *text, size_t n, struct sysstat_reading *ret);      // /proc/net/dev
NODISCARD int sysstat_parse_pressure(const char *name, const char *text, size_t n,
                                     struct sysstat_reading *ret);                             // /proc/pressure/NAME
NODISCARD int sysstat_parse_memory(const char *meminfo, size_t n, const char *vmstat, size_t vn, bool swap,
                                   struct sysstat_reading *ret);

/** The columns of dmt-stat, each a value or none. */
enum sysstat_value {
    VALUE_PERCENT, VALUE_USED, VALUE_TOTAL, VALUE_IN, VALUE_OUT, VALUE_IN_OPS, VALUE_OUT_OPS, VALUE_ERRORS,
    VALUE_USER, VALUE_NICE, VALUE_SYSTEM, VALUE_IDLE, VALUE_IOWAIT, VALUE_IRQ, VALUE_SOFTIRQ, VALUE_STEAL, VALUE_GUEST,
    VALUE_AVAILABLE, VALUE_FREE, VALUE_BUFFERS, VALUE_CACHED, VALUE_SHARED, VALUE_DIRTY, VALUE_WRITEBACK, VALUE_SLAB,
    VALUE_AWAIT, VALUE_QUEUE, VALUE_DROPS, VALUE_FULL, VALUE_SOME_AVG10, VALUE_FULL_AVG10,
    VALUES
};

struct sysstat_row {
    const char *name;
    struct {
        bool set;
        int decimals; // value / 10^decimals
        int64_t value;
    } v[VALUES];
    enum { USED_SECONDS, USED_BYTES } unit; // of used and total
};

/**
 * What happened between two readings to item NOW of the later one. BEFORE is the earlier
 * reading or NULL. Where it is not in both, or a counter went back, there are no rates.
 * False: nothing to show (a disk that was never used).
 */
bool sysstat_rates(enum sysstat_resource resource, const struct sysstat_reading *before,
                   const struct sysstat_reading *after, const struct sysstat_item *now, struct sysstat_row *ret);

/** The machine's memory in bytes; 0: not known. */
uint64_t sysstat_memory(void);

#endif
