/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products by cuBLASLt, f32 (TF32 only when asked), and bf16 and f16 with sums
 * in f32; the bias as its epilogue, which it has for a bias of the result's type only.
 * The library counts in columns: our row-major y [m,n] = a b is its y' [n,m] = b' a',
 * so its first operand is our second. The workspace is a function of the shape alone,
 * so that a plan made without a device is exact. */
#include <stdlib.h>
#include <string.h>

#include "products.h"
#include "tune.h"

#define WORKSPACE_MOST (32u << 20)
#define ALIGNMENT      64u /* bytes, of every slot */

struct lt {
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, y; /* in the library's order */
    cublasLtMatmulAlgo_t algo;
    size_t workspace;
    struct ref ra, rb, ry, rbias, rwork; /* ra: its first operand */
};

/* For split sums: up to sixteen partial results. */
static uint64_t workspace(const struct product *p) {
    uint64_t n =
        cuda_align((uint64_t)p->m * (uint64_t)p->n * (uint64_t)p->batches * 64);
    return n > WORKSPACE_MOST ? WORKSPACE_MOST : n;
}

/* One stride over the whole batch, or -1. */
static int64_t single_stride(const struct product *p, const int64_t *stride,
                             int64_t whole) {
    bool none = true, dense = true;
    int64_t step = whole;
    for (int64_t d = p->rank - 1; d >= 0; d--) {
        if (p->size[d] == 1)
            continue;
        none &= stride[d] == 0;
        dense &= stride[d] == step;
        step *= p->size[d];
    }
    return none ? 0 : dense ? whole : -1;
}

static int32_t failed(struct rn_error *e, const char *what) {
    return rn_fail(e, RN_E_PLUGIN, what, "device.libraries: off does without it", NULL);
}

static void lt_finish(struct cuda_exe *x, void *state) {
    const struct cublaslt_table *lt = &x->device->lib.cublaslt;
    struct lt *m = state;
    if (!m)
        return;
    if (m->desc)
        lt->cublasLtMatmulDescDestroy(m->desc);
    if (m->a)
        lt->cublasLtMatrixLayoutDestroy(m->a);
    if (m->b)
        lt->cublasLtMatrixLayoutDestroy(m->b);
    if (m->y)
        lt->cublasLtMatrixLayoutDestroy(m->y);
    free(m);
}

/* A matrix of the library: rows x columns, batches of them. */
static bool layout(const struct cublaslt_table *lt, cublasLtMatrixLayout_t *out,
                   rn_dtype t, int64_t rows, int64_t columns, int64_t batches,
                   int64_t stride) {
    int32_t count = (int32_t)batches;
    cudaDataType_t type = t == RN_BF16  ? CUDA_R_16BF
                          : t == RN_F16 ? CUDA_R_16F
                                        : CUDA_R_32F;
    return lt->cublasLtMatrixLayoutCreate(out, type, (uint64_t)rows, (uint64_t)columns,
                                          rows) == CUBLAS_STATUS_SUCCESS &&
           (batches == 1 || (lt->cublasLtMatrixLayoutSetAttribute(
                                 *out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count,
                                 sizeof count) == CUBLAS_STATUS_SUCCESS &&
                             lt->cublasLtMatrixLayoutSetAttribute(
                                 *out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                 &stride, sizeof stride) == CUBLAS_STATUS_SUCCESS));
}

