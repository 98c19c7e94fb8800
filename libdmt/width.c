// SPDX-License-Identifier: MIT
#include "width.h"

#include "esc.h"

#include <locale.h>
#include <sys/ioctl.h>
#include <wchar.h>

void width_init(void)
{
    // Output is UTF-8 whatever the user's locale says.
    (void)setlocale(LC_CTYPE, "C.UTF-8");
}

static size_t char_at(const char *s, size_t n, size_t *width)
{
    int32_t c;
    size_t len = esc_char(s, n, &c);
    int w = c < 0 ? 1 : wcwidth((wchar_t)c);
    *width = w < 0 ? 1 : (size_t)w;
    return len;
}

size_t width_of(const char *s, size_t n)
{
    size_t total = 0, width;
    for (size_t i = 0; i < n; total += width)
        i += char_at(s + i, n - i, &width);
    return total;
}

size_t width_cut(const char *s, size_t n, size_t width)
{
    size_t i = 0, one;
    for (size_t used = 0; i < n;) {
        size_t len = char_at(s + i, n - i, &one);
        used += one;
        if (used > width)
            break;
        i += len;
    }
    return i;
}

size_t width_terminal(int fd)
{
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : SIZE_MAX;
}
