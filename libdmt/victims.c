// SPDX-License-Identifier: MIT
#include "victims.h"

#include "buf.h"
#include "err.h"
#include "pidfd.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

void victims_fini(struct victims *v)
{
    for (size_t i = 0; i < v->n; i++)
        close(v->at[i].pidfd);
    free(v->at);
    *v = (struct victims){0};
}

void victim_name(struct victim *v, const struct proc *p)
{
    v->pid = p->pid;
    v->named = true;
    v->name_len = p->stat.comm_len;
    memcpy(v->name, p->stat.comm, v->name_len);
}

int victims_add(struct victims *list, const struct victim *v)
{
    struct victim *grown = array_grow(list->at, list->n, &list->cap, sizeof *grown);
    if (!grown)
        return -1;
    list->at = grown;
    list->at[list->n++] = *v;
    return 0;
}

struct group {
    struct victims *list;
    const struct procs *ps;
    pid_t id;
    const char *text;
};

static int add_member(struct proc *p, void *arg)
{
    struct group *g = arg;
    if (p->stat.pgid != g->id || p->stat.state == 'Z')
        return 0;
    struct victim v = {.pidfd = -1};
    (void)snprintf(v.text, sizeof v.text, "%s", g->text);
    int done = proc_open(g->ps, p, p->pid);
    if (done == 0)
        done = pidfd_open_process(p->pid, &v.pidfd);
    if (done == 0)
        done = proc_load(g->ps, p, PROC_STAT); // still there: the pidfd is this process's
    proc_close(p);
    if (done == 0 && p->stat.pgid == g->id) {
        victim_name(&v, p);
        done = victims_add(g->list, &v);
        if (done == 0)
            return 0;
    }
    if (v.pidfd >= 0)
        close(v.pidfd);
    return done < 0 && err_code() != ESRCH ? -1 : 0;
}

int victims_add_group(struct victims *list, const struct procs *ps, pid_t group, const char *text)
{
    struct group g = {list, ps, group, text};
    struct proc p;
    proc_init(&p);
    int done = proc_each(ps, &p, PROC_STAT, add_member, &g);
    proc_fini(&p);
    return done;
}

int victims_move(struct victims *list, struct victims *from)
{
    for (; from->n > 0; from->n--)
        if (victims_add(list, &from->at[from->n - 1]) < 0)
            return -1;
    return 0;
}

static int64_t now_ms(void)
{
    return (int64_t)(proc_now() / 1000000);
}

int victims_wait(struct victims *list, int64_t ms, void (*ended)(const struct victim *v, void *arg), void *arg)
{
    CLEANUP_FREE struct pollfd *fds = calloc(list->n + 1, sizeof *fds);
    if (!fds)
        return err_set(ENOMEM, "out of memory");
    for (int64_t end = now_ms() + ms; list->n > 0;) {
        for (size_t i = 0; i < list->n; i++)
            fds[i] = (struct pollfd){.fd = list->at[i].pidfd, .events = POLLIN};
        int64_t left = end - now_ms();
        int ready = poll(fds, list->n, ms < 0 ? -1 : left > 0 ? (int)left : 0);
        if (ready < 0 && errno != EINTR)
            return err_sys("cannot wait");
        size_t kept = 0;
        for (size_t i = 0; i < list->n; i++) {
            struct victim *v = &list->at[i];
            if (ready > 0 && fds[i].revents) {
                ended(v, arg);
                close(v->pidfd);
            } else {
                list->at[kept++] = *v;
            }
        }
        list->n = kept;
        if (ready == 0)
            return 0;
    }
    return 0;
}
