// SPDX-License-Identifier: MIT
#include "taskcol.h"

// A getter: `r` is the row, `t` the task, `ns` the time between the looks, `c` the cell, which stays
// without value unless NEEDS could be read, and (RATE) twice.
#define TASK(name, needs, rate, body)                                                                         \
    static void get_##name(const void *row, struct cell *c)                                              \
    {                                                                                                         \
        const struct task_row *r = row;                                                                       \
        const struct task *t = r->t;                                                                          \
        double ns = (double)(t->when - t->since);                                                             \
        (void)ns;                                                                                             \
        if ((t->have & (unsigned)(needs)) == (unsigned)(needs) && (!(rate) || t->known)) {                    \
            body;                                                                                             \
        }                                                                                                     \
    }
#define PART(field) (t->slept ? 0 : (double)(t->now.field - t->before.field) / ns)
#define PER_SECOND(field) (PART(field) * 1e9)

static void set_percent(struct cell *c, double part)
{
    cell_fixed(c, (int64_t)(part * 10000 + 0.5), 2);
}

TASK(when, 0, false, cell_fixed(c, r->when, 2))
TASK(pid, 0, false, cell_int(c, t->pid))
TASK(tid, 0, false, cell_int(c, t->tid ? t->tid : t->pid))
TASK(name, 0, false, cell_text(c, t->name, t->name_len))
TASK(state, 0, false, cell_text(c, &t->state, 1))
TASK(start, 0, false, cell_uint(c, t->start))
TASK(cpu, 0, true, set_percent(c, PART(cpu)))
TASK(user, 0, true, if (t->now.user >= t->before.user) set_percent(c, PART(user)))
TASK(mem, SAMPLE_MEM, false, cell_uint(c, t->rss))
TASK(mem_pct, SAMPLE_MEM, false, if (r->memory) set_percent(c, (double)t->rss / (double)r->memory))
TASK(read, SAMPLE_IO, true, cell_fixed(c, (int64_t)PER_SECOND(read), 0))
TASK(write, SAMPLE_IO, true, cell_fixed(c, (int64_t)PER_SECOND(write), 0))
TASK(minflt, 0, true, cell_fixed(c, (int64_t)(PER_SECOND(minflt) * 100), 2))
TASK(majflt, 0, true, cell_fixed(c, (int64_t)(PER_SECOND(majflt) * 100), 2))
TASK(ctxsw, SAMPLE_CTXSW, true, cell_fixed(c, (int64_t)(PER_SECOND(ctxsw) * 100), 2))
TASK(wait, SAMPLE_WAIT, true, set_percent(c, PART(wait)))

const struct col task_cols[] = {
    {"pid", COL_ID, 0, get_pid, "process id"},
    {"tid", COL_ID, 0, get_tid, "thread id; that of the first thread for a process"},
    {"name", COL_TEXT, 0, get_name, "command name (comm)"},
    {"cpu", COL_PERCENT, 0, get_cpu, "CPU time, percent of one CPU"},
    {"mem", COL_BYTES, SAMPLE_MEM, get_mem, "resident memory"},
    {"mem_pct", COL_PERCENT, SAMPLE_MEM, get_mem_pct, "of the machine's memory"},
    {"read", COL_BYTES, SAMPLE_IO, get_read, "bytes a second read from storage"},
    {"write", COL_BYTES, SAMPLE_IO, get_write, "bytes a second written to storage"},
    {"ctxsw", COL_COUNT, SAMPLE_CTXSW, get_ctxsw, "context switches a second, of all its threads"},
    {"when", COL_TIME, 0, get_when, "end of the interval"},
    {"state", COL_TEXT, SAMPLE_STATE, get_state, "state, as in dmt-ps"},
    {"user", COL_PERCENT, 0, get_user, "CPU time in user mode, percent of one CPU"},
    {"minflt", COL_COUNT, 0, get_minflt, "page faults a second without input"},
    {"majflt", COL_COUNT, 0, get_majflt, "page faults a second that read a disk"},
    {"wait", COL_PERCENT, SAMPLE_WAIT, get_wait, "time ready to run without a CPU, added up over its threads"},
    {"start", COL_ID, 0, get_start, "start in clock ticks since boot: PID@START is a target"},
    {0},
};
