// SPDX-License-Identifier: MIT
#include "operands.h"

#include "err.h"
#include "io.h"
#include "num.h"

#include <errno.h>
#include <string.h>

enum { LINE_MAX_BYTES = 4096 };

static void free_operand(struct operand *o)
{
    free(o->text);
    free(o->file);
}

void operands_fini(struct operands *o)
{
    for (size_t i = 0; i < o->n; i++)
        free_operand(&o->at[i]);
    free(o->at);
    o->at = NULL;
    o->n = o->cap = 0;
}

// A whole operand that names an existing file is that file; else what stands before its last slash may be, with threads
// behind it.
static int parse_file(struct operand *o)
{
    size_t n = strlen(o->text);
    const char *slash = strrchr(o->text, '/');
    if (access(o->text, F_OK) != 0) {
        if (!slash || slash == o->text || !slash[1] || strspn(slash + 1, "0123456789,-") != strlen(slash + 1))
            return 0;
        n = (size_t)(slash - o->text);
    }
    o->file = strndup(o->text, n);
    if (!o->file)
        return err_set(ENOMEM, "out of memory");
    if (access(o->file, F_OK) == 0)
        return o->text[n] ? ident_parse_tids(slash + 1, &o->id) : 0;
    free(o->file);
    o->file = NULL;
    return 0;
}

// The text is copied; the caller frees it.
static int parse(const struct operands *rules, const char *text, size_t n, struct operand *ret)
{
    struct operand o = {.text = strndup(text, n)};
    int64_t group;
    int done;
    if (!o.text)
        return err_set(ENOMEM, "out of memory");
    if (rules->groups && n > 1 && text[0] == '-' && num_int(text, n, INT32_MIN, -1, &group) == 0) {
        o.id.pid = (pid_t)group;
        done = 0;
    } else {
        done = rules->files ? parse_file(&o) : 0;
        if (done == 0 && !o.file)
            done = ident_parse(text, n, &o.id);
    }
    if (done == 0 && rules->check)
        done = rules->check(&o, rules->check_arg);
    if (done < 0)
        free_operand(&o);
    else
        *ret = o;
    return done;
}

static int add(struct operands *o, const char *text, size_t n)
{
    if (n == 1 && text[0] == '-') {
        o->from_stdin = true;
        return 0;
    }
    struct operand *grown = array_grow(o->at, o->n, &o->cap, sizeof *grown);
    if (!grown)
        return -1;
    o->at = grown;
    if (parse(o, text, n, &o->at[o->n]) < 0)
        return err_wrap("'%.*s'", (int)n, text);
    o->n++;
    return 0;
}

// The first WORDS operands and all of -p.
static int parse_words(const struct run *run, size_t words, struct operands *ret)
{
    for (size_t i = 0; i < words; i++)
        if (add(ret, run->operands.at[i], strlen(run->operands.at[i])) < 0)
            return -1;
    for (size_t i = 0; i < run->pids.n; i++)
        for (const char *word = run->pids.at[i];; word++) {
            size_t len = strcspn(word, ",");
            if (add(ret, word, len) < 0)
                return -1;
            word += len;
            if (!*word)
                break;
        }
    return 0;
}

int operands_parse(const struct run *run, struct operands *ret)
{
    return parse_words(run, run->operands.n, ret);
}

int operands_parse_first(const struct run *run, struct operands *ret, size_t *rest)
{
    *rest = run->pids.n == 0 && run->operands.n > 0;
    if (run->pids.n + run->operands.n == 0)
        return err_set(EINVAL, "no target was given");
    return parse_words(run, *rest, ret);
}

struct reader {
    struct run *run;
    const struct operands *rules;
    int (*fn)(const struct operand *o, void *arg);
    void *arg;
    bool first;
    size_t found;
};

static int read_line(struct reader *r, const char *line, size_t n)
{
    while (n > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        n--;
    }
    size_t len = 0;
    while (len < n && line[len] != '\t' && line[len] != ' ' && line[len] != '\r')
        len++;
    bool header = r->first && ((len == 3 && memcmp(line, "pid", 3) == 0) || (len == 6 && memcmp(line, "handle", 6) == 0));
    r->first = false;
    if (len == 0 || header)
        return 0;
    struct operand o;
    if (parse(r->rules, line, len, &o) < 0) {
        (void)err_wrap("'%.*s'", (int)len, line);
        cmd_fail(r->run, "standard input");
        return 0;
    }
    r->found++;
    int stop = r->fn(&o, r->arg);
    free_operand(&o);
    return stop;
}

// Lines end with a newline, or with the zero byte of `dmt-find -0`.
static void read_stdin(struct reader *r)
{
    char text[LINE_MAX_BYTES];
    bool overlong = false; // the rest of a line that did not fit is skipped
    for (size_t have = 0;;) {
        ssize_t got = io_read(STDIN_FILENO, text + have, sizeof text - have);
        if (got < 0) {
            (void)err_sys("cannot read");
            cmd_fail(r->run, "standard input");
            return;
        }
        size_t start = 0, end = have + (size_t)got;
        for (size_t i = have; i < end; i++) {
            if (text[i] != '\n' && text[i] != '\0')
                continue;
            if (!overlong && read_line(r, text + start, i - start))
                return;
            overlong = false;
            start = i + 1;
        }
        if (got == 0) {
            if (!overlong && end > start)
                (void)read_line(r, text + start, end - start);
            return;
        }
        have = end - start;
        memmove(text, text + start, have);
        if (have == sizeof text) {
            // Its first field is whole, whatever follows.
            if (!overlong && read_line(r, text, have))
                return;
            overlong = true;
            have = 0;
        }
    }
}

void operands_each(struct run *run, const struct operands *o, int (*fn)(const struct operand *o, void *arg),
                   void *arg)
{
    for (size_t i = 0; i < o->n; i++)
        if (fn(&o->at[i], arg))
            return;
    struct reader r = {.run = run, .rules = o, .fn = fn, .arg = arg, .first = true};
    if (o->from_stdin)
        read_stdin(&r);
    if (o->n + r.found == 0)
        cmd_status(run, STATUS_NONE);
}
