/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of an augmenter of images: a sample's images and what moves with them
 * (masks of class numbers, boxes), the share of samples changed, random draws, and a
 * log of them. A component has a struct rn_scene first, and a function that changes one
 * row. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_SCENE_H
#define RUNNER_SDK_SCENE_H

#include <runner/sdk/draw.h>
#include <runner/sdk/draw_log.h>
#include <runner/sdk/image.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a field of `of` is. */
#define RN_SCENE_PIXELS  0 /* u8 or f32: interpolated */
#define RN_SCENE_NEAREST 1 /* class numbers: each is that of the nearest place */
#define RN_SCENE_BOXES   2 /* f32 [K,4]: left, top, right, bottom, in pixels */

struct rn_scene {
    struct rn_host *host;
    const struct rn_draw_log_api *log; /* or NULL */
    struct rn_images images;           /* boxes too, as an image of K x 4 */
    uint8_t *role;                     /* owned; [images.count]: RN_SCENE_* */
    int64_t height, width;             /* of the images */
    double p;                          /* share of samples changed */
    double max;                        /* of f32 pixels; the option `max` */
    uint64_t scratch; /* bytes that the change of a row needs; plan may set it */
};

/* ------------------------------------------------------------------- options */

#define RN_SCENE_P_OPTION                                                              \
    RN_OPTION("p float = 1 ; min 0 ; max 1 | share of samples changed")
#define RN_SCENE_MAX_OPTION                                                            \
    RN_OPTION("max float = 1 ; above 0 | the value of white in f32 images; u8 has "    \
              "255")
#define RN_SCENE_OF_OPTION                                                             \
    RN_OPTION("of list(string) = image | the image, [C,H,W] or [H,W]; several, such "  \
              "as an image, its mask and its boxes, move together")
#define RN_SCENE_COLOUR_OF_OPTION                                                      \
    RN_OPTION("of list(string) = image | the image, u8 or f32, [C,H,W] or [H,W]; "     \
              "several change alike")
#define RN_SCENE_NEAREST_OPTION                                                        \
    RN_OPTION("nearest list(string) | fields of class numbers, such as masks: each "   \
              "pixel is that of the nearest place, never a mean. Integers other than " \
              "u8 always are")
#define RN_SCENE_BOXES_OPTION                                                          \
    RN_OPTION("boxes list(string) | fields of boxes, f32 [K,4]: left, top, right, "    \
              "bottom in pixels; cut at the image, and 0 0 0 0 where nothing is left")

/* low and high of the option `path`: two numbers, or one, which then stands for
 * centre - one .. centre + one. RN_E_CONFIG unless low <= high within min..max. */
static inline int32_t rn_scene_range(struct rn_host *h, const char *path, double centre,
                                     double min, double max, double out[2],
                                     struct rn_error *e) {
    uint32_t n = rn_get_count(h, path);
    char at[64];
    double one = rn_get_float(h, rn_path(at, sizeof at, path, 0));
    out[0] = one;
    out[1] = n > 1 ? rn_get_float(h, rn_path(at, sizeof at, path, 1)) : one;
    if (n == 1) {
        out[0] = centre - one > min ? centre - one : min;
        out[1] = centre + one < max ? centre + one : max;
    }
    if (n > 2 || !(out[0] <= out[1]) || out[0] < min || out[1] > max)
        return rn_fail_option(e, RN_E_CONFIG, path,
                              "expects one number, or the lowest and the highest, "
                              "within %g .. %g",
                              min, max);
    return RN_OK;
}

/* out: what the option `path` gives, two numbers, or one for both; without it, out
 * stays as it is. */
static inline int32_t rn_scene_pair(struct rn_host *h, const char *path, double out[2],
                                    struct rn_error *e) {
    char at[64];
    uint32_t n = rn_get_count(h, path), i;
    for (i = 0; i < 2 && n; i++)
        out[i] = rn_get_float(h, rn_path(at, sizeof at, path, n < 2 ? 0 : i));
    if (n > 2 || !(out[0] <= out[1]))
        return rn_fail_option(e, RN_E_CONFIG, path,
                              "expects one number, or the lowest and the highest");
    return RN_OK;
}

