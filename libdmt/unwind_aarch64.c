// SPDX-License-Identifier: MIT
//
// In the child: aarch64.
#ifdef __aarch64__
#include "unwind_child.h"

#include <string.h>

// x19-x30 and sp (AAPCS64, 6.1.1), and pc.
const uint64_t machine_saved = 0xfffULL << 19 | 1ULL << 31 | 1ULL << 32;

static bool word_at(struct space *s, uint64_t addr, uint32_t *ret)
{
    return addr % 4 == 0 && space_text(s, addr, (uint8_t *)ret, sizeof *ret) == sizeof *ret;
}

// bl; blr and its authenticating forms.
bool machine_is_return(struct space *s, uint64_t addr)
{
    uint32_t call;
    return addr >= 4 && word_at(s, addr - 4, &call) &&
           ((call & 0xfc000000) == 0x94000000 || (call & 0xfefff000) == 0xd63f0000);
}

// mov x8, #139; svc #0. The ucontext stands behind a siginfo.
bool machine_is_sigreturn(struct space *s, uint64_t pc, uint64_t *context)
{
    enum { SIGINFO = 128, MOV = 0xd2801168, SVC = 0xd4000001 };
    uint32_t now, other;
    *context = SIGINFO;
    if (!word_at(s, pc, &now))
        return false;
    return (now == (uint32_t)MOV && word_at(s, pc + 4, &other) && other == (uint32_t)SVC) ||
           (now == (uint32_t)SVC && word_at(s, pc - 4, &other) && other == (uint32_t)MOV);
}

// There the return address is in a register: x30.
int machine_frame_edge(struct space *s, uint64_t pc)
{
    (void)s;
    (void)pc;
    return -1;
}

// musl's __clone: mov x8, #93; svc #0.
bool machine_is_thread_start(struct space *s, uint64_t pc)
{
    uint32_t mov, svc;
    return word_at(s, pc, &mov) && mov == 0xd2800ba8 && word_at(s, pc + 4, &svc) && svc == 0xd4000001;
}

// The upper bits hold a signature; user addresses have at most 48 bits (52 with LVA, which is not the default).
uint64_t machine_plain(uint64_t pc)
{
    return pc & 0xffffffffffff;
}

#endif
