/* SPDX-License-Identifier: Apache-2.0 */
/* A training batch and its draws: the host's side of sdk/draw_log.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <runner/sdk/draw_log.h>
#include <runner/sdk/field.h>

#include "base/memory.h"
#include "commands/verbs/batch_draws.h"

/* ----------------------------------------------------------------------- draws */

static struct batch_draws *draws_of(struct rn_host *h) {
    const struct setup *s = instance_context(h);
    return s->host_context;
}

static struct draw draw_of(struct rn_host *h, uint64_t row, const char *name) {
    struct draw d = {.row = row, .host = h};
    snprintf(d.name, sizeof d.name, "%s", name);
    return d;
}

static void log_number(struct rn_host *h, uint64_t row, const char *name,
                       double value) {
    struct batch_draws *b = draws_of(h);
    struct draw d = draw_of(h, row, name);
    d.value = value;
    d.is_number = true;
    vec_push(b->draws, b->draw_count, b->draw_capacity, d);
}

static void log_word(struct rn_host *h, uint64_t row, const char *name,
                     const char *word) {
    struct batch_draws *b = draws_of(h);
    struct draw d = draw_of(h, row, name);
    snprintf(d.word, sizeof d.word, "%s", word);
    vec_push(b->draws, b->draw_count, b->draw_capacity, d);
}

static const void *extension(const char *id) {
    static const struct rn_draw_log_api api = {sizeof api, 0, log_number, log_word};
    return strcmp(id, RN_EXT_DRAW_LOG) == 0 ? &api : NULL;
}

/* ------------------------------------------------------------------------ open */

/* The loader of training as train/loop.c opens it, without workers: draws come in
 * order. */
static int open_loader(struct batch_draws *b, struct rn_error *e) {
    const struct setup *s = b->setup;
    struct loader_options o = {.split = DATA_TRAIN,
                               .batch = data_batch(s->data),
                               .shuffle = true,
                               .augment = true,
                               .seed = s->x->seed,
                               .once = true};
    uint64_t rows = data_epoch_rows(s->data);
    o.batch = o.batch < rows ? o.batch : rows;
    o.batch *= (uint64_t)experiment_int(s->x, "train.accumulate");
    return loader_open(s->data, &o, &b->loader, e);
}

static int read_batch(struct batch_draws *b, uint64_t epoch, uint64_t batch,
                      struct rn_error *e) {
    int status = open_loader(b, e);
    if (status != RN_OK)
        return status;
    b->batches = loader_batches(b->loader);
    if (batch >= b->batches) {
        error_set(e, RN_E_CONFIG, "--batch %llu: an epoch has %llu batches",
                  (unsigned long long)batch + 1, (unsigned long long)b->batches);
        return RN_E_CONFIG;
    }
    status = loader_seek(b->loader, (struct loader_position){epoch, batch}, e);
    return status == RN_OK ? loader_next(b->loader, &b->batch, e) : status;
}

int batch_draws_open(struct batch_draws *b, const struct setup_options *o,
                     uint64_t epoch, uint64_t batch, struct diag *d) {
    struct setup_options mine = *o;
    struct rn_error e = {0};
    memset(b, 0, sizeof *b);
    mine.use = ENGINE_TRAIN;
    mine.host_extension = extension;
    mine.host_context = b;
    b->setup = setup_open_data(&mine, d);
    if (!b->setup || setup_fit_data(b->setup, &mine, d) != RN_OK)
        return diag_status(d);
    int status = read_batch(b, epoch, batch, &e);
    return status == RN_OK ? status : diag_place(d, b->setup->x->root, &e);
}

void batch_draws_close(struct batch_draws *b) {
    loader_close(b->loader);
    setup_close(b->setup);
    memory_release(b->draws);
}

/* ---------------------------------------------------------------------- stages */

int batch_draws_stage(const struct batch_draws *b, uint32_t i, const char **path,
                      const char **type, const void **host) {
    uint32_t augmenters = data_augmenter_count(b->setup->data);
    if (i < augmenters) {
        const struct data_augmenter *a = data_augmenter_at(b->setup->data, i);
        *path = a->path;
        *type = a->component->bare;
        *host = instance_host(a->instance);
        return 1;
    }
    const struct component *c = data_collate(b->setup->data, path);
    *type = c ? c->bare : NULL;
    *host = NULL;
    return i == augmenters && c;
}

