/* SPDX-License-Identifier: Apache-2.0 */
/* eval, predict, verify: a finished run put to use. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/commands.h"
#include "evaluate/stored.h"
#include "record/record.h"

static bool want_run(const struct command *c, const struct flags *f) {
    if (f->positional)
        return true;
    fprintf(stderr, "runner %s: error: which run?\n  e.g. %s\n", c->name, c->example);
    return false;
}

static struct stored_options options(const struct flags *f, struct session *s) {
    return (struct stored_options){.session = s,
                                   .folder = f->arg[0],
                                   .checkpoint = f->checkpoint,
                                   .split = f->split ? f->split : "test",
                                   .data = f->data,
                                   .override_count = f->positional - 1,
                                   .overrides = f->arg + 1};
}

static int evaluate(int argc, char **argv) {
    struct flags f;
    int code = flags_parse(&command_eval, argc, argv, "json split= checkpoint=", &f);
    if (code || f.help)
        return code ? code : command_print_help(&command_eval);
    if (!want_run(&command_eval, &f))
        return 2;
    struct session *s = open_session();
    if (!s)
        return 4;
    struct diag *d = diag_create();
    struct arena *a = arena_create();
    struct metric_list all = {0};
    struct stored_options o = options(&f, s);
    if (stored_eval(&o, a, &all, d) != RN_OK) {
        code = fail_with(d, &f);
    } else {
        for (uint32_t i = 0; i < all.count; i++)
            if (f.json) {
                fputs(i ? ", " : "{", stdout);
                json_value(all.at[i].name, all.at[i].value);
            } else
                print_measure(all.at[i].name, all.at[i].value);
        if (f.json)
            puts("}");
    }
    memory_release(all.at);
    arena_destroy(a);
    diag_destroy(d);
    session_destroy(s);
    return code;
}

const struct command command_eval = {
    "eval",
    "eval RUN [key=value ...] [--split test|val|train] [--checkpoint NAME] [--json]",
    "evaluate a trained network on a split",
    "  --split NAME       test (default), val or train\n"
    "  --checkpoint NAME  best (default when there is one), the newest, a name or a "
    "file\n"
    "  --json             for machines\n",
    "runner eval runs/digits/latest --split val",
    evaluate};

/* ----------------------------------------------------------------- predict */

struct writer {
    FILE *out;
    bool header;
};

static double element(const struct rn_tensor *t, uint64_t i) {
    switch (t->dtype) {
    case RN_F32:
        return (double)((const float *)t->data)[i];
    case RN_F64:
        return ((const double *)t->data)[i];
    case RN_I64:
        return (double)((const int64_t *)t->data)[i];
    case RN_I32:
        return ((const int32_t *)t->data)[i];
    case RN_U8:
    case RN_BOOL:
        return ((const uint8_t *)t->data)[i];
    default:
        return 0.0;
    }
}

static uint64_t per_row(const struct rn_tensor *t) {
    uint64_t n = 1;
    for (uint32_t i = 1; i < t->rank; i++)
        n *= (uint64_t)t->shape[i];
    return n;
}

