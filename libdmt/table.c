// SPDX-License-Identifier: MIT
#include "table.h"

#include "err.h"
#include "esc.h"
#include "io.h"
#include "tree.h"
#include "width.h"

#include <errno.h>
#include <string.h>

enum {
    FLUSH_AT = 32768,  // bytes that wait for one write
    BLOCK = 65536,     // bytes of kept text in one allocation
    NARROWEST = 12,    // a text column is not shrunk below this to fit a terminal
    INDENT = 2,        // blanks per level of a tree
};

struct block {
    struct block *next;
    size_t used, size;
    char bytes[];
};

struct table {
    struct columns columns;
    struct table_options options;
    enum table_format format;
    int fd;
    bool started; // the header was written, or a row
    bool keep;    // rows wait for table_end
    bool tree;
    int tree_id, tree_parent, tree_label;
    struct cell *cells; // kept rows, columns.nused cells each
    size_t ncells, cap;
    struct block *blocks; // the text of kept cells
    struct buf out;
};

struct table *table_new(const struct columns *columns, const struct table_options *options, int fd)
{
    struct table *t = calloc(1, sizeof *t);
    if (!t) {
        (void)err_set(ENOMEM, "out of memory");
        return NULL;
    }
    t->columns = *columns;
    t->options = *options;
    t->fd = fd;
    t->format = options->format;
    if (t->format == TABLE_AUTO)
        t->format = isatty(fd) ? TABLE_ALIGNED : TABLE_TSV;
    t->keep = columns->nkeys > 0 || t->format == TABLE_ALIGNED;
    return t;
}

