/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the section `data:`; its schema is core/config's. */
#include <string.h>

#include "data/internal.h"

double data_number(const struct node *map, const char *key, double otherwise) {
    const struct node *n = map ? node_find(map, key) : NULL;
    return n && node_kind(n) == NODE_SCALAR ? node_float(n) : otherwise;
}

const char *data_word(const struct node *map, const char *key, const char *otherwise) {
    const struct node *n = map ? node_find(map, key) : NULL;
    return n && node_kind(n) == NODE_SCALAR ? node_string(n) : otherwise;
}
