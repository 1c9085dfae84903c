/* SPDX-License-Identifier: Apache-2.0 */
/* Monitored metrics: the best value so far, and when two values may be compared. */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "train/monitor.h"

bool monitor_observe(struct monitor *m, double value, int64_t step) {
    double gain = m->better > 0 ? value - m->best : m->best - value;
    if (isnan(value) || !(isnan(m->best) || gain > m->min_delta)) {
        m->bad++;
        return false;
    }
    m->best = value;
    m->best_step = step;
    m->bad = 0;
    return true;
}

void monitor_reset(struct monitor *m, int64_t since) {
    m->best = NAN;
    m->best_step = -1;
    m->since = since;
    m->bad = 0;
}

const char *monitor_definition(struct arena *a, const struct node *root,
                               const char *path) {
    struct text t = {0};
    struct sha256 h;
    uint8_t digest[32];
    char hex[65];
    config_print_node(node_at(root, path), &t);
    sha256_init(&h);
    sha256_add(&h, text_get(&t), t.length);
    sha256_finish(&h, digest);
    sha256_hex(digest, hex);
    text_finish(&t);
    return arena_copy(a, hex);
}
