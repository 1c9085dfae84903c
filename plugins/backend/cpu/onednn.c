/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products and convolutions by oneDNN 2.x: primitives and reorders are made at
 * compile, their scratch lies in the node's workspace, values are dense NCHW outside.
 * The library's reference code ("ref" in a kernel's name) is never accepted: then our
 * own takes the node. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dnnl.h>

#include "tune.h"

struct cpu_onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
};

static int32_t failed(struct rn_error *e, dnnl_status_t status, const char *what) {
    char text[96];
    snprintf(text, sizeof text, "oneDNN: %s failed with status %d", what, (int)status);
    return rn_fail(e, status == dnnl_out_of_memory ? RN_E_MEMORY : RN_E_INTERNAL, text,
                   NULL, NULL);
}

int32_t cpu_onednn_create(struct cpu_onednn **out, struct rn_error *e) {
    struct cpu_onednn *d = calloc(1, sizeof *d);
    dnnl_status_t status = dnnl_out_of_memory;
    *out = NULL;
    if (d)
        status = dnnl_engine_create(&d->engine, dnnl_cpu, 0);
    if (status == dnnl_success)
        status = dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags);
    if (status != dnnl_success) {
        cpu_onednn_destroy(d);
        return failed(e, status, "its start");
    }
    *out = d;
    return RN_OK;
}

void cpu_onednn_destroy(struct cpu_onednn *d) {
    if (!d)
        return;
    if (d->stream)
        dnnl_stream_destroy(d->stream);
    if (d->engine)
        dnnl_engine_destroy(d->engine);
    free(d);
}

/* ------------------------------------------------------------------- calls */

struct bound { /* a memory object and where its bytes are */
    dnnl_memory_t memory;
    char where;     /* i: input, o: output, w: workspace */
    uint32_t index; /* of the input or output */
    uint64_t offset;
};

struct library_call {
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[8];
    int arg_count;
};

#define MOST 16

struct state {
    dnnl_stream_t stream;
    struct library_call calls[5]; /* reorders, the kernel, a reorder */
    int call_count;
    struct bound bound[MOST];
    int bound_count;
    dnnl_primitive_attr_t attr;
    uint64_t workspace, scratchpad;
    char name[64];
};

static void state_free(void *p) {
    struct state *s = p;
    if (!s)
        return;
    for (int i = 0; i < s->call_count; i++) {
        if (s->calls[i].primitive)
            dnnl_primitive_destroy(s->calls[i].primitive);
        if (s->calls[i].desc)
            dnnl_primitive_desc_destroy(s->calls[i].desc);
    }
    for (int i = 0; i < s->bound_count; i++)
        dnnl_memory_destroy(s->bound[i].memory);
    if (s->attr)
        dnnl_primitive_attr_destroy(s->attr);
    free(s);
}

static int32_t run(const struct cpu_call *c, struct rn_error *e) {
    const struct state *s = c->state;
    for (int i = 0; i < s->bound_count; i++) {
        const struct bound *b = &s->bound[i];
        void *data = b->where == 'i'   ? c->k.in[b->index].data
                     : b->where == 'o' ? c->k.out[b->index].data
                                       : c->workspace + b->offset;
        dnnl_memory_set_data_handle(b->memory, data);
    }
    for (int i = 0; i < s->call_count; i++) {
        dnnl_status_t status = dnnl_primitive_execute(
            s->calls[i].primitive, s->stream, s->calls[i].arg_count, s->calls[i].args);
        if (status != dnnl_success)
            return failed(e, status, s->name);
    }
    return RN_OK;
}

static dnnl_status_t bind(struct state *s, dnnl_engine_t engine,
                          const dnnl_memory_desc_t *md, char where, uint32_t index,
                          uint64_t offset, dnnl_memory_t *out) {
    struct bound *b = &s->bound[s->bound_count];
    dnnl_status_t status = dnnl_memory_create(&b->memory, md, engine, DNNL_MEMORY_NONE);
    if (status != dnnl_success)
        return status;
    b->where = where;
    b->index = index;
    b->offset = offset;
    s->bound_count++;
    *out = b->memory;
    return dnnl_success;
}

static void arg(struct library_call *c, int id, dnnl_memory_t memory) {
    c->args[c->arg_count].arg = id;
    c->args[c->arg_count++].memory = memory;
}

