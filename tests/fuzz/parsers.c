// SPDX-License-Identifier: MIT
//
// Every parser of bytes that others wrote; the first byte chooses which.
#include "err.h"
#include "esc.h"
#include "ident.h"
#include "limit.h"
#include "location.h"
#include "maps.h"
#include "num.h"
#include "procfile.h"
#include "reg.h"
#include "sig.h"
#include "sym_impl.h"
#include "value.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const char *text, size_t n)
{
    CLEANUP_BUF struct buf field = {0}, back = {0}, json = {0};
    esc_field(&field, text, n);
    if (esc_undo(&back, field.data, field.len) < 0 || back.len != n || (n && memcmp(back.data, text, n) != 0))
        abort();
    esc_json(&json, text, n);
    buf_reset(&back);
    (void)!esc_undo(&back, text, n);
}

static void signal_name(const char *text, size_t n)
{
    int sig;
    char *copy = strndup(text, n);
    if (copy && sig_parse(copy, &sig) == 0 && (sig < 0 || sig > SIG_LAST))
        abort();
    free(copy);
}

// All that it says lies within the text.
static void location_text(const char *text, size_t n)
{
    struct location_way ways[LOCATION_WAYS];
    size_t count;
    CLEANUP_FREE char *copy = strndup(text, n);
    if (!copy || location_ways(copy, ways, &count) < 0)
        return;
    if (count == 0 || count > LOCATION_WAYS)
        abort();
    const char *end = copy + strlen(copy);
    for (size_t i = 0; i < count; i++)
        if ((ways[i].name && (ways[i].name < copy || ways[i].name_len > (size_t)(end - ways[i].name))) ||
            (ways[i].module && (ways[i].module < copy || ways[i].module_len > (size_t)(end - ways[i].module))))
            abort();
}

// `FORMAT VALUE`: what it is read as comes back as the same bytes. A string is ended by a zero byte.
static void typed_value(const char *text, size_t n)
{
    CLEANUP_FREE char *copy = strndup(text, n);
    CLEANUP_BUF struct buf bytes = {0}, shown = {0}, field = {0}, again = {0};
    struct value_format format;
    char *blank = copy ? strchr(copy, ' ') : NULL;
    if (!blank)
        return;
    *blank = '\0';
    bool has_size = value_format_parse(copy, &format) == 0 && (format.size || strchr("sb", format.letter));
    if (!has_size || value_parse(blank + 1, &format, &bytes) < 0)
        return;
    bool is_text = format.letter == 's' || format.letter == 'c';
    value_text(&shown, &format, (const unsigned char *)bytes.data, bytes.len - (format.letter == 's'));
    if (is_text)
        esc_field(&field, shown.data, shown.len);
    if (value_parse(buf_cstr(is_text ? &field : &shown), &format, &again) < 0 || again.len != bytes.len ||
        memcmp(again.data, bytes.data, bytes.len) != 0)
        abort();
}

static void mappings(const char *text, size_t n)
{
    struct maps m = {0};
    if (maps_parse(text, n, &m) == 0)
        for (size_t i = 0; i < m.n; i++)
            if (m.at[i].start >= m.at[i].end || (i > 0 && m.at[i].start < m.at[i - 1].end) ||
                m.at[i].name + m.at[i].name_len > m.names.len || maps_find(&m, m.at[i].start) != &m.at[i])
                abort();
    maps_fini(&m);
}

static void limit_change(const char *text, size_t n)
{
    struct limit_change c;
    struct limit set;
    const struct limit old = {1024, 4096};
    CLEANUP_FREE char *copy = strndup(text, n);
    if (copy && limit_parse_change(copy, &c) == 0 &&
        (c.kind >= LIMITS || !(c.has_soft || c.has_hard) || (limit_apply(&c, &old, &set) == 0 && set.soft > set.hard)))
        abort();
}

// A register is found by the name that it has, and by no other.
static void register_name(const char *text, size_t n)
{
    const struct reg *r = reg_find(text, n);
    if (r && (r->size == 0 || r->size > REG_BYTES_MAX || reg_find(r->name, strlen(r->name)) != r))
        abort();
}

