/* SPDX-License-Identifier: Apache-2.0 */
/* The contact sheet of a batch: each sample's images side by side, its labels and its
 * draws below. */
#include <math.h>
#include <string.h>

#include <runner/sdk/field.h>

#include "base/memory.h"
#include "base/png.h"
#include "commands/verbs/batch_draws.h"
#include "commands/verbs/sheet.h"

enum {
    SHOWN_MAX = 64,   /* samples */
    IMAGES_MAX = 4,   /* of a sample */
    BOXES_MAX = 4,    /* fields of boxes */
    SIDE = 168,       /* pixels that a small image is enlarged to */
    SIDE_MAX = 256,   /* above it an image is made smaller */
    CELL_MIN = 132,   /* pixels of a cell, so that a word has room */
    SHEET_MAX = 1500, /* pixels of the sheet's width */
    GAP = 10,
    TITLE = 30
};

#define INK   0x202020u
#define FAINT 0x707070u
#define LINE  0xd0d0d0u
#define BOX   0xff3030u

struct shown_image {
    uint32_t field;
    int64_t height, width; /* of the field */
    int64_t zoom, shrink;  /* one of them is 1 */
    double low, high;      /* black and white, of floats */
};

struct layout {
    uint32_t image_count, box_count;
    struct shown_image images[IMAGES_MAX];
    uint32_t boxes[BOXES_MAX];
    uint64_t rows; /* shown */
    int64_t cell_width, image_height, cell_height, columns, lines;
};

/* ---------------------------------------------------------------------- fields */

/* Is it named by the option `boxes` of an augmenter? */
static bool is_boxes(const struct batch_draws *b, const struct data_field *f) {
    for (uint32_t i = 0; i < data_augmenter_count(b->setup->data); i++) {
        const struct node *named =
            node_find(data_augmenter_at(b->setup->data, i)->node, "boxes");
        bool list = named && node_kind(named) == NODE_LIST;
        for (uint32_t k = 0; named && k < (list ? node_count(named) : 1); k++) {
            const struct node *one = list ? node_item(named, k) : named;
            if (node_kind(one) == NODE_SCALAR && strcmp(node_raw(one), f->name) == 0)
                return true;
        }
    }
    return false;
}

static bool is_image(const struct data_field *f) {
    return !f->text && !f->target &&
           (f->rank == 3 || (f->rank == 2 && f->shape[0] >= 8 && f->shape[1] >= 8)) &&
           f->shape[f->rank - 1] > 1 && f->shape[f->rank - 2] > 1 &&
           f->shape[f->rank - 1] <= 4096 && f->shape[f->rank - 2] <= 4096;
}

static bool is_float(rn_dtype t) {
    return !rn_dtype_is_integer(t) && t != RN_BOOL;
}

/* 0..1 where that holds all pixels of the batch, else from the lowest to the highest.
 */
static void find_range(const struct batch_draws *b, struct shown_image *m) {
    const struct data_field *f = data_field_at(b->setup->data, m->field);
    const float *v = b->batch.fields[m->field];
    uint64_t n = b->batch.rows * (f->bytes / sizeof *v);
    m->low = 0.0;
    m->high = 1.0;
    for (uint64_t i = 0; i < n && f->dtype == RN_F32; i++) {
        m->low = (double)v[i] < m->low ? (double)v[i] : m->low;
        m->high = (double)v[i] > m->high && isfinite(v[i]) ? (double)v[i] : m->high;
    }
    m->low = isfinite(m->low) ? m->low : 0.0;
}

static void add_image(const struct batch_draws *b, struct layout *l, uint32_t field) {
    const struct data_field *f = data_field_at(b->setup->data, field);
    struct shown_image *m = &l->images[l->image_count++];
    *m = (struct shown_image){.field = field,
                              .height = f->shape[f->rank - 2],
                              .width = f->shape[f->rank - 1]};
    int64_t side = m->height > m->width ? m->height : m->width;
    m->zoom = (SIDE + side / 2) / side > 1 ? (SIDE + side / 2) / side : 1;
    m->shrink = (side + SIDE_MAX - 1) / SIDE_MAX;
    find_range(b, m);
}

static void find_images(const struct batch_draws *b, struct layout *l) {
    for (uint32_t i = 0; i < data_field_count(b->setup->data); i++) {
        const struct data_field *f = data_field_at(b->setup->data, i);
        if (f->rank == 2 && f->shape[1] == 4 && f->dtype == RN_F32 && is_boxes(b, f)) {
            if (l->box_count < BOXES_MAX)
                l->boxes[l->box_count++] = i;
        } else if (is_image(f) && l->image_count < IMAGES_MAX) {
            add_image(b, l, i);
        }
    }
}

bool batch_sheet_has_images(const struct batch_draws *b) {
    struct layout l = {0};
    find_images(b, &l);
    return l.image_count > 0;
}

/* ---------------------------------------------------------------------- pixels */

