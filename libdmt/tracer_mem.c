// SPDX-License-Identifier: MIT
//
// The memory of a stopped thread. Everything that can goes through /proc/PID/mem instead (target_live.c).
#include "err.h"
#include "tracer.h"

#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>

int tracer_write(const struct tracee *t, uint64_t addr, const void *from, size_t n)
{
    const char *bytes = from;
    for (size_t done = 0; done < n;) {
        // Whole words, which end where pages do: the rest of one stays as it is.
        uint64_t at = addr + done;
        size_t skip = at % sizeof(long), part = sizeof(long) - skip < n - done ? sizeof(long) - skip : n - done;
        errno = 0;
        long word = ptrace(PTRACE_PEEKDATA, t->tid, at - skip, 0);
        if (!errno) {
            memcpy((char *)&word + skip, bytes + done, part);
            errno = ptrace(PTRACE_POKEDATA, t->tid, at - skip, word) < 0 ? errno : 0;
        }
        if (errno == ESRCH)
            return err_set(ESRCH, "no such thread");
        if (errno)
            return err_set(EIO, "the kernel does not let it be written");
        done += part;
    }
    return 0;
}
