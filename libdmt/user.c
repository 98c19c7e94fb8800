// SPDX-License-Identifier: MIT
//
// A look-up can cost a file scan or a network round trip: each id is asked for once.
#include "user.h"

#include "err.h"
#include "num.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

enum { CACHE = 256 };

struct known {
    bool set;
    uint32_t id;
    char name[40]; // longer names are shown as their number, never cut: a cut name is another user
};

static const char *keep(struct known *k, uint32_t id, const char *name)
{
    if (name && *name && strlen(name) < sizeof k->name)
        (void)snprintf(k->name, sizeof k->name, "%s", name);
    else
        (void)snprintf(k->name, sizeof k->name, "%u", id);
    k->id = id;
    k->set = true;
    return k->name;
}

const char *user_name(uid_t uid)
{
    static struct known cache[CACHE];
    struct known *k = &cache[uid % CACHE];
    if (k->set && k->id == uid)
        return k->name;
    const struct passwd *entry = getpwuid(uid);
    return keep(k, uid, entry ? entry->pw_name : NULL);
}

const char *group_name(gid_t gid)
{
    static struct known cache[CACHE];
    struct known *k = &cache[gid % CACHE];
    if (k->set && k->id == gid)
        return k->name;
    const struct group *entry = getgrgid(gid);
    return keep(k, gid, entry ? entry->gr_name : NULL);
}

static int parse(const char *text, size_t n, bool group, uint32_t *ret)
{
    char name[256];
    uint64_t number;
    if (n == 0 || n >= sizeof name)
        return err_set(EINVAL, "no %s '%.*s'", group ? "group" : "user", (int)n, text);
    memcpy(name, text, n);
    name[n] = '\0';
    const struct passwd *user = group ? NULL : getpwnam(name);
    const struct group *grp = group ? getgrnam(name) : NULL;
    if (user)
        *ret = user->pw_uid;
    else if (grp)
        *ret = grp->gr_gid;
    else if (num_uint(name, n, UINT32_MAX - 1, &number) == 0)
        *ret = (uint32_t)number;
    else
        return err_set(EINVAL, "no %s '%s'", group ? "group" : "user", name);
    return 0;
}

int user_parse(const char *text, size_t n, uid_t *ret)
{
    return parse(text, n, false, ret);
}

int group_parse(const char *text, size_t n, gid_t *ret)
{
    return parse(text, n, true, ret);
}
