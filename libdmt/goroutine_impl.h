// SPDX-License-Identifier: MIT
//
// Private to goroutine: what the runtime's structs hold, and where.
#ifndef DMT_GOROUTINE_IMPL_H
#define DMT_GOROUTINE_IMPL_H

#include "goroutine.h"

enum { G_BYTES = 256 }; // of the runtime's g: all that is looked at

/** Offsets in g and m. In all versions g begins with stack.lo and hi; m is at 48, sched.sp, pc and g at 56, 64, 72. */
struct goroutine_layout {
    uint16_t bp, syscallsp, syscallpc, status, goid, reason; // in g; bp: of sched
    uint16_t procid, curg;                                   // in m
};

enum { G_IDLE, G_RUNNABLE, G_RUNNING, G_SYSCALL, G_WAITING, G_MORIBUND, G_DEAD, G_ENQUEUE, G_COPYSTACK, G_PREEMPTED,
       G_LEAKED, G_DEADEXTRA, G_STATES, G_SCAN = 0x1000 };

/** A g, read at one moment. */
struct goroutine_header {
    uint64_t addr, low, high, m, sp, pc, self, bp, syscallsp, syscallpc, id;
    uint32_t status;       // with G_SCAN
    uint8_t reason;
};

struct goroutine_list {
    uint64_t at, n;        // its array
};

/** A thread that has a goroutine. */
struct goroutine_thread {
    pid_t tid;
    struct goroutine_header g;
};

enum {
    GOROUTINE_TEXT_MAX = 64 << 20, // bytes of names that are remembered
    GOROUTINE_REASONS = 64,
};

// The functions that are active at an address; texts are in `text`, by offset, 0: none.
struct shown_frame {
    size_t name, file;
    uint64_t entry;
    unsigned line;
    bool inlined;
};

struct shown {
    uint64_t code;           // plus one; 0: empty
    struct shown_frame *at;
    size_t n, cap;
    struct buf text;
};

struct goroutines {
    struct goroutine_options o;
    struct goroutine_list list;
    struct goroutine_layout layout;
    uint64_t reasons;
    char reason[GOROUTINE_REASONS][40]; // read when first needed; "" not yet
    unsigned char *stack, *again;
    size_t room;
    struct goroutine_frame *frames;
    size_t n, cap;
    bool has_threads;        // they were listed
    struct goroutine_thread *threads;
    size_t nthreads, threads_cap;
    bool cut;                // there are more than max_frames
    struct shown *shown;     // by a hash of the address
    size_t nshown, shown_room, text;
};

/** Exactly N bytes. False: not all there. */
bool goroutine_get(const struct goroutine_options *o, uint64_t addr, void *to, size_t n);
bool goroutine_header(const struct goroutine_options *o, const struct goroutine_layout *l, uint64_t addr,
                      struct goroutine_header *ret);

/** It is not being made or dead: its fields are in use. */
bool goroutine_lives(const struct goroutine_header *h);

/** Finds the list, and the layout that its members have. -1 with ENOENT. */
NODISCARD int goroutine_find(const struct goroutine_options *o, struct goroutine_list *list,
                             struct goroutine_layout *layout);

/** Where the program has the array of texts that waitreason counts in; 0: it is not found. */
uint64_t goroutine_reasons(const struct goroutine_options *o);

/** The frames from F up, into ALL->frames: as gostack_step at their end; ALL->cut: there are more. */
NODISCARD int goroutines_walk(struct goroutines *all, const struct gostack *s, struct gostack_frame f);

/** Forgets names, which frames point to. */
void goroutines_forget(struct goroutines *all);

#endif
