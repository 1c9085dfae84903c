/* SPDX-License-Identifier: Apache-2.0 */
/* Regions as CUDA C. The text knows which inputs are broadcast, how many dims remain
 * once neighbours are merged and how what is reduced is laid out, but no sizes: all
 * parameters of an optimizer share a kernel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "region.h"

#define LONG_ROW 2048 /* elements: a block to itself */
#define RESULTS  16   /* of a block otherwise */

static uint32_t strided_inputs(const struct region *r, uint32_t *list) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->input_count; i++)
        if (r->feed[i] == FEED_STRIDED)
            list[n++] = i;
    return n;
}

/* Element i: its registers and the outputs that fill the space. */
static void print_element(const struct region *r, const uint32_t *strided, uint32_t n,
                          struct source_text *t) {
    static const char names[] = "ABC";
    if (n) {
        source_text_add(t, "        uint64_t left = i;\n");
        for (uint32_t k = 0; k < n; k++)
            source_text_add(t, "        int64_t o%u = 0;\n", strided[k]);
        for (uint32_t d = r->rank; d-- > 0;) {
            source_text_add(
                t,
                "        {\n            uint64_t next = left / a.size[%u];\n"
                "            int64_t c = (int64_t)(left - next * "
                "a.size[%u]);\n            left = next;\n",
                d, d);
            for (uint32_t k = 0; k < n; k++)
                source_text_add(t, "            o%u += c * a.stride[%u][%u];\n",
                                strided[k], k, d);
            source_text_add(t, "        }\n");
        }
    }
    for (uint32_t g = 0; g < r->reg_count; g++) {
        int in = r->input[g];
        const char *type = source_type(r->dtype[g]);
        if (in < 0)
            continue;
        source_text_add(t, "        const %s r%u = ((const %s *)a.in[%d])", type, g,
                        type, in);
        if (r->feed[in] == FEED_STRIDED)
            source_text_add(t, "[o%d];\n", in);
        else
            source_text_add(t, r->feed[in] == FEED_ONE ? "[0];\n" : "[i];\n");
    }
    for (uint32_t k = 0; k < r->step_count; k++) {
        const struct step *s = &r->steps[k];
        const char *type = source_type(r->dtype[s->out]);
        source_text_add(t, "        %s r%u;\n        {\n", type, s->out);
        for (uint32_t i = 0; i < s->in_count; i++)
            source_text_add(t, "            const %s %c = r%u;\n",
                            source_type(r->dtype[s->in[i]]), names[i], s->in[i]);
        source_text_add(t, "            r%u = (%s)(%s);\n        }\n", s->out, type,
                        cpu_expressions[s->expression].text);
    }
    for (uint32_t i = 0; i < r->output_count; i++)
        if (!r->ended[i])
            source_text_add(t, "        ((%s *)a.out[%u])[i] = r%u;\n",
                            source_type(r->dtype[r->outputs[i]]), i, r->outputs[i]);
}

/* ------------------------------------------------------- reductions at the end */

static bool is_sum(const struct end *e) {
    return e->kind == ENDING_SUM || e->kind == ENDING_MEAN;
}

static const char *better(const struct end *e) {
    return e->kind == ENDING_MAX ? ">" : "<";
}

static void print_shared(const struct region *r, bool tiles, struct source_text *t) {
    for (uint32_t i = 0; i < r->end_count; i++) {
        source_text_add(t, "    SHARED(float, lane%u, THREADS);\n", i);
        if (!is_sum(&r->ends[i]))
            source_text_add(t, "    SHARED(uint64_t, place%u, THREADS);\n", i);
        if (tiles)
            source_text_add(t, "    SHARED(float, tile%u, FOLD_TILE);\n", i);
    }
}

/* What a thread carries from element to element: from its lane of a block's shared
 * memory at `at`, and back there. */
static void print_begin(uint32_t i, const struct end *e, const char *at,
                        struct source_text *t) {
    if (at)
        source_text_add(t, "            float best%u = lane%u[%s];\n", i, i, at);
    else
        source_text_add(t, "            float best%u = 0;\n", i);
    if (!is_sum(e) && at)
        source_text_add(t, "            uint64_t from%u = place%u[%s];\n", i, i, at);
    else if (!is_sum(e))
        source_text_add(t, "            uint64_t from%u = a.each;\n", i);
}

