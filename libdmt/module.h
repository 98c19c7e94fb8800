// SPDX-License-Identifier: MIT
//
// A module: the mappings that the loader made of one ELF file, and what the file says of itself.
#ifndef DMT_MODULE_H
#define DMT_MODULE_H

#include "objfile.h"
#include "target.h"

struct module {
    const struct maps *maps;
    const struct mapping *last; // the last mapping of it that was seen
    unsigned char build_id[BUILD_ID_MAX];
    size_t build_id_len;    // 0: it has none, or cannot be read
    bool has_bias;
    uint64_t bias;          // address in memory minus address in the file
    size_t reads;           // what it took to know
};

/**
 * The module whose first mapping FIRST is. The file is asked, or the memory where it cannot be opened; what neither
 * says stays unknown.
 */
void module_read(struct target *t, const struct maps *maps, const struct mapping *first, struct module *ret);

/** Whether the mapping M, behind those seen, is one more of the module: of one file, and further on in it. */
bool module_goes_on(struct module *module, const struct mapping *m);

#endif
