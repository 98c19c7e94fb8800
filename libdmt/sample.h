// SPDX-License-Identifier: MIT
//
// Processes or threads read again and again, and what each did in between. A process is
// followed through descriptors that stay open: one that ended cannot be taken for another
// that was given its number.
#ifndef DMT_SAMPLE_H
#define DMT_SAMPLE_H

#include "ident.h"

/** What is read of each beside its stat file. */
enum sample_need {
    SAMPLE_MEM = 1 << 0,   // statm
    SAMPLE_IO = 1 << 1,    // io
    SAMPLE_CTXSW = 1 << 2, // the status of every thread
    SAMPLE_WAIT = 1 << 3,  // the schedstat of every thread
    SAMPLE_STATE = 1 << 4, // the state as of now: also of those that did not run since the last look
};

struct sample_counters {
    uint64_t when;         // nanoseconds since boot
    uint64_t cpu, user;    // nanoseconds; user is the part in user mode, in steps of a clock tick
    uint64_t minflt, majflt;
    uint64_t read, write;  // bytes of storage
    uint64_t ctxsw;
    uint64_t wait;         // nanoseconds ready to run, without a CPU
};

/** A process or thread as of the last take. */
struct task {
    pid_t pid, tid;        // tid 0: the whole process
    uint64_t start;        // clock ticks since boot
    char name[COMM_MAX];
    size_t name_len;
    char state;
    uint64_t rss;          // bytes; valid with SAMPLE_MEM in `have`
    unsigned have;         // what could be read: sample_need bits
    bool known;            // `before` is of the same process: there are rates
    struct sample_counters before, now;
    // How it is read.
    unsigned take;         // when it was last seen
    bool part;             // a thread of a row, not a row
    uint64_t ran;          // the CPU clock of the process, nanoseconds; 0: not known
    bool slept;            // it did not run since the look before
    int fd[5];             // kept open
};

struct tasks { // a hash table of tasks by their id
    struct task **slot;
    size_t n, size;
};

/** Among which numbers those are that were born; see sample_births.h. */
struct births {
    uint64_t forks;        // of the machine since boot, threads too; 0: not known
    pid_t cursor;          // the last number that was given
    bool anywhere;         // else from FIRST to LAST, both included
    pid_t first, last;
};

struct sample {
    const struct procs *ps;
    unsigned needs;
    bool threads;          // of threads instead of processes
    struct tasks tasks;    // the rows
    struct tasks parts;    // the threads of processes, where a count has to be added up
    struct task **order;   // the rows by id; not valid when the table has CHANGED
    size_t norder;
    bool changed;
    struct births born;    // since the take before
    unsigned listed;       // the take in which the list was read
    unsigned take;
    uint64_t before, now;  // nanoseconds since boot, at the beginning of the last two takes
    bool clocks;           // processes have CPU clocks that we can read
    bool skips;            // does not read who did not run
    int64_t files_left;    // descriptors that may still be kept
};

/** Raises the limit of descriptors as far as it may, and keeps as many as that allows. */
void sample_init(struct sample *s, const struct procs *ps, unsigned needs, bool threads);
void sample_fini(struct sample *s);

/** A round: sample_begin, then sample_all or sample_one for each target, then sample_each. */
void sample_begin(struct sample *s);
NODISCARD int sample_all(struct sample *s);

/** The process of ID, started at START (clock ticks). -1 with ESRCH when it is gone. */
NODISCARD int sample_one(struct sample *s, const struct ident *id, uint64_t start);

/** Forgets those that were not seen since sample_begin and calls FN for the others, by pid. */
NODISCARD int sample_each(struct sample *s, int (*fn)(const struct task *t, void *arg), void *arg);

/** Whether T did something since the take before. */
bool task_was_busy(const struct task *t);

#endif
