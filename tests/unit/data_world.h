/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of core/data share: sections `data:` and `augment:` from YAML text,
 * opened with the real plugins and the made source; samples seen by id. argv: plugin
 * folder, the made source's .so. */
#ifndef TESTS_UNIT_DATA_WORLD_H
#define TESTS_UNIT_DATA_WORLD_H

#include <stdlib.h>

#include <unistd.h>

#include "base/hash.h"
#include "check.h"
#include "data/data.h"
#include "experiment/sections.h"
#include "plugin/kinds.h"
#include "unit/absent.h"

struct world {
    struct session *session;
    char folder[64]; /* scratch */
};

static struct world world;

static inline const struct schema *world_resolve(void *context, const char *kind,
                                                 const char *type,
                                                 const struct node *at,
                                                 struct diag *d) {
    struct rn_error e = {0};
    const struct component *c = session_find(context, kind, type, &e);
    if (c)
        return c->schema;
    node_error(d, at, false, e.status, "%s", e.message);
    return NULL;
}

static inline int world_open(int argc, char **argv) {
    struct rn_error e = {0};
    strcpy(world.folder, "/tmp/runner data.XXXXXX");
    world.session = session_create(NULL, NULL);
    int status = argc == 3 && mkdtemp(world.folder) ? RN_OK : RN_E_INTERNAL;
    for (int i = 0; i < KIND_COUNT && status == RN_OK; i++) {
        char folder[512];
        if (plugin_absent(argv[1], kind_at(i)->name))
            continue;
        snprintf(folder, sizeof folder, "%.400s/%s", argv[1], kind_at(i)->name);
        status = session_add_folder(world.session, folder, true, &e);
    }
    if (status == RN_OK)
        status = session_add_file(world.session, argv[2], &e);
    if (status != RN_OK)
        fprintf(stderr, "%s\n", e.message);
    return status == RN_OK;
}

static inline int world_close(void) {
    char command[128];
    session_destroy(world.session);
    snprintf(command, sizeof command, "rm -rf '%s'", world.folder);
    CHECK(system(command) == 0);
    return check_done();
}

/* One experiment's data. `said`: every error as people read it. */
struct opened {
    struct arena *a;
    struct config *config;
    struct diag *d;
    struct data *data;
    struct text said;
    int status;
};

struct how { /* beside the YAML */
    uint64_t seed;
    uint64_t epoch_rows;
    enum data_mode mode;
    const char *stored_split;
    const struct data_schema *schema;
};

static inline void open_how(struct opened *o, const char *yaml, struct how how) {
    static const char *const host_keys[] = {"type", "in", "of", "name", NULL};
    struct rn_error e = {0};
    memset(o, 0, sizeof *o);
    o->a = arena_create();
    o->d = diag_create();
    const char *whole = arena_format(
        o->a, "%s\nmodel: {type: mlp, outputs: 2}\ndevice: reference\n", yaml);
    o->config = config_from_text("test.yaml", whole, o->d);
    struct schema *s = schema_parse(o->a, sections_schema(), &e);
    struct schema_resolver r = {world_resolve, world.session, NULL};
    if (o->config && s &&
        schema_check(o->config, config_root(o->config), s, host_keys, &r, o->d) ==
            RN_OK) {
        const struct node *root = config_root(o->config);
        struct data_options options = {.session = world.session,
                                       .config = o->config,
                                       .data = node_find(root, "data"),
                                       .sections = s,
                                       .augment = node_find(root, "augment"),
                                       .collate = node_find(root, "collate"),
                                       .schema = how.schema,
                                       .seed = how.seed,
                                       .mode = how.mode,
                                       .epoch_rows = how.epoch_rows,
                                       .stored_split = how.stored_split};
        o->data = data_open(&options, o->d);
    }
    o->status = diag_status(o->d);
    CHECK((o->data == NULL) == (o->status != RN_OK));
    diag_print(o->d, &o->said, false);
}

