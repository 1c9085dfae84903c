/* SPDX-License-Identifier: Apache-2.0 */
/* What transforms of text to tokens share: the field that they read, and cells of
 * variable size, i32, that they give. */
#ifndef TRANSFORM_TOKEN_CELLS_H
#define TRANSFORM_TOKEN_CELLS_H

#include <stdlib.h>

#include <runner/sdk/error.h>
#include <runner/sdk/field.h>
#include <runner/sdk/size.h>
#include <runner/transform.h>

#define TOKEN_PADDING 0 /* what pad_sequence fills with */

struct token_field {
    char name[128];
    uint64_t width; /* bytes of a text of one size; 0: variable */
};

/* The plan of a transform that takes one text and gives tokens. */
static inline int32_t token_plan(struct token_field *f, struct rn_transform_plan *plan,
                                 struct rn_error *e) {
    const struct rn_field *in = plan->in;
    if (plan->in_count != 1 || plan->out_room < 1)
        return rn_fail(e, RN_E_CONFIG, "takes one field", "use one for each", "of");
    if (!(in->flags & RN_FIELD_TEXT))
        return rn_fail_option(e, RN_E_CONFIG, "of", "field '%s' holds %s, not text",
                              in->name, rn_dtype_name(in->dtype));
    if (strlen(in->name) >= sizeof f->name)
        return rn_fail_option(e, RN_E_CONFIG, "of", "field '%s': the name is long",
                              in->name);
    f->width = in->flags & RN_FIELD_VARIABLE ? 0 : (uint64_t)in->shape[0];
    snprintf(f->name, sizeof f->name, "%s", in->name);
    plan->out_count = 1;
    plan->out[0] = (struct rn_field){f->name, RN_I32, 1, {-1}, RN_FIELD_VARIABLE, 0};
    return RN_OK;
}

/* The text of a row, *n bytes; of the tensor, not ended by a zero. */
static inline const uint8_t *token_text(const struct token_field *f,
                                        const struct rn_tensor *in, uint64_t row,
                                        uint64_t *n) {
    if (!f->width)
        return (const uint8_t *)rn_cell(in, row, n);
    const uint8_t *p = (const uint8_t *)in->data + row * f->width;
    *n = strnlen((const char *)p, f->width);
    return p;
}

/* Tokens of a row, and other memory that grows. Of zeros it is empty. */
struct token_list {
    int32_t *at;
    uint64_t count, room;
};

static inline void token_list_finish(struct token_list *t) {
    free(t->at);
}

/* Room for `more` further tokens. 0: no memory. */
static inline int token_list_reserve(struct token_list *t, uint64_t more) {
    if (t->count + more <= t->room)
        return 1;
    uint64_t room = 2 * (t->count + more);
    int32_t *at = realloc(t->at, rn_size_or_max(room, sizeof *at));
    if (!at)
        return 0;
    t->at = at;
    t->room = room;
    return 1;
}

/* They become the cell of a row. */
static inline int32_t token_store(const struct token_list *t,
                                  const struct rn_tensor *out, uint64_t row,
                                  struct rn_error *e) {
    void *to;
    int32_t status = rn_reserve(out, row, t->count, &to, e);
    if (status == RN_OK && t->count)
        memcpy(to, t->at, t->count * sizeof *t->at);
    return status;
}

static inline int32_t token_no_memory(struct rn_error *e) {
    return rn_fail(e, RN_E_MEMORY, "no memory for tokens", NULL, NULL);
}

#endif
