// SPDX-License-Identifier: MIT
#include "sysstat.h"

#include "clock.h"
#include "err.h"
#include "io.h"
#include "num.h"
#include "procfile.h"
#include "sysstat_items.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

const char *const sysstat_names[SYSSTAT_RESOURCES] = {"cpu", "mem", "swap", "disk", "net", "pressure"};

enum { TEXT_MAX = 16 << 20 };

void sysstat_fini(struct sysstat_reading *r)
{
    free(r->items);
    *r = (struct sysstat_reading){0};
}

const struct sysstat_item *sysstat_find(const struct sysstat_reading *in, const char *name, size_t near)
{
    for (size_t i = 0; i < in->n; i++) {
        const struct sysstat_item *item = &in->items[(near + i) % in->n];
        if (strcmp(item->name, name) == 0)
            return item;
    }
    return NULL;
}

static struct sysstat_item *add(struct sysstat_reading *r, const char *name, size_t len)
{
    struct sysstat_item *grown = array_grow(r->items, r->n, &r->cap, sizeof *grown);
    if (!grown)
        return NULL;
    r->items = grown;
    struct sysstat_item *item = &r->items[r->n++];
    *item = (struct sysstat_item){0};
    len = len < sizeof item->name ? len : sizeof item->name - 1;
    memcpy(item->name, name, len);
    return item;
}

// --- parsers -----------------------------------------------------------------------

struct line {
    const char *at, *end;
};

static bool next_line(const char **text, const char *end, struct line *ret)
{
    if (*text >= end)
        return false;
    const char *eol = memchr(*text, '\n', (size_t)(end - *text));
    eol = eol ? eol : end;
    *ret = (struct line){*text, eol};
    *text = eol < end ? eol + 1 : end;
    return true;
}

// The next word of a line, or an empty one at its end.
static struct line next_word(struct line *l)
{
    while (l->at < l->end && (*l->at == ' ' || *l->at == '\t'))
        l->at++;
    const char *start = l->at;
    while (l->at < l->end && *l->at != ' ' && *l->at != '\t')
        l->at++;
    return (struct line){start, l->at};
}

// Up to N numbers; how many there were.
static size_t next_numbers(struct line *l, uint64_t *to, size_t n)
{
    size_t i = 0;
    for (; i < n; i++) {
        struct line word = next_word(l);
        if (num_uint(word.at, (size_t)(word.end - word.at), UINT64_MAX, &to[i]) < 0)
            break;
    }
    return i;
}

int sysstat_parse_cpu(const char *text, size_t n, struct sysstat_reading *ret)
{
    struct line l;
    for (const char *at = text, *end = text + n; next_line(&at, end, &l);) {
        struct line name = next_word(&l);
        size_t len = (size_t)(name.end - name.at);
        uint64_t v[CPU_FIELDS] = {0};
        if (len < 3 || memcmp(name.at, "cpu", 3) != 0 || next_numbers(&l, v, CPU_FIELDS) < 4)
            continue;
        struct sysstat_item *item = len == 3 ? add(ret, "all", 3) : add(ret, name.at, len);
        if (!item)
            return -1;
        memcpy(item->v, v, sizeof v);
    }
    return 0;
}

int sysstat_parse_disk(const char *text, size_t n, struct sysstat_reading *ret)
{
    struct line l;
    for (const char *at = text, *end = text + n; next_line(&at, end, &l);) {
        uint64_t device[2], v[DISK_FIELDS] = {0};
        if (next_numbers(&l, device, 2) < 2)
            continue;
        struct line name = next_word(&l);
        if (next_numbers(&l, v, DISK_FIELDS) < 11) // later kernels have more
            continue;
        struct sysstat_item *item = add(ret, name.at, (size_t)(name.end - name.at));
        if (!item)
            return -1;
        memcpy(item->v, v, sizeof v);
        item->id = device[0] << 32 | device[1];
    }
    return 0;
}

int sysstat_parse_net(const char *text, size_t n, struct sysstat_reading *ret)
{
    struct line l;
    for (const char *at = text, *end = text + n; next_line(&at, end, &l);) {
        uint64_t v[NET_FIELDS];
        // A name may hold a colon; the one before the numbers is the last.
        const char *colon = memrchr(l.at, ':', (size_t)(l.end - l.at));
        if (!colon)
            continue;
        struct line head = {l.at, colon}, numbers = {colon + 1, l.end}, name = next_word(&head);
        if (next_numbers(&numbers, v, NET_FIELDS) < NET_FIELDS)
            continue;
        struct sysstat_item *item = add(ret, name.at, (size_t)(name.end - name.at));
        if (!item)
            return -1;
        memcpy(item->v, v, sizeof v);
    }
    return 0;
}