static void need_scratchpad(struct state *s, const_dnnl_primitive_desc_t desc) {
    const dnnl_memory_desc_t *md =
        dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    uint64_t bytes = md ? dnnl_memory_desc_get_size(md) : 0;
    if (bytes > s->scratchpad)
        s->scratchpad = bytes;
}

struct operand {
    int id; /* DNNL_ARG_* */
    char where;
    uint32_t index;
    dnnl_memory_desc_t plain;
    dnnl_query_t query; /* what the kernel wants it to be */
    int query_index;
};

/* Turns a kernel's descriptor and its operands into calls. Takes over `desc`. */
static dnnl_status_t assemble(struct state *s, dnnl_engine_t engine,
                              dnnl_primitive_desc_t desc, uint32_t n,
                              const struct operand *operands, bool building) {
    struct library_call kernel = {.desc = desc}, after = {0};
    dnnl_status_t status = dnnl_success;
    const char *name = "";
    dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, (void *)&name);
    snprintf(s->name, sizeof s->name, "onednn %.50s", name);
    need_scratchpad(s, desc);
    for (uint32_t i = 0; i < n && status == dnnl_success; i++) {
        const struct operand *o = &operands[i];
        const dnnl_memory_desc_t *want =
            dnnl_primitive_desc_query_md(desc, o->query, o->query_index);
        dnnl_memory_t user = NULL, inner = NULL;
        status = bind(s, engine, &o->plain, o->where, o->index, 0, &user);
        if (status != dnnl_success)
            break;
        if (dnnl_memory_desc_equal(want, &o->plain)) {
            arg(&kernel, o->id, user);
            continue;
        }
        status = bind(s, engine, want, 'w', 0, s->workspace, &inner);
        if (status != dnnl_success)
            break;
        s->workspace += cpu_align(dnnl_memory_desc_get_size(want));
        arg(&kernel, o->id, inner);
        struct library_call move = {0};
        bool out = o->where == 'o';
        status = dnnl_reorder_primitive_desc_create(&move.desc, out ? want : &o->plain,
                                                    engine, out ? &o->plain : want,
                                                    engine, s->attr);
        if (status != dnnl_success)
            break;
        need_scratchpad(s, move.desc);
        arg(&move, DNNL_ARG_FROM, out ? inner : user);
        arg(&move, DNNL_ARG_TO, out ? user : inner);
        if (out)
            after = move;
        else
            s->calls[s->call_count++] = move;
    }
    s->calls[s->call_count++] = kernel;
    if (after.desc)
        s->calls[s->call_count++] = after;
    for (int i = 0; i < s->call_count && status == dnnl_success; i++) {
        struct library_call *c = &s->calls[i];
        const dnnl_memory_desc_t *md =
            dnnl_primitive_desc_query_md(c->desc, dnnl_query_scratchpad_md, 0);
        if (md && dnnl_memory_desc_get_size(md)) {
            dnnl_memory_t pad;
            status = bind(s, engine, md, 'w', 0, s->workspace, &pad);
            if (status == dnnl_success)
                arg(c, DNNL_ARG_SCRATCHPAD, pad);
        }
        if (status == dnnl_success && building)
            status = dnnl_primitive_create(&c->primitive, c->desc);
    }
    s->workspace += cpu_align(s->scratchpad);
    return status;
}

/* f32, or bf16 where the processor multiplies it: elsewhere such a product is
 * decomposed, which is faster than the library's emulation. */
static bool types_fit(const struct cpu_setup *s) {
    bool fit = s->n_in >= 2 && s->in[0].dtype == s->in[1].dtype;
    for (uint32_t i = 0; i < s->n_in + 1; i++) {
        rn_dtype t = i < s->n_in ? s->in[i].dtype : s->out[0].dtype;
        fit &= t == RN_F32 || (t == RN_BF16 && cpu_bf16(s->engine));
    }
    return fit;
}

static dnnl_data_type_t library_type(const struct kernel_tensor *x) {
    return x->dtype == RN_BF16 ? dnnl_bf16 : dnnl_f32;
}

/* ---------------------------------------------------------- matrix product */

