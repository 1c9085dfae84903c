/* SPDX-License-Identifier: Apache-2.0 */
/* data.split.group: near-duplicate. */
#include "data/split_near.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "data/drop.h"
#include "data/keys.h"
#include "data/near.h"
#include "data/near_text.h"

struct passing {
    uint32_t column;
    uint64_t bytes, elements;
    struct near *near;
    bool again;
    double low, high;
};

static const char *image_at(const struct passing *p, const struct reader *r,
                            uint64_t i) {
    return (const char *)r->columns[p->column] + i * p->bytes;
}

static int find_range(void *context, const struct reader *r, uint64_t first, uint64_t n,
                      struct rn_error *e) {
    struct passing *p = context;
    (void)first;
    (void)e;
    for (uint64_t i = 0; i < n * p->elements; i++) {
        double v = keys_number_at(r->columns[p->column], RN_F32, i);
        if (!isfinite(v))
            continue;
        p->low = fmin(p->low, v);
        p->high = fmax(p->high, v);
    }
    return RN_OK;
}

static int add_images(void *context, const struct reader *r, uint64_t first, uint64_t n,
                      struct rn_error *e) {
    struct passing *p = context;
    (void)e;
    for (uint64_t i = 0; i < n; i++)
        if (!p->again)
            near_add(p->near, first + i, image_at(p, r, i));
        else if (near_wanted(p->near, first + i))
            near_look(p->near, first + i, image_at(p, r, i));
    return RN_OK;
}

static int search(struct data *data, struct passing *p, struct near_image image,
                  uint64_t rows, struct rn_error *e) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int status = RN_OK;
    if (image.dtype == RN_F32) {
        p->low = INFINITY;
        p->high = -INFINITY;
        status = keys_rows(data, &p->column, 1, find_range, p, e);
        image.low = p->low;
        image.high = p->high;
    }
    struct near_options o = {image, rows, rows,
                             processors > 0 ? (uint32_t)processors : 1};
    p->near = status == RN_OK ? near_create(&o) : NULL;
    if (status == RN_OK && !p->near)
        return error_set(e, RN_E_MEMORY, "no memory for %llu thumbnails",
                         (unsigned long long)rows);
    for (int k = 0; k < 2 && status == RN_OK; k++) {
        p->again = k;
        status = keys_rows(data, &p->column, 1, add_images, p, e);
        if (status == RN_OK && !k)
            status = near_search(p->near, e);
    }
    if (status == RN_OK)
        near_verify(p->near);
    return status;
}

static uint32_t root(uint32_t *parent, uint32_t i) {
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

static void join_clusters(const uint32_t *cluster, const uint32_t *of, uint64_t rows,
                          uint32_t *parent) {
    for (uint64_t i = 0; i < rows; i++) {
        uint32_t a = root(parent, of[i]);
        uint32_t b = root(parent, of[cluster[i]]);
        parent[a > b ? a : b] = a < b ? a : b;
    }
}

/* Groups become their roots, numbered in the order of their first rows. */
static void number_again(uint32_t *of, uint64_t rows, uint64_t *count,
                         uint32_t *parent) {
    uint32_t *number = memory_get(memory_mul(*count + 1, sizeof *number)), next = 0;
    for (uint64_t i = 0; i < rows; i++) {
        uint32_t r = root(parent, of[i]);
        number[r] = number[r] ? number[r] : ++next;
        of[i] = number[r] - 1;
    }
    *count = next;
    memory_release(number);
}

static int refuse(struct rn_error *e) {
    return error_where(e, RN_WHERE_CONFIG, "split.group", 0, 0);
}

struct reading {
    struct near_text *near;
    const struct column *column;
    uint32_t at;
};

static int add_texts(void *context, const struct reader *r, uint64_t first, uint64_t n,
                     struct rn_error *e) {
    struct reading *p = context;
    int status = RN_OK;
    for (uint64_t i = 0; i < n && status == RN_OK; i++) {
        const char *s = (const char *)r->columns[p->at] + i * p->column->bytes;
        status = near_text_add(p->near, first + i, s, strnlen(s, p->column->bytes), e);
    }
    return status;
}

/* *joined counts it if it is of sentences. */
static int join_texts(struct data *data, uint32_t column, uint32_t *of, uint64_t rows,
                      uint32_t *parent, uint32_t *joined, struct rn_error *e) {
    struct reading p = {near_text_create(rows), &data->pipeline.columns[column],
                        column};
    if (!p.near)
        return error_set(e, RN_E_MEMORY, "no memory for %llu texts",
                         (unsigned long long)rows);
    int status = keys_rows(data, &column, 1, add_texts, &p, e);
    bool sentences = status == RN_OK && near_text_words(p.near) >= NEAR_TEXT_WORDS;
    *joined += sentences;
    if (sentences)
        status = near_text_search(p.near, e);
    if (sentences && status == RN_OK)
        join_clusters(near_text_result(p.near).cluster, of, rows, parent);
    near_text_destroy(p.near);
    return status;
}

int split_join_near(struct data *data, const struct split_keys *keys, uint32_t *of,
                    uint64_t *count, struct rn_error *e) {
    uint64_t rows = pool_count(data);
    uint32_t images = 0;
    int status = RN_OK;
    if (rows > NEAR_ROWS_MAX) {
        error_set(e, RN_E_CONFIG,
                  "data.split.group: near-duplicate is for at most %u rows, not %llu",
                  NEAR_ROWS_MAX, (unsigned long long)rows);
        return refuse(e);
    }
    uint32_t *parent = memory_get(memory_mul(*count + 1, sizeof *parent));
    for (uint32_t i = 0; i < *count; i++)
        parent[i] = i;
    for (uint32_t i = 0; i < keys->count && status == RN_OK; i++) {
        const struct column *c = &data->pipeline.columns[keys->columns[i]];
        struct passing p = {.column = keys->columns[i], .bytes = c->bytes};
        struct near_image image;
        if (c->field.flags & RN_FIELD_TEXT && c->bytes)
            status = join_texts(data, keys->columns[i], of, rows, parent, &images, e);
        if (field_variable(&c->field) || c->field.flags & RN_FIELD_TEXT ||
            !near_image_of(c->field.dtype, c->field.rank, c->field.shape, &image))
            continue;
        images++;
        p.elements = c->bytes / RN_DTYPE_BYTES(c->field.dtype);
        status = search(data, &p, image, rows, e);
        if (status == RN_OK)
            join_clusters(near_result(p.near).cluster, of, rows, parent);
        near_destroy(p.near);
    }
    if (status == RN_OK)
        number_again(of, rows, count, parent);
    memory_release(parent);
    if (status != RN_OK || images)
        return status;
    error_set(e, RN_E_CONFIG,
              "data.split.group: near-duplicate, but no input is an "
              "image or a text of several words");
    error_hint(e, "group: rows keeps equal rows together");
    return refuse(e);
}
