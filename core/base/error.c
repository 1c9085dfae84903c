/* SPDX-License-Identifier: Apache-2.0 */
/* Filling, placing and extending struct rn_error; the nearest word. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

int error_set(struct rn_error *e, int status, const char *format, ...) {
    if (!e)
        return status;
    va_list ap;
    va_start(ap, format);
    error_clear(e);
    e->status = status;
    vsnprintf(e->message, sizeof e->message, format, ap);
    va_end(ap);
    return status;
}

int error_hint(struct rn_error *e, const char *format, ...) {
    if (!e)
        return 0;
    va_list ap;
    va_start(ap, format);
    vsnprintf(e->hint, sizeof e->hint, format, ap);
    va_end(ap);
    return e->status;
}

int error_where(struct rn_error *e, const char *where, unsigned line, unsigned column) {
    if (!e)
        return 0;
    snprintf(e->where, sizeof e->where, "%s", where ? where : "");
    e->line = line;
    e->column = column;
    return e->status;
}

int error_context(struct rn_error *e, const char *format, ...) {
    if (!e)
        return 0;
    char old[sizeof e->message];
    memcpy(old, e->message, sizeof old);
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(e->message, sizeof e->message, format, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof e->message)
        snprintf(e->message + n, sizeof e->message - (size_t)n, ": %s", old);
    return e->status;
}

void error_clear(struct rn_error *e) {
    if (e)
        memset(e, 0, sizeof *e);
}

/* Levenshtein distance with transposition of neighbours, for words up to 63 letters. */
static size_t distance(const char *a, size_t n, const char *b, size_t m) {
    size_t row[3][64];
    for (size_t j = 0; j <= m; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t cost = a[i - 1] != b[j - 1];
            size_t best = up[j - 1] + cost;
            if (up[j] + 1 < best)
                best = up[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                up2[j - 2] + 1 < best)
                best = up2[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[n % 3][m];
}

const char *error_nearest(const char *word, const char *const *candidates, size_t n) {
    const char *best = NULL;
    size_t len = strlen(word), best_d = 1 + len / 3 + 1;
    if (len > 63)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t m = strlen(candidates[i]);
        if (m > 63)
            continue;
        size_t d = distance(word, len, candidates[i], m);
        if (d < best_d) {
            best_d = d;
            best = candidates[i];
        }
    }
    return best;
}
