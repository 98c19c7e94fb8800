// SPDX-License-Identifier: MIT
//
// Where the list of goroutines is, where its members have their fields, and what their reasons are called: each found
// by what only it can hold.
#include "err.h"
#include "goroutine_impl.h"

#include <errno.h>
#include <string.h>

static const struct goroutine_layout layouts[] = {
    {104, 112, 120, 144, 152, 176, 72, 192}, // to Go 1.22
    {104, 112, 120, 152, 160, 184, 72, 192}, // 1.23: syscallbp
    {96, 104, 112, 144, 152, 176, 64, 184},  // 1.25: sched.ret is gone
};

bool goroutine_get(const struct goroutine_options *o, uint64_t addr, void *to, size_t n)
{
    for (size_t done = 0, got; done < n; done += got) {
        got = 0;
        if (addr > UINT64_MAX - n || o->read(o->arg, addr + done, (char *)to + done, n - done, &got) < 0 || got == 0)
            return false;
    }
    return true;
}

static uint64_t word(const unsigned char *bytes, size_t at)
{
    uint64_t v;
    memcpy(&v, bytes + at, sizeof v);
    return v;
}

bool goroutine_header(const struct goroutine_options *o, const struct goroutine_layout *l, uint64_t addr,
                      struct goroutine_header *ret)
{
    unsigned char b[G_BYTES];
    if (!goroutine_get(o, addr, b, sizeof b))
        return false;
    *ret = (struct goroutine_header){
        .addr = addr, .low = word(b, 0), .high = word(b, 8), .m = word(b, 48), .sp = word(b, 56), .pc = word(b, 64),
        .self = word(b, 72), .bp = word(b, l->bp), .syscallsp = word(b, l->syscallsp),
        .syscallpc = word(b, l->syscallpc), .id = word(b, l->goid), .status = (uint32_t)word(b, l->status),
        .reason = b[l->reason]};
    return true;
}

bool goroutine_lives(const struct goroutine_header *h)
{
    unsigned status = h->status & ~(unsigned)G_SCAN;
    return status != G_IDLE && status != G_MORIBUND && status != G_DEAD && status != G_ENQUEUE &&
           status != G_DEADEXTRA && status < G_STATES;
}

// What holds of every goroutine at all times: one that runs has left nothing in its sched, and one that is about to
// run is between two states.
static bool is_goroutine(const struct goroutine_header *h)
{
    if ((h->status & ~(unsigned)G_SCAN) >= G_STATES)
        return false;
    if (!goroutine_lives(h))
        return true;
    return h->self == h->addr && h->low < h->high && h->high - h->low < 1ULL << 34 && h->id > 0 && h->id < 1ULL << 48;
}

/*
 * How many of the first members speak for LAYOUT: they wait, and their saved frame pointer is on their stack. 0: they
 * have another. No two have one number.
 */
static unsigned votes_for(const struct goroutine_options *o, const struct goroutine_list *list,
                          const struct goroutine_layout *l)
{
    enum { MEMBERS = 64 };
    uint64_t at[MEMBERS], ids[MEMBERS];
    unsigned votes = 0;
    const size_t n = list->n < MEMBERS ? (size_t)list->n : MEMBERS;
    if (!goroutine_get(o, list->at, at, n * sizeof at[0]))
        return 0;
    for (size_t i = 0; i < n; i++) {
        struct goroutine_header h;
        if (at[i] % 8 != 0 || !goroutine_header(o, l, at[i], &h) || !is_goroutine(&h))
            return 0;
        ids[i] = goroutine_lives(&h) ? h.id : 0;
        for (size_t k = 0; k < i; k++)
            if (ids[i] && ids[k] == ids[i])
                return 0;
        votes += (h.status & ~(unsigned)G_SCAN) == G_WAITING && h.bp > h.low && h.bp < h.high && h.bp >= h.sp;
    }
    return votes;
}

