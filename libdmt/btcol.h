// SPDX-License-Identifier: MIT
//
// The columns of a frame.
#ifndef DMT_BTCOL_H
#define DMT_BTCOL_H

#include "backtrace.h"
#include "columns.h"
#include "goroutine.h"
#include "objfile.h"

enum { BTCOL_NAMES = 1, BTCOL_LINES = 2, BTCOL_TASK = 4, BTCOL_BUILD_ID = 8, BTCOL_POINTERS = 16 }; // needs

/** A row: a frame, or a thread or a goroutine that has none. */
struct bt_row {
    pid_t pid;
    const struct trace *trace;
    const struct goroutine *goroutine; // NULL: the row is of a thread
    const struct frame *frame; // NULL: none
    size_t number;             // of the frame, 0: innermost
    const struct frame_names *names;
    const struct frame_name *name; // NULL: was not asked for
    bool inlined;              // it is a function that is inlined in the frame
    const struct variable *variable; // NULL: none
    const struct frame_names *pointers; // what pointers lead to, or NULL
    const char *reason;        // why the stack ends here, or NULL
    char build_id[2 * BUILD_ID_MAX + 1]; // empty: none
};

extern const struct col bt_cols[];

/** The build-id of the object that the row's frame is in, a mapping of MAPS. */
void bt_row_set_build_id(struct bt_row *row, struct target *t, const struct maps *maps);

#endif