// `avg10=1.23` in hundredths, `total=123`.
static uint64_t assignment(struct line l, const char *key)
{
    size_t len = strlen(key);
    for (struct line word; word = next_word(&l), word.at < word.end;) {
        if ((size_t)(word.end - word.at) <= len || memcmp(word.at, key, len) != 0)
            continue;
        uint64_t v = 0;
        for (const char *c = word.at + len; c < word.end; c++)
            if (*c >= '0' && *c <= '9')
                v = v * 10 + (uint64_t)(*c - '0');
        return v;
    }
    return 0;
}

int sysstat_parse_pressure(const char *name, const char *text, size_t n, struct sysstat_reading *ret)
{
    struct sysstat_item *item = add(ret, name, strlen(name));
    if (!item)
        return -1;
    struct line l;
    for (const char *at = text, *end = text + n; next_line(&at, end, &l);) {
        struct line kind = next_word(&l);
        bool full = kind.end - kind.at == 4 && memcmp(kind.at, "full", 4) == 0;
        if (!full && (kind.end - kind.at != 4 || memcmp(kind.at, "some", 4) != 0))
            continue;
        item->v[full ? PRESSURE_HAS_FULL : PRESSURE_HAS_SOME] = 1;
        item->v[full ? PRESSURE_FULL : PRESSURE_SOME] = assignment(l, "total=");
        item->v[full ? PRESSURE_FULL_AVG10 : PRESSURE_SOME_AVG10] = assignment(l, "avg10=");
    }
    return 0;
}

// `name 123`: a counter of /proc/vmstat, 0 where the kernel has none.
static uint64_t vmstat_counter(const char *text, size_t n, const char *name)
{
    struct line l;
    size_t len = strlen(name);
    for (const char *at = text, *end = text + n; next_line(&at, end, &l);) {
        uint64_t v;
        struct line word = next_word(&l);
        if ((size_t)(word.end - word.at) == len && memcmp(word.at, name, len) == 0 && next_numbers(&l, &v, 1) == 1)
            return v;
    }
    return 0;
}

int sysstat_parse_memory(const char *meminfo, size_t n, const char *vmstat, size_t vn, bool swap,
                         struct sysstat_reading *ret)
{
    static const char *const mem_lines[] = {"MemTotal", "MemAvailable", "MemFree", "Buffers",   "Cached",
                                            "Shmem",    "Dirty",        "Writeback", "Slab",    "SReclaimable"};
    static const char *const swap_lines[] = {"SwapTotal", "SwapFree"};
    struct sysstat_item *item = add(ret, "all", 3);
    if (!item)
        return -1;
    const char *const *lines = swap ? swap_lines : mem_lines;
    for (size_t i = 0, count = swap ? ARRAY_LEN(swap_lines) : ARRAY_LEN(mem_lines); i < count; i++)
        if (procfile_field(meminfo, n, lines[i], &item->v[i]) < 0)
            item->v[i] = 0;
    if (swap) {
        item->v[SWAP_IN] = vmstat_counter(vmstat, vn, "pswpin");
        item->v[SWAP_OUT] = vmstat_counter(vmstat, vn, "pswpout");
    } else {
        item->v[MEM_PAGED_IN] = vmstat_counter(vmstat, vn, "pgpgin");
        item->v[MEM_PAGED_OUT] = vmstat_counter(vmstat, vn, "pgpgout");
        item->v[MEM_MAJOR_FAULTS] = vmstat_counter(vmstat, vn, "pgmajfault");
        item->v[MEM_OOM_KILLS] = vmstat_counter(vmstat, vn, "oom_kill");
    }
    return 0;
}

// --- reading --------------------------------------------------------------------------

static int read_path(const char *path, struct buf *to)
{
    buf_reset(to);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys("%s", path);
    // Large files of one record come in several reads, each as long as what is ready.
    for (;;) {
        char *room = buf_room(to, 65536);
        ssize_t got = room ? io_read(fd, room, 65536) : -1;
        if (!room)
            return buf_ok(to);
        if (got < 0)
            return err_sys("%s", path);
        if (got == 0 || to->len > TEXT_MAX)
            return 0;
        to->len += (size_t)got;
    }
}

// A number that /sys says of a block device.
static uint64_t device_number(uint64_t id, const char *name)
{
    char path[96], text[32];
    uint64_t v;
    (void)snprintf(path, sizeof path, "/sys/dev/block/%u:%u/%s", (unsigned)(id >> 32), (unsigned)id, name);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : io_read(fd, text, sizeof text);
    return n > 1 && num_uint(text, (size_t)n - 1, UINT64_MAX, &v) == 0 ? v : 0;
}

// Whole disks only: a partition's bytes are its disk's bytes too. The disk sequence number
// (Linux 5.15) is another when a name is given to another disk.
static void know_disks(struct sysstat_reading *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->n; i++) {
        struct sysstat_item item = r->items[i];
        if (device_number(item.id, "partition") > 0)
            continue;
        uint64_t sequence = device_number(item.id, "diskseq");
        item.v[DISK_SIZE] = device_number(item.id, "size") * DISK_SECTOR;
        item.id = sequence ? sequence : item.id;
        r->items[kept++] = item;
    }
    r->n = kept;
}

