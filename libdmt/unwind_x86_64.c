// SPDX-License-Identifier: MIT
//
// In the child: x86_64.
#ifdef __x86_64__
#include "unwind_child.h"

#include <string.h>

// rbx, rbp, rsp, r12-r15 (psABI, figure 3.4), and the return address.
const int machine_link = -1;
const uint64_t machine_saved = 1 << 3 | 1 << 6 | 1 << 7 | 0xf << 12 | 1 << 16;

// SDM 2A: E8 rel32; FF /2 with its forms of address: 2 to 7 bytes, and a prefix that does not matter before it.
bool machine_is_return(struct space *s, uint64_t addr)
{
    enum { BEFORE = 7 };
    uint8_t b[BEFORE];
    if (addr < BEFORE || !space_code(s, addr - 1) || space_text(s, addr - BEFORE, b, BEFORE) < BEFORE)
        return false;
    if (b[BEFORE - 5] == 0xe8)
        return true;
    for (size_t n = 2; n <= BEFORE; n++) {
        const uint8_t *at = b + BEFORE - n;
        if (at[0] != 0xff || (at[1] >> 3 & 7) != 2)
            continue;
        unsigned mod = at[1] >> 6, rm = at[1] & 7;
        bool sib = mod != 3 && rm == 4;
        size_t displacement = mod == 1 ? 1 : mod == 2 || (mod == 0 && rm == 5) ? 4 : 0;
        if (sib && mod == 0 && n > 2 && (at[2] & 7) == 5)
            displacement = 4;
        if (2 + sib + displacement == n)
            return true;
    }
    return false;
}

// What gdb and the kernel know a handler's return by: mov $15,%rax; syscall. %eax will do as well.
bool machine_is_sigreturn(struct space *s, uint64_t pc, uint64_t *context)
{
    static const uint8_t rax[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05}, eax[] = {0xb8, 15, 0, 0, 0, 0x0f, 0x05};
    uint8_t b[sizeof rax];
    *context = 0; // the return address has been taken from the stack
    size_t n = space_text(s, pc, b, sizeof b);
    if ((n >= sizeof rax && memcmp(b, rax, sizeof rax) == 0) || (n >= sizeof eax && memcmp(b, eax, sizeof eax) == 0))
        return true;
    // At the syscall itself.
    if (n < 2 || b[0] != 0x0f || b[1] != 0x05)
        return false;
    return (space_text(s, pc - 7, b, sizeof b) == sizeof b && memcmp(b, rax, sizeof rax) == 0) ||
           (space_text(s, pc - 5, b, sizeof eax) == sizeof eax && memcmp(b, eax, sizeof eax) == 0);
}

int machine_frame_edge(struct space *s, uint64_t pc)
{
    static const uint8_t endbr[] = {0xf3, 0x0f, 0x1e, 0xfa}, mov[] = {0x48, 0x89, 0xe5}, mov2[] = {0x48, 0x8b, 0xec};
    uint8_t b[4], before = 0;
    size_t n = space_text(s, pc, b, sizeof b);
    if (n == 0)
        return -1;
    if (b[0] == 0xc3 || b[0] == 0x55 || (n >= 4 && memcmp(b, endbr, 4) == 0)) // ret, push %rbp
        return 0;
    bool moves = n >= 3 && (memcmp(b, mov, 3) == 0 || memcmp(b, mov2, 3) == 0);
    if (moves && space_text(s, pc - 1, &before, 1) == 1 && before == 0x55)
        return 8;
    return n >= 2 && b[0] == 0x5d && b[1] == 0xc3 ? 8 : -1; // pop %rbp; ret
}

// musl's __clone: mov %eax,%edi; xor %eax,%eax; mov $60,%al; syscall: what the thread's function returns to.
bool machine_is_thread_start(struct space *s, uint64_t pc)
{
    static const uint8_t end[] = {0x89, 0xc7, 0x31, 0xc0, 0xb0, 0x3c, 0x0f, 0x05};
    uint8_t b[sizeof end];
    return space_text(s, pc, b, sizeof b) == sizeof b && memcmp(b, end, sizeof b) == 0;
}

uint64_t machine_plain(uint64_t pc)
{
    return pc;
}

#endif
