// SPDX-License-Identifier: MIT
#include "sysstat.h"
#include "sysstat_items.h"

// The two readings of one item. Deltas are asked for one by one; `broken` says in the end
// that one of them was no delta.
struct pair {
    const struct sysstat_item *before, *now;
    uint64_t ns; // between them
    bool broken;
};

static uint64_t delta(struct pair *p, int field)
{
    uint64_t a = p->before->v[field], b = p->now->v[field];
    p->broken |= b < a;
    return b < a ? 0 : b - a;
}

// The kernel prints these as 32 bits: they wrap, after 49 days at the earliest.
static uint64_t delta_ms(struct pair *p, int field)
{
    return (uint32_t)(p->now->v[field] - p->before->v[field]);
}

static void set(struct sysstat_row *row, enum sysstat_value at, double v, int decimals)
{
    double scaled = v;
    for (int i = 0; i < decimals; i++)
        scaled *= 10;
    row->v[at].set = true;
    row->v[at].decimals = decimals;
    row->v[at].value = (int64_t)(scaled + 0.5);
}

static void set_count(struct sysstat_row *row, enum sysstat_value at, uint64_t v)
{
    row->v[at].set = true;
    row->v[at].decimals = 0;
    row->v[at].value = v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

static double per_second(const struct pair *p, uint64_t amount)
{
    return (double)amount * 1e9 / (double)p->ns;
}

static double part(uint64_t of, uint64_t all)
{
    return all ? 100.0 * (double)of / (double)all : 0;
}

static void cpu(struct pair *p, struct sysstat_row *row)
{
    // Idle time and time in wait for I/O are estimates and may go back by a tick (proc_stat(5)).
    uint64_t d[CPU_FIELDS], all = 0;
    for (int i = 0; i < CPU_FIELDS; i++) {
        d[i] = p->now->v[i] > p->before->v[i] ? p->now->v[i] - p->before->v[i] : 0;
        if (i < CPU_GUEST) // guests' time is in user and nice too
            all += d[i];
    }
    static const enum sysstat_value shown[] = {VALUE_USER, VALUE_NICE, VALUE_SYSTEM, VALUE_IDLE, VALUE_IOWAIT,
                                               VALUE_IRQ, VALUE_SOFTIRQ, VALUE_STEAL, VALUE_GUEST};
    if (all == 0)
        return;
    uint64_t idle = d[CPU_IDLE] + d[CPU_IOWAIT];
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    set(row, VALUE_PERCENT, part(all - idle, all), 2);
    set(row, VALUE_USED, (double)(all - idle) * tick, 2);
    set(row, VALUE_TOTAL, (double)all * tick, 2);
    for (size_t i = 0; i < ARRAY_LEN(shown); i++)
        set(row, shown[i], part(d[i], all), 2);
}

static void disk(struct pair *p, struct sysstat_row *row)
{
    uint64_t reads = delta(p, DISK_READS), writes = delta(p, DISK_WRITES);
    uint64_t waited = delta_ms(p, DISK_READ_MS) + delta_ms(p, DISK_WRITE_MS), ms = p->ns / 1000000;
    double busy = part(delta_ms(p, DISK_BUSY_MS), ms);
    set(row, VALUE_PERCENT, busy > 100 ? 100 : busy, 2);
    set(row, VALUE_IN, per_second(p, delta(p, DISK_READ_SECTORS) * DISK_SECTOR), 0);
    set(row, VALUE_OUT, per_second(p, delta(p, DISK_WRITE_SECTORS) * DISK_SECTOR), 0);
    set(row, VALUE_IN_OPS, per_second(p, reads), 2);
    set(row, VALUE_OUT_OPS, per_second(p, writes), 2);
    if (reads + writes > 0)
        set(row, VALUE_AWAIT, (double)waited / 1000 / (double)(reads + writes), 6);
    if (ms > 0)
        set(row, VALUE_QUEUE, (double)delta_ms(p, DISK_QUEUE_MS) / (double)ms, 2);
}

static void net(struct pair *p, struct sysstat_row *row)
{
    double in = per_second(p, delta(p, NET_IN)), out = per_second(p, delta(p, NET_OUT));
    double speed = (double)p->now->v[NET_SPEED], busier = in > out ? in : out;
    set(row, VALUE_IN, in, 0);
    set(row, VALUE_OUT, out, 0);
    set(row, VALUE_USED, busier, 0);
    if (speed > 0)
        set(row, VALUE_PERCENT, 100 * busier / speed, 2);
    set(row, VALUE_IN_OPS, per_second(p, delta(p, NET_IN_PACKETS)), 2);
    set(row, VALUE_OUT_OPS, per_second(p, delta(p, NET_OUT_PACKETS)), 2);
    set(row, VALUE_ERRORS, per_second(p, delta(p, NET_IN_ERRORS) + delta(p, NET_OUT_ERRORS)), 2);
    set(row, VALUE_DROPS, per_second(p, delta(p, NET_IN_DROPS) + delta(p, NET_OUT_DROPS)), 2);
}

static void pressure(struct pair *p, struct sysstat_row *row)
{
    uint64_t us = p->ns / 1000;
    double some = part(delta(p, PRESSURE_SOME), us), full = part(delta(p, PRESSURE_FULL), us);
    if (p->now->v[PRESSURE_HAS_SOME]) {
        set(row, VALUE_PERCENT, some > 100 ? 100 : some, 2);
        set(row, VALUE_USED, (double)delta(p, PRESSURE_SOME) / 1e6, 6);
        set(row, VALUE_TOTAL, (double)us / 1e6, 6);
    }
    if (p->now->v[PRESSURE_HAS_FULL])
        set(row, VALUE_FULL, full > 100 ? 100 : full, 2);
}

static void memory(struct pair *p, struct sysstat_row *row)
{
    set(row, VALUE_IN, per_second(p, delta(p, MEM_PAGED_IN) * 1024), 0);
    set(row, VALUE_OUT, per_second(p, delta(p, MEM_PAGED_OUT) * 1024), 0);
    set(row, VALUE_IN_OPS, per_second(p, delta(p, MEM_MAJOR_FAULTS)), 2);
    set(row, VALUE_ERRORS, per_second(p, delta(p, MEM_OOM_KILLS)), 2);
}

static void swap(struct pair *p, struct sysstat_row *row)
{
    double page = (double)sysconf(_SC_PAGESIZE);
    set(row, VALUE_IN_OPS, per_second(p, delta(p, SWAP_IN)), 2);
    set(row, VALUE_OUT_OPS, per_second(p, delta(p, SWAP_OUT)), 2);
    set(row, VALUE_IN, per_second(p, delta(p, SWAP_IN)) * page, 0);
    set(row, VALUE_OUT, per_second(p, delta(p, SWAP_OUT)) * page, 0);
}

// What one reading alone says.
static void levels(enum sysstat_resource resource, const struct sysstat_item *now, struct sysstat_row *row)
{
    static const enum sysstat_value memory_values[] = {VALUE_AVAILABLE, VALUE_FREE, VALUE_BUFFERS, VALUE_CACHED,
                                                       VALUE_SHARED, VALUE_DIRTY, VALUE_WRITEBACK, VALUE_SLAB};
    const uint64_t *v = now->v;
    if (resource == SYSSTAT_MEM) {
        // free(1) counts the same way: used is what is not available.
        uint64_t used = v[MEM_TOTAL] > v[MEM_AVAILABLE] ? v[MEM_TOTAL] - v[MEM_AVAILABLE] : 0;
        set(row, VALUE_PERCENT, part(used, v[MEM_TOTAL]), 2);
        set_count(row, VALUE_USED, used);
        set_count(row, VALUE_TOTAL, v[MEM_TOTAL]);
        for (size_t i = 0; i < ARRAY_LEN(memory_values); i++)
            set_count(row, memory_values[i], v[MEM_AVAILABLE + i]);
        set_count(row, VALUE_CACHED, v[MEM_CACHED] + v[MEM_RECLAIMABLE]);
    } else if (resource == SYSSTAT_SWAP) {
        uint64_t used = v[SWAP_TOTAL] > v[SWAP_FREE] ? v[SWAP_TOTAL] - v[SWAP_FREE] : 0;
        if (v[SWAP_TOTAL])
            set(row, VALUE_PERCENT, part(used, v[SWAP_TOTAL]), 2);
        set_count(row, VALUE_USED, used);
        set_count(row, VALUE_TOTAL, v[SWAP_TOTAL]);
        set_count(row, VALUE_FREE, v[SWAP_FREE]);
    } else if (resource == SYSSTAT_DISK) {
        if (v[DISK_SIZE])
            set_count(row, VALUE_TOTAL, v[DISK_SIZE]);
    } else if (resource == SYSSTAT_NET) {
        if (v[NET_SPEED])
            set_count(row, VALUE_TOTAL, v[NET_SPEED]);
    } else if (resource == SYSSTAT_PRESSURE) {
        if (v[PRESSURE_HAS_SOME])
            set(row, VALUE_SOME_AVG10, (double)v[PRESSURE_SOME_AVG10] / 100, 2);
        if (v[PRESSURE_HAS_FULL])
            set(row, VALUE_FULL_AVG10, (double)v[PRESSURE_FULL_AVG10] / 100, 2);
    }
}

bool sysstat_rates(enum sysstat_resource resource, const struct sysstat_reading *before,
                   const struct sysstat_reading *after, const struct sysstat_item *now, struct sysstat_row *ret)
{
    static void (*const rates[])(struct pair *, struct sysstat_row *) = {cpu, memory, swap, disk, net, pressure};
    if (resource == SYSSTAT_DISK && now->v[DISK_READS] + now->v[DISK_WRITES] == 0)
        return false;
    struct sysstat_row level = {.name = now->name,
                                .unit = resource == SYSSTAT_CPU || resource == SYSSTAT_PRESSURE ? USED_SECONDS : USED_BYTES};
    levels(resource, now, &level);
    *ret = level;
    const struct sysstat_item *was = before ? sysstat_find(before, now->name, (size_t)(now - after->items)) : NULL;
    if (!was || was->id != now->id || was->torn || now->torn || after->when <= before->when)
        return true;
    struct pair pair = {.before = was, .now = now, .ns = after->when - before->when};
    rates[resource](&pair, ret);
    if (pair.broken)
        *ret = level;
    return true;
}

uint64_t sysstat_memory(void)
{
    struct sysstat_reading r = {0};
    uint64_t n = sysstat_read(SYSSTAT_MEM, &r) == 0 && r.n > 0 ? r.items[0].v[MEM_TOTAL] : 0;
    sysstat_fini(&r);
    return n;
}
