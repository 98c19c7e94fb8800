// SPDX-License-Identifier: MIT
//
// Private to sysstat: which counter of an item is which.
#ifndef DMT_SYSSTAT_ITEMS_H
#define DMT_SYSSTAT_ITEMS_H

#include "sysstat.h"

/** The item NAME of a reading, most likely number NEAR; NULL: none. */
const struct sysstat_item *sysstat_find(const struct sysstat_reading *in, const char *name, size_t near);

// /proc/stat, clock ticks
enum { CPU_USER, CPU_NICE, CPU_SYSTEM, CPU_IDLE, CPU_IOWAIT, CPU_IRQ, CPU_SOFTIRQ, CPU_STEAL, CPU_GUEST, CPU_GUEST_NICE, CPU_FIELDS };

// /proc/diskstats after the name (iostats.rst), then what /sys says
enum {
    DISK_READS, DISK_READS_MERGED, DISK_READ_SECTORS, DISK_READ_MS,
    DISK_WRITES, DISK_WRITES_MERGED, DISK_WRITE_SECTORS, DISK_WRITE_MS,
    DISK_IN_FLIGHT, DISK_BUSY_MS, DISK_QUEUE_MS,
    DISK_DISCARDS, DISK_DISCARDS_MERGED, DISK_DISCARD_SECTORS, DISK_DISCARD_MS, DISK_FLUSHES, DISK_FLUSH_MS,
    DISK_FIELDS, DISK_SIZE = DISK_FIELDS
};
enum { DISK_SECTOR = 512 }; // bytes, whatever the disk's own sectors are

// /proc/net/dev: received, then sent; then bytes a second of the link
enum {
    NET_IN, NET_IN_PACKETS, NET_IN_ERRORS, NET_IN_DROPS, NET_IN_FIFO, NET_IN_FRAME, NET_IN_COMPRESSED, NET_IN_MULTICAST,
    NET_OUT, NET_OUT_PACKETS, NET_OUT_ERRORS, NET_OUT_DROPS, NET_OUT_FIFO, NET_OUT_COLLISIONS, NET_OUT_CARRIER,
    NET_OUT_COMPRESSED, NET_FIELDS, NET_SPEED = NET_FIELDS
};

// /proc/meminfo in bytes, /proc/vmstat
enum {
    MEM_TOTAL, MEM_AVAILABLE, MEM_FREE, MEM_BUFFERS, MEM_CACHED, MEM_SHARED, MEM_DIRTY, MEM_WRITEBACK, MEM_SLAB,
    MEM_RECLAIMABLE, MEM_PAGED_IN, MEM_PAGED_OUT, MEM_MAJOR_FAULTS, MEM_OOM_KILLS
};
enum { SWAP_TOTAL, SWAP_FREE, SWAP_IN, SWAP_OUT };

// /proc/pressure: microseconds, hundredths of a percent
enum { PRESSURE_SOME, PRESSURE_FULL, PRESSURE_SOME_AVG10, PRESSURE_FULL_AVG10, PRESSURE_HAS_SOME, PRESSURE_HAS_FULL };

#endif