/* CSV: id, then each output's elements in row-major order, then the largest's index. */
static int write_batch(void *context, uint64_t rows, const int64_t *ids, uint32_t n,
                       const char *const *names, const struct rn_tensor *values) {
    struct writer *w = context;
    if (!w->header) {
        /* Now, and no sooner: an error before this line leaves an older file alone. */
        if (w->out != stdout && ftruncate(fileno(w->out), 0) != 0 && errno != EINVAL)
            return -1;
        fputs("id", w->out);
        for (uint32_t k = 0; k < n; k++) {
            uint64_t each = per_row(&values[k]);
            for (uint64_t i = 0; i < each; i++)
                fprintf(w->out, each > 1 ? ",%s.%llu" : ",%s", names[k],
                        (unsigned long long)i);
            if (each > 1)
                fprintf(w->out, ",%s.argmax", names[k]);
        }
        fputc('\n', w->out);
        w->header = true;
    }
    for (uint64_t r = 0; r < rows; r++) {
        fprintf(w->out, "%lld", (long long)ids[r]);
        for (uint32_t k = 0; k < n; k++) {
            uint64_t each = per_row(&values[k]), best = 0;
            for (uint64_t i = 0; i < each; i++) {
                fprintf(w->out, ",%.9g", element(&values[k], r * each + i));
                if (element(&values[k], r * each + i) >
                    element(&values[k], r * each + best))
                    best = i;
            }
            if (each > 1)
                fprintf(w->out, ",%llu", (unsigned long long)best);
        }
        fputc('\n', w->out);
    }
    return ferror(w->out) ? -1 : 0;
}

static FILE *open_predictions(const struct flags *f) {
    struct stat out, data;
    int fd = open(f->out, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file)
        fprintf(stderr, "runner predict: error: %s: %s\n", f->out, strerror(errno));
    if (!file && fd >= 0)
        close(fd);
    if (!file || !f->data || fstat(fd, &out) != 0 || stat(f->data, &data) != 0 ||
        out.st_dev != data.st_dev || out.st_ino != data.st_ino)
        return file;
    fprintf(stderr, "runner predict: error: %s: --out is the file of --data\n", f->out);
    fclose(file);
    return NULL;
}

static int predict(int argc, char **argv) {
    struct flags f;
    int code =
        flags_parse(&command_predict, argc, argv, "json data= checkpoint= out=", &f);
    if (code || f.help)
        return code ? code : command_print_help(&command_predict);
    if (!want_run(&command_predict, &f))
        return 2;
    struct writer w = {stdout, false};
    if (f.out && !(w.out = open_predictions(&f)))
        return 7;
    struct session *s = open_session();
    struct diag *d = diag_create();
    struct stored_options o = options(&f, s);
    if (!s)
        code = 4;
    else if (stored_predict(&o, write_batch, &w, d) != RN_OK)
        code = fail_with(d, &f);
    if (w.out != stdout && fclose(w.out) != 0 && !code) {
        fprintf(stderr, "runner predict: error: %s: %s\n", f.out, strerror(errno));
        code = 7;
    }
    diag_destroy(d);
    session_destroy(s);
    return code;
}

const struct command command_predict = {
    "predict",
    "predict RUN [key=value ...] [--data FILE] [--out FILE.csv] [--checkpoint NAME]",
    "write a network's outputs as CSV, a line a sample",
    "  --data FILE        in place of the source's file; labels may be missing\n"
    "  --out FILE         default: standard output\n"
    "  --checkpoint NAME  best (default when there is one), the newest, a name or a "
    "file\n"
    "  --json             errors as JSON on stdout\n",
    "runner predict runs/digits/latest --out digits.csv",
    predict};

/* ------------------------------------------------------------------ verify */

static int verify(int argc, char **argv) {
    struct flags f;
    struct verify_result r;
    struct rn_error e = {0};
    int code = flags_parse(&command_verify, argc, argv, "json", &f);
    if (code || f.help)
        return code ? code : command_print_help(&command_verify);
    if (!want_run(&command_verify, &f))
        return 2;
    if (record_verify(f.arg[0], &r, &e) != RN_OK) {
        fail_error(&e, &f);
        return 8;
    }
    printf(f.json ? "{\"step\": %lld, \"rows\": %llu, \"sha256\": \"%s\"}\n"
                  : "step=%lld rows=%llu sha256=%s\n",
           (long long)r.step, (unsigned long long)r.rows, r.sha256);
    return 0;
}

const struct command command_verify = {
    "verify",
    "verify RUN [--json]",
    "check the log, run.h5 and every checkpoint of a run",
    "  --json  for machines\n",
    "runner verify runs/digits/latest",
    verify};