static bool describe(const struct cuda_device *d, const struct product *p, struct lt *m,
                     int64_t a_stride, int64_t b_stride) {
    const struct cublaslt_table *lt = &d->lib.cublaslt;
    cublasComputeType_t compute = d->tf32 && p->a->dtype == RN_F32
                                      ? CUBLAS_COMPUTE_32F_FAST_TF32
                                      : CUBLAS_COMPUTE_32F;
    cublasOperation_t yes = CUBLAS_OP_T, no = CUBLAS_OP_N;
    cublasLtEpilogue_t bias = CUBLASLT_EPILOGUE_BIAS;
    bool good = lt->cublasLtMatmulDescCreate(&m->desc, compute, CUDA_R_32F) ==
                CUBLAS_STATUS_SUCCESS;
    good = good && lt->cublasLtMatmulDescSetAttribute(
                       m->desc, CUBLASLT_MATMUL_DESC_TRANSA, p->trans_b ? &yes : &no,
                       sizeof yes) == CUBLAS_STATUS_SUCCESS;
    good = good && lt->cublasLtMatmulDescSetAttribute(
                       m->desc, CUBLASLT_MATMUL_DESC_TRANSB, p->trans_a ? &yes : &no,
                       sizeof yes) == CUBLAS_STATUS_SUCCESS;
    /* Where it lies is known later; the heuristics want to see an aligned address. */
    const void *somewhere = (const void *)(uintptr_t)ALIGNMENT;
    if (p->bias)
        good = good &&
               lt->cublasLtMatmulDescSetAttribute(
                   m->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &bias, sizeof bias) ==
                   CUBLAS_STATUS_SUCCESS &&
               lt->cublasLtMatmulDescSetAttribute(
                   m->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &somewhere,
                   sizeof somewhere) == CUBLAS_STATUS_SUCCESS;
    /* b [k,n] by rows is [n,k] by columns; transposed, [k,n] */
    good = good && layout(lt, &m->a, p->b->dtype, p->trans_b ? p->k : p->n,
                          p->trans_b ? p->n : p->k, p->batches, b_stride);
    good = good && layout(lt, &m->b, p->a->dtype, p->trans_a ? p->m : p->k,
                          p->trans_a ? p->k : p->m, p->batches, a_stride);
    return good && layout(lt, &m->y, p->y->dtype, p->n, p->m, p->batches, p->m * p->n);
}

