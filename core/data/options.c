/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the section `data:`, or the defaults of its description. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/internal.h"

/* What is in the file, or the default's text in *text; both NULL: neither. */
static const struct node *value_at(const struct data_options *o, const char *path,
                                   const char **text) {
    char full[64];
    snprintf(full, sizeof full, "data.%s", path);
    bool known = schema_default(o->sections, full, text);
    assert(known);
    (void)known;
    const struct node *n = node_at(o->data, path);
    return n && node_kind(n) == NODE_SCALAR ? n : NULL;
}

double data_number(const struct data_options *o, const char *path) {
    const char *text;
    const struct node *n = value_at(o, path, &text);
    return n ? node_float(n) : text ? strtod(text, NULL) : 0.0;
}

const char *data_word(const struct data_options *o, const char *path) {
    const char *text;
    const struct node *n = value_at(o, path, &text);
    return n ? node_string(n) : text;
}