/* ---------------------------------------------------------------------- life */

/* A component's state of `bytes`, zeros, with its scene first: the host and `p`. */
static inline void *rn_scene_create(uint64_t bytes, struct rn_host *h, void **self,
                                    struct rn_error *e) {
    struct rn_scene *s = (struct rn_scene *)calloc(1, (size_t)bytes);
    *self = s;
    if (!s) {
        rn_fail(e, RN_E_MEMORY, "no memory for an augmenter", NULL, NULL);
        return NULL;
    }
    s->host = h;
    s->log = rn_draw_log(h);
    s->p = rn_get_float(h, "p");
    s->max = 1.0;
    return s;
}

static inline void rn_scene_destroy(void *self) {
    struct rn_scene *s = (struct rn_scene *)self;
    if (s) {
        rn_images_finish(&s->images);
        free(s->role);
    }
    free(s);
}

/* ---------------------------------------------------------------------- plan */

/* Fields that the option `path` names get the role. */
static inline int32_t rn_scene_roles(struct rn_scene *s,
                                     const struct rn_augment_plan *p, const char *path,
                                     uint8_t role, struct rn_error *e) {
    uint32_t n = rn_get_count(s->host, path), i, k;
    char at[64];
    for (i = 0; i < n; i++) {
        const char *name = rn_get_string(s->host, rn_path(at, sizeof at, path, i));
        for (k = 0; k < p->field_count; k++)
            if (strcmp(rn_augment_field(p, k)->name, name) == 0)
                break;
        if (k == p->field_count)
            return rn_fail_option(e, RN_E_CONFIG, at,
                                  "'%s' is not one of the fields of `of`", name);
        s->role[k] = role;
    }
    return RN_OK;
}

static inline int32_t rn_scene_plan_boxes(struct rn_image *m, const struct rn_field *f,
                                          struct rn_error *e) {
    if (f->dtype != RN_F32 || f->rank != 2 || f->shape[1] != 4)
        return rn_fail_option(e, RN_E_CONFIG, "boxes",
                              "field '%s' does not hold boxes, which are f32 [K,4]",
                              f->name);
    m->planes = 1;
    m->height = f->shape[0];
    m->width = 4;
    m->dtype = RN_F32;
    return RN_OK;
}

/* What a plan asks of the fields. */
#define RN_SCENE_MOVES   1u  /* has the options `nearest` and `boxes` */
#define RN_SCENE_MEANS   2u  /* pixels are interpolated: u8 or f32 */
#define RN_SCENE_FILLS   4u  /* has the option `fill` */
#define RN_SCENE_COLOURS 8u  /* 1 or 3 planes */
#define RN_SCENE_ANY     16u /* images may be of several sizes */
#define RN_SCENE_BOXED   32u /* has the option `boxes` */

static inline int32_t rn_scene_plan_pixels(const struct rn_scene *s,
                                           const struct rn_field *f, uint32_t k,
                                           uint32_t asks, struct rn_error *e) {
    const struct rn_image *m = &s->images.at[k];
    if ((asks & RN_SCENE_MEANS) && m->dtype != RN_U8 && m->dtype != RN_F32) {
        rn_fail_option(e, RN_E_CONFIG, "of",
                       "field '%s' holds %s; pixels of f32 or u8 are changed", f->name,
                       rn_dtype_name(f->dtype));
        if (asks & RN_SCENE_MOVES)
            rn_hintf(e, "for class numbers: nearest: [%s]", f->name);
        return RN_E_CONFIG;
    }
    if ((asks & RN_SCENE_COLOURS) && m->planes != 1 && m->planes != 3)
        return rn_fail_option(e, RN_E_CONFIG, "of",
                              "field '%s' has %llu channels; colours are 1 or 3",
                              f->name, (unsigned long long)m->planes);
    return RN_OK;
}

