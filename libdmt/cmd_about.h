// SPDX-License-Identifier: MIT
//
// Private to cmd: what the tables of a command say about it, for people and for completions.
#ifndef DMT_CMD_ABOUT_H
#define DMT_CMD_ABOUT_H

#include "cmd.h"

enum { NTABLES = 3 };

/** The tables of its options: the command's own, that of targets, that of all commands. */
void cmd_option_tables(struct run *run, struct opt_table ret[NTABLES]);

/** --help, --spec, --list-columns, --version: each writes to standard output. */
void cmd_write_help(struct run *run);
void cmd_write_spec(struct run *run);
void cmd_write_columns(struct run *run);
void cmd_write_version(struct run *run);

#endif