bool batch_draws_is(const struct batch_draws *b, uint32_t k, uint64_t row,
                    const void *host) {
    const struct draw *d = &b->draws[k];
    uint32_t augmenters = data_augmenter_count(b->setup->data);
    if (d->row != row || host)
        return d->row == row && d->host == host;
    for (uint32_t i = 0; i < augmenters; i++)
        if (instance_host(data_augmenter_at(b->setup->data, i)->instance) == d->host)
            return false;
    return true;
}

/* ------------------------------------------------------------------------ text */

static double element(const struct batch_draws *b, uint32_t f, uint64_t at) {
    const struct data_field *field = data_field_at(b->setup->data, f);
    double v;
    rn_numbers_get(b->batch.fields[f], field->dtype, at, 1, &v);
    return v;
}

static uint64_t elements(const struct data_field *f) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < f->rank; i++)
        n *= (uint64_t)f->shape[i];
    return n;
}

static void add_class(const struct data_field *f, double v, struct text *out) {
    if (f->class_names && v >= 0.0 && v < (double)f->classes)
        text_addf(out, "%s", f->class_names[(uint32_t)v]);
    else
        text_addf(out, "%.6g", v);
}

/* "label" of the target "label_soft", for its names. */
static const struct data_field *named(const struct batch_draws *b,
                                      const struct data_field *f) {
    size_t n = strlen(f->name), end = strlen("_soft");
    for (uint32_t i = 0; i < data_field_count(b->setup->data); i++) {
        const struct data_field *other = data_field_at(b->setup->data, i);
        if (n > end && strlen(other->name) == n - end &&
            strncmp(other->name, f->name, n - end) == 0)
            return other;
    }
    return f;
}

/* The classes of a target that have a share. */
static void add_shares(const struct batch_draws *b, uint32_t f, uint64_t row,
                       struct text *out) {
    const struct data_field *field = data_field_at(b->setup->data, f);
    uint64_t n = elements(field), many = 0;
    for (uint64_t k = 0; k < n && many < 4; k++) {
        double v = element(b, f, row * n + k);
        if (!(v > 0.0005))
            continue;
        text_addf(out, many++ ? " + " : "");
        if (v < 0.9995)
            text_addf(out, "%.3g ", v);
        add_class(named(b, field), (double)k, out);
    }
}

void batch_draws_field(const struct batch_draws *b, uint32_t f, uint64_t row,
                       struct text *out) {
    const struct data_field *field = data_field_at(b->setup->data, f);
    uint64_t n = elements(field);
    if (field->text) {
        const char *s = (const char *)b->batch.fields[f] + row * field->bytes;
        text_add_n(out, s, strnlen(s, field->bytes < 60 ? field->bytes : 60));
    } else if (field->target) {
        add_shares(b, f, row, out);
    } else if (!field->rank) {
        add_class(field, element(b, f, row), out);
    } else {
        for (uint64_t k = 0; k < n && k < 8; k++)
            text_addf(out, "%s%.4g", k ? " " : "", element(b, f, row * n + k));
        if (n > 8)
            text_add(out, " ...");
    }
}

static void add_draw(const struct draw *d, const char *type, struct text *out) {
    if (strcmp(d->name, type) != 0)
        text_addf(out, " %s", d->name);
    bool whole = d->is_number && d->value == floor(d->value) && fabs(d->value) < 1e15;
    if (whole)
        text_addf(out, " %.0f", d->value + 0.0); /* no -0 */
    else if (d->is_number)
        text_addf(out, " %.4g", d->value);
    else if (d->word[0])
        text_addf(out, " %s", d->word);
}

int batch_draws_text(const struct batch_draws *b, uint32_t i, uint64_t row,
                     struct text *out) {
    const char *path, *type;
    const void *host;
    bool begun = false;
    if (!batch_draws_stage(b, i, &path, &type, &host))
        return 0;
    for (uint32_t k = 0; k < b->draw_count; k++) {
        if (!batch_draws_is(b, k, row, host))
            continue;
        text_add(out, begun ? "," : type);
        add_draw(&b->draws[k], begun ? "" : type, out);
        begun = true;
    }
    return 1;
}
