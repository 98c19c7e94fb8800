// SPDX-License-Identifier: MIT
//
// The registers of a live thread: stopped, read, changed, released. What can be allocated before the stop is.
#include "err.h"
#include "target_live.h"

#include <errno.h>
#include <stdio.h>

int live_stop(struct target *t, pid_t tid, struct tracee *ret)
{
    return tracer_stop(t->pid, live_of(t)->process.dir, tid, t->options.max_stop, ret);
}

int live_regs(struct target *t, pid_t tid, unsigned sets, struct regs *ret)
{
    struct tracee tracee;
    if (regs_reserve(ret, sets) < 0 || live_stop(t, tid, &tracee) < 0)
        return -1;
    int done = tracer_regs(&tracee, sets, ret);
    tracer_release(&tracee);
    return done;
}

static int edit_stopped(const struct tracee *tracee, unsigned sets, struct regs *was, struct regs *now,
                        int (*edit)(struct regs *r, unsigned *changed, void *arg), void *arg)
{
    unsigned changed = 0;
    if (tracer_regs(tracee, sets, was) < 0 || regs_copy(now, was, sets) < 0)
        return -1;
    int done = edit(now, &changed, arg);
    changed &= now->have;
    if (done != 0 || !changed)
        return done;
    if (changed >> REGS_GP & 1)
        reg_abandon_call(now, was);
    done = tracer_set_regs(tracee, reg_join(now, changed), now);
    // The kernel takes register by register up to the one it refuses: those are put back.
    if (done < 0 && err_code() != ESRCH) {
        int code = err_code();
        char why[256];
        (void)snprintf(why, sizeof why, "%s", err_text());
        for (unsigned i = 0; i < REG_SETS; i++)
            if (changed >> i & 1 && tracer_set_regs(tracee, 1u << i, was) < 0)
                return err_wrap("cannot put back its registers after %s", why);
        return err_set(code, "%s", why);
    }
    if (done == 0 && tracer_regs(tracee, sets, now) < 0)
        return err_wrap("written, but cannot be read back");
    return done < 0 ? -1 : edit(now, NULL, arg);
}

int live_edit_regs(struct target *t, pid_t tid, unsigned sets,
                   int (*edit)(struct regs *r, unsigned *changed, void *arg), void *arg)
{
    CLEANUP_REGS struct regs was = {0}, now = {0};
    struct tracee tracee;
    if (regs_reserve(&was, sets) < 0 || regs_reserve(&now, sets) < 0 || live_stop(t, tid, &tracee) < 0)
        return -1;
    int done = edit_stopped(&tracee, sets, &was, &now, edit, arg);
    tracer_release(&tracee);
    return done;
}