static void drop_kept(struct table *t)
{
    for (struct block *b = t->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    t->blocks = NULL;
    t->ncells = 0;
}

void table_free(struct table *t)
{
    if (!t)
        return;
    drop_kept(t);
    free(t->cells);
    buf_fini(&t->out);
    free(t);
}

int table_tree(struct table *t, const char *id, const char *parent, const char *label)
{
    t->tree = t->keep = true;
    t->tree_id = columns_use(&t->columns, id);
    t->tree_parent = columns_use(&t->columns, parent);
    t->tree_label = columns_use(&t->columns, label);
    return t->tree_id < 0 || t->tree_parent < 0 || t->tree_label < 0 ? -1 : 0;
}

unsigned table_needs(const struct table *t)
{
    return columns_needs(&t->columns);
}

static const struct col *column(const struct table *t, size_t at)
{
    return &t->columns.cols[t->columns.used[at]];
}

static int flush(struct table *t)
{
    if (buf_ok(&t->out) < 0)
        return -1;
    int done = io_write(t->fd, t->out.data, t->out.len);
    buf_reset(&t->out);
    return done;
}

static int flush_if_full(struct table *t)
{
    return t->out.len < FLUSH_AT ? 0 : flush(t);
}

// What stands before and after a TSV line.
static void line_begin(struct table *t)
{
    if (t->started && t->options.separator)
        buf_str(&t->out, t->options.separator);
    t->started = true;
}

static void line_end(struct table *t)
{
    if (t->options.null)
        buf_byte(&t->out, '\0');
    else if (!t->options.separator)
        buf_byte(&t->out, '\n');
}

static void add_indent(struct buf *out, unsigned depth)
{
    for (unsigned i = 0; i < depth * INDENT; i++)
        buf_byte(out, ' ');
}

static void tsv_row(struct table *t, const struct cell *cells, unsigned depth)
{
    line_begin(t);
    for (size_t i = 0; i < t->columns.nshown; i++) {
        if (i > 0)
            buf_byte(&t->out, '\t');
        if (t->tree && (int)i == t->tree_label)
            add_indent(&t->out, depth);
        cell_exact(&t->out, &cells[i]);
    }
    line_end(t);
}

static void json_row(struct table *t, const struct cell *cells, unsigned depth)
{
    t->started = true;
    for (size_t i = 0; i < t->columns.nshown; i++) {
        const char *name = column(t, i)->name;
        buf_byte(&t->out, i ? ',' : '{');
        esc_json(&t->out, name, strlen(name));
        buf_byte(&t->out, ':');
        if (t->tree && (int)i == t->tree_label && cells[i].kind == CELL_TEXT) {
            CLEANUP_BUF struct buf label = {0};
            add_indent(&label, depth);
            buf_add(&label, cells[i].text, cells[i].len);
            esc_json(&t->out, buf_cstr(&label), label.len);
        } else {
            cell_json(&t->out, &cells[i]);
        }
    }
    buf_str(&t->out, "}\n");
}

static void header(struct table *t)
{
    if (t->options.no_header || t->format != TABLE_TSV)
        return;
    line_begin(t);
    for (size_t i = 0; i < t->columns.nshown; i++) {
        if (i > 0)
            buf_byte(&t->out, '\t');
        buf_str(&t->out, column(t, i)->name);
    }
    line_end(t);
}

static int write_row(struct table *t, const struct cell *cells, unsigned depth)
{
    if (!t->started)
        header(t);
    if (t->format == TABLE_JSON)
        json_row(t, cells, depth);
    else
        tsv_row(t, cells, depth);
    return flush_if_full(t);
}

static const char *keep_text(struct table *t, const char *text, size_t len)
{
    struct block *b = t->blocks;
    if (!b || b->size - b->used < len) {
        size_t size = len > BLOCK ? len : BLOCK;
        b = malloc(sizeof *b + size);
        if (!b)
            return NULL;
        *b = (struct block){.next = t->blocks, .size = size};
        t->blocks = b;
    }
    char *to = b->bytes + b->used;
    if (len > 0)
        memcpy(to, text, len);
    b->used += len;
    return to;
}

static int keep_row(struct table *t, const struct cell *cells)
{
    size_t n = t->columns.nused;
    while (t->ncells + n > t->cap) {
        struct cell *grown = array_grow(t->cells, t->cap, &t->cap, sizeof *grown);
        if (!grown)
            return -1;
        t->cells = grown;
    }
    for (size_t i = 0; i < n; i++) {
        struct cell *c = &t->cells[t->ncells + i];
        *c = cells[i];
        if (c->kind == CELL_TEXT && !(c->text = keep_text(t, c->text, c->len)))
            return err_set(ENOMEM, "out of memory");
    }
    t->ncells += n;
    return 0;
}

int table_row(struct table *t, const void *row)
{
    struct cell cells[COLUMNS_MAX];
    for (size_t i = 0; i < t->columns.nused; i++) {
        cells[i] = (struct cell){0};
        column(t, i)->get(row, &cells[i]);
    }
    return t->keep ? keep_row(t, cells) : write_row(t, cells, 0);
}

// --- the kept rows -------------------------------------------------------------

struct kept {
    const struct cell *cells;
    size_t index; // as they came, for a stable order
    unsigned depth;
};

static int by_keys(const void *a, const void *b, void *columns)
{
    const struct kept *x = a, *y = b;
    const struct columns *c = columns;
    for (size_t i = 0; i < c->nkeys; i++) {
        size_t at = c->keys[i].at;
        int order = cell_compare(&x->cells[at], &y->cells[at], c->keys[i].largest_first);
        if (order)
            return order;
    }
    return (x->index > y->index) - (x->index < y->index);
}

static int order_as_tree(struct table *t, struct kept *rows, size_t n)
{
    CLEANUP_FREE struct tree_node *nodes = calloc(n + 1, sizeof *nodes);
    CLEANUP_FREE size_t *order = calloc(n + 1, sizeof *order);
    CLEANUP_FREE struct kept *sorted = calloc(n + 1, sizeof *sorted);
    if (!nodes || !order || !sorted)
        return err_set(ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        nodes[i] = (struct tree_node){.id = rows[i].cells[t->tree_id].number,
                                      .parent = rows[i].cells[t->tree_parent].number};
    if (tree_order(nodes, n, order) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        sorted[i] = rows[order[i]];
        sorted[i].depth = nodes[order[i]].depth;
    }
    memcpy(rows, sorted, n * sizeof *rows);
    return 0;
}

// Makes the widest text columns narrower until a line fits.
static void fit(const struct table *t, size_t *widths, size_t room)
{
    size_t n = t->columns.nshown, total = n - 1;
    for (size_t i = 0; i < n; i++) {
        if (widths[i] > room && !col_type_is_number(column(t, i)->type))
            widths[i] = room;
        total += widths[i];
    }
    while (total > room) {
        size_t widest = n;
        for (size_t i = 0; i < n; i++)
            if (!col_type_is_number(column(t, i)->type) && (widest == n || widths[i] >= widths[widest]))
                widest = i;
        if (widest == n || widths[widest] <= NARROWEST)
            return;
        widths[widest]--;
        total--;
    }
}

static void aligned_cell(struct table *t, size_t i, const char *text, size_t len, const size_t *widths)
{
    bool last = i + 1 == t->columns.nshown;
    size_t shown = width_cut(text, len, widths[i]), width = width_of(text, shown);
    size_t pad = widths[i] > width ? widths[i] - width : 0;
    bool right = col_type_is_number(column(t, i)->type);
    if (i > 0)
        buf_byte(&t->out, ' ');
    for (size_t k = 0; right && k < pad; k++)
        buf_byte(&t->out, ' ');
    buf_add(&t->out, text, shown);
    for (size_t k = 0; !right && !last && k < pad; k++)
        buf_byte(&t->out, ' ');
}

static int write_line(struct table *t, size_t line, size_t room)
{
    t->out.len = line + width_cut(t->out.data + line, t->out.len - line, room);
    buf_byte(&t->out, '\n');
    return flush_if_full(t);
}

static int write_aligned(struct table *t, const struct kept *rows, size_t n)
{
    size_t shown = t->columns.nshown, widths[COLUMNS_MAX], room = width_terminal(t->fd);
    width_init();
    for (size_t i = 0; i < shown; i++)
        widths[i] = t->options.no_header ? 1 : strlen(column(t, i)->name);

    CLEANUP_BUF struct buf text = {0};
    CLEANUP_FREE size_t *ends = calloc(n * shown + 1, sizeof *ends);
    if (!ends)
        return err_set(ENOMEM, "out of memory");
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < shown; i++) {
            size_t start = text.len;
            if (t->tree && (int)i == t->tree_label)
                add_indent(&text, rows[r].depth);
            if (t->options.exact)
                cell_exact(&text, &rows[r].cells[i]);
            else
                cell_human(&text, &rows[r].cells[i], column(t, i)->type);
            ends[r * shown + i] = text.len;
            size_t width = width_of(text.data + start, text.len - start);
            widths[i] = width > widths[i] ? width : widths[i];
        }
    if (buf_ok(&text) < 0)
        return -1;
    fit(t, widths, room);

    if (!t->options.no_header) {
        for (size_t i = 0; i < shown; i++)
            aligned_cell(t, i, column(t, i)->name, strlen(column(t, i)->name), widths);
        if (write_line(t, 0, room) < 0)
            return -1;
    }
    for (size_t r = 0, start = 0; r < n; r++) {
        size_t line = t->out.len;
        for (size_t i = 0; i < shown; i++) {
            size_t end = ends[r * shown + i];
            aligned_cell(t, i, text.data + start, end - start, widths);
            start = end;
        }
        if (write_line(t, line, room) < 0)
            return -1;
    }
    return 0;
}

static int write_kept(struct table *t)
{
    size_t n = t->ncells / t->columns.nused;
    CLEANUP_FREE struct kept *rows = calloc(n + 1, sizeof *rows);
    if (!rows)
        return err_set(ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct kept){.cells = t->cells + i * t->columns.nused, .index = i};
    if (t->columns.nkeys > 0)
        qsort_r(rows, n, sizeof *rows, by_keys, &t->columns);
    if (t->tree && order_as_tree(t, rows, n) < 0)
        return -1;
    int done = t->format == TABLE_ALIGNED ? write_aligned(t, rows, n) : 0;
    for (size_t i = 0; done == 0 && i < n && t->format != TABLE_ALIGNED; i++)
        done = write_row(t, rows[i].cells, rows[i].depth);
    drop_kept(t);
    return done;
}

int table_end(struct table *t)
{
    if (t->keep && (t->ncells > 0 || !t->started) && write_kept(t) < 0)
        return -1;
    if (!t->started)
        header(t);
    if (t->started && t->options.separator)
        buf_byte(&t->out, '\n');
    t->started = true;
    return flush(t);
}