static void print_add(uint32_t i, const struct end *e, const char *value,
                      struct source_text *t) {
    if (is_sum(e))
        source_text_add(t, "            best%u += %s;\n", i, value);
    else
        source_text_add(t, "            TAKE_BEST(best%u, from%u, %s, t, a.each, %s)\n",
                        i, i, value, better(e));
}

static void print_keep(uint32_t i, const struct end *e, const char *at,
                       struct source_text *t) {
    source_text_add(t, "            lane%u[%s] = best%u;\n", i, at, i);
    if (!is_sum(e))
        source_text_add(t, "            place%u[%s] = from%u;\n", i, at, i);
}

/* Lanes into results: `count` of them from `first` on. */
static void print_results(const struct region *r, const char *count, const char *first,
                          struct source_text *t) {
    for (uint32_t i = 0; i < r->end_count; i++) {
        const struct end *e = &r->ends[i];
        if (is_sum(e))
            source_text_add(t, "        ADD_LANES(lane%u)\n", i);
        else
            source_text_add(t,
                            "        BEST_LANES(float, lane%u, place%u, a.each, %s)\n",
                            i, i, better(e));
    }
    source_text_add(
        t, "        EACH_THREAD {\n            if (TX < %s && %s + TX < a.results) {\n",
        count, first);
    for (uint32_t i = 0; i < r->end_count; i++)
        source_text_add(
            t,
            "                ((float *)a.out[%u])[%s + TX] = lane%u[TX * LANES]%s;\n",
            r->ends[i].output, first, i,
            r->ends[i].kind == ENDING_MEAN ? " / (float)a.each" : "");
    source_text_add(t, "            }\n        }\n        SYNC();\n    }\n");
}

/* A block has sixteen results, a thread is a lane of one. */
static void print_short(const struct region *r, const uint32_t *strided, uint32_t n,
                        struct source_text *t) {
    char value[16];
    print_shared(r, false, t);
    source_text_add(
        t,
        "    for (uint64_t first = BX * PER; first < a.results; first += GRID * PER) "
        "{\n"
        "        EACH_THREAD {\n            const uint32_t k = %s, o = %s;\n",
        r->table.columns ? "TX / PER" : "TX % LANES",
        r->table.columns ? "TX % PER" : "TX / LANES");
    for (uint32_t i = 0; i < r->end_count; i++)
        print_begin(i, &r->ends[i], NULL, t);
    source_text_add(t,
                    "            for (uint64_t t = k; first + o < a.results && t < "
                    "a.each; t += LANES) "
                    "{\n            const uint64_t i = %s;\n",
                    r->table.columns ? "t * a.results + first + o"
                                     : "(first + o) * a.each + t");
    print_element(r, strided, n, t);
    for (uint32_t i = 0; i < r->end_count; i++) {
        snprintf(value, sizeof value, "r%u", r->ends[i].reg);
        print_add(i, &r->ends[i], value, t);
    }
    source_text_add(t, "            }\n");
    for (uint32_t i = 0; i < r->end_count; i++)
        print_keep(i, &r->ends[i], "o * LANES + k", t);
    source_text_add(t, "        }\n        SYNC();\n");
    print_results(r, "PER", "first", t);
}

/* A block has one result: all threads make elements, sixteen take them in order. */
static void print_long(const struct region *r, const uint32_t *strided, uint32_t n,
                       struct source_text *t) {
    print_shared(r, true, t);
    source_text_add(
        t, "    for (uint64_t first = BX; first < a.results; first += GRID) {\n"
           "        EACH_THREAD {\n");
    for (uint32_t i = 0; i < r->end_count; i++) {
        source_text_add(t, "            lane%u[TX] = 0;\n", i);
        if (!is_sum(&r->ends[i]))
            source_text_add(t, "            place%u[TX] = a.each;\n", i);
    }
    source_text_add(
        t, "        }\n        SYNC();\n"
           "        for (uint64_t at = 0; at < a.each; at += FOLD_TILE) {\n"
           "        const uint64_t rest = a.each - at;\n"
           "        const uint64_t have = rest < FOLD_TILE ? rest : FOLD_TILE;\n"
           "        EACH_THREAD {\n"
           "            for (uint64_t j = TX; j < have; j += THREADS) {\n"
           "            const uint64_t i = first * a.each + at + j;\n");
    print_element(r, strided, n, t);
    for (uint32_t i = 0; i < r->end_count; i++)
        source_text_add(t, "            tile%u[j] = r%u;\n", i, r->ends[i].reg);
    source_text_add(t, "            }\n        }\n        SYNC();\n"
                       "        EACH_THREAD {\n");
    for (uint32_t i = 0; i < r->end_count; i++) {
        char value[32];
        snprintf(value, sizeof value, "tile%u[j]", i);
        source_text_add(t,
                        "            if (TX / LANES == %u) {\n"
                        "            const uint32_t k = TX %% LANES;\n",
                        i);
        print_begin(i, &r->ends[i], "k", t);
        source_text_add(t, "            for (uint64_t j = k; j < have; j += LANES) {\n"
                           "            const uint64_t t = at + j;\n"
                           "            (void)t;\n");
        print_add(i, &r->ends[i], value, t);
        source_text_add(t, "            }\n");
        print_keep(i, &r->ends[i], "k", t);
        source_text_add(t, "            }\n");
    }
    source_text_add(t, "        }\n        SYNC();\n        }\n");
    print_results(r, "1", "first", t);
}

