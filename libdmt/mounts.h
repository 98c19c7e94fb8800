// SPDX-License-Identifier: MIT
//
// Whether a file lies where reading it can wait for a stranger for ever. A FUSE daemon or a server that does not
// answer holds its readers in a sleep that no signal ends, SIGKILL included; any user may mount FUSE in a user
// namespace. So the mount is looked up (proc_pid_mountinfo(5)) before a file, or a page of it, is read.
#ifndef DMT_MOUNTS_H
#define DMT_MOUNTS_H

#include "buf.h"

struct mounts {
    int procfs, procdir;   // borrowed: /proc and /proc/PID
    struct buf text[3];    // mountinfo of the process, ours, that of process 1; read when needed
    unsigned tried;        // how many of them
    bool shares_users;     // the process is in our user namespace
};

/** Mounts as the process of the open directory PROCDIR sees them; PROCFS is an open /proc. */
void mounts_init(struct mounts *m, int procfs, int procdir);
void mounts_fini(struct mounts *m);

/** Of a mapping that shows this device. What is mounted nowhere, and not the kernel's own shared memory, is remote. */
bool mounts_remote_device(struct mounts *m, unsigned major, unsigned minor);

/** Of an open descriptor, O_PATH too: nothing is asked of the file system. */
bool mounts_remote_file(struct mounts *m, int fd);

/** The device that mappings of the file of FD show; it is not stat's on btrfs. -1 with ENOENT. */
NODISCARD int mounts_device(struct mounts *m, int fd, unsigned *major, unsigned *minor);

#endif