/* Opens, or the test ends here. */
static inline void open_good(struct opened *o, const char *yaml, struct how how) {
    open_how(o, yaml, how);
    if (!o->data) {
        fprintf(stderr, "%s\n%s\n", yaml, text_get(&o->said));
        exit(1);
    }
}

static inline void open_fitted(struct opened *o, const char *yaml, uint64_t seed) {
    struct rn_error e = {0};
    open_good(o, yaml, (struct how){.seed = seed});
    if (data_fit(o->data, &e) != RN_OK) {
        fprintf(stderr, "%s\n%s\n", yaml, e.message);
        exit(1);
    }
}

static inline void close_opened(struct opened *o) {
    data_close(o->data);
    diag_destroy(o->d);
    config_destroy(o->config);
    arena_destroy(o->a);
    text_finish(&o->said);
}

/* Opening fails with this status, and says this. */
static inline void refused_how(const char *yaml, struct how how, int status,
                               const char *says) {
    struct opened o;
    open_how(&o, yaml, how);
    CHECK(o.status == status);
    CHECK(strstr(text_get(&o.said), says) != NULL);
    if (o.status != status || !strstr(text_get(&o.said), says))
        fprintf(stderr, "status %d, not %d with '%s':\n%s\n", o.status, status, says,
                text_get(&o.said));
    close_opened(&o);
}
#define REFUSED(yaml, status, says)                                                    \
    refused_how(yaml, (struct how){.seed = 1}, status, says)

/* Opening works, fitting fails so. */
static inline void fit_refused(const char *yaml, int status, const char *says) {
    struct opened o;
    struct rn_error e = {0};
    open_how(&o, yaml, (struct how){.seed = 1});
    CHECK(o.data != NULL);
    if (o.data) {
        CHECK(data_fit(o.data, &e) == status);
        CHECK(e.status == status && (strstr(e.message, says) || strstr(e.hint, says)));
        if (!strstr(e.message, says) && !strstr(e.hint, says))
            fprintf(stderr, "%s\n%s\n%s\n", e.message, e.hint, e.where);
    } else {
        fprintf(stderr, "%s\n", text_get(&o.said));
    }
    close_opened(&o);
}

static inline const char *world_file(struct arena *a, const char *name,
                                     const char *text) {
    const char *path = arena_format(a, "%s/%s", world.folder, name);
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(text, 1, strlen(text), f) == strlen(text));
    if (f)
        fclose(f);
    return path;
}

/* ---- loaders ---- */

static inline struct loader *open_loader(const struct data *data,
                                         struct loader_options o) {
    struct loader *l = NULL;
    struct rn_error e = {0};
    CHECK(loader_open(data, &o, &l, &e) == RN_OK);
    if (e.status)
        fprintf(stderr, "%s\n", e.message);
    return l;
}

/* All that a batch says, as one number. */
static inline uint64_t print_of(const struct data *data, const struct batch *b) {
    uint64_t h = fnv1a((const char *)&b->rows, sizeof b->rows);
    h = h * 31 + b->at.epoch;
    h = h * 31 + b->at.index;
    h = h * 31 + b->last;
    h = h * 31 + fnv1a((const char *)b->ids, b->rows * sizeof *b->ids);
    for (uint32_t f = 0; f < b->field_count; f++)
        h = h * 31 + fnv1a(b->fields[f], b->rows * data_field_at(data, f)->bytes);
    return h;
}

/* Batches one after the other from where the loader stands. */
static inline void read_prints(const struct data *data, struct loader *l, int n,
                               uint64_t *out) {
    struct rn_error e = {0};
    for (int i = 0; i < n; i++) {
        struct batch b;
        out[i] = 0;
        if (loader_next(l, &b, &e) == RN_OK)
            out[i] = print_of(data, &b);
    }
}

/* What the made source holds. */
static inline float made_x(int64_t row, int k) {
    return (float)(row * row % 97) + 0.1f * (float)k;
}
static inline int64_t made_label(int64_t row) {
    return row % 3 ? 0 : row % 9 ? 1 : 2;
}

#endif