// Sets of a size and with headers of a stranger's choosing: what a register is put to is what it is afterwards.
static void registers(const char *bytes, size_t n)
{
    CLEANUP_REGS struct regs r = {.have = (1u << REG_SETS) - 1};
    unsigned char was[REG_BYTES_MAX], now[REG_BYTES_MAX];
    size_t left = n;
    for (size_t i = 0; i < REG_SETS; i++) {
        size_t part = i + 1 < REG_SETS && left > 2 ? (size_t)(unsigned char)bytes[n - left] * 16 : left;
        part = part < left ? part : left;
        buf_add(&r.set[i], bytes + (n - left), part);
        left -= part;
        if (buf_ok(&r.set[i]) < 0)
            return;
    }
    const struct reg *reg;
    for (size_t i = 0; (reg = reg_at(i)); i++) {
        bool there = reg_get(&r, reg, was) == 0;
        if (reg_listed(&r, reg) && !there)
            abort();
        if (there && reg_put(&r, reg, was) == 0 && (reg_get(&r, reg, now) < 0 || memcmp(was, now, reg->size) != 0))
            abort();
    }
    (void)(reg_pc(&r) + reg_sp(&r) + reg_fp(&r));
    if ((reg_join(&r, 1u << REGS_FP | 1u << REGS_VECTOR) & ~((1u << REGS_FP) | 1u << REGS_VECTOR)) != 0)
        abort();
}

// An answer of the child: each text ends within it.
static void symbol_rows(const char *bytes, size_t n)
{
    CLEANUP_FREE char *copy = malloc(n ? n : 1);
    struct symbol s;
    uint32_t index;
    if (!copy)
        return;
    if (n)
        memcpy(copy, bytes, n);
    struct packet p = packet_of(copy, n);
    while (p.left > 0 && sym_row_get(&p, &index, &s) == 0)
        for (const char *const *text = (const char *const[]){s.name, s.pretty, s.file, copy}; *text != copy; text++)
            if (*text && strlen(*text) >= n)
                abort();
}

// Lines as an address space has them, of which some are of a file system that may not answer.
static void addresses(const char *text, size_t n)
{
    struct maps m = {0};
    if (maps_parse(text, n, &m) == 0)
        for (size_t i = 0; i < m.n; i++) {
            const struct mapping *next = maps_next(&m, m.at[i].end - 1), *over = maps_next(&m, m.at[i].end);
            if (!next || next->end <= m.at[i].end - 1 || (over && over->end <= m.at[i].end))
                abort();
        }
    maps_fini(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct limit limits[LIMITS];
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    size_t n = size - 1, len;
    struct proc_stat stat;
    struct proc_statm statm;
    struct proc_status status;
    struct ident id;
    const char *part;
    struct proc_mount mount;
    size_t at = 0;
    uint64_t v;
    int64_t i;
    switch (data[0] % 19) {
    case 0: return procfile_stat(text, n, &stat) > 0;
    case 1: return procfile_statm(text, n, &statm) > 0;
    case 2: return procfile_status(text, n, &status) > 0;
    case 3: return procfile_cgroup(text, n, &part, &len) > 0;
    case 4:
        while (procfile_mount(text, n, &at, &mount) == 0)
            if (mount.type < text || mount.type + mount.type_len > text + n)
                abort();
        return 0;
    case 5: return procfile_field(text, n, "Pss", &v) > 0;
    case 6: return ident_parse(text, n, &id) > 0;
    case 7: return num_int(text, n, INT64_MIN, INT64_MAX, &i) > 0;
    case 8: signal_name(text, n); return 0;
    case 9: mappings(text, n); return 0;
    case 10: return limits_parse(text, n, limits) > 0;
    case 11: location_text(text, n); return 0;
    case 12: typed_value(text, n); return 0;
    case 13: limit_change(text, n); return 0;
    case 14: register_name(text, n); return 0;
    case 15: registers(text, n); return 0;
    case 16: symbol_rows(text, n); return 0;
    case 17: addresses(text, n); return 0;
    default: round_trip(text, n); return 0;
    }
}
