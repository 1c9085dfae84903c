/* SPDX-License-Identifier: Apache-2.0 */
/* A source that takes minutes for as long as the file <folder>/slow is there: in create
 * (where: create), or in reads of rows_from to rows_to rows (where: read) but the first
 * `skip` of them. It makes <folder>/began, then naps, and makes <folder>/cancelled if
 * it finds by rn_cancelled that it is to give up, <folder>/finished if nobody stops it.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <runner/source.h>

enum { rows = 40, naps = 30000, nap_ms = 10 };

struct slow {
    struct rn_host *host;
    const char *folder;
    uint64_t from, to;
    atomic_llong skip;
    int32_t deaf; /* never asks rn_cancelled */
    struct rn_field fields[2];
};

static int there(const struct slow *s, const char *name, int make) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", s->folder, name);
    FILE *f = fopen(path, make ? "w" : "r");
    if (f)
        fclose(f);
    return f != NULL;
}

static int32_t nap(const struct slow *s, struct rn_error *e) {
    const struct timespec t = {0, nap_ms * 1000000};
    if (!there(s, "slow", 0))
        return RN_OK;
    there(s, "began", 1);
    for (int i = 0; i < naps && there(s, "slow", 0); i++) {
        nanosleep(&t, NULL);
        if (!s->deaf && rn_cancelled(s->host)) {
            there(s, "cancelled", 1);
            return rn_fail(e, RN_E_CANCELLED, "the host asked to stop", NULL, NULL);
        }
    }
    there(s, "finished", 1);
    return RN_OK;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct slow *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    s->host = h;
    s->folder = rn_has(h, "folder") ? rn_get_string(h, "folder") : "";
    s->from = (uint64_t)rn_get_int(h, "rows_from");
    s->to = (uint64_t)rn_get_int(h, "rows_to");
    atomic_init(&s->skip, rn_get_int(h, "skip"));
    s->deaf = rn_get_bool(h, "deaf");
    s->fields[0].name = "x", s->fields[1].name = "y";
    s->fields[0].dtype = s->fields[1].dtype = RN_F32;
    s->fields[0].rank = s->fields[1].rank = 1;
    s->fields[0].shape[0] = s->fields[1].shape[0] = 1;
    return strcmp(rn_get_string(h, "where"), "create") == 0 ? nap(s, e) : RN_OK;
}

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    struct slow *s = self;
    (void)e;
    out->access = RN_ACCESS_RANDOM;
    out->count = rows;
    out->field_count = 2;
    out->field_stride = sizeof s->fields[0];
    out->fields = s->fields;
    return RN_OK;
}

static int32_t read_rows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    const struct rn_tensor *out = call->out;
    const uint64_t *indices = call->indices;
    uint64_t n = call->rows;
    struct slow *s = self;
    float *x = out[0].data, *y = out[1].data;
    if (s->from <= n && n <= s->to && atomic_fetch_sub(&s->skip, 1) <= 0) {
        int32_t status = nap(s, e);
        if (status != RN_OK)
            return status;
    }
    for (uint64_t i = 0; i < n; i++) {
        if (x)
            x[i] = (float)indices[i] / rows;
        if (y)
            y[i] = 1.0f - (float)indices[i] / rows;
    }
    return RN_OK;
}

static const struct rn_source iface = {.struct_size = sizeof(struct rn_source),
                                       .create = create,
                                       .destroy = free,
                                       .info = info,
                                       .read = read_rows};

RN_SOURCE(slow, iface, "test.data/slow 1",
          RN_DOC("A source that takes minutes")
              RN_OPTION("folder string | where its files are")
                  RN_OPTION("where choice(create,read) = create | where it naps")
                      RN_OPTION("rows_from int = 0 | reads of at least so many rows")
                          RN_OPTION("rows_to int = 0 | and at most so many")
                              RN_OPTION("skip int = 0 | the first of them that do not count")RN_OPTION("deaf bool = false | never looks up"));
RN_PLUGIN(&slow);