static inline int32_t rn_scene_plan_field(struct rn_scene *s, const struct rn_field *f,
                                          uint32_t k, uint32_t asks,
                                          struct rn_error *e) {
    struct rn_image *m = &s->images.at[k];
    int32_t status;
    if (s->role[k] == RN_SCENE_BOXES)
        return rn_scene_plan_boxes(m, f, e);
    status = rn_image_plan(m, f, e);
    if (status != RN_OK)
        return status;
    if ((asks & RN_SCENE_MOVES) && f->dtype != RN_U8 &&
        (rn_dtype_is_integer(f->dtype) || f->dtype == RN_BOOL))
        s->role[k] = RN_SCENE_NEAREST;
    if (!s->height) {
        s->height = m->height;
        s->width = m->width;
    }
    if (!(asks & RN_SCENE_ANY) && (m->height != s->height || m->width != s->width))
        return rn_fail_option(e, RN_E_CONFIG, "of",
                              "field '%s' is %lld x %lld, another is %lld x %lld: "
                              "fields that change together have one size",
                              f->name, (long long)m->height, (long long)m->width,
                              (long long)s->height, (long long)s->width);
    return s->role[k] == RN_SCENE_PIXELS ? rn_scene_plan_pixels(s, f, k, asks, e)
                                         : RN_OK;
}

/* The fields; asks: RN_SCENE_MOVES ... */
static inline int32_t rn_scene_plan(struct rn_scene *s, const struct rn_augment_plan *p,
                                    uint32_t asks, struct rn_error *e) {
    uint32_t k;
    int32_t status = RN_OK;
    rn_images_finish(&s->images);
    free(s->role);
    s->height = s->width = 0;
    s->role = (uint8_t *)calloc(p->field_count + 1u, 1);
    s->images.at = (struct rn_image *)calloc(p->field_count + 1u, sizeof *s->images.at);
    if (!s->images.at || !s->role)
        return rn_fail(e, RN_E_MEMORY, "no memory for an augmenter", NULL, NULL);
    s->images.count = p->field_count;
    if (asks & RN_SCENE_MOVES) {
        status = rn_scene_roles(s, p, "nearest", RN_SCENE_NEAREST, e);
    }
    if (status == RN_OK && (asks & (RN_SCENE_MOVES | RN_SCENE_BOXED)))
        status = rn_scene_roles(s, p, "boxes", RN_SCENE_BOXES, e);
    for (k = 0; k < p->field_count && status == RN_OK; k++)
        status = rn_scene_plan_field(s, rn_augment_field(p, k), k, asks, e);
    if (status == RN_OK && !s->height)
        status = rn_fail_option(e, RN_E_CONFIG, "of", "none of the fields is an image");
    if (status == RN_OK && (asks & RN_SCENE_FILLS))
        status = rn_images_fill(&s->images, s->host, e);
    return status;
}

/* Is one of the fields of boxes? */
static inline int rn_scene_boxed(const struct rn_scene *s) {
    uint32_t k;
    for (k = 0; k < s->images.count; k++)
        if (s->role[k] == RN_SCENE_BOXES)
            return 1;
    return 0;
}

/* --------------------------------------------------------------------- draws */

/* The draws of a row, as many as it takes: a stream under a key of its own, which
 * depends on key, epoch, sample and repetition alone. */
static inline struct rn_draws rn_scene_draws(const struct rn_augment_call *call,
                                             uint64_t row) {
    uint32_t word[4];
    rn_image_random(call, row, 255, word);
    return rn_draws_begin(word, 0, 0, 0);
}

static inline double rn_draw_between(struct rn_draws *d, const double range[2]) {
    double u = rn_draw_uniform(d);
    return range[0] + (range[1] - range[0]) * u;
}

/* Standard normal, by Box and Muller 1958. */
static inline float rn_draw_normal(struct rn_draws *d) {
    uint32_t a = rn_draw_word(d), b = rn_draw_word(d);
    return rn_normal_f32(a, b);
}

