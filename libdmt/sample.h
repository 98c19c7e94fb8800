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
    uint64_t cpu, user;    // nanoseconds; user is the part in user mode, in steps of a clock tick
    uint64_t minflt, majflt;
    uint64_t read, write;  // bytes of storage
    uint64_t ctxsw;
    uint64_t wait;         // nanoseconds ready to run, without a CPU
};

/**
 * A process or thread as of the last take. What a look at one that slept touches, and its row, stands first:
 * from one look to the next ten thousand of them do not stay in a cache, and each line of it costs 100 ns.
 */
struct task {
    pid_t pid, tid;        // tid 0: the whole process
    unsigned take;         // when it was last seen
    unsigned have;         // what could be read: sample_need bits
    bool known;            // `before` is of the same process: there are rates
    bool part;             // a thread of a row, not a row
    bool slept;            // it did not run since the look before: `before` and `now` are equal
    char state;
    int fd[5];             // kept open
    uint64_t start;        // clock ticks since boot
    uint64_t ran;          // the CPU clock of the process, nanoseconds; 0: not known
    uint64_t rss;          // bytes; valid with SAMPLE_MEM in `have`
    uint64_t since, when;  // nanoseconds since boot: the looks that `before` and `now` are of
    unsigned char name_len;
    char name[COMM_MAX];
    struct sample_counters before, now;
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
