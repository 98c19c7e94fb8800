// SPDX-License-Identifier: MIT
#include "statcol.h"

static void get_when(const void *row, struct cell *c)
{
    cell_fixed(c, ((const struct stat_row *)row)->when, 2);
}

static void get_resource(const void *row, struct cell *c)
{
    cell_str(c, ((const struct stat_row *)row)->resource);
}

static void get_name(const void *row, struct cell *c)
{
    cell_str(c, ((const struct stat_row *)row)->r.name);
}

static void get_value(const void *row, struct cell *c, enum sysstat_value value)
{
    const struct sysstat_row *r = &((const struct stat_row *)row)->r;
    if (!r->v[value].set)
        return;
    cell_fixed(c, r->v[value].value, r->v[value].decimals);
    if (value == VALUE_USED || value == VALUE_TOTAL)
        cell_show_as(c, r->unit == USED_BYTES ? COL_BYTES : COL_SECONDS);
}

#define VALUE(name, value)                                                                                    \
    static void get_##name(const void *row, struct cell *c)                                                   \
    {                                                                                                         \
        get_value(row, c, value);                                                                             \
    }
VALUE(percent, VALUE_PERCENT)
VALUE(used, VALUE_USED)
VALUE(total, VALUE_TOTAL)
VALUE(in, VALUE_IN)
VALUE(out, VALUE_OUT)
VALUE(in_ops, VALUE_IN_OPS)
VALUE(out_ops, VALUE_OUT_OPS)
VALUE(errors, VALUE_ERRORS)
VALUE(user, VALUE_USER)
VALUE(nice, VALUE_NICE)
VALUE(system, VALUE_SYSTEM)
VALUE(idle, VALUE_IDLE)
VALUE(iowait, VALUE_IOWAIT)
VALUE(irq, VALUE_IRQ)
VALUE(softirq, VALUE_SOFTIRQ)
VALUE(steal, VALUE_STEAL)
VALUE(guest, VALUE_GUEST)
VALUE(available, VALUE_AVAILABLE)
VALUE(free, VALUE_FREE)
VALUE(buffers, VALUE_BUFFERS)
VALUE(cached, VALUE_CACHED)
VALUE(shared, VALUE_SHARED)
VALUE(dirty, VALUE_DIRTY)
VALUE(writeback, VALUE_WRITEBACK)
VALUE(slab, VALUE_SLAB)
VALUE(await, VALUE_AWAIT)
VALUE(queue, VALUE_QUEUE)
VALUE(drops, VALUE_DROPS)
VALUE(full, VALUE_FULL)
VALUE(some_avg10, VALUE_SOME_AVG10)
VALUE(full_avg10, VALUE_FULL_AVG10)

const struct col stat_cols[] = {
    {"when", COL_TIME, 0, get_when, "end of the interval"},
    {"resource", COL_TEXT, 0, get_resource, "cpu mem swap disk net pressure"},
    {"name", COL_TEXT, 0, get_name, "which: all cpu0 sda eth0 memory ..."},
    {"percent", COL_PERCENT, 0, get_percent, "how busy or full; pressure: time in which some task waited"},
    {"used", COL_COUNT, 0, get_used, "cpu, pressure: seconds; mem, swap: bytes; net: bytes a second, the busier direction"},
    {"total", COL_COUNT, 0, get_total, "what used and percent are of; disk: its size; net: speed of the link"},
    {"in", COL_BYTES, 0, get_in, "bytes a second: read, received, swapped or paged in"},
    {"out", COL_BYTES, 0, get_out, "bytes a second: written, sent, swapped or paged out"},
    {"in_ops", COL_COUNT, 0, get_in_ops, "a second: reads, packets, pages swapped in; mem: major faults"},
    {"out_ops", COL_COUNT, 0, get_out_ops, "a second: writes, packets, pages swapped out"},
    {"errors", COL_COUNT, 0, get_errors, "a second; net: errors, mem: kills for lack of memory"},
    {"user", COL_PERCENT, 0, get_user, "cpu: in user mode"},
    {"nice", COL_PERCENT, 0, get_nice, "cpu: in user mode with lowered priority"},
    {"system", COL_PERCENT, 0, get_system, "cpu: in the kernel"},
    {"idle", COL_PERCENT, 0, get_idle, "cpu: idle"},
    {"iowait", COL_PERCENT, 0, get_iowait, "cpu: idle while a device was waited for"},
    {"irq", COL_PERCENT, 0, get_irq, "cpu: hardware interrupts"},
    {"softirq", COL_PERCENT, 0, get_softirq, "cpu: software interrupts"},
    {"steal", COL_PERCENT, 0, get_steal, "cpu: taken by the hypervisor"},
    {"guest", COL_PERCENT, 0, get_guest, "cpu: running guests, in user too"},
    {"available", COL_BYTES, 0, get_available, "mem: to be had without swapping"},
    {"free", COL_BYTES, 0, get_free, "mem, swap: unused"},
    {"buffers", COL_BYTES, 0, get_buffers, "mem: buffers of block devices"},
    {"cached", COL_BYTES, 0, get_cached, "mem: cached files, and slab that can be reclaimed"},
    {"shared", COL_BYTES, 0, get_shared, "mem: tmpfs and shared memory"},
    {"dirty", COL_BYTES, 0, get_dirty, "mem: waiting to be written"},
    {"writeback", COL_BYTES, 0, get_writeback, "mem: being written"},
    {"slab", COL_BYTES, 0, get_slab, "mem: the kernel's own objects"},
    {"await", COL_SECONDS, 0, get_await, "disk: mean time of a request, queue included"},
    {"queue", COL_COUNT, 0, get_queue, "disk: mean number of requests waiting or served"},
    {"drops", COL_COUNT, 0, get_drops, "net: packets dropped a second"},
    {"full", COL_PERCENT, 0, get_full, "pressure: time in which all tasks waited"},
    {"some_avg10", COL_PERCENT, 0, get_some_avg10, "pressure: the kernel's mean of 10 seconds, some"},
    {"full_avg10", COL_PERCENT, 0, get_full_avg10, "pressure: the kernel's mean of 10 seconds, all"},
    {0},
};