/* out[0..n) = standard normals, by the same: a pair of words gives two, the cosine's
 * and the sine's half. */
static inline void rn_draw_normals(struct rn_draws *d, float *out, uint64_t n) {
    double radius[32], turn[32];
    uint64_t at, k, pairs;
    for (at = 0; at < n; at += 2 * pairs) {
        pairs = n - at < 64 ? (n - at + 1) / 2 : 32;
        for (k = 0; k < pairs; k++) {
            radius[k] = ((double)(rn_draw_word(d) >> 8) + 1.0) * 5.9604644775390625e-8;
            turn[k] = (double)(rn_draw_word(d) >> 8) * 5.9604644775390625e-8;
        }
        for (k = 0; k < pairs; k++) {
            radius[k] = sqrt(-2.0 * rn_log_f64(radius[k]));
            turn[k] *= 6.283185307179586;
        }
        for (k = 0; k < pairs; k++) {
            double c = rn_cos_f64(turn[k]), s = rn_sin_f64(turn[k]);
            out[at + 2 * k] = (float)(radius[k] * c);
            if (at + 2 * k + 1 < n)
                out[at + 2 * k + 1] = (float)(radius[k] * s);
        }
    }
}

static inline void rn_scene_log(const struct rn_scene *s, uint64_t row,
                                const char *name, double value) {
    if (s->log)
        s->log->number(s->host, row, name, value);
}
static inline void rn_scene_log_word(const struct rn_scene *s, uint64_t row,
                                     const char *name, const char *word) {
    if (s->log)
        s->log->word(s->host, row, name, word);
}

/* --------------------------------------------------------------------- apply */

/* One row, drawn to be changed. */
struct rn_scene_row {
    const struct rn_augment_call *call;
    uint64_t row;
    struct rn_draws draws;
    void *scratch; /* of the scene's `scratch` bytes, 64-aligned */
};

/* Field k of the row. */
static inline uint8_t *rn_scene_field(const struct rn_scene *s,
                                      const struct rn_scene_row *r, uint32_t k) {
    return rn_image_row(r->call, &s->images, k, r->row);
}

/* The changes that `change` makes of the rows that are drawn, a share p of them. */
static inline int32_t rn_scene_apply(void *self, const struct rn_augment_call *call,
                                     int32_t (*change)(void *self,
                                                       struct rn_scene_row *r,
                                                       struct rn_error *e),
                                     struct rn_error *e) {
    const struct rn_scene *s = (const struct rn_scene *)self;
    void *scratch = s->scratch ? rn_scratch(call->work, s->scratch) : NULL;
    uint64_t i;
    int32_t status = RN_OK;
    if (s->scratch && !scratch)
        return rn_fail(e, RN_E_MEMORY, "no memory to change samples", NULL, NULL);
    for (i = 0; i < call->rows && status == RN_OK; i++) {
        struct rn_scene_row r = {call, i, rn_scene_draws(call, i), scratch};
        if (rn_draw_uniform(&r.draws) < s->p)
            status = change(self, &r, e);
    }
    return status;
}

/* The table `iface` of a component whose state begins with a scene, and of one that has
 * more to destroy. */
#define RN_SCENE_TABLE(create, plan, change)                                           \
    RN_SCENE_TABLE_OF(create, rn_scene_destroy, plan, change)
#define RN_SCENE_TABLE_OF(create, destroy, plan, change)                               \
    static int32_t apply(void *self, const struct rn_augment_call *call,               \
                         struct rn_error *e) {                                         \
        return rn_scene_apply(self, call, change, e);                                  \
    }                                                                                  \
    static const struct rn_augment iface = {                                           \
        sizeof(struct rn_augment), 0, create, destroy, plan, apply, NULL, NULL, NULL}

/* Bytes of the largest image, bytes of the largest plane, pixels of the largest plane,
 * of all fields. */
