// SPDX-License-Identifier: MIT
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned checks, failed;
static const char *test;

void unit_check(bool ok, const char *file, int line, const char *what)
{
    checks++;
    if (!ok) {
        failed++;
        printf("# %s: %s:%d: %s\n", test, file, line, what);
    }
}

bool unit_is(const struct buf *b, const char *s, size_t len)
{
    bool same = b->len == len && memcmp(b->data ? b->data : "", s, len) == 0;
    if (!same)
        printf("# got \"%.*s\" (%zu bytes)\n", (int)b->len, b->data ? b->data : "", b->len);
    return same;
}

char *unit_edge(const void *bytes, size_t n)
{
    static char *pages; // one region, used again: the last page is a wall
    enum { ROOM = 1 << 17 };
    if (!pages) {
        pages = mmap(NULL, ROOM + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED || mprotect(pages + ROOM, 4096, PROT_NONE) < 0 || n > ROOM)
            abort();
    }
    return memcpy(pages + ROOM - n, bytes, n);
}

int unit_file(const void *bytes, size_t n)
{
    int fd = memfd_create("unit", MFD_CLOEXEC);
    if (fd < 0 || (n > 0 && write(fd, bytes, n) != (ssize_t)n))
        abort();
    return fd;
}

uint32_t unit_random(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}

size_t unit_times(size_t times, size_t soak)
{
    return getenv("DMT_SOAK") ? soak : times;
}

// unit [TEST]...
int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {
        {"num", test_num}, {"buf", test_buf}, {"esc", test_esc}, {"cell", test_cell}, {"columns", test_columns},
        {"tree", test_tree}, {"table", test_table}, {"option", test_option}, {"near", test_near},
        {"sig", test_sig}, {"ident", test_ident}, {"match", test_match}, {"objfile", test_objfile},
        {"core", test_core}, {"procfile", test_procfile}, {"sysstat", test_sysstat}, {"limit", test_limit},
        {"walk", test_walk}, {"mounts", test_mounts}, {"maps", test_maps}, {"mem", test_mem},
        {"target", test_target}, {"reg", test_reg}, {"tracer", test_tracer}, {"value", test_value},
        {"location", test_location}, {"packet", test_packet}, {"sandbox", test_sandbox}, {"stack", test_stack},
        {"unwind", test_unwind}, {"climb", test_climb}, {"gosym", test_gosym}, {"goroutine", test_goroutine},
        {"dwarf", test_dwarf}, {"jitmap", test_jitmap},
    };
    bool all = true;
    printf("1..%zu\n", argc > 1 ? (size_t)argc - 1 : ARRAY_LEN(tests));
    for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
        bool meant = argc == 1;
        for (int k = 1; k < argc; k++)
            meant |= strcmp(argv[k], tests[i].name) == 0;
        if (!meant)
            continue;
        test = tests[i].name;
        checks = failed = 0;
        tests[i].run();
        bool ok = checks > 0 && failed == 0;
        all &= ok;
        printf("%sok %zu unit: %s (%u checks)\n", ok ? "" : "not ", i + 1, test, checks);
        fflush(stdout);
    }
    return all ? 0 : 1;
}