static bool is_long(const struct region *r) {
    return !r->table.columns && r->table.each >= LONG_ROW;
}

static void print_body(const struct region *r, const uint32_t *strided, uint32_t n,
                       struct source_text *t) {
    if (r->end_count) {
        (is_long(r) ? print_long : print_short)(r, strided, n, t);
        return;
    }
    source_text_add(t, "    EACH_INDEX(i, a.count) {\n");
    print_element(r, strided, n, t);
    source_text_add(t, "    }\n");
}

static uint64_t hash(const char *p) {
    uint64_t h = 0xcbf29ce484222325u;
    for (; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    return h ^ h >> 32;
}

/* The kernel in the program's text, once; its name. */
static bool print_kernel(struct cuda_setup *s, const struct region *r,
                         const uint32_t *strided, uint32_t n, char name[32]) {
    struct source_text body = {0}, *all = &s->exe->generated;
    source_text_add(&body,
                    "_args {\n    const void *in[%u];\n    void *out[%u];\n"
                    "    uint64_t %s;\n",
                    r->input_count, r->output_count,
                    r->end_count ? "results, each" : "count");
    if (n)
        source_text_add(&body, "    uint64_t size[%u];\n    int64_t stride[%u][%u];\n",
                        r->rank, n, r->rank);
    source_text_add(&body, "};\n");
    size_t split = body.length;
    print_body(r, strided, n, &body);
    if (!body.failed) {
        snprintf(name, 32, "region_%016llx", (unsigned long long)hash(body.data));
        if (!all->data || !strstr(all->data, name)) {
            source_text_add(all, "struct %s%.*s", name, (int)split, body.data);
            source_text_add(all, "KERNEL(%s, %s_args) {\n%s}\n", name, name,
                            body.data + split);
        }
    }
    bool good = !body.failed && !all->failed;
    free(body.data);
    return good;
}

void region_launch(struct cuda_setup *s, const struct region *r) {
    uint32_t strided[2 * PORTS], n = strided_inputs(r, strided);
    uint32_t pointers = r->input_count + r->output_count, at = 0;
    uint64_t args[2 * PORTS + 2 + RN_MAX_RANK + 2 * PORTS * RN_MAX_RANK] = {0};
    char name[32];
    if (!print_kernel(s, r, strided, n, name)) {
        s->exe->failed = true;
        return;
    }
    at = pointers;
    uint64_t results = (uint64_t)r->table.results;
    if (r->end_count) {
        args[at++] = results;
        args[at++] = (uint64_t)r->table.each;
    } else {
        args[at++] = r->count;
    }
    for (uint32_t d = 0; n && d < r->rank; d++)
        args[at++] = (uint64_t)r->size[d];
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t d = 0; d < r->rank; d++)
            args[at++] = (uint64_t)r->stride[strided[k]][d];
    uint64_t work = !r->end_count ? r->count
                    : is_long(r)  ? results
                                  : (results + RESULTS - 1) / RESULTS;
    struct cuda_task *t =
        cuda_launch(s, 0, work, r->end_count > 0, args, at * sizeof *args, "%s", name);
    for (uint32_t i = 0; i < pointers; i++)
        cuda_pointer(s, t, i * sizeof *args,
                     i < r->input_count ? s->in[i].at : s->out[i - r->input_count].at);
}
