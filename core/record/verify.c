/* SPDX-License-Identifier: Apache-2.0 */
/* runner verify: everything that the folder holds is what was written. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "record/checkpoint.h"
#include "record/file.h"
#include "record/seal.h"

static void hash_parameters(const struct checkpoint *c, char out[65]) {
    struct sha256 h;
    uint8_t digest[32];
    sha256_init(&h);
    for (uint32_t i = 0; c && i < c->tensor_count; i++) {
        const struct checkpoint_tensor *t = &c->tensors[i];
        uint64_t bytes = 0;
        if (strncmp(t->name, "optimizer.", 10) != 0 &&
            log_bytes(t->dtype, t->rank, t->shape, &bytes))
            sha256_add(&h, t->data, (size_t)bytes);
    }
    sha256_finish(&h, digest);
    sha256_hex(digest, out);
}

static int check_log(struct record *r, uint64_t durable, uint64_t *rows,
                     struct rn_error *e) {
    struct log_view v;
    int status = log_read(r, &v, e);
    if (!status && v.damage_count)
        status = error_set(e, RN_E_CHECKPOINT, "%s is damaged at byte %" PRIu64,
                           r->log_path, v.damage[0].at);
    else if (!status && v.good < durable)
        status = error_set(e, RN_E_CHECKPOINT,
                           "%s is damaged: %" PRIu64 " bytes were durable, %" PRIu64
                           " are readable",
                           r->log_path, durable, v.good);
    if (!status)
        status = texts_check(r, &v, e);
    *rows = v.row_count;
    log_view_finish(&v);
    return status;
}

/* log: raised to what run.h5 was made from. */
static int check_run_file(const struct record *r, struct arena *a, uint64_t *log,
                          struct rn_error *e) {
    struct seal seal = {0};
    const char *path = record_path(a, r, "run.h5");
    int fd = file_open(path, O_RDONLY, e);
    if (fd < 0)
        return errno == ENOENT ? RN_OK : fd;
    int status = seal_check(fd, "run", path, &seal, e);
    close(fd);
    if (seal.log > *log)
        *log = seal.log;
    return status;
}

int record_verify(const char *folder, struct verify_result *out, struct rn_error *e) {
    memset(out, 0, sizeof *out);
    struct record *r;
    int status = record_open(folder, false, NULL, &r, e);
    if (status)
        return status;
    struct arena *a = arena_create();
    struct listed *list = NULL;
    struct current current;
    struct checkpoint_file *f = NULL;
    size_t n = 0;
    /* The log last: a run that goes on only makes it longer. */
    bool none = access(record_path(a, r, "CURRENT"), F_OK) != 0;
    if (none)
        memset(&current, 0, sizeof current);
    else
        status = current_read(r, &current, e);
    if (!status)
        status = check_run_file(r, a, &current.log, e);
    if (!status)
        status = check_log(r, current.log, &out->rows, e);
    if (!status)
        status = checkpoint_list(r, a, &list, &n, e);
    bool found = none;
    for (size_t i = 0; !status && i < n; i++) {
        status = checkpoint_read(list[i].path, &f, e);
        if (status && access(list[i].path, F_OK)) {
            status = RN_OK; /* the run that goes on has dropped it */
            continue;
        }
        checkpoint_close(f);
        f = NULL;
        found = found || strcmp(list[i].name, current.name) == 0;
    }
    if (!status && !found)
        status = error_set(e, RN_E_CHECKPOINT,
                           "CURRENT names the checkpoint %s, which is not there",
                           current.name);
    if (!status && n) {
        char fell_back[512];
        status = checkpoint_find(r, NULL, &f, fell_back, sizeof fell_back, e);
        if (!status && !none && fell_back[0])
            status = error_set(e, RN_E_CHECKPOINT, "%s", fell_back);
    }
    if (!status && f)
        status = checkpoint_best_check(r, checkpoint_get(f), e);
    if (!status) {
        hash_parameters(f ? checkpoint_get(f) : NULL, out->sha256);
        out->step = f ? checkpoint_get(f)->step : -1;
    }
    checkpoint_close(f);
    arena_destroy(a);
    record_close(r);
    return status;
}