static inline uint64_t rn_scene_bytes(const struct rn_scene *s) {
    uint64_t most = 0;
    uint32_t k;
    for (k = 0; k < s->images.count; k++) {
        uint64_t bytes = s->images.at[k].planes * rn_image_plane(&s->images.at[k]);
        most = bytes > most ? bytes : most;
    }
    return (most + 63) / 64 * 64;
}
static inline uint64_t rn_scene_plane(const struct rn_scene *s) {
    uint64_t most = 0;
    uint32_t k;
    for (k = 0; k < s->images.count; k++)
        if (rn_image_plane(&s->images.at[k]) > most)
            most = rn_image_plane(&s->images.at[k]);
    return (most + 63) / 64 * 64;
}
static inline uint64_t rn_scene_area(const struct rn_scene *s) {
    uint64_t most = 0;
    uint32_t k;
    for (k = 0; k < s->images.count; k++) {
        const struct rn_image *m = &s->images.at[k];
        uint64_t area = (uint64_t)m->height * (uint64_t)m->width;
        most = area > most ? area : most;
    }
    return most;
}

/* f32 pixels of 0..max as 0..1 (by = 1 / max), and back (by = max). */
static inline void rn_scene_unit(const struct rn_scene *s, const struct rn_image *m,
                                 void *p, double by) {
    uint64_t i, n = m->planes * (uint64_t)m->height * (uint64_t)m->width;
    float *v = (float *)p;
    if (m->dtype != RN_F32 || s->max == 1.0)
        return;
    for (i = 0; i < n; i++)
        v[i] *= (float)by;
}

/* `change` on each image of the row, as u8 or as f32 of 0..1. */
static inline void rn_scene_pixels(struct rn_scene *s, const struct rn_scene_row *r,
                                   void (*change)(const struct rn_image *m, void *p,
                                                  void *context),
                                   void *context) {
    uint32_t k;
    for (k = 0; k < s->images.count; k++) {
        const struct rn_image *m = &s->images.at[k];
        void *p = rn_scene_field(s, r, k);
        rn_scene_unit(s, m, p, 1.0 / s->max);
        change(m, p, context);
        rn_scene_unit(s, m, p, s->max);
    }
}

/* ---------------------------------------------------------------------- boxes */

/* Where a point of the old image is in the new one. */
typedef void (*rn_scene_point)(const void *context, double x, double y, double out[2]);

/* Each box becomes the smallest that holds its four corners, cut at height x width;
 * 0 0 0 0 where no area is left. An empty box stays empty. */
static inline void rn_scene_move_boxes(float *box, int64_t count, int64_t height,
                                       int64_t width, rn_scene_point point,
                                       const void *context) {
    int64_t k;
    int i;
    for (k = 0; k < count; k++, box += 4) {
        double low[2] = {0.0, 0.0}, high[2] = {0.0, 0.0}, at[2];
        double size[2];
        size[0] = (double)width;
        size[1] = (double)height;
        if (!(box[0] < box[2] && box[1] < box[3])) {
            memset(box, 0, 4 * sizeof *box);
            continue;
        }
        for (i = 0; i < 4; i++) {
            int a;
            point(context, (double)box[i & 1 ? 2 : 0], (double)box[i & 2 ? 3 : 1], at);
            for (a = 0; a < 2; a++) {
                low[a] = i && low[a] < at[a] ? low[a] : at[a];
                high[a] = i && high[a] > at[a] ? high[a] : at[a];
            }
        }
        for (i = 0; i < 2; i++) {
            low[i] = low[i] < 0.0 ? 0.0 : low[i];
            high[i] = high[i] > size[i] ? size[i] : high[i];
        }
        if (low[0] < high[0] && low[1] < high[1]) {
            box[0] = (float)low[0], box[1] = (float)low[1];
            box[2] = (float)high[0], box[3] = (float)high[1];
        } else {
            memset(box, 0, 4 * sizeof *box);
        }
    }
}

#ifdef __cplusplus
}
#endif
#endif
