/* SPDX-License-Identifier: Apache-2.0 */
/* Put the channels of an image into a random order. */
#include <runner/sdk/pixels.h>
#include <runner/sdk/scene.h>

#define CHANNELS_MAX 1024

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    return rn_scene_create(sizeof(struct rn_scene), h, self, e) ? RN_OK : RN_E_MEMORY;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct rn_scene *s = self;
    int32_t status = rn_scene_plan(s, p, 0, e);
    const struct rn_image *m = s->images.at;
    for (uint32_t k = 0; k < s->images.count && status == RN_OK; k++)
        if (m[k].planes != m[0].planes || m[k].planes > CHANNELS_MAX)
            status = rn_fail_option(e, RN_E_CONFIG, "of",
                                    "expects fields of one number of channels, at most "
                                    "%d",
                                    CHANNELS_MAX);
    s->scratch = 0;
    for (uint32_t k = 0; k < s->images.count && status == RN_OK; k++)
        if (m[k].planes * rn_image_plane(&m[k]) > s->scratch)
            s->scratch = m[k].planes * rn_image_plane(&m[k]);
    return status;
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct rn_scene *s = self;
    uint64_t order[CHANNELS_MAX], n = s->images.at[0].planes;
    (void)e;
    for (uint64_t c = 0; c < n; c++)
        order[c] = c;
    rn_draw_shuffle(&r->draws, order, n);
    for (uint64_t c = 0; c < n && c < 8; c++) {
        char name[24];
        snprintf(name, sizeof name, "c%d", (int)c);
        rn_scene_log(s, r->row, name, (double)order[c]);
    }
    for (uint32_t k = 0; k < s->images.count; k++) {
        uint64_t plane = rn_image_plane(&s->images.at[k]);
        uint8_t *p = rn_scene_field(s, r, k), *copy = r->scratch;
        memcpy(copy, p, n * plane);
        for (uint64_t c = 0; c < n; c++)
            memcpy(p + c * plane, copy + order[c] * plane, plane);
    }
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(channel_shuffle, iface, "runner/channel_shuffle 1",
           RN_DOC("Put the channels of an image into a random order")
           RN_OPTION("of list(string) = image | the image, [C,H,W] of any type; several of as "
                     "many channels change alike")
           RN_SCENE_P_OPTION);
RN_PLUGIN(&channel_shuffle);
