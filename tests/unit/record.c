/* SPDX-License-Identifier: Apache-2.0 */
/* core/record: round trips, torn and damaged files, a full disk, a killed writer.
 * `record make FOLDER` makes the run that tests/unit/record_h5.py opens with h5py and
 * prints its folder. */
#define _XOPEN_SOURCE 700
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "check.h"
#include "record/h5.h"
#include "record/record.h"

static char top[256];

static const char *in_folder(const struct record *r, const char *name) {
    static char path[4][1024];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", record_folder(r), name);
    return p;
}

static char *slurp(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *p = malloc(*n + 1);
    if (!p || fread(p, 1, *n, f) != *n)
        abort();
    p[*n] = '\0';
    fclose(f);
    return p;
}

static void spill(const char *path, const char *p, size_t n) {
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(p, 1, n, f) != n || fclose(f))
        abort();
}

static void flip(const char *path, size_t at) {
    size_t n;
    char *p = slurp(path, &n);
    p[at] ^= 0x20;
    spill(path, p, n);
    free(p);
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

/* ------------------------------------------------------------------ contents */

static float weights[6] = {1, 2, 3, 4, 5, 6}, bias[3] = {0.5f, -1, 0};
static uint16_t halves[2] = {0x3c00, 0xc000}, brains[2] = {0x3f80, 0xc000};
static uint8_t flags[3] = {1, 0, 1};
static int64_t counter = 42;
static const int64_t s23[] = {2, 3}, s3[] = {3}, s2[] = {2}, s0[] = {0, 4};

static struct checkpoint sample(int64_t step) {
    static struct checkpoint_tensor tensors[] = {
        {"optimizer.all.model.fc.bias.m", "first moment", RN_F32, 1, s3, bias},
        {"model.fc.weight", "weights [out, in]", RN_F32, 2, s23, weights},
        {"model.fc.bias", NULL, RN_F32, 1, s3, bias},
        {"model.half", "f16", RN_F16, 1, s2, halves},
        {"model.brain", "bf16", RN_BF16, 1, s2, brains},
        {"model.mask", "bool", RN_BOOL, 1, s3, flags},
        {"model.count", "a number", RN_I64, 0, NULL, &counter},
        {"model.none", "empty", RN_F32, 2, s0, NULL},
    };
    static struct checkpoint_blob blobs[] = {{"loader", "position", 8},
                                             {"empty", NULL, 0}};
    static struct checkpoint_value values[] = {
        {"position", "step", CHECKPOINT_INT, 100, 0.0, NULL},
        {"position", "note", CHECKPOINT_TEXT, 0, 0.0, "val/loss \xc3\xa9"},
        {"position", "empty", CHECKPOINT_TEXT, 0, 0.0, ""},
        {"live/optimizer.lr", "value", CHECKPOINT_REAL, 0, 0.125, NULL},
        {"live/loss.a.gamma", "value", CHECKPOINT_REAL, 0, 2.0, NULL},
    };
    struct checkpoint c = {step, 0.25 * (double)step, 8, tensors, 2, blobs, 5, values, 0, NULL};
    weights[0] = (float)step;
    return c;
}

static struct record *start(const char *name) {
    struct rn_error e;
    struct record *r = NULL;
    if (record_create(top, name, NULL, "seed: 1\n", NULL, &r, &e)) {
        fprintf(stderr, "%s\n", e.message);
        abort();
    }
    return r;
}

static int acks, last_row = -1, last_ckpt = -1;
static void hear(void *context, const char *line) {
    (void)context;
    acks++;
    sscanf(line, "ACK metrics row=%d", &last_row);
    sscanf(line, "ACK ckpt step=%d", &last_ckpt);
}

struct sum {
    int rows;
    int64_t last_step;
    double total;
};
static int add_up(void *context, const char *series, int64_t step, double epoch,
                  const struct rn_tensor *value) {
    struct sum *s = context;
    (void)epoch;
    s->rows++;
    s->last_step = step;
    if (strcmp(series, "train/loss") == 0)
        s->total += *(double *)value->data;
    return 0;
}

static struct sum sum_of(struct record *r) {
    struct sum s = {0, 0, 0};
    struct rn_error e;
    CHECK(record_each(r, add_up, &s, &e) == RN_OK);
    return s;
}

/* --------------------------------------------------------------------- tests */

static void test_folder(void) {
    struct rn_error e;
    struct record *r = NULL, *other = NULL;
    char source[512], latest[512], *again;
    size_t n;
    CHECK(record_create(top, "one", "a: 1 # x\n", "a: 1\n", NULL, &r, &e) == RN_OK);
    again = slurp(in_folder(r, "experiment.yaml"), &n);
    CHECK(n == 9);
    CHECK_TEXT(again, "a: 1 # x\n");
    free(again);
    record_say(r, "hello");
    again = slurp(in_folder(r, "log.txt"), &n);
    CHECK_TEXT(again, "hello\n");
    free(again);
    CHECK(exists(in_folder(r, "resolved.yaml")) && exists(in_folder(r, "log.txt")));
    snprintf(latest, sizeof latest, "%s/one/latest", top);
    char *real = realpath(latest, NULL);
    CHECK_TEXT(real, record_folder(r));
    free(real);
    CHECK(record_open(record_folder(r), true, NULL, &other, &e) == RN_E_LOCKED &&
          !other);
    CHECK(strstr(e.message, "in use by process") != NULL);
    CHECK(record_open(latest, false, NULL, &other, &e) == RN_OK);
    CHECK(record_scalar(other, "a", 1, 0, 1, &e) == RN_E_INTERNAL);
    record_close(other);
    record_close(r);
    CHECK(record_open(latest, true, NULL, &other, &e) == RN_OK);
    record_close(other);
    CHECK(record_open(top, true, NULL, &other, &e) == RN_E_CHECKPOINT);
    snprintf(source, sizeof source, "%s/lock", top);
    CHECK(!exists(source));
    CHECK(record_create(top, "../up", NULL, NULL, NULL, &r, &e) == RN_E_CONFIG);
    CHECK(record_create(top, "latest", NULL, NULL, NULL, &r, &e) == RN_E_CONFIG);
}

static void test_log(void) {
    struct rn_error e;
    struct record *r = start("log");
    acks = 0;
    record_on_ack(r, hear, NULL);
    for (int i = 1; i <= 250; i++)
        CHECK(record_scalar(r, "train/loss", i, i / 100.0, i, &e) == RN_OK);
    CHECK(last_row >= 200 && last_row <= 250);
    int64_t shape[] = {2, 3}, strides[] = {1, 2}, other[] = {3, 3};
    int32_t cells[9] = {0, 1, 2, 3, 4, 5};
    struct rn_tensor t = {cells, shape, NULL, RN_I32, 2},
                     odd = {cells, other, NULL, RN_I32, 2};
    CHECK(record_tensor(r, "val/confusion", 250, 2.5, &t, "counts", &e) == RN_OK);
    t.strides = strides;
    CHECK(record_tensor(r, "val/confusion", 251, 2.5, &t, NULL, &e) == RN_OK);
    CHECK(record_tensor(r, "val/confusion", 251, 2.5, &odd, NULL, &e) == RN_E_CONFIG);
    CHECK(record_scalar(r, "val/confusion", 251, 2.5, 1, &e) == RN_E_CONFIG);
    CHECK(record_scalar(r, "train/loss/value", 251, 2.5, 1, &e) == RN_E_CONFIG);
    CHECK(record_scalar(r, "a//b", 251, 2.5, 1, &e) == RN_E_CONFIG);
    CHECK(record_scalar(r, "../b", 251, 2.5, 1, &e) == RN_E_CONFIG);
    CHECK(record_scalar(r, "", 251, 2.5, 1, &e) == RN_E_CONFIG);
    CHECK(record_sync(r, &e) == RN_OK && record_rows(r) == 252 && last_row == 252);
    int before = acks;
    CHECK(record_sync(r, &e) == RN_OK && acks == before);
    struct sum s = sum_of(r);
    CHECK(s.rows == 252 && s.total == 250 * 251 / 2);

    /* Rewind, write again, and see the same after opening. */
    CHECK(record_rewind(r, 100, INT64_MAX, &e) == RN_OK);
    CHECK(record_sync(r, &e) == RN_OK && record_rows(r) == 100);
    CHECK(record_tensor(r, "val/confusion", 101, 1, &odd, "counts", &e) == RN_OK);
    CHECK(record_scalar(r, "train/loss", 101, 1, 0.5, &e) == RN_OK);
    s = sum_of(r);
    CHECK(s.rows == 102 && s.total == 100 * 101 / 2 + 0.5);
    char *folder = strdup(record_folder(r));
    record_close(r);
    CHECK(record_open(folder, true, NULL, &r, &e) == RN_OK);
    s = sum_of(r);
    CHECK(s.rows == 102 && s.total == 100 * 101 / 2 + 0.5 && s.last_step == 101);
    CHECK(record_publish(r, &e) == RN_OK);
    struct verify_result v;
    CHECK(record_verify(folder, &v, &e) == RN_OK && v.rows == 102 && v.step == -1);
    flip(in_folder(r, "run.h5"), 3000);
    CHECK(record_verify(folder, &v, &e) == RN_E_CHECKPOINT);
    CHECK(strstr(e.message, "run.h5") != NULL);
    record_close(r);
    free(folder);
}

/* Published while the process has another image with the name run.h5 open. */
static void test_image_of_another(void) {
    struct rn_error e;
    struct record *r = start("image");
    CHECK(record_scalar(r, "train/loss", 1, 0.5, 2, &e) == RN_OK);
    CHECK(h5_begin(&e) == RN_OK);
    hid_t access = h5_access();
    CHECK(H5Pset_fapl_core(access, 1 << 16, 0) >= 0);
    hid_t other = H5Fcreate("run.h5", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    CHECK(other >= 0);
    h5_end();
    CHECK(record_publish(r, &e) == RN_OK);
    CHECK(h5_begin(&e) == RN_OK && H5Fclose(other) >= 0);
    H5Pclose(access);
    h5_end();
    struct verify_result v;
    CHECK(record_verify(record_folder(r), &v, &e) == RN_OK && v.rows == 1);
    record_close(r);
}

/* Cut the log at every byte: what was complete is read, and the run goes on. */
static void test_torn(void) {
    struct rn_error e;
    struct record *r = start("torn");
    size_t ends[9], n = 0;
    const char *log = in_folder(r, "metrics.rlog");
    char path[1024];
    snprintf(path, sizeof path, "%s", log);
    struct stat st;
    for (size_t i = 0; i < 9; i++) {
        CHECK(stat(path, &st) == 0);
        ends[i] = (size_t)st.st_size;
        CHECK(record_scalar(r, i % 2 ? "train/loss" : "a", (int64_t)i, 0, 1, &e) == 0);
        CHECK(record_sync(r, &e) == RN_OK);
    }
    char *folder = strdup(record_folder(r));
    record_close(r);
    char *whole = slurp(path, &n);
    for (size_t cut = 0; cut < n; cut++) {
        int want = 0;
        while (want < 8 && ends[want + 1] <= cut)
            want++;
        spill(path, whole, cut);
        struct verify_result v;
        CHECK(record_verify(folder, &v, &e) == RN_OK && v.rows == (uint64_t)want);
        CHECK(record_open(folder, true, NULL, &r, &e) == RN_OK);
        CHECK(sum_of(r).rows == want);
        CHECK(record_scalar(r, "b", 100, 0, 1, &e) == RN_OK);
        record_close(r);
        CHECK(record_open(folder, true, NULL, &r, &e) == RN_OK);
        CHECK(sum_of(r).rows == want + 1);
        record_close(r);
    }
    /* A flipped bit is damage, which verify names and a reader puts right. */
    for (size_t at = ends[0]; at < n; at += 5) {
        spill(path, whole, n);
        flip(path, at);
        struct verify_result v;
        CHECK(record_verify(folder, &v, &e) == RN_E_CHECKPOINT);
        CHECK(record_open(folder, false, NULL, &r, &e) == RN_OK);
        CHECK(sum_of(r).rows == 9);
        record_close(r);
    }
    /* Two bits are more than that: a reader steps over the record, and the last one
     * reads as torn. */
    for (size_t at = ends[0] + 17; at < n; at += 5) {
        if ((at - ends[0]) % (ends[1] - ends[0]) < 16)
            continue; /* both in one record, behind its sum */
        spill(path, whole, n);
        flip(path, at);
        flip(path, at - 1);
        struct verify_result v;
        int status = record_verify(folder, &v, &e);
        CHECK(status == (at < ends[8] ? RN_E_CHECKPOINT : RN_OK));
        CHECK(record_open(folder, false, NULL, &r, &e) == RN_OK);
        CHECK(sum_of(r).rows == 8);
        record_close(r);
    }
    free(whole);
    free(folder);
}

static void test_checkpoint(void) {
    struct rn_error e;
    struct record *r = start("checkpoint");
    struct checkpoint_file *f = NULL;
    char fell[512];
    record_on_ack(r, hear, NULL);
    CHECK(checkpoint_find(r, NULL, &f, fell, sizeof fell, &e) == RN_E_CHECKPOINT);
    struct checkpoint c = sample(100);
    CHECK(record_scalar(r, "train/loss", 100, 1, 3, &e) == RN_OK);
    last_row = -1;
    CHECK(checkpoint_write(r, "step-00000100", &c, true, 2, &e) == RN_OK);
    CHECK(last_ckpt == 100 && last_row == 1);
    CHECK(checkpoint_find(r, NULL, &f, fell, sizeof fell, &e) == RN_OK);
    CHECK_TEXT(fell, "");
    const struct checkpoint *g = f ? checkpoint_get(f) : NULL;
    CHECK(g && g->step == 100 && g->epoch == 25 && g->tensor_count == 8 &&
          g->blob_count == 2);
    for (uint32_t i = 0; g && i < g->tensor_count; i++)
        for (uint32_t k = 0; k < c.tensor_count; k++) {
            const struct checkpoint_tensor *a = &g->tensors[i], *b = &c.tensors[k];
            if (strcmp(a->name, b->name) != 0)
                continue;
            size_t bytes = RN_DTYPE_BYTES(b->dtype);
            CHECK(a->dtype == b->dtype && a->rank == b->rank);
            for (uint32_t d = 0; d < b->rank; d++) {
                CHECK(a->shape[d] == b->shape[d]);
                bytes *= (size_t)b->shape[d];
            }
            CHECK(bytes == 0 || memcmp(a->data, b->data, bytes) == 0);
            CHECK_TEXT(a->doc, b->doc ? b->doc : "");
        }
    CHECK_TEXT(g->tensors[0].name, "model.brain");
    CHECK_TEXT(g->blobs[0].name, "empty");
    CHECK(checkpoint_blob(f, "loader") == &g->blobs[1] && !checkpoint_blob(f, "no"));
    const struct checkpoint_value *named =
        checkpoint_value(g->values, g->value_count, "position", "note");
    CHECK(checkpoint_format(f) == 2 && g->value_count == 5);
    CHECK(named && named->kind == CHECKPOINT_TEXT);
    CHECK_TEXT(named->s, "val/loss \xc3\xa9");
    named = checkpoint_value(g->values, g->value_count, "position", "step");
    CHECK(named && named->kind == CHECKPOINT_INT && named->i == 100);
    named = checkpoint_value(g->values, g->value_count, "live/optimizer.lr", "value");
    CHECK(named && named->kind == CHECKPOINT_REAL && named->f == 0.125);
    named = checkpoint_value(g->values, g->value_count, "position", "empty");
    CHECK(named && named->kind == CHECKPOINT_TEXT && !named->s[0]);
    CHECK(!checkpoint_value(g->values, g->value_count, "position", "other"));
    CHECK(g->blobs[1].bytes == 8 && memcmp(g->blobs[1].data, "position", 8) == 0);
    checkpoint_close(f);

    /* Equal content, equal bytes. */
    size_t n1, n2;
    char *first = slurp(in_folder(r, "checkpoints/step-00000100.h5"), &n1);
    CHECK(checkpoint_write(r, "best", &c, false, 2, &e) == RN_OK);
    char *second = slurp(in_folder(r, "checkpoints/best.h5"), &n2);
    CHECK(n1 == n2 && memcmp(first, second, n1) == 0);
    free(second);

    /* Keep two and the best. */
    for (int i = 2; i <= 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "step-%08d", 100 * i);
        c = sample(100 * i);
        CHECK(checkpoint_write(r, name, &c, true, 1, &e) == RN_OK);
    }
    CHECK(!exists(in_folder(r, "checkpoints/step-00000100.h5")));
    CHECK(!exists(in_folder(r, "checkpoints/step-00000200.h5")));
    CHECK(exists(in_folder(r, "checkpoints/step-00000300.h5")));
    CHECK(exists(in_folder(r, "checkpoints/step-00000400.h5")));
    CHECK(exists(in_folder(r, "checkpoints/best.h5")));
    CHECK(checkpoint_find(r, "best", &f, NULL, 0, &e) == RN_OK);
    CHECK(f && checkpoint_get(f)->step == 100);
    checkpoint_close(f);
    CHECK(checkpoint_find(r, "step-00000100", &f, NULL, 0, &e) == RN_E_CHECKPOINT);
    CHECK(checkpoint_find(r, "../best", &f, NULL, 0, &e) == RN_E_CHECKPOINT);

    /* The hash of parameters leaves the optimizer out. */
    struct verify_result v;
    struct sha256 h;
    uint8_t digest[32];
    char hex[65];
    sha256_init(&h);
    sha256_add(&h, brains, sizeof brains);
    sha256_add(&h, &counter, 8);
    sha256_add(&h, bias, sizeof bias);
    sha256_add(&h, weights, sizeof weights);
    sha256_add(&h, halves, sizeof halves);
    sha256_add(&h, flags, sizeof flags);
    sha256_finish(&h, digest);
    sha256_hex(digest, hex);
    CHECK(record_verify(record_folder(r), &v, &e) == RN_OK && v.step == 400 &&
          v.rows == 1);
    CHECK_TEXT(v.sha256, hex);

    /* A flipped byte anywhere: falls back, and verify says so. */
    char newest[1024], old[1024];
    snprintf(newest, sizeof newest, "%s", in_folder(r, "checkpoints/step-00000400.h5"));
    snprintf(old, sizeof old, "%s", in_folder(r, "CURRENT"));
    size_t n;
    char *whole = slurp(newest, &n);
    for (size_t at = 0; at < n; at += 97) {
        flip(newest, at);
        CHECK(checkpoint_read(newest, &f, &e) == RN_E_CHECKPOINT && !f);
        spill(newest, whole, n);
    }
    for (size_t cut = 0; cut < n; cut += 331) {
        spill(newest, whole, cut);
        CHECK(checkpoint_read(newest, &f, &e) == RN_E_CHECKPOINT && !f);
    }
    CHECK(record_verify(record_folder(r), &v, &e) == RN_E_CHECKPOINT);
    CHECK(checkpoint_find(r, NULL, &f, fell, sizeof fell, &e) == RN_OK);
    CHECK(f && checkpoint_get(f)->step == 300);
    CHECK(strstr(fell, "step-00000400") && strstr(fell, "going on from step-00000300"));
    checkpoint_close(f);
    spill(newest, whole, n);
    CHECK(record_verify(record_folder(r), &v, &e) == RN_OK && v.step == 400);

    /* Another whole file in the place of the one CURRENT names. */
    spill(newest, first, n1);
    CHECK(record_verify(record_folder(r), &v, &e) == RN_E_CHECKPOINT);
    spill(newest, whole, n);

    /* CURRENT missing, damaged. */
    size_t m;
    char *text = slurp(old, &m);
    unlink(old);
    CHECK(checkpoint_find(r, NULL, &f, fell, sizeof fell, &e) == RN_OK);
    CHECK(f && checkpoint_get(f)->step == 400 && strstr(fell, "CURRENT"));
    checkpoint_close(f);
    CHECK(record_verify(record_folder(r), &v, &e) == RN_OK && v.step == 400);
    spill(old, text, m - 3);
    CHECK(checkpoint_find(r, NULL, &f, fell, sizeof fell, &e) == RN_OK && fell[0]);
    checkpoint_close(f);
    CHECK(record_verify(record_folder(r), &v, &e) == RN_E_CHECKPOINT);
    spill(old, text, m);

    /* A log that is shorter than CURRENT says. */
    char log[1024];
    snprintf(log, sizeof log, "%s", in_folder(r, "metrics.rlog"));
    CHECK(truncate(log, 16) == 0);
    CHECK(record_verify(record_folder(r), &v, &e) == RN_E_CHECKPOINT);

    c = sample(500);
    struct checkpoint_tensor bad = c.tensors[1];
    bad.name = "a/b";
    c.tensors = &bad;
    c.tensor_count = 1;
    CHECK(checkpoint_write(r, "step-00000500", &c, true, 2, &e) == RN_E_INTERNAL);
    free(text);
    free(whole);
    free(first);
    record_close(r);
}

/* A file size limit behaves as a full disk in the middle of a write. */
static void limit_files(rlim_t bytes) {
    struct rlimit l;
    getrlimit(RLIMIT_FSIZE, &l);
    l.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &l);
}

