// SPDX-License-Identifier: MIT
//
// dmt-peek: memory and registers of a process or core file as rows, or as raw bytes. Memory is read while
// the process runs: only a register stops a thread, for the moment that it takes to read it.
#include "err.h"
#include "num.h"
#include "operands.h"
#include "readout.h"

#include <errno.h>
#include <string.h>

enum { STOP_LIMIT_MS = 3600 * 1000 };

struct peek {
    const char *set, *format, *holes, *frame;
    bool raw, remote_fs;
    uint64_t max_stop; // milliseconds
    // What they say:
    struct readout readout;
    struct operands targets;
    // Of the run:
    struct procs procs;
    struct target_options options;
};

#define AT(field) offsetof(struct peek, field)

static const struct opt opts[] = {
    {'r', "registers", "SET,...", OPT_TEXT, AT(set), "sets", "registers of all threads: gp, fp, vector, debug, all"},
    {'f', "as", "FORMAT", OPT_TEXT, AT(format), "types", "signed unsigned hex float char string pointer bytes; with size: x2"},
    {0, "frame", "N", OPT_TEXT, AT(frame), NULL, "names are first those of variables of frame N, as dmt-bt -i counts"},
    {0, "raw", NULL, OPT_FLAG, AT(raw), NULL, "the bytes themselves, COUNT of them, no table"},
    {0, "holes", "HOW", OPT_TEXT, AT(holes), "holes", "what cannot be read: error, zero or skip"},
    {0, "remote-fs", NULL, OPT_FLAG, AT(remote_fs), NULL, "files on network and FUSE file systems too: may hang"},
    {0, "max-stop", "MS", OPT_UINT, AT(max_stop), NULL, "milliseconds that a thread may take to stop (1000)"},
};

// --- the command line ------------------------------------------------------------

static int parse_sets(const char *text, unsigned *ret)
{
    for (const char *word = text;; word++) {
        size_t len = strcspn(word, ","), set = 0;
        while (set < REG_SETS && (strlen(reg_set_names[set]) != len || memcmp(word, reg_set_names[set], len) != 0))
            set++;
        if (set < REG_SETS)
            *ret |= 1u << set;
        else if (len == 3 && memcmp(word, "all", len) == 0)
            *ret |= (1u << REG_SETS) - 1;
        else
            return err_set(EINVAL, "-r '%s': not gp, fp, vector, debug or all", text);
        word += len;
        if (!*word)
            return 0;
    }
}

// What is wrong with a location whatever the target is.
static int check_location(const struct peek *p, const char *text, bool *is_addr)
{
    struct location_way ways[LOCATION_WAYS];
    struct value_plan plan;
    size_t n;
    if (location_ways(text, ways, &n) < 0)
        return -1;
    *is_addr = ways[0].as == LOCATION_AS_ADDR;
    if (!*is_addr)
        return 0;
    const struct location l = {.kind = LOCATION_MEMORY, .addr = ways[0].addr, .count = ways[0].count};
    if (p->raw && l.count == 0)
        return err_set(EINVAL, "how many bytes? %s,COUNT", text);
    return value_plan(&l, &p->readout.want, &plan) < 0 ? -1 : value_plan_at(&plan, l.addr);
}

static int check_locations(struct peek *p, struct run *run)
{
    bool addrs = true, regs = false, is_addr;
    for (size_t i = 0; i < p->readout.nlocations; i++) {
        const char *text = p->readout.locations[i];
        if (check_location(p, text, &is_addr) < 0)
            return err_wrap("'%s'", text);
        addrs &= is_addr;
        regs |= text[0] == '%';
    }
    if (p->frame && (regs || p->readout.sets))
        return err_set(EINVAL, "--frame is for variables: registers are those of the thread, not of a frame");
    if (p->readout.sets)
        run->defaults = "pid,tid,set,name,value";
    else if (p->readout.want.letter == 'b' || (addrs && p->readout.want.letter == 0))
        run->defaults = regs ? "pid,tid,addr,hex,text" : "pid,addr,hex,text";
    else if (p->readout.want.letter == 'p')
        run->defaults = regs ? "pid,tid,addr,location,type,value,points_to" : "pid,addr,location,type,value,points_to";
    else if (regs || p->frame)
        run->defaults = "pid,tid,addr,location,type,value";
    return 0;
}

