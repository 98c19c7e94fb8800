// SPDX-License-Identifier: MIT
#include "reg.h"

#include <elf.h>

#if defined(__x86_64__)
const unsigned reg_machine = EM_X86_64;
#elif defined(__aarch64__)
const unsigned reg_machine = EM_AARCH64;
#endif