static void test_full(void) {
    struct rn_error e;
    struct record *r = start("full");
    struct checkpoint c = sample(100);
    struct verify_result v;
    signal(SIGXFSZ, SIG_IGN);
    record_on_ack(r, hear, NULL);
    CHECK(record_scalar(r, "train/loss", 100, 1, 3, &e) == RN_OK);
    CHECK(checkpoint_write(r, "step-00000100", &c, true, 2, &e) == RN_OK);
    CHECK(record_publish(r, &e) == RN_OK);
    struct stat file, run;
    CHECK(stat(in_folder(r, "checkpoints/step-00000100.h5"), &file) == 0);
    CHECK(stat(in_folder(r, "run.h5"), &run) == 0);
    acks = 0;
    c = sample(200);
    for (int64_t limit = 200; limit < file.st_size; limit += 700) {
        limit_files((rlim_t)limit);
        int status = checkpoint_write(r, "step-00000200", &c, true, 2, &e);
        int again = record_publish(r, NULL);
        limit_files(RLIM_INFINITY);
        CHECK(status == RN_E_IO && strstr(e.message, "limit on file sizes") &&
              strstr(e.message, "step-00000200"));
        CHECK(again == (limit < run.st_size ? RN_E_IO : RN_OK));
        CHECK(!exists(in_folder(r, "checkpoints/step-00000200.h5")));
        CHECK(!exists(in_folder(r, "checkpoints/.step-00000200.h5.tmp")));
        CHECK(record_verify(record_folder(r), &v, &e) == RN_OK && v.step == 100);
    }
    CHECK(acks == 0);
    /* The log: rows wait, nothing durable is lost, and all is well with space again. */
    limit_files(150);
    int status = RN_OK;
    for (int i = 0; i < 150 && !status; i++)
        status = record_scalar(r, "train/loss", 101 + i, 1, 3, &e);
    CHECK(status == RN_E_IO && acks == 0);
    limit_files(RLIM_INFINITY);
    CHECK(record_verify(record_folder(r), &v, &e) == RN_OK && v.rows == 1);
    CHECK(record_sync(r, &e) == RN_OK && record_rows(r) == 101);
    CHECK(record_verify(record_folder(r), &v, &e) == RN_OK && v.rows == 101);
    CHECK(checkpoint_write(r, "step-00000200", &c, true, 2, &e) == RN_OK);
    CHECK(record_verify(record_folder(r), &v, &e) == RN_OK && v.step == 200);
    record_close(r);
}

