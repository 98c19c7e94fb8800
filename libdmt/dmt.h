// SPDX-License-Identifier: MIT
//
// What every file of DMT may use, and the map of the library.
//
// A module includes only what stands before it here (the Makefile's LIB list is
// the same order, and `make lint` checks it).
//
//   floor 0  C and nothing else
//     err       the thread's error: an errno code and one sentence
//     clock     CLOCK_MONOTONIC in nanoseconds
//     num       strict text to numbers, and back
//     buf       growable bytes
//     io        whole reads and whole writes; EINTR ends here; the limit of descriptors
//   floor 1  how a command talks
//     esc       the escape rules of a field, both ways; JSON strings
//     width     the terminal columns of a text;  near  what a mistyped word meant
//     cell      one typed value, and how it reads in a pipe, on a terminal, in JSON
//     columns   declared columns; which of them --columns and --sort choose
//     tree      rows below their parents
//     table     rows to TSV, aligned table or JSON Lines
//     option    the option table and a command line's words
//     cmd       --help, --spec, --list-columns; warnings; exit status
//   floor 2  facts as the kernel and files state them
//     sig user  signal names (siglist: as a table); user and group names
//     procfile  the text of /proc files to structs, no I/O
//     objfile   an ELF file through a reader: headers, notes, build-id, bias
//     mounts    whether a file lies where reading it may never end
//     walk      a path below a root that a stranger furnished
//     pidfd     descriptors and inode numbers of processes
//     proc      /proc/PID through one directory descriptor (proc_source: its files)
//     sysstat   the machine's counters, and what two readings of them say
//     ident     the target grammar and pid handles
//     sample    processes read again and again, and what each did in between
//     signalling  signals through the pidfd;  victims  waiting for the end
//     operands  the targets a command line names: operands, -p, standard input
//     limit     resource limits: read, set through the verified process
//     proccol   the columns of a process, for every command that lists them
//     statcol taskcol  the columns of dmt-stat: the machine; what a process did
//     match     process predicates
//     maps      mappings of an address space;  reg  register sets by name (reg_x86_64, reg_aarch64)
//   floor 3  mechanism
//     mem       memory as segments of files, and the one read loop
//     refusal   which check of the kernel refused us a process, and the cure
//     tracer    ptrace: stop a thread, its registers, release it
//     sandbox   a parser in a child without privileges
//     stack     the stack of one thread, copied
//   floor 4  the target
//     target    one noun, its kinds behind target_impl.h: target_live, target_core
//   floor 5  meaning
//     module    the mappings of one ELF file, its build-id and bias;  mapcol  the columns of a mapping
//     gosym     Go's own tables of its code: functions, lines, frame sizes
//     gostack   a step up a Go stack;  goroutine  all goroutines of a process, from its memory
//     jitmap    names of code that was compiled in the running process: perf-PID.map
//     sym       modules, address to symbol and back;  symcol  the columns of a symbol
//     dwarf     variables of frames, from debug information
//     unwind    frames of copied stacks;  backtrace  of all threads;  btcol btrow  the columns of a frame, and its rows;  folded  counted
//     value     typed bytes to text and back;  location  what `sym+8` or `%rsp-16` means
//     span      memory from end to end, holes or not
//     valuecol  the columns of a value;  readout  dmt-peek's work on one target;  poke  dmt-poke's
#ifndef DMT_H
#define DMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

static inline void cleanup_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_free_ptr(void *p)
{
    free(*(void **)p);
}

// For locals that own a descriptor (or -1) or heap memory (or NULL).
#define CLEANUP_CLOSE __attribute__((cleanup(cleanup_close_fd)))
#define CLEANUP_FREE __attribute__((cleanup(cleanup_free_ptr)))
#define CLEANUP(fn) __attribute__((cleanup(fn)))

#endif