/* [..., rows, columns] of tensor x as rank-n operand, last two dims swapped if t. */
static dnnl_status_t matrix(dnnl_memory_desc_t *md, const struct kernel_tensor *x,
                            uint32_t rank, bool t) {
    dnnl_dims_t dims, strides;
    int64_t step = 1;
    for (uint32_t i = 0; i < rank; i++) {
        uint32_t at = rank - 1 - i;
        dims[at] = i < x->rank ? x->shape[x->rank - 1 - i] : 1;
        strides[at] = step;
        step *= dims[at];
    }
    if (t) {
        dnnl_dim_t d = dims[rank - 1], s = strides[rank - 1];
        dims[rank - 1] = dims[rank - 2], dims[rank - 2] = d;
        strides[rank - 1] = strides[rank - 2], strides[rank - 2] = s;
    }
    return dnnl_memory_desc_init_by_strides(md, (int)rank, dims, library_type(x),
                                            strides);
}

static dnnl_status_t product(const struct cpu_setup *s, struct state *st, bool linear,
                             char choice, dnnl_engine_t engine) {
    const struct kernel_tensor *a = &s->in[0], *b = &s->in[1], *o = &s->out[0];
    int64_t flat_in[2], flat_out[2], bias_shape[2] = {1, 0};
    struct kernel_tensor x = *a, y = *o, bias = {0};
    bool has_bias = linear && s->n_in > 2;
    struct operand op[4];
    dnnl_matmul_desc_t d;
    dnnl_primitive_desc_t pd;
    if (linear) { /* rows by features */
        int64_t features = o->shape[o->rank - 1];
        flat_in[1] = a->shape[a->rank - 1];
        flat_out[1] = features;
        flat_in[0] = flat_out[0] = (int64_t)o->count / features;
        x.rank = y.rank = 2;
        x.shape = flat_in;
        y.shape = flat_out;
        bias_shape[1] = features;
        bias.rank = 2;
        bias.shape = bias_shape;
        bias.dtype = has_bias ? s->in[2].dtype : RN_F32;
    }
    bool ta = !linear && cpu_int(s->node, "trans_a", 0);
    bool tb = linear || cpu_int(s->node, "trans_b", 0);
    op[0] = (struct operand){
        .id = DNNL_ARG_SRC, .where = 'i', .index = 0, .query = dnnl_query_src_md};
    op[1] = (struct operand){.id = DNNL_ARG_WEIGHTS,
                             .where = 'i',
                             .index = 1,
                             .query = dnnl_query_weights_md};
    op[2] = (struct operand){
        .id = DNNL_ARG_DST, .where = 'o', .index = 0, .query = dnnl_query_dst_md};
    op[3] = (struct operand){.id = DNNL_ARG_BIAS,
                             .where = 'i',
                             .index = 2,
                             .query = dnnl_query_weights_md,
                             .query_index = 1};
    dnnl_status_t status = matrix(&op[0].plain, &x, y.rank, ta);
    if (status == dnnl_success)
        status = matrix(&op[1].plain, b, y.rank, tb);
    if (status == dnnl_success)
        status = matrix(&op[2].plain, &y, y.rank, false);
    dnnl_memory_desc_t weights = op[1].plain;
    if (status == dnnl_success && choice == 'p')
        status = dnnl_memory_desc_init_by_tag(&weights, weights.ndims, weights.dims,
                                              library_type(b), dnnl_format_tag_any);
    if (status == dnnl_success && has_bias)
        status = matrix(&op[3].plain, &bias, 2, false);
    if (status == dnnl_success)
        status = dnnl_matmul_desc_init(&d, &op[0].plain, &weights,
                                       has_bias ? &op[3].plain : NULL, &op[2].plain);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&pd, &d, st->attr, engine, NULL);
    return status == dnnl_success
               ? assemble(st, engine, pd, has_bias ? 4 : 3, op, s->building)
               : status;
}

/* ------------------------------------------------------------- convolution */

/* All channels in one block of eight or sixteen: [N,H,W,C] and blocks are the same. */
static bool is_both(const struct kernel_tensor *x) {
    return x->rank == 5 && x->shape[1] == 1 && (x->shape[4] == 16 || x->shape[4] == 8);
}

/* Images as they lie, and as the kernel may have them: blocked ones as they lie (the
 * planner chose), [N,C,H,W] in whatever form it likes. last: what is both is called
 * [N,H,W,C]. The library has other kernels for either name: matrix units read the
 * latter, few channels into 16 of bf16 only write the former. */