static int check_raw(struct peek *p, struct run *run)
{
    if (p->set || p->format || run->columns || run->sort || run->format || run->json)
        return err_set(EINVAL, "--raw is bytes: not with -r, -f, columns or formats of a table");
    if (isatty(STDOUT_FILENO))
        return err_set(EINVAL, "--raw is for a pipe or a file, not for a terminal");
    p->readout.want.letter = 'b';
    run->table_options.no_header = true;
    return 0;
}

static int prepare(struct run *run, void *values)
{
    struct peek *p = values;
    size_t first;
    p->targets.files = true;
    if (operands_parse_first(run, &p->targets, &first) < 0 || (p->set && parse_sets(p->set, &p->readout.sets) < 0) ||
        (p->holes && span_parse_holes(p->holes, &p->readout.holes) < 0) || (p->raw && check_raw(p, run) < 0))
        return -1;
    p->readout.run = run;
    p->readout.raw = p->raw;
    p->readout.locations = run->operands.at + first;
    p->readout.nlocations = run->operands.n - first;
    if (p->frame) {
        p->readout.has_frame = true;
        if (num_uint(p->frame, strlen(p->frame), UINT32_MAX, &p->readout.frame) < 0)
            return err_wrap("--frame '%s'", p->frame);
    }
    if (p->format && value_format_parse(p->format, &p->readout.want) < 0)
        return err_wrap("-f '%s'", p->format);
    if (p->max_stop == 0 || p->max_stop > STOP_LIMIT_MS)
        return err_set(EINVAL, "--max-stop is 1 to %d milliseconds", STOP_LIMIT_MS);
    if (p->set && p->readout.nlocations > 0)
        return err_set(EINVAL, "-r and locations do not go together; %%NAME is the location of a register");
    if (!p->set && p->readout.nlocations == 0)
        return err_set(EINVAL, "no location was given, and no -r");
    return check_locations(p, run);
}

// ---------------------------------------------------------------------------------

static int show(const struct operand *o, void *arg)
{
    struct peek *p = arg;
    struct target *t CLEANUP_TARGET = NULL;
    if (target_open(&p->procs, o, &p->options, &t) < 0) {
        cmd_fail(p->readout.run, o->text);
        return 0;
    }
    return readout_target(&p->readout, o, t);
}

static void work(struct run *run, void *values)
{
    struct peek *p = values;
    p->options = (struct target_options){.remote_fs = p->remote_fs, .max_stop = p->max_stop * 1000000};
    if (procs_open(&p->procs) < 0) {
        cmd_fail(run, NULL);
        return;
    }
    operands_each(run, &p->targets, show, p);
    procs_close(&p->procs);
}

static bool offer(size_t i, struct offered *ret)
{
    static const struct offered words[] = {{"gp", "sets"},     {"fp", "sets"},     {"vector", "sets"}, {"debug", "sets"},
                                           {"all", "sets"},    {"error", "holes"}, {"zero", "holes"},  {"skip", "holes"}};
    if (i >= ARRAY_LEN(words))
        return value_offer(i - ARRAY_LEN(words), ret);
    *ret = words[i];
    return true;
}

static void finish(void *values)
{
    operands_fini(&((struct peek *)values)->targets);
}

static const struct cmd cmd = {
    .name = "dmt-peek",
    .summary = "Show memory and registers of a process or a core file",
    .operands = "TARGET[/TID] [LOCATION[,COUNT]]...",
    .complete = "cores",
    .offer = offer,
    .example = "dmt-peek -r gp \"$PID\"",
    .targets = true,
    .opts = opts,
    .nopts = ARRAY_LEN(opts),
    .cols = value_cols,
    .defaults = "pid,addr,location,type,value",
    .prepare = prepare,
    .work = work,
    .finish = finish,
};

int main(int argc, char **argv)
{
    struct peek peek = {.max_stop = 1000};
    return cmd_main(&cmd, argc, argv, &peek);
}