static bool is_list(const struct goroutine_options *o, const struct goroutine_list *list, struct goroutine_layout *ret)
{
    unsigned most = 0, second = 0;
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
        unsigned votes = votes_for(o, list, &layouts[i]);
        if (votes > most) {
            second = most;
            most = votes;
            *ret = layouts[i];
        } else if (votes > second) {
            second = votes;
        }
    }
    return most > second;
}

// A slice: where, how many, room for how many.
static bool is_slice(const uint64_t *w)
{
    return w[0] && w[0] % 8 == 0 && w[1] > 0 && w[1] <= w[2] && w[2] < 1ULL << 32;
}

// What starts like a goroutine: sched.g is itself.
static bool is_first(const struct goroutine_options *o, const uint64_t *w)
{
    uint64_t first, self;
    return is_slice(w) && goroutine_get(o, w[0], &first, sizeof first) && first % 8 == 0 &&
           goroutine_get(o, first + 72, &self, sizeof self) && self == first;
}

static bool scan(const struct goroutine_options *o, struct gosym_range r, struct goroutine_list *list,
                 struct goroutine_layout *layout)
{
    enum { WORDS = 512, MAX = 64 << 20 };
    uint64_t w[WORDS + 2];
    if (r.end - r.start > MAX)
        r.end = r.start + MAX;
    for (uint64_t at = (r.start + 7) & ~7ULL; at < r.end; at += WORDS * 8) {
        size_t n = (size_t)((r.end - at) / 8 < ARRAY_LEN(w) ? (r.end - at) / 8 : ARRAY_LEN(w));
        if (!goroutine_get(o, at + o->bias, w, n * 8))
            continue;
        for (size_t i = 0; i + 2 < n; i++) {
            *list = (struct goroutine_list){w[i], w[i + 1]};
            if (is_first(o, w + i) && is_list(o, list, layout))
                return true;
        }
    }
    return false;
}

static bool find(const struct goroutine_options *o, struct goroutine_list *list, struct goroutine_layout *layout)
{
    uint64_t w[3];
    if (!o->allgs)
        return scan(o, gosym_bss(o->gosym), list, layout) || scan(o, gosym_data(o->gosym), list, layout);
    if (!goroutine_get(o, o->allgs, w, sizeof w) || !is_slice(w))
        return false;
    *list = (struct goroutine_list){w[0], w[1]};
    return is_list(o, list, layout);
}

int goroutine_find(const struct goroutine_options *o, struct goroutine_list *list, struct goroutine_layout *layout)
{
    for (int tries = o->still ? 1 : 5; tries > 0; tries--) // the list may grow, and with it move, while it is read
        if (find(o, list, layout))
            return 0;
    return err_set(ENOENT, "no goroutines, or of a version of Go that is not known");
}

// --- reasons -------------------------------------------------------------------

static bool is_text(const struct goroutine_options *o, const uint64_t *string, const char *text)
{
    char bytes[32];
    size_t n = strlen(text);
    return string[1] == n && goroutine_get(o, string[0], bytes, n) && memcmp(bytes, text, n) == 0;
}

// runtime/runtime2.go, waitReasonStrings: an array of strings, since 1.11 with these behind an empty one.
uint64_t goroutine_reasons(const struct goroutine_options *o)
{
    enum { WORDS = 512 };
    static const char first[] = "GC assist marking", second[] = "IO wait";
    uint64_t w[WORDS + 3];
    struct gosym_range r = gosym_data(o->gosym);
    for (uint64_t at = (r.start + 7) & ~7ULL; at < r.end; at += WORDS * 8) {
        size_t n = (size_t)((r.end - at) / 8 < ARRAY_LEN(w) ? (r.end - at) / 8 : ARRAY_LEN(w));
        if (!goroutine_get(o, at + o->bias, w, n * 8))
            continue;
        for (size_t i = 0; i + 3 < n; i++)
            if (w[i + 1] == sizeof first - 1 && w[i + 3] == sizeof second - 1 && is_text(o, w + i, first) &&
                is_text(o, w + i + 2, second))
                return at + o->bias + i * 8 - 16;
    }
    return 0;
}
