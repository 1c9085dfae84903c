/* SPDX-License-Identifier: Apache-2.0 */
/* predict: the outputs of a trained network, a line a sample. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <runner/sdk/field.h>

#include "commands/cli/report.h"
#include "commands/cli/session.h"
#include "commands/verbs/stored_args.h"
#include "commands/verbs/verbs.h"

struct writer {
    FILE *out;
    bool header;
};

static double element(const struct rn_tensor *t, uint64_t i) {
    double value;
    rn_numbers_get(t->data, t->dtype, i, 1, &value);
    return value;
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

static int cannot_write(const char *path, const char *why) {
    fprintf(stderr, "runner predict: error: %s: %s\n", path, why);
    return 7;
}

/* Not truncated yet. NULL after saying why. */
static FILE *open_predictions(const char *path, const char *source) {
    struct stat out, data;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file)
        cannot_write(path, strerror(errno));
    if (!file && fd >= 0)
        close(fd);
    if (!file || !source || fstat(fd, &out) != 0 || stat(source, &data) != 0 ||
        out.st_dev != data.st_dev || out.st_ino != data.st_ino)
        return file;
    cannot_write(path, "--out is the file of --data");
    fclose(file);
    return NULL;
}

int verb_predict(const struct args *a) {
    int code = 0;
    const char *path = args_text(a, FLAG_OUT);
    struct writer w = {stdout, false};
    if (path && !(w.out = open_predictions(path, args_text(a, FLAG_DATA))))
        return 7;
    struct session *s = open_session();
    struct diag *d = diag_create();
    struct stored_options o = stored_args(a, s);
    if (!s)
        code = 4;
    else if (stored_predict(&o, write_batch, &w, d) != RN_OK)
        code = fail_with(d, a);
    if (w.out != stdout && fclose(w.out) != 0 && !code)
        code = cannot_write(path, strerror(errno));
    diag_destroy(d);
    session_destroy(s);
    return code;
}
