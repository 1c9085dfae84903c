/* SPDX-License-Identifier: Apache-2.0 */
/* Inside core/plan: the layout of images while it is chosen. layout_classes.c says
 * which nodes must agree, layout_prices.c chooses, layout_write.c writes the new graph.
 */
#ifndef PLAN_LAYOUT_H
#define PLAN_LAYOUT_H

#include "graph/internal.h"
#include "plan/internal.h"

enum form { PLAIN, CHANNELS_LAST, BLOCKED, FORMS };

enum kind {
    FREE,   /* knows [N,C,H,W] only */
    SAME,   /* images in and out have the class's form */
    CONV,   /* its result has the class's form, its image any */
    WEIGHT, /* two images of any form, the result is none */
    REDUCE, /* an image of any form, the result is none */
    KINDS
};

struct layout {
    const struct graph *g;
    const struct plan_options *o;
    struct arena *a;
    struct rn_error *e;
    int64_t block;   /* of BLOCKED; 0: not offered */
    uint8_t *kind;   /* by node */
    uint32_t *class; /* by node: union-find */
    bool *seeded;    /* by root: holds a kernel that gains by a form */
    uint8_t *form;   /* by root */
    bool *may;       /* by root * FORMS */
    /* while the new graph is made */
    int64_t *blocks; /* by new value */
    uint32_t block_capacity;
};

/* layout_classes.c */
void layout_classify(struct layout *l);
uint32_t layout_root(struct layout *l, uint32_t node);
/* Does the class of its maker decide v's form? */
bool layout_is_image(const struct layout *l, rn_value v);
/* Of v: its class's, or PLAIN. */
enum form layout_form(struct layout *l, rn_value v);
/* Channels in a block; 0: PLAIN. */
int64_t layout_block(const struct layout *l, enum form f, int64_t channels);
/* Operand i of a SAME node is an image of the class's form. */
bool layout_takes(const struct layout *l, const struct gnode *n, uint32_t i);
/* The two images that decide about a convolution: what it reads, what it writes. */
void layout_images(const struct gnode *n, rn_value *x, rn_value *y);
/* Kernels that read one form and write another are few: where both can be chosen, x is
 * turned into y's form, fy, first. */
bool layout_turns(struct layout *l, rn_value x, rn_value y, enum form fx, enum form fy);
bool layout_named(const struct gnode *n, const char *name);
bool layout_is_window(const struct gnode *n);
bool layout_is_norm(const struct gnode *n);
int64_t layout_channels(const struct layout *l, rn_value v);
uint32_t layout_index(const struct layout *l, const struct gnode *n);

/* layout_prices.c: fills may and form; true: some class is not PLAIN. */
bool layout_choose(struct layout *l, struct plan_images *out);

/* layout_write.c: node n in blocks: `bx` for the images that it reads, `by` for its
 * result. The values in `in` have their forms already. */
int layout_write_node(struct layout *l, struct graph *g, const struct gnode *n,
                      const rn_value *in, int64_t bx, int64_t by, rn_value *out);
/* The graph with images as `form` says. */
int layout_write(struct layout *l, const struct graph **out);

#endif