static dnnl_status_t image(dnnl_memory_desc_t *plain, dnnl_memory_desc_t *any,
                           const struct kernel_tensor *x, bool last) {
    dnnl_dims_t dims;
    dnnl_format_tag_t tag = dnnl_nchw;
    memcpy(dims, x->shape, 4 * sizeof dims[0]);
    if (x->rank == 5) {
        int64_t block = x->shape[4];
        dims[1] *= block;
        tag = block == 16 ? dnnl_nChw16c : block == 8 ? dnnl_nChw8c : dnnl_nhwc;
        tag = last && is_both(x) ? dnnl_nhwc : tag;
        if (tag == dnnl_nhwc && x->shape[1] != 1)
            return dnnl_unimplemented;
    }
    dnnl_data_type_t t = library_type(x);
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(plain, 4, dims, t, tag);
    return status == dnnl_success
               ? dnnl_memory_desc_init_by_tag(any, 4, dims, t,
                                              x->rank == 5 ? tag : dnnl_format_tag_any)
               : status;
}

static dnnl_status_t filter(dnnl_memory_desc_t *plain, dnnl_memory_desc_t *any,
                            const struct kernel_tensor *w, int64_t groups) {
    dnnl_dims_t dims = {groups, w->shape[0] / groups, w->shape[1], w->shape[2],
                        w->shape[3]};
    if (groups == 1)
        memcpy(dims, w->shape, 4 * sizeof dims[0]);
    int rank = groups == 1 ? 4 : 5;
    dnnl_data_type_t t = library_type(w);
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(
        plain, rank, dims, t, groups == 1 ? dnnl_oihw : dnnl_goihw);
    return status == dnnl_success
               ? dnnl_memory_desc_init_by_tag(any, rank, dims, t, dnnl_format_tag_any)
               : status;
}

/* Winograd (`auto`) pays for 3x3 windows between many channels only. */
static dnnl_alg_kind_t algorithm(const struct kernel_tensor *w, const int64_t *stride,
                                 const int64_t *dilation, int64_t groups) {
    bool wide =
        w->dtype == RN_F32 && w->shape[0] >= 32 && w->shape[1] >= 32 && groups == 1;
    bool three = w->shape[2] == 3 && w->shape[3] == 3;
    bool plain =
        stride[0] == 1 && stride[1] == 1 && dilation[0] == 1 && dilation[1] == 1;
    return wide && three && plain ? dnnl_convolution_auto : dnnl_convolution_direct;
}

