/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products and convolutions by oneDNN: primitives and reorders are made at
 * compile, their scratchpads are in the node's workspace, values are dense NCHW
 * outside. Some of the library's kernels are never accepted: then the built-in
 * products take the node. What depends on the library's major version
 * is in onednn2.c and onednn3.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__aarch64__)
#include <sys/prctl.h>
#endif

#include "onednn.h"
#include "tune.h"

struct cpu_onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    bool winograd; /* the library has it for this processor */
};

static int32_t failed(struct rn_error *e, dnnl_status_t status, const char *what) {
    char text[96];
    snprintf(text, sizeof text, "oneDNN: %s failed with status %d", what, (int)status);
    return rn_fail(e, status == dnnl_out_of_memory ? RN_E_MEMORY : RN_E_INTERNAL, text,
                   NULL, NULL);
}

/* 3x3 windows between 64 channels: if these have no Winograd kernel, none has. */
static bool has_winograd(dnnl_engine_t engine) {
    struct onednn_tensor image = {.rank = 4,
                                  .type = dnnl_f32,
                                  .tag = dnnl_format_tag_any,
                                  .dims = {16, 64, 32, 32}};
    struct onednn_tensor window = {.rank = 4,
                                   .type = dnnl_f32,
                                   .tag = dnnl_format_tag_any,
                                   .dims = {64, 64, 3, 3}};
    struct onednn_convolution c = {.algorithm = dnnl_convolution_winograd,
                                   .x = image,
                                   .w = window,
                                   .y = image,
                                   .stride = {1, 1},
                                   .low = {1, 1},
                                   .high = {1, 1}};
    dnnl_primitive_desc_t found;
    if (onednn_convolution_create(&found, &c, NULL, NULL, engine) != dnnl_success)
        return false;
    dnnl_primitive_desc_destroy(found);
    return true;
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
    d->winograd = has_winograd(d->engine);
    *out = d;
    return RN_OK;
}

