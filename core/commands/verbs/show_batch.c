/* SPDX-License-Identifier: Apache-2.0 */
/* show-batch: a training batch after augmentation, as a picture or a table, with what
 * was drawn for each sample. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json_writer.h"
#include "commands/cli/report.h"
#include "commands/cli/session.h"
#include "commands/verbs/batch_draws.h"
#include "commands/verbs/verbs.h"

/* ------------------------------------------------------------------------ JSON */

static void add_fields(struct json_writer *w, const struct batch_draws *b,
                       uint64_t row) {
    struct text t = {0};
    json_object(w, "fields");
    for (uint32_t i = 0; i < data_field_count(b->setup->data); i++) {
        const struct data_field *f = data_field_at(b->setup->data, i);
        if (f->rank && !f->target && !f->text)
            continue;
        text_clear(&t);
        batch_draws_field(b, i, row, &t);
        if (f->rank || f->class_names)
            json_string(w, f->name, text_get(&t));
        else
            json_raw(w, f->name, text_get(&t));
    }
    json_close(w);
    text_finish(&t);
}

static void add_draw(struct json_writer *w, const struct draw *d) {
    json_object(w, NULL);
    json_string(w, "name", d->name);
    if (d->is_number)
        json_number(w, "value", d->value);
    else if (d->word[0])
        json_string(w, "value", d->word);
    json_close(w);
}

/* The changes of a row: of each stage that drew something. */
static void add_changes(struct json_writer *w, const struct batch_draws *b,
                        uint64_t row) {
    const char *path, *type;
    const void *host;
    json_array(w, "changes");
    for (uint32_t i = 0; batch_draws_stage(b, i, &path, &type, &host); i++) {
        bool begun = false;
        for (uint32_t k = 0; k < b->draw_count; k++) {
            if (!batch_draws_is(b, k, row, host))
                continue;
            if (!begun) {
                json_object(w, NULL);
                json_string(w, "path", path);
                json_string(w, "type", type);
                json_array(w, "draws");
            }
            begun = true;
            add_draw(w, &b->draws[k]);
        }
        if (begun) {
            json_close(w);
            json_close(w);
        }
    }
    json_close(w);
}

static void print_trace(const struct batch_draws *b, const char *picture) {
    struct text line = {0};
    struct json_writer w;
    json_begin(&w, &line);
    json_object(&w, NULL);
    json_string(&w, "experiment", b->setup->x->name);
    json_uint(&w, "epoch", b->batch.at.epoch + 1);
    json_uint(&w, "batch", b->batch.at.index + 1);
    json_uint(&w, "batches", b->batches);
    if (picture)
        json_string(&w, "picture", picture);
    json_array_lines(&w, "samples");
    for (uint64_t r = 0; r < b->batch.rows; r++) {
        json_object(&w, NULL);
        json_int(&w, "id", b->batch.ids[r]);
        add_fields(&w, b, r);
        add_changes(&w, b, r);
        json_close(&w);
    }
    json_close(&w);
    json_close(&w);
    json_end(&w);
    print_text(&line);
}

/* ------------------------------------------------------------------------ text */

static void print_table(const struct batch_draws *b) {
    struct text t = {0};
    for (uint64_t r = 0; r < b->batch.rows; r++) {
        text_addf(&t, "%s%lld", r ? "\n" : "", (long long)b->batch.ids[r]);
        for (uint32_t i = 0; i < data_field_count(b->setup->data); i++) {
            text_addf(&t, "  %s: ", data_field_at(b->setup->data, i)->name);
            batch_draws_field(b, i, r, &t);
        }
        struct text one = {0};
        for (uint32_t i = 0; batch_draws_text(b, i, r, &one); i++) {
            text_addf(&t, "%s%s", one.length ? "  | " : "", text_get(&one));
            text_clear(&one);
        }
        text_finish(&one);
    }
    print_text(&t);
}

static int write_picture(const struct batch_draws *b, const char *path,
                         struct rn_error *e) {
    struct text png = {0};
    int status = batch_sheet_png(b, &png, e);
    FILE *file = status == RN_OK ? fopen(path, "wb") : NULL;
    bool bad = !file || fwrite(png.s, 1, png.length, file) != png.length;
    if (file && fclose(file) != 0)
        bad = true;
    if (status == RN_OK && bad) {
        status = error_set(e, RN_E_IO, "%s: %s", path, strerror(errno));
    }
    text_finish(&png);
    return status;
}

static int report(const struct args *a, const struct batch_draws *b,
                  struct rn_error *e) {
    bool trace = args_has(a, FLAG_DRAWS) || args_json(a);
    bool picture = batch_sheet_has_images(b) && (!trace || args_has(a, FLAG_PICTURE));
    const char *path = picture ? args_text(a, FLAG_PICTURE) : NULL;
    if (args_has(a, FLAG_PICTURE) && !picture)
        return error_set(e, RN_E_CONFIG, "--out: no field of the samples is an image");
    if (picture && write_picture(b, path, e) != RN_OK)
        return e->status;
    if (trace)
        print_trace(b, path);
    else if (picture)
        printf("%s: %llu samples, epoch %llu, batch %llu of %llu\n", path,
               (unsigned long long)b->batch.rows,
               (unsigned long long)b->batch.at.epoch + 1,
               (unsigned long long)b->batch.at.index + 1,
               (unsigned long long)b->batches);
    else
        print_table(b);
    return RN_OK;
}

int verb_show_batch(const struct args *a) {
    struct rn_error e = {0};
    struct batch_draws b;
    struct session *session = open_session();
    if (!session)
        return 4;
    struct diag *d = diag_create();
    struct setup_options o = {.session = session,
                              .file = a->arg[0],
                              .override_count = a->count - 1,
                              .overrides = a->arg + 1};
    int code = 0;
    if (batch_draws_open(&b, &o, args_integer(a, FLAG_EPOCH) - 1,
                         args_integer(a, FLAG_BATCH) - 1, d) != RN_OK)
        code = fail_with(d, a);
    else if (report(a, &b, &e) != RN_OK)
        code = fail_error(&e, a);
    batch_draws_close(&b);
    diag_destroy(d);
    session_destroy(session);
    return code;
}