/* what: 0 forward, 1 gradient of the input, 2 of the weight */
static dnnl_status_t convolution(const struct cpu_setup *s, struct state *st, int what,
                                 char choice, dnnl_engine_t engine) {
    const struct kernel_tensor *x = what == 1 ? &s->out[0] : &s->in[0];
    const struct kernel_tensor *w = what == 0   ? &s->in[1]
                                    : what == 1 ? &s->in[0]
                                                : &s->out[0];
    const struct kernel_tensor *y = what == 0 ? &s->out[0] : &s->in[1];
    const int64_t *stride = rn_node_attr(s->node, "stride")->p;
    const int64_t *pad = rn_node_attr(s->node, "pad")->p;
    const int64_t *dilation = rn_node_attr(s->node, "dilation")->p;
    int64_t groups = cpu_int(s->node, "groups", 1);
    dnnl_dims_t strides = {stride[0], stride[1]}, low = {pad[0], pad[1]};
    dnnl_dims_t dilates = {dilation[0] - 1, dilation[1] - 1};
    dnnl_dims_t high = {pad[2], pad[3]};
    dnnl_memory_desc_t xp, xa, wp, wa, yp, ya, bias = {0};
    dnnl_alg_kind_t alg = cpu_strict(s->engine) || choice == 'd' || choice == 'o'
                              ? dnnl_convolution_direct
                          : choice == 'w' ? dnnl_convolution_auto
                                          : algorithm(w, stride, dilation, groups);
    bool has_bias = what == 0 && s->n_in > 2;
    /* Winograd of bf16 is that of f32: operands become it on their way, and back. */
    bool widens = choice == 'w' && s->in[0].dtype == RN_BF16;
    dnnl_convolution_desc_t d;
    dnnl_primitive_desc_t forward = NULL, pd = NULL;
    bool last = (s->in[0].dtype == RN_BF16 && !widens) != (choice == 'o');
    dnnl_status_t status = image(&xp, &xa, x, last);
    if (status == dnnl_success)
        status = image(&yp, &ya, y, last);
    if (status == dnnl_success)
        status = filter(&wp, &wa, w, groups);
    if (status == dnnl_success && has_bias) {
        dnnl_dims_t n = {w->shape[0]};
        status =
            dnnl_memory_desc_init_by_tag(&bias, 1, n, library_type(&s->in[2]), dnnl_x);
    }
    dnnl_memory_desc_t added = bias;
    if (widens)
        xa.data_type = wa.data_type = ya.data_type = added.data_type = dnnl_f32;
    /* What hints at a gradient is the convolution with all its types the operands'. */
    dnnl_memory_desc_t hx = xa, hw = wa, hy = ya;
    if (what)
        hx.data_type = hw.data_type = hy.data_type =
            widens ? dnnl_f32 : library_type(&s->in[0]);
    if (status == dnnl_success)
        status = dnnl_dilated_convolution_forward_desc_init(
            &d, dnnl_forward_training, alg, &hx, &hw, has_bias ? &added : NULL, &hy,
            strides, dilates, low, high);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&forward, &d, st->attr, engine, NULL);
    if (status != dnnl_success)
        return status;
    if (what == 0) {
        struct operand op[4] = {
            {DNNL_ARG_SRC, 'i', 0, xp, dnnl_query_src_md, 0},
            {DNNL_ARG_WEIGHTS, 'i', 1, wp, dnnl_query_weights_md, 0},
            {DNNL_ARG_DST, 'o', 0, yp, dnnl_query_dst_md, 0},
            {DNNL_ARG_BIAS, 'i', 2, has_bias ? bias : xp, dnnl_query_weights_md, 1}};
        return assemble(st, engine, forward, has_bias ? 4 : 3, op, s->building);
    }
    if (what == 1)
        status = dnnl_dilated_convolution_backward_data_desc_init(
            &d, alg, &xa, &wa, &ya, strides, dilates, low, high);
    else
        status = dnnl_dilated_convolution_backward_weights_desc_init(
            &d, alg, &xa, &wa, NULL, &ya, strides, dilates, low, high);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&pd, &d, st->attr, engine, forward);
    dnnl_primitive_desc_destroy(forward);
    if (status != dnnl_success)
        return status;
    struct operand to_input[3] = {
        {DNNL_ARG_WEIGHTS, 'i', 0, wp, dnnl_query_weights_md, 0},
        {DNNL_ARG_DIFF_DST, 'i', 1, yp, dnnl_query_diff_dst_md, 0},
        {DNNL_ARG_DIFF_SRC, 'o', 0, xp, dnnl_query_diff_src_md, 0}};
    struct operand to_weight[3] = {
        {DNNL_ARG_SRC, 'i', 0, xp, dnnl_query_src_md, 0},
        {DNNL_ARG_DIFF_DST, 'i', 1, yp, dnnl_query_diff_dst_md, 0},
        {DNNL_ARG_DIFF_WEIGHTS, 'o', 0, wp, dnnl_query_diff_weights_md, 0}};
    return assemble(st, engine, pd, 3, what == 1 ? to_input : to_weight, s->building);
}

/* Node s by the kernel of that letter; *out NULL: nothing that the library does well.
 */
static int32_t attempt(const struct cpu_setup *s, int which, char choice,
                       struct state **out, struct rn_error *e) {
    struct cpu_onednn *d = cpu_onednn_of(s->engine);
    struct state *st = calloc(1, sizeof *st);
    *out = NULL;
    if (!st)
        return rn_fail(e, RN_E_MEMORY, "no memory for a product", NULL, NULL);
    st->stream = d->stream;
    dnnl_status_t status = dnnl_primitive_attr_create(&st->attr);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(st->attr,
                                                         dnnl_scratchpad_mode_user);
    if (status == dnnl_success)
        status = which < 3 ? convolution(s, st, which, choice, d->engine)
                           : product(s, st, which == 4, choice, d->engine);
    if (status == dnnl_success && !strstr(st->name, "ref")) {
        *out = st;
        return RN_OK;
    }
    state_free(st);
    return status == dnnl_out_of_memory ? failed(e, status, s->node->op) : RN_OK;
}