void cpu_onednn_version(char *out, size_t size) {
    const dnnl_version_t *v = dnnl_version();
    snprintf(out, size, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
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

static dnnl_status_t bind(struct state *s, dnnl_engine_t engine, onednn_layout md,
                          char where, uint32_t index, uint64_t offset,
                          dnnl_memory_t *out) {
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

static uint64_t scratchpad_bytes(const_dnnl_primitive_desc_t desc) {
    onednn_layout md = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    return md ? dnnl_memory_desc_get_size(md) : 0;
}

struct operand {
    int id; /* DNNL_ARG_* */
    char where;
    uint32_t index;
    struct onednn_tensor plain;
    dnnl_query_t query; /* how the kernel expects it */
    int query_index;
};

/* Adds a call; takes over `desc`. */
static struct library_call *add_call(struct state *s, dnnl_primitive_desc_t desc) {
    struct library_call *c = &s->calls[s->call_count++];
    c->desc = desc;
    return c;
}

/* Binds operand o for the kernel, and adds a reorder where the kernel expects another
 * layout. *out: what the kernel reads or writes; *after: what has to be reordered when
 * it has run. */
struct moved {
    dnnl_memory_t from, to;
    dnnl_primitive_desc_t desc; /* NULL: nothing to do */
};
static dnnl_status_t bind_operand(struct state *s, dnnl_engine_t engine,
                                  const struct operand *o, onednn_layout plain,
                                  onednn_layout want, dnnl_memory_t *out,
                                  struct moved *after) {
    bool written = o->where == 'o';
    struct moved move = {0};
    dnnl_memory_t user, inner;
    dnnl_status_t status = bind(s, engine, plain, o->where, o->index, 0, &user);
    if (status != dnnl_success)
        return status;
    *out = user;
    if (dnnl_memory_desc_equal(want, plain))
        return dnnl_success;
    status = bind(s, engine, want, 'w', 0, s->workspace, &inner);
    if (status != dnnl_success)
        return status;
    *out = inner;
    s->workspace += cpu_align(dnnl_memory_desc_get_size(want));
    status =
        dnnl_reorder_primitive_desc_create(&move.desc, written ? want : plain, engine,
                                           written ? plain : want, engine, s->attr);
    if (status != dnnl_success)
        return status;
    move.from = written ? inner : user;
    move.to = written ? user : inner;
    if (written) {
        *after = move;
        return dnnl_success;
    }
    struct library_call *c = add_call(s, move.desc);
    arg(c, DNNL_ARG_FROM, move.from);
    arg(c, DNNL_ARG_TO, move.to);
    return dnnl_success;
}

/* One scratchpad for all calls, behind everything else in the workspace. */
static dnnl_status_t finish_calls(struct state *s, dnnl_engine_t engine,
                                  bool building) {
    dnnl_status_t status = dnnl_success;
    uint64_t largest = 0;
    for (int i = 0; i < s->call_count && status == dnnl_success; i++) {
        struct library_call *c = &s->calls[i];
        uint64_t bytes = scratchpad_bytes(c->desc);
        largest = bytes > largest ? bytes : largest;
        if (bytes) {
            dnnl_memory_t pad;
            status =
                bind(s, engine,
                     dnnl_primitive_desc_query_md(c->desc, dnnl_query_scratchpad_md, 0),
                     'w', 0, s->workspace, &pad);
            if (status == dnnl_success)
                arg(c, DNNL_ARG_SCRATCHPAD, pad);
        }
        if (status == dnnl_success && building)
            status = dnnl_primitive_create(&c->primitive, c->desc);
    }
    s->workspace += cpu_align(largest);
    return status;
}

/* Turns a kernel's descriptor and its operands into calls. Takes over `desc`. */
static dnnl_status_t assemble(struct state *s, dnnl_engine_t engine,
                              dnnl_primitive_desc_t desc, uint32_t n,
                              const struct operand *operands, bool building) {
    struct moved after = {0};
    dnnl_memory_t memories[4];
    dnnl_status_t status = dnnl_success;
    const char *name = "";
    dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, (void *)&name);
    snprintf(s->name, sizeof s->name, "onednn %.50s", name);
    for (uint32_t i = 0; i < n && status == dnnl_success; i++) {
        const struct operand *o = &operands[i];
        onednn_layout plain;
        status = onednn_layout_create(&plain, &o->plain);
        if (status == dnnl_success)
            status = bind_operand(
                s, engine, o, plain,
                dnnl_primitive_desc_query_md(desc, o->query, o->query_index),
                &memories[i], &after);
        onednn_layout_destroy(plain);
    }
    struct library_call *kernel = add_call(s, desc);
    for (uint32_t i = 0; i < n && status == dnnl_success; i++)
        arg(kernel, operands[i].id, memories[i]);
    if (after.desc) {
        struct library_call *c = add_call(s, after.desc);
        arg(c, DNNL_ARG_FROM, after.from);
        arg(c, DNNL_ARG_TO, after.to);
    }
    return status == dnnl_success ? finish_calls(s, engine, building) : status;
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
static struct onednn_tensor matrix(const struct kernel_tensor *x, uint32_t rank,
                                   bool t) {
    struct onednn_tensor m = {
        .rank = (int)rank, .type = library_type(x), .tag = dnnl_format_tag_undef};
    int64_t step = 1;
    for (uint32_t i = 0; i < rank; i++) {
        uint32_t at = rank - 1 - i;
        m.dims[at] = i < x->rank ? x->shape[x->rank - 1 - i] : 1;
        m.strides[at] = step;
        step *= m.dims[at];
    }
    if (t) {
        dnnl_dim_t d = m.dims[rank - 1], s = m.strides[rank - 1];
        m.dims[rank - 1] = m.dims[rank - 2], m.dims[rank - 2] = d;
        m.strides[rank - 1] = m.strides[rank - 2], m.strides[rank - 2] = s;
    }
    return m;
}

static dnnl_status_t product(const struct cpu_setup *s, struct state *st, bool linear,
                             char choice, dnnl_engine_t engine) {
    const struct kernel_tensor *a = &s->in[0], *b = &s->in[1], *o = &s->out[0];
    int64_t flat_in[2], flat_out[2], bias_shape[2] = {1, 0};
    struct kernel_tensor x = *a, y = *o, bias = {0};
    bool has_bias = linear && s->n_in > 2;
    struct onednn_product p = {0};
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
    p.a = matrix(&x, y.rank, ta);
    p.b = matrix(b, y.rank, tb);
    p.y = matrix(&y, y.rank, false);
    if (has_bias)
        p.bias = matrix(&bias, 2, false);
    struct operand op[4] = {{DNNL_ARG_SRC, 'i', 0, p.a, dnnl_query_src_md, 0},
                            {DNNL_ARG_WEIGHTS, 'i', 1, p.b, dnnl_query_weights_md, 0},
                            {DNNL_ARG_DST, 'o', 0, p.y, dnnl_query_dst_md, 0},
                            {DNNL_ARG_BIAS, 'i', 2, p.bias, dnnl_query_weights_md, 1}};
    if (choice == 'p')
        p.b.tag = dnnl_format_tag_any;
    dnnl_status_t status = onednn_product_create(&pd, &p, st->attr, engine);
    return status == dnnl_success
               ? assemble(st, engine, pd, has_bias ? 4 : 3, op, s->building)
               : status;
}

/* ------------------------------------------------------------- convolution */

/* All channels in one block of eight or sixteen: [N,H,W,C] and blocks are the same. */
static bool is_both(const struct kernel_tensor *x) {
    return x->rank == 5 && x->shape[1] == 1 && (x->shape[4] == 16 || x->shape[4] == 8);
}

/* Images as they are laid out, and as the kernel may have them: blocked ones as they
 * are laid out (the planner chose), [N,C,H,W] in whatever form it likes. last: what is
 * both is called [N,H,W,C]. The library has other kernels for either name: matrix units
 * read the latter, few channels into 16 of bf16 only write the former. */
static dnnl_status_t image(struct onednn_tensor *plain, struct onednn_tensor *any,
                           const struct kernel_tensor *x, bool last) {
    *plain =
        (struct onednn_tensor){.rank = 4, .type = library_type(x), .tag = dnnl_nchw};
    memcpy(plain->dims, x->shape, 4 * sizeof plain->dims[0]);
    if (x->rank == 5) {
        int64_t block = x->shape[4];
        plain->dims[1] *= block;
        plain->tag = last && is_both(x) ? dnnl_nhwc
                     : block == 16      ? dnnl_nChw16c
                     : block == 8       ? dnnl_nChw8c
                                        : dnnl_nhwc;
        if (plain->tag == dnnl_nhwc && x->shape[1] != 1)
            return dnnl_unimplemented;
    }
    *any = *plain;
    if (x->rank != 5)
        any->tag = dnnl_format_tag_any;
    return dnnl_success;
}

static struct onednn_tensor filter(const struct kernel_tensor *w, int64_t groups) {
    struct onednn_tensor t = {
        .rank = groups == 1 ? 4 : 5,
        .type = library_type(w),
        .tag = groups == 1 ? dnnl_oihw : dnnl_goihw,
        .dims = {groups, w->shape[0] / groups, w->shape[1], w->shape[2], w->shape[3]}};
    if (groups == 1)
        memcpy(t.dims, w->shape, 4 * sizeof t.dims[0]);
    return t;
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

/* The primitive descriptor of c; a gradient's is made with that of its forward
 * convolution, whose types are all `hint`. */
static dnnl_status_t describe(dnnl_primitive_desc_t *out,
                              const struct onednn_convolution *c, dnnl_data_type_t hint,
                              const_dnnl_primitive_attr_t attr, dnnl_engine_t engine) {
    struct onednn_convolution f = *c;
    dnnl_primitive_desc_t forward;
    if (c->pass == ONEDNN_FORWARD)
        return onednn_convolution_create(out, c, NULL, attr, engine);
    f.pass = ONEDNN_FORWARD;
    f.x.type = f.w.type = f.y.type = hint;
    dnnl_status_t status = onednn_convolution_create(&forward, &f, NULL, attr, engine);
    if (status != dnnl_success)
        return status;
    status = onednn_convolution_create(out, c, forward, attr, engine);
    dnnl_primitive_desc_destroy(forward);
    return status;
}

static dnnl_status_t convolution(const struct cpu_setup *s, struct state *st,
                                 enum onednn_pass pass, char choice,
                                 dnnl_engine_t engine) {
    bool of_input = pass == ONEDNN_GRAD_INPUT, forward = pass == ONEDNN_FORWARD;
    const struct kernel_tensor *x = of_input ? &s->out[0] : &s->in[0];
    const struct kernel_tensor *w = forward    ? &s->in[1]
                                    : of_input ? &s->in[0]
                                               : &s->out[0];
    const struct kernel_tensor *y = forward ? &s->out[0] : &s->in[1];
    const int64_t *stride = rn_node_attr(s->node, "stride")->p;
    const int64_t *pad = rn_node_attr(s->node, "pad")->p;
    const int64_t *dilation = rn_node_attr(s->node, "dilation")->p;
    int64_t groups = cpu_int(s->node, "groups", 1);
    bool has_bias = forward && s->n_in > 2;
    /* Winograd of bf16 is that of f32: operands become it on their way, and back. */
    bool widens = choice == 'w' && s->in[0].dtype == RN_BF16;
    bool last = (s->in[0].dtype == RN_BF16 && !widens) != (choice == 'o');
    struct onednn_convolution c = {
        .pass = pass,
        .algorithm = cpu_strict(s->engine) || choice == 'd' || choice == 'o'
                         ? dnnl_convolution_direct
                     : choice == 'w' ? dnnl_convolution_auto
                                     : algorithm(w, stride, dilation, groups),
        .stride = {stride[0], stride[1]},
        .low = {pad[0], pad[1]},
        .high = {pad[2], pad[3]},
        .dilation = {dilation[0] - 1, dilation[1] - 1}};
    struct onednn_tensor xp, wp = filter(w, groups), yp, bias = {0};
    dnnl_primitive_desc_t pd;
    dnnl_status_t status = image(&xp, &c.x, x, last);
    if (status == dnnl_success)
        status = image(&yp, &c.y, y, last);
    if (status != dnnl_success)
        return status;
    c.w = wp;
    c.w.tag = dnnl_format_tag_any;
    if (has_bias)
        bias = (struct onednn_tensor){.rank = 1,
                                      .type = library_type(&s->in[2]),
                                      .tag = dnnl_x,
                                      .dims = {w->shape[0]}};
    c.bias = bias;
    if (widens)
        c.x.type = c.w.type = c.y.type = c.bias.type = dnnl_f32;
    status = describe(&pd, &c, widens ? dnnl_f32 : library_type(&s->in[0]), st->attr,
                      engine);
    if (status != dnnl_success)
        return status;
    const struct operand operands[3][4] = {
        [ONEDNN_FORWARD] = {{DNNL_ARG_SRC, 'i', 0, xp, dnnl_query_src_md, 0},
                            {DNNL_ARG_WEIGHTS, 'i', 1, wp, dnnl_query_weights_md, 0},
                            {DNNL_ARG_DST, 'o', 0, yp, dnnl_query_dst_md, 0},
                            {DNNL_ARG_BIAS, 'i', 2, bias, dnnl_query_weights_md, 1}},
        [ONEDNN_GRAD_INPUT] = {{DNNL_ARG_WEIGHTS, 'i', 0, wp, dnnl_query_weights_md, 0},
                               {DNNL_ARG_DIFF_DST, 'i', 1, yp, dnnl_query_diff_dst_md,
                                0},
                               {DNNL_ARG_DIFF_SRC, 'o', 0, xp, dnnl_query_diff_src_md,
                                0}},
        [ONEDNN_GRAD_WEIGHT] = {
            {DNNL_ARG_SRC, 'i', 0, xp, dnnl_query_src_md, 0},
            {DNNL_ARG_DIFF_DST, 'i', 1, yp, dnnl_query_diff_dst_md, 0},
            {DNNL_ARG_DIFF_WEIGHTS, 'o', 0, wp, dnnl_query_diff_weights_md, 0}}};
    return assemble(st, engine, pd, has_bias ? 4 : 3, operands[pass], s->building);
}

/* Not the library's reference code. And on arm64 no kernel for vectors shorter than the
 * processor's: oneDNN 3.7's jit_1x1:sve_256 reads what is not its own where vectors
 * have 512 bits, and its sums are wrong. */
static bool acceptable(const char *kernel) {
    if (strstr(kernel, "ref"))
        return false;
#if defined(__aarch64__)
    const char *sve = strstr(kernel, "sve_");
    int length = prctl(PR_SVE_GET_VL); /* bytes, and flags; -1: no SVE */
    if (sve && (length < 0 || atoi(sve + 4) != 8 * (length & PR_SVE_VL_LEN_MASK)))
        return false;
#endif
    return true;
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
        status = which < 3
                     ? convolution(s, st, (enum onednn_pass)which, choice, d->engine)
                     : product(s, st, which == 4, choice, d->engine);
    if (status == dnnl_success && acceptable(st->name)) {
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

/* Winograd, where the library has it, is for 3x3 windows at every pixel, and not for
 * [N,H,W,C]. */
static const char *convolution_choices(const struct cpu_setup *s) {
    const struct kernel_tensor *w = strcmp(s->node->op, "conv2d") == 0 ? &s->in[1]
                                    : strcmp(s->node->op, "conv2d_grad_input") == 0
                                        ? &s->in[0]
                                        : &s->out[0];
    const int64_t *stride = rn_node_attr(s->node, "stride")->p;
    const int64_t *dilation = rn_node_attr(s->node, "dilation")->p;
    bool bf16 = s->in[0].dtype == RN_BF16;
    int64_t few = bf16 ? FEW_16 : FEW;
    bool may = cpu_onednn_of(s->engine)->winograd &&
               (bf16 || s->in[0].dtype == RN_F32) && w->shape[2] == 3 &&
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