/* What the library proposes within the workspace. */
static uint32_t propose(const struct cuda_device *d, const struct lt *m, uint64_t most,
                        cublasLtMatmulHeuristicResult_t found[CUDA_WAYS]) {
    const struct cublaslt_table *lt = &d->lib.cublaslt;
    cublasLtMatmulPreference_t wish = NULL;
    static const cublasLtMatmulPreferenceAttributes_t aligned[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    const uint32_t alignment = ALIGNMENT; /* the library would assume 256 */
    /* Parts of a sum are added in f32 and in a fixed order. */
    const uint32_t parts = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    int count = 0;
    bool good = lt->cublasLtMatmulPreferenceCreate(&wish) == CUBLAS_STATUS_SUCCESS &&
                lt->cublasLtMatmulPreferenceSetAttribute(
                    wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most,
                    sizeof most) == CUBLAS_STATUS_SUCCESS &&
                lt->cublasLtMatmulPreferenceSetAttribute(
                    wish, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &parts,
                    sizeof parts) == CUBLAS_STATUS_SUCCESS;
    for (size_t i = 0; i < sizeof aligned / sizeof aligned[0]; i++)
        good = good && lt->cublasLtMatmulPreferenceSetAttribute(
                           wish, aligned[i], &alignment, sizeof alignment) ==
                           CUBLAS_STATUS_SUCCESS;
    good = good && lt->cublasLtMatmulAlgoGetHeuristic(
                       d->cublaslt, m->desc, m->a, m->b, m->y, m->y, wish, CUDA_WAYS,
                       found, &count) == CUBLAS_STATUS_SUCCESS;
    if (wish)
        lt->cublasLtMatmulPreferenceDestroy(wish);
    uint32_t kept = 0;
    for (int i = 0; good && i < count; i++)
        if (found[i].state == CUBLAS_STATUS_SUCCESS && found[i].workspaceSize <= most)
            found[kept++] = found[i];
    return kept;
}

static int32_t run(const struct cuda_device *d, const struct lt *m, CUstream stream,
                   void *const *bases, struct rn_error *e) {
    const struct cublaslt_table *lt = &d->lib.cublaslt;
    const float one = 1.0f, zero = 0.0f;
    if (m->rbias.base != RN_NO_SLOT) {
        const void *bias = cuda_at(m->rbias, bases);
        if (lt->cublasLtMatmulDescSetAttribute(m->desc,
                                               CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias,
                                               sizeof bias) != CUBLAS_STATUS_SUCCESS)
            return failed(e, "cuBLASLt refuses a bias");
    }
    void *y = cuda_at(m->ry, bases);
    if (lt->cublasLtMatmul(d->cublaslt, m->desc, &one, cuda_at(m->ra, bases), m->a,
                           cuda_at(m->rb, bases), m->b, &zero, y, m->y, y, m->y,
                           &m->algo, m->workspace ? cuda_work(m->rwork, bases) : NULL,
                           m->workspace, stream) != CUBLAS_STATUS_SUCCESS)
        return failed(e, "cuBLASLt fails in a matrix product");
    return RN_OK;
}

static int32_t run_task(struct cuda_exe *x, struct cuda_task *t, CUstream stream,
                        void *const *bases, struct rn_error *e) {
    return run(x->device, t->state, stream, bases, e);
}

struct trial {
    const struct cuda_device *d;
    struct lt product;
    const cublasLtMatmulHeuristicResult_t *ways;
};

static int32_t try_way(void *context, uint32_t i, CUstream stream, void *const *bases,
                       struct rn_error *e) {
    struct trial *t = context;
    t->product.algo = t->ways[i].algo;
    t->product.workspace = t->ways[i].workspaceSize;
    return run(t->d, &t->product, stream, bases, e);
}

/* The fastest within the workspace, the library's first where nothing is timed. */
static bool choose(struct cuda_setup *s, struct lt *m, uint64_t most) {
    struct cuda_device *d = s->device;
    cublasLtMatmulHeuristicResult_t ways[CUDA_WAYS];
    uint32_t n = propose(d, m, most, ways);
    int way = cuda_tuner_known(d->tuner, s, &s->ns);
    if (way < 0 && (n > 1 || (n && s->timing))) {
        struct trial t = {d, *m, ways};
        bool can[CUDA_WAYS];
        for (uint32_t i = 0; i < n; i++)
            can[i] = true;
        t.product.ra = (struct ref){1, 0};
        t.product.rb = (struct ref){0, 0};
        t.product.ry = (struct ref){s->n_in, 0};
        t.product.rbias = (struct ref){s->n_in > 2 ? 2 : RN_NO_SLOT, 0};
        t.product.rwork = (struct ref){s->n_in + s->n_out, 0};
        way = cuda_tuner_try(d->tuner, s, n, can, most + CUDA_WORK_EXTRA, try_way, &t,
                             &s->ns);
    }
    way = way < 0 || way >= (int)n ? 0 : way;
    if (n) {
        m->algo = ways[way].algo;
        m->workspace = ways[way].workspaceSize;
    }
    return n > 0;
}

int32_t cuda_room_cublaslt(struct cuda_setup *s, struct rn_error *e) {
    struct cuda_device *d = s->device;
    struct product p;
    if (s->n_out != 1 || !cuda_product_types(s) ||
        !cuda_lt_multiplies(d, s->in[0].dtype) || !cuda_product(s, &p) ||
        (p.bias && p.bias->dtype != p.y->dtype))
        return 0;
    int64_t a_stride = single_stride(&p, p.a_stride, p.m * p.k);
    int64_t b_stride = single_stride(&p, p.b_stride, p.k * p.n);
    if (a_stride < 0 || b_stride < 0 || p.m < 1 || p.n < 1 || p.k < 1 ||
        p.batches > INT32_MAX)
        return 0;
    uint64_t most = workspace(&p);
    s->workspace = most + CUDA_WORK_EXTRA;
    s->kernel = cuda_narrow(p.a->dtype) ? "cublaslt 16" : "cublaslt";
    if (d->planning)
        return 1;
    struct lt *m = calloc(1, sizeof *m);
    if (!m)
        return rn_fail(e, RN_E_MEMORY, "no memory for a product", NULL, NULL);
    if (!describe(d, &p, m, a_stride, b_stride) || !choose(s, m, most)) {
        lt_finish(s->exe, m); /* our own kernel does it */
        s->workspace = 0;
        return 0;
    }
    m->ra = p.b->at;
    m->rb = p.a->at;
    m->ry = p.y->at;
    m->rbias = p.bias ? p.bias->at : (struct ref){RN_NO_SLOT, 0};
    m->rwork = s->work;
    struct cuda_task *t = cuda_task_add(s, run_task);
    t->state = m;
    t->finish = lt_finish;
    return 1;
}