// Megabits a second, or 0. ethtool's interface is of our own network namespace; /sys may not be.
static uint64_t link_speed(int socket_fd, const char *name)
{
    union {
        struct ethtool_link_settings head;
        char room[sizeof(struct ethtool_link_settings) + 3 * 127 * sizeof(uint32_t)]; // and its masks
    } link = {.head = {.cmd = ETHTOOL_GLINKSETTINGS}};
    struct ifreq request = {0};
    (void)snprintf(request.ifr_name, sizeof request.ifr_name, "%.15s", name);
    request.ifr_data = (void *)&link;
    // The first call says how many words the masks have, the second fills all of it in.
    if (ioctl(socket_fd, SIOCETHTOOL, &request) < 0 || link.head.link_mode_masks_nwords >= 0)
        return 0;
    link.head.link_mode_masks_nwords = (signed char)-link.head.link_mode_masks_nwords;
    link.head.cmd = ETHTOOL_GLINKSETTINGS;
    if (ioctl(socket_fd, SIOCETHTOOL, &request) < 0 || link.head.speed == (uint32_t)SPEED_UNKNOWN)
        return 0;
    return link.head.speed;
}

static void know_links(struct sysstat_reading *r)
{
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (size_t i = 0; fd >= 0 && i < r->n; i++) {
        struct ifreq request = {0};
        (void)snprintf(request.ifr_name, sizeof request.ifr_name, "%.15s", r->items[i].name);
        if (ioctl(fd, SIOCGIFINDEX, &request) == 0)
            r->items[i].id = (uint64_t)request.ifr_ifindex;
        r->items[i].v[NET_SPEED] = link_speed(fd, r->items[i].name) * 125000; // bytes a second
    }
}

static int read_once(enum sysstat_resource resource, struct buf *text, struct sysstat_reading *ret)
{
    bool disk = resource == SYSSTAT_DISK;
    ret->n = 0;
    if (read_path(disk ? "/proc/diskstats" : "/proc/self/net/dev", text) < 0)
        return -1;
    ret->when = clock_now();
    if ((disk ? sysstat_parse_disk : sysstat_parse_net)(text->data, text->len, ret) < 0)
        return -1;
    if (disk)
        know_disks(ret);
    else
        know_links(ret);
    return 0;
}

// Names are given again, and what stands beside the counters is not what a name belongs to: that
// is asked before and after. Where it differs the counters may be of either.
static int read_named(enum sysstat_resource resource, struct buf *text, struct sysstat_reading *ret)
{
    CLEANUP(sysstat_fini) struct sysstat_reading first = {0};
    if (read_once(resource, text, &first) < 0 || read_once(resource, text, ret) < 0)
        return -1;
    for (size_t i = 0; i < ret->n; i++) {
        const struct sysstat_item *other = sysstat_find(&first, ret->items[i].name, i);
        ret->items[i].torn = !other || other->id != ret->items[i].id;
    }
    return 0;
}

static int read_pressure(struct buf *text, struct sysstat_reading *ret)
{
    static const char *const names[] = {"cpu", "memory", "io", "irq"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[40];
        (void)snprintf(path, sizeof path, "/proc/pressure/%s", names[i]);
        if (read_path(path, text) < 0) {
            if (i > 0 && err_code() == ENOENT) // irq came with Linux 6.1
                continue;
            return err_wrap("the kernel has no pressure information (CONFIG_PSI; psi=1 at boot)");
        }
        if (sysstat_parse_pressure(names[i], text->data, text->len, ret) < 0)
            return -1;
    }
    return 0;
}

int sysstat_read(enum sysstat_resource resource, struct sysstat_reading *ret)
{
    CLEANUP_BUF struct buf text = {0}, vmstat = {0};
    ret->n = 0;
    switch (resource) {
    case SYSSTAT_CPU:
        if (read_path("/proc/stat", &text) < 0)
            return -1;
        ret->when = clock_now();
        return sysstat_parse_cpu(text.data, text.len, ret);
    case SYSSTAT_MEM:
    case SYSSTAT_SWAP:
        if (read_path("/proc/meminfo", &text) < 0 || read_path("/proc/vmstat", &vmstat) < 0)
            return -1;
        ret->when = clock_now();
        return sysstat_parse_memory(text.data, text.len, vmstat.data, vmstat.len, resource == SYSSTAT_SWAP, ret);
    case SYSSTAT_PRESSURE:
        ret->when = clock_now();
        return read_pressure(&text, ret);
    case SYSSTAT_DISK:
    case SYSSTAT_NET:
        break;
    }
    return read_named(resource, &text, ret);
}
