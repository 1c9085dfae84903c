/* SPDX-License-Identifier: Apache-2.0 */
/* Fill one random channel of an image, or a few, with one value. */
#include <runner/sdk/pixels.h>
#include <runner/sdk/scene.h>

struct channel_drop {
    struct rn_scene scene; /* first */
    int64_t count[2];
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct channel_drop *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    double count[2] = {1.0, 1.0};
    int32_t status = rn_scene_pair(h, "count", count, e);
    s->count[0] = (int64_t)count[0];
    s->count[1] = (int64_t)count[1];
    return status;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct channel_drop *s = self;
    int32_t status = rn_scene_plan(&s->scene, p, RN_SCENE_FILLS | RN_SCENE_ANY, e);
    const struct rn_image *m = s->scene.images.at;
    for (uint32_t k = 0; k < s->scene.images.count && status == RN_OK; k++)
        if (m[k].planes != m[0].planes || (uint64_t)s->count[1] >= m[k].planes)
            status =
                rn_fail_option(e, RN_E_CONFIG, "count", "leaves none of %llu channels",
                               (unsigned long long)m[k].planes);
    return status;
}

/* Channel c of every field. */
static void drop(const struct rn_scene *s, const struct rn_scene_row *r, uint64_t c) {
    for (uint32_t k = 0; k < s->images.count; k++) {
        const struct rn_image *m = &s->images.at[k];
        rn_image_fill_line(m, rn_scene_field(s, r, k) + c * rn_image_plane(m), 0,
                           m->height * m->width, m->fill);
    }
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct channel_drop *s = self;
    uint64_t left = s->scene.images.at[0].planes;
    uint64_t many = (uint64_t)s->count[0] +
                    rn_draw_below(&r->draws, (uint64_t)(s->count[1] - s->count[0] + 1));
    (void)e;
    for (uint64_t c = 0; c < s->scene.images.at[0].planes && many; c++, left--) {
        /* each choice of channels is as likely as another (Knuth, algorithm S) */
        if (rn_draw_below(&r->draws, left) >= many)
            continue;
        many--;
        rn_scene_log(&s->scene, r->row, "channel", (double)c);
        drop(&s->scene, r, c);
    }
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(channel_drop, iface, "runner/channel_drop 1",
           RN_DOC("Fill one random channel of an image, or a few, with one value")
           RN_OPTION("of list(string) = image | the image, [C,H,W] of any type; several of as "
                     "many channels change alike")
           RN_OPTION("count list(int) = 1 ; min 1 ; max 65535 | how many; two numbers: drawn "
                     "from the lowest to the highest")
           RN_OPTION("p float = 0.5 ; min 0 ; max 1 | share of samples changed")
           RN_IMAGE_FILL_OPTION("value of a dropped channel"));
RN_PLUGIN(&channel_drop);
