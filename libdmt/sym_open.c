// SPDX-License-Identifier: MIT
//
// Where symbols are looked up: the files of a target, or one file alone.
#include "err.h"
#include "objfile.h"
#include "sym_impl.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

int syms_open(struct target *t, int fd, const char *name, const struct sym_options *options, struct syms **ret)
{
    struct syms *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(ENOMEM, "out of memory");
    s->target = t;
    s->fd = fd;
    s->options = *options;
    s->job = (struct sandbox_job){.parser = "ELF parser", .work = sym_work, .open = sym_grant, .arg = s};
    int done = 0;
    if (t) {
        done = sym_objects_read(s);
    } else {
        s->objects = calloc(1, sizeof *s->objects);
        if (s->objects) {
            s->nobjects = 1;
            s->objects[0] = (struct object){.path = strdup(name), .first = SIZE_MAX, .is = OBJECT_ELF};
        }
        if (!s->objects || !s->objects[0].path)
            done = err_set(ENOMEM, "out of memory");
    }
    if (done < 0) {
        syms_close(s);
        return -1;
    }
    *ret = s;
    return 0;
}

int syms_open_file(const char *path, const struct sym_options *options, struct syms **ret)
{
    struct objfile o;
    CLEANUP_CLOSE int fd = -1;
    if (sym_open_regular(path, &fd) < 0)
        return -1;
    // Of another byte order it knows nothing: the child will.
    if (objfile_open(objfile_read_fd, &fd, &o) == 0 && o.type == ET_CORE)
        return err_set(ENOEXEC, "a core file, not one with symbols");
    if (syms_open(NULL, fd, path, options, ret) < 0)
        return -1;
    (*ret)->owns_fd = true;
    fd = -1;
    return 0;
}

void syms_close(struct syms *s)
{
    sandbox_end(s->box);
    if (s->owns_fd)
        close(s->fd);
    for (size_t i = 0; i < s->nobjects; i++)
        free(s->objects[i].path);
    free(s->objects);
    free(s->ranges);
    free(s);
}
