/* SPDX-License-Identifier: Apache-2.0 */
/* Every class equally often. An epoch of `samples` rows takes samples / classes of each
 * class, and one more of the first few classes of a random order of them. Of a class
 * the rows come in random permutations one after the other, so that none is repeated
 * before all were there; all that was taken is then shuffled. */
#include <stdlib.h>
#include <string.h>

#include <runner/sampler.h>
#include <runner/sdk/draw.h>
#include <runner/sdk/error.h>
#include <runner/sdk/field.h>

struct balanced {
    uint64_t samples; /* 0: as many as there are rows */
    uint64_t *rows;   /* class by class, in rising order inside of each */
    uint64_t *first;  /* [classes + 1] of each class in rows */
    uint64_t classes;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct balanced *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a sampler", NULL, NULL);
    if (rn_has(h, "samples"))
        s->samples = (uint64_t)rn_get_int(h, "samples");
    return RN_OK;
}

static void destroy(void *self) {
    struct balanced *s = self;
    if (s) {
        free(s->rows);
        free(s->first);
    }
    free(s);
}

struct entry {
    uint64_t row;
    const unsigned char *value;
    size_t bytes;
};

static int by_value(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    int k = memcmp(x->value, y->value, x->bytes);
    return k ? k : (x->row > y->row) - (x->row < y->row);
}

static int32_t check_field(const struct rn_sampler_plan *p, struct rn_error *e) {
    if (p->field_count != 1) {
        rn_fail_option(e, RN_E_CONFIG, p->field_count ? "of" : NULL,
                       p->field_count ? "one field has the classes, not %u"
                                      : "the field that has the classes is missing",
                       p->field_count);
        rn_hintf(e, "of: the field with the classes, e.g. label");
        return RN_E_CONFIG;
    }
    const struct rn_field *f = rn_sampler_field(p, 0);
    int text = (f->flags & RN_FIELD_TEXT) != 0;
    if (text || (!f->rank && (rn_dtype_is_integer(f->dtype) || f->dtype == RN_BOOL)))
        return RN_OK;
    rn_fail_option(e, RN_E_CONFIG, "of",
                   "field '%s' has no classes: it is %s of rank %u, not one integer or "
                   "text a sample",
                   f->name, rn_dtype_name(f->dtype), f->rank);
    return RN_E_CONFIG;
}

static int32_t plan(void *self, struct rn_sampler_plan *p, struct rn_error *e) {
    struct balanced *s = self;
    int32_t status = check_field(p, e);
    if (status != RN_OK)
        return status;
    size_t bytes = (size_t)rn_field_bytes(rn_sampler_field(p, 0));
    struct entry *all = malloc(p->rows * sizeof *all);
    s->rows = malloc(p->rows * sizeof *s->rows);
    s->first = malloc((p->rows + 1) * sizeof *s->first);
    if (!all || !s->rows || !s->first) {
        free(all);
        return rn_fail(e, RN_E_MEMORY, "no memory for the classes", NULL, NULL);
    }
    for (uint64_t i = 0; i < p->rows; i++)
        all[i] = (struct entry){i, (const unsigned char *)p->values[0].data + i * bytes,
                                bytes};
    qsort(all, p->rows, sizeof *all, by_value);
    for (uint64_t i = 0; i < p->rows; i++) {
        s->rows[i] = all[i].row;
        if (!i || memcmp(all[i - 1].value, all[i].value, bytes) != 0)
            s->first[s->classes++] = i;
    }
    s->first[s->classes] = p->rows;
    free(all);
    p->count = s->samples ? s->samples : p->rows;
    return RN_OK;
}

/* n rows of a class. */
static void take(const struct balanced *s, uint64_t class_, uint64_t n, uint64_t *room,
                 const struct rn_sampler_call *call, uint64_t *out) {
    struct rn_draws d =
        rn_draws_begin(call->key, (uint32_t)call->epoch, (uint32_t)(call->epoch >> 32),
                       (uint32_t)class_ + 2);
    uint64_t have = s->first[class_ + 1] - s->first[class_];
    memcpy(room, s->rows + s->first[class_], have * sizeof *room);
    for (uint64_t done = 0; done < n; done += have) {
        uint64_t k = n - done < have ? n - done : have;
        rn_draw_shuffle(&d, room, have);
        memcpy(out + done, room, k * sizeof *out);
    }
}

static int32_t order(void *self, const struct rn_sampler_call *call,
                     struct rn_error *e) {
    const struct balanced *s = self;
    uint64_t *room = rn_scratch(call->work, call->rows * sizeof *room);
    uint64_t *classes = rn_scratch(call->work, s->classes * sizeof *classes);
    if (!room || !classes)
        return rn_fail(e, RN_E_MEMORY, "no memory for an epoch", NULL, NULL);
    uint32_t low = (uint32_t)call->epoch, high = (uint32_t)(call->epoch >> 32);
    struct rn_draws more = rn_draws_begin(call->key, low, high, 0);
    struct rn_draws all = rn_draws_begin(call->key, low, high, 1);
    for (uint64_t i = 0; i < s->classes; i++)
        classes[i] = i;
    rn_draw_shuffle(&more, classes, s->classes);
    uint64_t at = 0;
    for (uint64_t i = 0; i < s->classes; i++) {
        uint64_t n = call->count / s->classes + (i < call->count % s->classes);
        take(s, classes[i], n, room, call, call->order + at);
        at += n;
    }
    rn_draw_shuffle(&all, call->order, call->count);
    return RN_OK;
}

static const struct rn_sampler iface = {
    sizeof(struct rn_sampler), 0, create, destroy, plan, order};

RN_SAMPLER(
    balanced, iface, "runner/balanced 1",
    RN_DOC("Every class equally often: rows of rare classes are repeated, and of "
           "frequent ones each epoch reads others")
        RN_OPTION("samples int ; min 1 ; max 1000000000000 | samples of an epoch; "
                  "default: as many as the training split has"));
RN_PLUGIN(&balanced);
