// SPDX-License-Identifier: MIT
//
// User and group names, as the system's name service gives them.
#ifndef DMT_USER_H
#define DMT_USER_H

#include "dmt.h"

#include <sys/types.h>

/** The name of a user or group, or its number as text where it has none. Valid until many more calls. */
const char *user_name(uid_t uid);
const char *group_name(gid_t gid);

/** A name or a number of N bytes. -1 with EINVAL: no such name. */
NODISCARD int user_parse(const char *text, size_t n, uid_t *ret);
NODISCARD int group_parse(const char *text, size_t n, gid_t *ret);

#endif