/* A colour for a class number; 0 is black. */
static uint32_t class_colour(int64_t v) {
    static const uint32_t colours[] = {
        0xe6194b, 0x3cb44b, 0xffe119, 0x4363d8, 0xf58231, 0x911eb4, 0x46f0f0, 0xf032e6,
        0xbcf60c, 0xfabebe, 0x008080, 0xe6beff, 0x9a6324, 0xaaffc3, 0x808000};
    uint64_t n = sizeof colours / sizeof colours[0];
    return v ? colours[(uint64_t)(v - 1) % n] : 0;
}

/* Channel c of a pixel, 0..255, the mean of shrink x shrink. */
static double level(const struct batch_draws *b, const struct shown_image *m,
                    uint64_t first, int64_t y, int64_t x) {
    const struct data_field *f = data_field_at(b->setup->data, m->field);
    double sum = 0.0, v;
    int64_t many = 0;
    for (int64_t j = 0; j < m->shrink && y + j < m->height; j++)
        for (int64_t i = 0; i < m->shrink && x + i < m->width; i++, many++) {
            uint64_t at = first + (uint64_t)((y + j) * m->width + x + i);
            rn_numbers_get(b->batch.fields[m->field], f->dtype, at, 1, &v);
            sum += v;
        }
    v = sum / (double)many;
    if (is_float(f->dtype))
        v = 255.0 * (v - m->low) / (m->high - m->low);
    else if (f->dtype == RN_BOOL)
        v *= 255.0;
    return v >= 0.0 ? v <= 255.0 ? v : 255.0 : 0.0;
}

static uint32_t colour(const struct batch_draws *b, const struct shown_image *m,
                       uint64_t row, int64_t y, int64_t x) {
    const struct data_field *f = data_field_at(b->setup->data, m->field);
    uint64_t channels = f->rank == 3 ? (uint64_t)f->shape[0] : 1, plane;
    plane = (uint64_t)(m->height * m->width);
    uint64_t first = row * channels * plane;
    uint32_t out = 0;
    if (rn_dtype_is_integer(f->dtype) && f->dtype != RN_U8)
        return class_colour(rn_integer_get(b->batch.fields[m->field], f->dtype,
                                           first + (uint64_t)(y * m->width + x)));
    for (uint64_t c = 0; c < 3; c++) {
        uint64_t from = channels >= 3 ? c : 0;
        double v = level(b, m, first + from * plane, y, x);
        out = out << 8 | (uint32_t)(v + 0.5);
    }
    return out;
}

static int64_t shown(int64_t n, const struct shown_image *m) {
    return (n + m->shrink - 1) / m->shrink * m->zoom;
}

static void draw_image(const struct batch_draws *b, const struct shown_image *m,
                       uint64_t row, struct sheet *s, int64_t left, int64_t top) {
    int64_t h = shown(m->height, m), w = shown(m->width, m);
    for (int64_t y = 0; y < h; y += m->zoom)
        for (int64_t x = 0; x < w; x += m->zoom)
            sheet_fill(
                s, left + x, top + y, m->zoom, m->zoom,
                colour(b, m, row, y / m->zoom * m->shrink, x / m->zoom * m->shrink));
    sheet_frame(s, left - 1, top - 1, w + 2, h + 2, LINE);
}

static void draw_boxes(const struct batch_draws *b, const struct layout *l, uint32_t k,
                       uint64_t row, struct sheet *s, int64_t left, int64_t top) {
    const struct data_field *f = data_field_at(b->setup->data, l->boxes[k]);
    const struct shown_image *m = &l->images[0];
    const float *v = b->batch.fields[l->boxes[k]];
    double by = (double)m->zoom / (double)m->shrink;
    v += row * 4 * (uint64_t)f->shape[0];
    for (int64_t i = 0; i < f->shape[0]; i++, v += 4) {
        if (!(v[0] < v[2] && v[1] < v[3] && v[0] >= 0.0f && v[1] >= 0.0f &&
              v[2] <= (float)m->width && v[3] <= (float)m->height))
            continue;
        int64_t x = (int64_t)((double)v[0] * by), y = (int64_t)((double)v[1] * by);
        int64_t w = (int64_t)((double)v[2] * by + 0.5) - x;
        int64_t h = (int64_t)((double)v[3] * by + 0.5) - y;
        sheet_frame(s, left + x, top + y, w, h, BOX);
    }
}

/* ------------------------------------------------------------------------ text */

/* Lines of at most `columns` characters, broken at spaces; drawn unless s is NULL. */
static int64_t wrap(const char *text, int64_t columns, struct sheet *s, int64_t left,
                    int64_t top, uint32_t ink) {
    int64_t lines = 0;
    while (*text) {
        size_t n = strlen(text), most = (size_t)columns, k = n < most ? n : most;
        if (n > most) {
            size_t at = most;
            while (at && text[at] != ' ')
                at--;
            k = at ? at : most;
        }
        if (s)
            sheet_text(s, left, top + lines * SHEET_LINE, ink, text, k);
        lines++;
        text += k;
        text += *text == ' ';
    }
    return lines;
}