/* A writer that is killed at any moment: what it acknowledged is there. */
static void to_pipe(void *context, const char *line) {
    char text[64];
    int n = snprintf(text, sizeof text, "%s\n", line);
    if (write(*(int *)context, text, (size_t)n) != n)
        _exit(3);
}

static void write_on(const char *folder, int out) {
    struct rn_error e;
    struct record *r;
    struct checkpoint_file *f = NULL;
    if (record_open(folder, true, NULL, &r, &e))
        _exit(4);
    int64_t step = 0;
    if (checkpoint_find(r, NULL, &f, NULL, 0, &e) == RN_OK)
        step = checkpoint_get(f)->step;
    checkpoint_close(f);
    if (record_rewind(r, step, INT64_MAX, &e))
        _exit(5);
    record_on_ack(r, to_pipe, &out);
    for (;;) {
        char name[32];
        step++;
        for (int i = 0; i < 40; i++)
            if (record_scalar(r, i % 2 ? "a" : "b", step, 0, i, &e))
                _exit(6);
        struct checkpoint c = sample(step);
        snprintf(name, sizeof name, "step-%08d", (int)step);
        if (checkpoint_write(r, name, &c, true, 2, &e) || record_publish(r, &e))
            _exit(7);
    }
}

static void test_killed(void) {
    struct rn_error e;
    struct record *r = start("killed");
    char *folder = strdup(record_folder(r));
    record_close(r);
    long before = 0;
    /* On a busy machine the first turns may end before anything is saved. */
    for (int turn = 0; turn < 25 || (!before && turn < 200); turn++) {
        int p[2];
        if (pipe(p))
            abort();
        pid_t child = fork();
        if (child == 0) {
            close(p[0]);
            write_on(folder, p[1]);
        }
        close(p[1]);
        struct timespec wait = {0, 3000000 + 1700000 * turn};
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        int how = 0;
        waitpid(child, &how, 0);
        CHECK(WIFSIGNALED(how));
        FILE *lines = fdopen(p[0], "r");
        char line[128];
        long step = before, rows = 0;
        while (lines && fgets(line, sizeof line, lines)) {
            if (!strchr(line, '\n'))
                break;
            sscanf(line, "ACK ckpt step=%ld", &step);
            sscanf(line, "ACK metrics row=%ld", &rows);
        }
        if (lines)
            fclose(lines);
        struct verify_result v;
        int status = record_verify(folder, &v, &e);
        if (status)
            fprintf(stderr, "%s\n", e.message);
        CHECK(status == RN_OK && (v.step >= step || !step) && v.rows >= (uint64_t)rows);
        CHECK(v.rows >= 40 * (uint64_t)step);
        before = v.step > 0 ? v.step : 0;
    }
    CHECK(before > 0);
    free(folder);
}

