/* SPDX-License-Identifier: Apache-2.0 */
/* How long a text is: characters (code points of UTF-8), bytes, or words (runs of what
 * is not white space). A missing text has length 0. Nothing is fitted. */
#include <string.h>

#include <runner/sdk/error.h>
#include <runner/sdk/field.h>
#include <runner/sdk/transform.h>
#include <runner/transform.h>

enum unit { CHARACTERS, WORDS, BYTES };

struct input {
    uint64_t bytes; /* 0: of variable size */
    char name[128];
};

struct text_length {
    enum unit unit;
    uint32_t count;
    struct input *in; /* [count] of the last plan */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct text_length *s = calloc(1, sizeof *s);
    const char *unit = rn_get_string(h, "unit");
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->unit = strcmp(unit, "words") == 0   ? WORDS
              : strcmp(unit, "bytes") == 0 ? BYTES
                                           : CHARACTERS;
    return RN_OK;
}

static void destroy(void *self) {
    struct text_length *s = self;
    if (s)
        free(s->in);
    free(s);
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    struct text_length *s = self;
    s->count = 0;
    s->in = rn_planned(s->in, plan->in_count, sizeof *s->in, plan->in_count,
                       plan->out_room, e);
    if (!s->in)
        return e && e->status ? e->status : RN_E_MEMORY;
    s->count = plan->out_count = plan->in_count;
    for (uint32_t i = 0; i < plan->in_count; i++) {
        const struct rn_field *in = &plan->in[i];
        if (!(in->flags & RN_FIELD_TEXT))
            return rn_failf(e, RN_E_CONFIG, NULL, 0, 0, "field '%s' is not text",
                            in->name);
        snprintf(s->in[i].name, sizeof s->in[i].name, "%s", in->name);
        s->in[i].bytes = in->flags & RN_FIELD_VARIABLE ? 0 : rn_field_bytes(in);
        plan->out[i] = (struct rn_field){s->in[i].name, RN_F64, 0, {0}, 0, 0};
    }
    return RN_OK;
}

static double length(enum unit unit, const char *p, uint64_t n) {
    uint64_t characters = 0, words = 0;
    int blank = 1;
    for (uint64_t i = 0; i < n; i++) {
        int space = p[i] == ' ' || (p[i] >= '\t' && p[i] <= '\r');
        characters += ((unsigned char)p[i] & 0xc0) != 0x80;
        words += blank && !space;
        blank = space;
    }
    return (double)(unit == BYTES ? n : unit == WORDS ? words : characters);
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct text_length *s = self;
    (void)e;
    for (uint32_t i = 0; i < s->count; i++)
        for (uint64_t r = 0; r < call->rows; r++) {
            uint64_t n = s->in[i].bytes;
            const char *p = n ? (const char *)call->in[i].data + r * n
                              : rn_cell(&call->in[i], r, &n);
            n = s->in[i].bytes ? strnlen(p, n) : n;
            ((double *)call->out[i].data)[r] = length(s->unit, p, n);
        }
    return RN_OK;
}

static const struct rn_transform iface = {sizeof(struct rn_transform),
                                          RN_TRANSFORM_TOTAL,
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

RN_TRANSFORM(text_length, iface, "runner/text_length 1",
             RN_DOC("How long a text is, as f64")
             RN_IN("fields u8 [...] ; variable | texts in UTF-8")
             RN_OPTION("of list(string) ; required | fields of text")
             RN_OPTION("unit choice(characters,words,bytes) = characters | what is "
                       "counted; words are divided by white space"));
RN_PLUGIN(&text_length);