/* The labels of a row, a line each; then its draws. */
static int64_t caption(const struct batch_draws *b, uint64_t row, int64_t width,
                       struct sheet *s, int64_t left, int64_t top) {
    int64_t lines = 0, columns = width / SHEET_CHARACTER;
    struct text t = {0};
    for (uint32_t i = 0; i < data_field_count(b->setup->data); i++) {
        const struct data_field *f = data_field_at(b->setup->data, i);
        if (f->rank && !f->target)
            continue;
        text_clear(&t);
        text_addf(&t, "%s: ", f->name);
        batch_draws_field(b, i, row, &t);
        lines += wrap(text_get(&t), columns, s, left, top + lines * SHEET_LINE, INK);
    }
    text_clear(&t);
    for (uint32_t i = 0; batch_draws_text(b, i, row, &t); i++) {
        lines += wrap(text_get(&t), columns, s, left, top + lines * SHEET_LINE, FAINT);
        text_clear(&t);
    }
    text_finish(&t);
    return lines;
}

/* --------------------------------------------------------------------- layout */

static void measure(const struct batch_draws *b, struct layout *l) {
    l->rows = b->batch.rows < SHOWN_MAX ? b->batch.rows : SHOWN_MAX;
    l->cell_width = -GAP / 2;
    for (uint32_t i = 0; i < l->image_count; i++) {
        int64_t h = shown(l->images[i].height, &l->images[i]);
        l->cell_width += shown(l->images[i].width, &l->images[i]) + GAP / 2;
        l->image_height = h > l->image_height ? h : l->image_height;
    }
    if (l->cell_width < CELL_MIN)
        l->cell_width = CELL_MIN;
    l->columns = (SHEET_MAX - GAP) / (l->cell_width + GAP);
    l->columns = l->columns < 1 ? 1 : l->columns > 8 ? 8 : l->columns;
    if ((uint64_t)l->columns > l->rows)
        l->columns = (int64_t)l->rows;
    for (uint64_t r = 0; r < l->rows; r++) {
        int64_t lines = caption(b, r, l->cell_width, NULL, 0, 0);
        l->lines = lines > l->lines ? lines : l->lines;
    }
    l->cell_height = l->image_height + 6 + l->lines * SHEET_LINE + GAP;
}

static void draw_title(const struct batch_draws *b, const struct layout *l,
                       struct sheet *s) {
    struct text t = {0};
    text_addf(&t, "%s   epoch %llu, batch %llu of %llu", b->setup->x->name,
              (unsigned long long)b->batch.at.epoch + 1,
              (unsigned long long)b->batch.at.index + 1,
              (unsigned long long)b->batches);
    if (l->rows < b->batch.rows)
        text_addf(&t, "   the first %llu of %llu samples", (unsigned long long)l->rows,
                  (unsigned long long)b->batch.rows);
    for (uint32_t i = 0; i < l->image_count; i++) {
        const struct shown_image *m = &l->images[i];
        const struct data_field *f = data_field_at(b->setup->data, m->field);
        text_addf(&t, "   %s %lldx%lld", f->name, (long long)m->height,
                  (long long)m->width);
        if (is_float(f->dtype))
            text_addf(&t, " black %.3g, white %.3g", m->low, m->high);
    }
    sheet_text(s, GAP, GAP, INK, text_get(&t), t.length);
    sheet_fill(s, GAP, GAP + SHEET_LINE + 3, s->width - 2 * GAP, 1, LINE);
    text_finish(&t);
}

static void draw_cell(const struct batch_draws *b, const struct layout *l, uint64_t row,
                      struct sheet *s) {
    int64_t column = (int64_t)row % l->columns, line = (int64_t)row / l->columns;
    int64_t left = GAP + column * (l->cell_width + GAP);
    int64_t top = TITLE + line * l->cell_height, x = left;
    for (uint32_t i = 0; i < l->image_count; i++) {
        draw_image(b, &l->images[i], row, s, x, top);
        x += shown(l->images[i].width, &l->images[i]) + GAP / 2;
    }
    for (uint32_t k = 0; k < l->box_count; k++)
        draw_boxes(b, l, k, row, s, left, top);
    caption(b, row, l->cell_width, s, left, top + l->image_height + 6);
}

int batch_sheet_png(const struct batch_draws *b, struct text *out, struct rn_error *e) {
    struct layout l = {0};
    struct sheet s;
    find_images(b, &l);
    measure(b, &l);
    int64_t down = ((int64_t)l.rows + l.columns - 1) / l.columns;
    int64_t width = GAP + l.columns * (l.cell_width + GAP);
    int64_t height = TITLE + down * l.cell_height;
    if (width > 1 << 15 || height > 1 << 15 || !sheet_create(&s, width, height))
        return error_set(e, RN_E_MEMORY, "no memory for a sheet of %lld x %lld pixels",
                         (long long)width, (long long)height);
    draw_title(b, &l, &s);
    for (uint64_t r = 0; r < l.rows; r++)
        draw_cell(b, &l, r, &s);
    png_encode(s.rgb, (uint32_t)width, (uint32_t)height, out);
    sheet_finish(&s);
    return RN_OK;
}
