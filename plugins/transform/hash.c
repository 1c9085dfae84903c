/* SPDX-License-Identifier: Apache-2.0 */
/* Categories as numbers [width], of which one is +1 or -1: its place and sign are a
 * hash of the category, MurmurHash3 x86_32 (Appleby, public domain) with seed 0, as
 * FeatureHasher of scikit-learn. Nothing is fitted, so no category is unknown; what is
 * missing is all 0. Numbers are hashed as their digits. */
#include <runner/sdk/encoder.h>

struct hash {
    struct rn_encoder encoder; /* only: which fields are taken */
    uint32_t width;
    int plus; /* no signs */
};

static uint32_t rotated(uint32_t x, int by) {
    return x << by | x >> (32 - by);
}

static uint32_t block(const unsigned char *p, size_t n) {
    uint32_t k = 0;
    for (size_t i = 0; i < n; i++)
        k |= (uint32_t)p[i] << 8 * i;
    return rotated(k * 0xcc9e2d51u, 15) * 0x1b873593u;
}

static uint32_t murmur3(const char *text, size_t n) {
    const unsigned char *p = (const unsigned char *)text;
    uint32_t h = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        h = rotated(h ^ block(p + i, 4), 13) * 5 + 0xe6546b64u;
    if (i < n)
        h ^= block(p + i, n - i);
    h ^= (uint32_t)n;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}

static void destroy(void *self) {
    struct hash *s = self;
    if (s)
        rn_encoder_finish(&s->encoder);
    free(s);
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct hash *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->width = (uint32_t)rn_get_int(h, "width");
    s->plus = !rn_get_bool(h, "sign");
    return RN_OK;
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    struct hash *s = self;
    int32_t status = rn_encoder_begin(&s->encoder, plan, e);
    for (uint32_t i = 0; i < plan->in_count && status == RN_OK; i++) {
        struct rn_field *out = &plan->out[i];
        status = rn_encoder_take(&s->encoder, i, plan, e);
        if (out->rank > RN_MAX_RANK - 2)
            return rn_failf(e, RN_E_CONFIG, NULL, 0, 0, "field '%s' has too many axes",
                            out->name);
        out->flags = 0;
        out->shape[out->rank++] = s->width;
    }
    return status;
}

static void put(const struct hash *s, const struct rn_set_key *key, int text,
                double *y) {
    char digits[32];
    int n = text ? 0 : snprintf(digits, sizeof digits, "%.17g", key->number);
    uint32_t h = text ? murmur3(key->text, key->n) : murmur3(digits, (size_t)n);
    uint32_t magnitude = h >> 31 ? 0u - h : h;
    /* The magnitude of -2^31 counts as scikit-learn counts it. */
    if (h == 0x80000000u)
        magnitude = 0x7fffffffu - (s->width - 1);
    y[magnitude % s->width] = h >> 31 && !s->plus ? -1.0 : 1.0;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct hash *s = self;
    struct rn_set_key key;
    for (uint32_t i = 0; i < s->encoder.in_count; i++) {
        const struct rn_encoder_field *f = s->encoder.in[i].of;
        double *y = call->out[i].data;
        memset(y, 0, call->rows * f->elements * s->width * sizeof *y);
        for (uint64_t r = 0; r < call->rows; r++)
            for (uint64_t k = 0; k < f->elements; k++, y += s->width) {
                enum rn_category is =
                    rn_encoder_key(&s->encoder, i, &call->in[i], r, k, &key);
                if (is == RN_CATEGORY_WRONG)
                    return rn_encoder_large(f, e);
                if (is == RN_CATEGORY_IS)
                    put(s, &key, f->text, y);
            }
    }
    return RN_OK;
}

static const struct rn_transform iface = {sizeof(struct rn_transform),
                                          0,
                                          create,
                                          destroy,
                                          plan,
                                          NULL,
                                          NULL,
                                          NULL,
                                          apply,
                                          NULL,
                                          NULL,
                                          NULL};

RN_TRANSFORM(hash, iface, "runner/hash 1",
             RN_DOC("Categories as numbers [width], f64, one of them +1 or -1 at a place "
                    "that is a hash of the category; all 0 where it is missing")
             RN_OPTION("of list(string) ; required | fields of texts or numbers")
             RN_OPTION("width int ; required ; min 1 ; max 1048576 | numbers for each "
                       "category")
             RN_OPTION("sign bool = true | half of the categories are -1, so that those "
                       "which share a place cancel out on average"));
RN_PLUGIN(&hash);
