/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the builder, for its extensions that are files of their own. */
#ifndef GRAPH_BUILDER_H
#define GRAPH_BUILDER_H

#include <runner/scan.h>

#include "graph/internal.h"

struct counter { /* random streams made so far in a scope */
    struct counter *next;
    const char *scope;
    uint32_t count;
};

struct builder {
    struct rn_build api; /* first: the plugin's handle */
    struct graph *g;     /* the graph, or the body of a scan in it */
    struct builder_options o;
    const char *outer; /* the graph's scope before */
    const char *scopes[64];
    uint32_t depth;
    struct goutput *outputs;
    uint32_t output_count, output_capacity;
    struct counter *counters;
    struct rn_error e;
    /* With o.rewrite: what stands for each value that was rewritten, by its id. */
    rn_value *stands_for;
    uint32_t stands_for_count;
    uint32_t first_node; /* of this builder */
};

/* The first error stays, with component and layer. */
void builder_stick(struct builder *b, const struct rn_error *e);
/* What is built from now on goes into the body; the graph before. */
struct graph *builder_enter(struct builder *b, struct graph *body);
void builder_leave(struct builder *b, struct graph *outer);

/* What is read where the component reads v. */
rn_value builder_current(const struct builder *b, rn_value v);

extern const struct rn_scan_api builder_scan_api; /* builder_scan.c */

#endif
