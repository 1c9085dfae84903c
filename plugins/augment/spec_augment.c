/* SPDX-License-Identifier: Apache-2.0 */
/* Hide bands of a spectrogram along frequency and along time (SpecAugment, Park et al.
 * 2019, without its time warp): of each, a width from 0 to its largest, at a place
 * where it fits. */
#include <stdbool.h>

#include <runner/sdk/scene.h>

struct spec_augment {
    struct rn_scene scene;      /* first */
    int64_t masks[2], width[2]; /* along frequency, along time */
    double time_share;
    bool time_first;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct spec_augment *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->masks[0] = rn_get_int(h, "frequency_masks");
    s->masks[1] = rn_get_int(h, "time_masks");
    s->width[0] = rn_get_int(h, "frequency_width");
    s->width[1] = rn_get_int(h, "time_width");
    s->time_share = rn_get_float(h, "time_share");
    s->time_first = strcmp(rn_get_string(h, "time"), "first") == 0;
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    return rn_scene_plan(self, p, RN_SCENE_FILLS, e);
}

/* Lines or columns start .. start + width of every field. */
static void hide(const struct rn_scene *s, const struct rn_scene_row *r, bool columns,
                 int64_t start, int64_t width) {
    for (uint32_t k = 0; k < s->images.count; k++) {
        const struct rn_image *m = &s->images.at[k];
        int64_t line = m->width * (int64_t)RN_DTYPE_BYTES(m->dtype);
        uint8_t *p = rn_scene_field(s, r, k);
        for (uint64_t c = 0; c < m->planes; c++, p += rn_image_plane(m))
            for (int64_t y = columns ? 0 : start;
                 y < (columns ? m->height : start + width); y++)
                rn_image_fill_line(m, p + y * line, columns ? start : 0,
                                   columns ? start + width : m->width, m->fill);
    }
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct spec_augment *s = self;
    static const char *const names[2][2] = {{"frequency", "frequencies"},
                                            {"time", "steps"}};
    (void)e;
    for (int axis = 0; axis < 2; axis++) {
        bool columns = (axis == 1) != s->time_first;
        int64_t n = columns ? s->scene.width : s->scene.height;
        int64_t most = s->width[axis];
        if (axis == 1 && (double)most > s->time_share * (double)n)
            most = (int64_t)(s->time_share * (double)n);
        most = most < n ? most : n;
        for (int64_t k = 0; k < s->masks[axis]; k++) {
            int64_t width = (int64_t)rn_draw_below(&r->draws, (uint64_t)most + 1);
            int64_t start =
                (int64_t)rn_draw_below(&r->draws, (uint64_t)(n - width) + 1);
            rn_scene_log(&s->scene, r->row, names[axis][0], (double)start);
            rn_scene_log(&s->scene, r->row, names[axis][1], (double)width);
            hide(&s->scene, r, columns, start, width);
        }
    }
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(spec_augment, iface, "runner/spec_augment 1",
           RN_DOC("Hide bands of a spectrogram along frequency and time (SpecAugment, Park et "
                  "al. 2019)")
           RN_OPTION("of list(string) = x | the spectrogram, [F,T] or [C,F,T]; several change "
                     "alike")
           RN_OPTION("frequency_masks int = 2 ; min 0 ; max 1000 | bands along frequency")
           RN_OPTION("frequency_width int = 27 ; min 0 | the largest, in channels")
           RN_OPTION("time_masks int = 2 ; min 0 ; max 1000 | bands along time")
           RN_OPTION("time_width int = 100 ; min 0 | the largest, in steps")
           RN_OPTION("time_share float = 1 ; min 0 ; max 1 | and at most this share of the "
                     "steps")
           RN_OPTION("time choice(last,first) = last | which of the last two axes is time: "
                     "[F,T] or [T,F]")
           RN_SCENE_P_OPTION
           RN_IMAGE_FILL_OPTION("value of what is hidden: the mean, 0 of standardised data"));
RN_PLUGIN(&spec_augment);
