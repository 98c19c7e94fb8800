// SPDX-License-Identifier: MIT
//
// In the child: names demangled (libiberty knows C++, Rust and D), and compared with one that a person wrote.
#include "sym_child.h"

#include <ctype.h>
#include <libiberty/demangle.h>
#include <string.h>

enum { ANSI = DMGL_ANSI | DMGL_AUTO, MANGLED_MAX = 65536 };

static bool is_mangled(const char *name)
{
    while (*name == '_' && name[1] == '_')
        name++;
    return name[0] == '_' && (name[1] == 'Z' || name[1] == 'R' || name[1] == 'D');
}

// Where its version (`@V`, `@@V`) begins, or its end.
static const char *version_of(const char *name)
{
    return *name ? strchrnul(name + 1, '@') : name;
}

static char *demangle(const char *name, const char *end, int options)
{
    CLEANUP_FREE char *head = strndup(name, (size_t)(end - name));
    return head ? cplus_demangle(head, options) : NULL;
}

char *name_pretty(const char *name)
{
    const char *version = version_of(name);
    char *pretty = NULL;
    if (is_mangled(name) && version - name < MANGLED_MAX)
        pretty = demangle(name, version, ANSI | DMGL_PARAMS);
    return pretty || !*version ? pretty : strndup(name, (size_t)(version - name));
}

// --- a name that is looked for -----------------------------------------------------

// Where the last component of a qualified name begins, and where its arguments or template arguments do.
static void last_component(const char *text, const char **from, const char **to)
{
    int depth = 0;
    *from = text;
    *to = NULL;
    for (const char *at = text; *at; at++) {
        if (strchr("<([{", *at)) {
            if (depth++ == 0 && !*to && at > *from)
                *to = at;
        } else if (strchr(">)]}", *at)) {
            depth -= depth > 0;
        } else if (depth == 0 && at[0] == ':' && at[1] == ':') {
            *from = at + 2;
            *to = NULL;
            at++;
        }
    }
    if (!*to)
        *to = text + strlen(text);
}

/*
 * Mangled names spell each identifier out, so those without the last one of the query need not be demangled:
 * a hundred times quicker. Not known where it may be abbreviated or is no identifier.
 */
void name_query_init(struct name_query *q, const char *text)
{
    static const char *const abbreviated[] = {"std", "string", "basic_string", "allocator", "istream", "ostream",
                                              "iostream", "basic_istream", "basic_ostream", "basic_iostream"};
    const char *from, *to;
    *q = (struct name_query){.text = text};
    q->mangled = is_mangled(text);
    last_component(text, &from, &to);
    if (*from == '~')
        from++;
    size_t n = 0;
    while (from + n < to && (isalnum((unsigned char)from[n]) || from[n] == '_'))
        n++;
    if (from + n != to || n == 0 || n >= sizeof q->word || isdigit((unsigned char)*from) ||
        strncmp(from, "operator", 8) == 0)
        return;
    memcpy(q->word, from, n);
    for (size_t i = 0; i < ARRAY_LEN(abbreviated); i++)
        if (strcmp(q->word, abbreviated[i]) == 0)
            q->word[0] = '\0';
}

// NAME, or the part of it before its version.
static bool is_name(const char *name, const char *text)
{
    size_t n = strlen(text);
    return strncmp(name, text, n) == 0 && (name[n] == '\0' || (name[n] == '@' && n > 0));
}

bool name_matches(const struct name_query *q, const char *name)
{
    if (is_name(name, q->text))
        return true;
    if (q->mangled || !is_mangled(name) || (q->word[0] && !strstr(name, q->word)) ||
        strnlen(name, MANGLED_MAX) == MANGLED_MAX)
        return false;
    const char *version = version_of(name);
    static const int forms[] = {ANSI, ANSI | DMGL_PARAMS};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        CLEANUP_FREE char *pretty = demangle(name, version, forms[i]);
        if (pretty && is_name(pretty, q->text))
            return true;
    }
    return false;
}