int32_t cpu_onednn_room(struct cpu_setup *s, struct rn_error *e) {
    static const char *const names[] = {"conv2d", "conv2d_grad_input",
                                        "conv2d_grad_weight", "matmul", "linear"};
    int which = 0;
    while (which < 5 && strcmp(names[which], s->node->op) != 0)
        which++;
    if (!cpu_onednn_of(s->engine) || which == 5 || !types_fit(s))
        return 0;
    for (uint32_t i = 0; i < s->n_in; i++)
        if (s->in[i].count == 0) /* an empty sum: ours knows */
            return 0;
    char choice =
        s->choice ? s->choice
                  : cpu_tuner_choice(cpu_tuner(s->engine), s, cpu_onednn_choices(s));
    struct state *st;
    int32_t status = attempt(s, which, choice, &st, e);
    if (status == RN_OK && !st && !choice && which < 3 && s->in[0].dtype == RN_BF16)
        status = attempt(s, which, 'o', &st, e);
    if (status != RN_OK || !st)
        return status;
    s->state = st;
    s->finish = state_free;
    s->run = run;
    s->workspace = st->workspace;
    s->kernel = st->name;
    return 1;
}

/* Multiply-adds below which the time of a product by itself says little: what counts is
 * in which core's cache its operands are. Measured: kernels that were a fifth faster
 * made the steps of tabular with batches of 32 no shorter. */
#define SMALL 4e6

/* A product of two matrices. */
static const char *product_choices(const struct cpu_setup *s) {
    const struct kernel_tensor *a = &s->in[0], *b = &s->in[1], *o = &s->out[0];
    bool linear = strcmp(s->node->op, "linear") == 0;
    if (!types_fit(s) || o->rank < 2 || b->rank != 2 ||
        (!linear && (o->rank != 2 || a->rank != 2)))
        return NULL;
    bool ta = !linear && cpu_int(s->node, "trans_a", 0);
    int64_t k = a->shape[a->rank - (ta ? 2 : 1)];
    return (double)o->count * (double)k < SMALL ? NULL : "mp";
}

/* [N,H,W,C] and nothing else. */
static bool is_last(const struct kernel_tensor *x) {
    return x->rank == 5 && x->shape[1] == 1 && !is_both(x);
}

/* Channels below which Winograd took six times as long; and those of bf16 that direct
 * kernels, at twice the rate of f32, never lost with. */
#define FEW    16
#define FEW_16 128

/* Winograd is for 3x3 windows at every pixel, and not for [N,H,W,C]. */
static const char *convolution_choices(const struct cpu_setup *s) {
    const struct kernel_tensor *w = strcmp(s->node->op, "conv2d") == 0 ? &s->in[1]
                                    : strcmp(s->node->op, "conv2d_grad_input") == 0
                                        ? &s->in[0]
                                        : &s->out[0];
    const int64_t *stride = rn_node_attr(s->node, "stride")->p;
    const int64_t *dilation = rn_node_attr(s->node, "dilation")->p;
    bool bf16 = s->in[0].dtype == RN_BF16;
    int64_t few = bf16 ? FEW_16 : FEW;
    bool may = (bf16 || s->in[0].dtype == RN_F32) && w->shape[2] == 3 &&
               w->shape[3] == 3 && stride[0] == 1 && stride[1] == 1 &&
               dilation[0] == 1 && dilation[1] == 1 && w->shape[0] >= few &&
               w->shape[1] >= few && cpu_int(s->node, "groups", 1) == 1 &&
               !cpu_strict(s->engine);
    for (uint32_t i = 0; i < s->n_in + 1; i++)
        may &= !is_last(i < s->n_in ? &s->in[i] : &s->out[0]);
    bool other = false; /* of f32 it made steps no shorter */
    for (uint32_t i = 0; s->in[0].dtype == RN_BF16 && i < s->n_in + 1; i++)
        other |= is_both(i < s->n_in ? &s->in[i] : &s->out[0]);
    return may ? "dw" : other ? "do" : "d";
}

const char *cpu_onednn_choices(const struct cpu_setup *s) {
    if (strncmp(s->node->op, "conv2d", 6) == 0)
        return convolution_choices(s);
    if (strcmp(s->node->op, "matmul") == 0 || strcmp(s->node->op, "linear") == 0)
        return product_choices(s);
    return NULL;
}
