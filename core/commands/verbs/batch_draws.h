/* SPDX-License-Identifier: Apache-2.0 */
/* A training batch as a run would see it, with what the augmenters and collates drew
 * for each sample. */
#ifndef COMMANDS_VERBS_BATCH_DRAWS_H
#define COMMANDS_VERBS_BATCH_DRAWS_H

#include "commands/cli/args.h"
#include "setup/setup.h"

struct draw {
    uint64_t row;     /* of the batch */
    const void *host; /* whose it is */
    char name[32];
    char word[64]; /* "": see value, or only the name */
    double value;
    bool is_number;
};

struct batch_draws {
    struct setup *setup;
    struct loader *loader;
    struct batch batch; /* the loader's */
    uint64_t batches;   /* of an epoch */
    uint32_t draw_count, draw_capacity;
    struct draw *draws; /* owned; in the order in which they were drawn */
};

/* Open the experiment and make batch `batch` of epoch `epoch`, both from 0. All errors
 * go to d. */
int batch_draws_open(struct batch_draws *b, const struct setup_options *o,
                     uint64_t epoch, uint64_t batch, struct diag *d);
void batch_draws_close(struct batch_draws *b);

/* What changes samples, in order: the augmenters, then the collate; 0 after the last.
 * *path: "augment.0"; *type: "flip"; *host: as draws have it, NULL: any other. */
int batch_draws_stage(const struct batch_draws *b, uint32_t i, const char **path,
                      const char **type, const void **host);
/* Is draw k one of row `row` by the stage with this host? */
bool batch_draws_is(const struct batch_draws *b, uint32_t k, uint64_t row,
                    const void *host);
/* The text that stands for field f of a row, "7 (sneaker)", "0.7 cat + 0.3 dog",
 * "1.5, -0.2, ..."; names: values only. */
void batch_draws_field(const struct batch_draws *b, uint32_t f, uint64_t row,
                       struct text *out);
/* What stage i drew for a row: "affine angle -3.1, scale 1.2"; nothing is added where
 * it drew nothing. 0 after the last stage. */
int batch_draws_text(const struct batch_draws *b, uint32_t i, uint64_t row,
                     struct text *out);

/* sheet: batch_sheet.c. Is there an image to show? */
bool batch_sheet_has_images(const struct batch_draws *b);
/* The contact sheet as the bytes of a PNG; RN_E_MEMORY. */
int batch_sheet_png(const struct batch_draws *b, struct text *out, struct rn_error *e);

#endif
