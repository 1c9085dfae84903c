/* SPDX-License-Identifier: Apache-2.0 */
/* Gathering and reading the named content of a checkpoint. */
#include "record/saver.h"
#include "base/memory.h"

void saver_int(struct saver *s, const char *object, const char *key, int64_t v) {
    struct checkpoint_value x = {
        .object = object, .key = key, .kind = CHECKPOINT_INT, .i = v};
    vec_push(s->values, s->value_count, s->value_capacity, x);
}

void saver_real(struct saver *s, const char *object, const char *key, double v) {
    struct checkpoint_value x = {
        .object = object, .key = key, .kind = CHECKPOINT_REAL, .f = v};
    vec_push(s->values, s->value_count, s->value_capacity, x);
}

void saver_text(struct saver *s, const char *object, const char *key, const char *v) {
    struct checkpoint_value x = {
        .object = object, .key = key, .kind = CHECKPOINT_TEXT, .s = v};
    vec_push(s->values, s->value_count, s->value_capacity, x);
}

void saver_blob(struct saver *s, const char *name, const void *data, uint64_t bytes) {
    vec_push(s->blobs, s->blob_count, s->blob_capacity,
             (struct checkpoint_blob){name, data, bytes});
}

void saver_own(struct saver *s, void *p) {
    vec_push(s->owned, s->owned_count, s->owned_capacity, p);
}

void saver_tensor(struct saver *s, struct checkpoint_tensor t) {
    vec_push(s->tensors, s->tensor_count, s->tensor_capacity, t);
}

void saver_finish(struct saver *s) {
    for (uint32_t i = 0; i < s->owned_count; i++)
        memory_release(s->owned[i]);
    memory_release(s->owned);
    memory_release(s->tensors);
    memory_release(s->blobs);
    memory_release(s->values);
}

const struct checkpoint_value *saved_value(const struct saved *s, const char *object,
                                           const char *key) {
    return checkpoint_value(s->values, s->count, object, key);
}

int64_t saved_int(const struct saved *s, const char *object, const char *key,
                  int64_t fallback) {
    const struct checkpoint_value *v = saved_value(s, object, key);
    return v && v->kind == CHECKPOINT_INT ? v->i : fallback;
}

double saved_real(const struct saved *s, const char *object, const char *key,
                  double fallback) {
    const struct checkpoint_value *v = saved_value(s, object, key);
    return v && v->kind == CHECKPOINT_REAL ? v->f : fallback;
}

const char *saved_text(const struct saved *s, const char *object, const char *key,
                       const char *fallback) {
    const struct checkpoint_value *v = saved_value(s, object, key);
    return v && v->kind == CHECKPOINT_TEXT ? v->s : fallback;
}
