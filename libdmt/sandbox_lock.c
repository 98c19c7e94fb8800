// SPDX-License-Identifier: MIT
//
// What the child gives up, in an order in which each step still has the right to be taken.
#include "err.h"
#include "sandbox_impl.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif

enum { NOBODY = 65534, CPU_SECONDS = 3600, FILES = 64 };

static int close_others(void)
{
    // A sanitizer reports on standard error. Nobody else writes there, and nothing else stays.
    unsigned kept = SANITIZED ? 2 : SANDBOX_SOCKET;
    if ((kept > 0 && syscall(SYS_close_range, 0U, kept - 1, 0U) < 0) ||
        syscall(SYS_close_range, SANDBOX_SOCKET + 1U, ~0U, 0U) < 0) {
        if (errno != ENOSYS)
            return err_sys("close_range");
        struct rlimit files;
        int end = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 1048576 ? (int)files.rlim_cur : 1048576;
        for (int fd = 0; fd < end; fd++) // Linux 5.8 and older
            if (fd != SANDBOX_SOCKET && !(SANITIZED && fd == 2))
                close(fd);
    }
    return 0;
}

static int limit(int what, rlim_t soft)
{
    struct rlimit r;
    if (getrlimit((__rlimit_resource_t)what, &r) < 0)
        return err_sys("getrlimit");
    if (what != RLIMIT_AS) // which the parent may raise again for large files
        r.rlim_max = r.rlim_max < soft ? r.rlim_max : soft;
    r.rlim_cur = r.rlim_max < soft ? r.rlim_max : soft;
    return setrlimit((__rlimit_resource_t)what, &r) < 0 ? err_sys("setrlimit") : 0;
}

static int limit_all(void)
{
    if (!SANITIZED && limit(RLIMIT_AS, 2UL << 30) < 0)
        return -1;
    return limit(RLIMIT_CPU, CPU_SECONDS) < 0 || limit(RLIMIT_NOFILE, FILES) < 0 || limit(RLIMIT_CORE, 0) < 0 ||
                   (!SANITIZED && limit(RLIMIT_FSIZE, 0) < 0) || limit(RLIMIT_NPROC, 0) < 0
               ? -1
               : 0;
}

// A user namespace may have no nobody (EINVAL), a container may forbid the change (EPERM): it stays root there, without
// capabilities.
static int be_nobody(void)
{
    if (geteuid() != 0)
        return 0;
    if ((setgroups(0, NULL) < 0 && errno != EPERM) ||
        (setresgid(NOBODY, NOBODY, NOBODY) < 0 && errno != EPERM && errno != EINVAL) ||
        (setresuid(NOBODY, NOBODY, NOBODY) < 0 && errno != EPERM && errno != EINVAL))
        return err_sys("cannot become nobody");
    return 0;
}

static int drop_capabilities(void)
{
    const struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    const struct __user_cap_data_struct none[2] = {{0}, {0}};
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &head, none) < 0 ? err_sys("capset") : 0;
}

// A rule set that handles all and allows nothing (landlock(7)). Kernels without it have the filter of calls alone.
static int deny_files(void)
{
    struct {
        uint64_t fs, net, scoped;
    } attr = {0};
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return 0;
    static const unsigned char fs_rights[] = {0, 13, 14, 15, 15, 16}; // by version, from there on the same
    attr.fs = (1ULL << fs_rights[abi < 5 ? abi : 5]) - 1;
    attr.net = abi >= 4 ? 3 : 0;    // bind and connect TCP
    attr.scoped = abi >= 6 ? 3 : 0; // abstract sockets, signals
    size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
    long fd = syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (fd < 0)
        return err_sys("landlock_create_ruleset");
    long done = syscall(SYS_landlock_restrict_self, fd, 0);
    close((int)fd);
    return done < 0 ? err_sys("landlock_restrict_self") : 0;
}

static int lock_all(pid_t parent)
{
    for (int sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (close_others() < 0 || be_nobody() < 0 || drop_capabilities() < 0 || limit_all() < 0)
        return -1;
    // A change of user clears both of these: after it.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_sys("prctl");
    if (getppid() != parent)
        _exit(0); // it has died before we asked to be told
    return deny_files() < 0 || sandbox_lock_calls() < 0 ? -1 : 0;
}

int sandbox_lock(pid_t parent)
{
    return lock_all(parent) < 0 ? err_wrap("the parser of foreign files cannot be locked in") : 0;
}
