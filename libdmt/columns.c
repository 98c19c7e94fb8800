// SPDX-License-Identifier: MIT
#include "columns.h"

#include "err.h"
#include "near.h"

#include <errno.h>
#include <string.h>

size_t columns_count(const struct col *cols)
{
    size_t n = 0;
    while (cols[n].name)
        n++;
    return n;
}

static int find(const struct col *cols, const char *name, size_t len, size_t *ret)
{
    struct near near = {.typed = name, .len = len};
    for (size_t i = 0; cols[i].name; i++) {
        if (strlen(cols[i].name) == len && memcmp(cols[i].name, name, len) == 0) {
            *ret = i;
            return 0;
        }
        near_offer(&near, cols[i].name);
    }
    if (near.best)
        return err_set(EINVAL, "no column '%.*s'; did you mean '%s'?", (int)len, name, near.best);
    return err_set(EINVAL, "no column '%.*s'; --list-columns lists them", (int)len, name);
}

static int show(struct columns *c, size_t col)
{
    if (c->nshown == COLUMNS_MAX)
        return err_set(EINVAL, "more than %d columns", COLUMNS_MAX);
    c->used[c->nshown++] = col;
    return 0;
}

static int show_list(struct columns *c, const char *list)
{
    for (const char *word = list;; word++) {
        size_t len = strcspn(word, ","), col;
        if (len == 0)
            return err_set(EINVAL, "an empty column name in '%s'", list);
        if (find(c->cols, word, len, &col) < 0 || show(c, col) < 0)
            return -1;
        word += len;
        if (!*word)
            return 0;
    }
}

static int use(struct columns *c, size_t col)
{
    for (size_t i = 0; i < c->nused; i++)
        if (c->used[i] == col)
            return (int)i;
    if (c->nused == COLUMNS_MAX)
        return err_set(EINVAL, "more than %d columns", COLUMNS_MAX);
    c->used[c->nused] = col;
    return (int)c->nused++;
}

int columns_use(struct columns *c, const char *name)
{
    size_t col;
    return find(c->cols, name, strlen(name), &col) < 0 ? -1 : use(c, col);
}

static int sort_list(struct columns *c, const char *list)
{
    for (const char *word = list;; word++) {
        char force = *word == '+' || *word == '-' ? *word++ : '\0';
        size_t len = strcspn(word, ","), col;
        if (len == 0)
            return err_set(EINVAL, "an empty sort key in '%s'", list);
        if (find(c->cols, word, len, &col) < 0)
            return -1;
        int at = use(c, col);
        if (at < 0)
            return -1;
        if (c->nkeys == ARRAY_LEN(c->keys))
            return err_set(EINVAL, "more than %zu sort keys", ARRAY_LEN(c->keys));
        c->keys[c->nkeys++] =
            (struct sort_key){(size_t)at, force ? force == '-' : col_type_largest_first(c->cols[col].type)};
        word += len;
        if (!*word)
            return 0;
    }
}

int columns_choose(struct columns *c, const struct col *cols, const char *defaults,
                   const char *shown, const char *sort)
{
    *c = (struct columns){.cols = cols};
    if (shown && strcmp(shown, "all") == 0) {
        for (size_t i = 0; cols[i].name; i++)
            if (show(c, i) < 0)
                return -1;
    } else {
        if ((!shown || *shown == '+') && show_list(c, defaults) < 0)
            return -1;
        if (shown && show_list(c, shown + (*shown == '+')) < 0)
            return -1;
    }
    c->nused = c->nshown;
    return sort ? sort_list(c, sort) : 0;
}

unsigned columns_needs(const struct columns *c)
{
    unsigned needs = 0;
    for (size_t i = 0; i < c->nused; i++)
        needs |= c->cols[c->used[i]].needs;
    return needs;
}
