// SPDX-License-Identifier: MIT
#include "option.h"

#include "buf.h"
#include "err.h"
#include "near.h"
#include "num.h"

#include <errno.h>
#include <string.h>

void texts_fini(struct texts *t)
{
    free(t->at);
    *t = (struct texts){0};
}

int texts_add(struct texts *t, const char *text)
{
    const char **grown = array_grow(t->at, t->n, &t->cap, sizeof *grown);
    if (!grown)
        return -1;
    t->at = grown;
    t->at[t->n++] = text;
    return 0;
}

bool option_has_letter(const struct opt_table *tables, size_t t, const struct opt *o)
{
    for (size_t earlier = 0; earlier < t; earlier++)
        for (size_t i = 0; i < tables[earlier].n; i++)
            if (tables[earlier].opts[i].letter == o->letter)
                return false;
    return o->letter != '\0';
}

// Where a command line stands.
struct reader {
    const struct words *words;
    const struct opt_table *tables;
    size_t ntables;
    int next; // index into argv
};

struct found {
    const struct opt *opt;
    void *value;
};

static struct found found_at(const struct opt_table *table, size_t i)
{
    return (struct found){&table->opts[i], (char *)table->values + table->opts[i].at};
}

static int by_letter(const struct reader *r, char letter, struct found *ret)
{
    for (size_t t = 0; t < r->ntables; t++)
        for (size_t i = 0; i < r->tables[t].n; i++)
            if (r->tables[t].opts[i].letter == letter) {
                *ret = found_at(&r->tables[t], i);
                return 0;
            }
    return err_set(EINVAL, "no option '-%c'", letter);
}

static int by_name(const struct reader *r, const char *name, size_t len, struct found *ret)
{
    size_t hits = 0;
    struct near near = {.typed = name, .len = len};
    for (size_t t = 0; t < r->ntables; t++)
        for (size_t i = 0; i < r->tables[t].n; i++) {
            const char *known = r->tables[t].opts[i].name;
            if (!known)
                continue;
            near_offer(&near, known);
            if (strncmp(known, name, len) != 0)
                continue;
            *ret = found_at(&r->tables[t], i);
            if (strlen(known) == len)
                return 0;
            hits++;
        }
    if (hits == 1)
        return 0;
    if (hits > 1)
        return err_set(EINVAL, "'--%.*s' is the beginning of several options", (int)len, name);
    if (near.best)
        return err_set(EINVAL, "no option '--%.*s'; did you mean '--%s'?", (int)len, name, near.best);
    return err_set(EINVAL, "no option '--%.*s'", (int)len, name);
}

static int store_flag(const struct found *f)
{
    *(bool *)f->value = true;
    return 0;
}

static int store(const struct found *f, const char *arg)
{
    switch (f->opt->type) {
    case OPT_FLAG: // takes no argument: store_flag
        return 0;
    case OPT_UINT:
        return num_uint(arg, strlen(arg), UINT64_MAX, f->value);
    case OPT_TEXT:
        *(const char **)f->value = arg;
        return 0;
    case OPT_TEXTS:
        return texts_add(f->value, arg);
    }
    return 0;
}

// The argument of an option that stands as the next word.
static const char *next_word(struct reader *r)
{
    return r->next < r->words->argc ? r->words->argv[r->next++] : NULL;
}

static int read_long(struct reader *r, const char *word)
{
    const char *name = word + 2, *equals = strchr(name, '=');
    struct found f = {0};
    if (by_name(r, name, equals ? (size_t)(equals - name) : strlen(name), &f) < 0)
        return -1;
    if (!f.opt->arg)
        return equals ? err_set(EINVAL, "--%s takes no argument", f.opt->name) : store_flag(&f);
    const char *arg = equals ? equals + 1 : next_word(r);
    if (!arg)
        return err_set(EINVAL, "--%s needs an argument: %s", f.opt->name, f.opt->arg);
    return store(&f, arg) < 0 ? err_wrap("--%s '%s'", f.opt->name, arg) : 0;
}

static int read_letters(struct reader *r, const char *word)
{
    for (const char *letter = word + 1; *letter; letter++) {
        struct found f = {0};
        if (by_letter(r, *letter, &f) < 0)
            return -1;
        if (!f.opt->arg) {
            (void)store_flag(&f);
            continue;
        }
        const char *arg = letter[1] ? letter + 1 : next_word(r);
        if (!arg)
            return err_set(EINVAL, "-%c needs an argument: %s", *letter, f.opt->arg);
        return store(&f, arg) < 0 ? err_wrap("-%c '%s'", *letter, arg) : 0;
    }
    return 0;
}

int options_read(const struct words *words, const struct opt_table *tables, size_t ntables,
                 const bool *const *stop, size_t nstop, struct texts *operands)
{
    struct reader r = {words, tables, ntables, 1};
    bool ended = false;
    for (const char *word; (word = next_word(&r));) {
        if (ended || word[0] != '-' || !word[1]) {
            if (texts_add(operands, word) < 0)
                return -1;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            ended = true;
            continue;
        }
        int taken = words->word ? words->word(words->values, word) : 0;
        if (taken == 0)
            taken = word[1] == '-' ? read_long(&r, word) : read_letters(&r, word);
        if (taken < 0)
            return -1;
        for (size_t i = 0; i < nstop; i++)
            if (*stop[i])
                return 1;
    }
    return 0;
}
