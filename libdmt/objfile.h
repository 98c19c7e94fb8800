// SPDX-License-Identifier: MIT
//
// What the head of an ELF file says (elf(5)). The file is a stranger's: bounded preads,
// every size checked, never mapped.
#ifndef DMT_OBJFILE_H
#define DMT_OBJFILE_H

#include "dmt.h"

/**
 * The oldest kernel that the program was linked for (NT_GNU_ABI_TAG, System V gABI
 * "Note Section" and the GNU extension): `3.2.0` as three numbers. -1 with ENOENT when
 * the file has no such note, ENOEXEC when it is no ELF file of this machine's byte order.
 */
NODISCARD int objfile_osrel(int fd, uint32_t ret[3]);

#endif
