// SPDX-License-Identifier: MIT
//
// An ELF file as its headers and notes say it (elf(5), System V gABI), in a file or as it is mapped in
// memory. Both are a stranger's: every read is bounded, every size checked, nothing is ever mapped.
#ifndef DMT_OBJFILE_H
#define DMT_OBJFILE_H

#include "dmt.h"

/**
 * Where the bytes come from: up to N of them at AT, *GOT of them before the first that is not there
 * (the shape of target_read and mem_read). -1 when that is the first, or with another error.
 */
typedef int objfile_read_fn(void *arg, uint64_t at, void *to, size_t n, size_t *got);

/** The bytes of the file *(int *)FD. -1 with EIO behind its end. */
NODISCARD int objfile_read_fd(void *fd, uint64_t at, void *to, size_t n, size_t *got);

struct objfile {
    objfile_read_fn *read;
    void *arg;
    uint64_t base;          // where its first byte is: 0 in a file, an address in memory
    bool loaded;            // in memory, at the addresses of its program headers
    bool is64;
    uint16_t type, machine; // ET_, EM_
    uint64_t phoff, shoff;
    uint32_t phnum, shnum;  // more than 65,534 too (PN_XNUM, gABI "Extended section header")
    uint32_t shstrndx;      // the section of the sections' names
    char window[4096];      // what was last read, at window_at
    uint64_t window_at;
    size_t window_len;
    size_t reads;           // how often READ was called
};

struct objfile_phdr {
    uint32_t type, flags;   // PT_, PF_
    uint64_t offset, vaddr, filesz, memsz, align;
};

struct objfile_section {
    uint32_t name, type, link; // NAME: where in the section shstrndx; SHT_
    uint64_t flags, addr, offset, size, align, entsize;
};

struct objfile_note {
    uint32_t type;          // NT_
    char name[8];           // whose types these are: "GNU", "CORE"; empty when it is longer than 7 bytes
    uint64_t desc, size;    // its content, for objfile_get
};

/** Reads the header. -1 with ENOEXEC: it is no ELF file of this machine's byte order, or its tables are none. */
NODISCARD int objfile_open(objfile_read_fn *read, void *arg, struct objfile *ret);

/** The same of one that is mapped with its first byte at address BASE: notes are looked for where they are loaded. */
NODISCARD int objfile_open_loaded(objfile_read_fn *read, void *arg, uint64_t base, struct objfile *ret);

/** Exactly N bytes at AT, an offset from its first byte. -1: they are not all there. */
NODISCARD int objfile_get(struct objfile *o, uint64_t at, void *to, size_t n);

/** Program header I < phnum, section I < shnum. */
NODISCARD int objfile_phdr(struct objfile *o, uint32_t i, struct objfile_phdr *ret);
NODISCARD int objfile_section(struct objfile *o, uint32_t i, struct objfile_section *ret);

/**
 * Calls FN for each of at most MAX notes in SIZE bytes at AT, with the alignment ALIGN of their segment or section;
 * the first that does not fit is the end. Stops when FN returns other than 0, and returns that. -1: cannot be read.
 */
NODISCARD int objfile_each_note(struct objfile *o, uint64_t at, uint64_t size, uint64_t align, size_t max,
                                int (*fn)(struct objfile *o, const struct objfile_note *note, void *arg), void *arg);

/**
 * What to add to the addresses of the file to have those of the process in which its byte OFFSET is at
 * ADDRESS. -1 with ENOENT: no segment has that byte.
 */
NODISCARD int objfile_bias(struct objfile *o, uint64_t address, uint64_t offset, uint64_t *ret);

enum { BUILD_ID_MAX = 64 };

/** Its build-id (NT_GNU_BUILD_ID): *N bytes. -1 with ENOENT: it has none, ENOEXEC: no ELF file. */
NODISCARD int objfile_get_build_id(struct objfile *o, unsigned char ret[BUILD_ID_MAX], size_t *n);

/** The same of an open file, and of what is mapped with its first byte at address BASE of a process. */
NODISCARD int objfile_build_id(int fd, unsigned char ret[BUILD_ID_MAX], size_t *n);
NODISCARD int objfile_build_id_at(objfile_read_fn *read, void *arg, uint64_t base, unsigned char ret[BUILD_ID_MAX],
                                  size_t *n);

enum { BUILD_MAX = 256 };

/**
 * What tells one build of a file from another: its build-id, else the one that Go gives its programs (a note of the
 * name `Go`; cmd/internal/buildid of Go's source). -1 with ENOENT: neither, ENOEXEC: no ELF file.
 */
NODISCARD int objfile_build(int fd, unsigned char ret[BUILD_MAX], size_t *n);
NODISCARD int objfile_build_at(objfile_read_fn *read, void *arg, uint64_t base, unsigned char ret[BUILD_MAX], size_t *n);

/**
 * The oldest kernel that the program was linked for (NT_GNU_ABI_TAG, System V gABI
 * "Note Section" and the GNU extension): `3.2.0` as three numbers. -1 with ENOENT when
 * the file has no such note, ENOEXEC when it is no ELF file of this machine's byte order.
 */
NODISCARD int objfile_osrel(int fd, uint32_t ret[3]);

#endif
