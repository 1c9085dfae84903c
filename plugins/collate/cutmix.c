/* SPDX-License-Identifier: Apache-2.0 */
/* CutMix (Yun et al. 2019, section 3.1): a box of another image of the batch is pasted
 * into each, and targets are mixed by the areas. Box as in the authors' code: of sides
 * W sqrt(1 - share) and H sqrt(1 - share), rounded down, about a uniform centre, cut at
 * the border; share ~ Beta(alpha, alpha), then what is left of the own image. */
#include <runner/sdk/mix.h>

struct cutmix {
    struct rn_mix mix;
    int64_t height, width;
    unsigned char *image; /* owned; [mix.field_count]: is the box pasted there? */
};

struct box {
    int64_t top, bottom, left, right; /* rows top .. bottom-1, columns likewise */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct cutmix *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a collate", NULL, NULL);
    rn_mix_read(&s->mix, h);
    return RN_OK;
}

static void destroy(void *self) {
    struct cutmix *s = self;
    if (s) {
        rn_mix_finish(&s->mix);
        free(s->image);
    }
    free(s);
}

static int32_t plan_image(struct cutmix *s, const struct rn_field *f, uint32_t i,
                          struct rn_error *e) {
    int64_t height = f->shape[f->rank - 2], width = f->shape[f->rank - 1];
    if (s->height && (height != s->height || width != s->width))
        return rn_fail_option(e, RN_E_CONFIG, "of",
                              "field '%s' is %lld x %lld, another image is %lld x %lld",
                              f->name, (long long)height, (long long)width,
                              (long long)s->height, (long long)s->width);
    s->height = height;
    s->width = width;
    s->image[i] = 1;
    return RN_OK;
}

static int32_t plan_field(struct cutmix *s, const struct rn_collate_plan *p, uint32_t i,
                          struct rn_error *e) {
    const struct rn_field *f = rn_collate_field(p, i);
    if (f->rank == 2 || f->rank == 3)
        return plan_image(s, f, i, e);
    if (rn_mix_is_label(f))
        return rn_mix_label(&s->mix, p, i, e);
    if (f->rank < 2 && f->dtype == RN_F32)
        return RN_OK;
    rn_fail_option(e, RN_E_CONFIG, "of",
                   "field '%s' is neither an image nor a target: %s of rank %u",
                   f->name, rn_dtype_name(f->dtype), f->rank);
    rn_hintf(e, "an image is [C,H,W] or [H,W]; a target one integer, or f32");
    return RN_E_CONFIG;
}

static int32_t plan(void *self, const struct rn_collate_plan *p, struct rn_error *e) {
    struct cutmix *s = self;
    int32_t status = rn_mix_plan(&s->mix, p, e);
    free(s->image);
    s->height = s->width = 0;
    s->image = calloc(p->field_count, 1);
    if (status == RN_OK && !s->image)
        status = rn_fail(e, RN_E_MEMORY, "no memory", NULL, NULL);
    for (uint32_t i = 0; i < p->field_count && status == RN_OK; i++)
        status = plan_field(s, p, i, e);
    if (status == RN_OK && !s->height)
        status = rn_fail(e, RN_E_CONFIG, "none of the fields is an image",
                         "an image is [C,H,W] or [H,W]", "of");
    return status;
}

/* From centre - side / 2 for `side`, within 0 .. size. */
static void span(int64_t centre, int64_t side, int64_t size, int64_t *from,
                 int64_t *to) {
    *from = centre - side / 2 > 0 ? centre - side / 2 : 0;
    *to = centre + side / 2 < size ? centre + side / 2 : size;
}

static struct box draw_box(const struct cutmix *s, struct rn_draws *d) {
    double side = sqrt(1.0 - rn_mix_share(&s->mix, d));
    int64_t x = (int64_t)rn_draw_below(d, (uint64_t)s->width);
    int64_t y = (int64_t)rn_draw_below(d, (uint64_t)s->height);
    struct box b;
    span(x, (int64_t)((double)s->width * side), s->width, &b.left, &b.right);
    span(y, (int64_t)((double)s->height * side), s->height, &b.top, &b.bottom);
    return b;
}

static double area(const struct box *b) {
    return (double)(b->bottom - b->top) * (double)(b->right - b->left);
}

/* The boxes of the partners into an image field of any type. */
static int32_t paste(const struct cutmix *s, const struct rn_collate_call *call,
                     const struct rn_tensor *t, const struct box *boxes,
                     const uint64_t *partners, struct rn_error *e) {
    uint64_t item = RN_DTYPE_BYTES(t->dtype), row = rn_mix_elements(t) * item;
    uint64_t line = (uint64_t)s->width * item;
    uint64_t planes = row / line / (uint64_t)s->height;
    const char *from = rn_mix_copy(call, t);
    if (!from)
        return rn_fail(e, RN_E_MEMORY, "no memory for a batch", NULL, NULL);
    for (uint64_t i = 0; i < call->rows; i++) {
        const struct box *b = &boxes[i];
        size_t bytes = (size_t)(b->right - b->left) * item;
        for (uint64_t p = 0; p < planes && bytes; p++)
            for (int64_t y = b->top; y < b->bottom; y++) {
                uint64_t at = (p * (uint64_t)s->height + (uint64_t)y) * line +
                              (uint64_t)b->left * item;
                memcpy((char *)t->data + i * row + at, from + partners[i] * row + at,
                       bytes);
            }
    }
    return RN_OK;
}

static int32_t apply(void *self, const struct rn_collate_call *call,
                     struct rn_error *e) {
    const struct cutmix *s = self;
    const uint64_t *partners = rn_mix_partners(call);
    double *shares = rn_scratch(call->work, call->rows * sizeof *shares);
    struct box *boxes = rn_scratch(call->work, call->rows * sizeof *boxes);
    int32_t status = RN_OK;
    if (!partners || !shares || !boxes)
        return rn_fail(e, RN_E_MEMORY, "no memory for a batch", NULL, NULL);
    for (uint64_t i = 0; i < call->rows; i++) {
        struct rn_draws d = rn_mix_row_draws(&s->mix, call, i);
        boxes[i] = i && !s->mix.per_sample ? boxes[0] : draw_box(s, &d);
        shares[i] = 1.0 - area(&boxes[i]) / ((double)s->height * (double)s->width);
    }
    rn_mix_log(&s->mix, call, shares, partners);
    for (uint32_t k = 0; k < call->field_count && status == RN_OK; k++)
        status = s->image[k] ? paste(s, call, &call->fields[k], boxes, partners, e)
                             : rn_mix_rows(call, &call->fields[k], shares, partners, e);
    return status;
}

static const struct rn_collate iface = {
    sizeof(struct rn_collate), 0, create, destroy, plan, apply};

RN_COLLATE(
    cutmix, iface, "runner/cutmix 1",
    RN_DOC("A box of another image of the batch is pasted into each, and labels "
           "are mixed by its area (Yun et al. 2019)")
        RN_OPTION("alpha float = 1 ; above 0 ; max 1e6 | the share of the image that "
                  "stays, before the box is cut at the border, is drawn from "
                  "Beta(alpha, alpha)") RN_MIX_OPTIONS);
RN_PLUGIN(&cutmix);