/* What record_h5.py looks for. */
static int make(const char *folder) {
    struct rn_error e = {0};
    struct record *r;
    int status = record_create(folder, "h5", NULL, "seed: 1\n", NULL, &r, &e);
    char *longer = malloc(50001);
    memset(longer, 'x', 50000);
    longer[50000] = '\0';
    for (int i = 1; !status && i <= 30; i++)
        status = record_scalar(r, "train/loss", i, i / 10.0, 1.0 / i, &e);
    if (!status)
        status = record_scalar(r, "val/accuracy", 30, 3, 0.5, &e);
    for (int k = 0; !status && k < 2; k++) {
        int64_t shape[] = {2, 2};
        int32_t cells[] = {k, 1, 2, 3};
        struct rn_tensor t = {cells, shape, NULL, RN_I32, 2};
        status = record_tensor(r, "val/confusion", 10 * k, k, &t,
                               "counts [truth, guess]", &e);
    }
    if (!status)
        status = record_note(r, "seed", "1", &e);
    if (!status)
        status = record_note(r, "name", "première", &e);
    if (!status)
        status = record_note(r, "resolved", longer, &e);
    struct checkpoint c = sample(30);
    if (!status)
        status = checkpoint_write(r, "step-00000030", &c, true, 2, &e);
    if (!status)
        status = record_publish(r, &e);
    free(longer);
    if (status) {
        fprintf(stderr, "%s\n", e.message);
        return 1;
    }
    puts(record_folder(r));
    record_close(r);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "make") == 0)
        return make(argv[2]);
    const char *temp = getenv("TMPDIR");
    /* In memory: how long a disk takes to sync is not what is asked. */
    if (!temp)
        temp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(top, sizeof top, "%s/runner-record-XXXXXX", temp);
    if (!mkdtemp(top))
        return 1;
    test_folder();
    test_log();
    test_image_of_another();
    test_torn();
    test_checkpoint();
    test_full();
    test_killed();
    char command[512];
    snprintf(command, sizeof command, "rm -rf '%s'", top);
    CHECK(system(command) == 0);
    return check_done();
}
