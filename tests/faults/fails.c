/* SPDX-License-Identifier: Apache-2.0 */
/* A metric that fails in an evaluation while the file of its option is there. */
#include <stdlib.h>
#include <unistd.h>

#include <runner/runner.h>

struct fails {
    const char *file; /* host */
    double rows;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct fails *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory", NULL, NULL);
    s->file = rn_get_string(h, "while");
    return RN_OK;
}

static int32_t reset(void *self, struct rn_error *e) {
    (void)e;
    ((struct fails *)self)->rows = 0;
    return RN_OK;
}

static int32_t update(void *self, const struct rn_metric_batch *b, struct rn_error *e) {
    struct fails *s = self;
    s->rows += (double)b->rows;
    return access(s->file, F_OK) == 0
               ? rn_fail(e, RN_E_DATA, "this evaluation fails", NULL, NULL)
               : RN_OK;
}

static int32_t none(void *self, struct rn_stream *s, struct rn_error *e) {
    (void)self, (void)s, (void)e;
    return RN_OK;
}

static int32_t finish(void *self, const struct rn_metric_result *result,
                      struct rn_error *e) {
    struct fails *s = self;
    struct rn_tensor t = {&s->rows, NULL, NULL, RN_F64, 0};
    (void)e;
    return rn_metric_put(result, "rows", &t);
}

static const struct rn_metric iface = {sizeof(struct rn_metric),
                                       0,
                                       create,
                                       free,
                                       NULL,
                                       reset,
                                       update,
                                       none,
                                       none,
                                       none,
                                       finish};

RN_METRIC(fails, iface, "test/fails 1", RN_DOC("rows")
          RN_IN("prediction f32 [N,...] | anything")
          RN_OUT("rows f64 [] ; better higher | rows")
          RN_OPTION("while string ; required | fails while this file is there"));
RN_PLUGIN(&fails);
