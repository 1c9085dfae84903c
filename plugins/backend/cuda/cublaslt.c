/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products by cuBLASLt, f32 (TF32 only when asked), and bf16 and f16 with sums
 * in f32; the bias as its epilogue, which it has for a bias of the result's type only.
 * ReLU and the gradient of a bias are epilogues where that was tried on the device:
 * found right, and faster than a pass of its own (docs/cuda.md).
 * The library counts in columns: our row-major y [m,n] = a b is its y' [n,m] = b' a',
 * so its first operand is our second. The workspace is a function of the shape alone,
 * so that a plan made without a device is exact. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <runner/numerics.h>

#include "products.h"
#include "tune.h"

#define WORKSPACE_MOST (32u << 20)
#define ALIGNMENT      64u /* bytes, of every slot */

struct lt {
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, y; /* in the library's order */
    cublasLtMatmulAlgo_t algo;
    size_t workspace;
    struct ref ra, rb, ry, rbias, rwork; /* ra: its first operand; rbias: or a sum */
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

static void lt_clear(const struct cuda_device *d, const struct lt *m) {
    const struct cublaslt_table *lt = &d->lib.cublaslt;
    if (m->desc)
        lt->cublasLtMatmulDescDestroy(m->desc);
    if (m->a)
        lt->cublasLtMatrixLayoutDestroy(m->a);
    if (m->b)
        lt->cublasLtMatrixLayoutDestroy(m->b);
    if (m->y)
        lt->cublasLtMatrixLayoutDestroy(m->y);
}

static void lt_finish(struct cuda_exe *x, void *state) {
    if (state)
        lt_clear(x->device, state);
    free(state);
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

static cublasLtEpilogue_t epilogue_of(const struct product *p) {
    if (p->rows) /* its second operand is our first */
        return CUBLASLT_EPILOGUE_BGRADB;
    if (p->relu)
        return p->bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU;
    return p->bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
}

static bool describe(const struct cuda_device *d, const struct product *p, struct lt *m,
                     int64_t a_stride, int64_t b_stride) {
    const struct cublaslt_table *lt = &d->lib.cublaslt;
    cublasComputeType_t compute = d->tf32 && p->a->dtype == RN_F32
                                      ? CUBLAS_COMPUTE_32F_FAST_TF32
                                      : CUBLAS_COMPUTE_32F;
    cublasOperation_t yes = CUBLAS_OP_T, no = CUBLAS_OP_N;
    cublasLtEpilogue_t epilogue = epilogue_of(p);
    bool good = lt->cublasLtMatmulDescCreate(&m->desc, compute, CUDA_R_32F) ==
                CUBLAS_STATUS_SUCCESS;
    good = good && lt->cublasLtMatmulDescSetAttribute(
                       m->desc, CUBLASLT_MATMUL_DESC_TRANSA, p->trans_b ? &yes : &no,
                       sizeof yes) == CUBLAS_STATUS_SUCCESS;
    good = good && lt->cublasLtMatmulDescSetAttribute(
                       m->desc, CUBLASLT_MATMUL_DESC_TRANSB, p->trans_a ? &yes : &no,
                       sizeof yes) == CUBLAS_STATUS_SUCCESS;
    /* its address is known later; the heuristics expect an aligned address. */
    const void *somewhere = (const void *)(uintptr_t)ALIGNMENT;
    if (epilogue != CUBLASLT_EPILOGUE_DEFAULT)
        good = good && lt->cublasLtMatmulDescSetAttribute(
                           m->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue,
                           sizeof epilogue) == CUBLAS_STATUS_SUCCESS;
    if (p->bias || p->rows)
        good = good && lt->cublasLtMatmulDescSetAttribute(
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
static uint32_t propose(const struct cuda_device *d, const struct lt *m, uint64_t max_bytes,
                        int ways, cublasLtMatmulHeuristicResult_t *found) {
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
                    wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &max_bytes,
                    sizeof max_bytes) == CUBLAS_STATUS_SUCCESS &&
                lt->cublasLtMatmulPreferenceSetAttribute(
                    wish, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &parts,
                    sizeof parts) == CUBLAS_STATUS_SUCCESS;
    for (size_t i = 0; i < sizeof aligned / sizeof aligned[0]; i++)
        good = good && lt->cublasLtMatmulPreferenceSetAttribute(
                           wish, aligned[i], &alignment, sizeof alignment) ==
                           CUBLAS_STATUS_SUCCESS;
    good = good && lt->cublasLtMatmulAlgoGetHeuristic(d->cublaslt, m->desc, m->a, m->b,
                                                      m->y, m->y, wish, ways, found,
                                                      &count) == CUBLAS_STATUS_SUCCESS;
    if (wish)
        lt->cublasLtMatmulPreferenceDestroy(wish);
    uint32_t kept = 0;
    for (int i = 0; good && i < count; i++)
        if (found[i].state == CUBLAS_STATUS_SUCCESS && found[i].workspaceSize <= max_bytes)
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

/* ------------------------------------------------------------------ choice */

struct trial {
    const struct cuda_device *d;
    const struct product *p;
    struct lt product;
    const cublasLtMatmulHeuristicResult_t *ways;
    uint32_t takes;     /* of an epilogue: the first so many have it */
    struct lt *without; /* the others: as `product`, and a pass */
    struct ref passed;  /* which reads and writes the first so many bytes of this */
    uint64_t bytes;
};

/* In a trial: inputs, outputs, workspace. */
static void place_trial(const struct cuda_setup *s, const struct product *p,
                        struct lt *m) {
    m->ra = (struct ref){1, 0};
    m->rb = (struct ref){0, 0};
    m->ry = (struct ref){s->n_in, 0};
    m->rbias = (struct ref){p->rows ? s->n_in + 1 : p->bias ? 2 : RN_NO_SLOT, 0};
    m->rwork = (struct ref){s->n_in + s->n_out, 0};
}

static int32_t try_way(void *context, uint32_t i, CUstream stream, void *const *bases,
                       struct rn_error *e) {
    struct trial *t = context;
    struct lt *m = t->takes && i >= t->takes ? t->without : &t->product;
    m->algo = t->ways[i].algo;
    m->workspace = t->ways[i].workspaceSize;
    int32_t status = run(t->d, m, stream, bases, e);
    if (status != RN_OK || m == &t->product)
        return status;
    return cuda_check(t->d,
                      t->d->lib.driver.cuMemcpyDtoDAsync(
                          (CUdeviceptr)(uintptr_t)cuda_work(m->rwork, bases),
                          (CUdeviceptr)(uintptr_t)cuda_at(t->passed, bases),
                          (size_t)t->bytes, stream),
                      "a copy", e);
}

/* The fastest within the workspace, the library's first where nothing is timed. */
static bool choose(struct cuda_setup *s, const struct product *p, struct lt *m,
                   uint64_t max_bytes) {
    struct cuda_device *d = s->device;
    cublasLtMatmulHeuristicResult_t ways[CUDA_WAYS];
    uint32_t n = propose(d, m, max_bytes, CUDA_WAYS, ways);
    int way = cuda_tuner_known(d->tuner, s, 0, &s->ns);
    if (way < 0 && (n > 1 || (n && s->timing))) {
        struct trial t = {.d = d, .p = p, .product = *m, .ways = ways};
        bool can[CUDA_WAYS];
        for (uint32_t i = 0; i < n; i++)
            can[i] = true;
        place_trial(s, p, &t.product);
        const struct cuda_trial c = {.count = n,
                                       .can = can,
                                       .workspace = max_bytes + CUDA_WORK_EXTRA,
                                       .way = try_way,
                                       .context = &t};
        way = cuda_tuner_try(d->tuner, s, &c, &s->ns);
    }
    way = way < 0 || way >= (int)n ? 0 : way;
    if (n) {
        m->algo = ways[way].algo;
        m->workspace = ways[way].workspaceSize;
    }
    return n > 0;
}

/* --------------------------------------------------------------- epilogues */

#define SEEN (16u << 20) /* bytes of a result that are looked at, from either end */

static bool all_nan(const void *p, rn_dtype t, uint64_t n) {
    bool all = true;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t bits =
            t == RN_F32 ? ((const uint32_t *)p)[i] : ((const uint16_t *)p)[i];
        all &= t == RN_F32    ? (bits & 0x7fffffffu) > 0x7f800000u
               : t == RN_BF16 ? (bits & 0x7fffu) > 0x7f80u
                              : (bits & 0x7fffu) > 0x7c00u;
    }
    return all;
}

/* Output `base` is NaN everywhere once input `in` is; the input is put back. */
static bool passes_nan(struct cuda_bench *b, uint32_t i, uint32_t in, uint32_t base,
                       const struct tensor *out) {
    uint64_t size = RN_DTYPE_BYTES(out->dtype), bytes = out->count * size;
    uint64_t part = bytes < SEEN ? bytes : SEEN;
    void *seen = malloc((size_t)part);
    bool good = seen && cuda_bench_fill(b, in, 0xff) && cuda_bench_fill(b, base, 0) &&
                cuda_bench_run(b, i);
    for (int end = 0; end < 2 && good; end++)
        good = cuda_bench_read(b, base, end ? bytes - part : 0, seen, part) &&
               all_nan(seen, out->dtype, part / size);
    free(seen);
    return cuda_bench_fill(b, in, CUDA_BYTE) && good;
}

/* Sums of equal numbers, as near as sums in f32 are in any order. */
static bool sums_well(struct cuda_bench *b, uint32_t i, uint32_t base,
                      const struct product *p) {
    static const uint32_t wide = CUDA_BYTE * 0x01010101u;
    static const uint16_t narrow = CUDA_BYTE * 0x0101u;
    rn_dtype t = p->a->dtype;
    double each = t == RN_F32    ? (double)rn_f32_bits(wide)
                  : t == RN_BF16 ? (double)rn_f32_from_bf16(narrow)
                                 : (double)rn_f32_from_f16(narrow);
    double want = each * (double)p->k;
    double tolerance = want * ldexp((double)(p->k > 16 ? p->k : 16), -24);
    uint64_t n = p->rows->count < SEEN / 4 ? p->rows->count : SEEN / 4;
    float *seen = malloc((size_t)n * sizeof *seen);
    bool good = seen && cuda_bench_fill(b, base, 0) && cuda_bench_run(b, i) &&
                cuda_bench_read(b, base, 0, seen, n * sizeof *seen);
    for (uint64_t k = 0; k < n && good; k++)
        good = fabs((double)seen[k] - want) <= tolerance;
    free(seen);
    return good;
}

static bool is_valid(struct cuda_bench *b, void *context, uint32_t i) {
    const struct trial *t = context;
    const struct product *p = t->p;
    if (p->rows)
        return sums_well(b, i, 3, p) && passes_nan(b, i, 0, 3, p->rows);
    uint32_t out = p->bias ? 3 : 2;
    return passes_nan(b, i, 0, out, p->y) && passes_nan(b, i, 1, out, p->y) &&
           (!p->bias || passes_nan(b, i, 2, out, p->y));
}

/* Half of the ways have the epilogue, the others stand for doing without: the product,
 * and a pass that moves as many bytes as a built-in kernel would. */
static int contend(struct cuda_setup *s, const struct product *p, const struct lt *m,
                   struct lt *plain, uint64_t max_bytes) {
    cublasLtMatmulHeuristicResult_t ways[CUDA_WAYS];
    struct trial t = {
        .d = s->device, .p = p, .product = *m, .without = plain, .ways = ways};
    const struct tensor *moved = p->rows ? p->a : p->y;
    bool can[CUDA_WAYS];
    t.takes = propose(s->device, m, max_bytes, CUDA_WAYS / 2, ways);
    uint32_t n =
        t.takes + propose(s->device, plain, max_bytes, CUDA_WAYS / 2, ways + t.takes);
    for (uint32_t i = 0; i < n; i++)
        can[i] = true;
    if (!t.takes)
        return cuda_tuner_none(s->device->tuner, s);
    place_trial(s, p, &t.product);
    place_trial(s, p, plain);
    if (p->rows)
        plain->rbias.base = RN_NO_SLOT;
    t.passed = (struct ref){p->rows ? 0 : s->n_in, 0};
    t.bytes = moved->count * RN_DTYPE_BYTES(moved->dtype) / (p->rows ? 2 : 1);
    const struct cuda_trial c = {.count = n,
                                   .can = can,
                                   .takes = t.takes,
                                   .workspace = (max_bytes > t.bytes ? max_bytes : t.bytes) +
                                                CUDA_WORK_EXTRA,
                                   .way = try_way,
                                   .is_valid = is_valid,
                                   .context = &t};
    return cuda_tuner_try(s->device->tuner, s, &c, &s->ns);
}

/* The same for a node that has ReLU or a bias's gradient beside its product. False: it
 * is not taken, as by rule. */
static bool choose_epilogue(struct cuda_setup *s, const struct product *p, struct lt *m,
                            uint64_t max_bytes, int64_t a_stride, int64_t b_stride) {
    struct cuda_device *d = s->device;
    cublasLtMatmulHeuristicResult_t ways[CUDA_WAYS];
    int way = cuda_tuner_known(d->tuner, s, CUDA_NONE, &s->ns);
    if (way < 0) {
        struct product without = *p;
        struct lt plain = {0};
        without.relu = false;
        without.rows = NULL;
        if (describe(d, &without, &plain, a_stride, b_stride))
            way = contend(s, p, m, &plain, max_bytes);
        lt_clear(d, &plain);
    }
    uint32_t n =
        way < 0 || way >= CUDA_NONE ? 0 : propose(d, m, max_bytes, CUDA_WAYS / 2, ways);
    if (way < 0 || way >= (int)n)
        return false;
    m->algo = ways[way].algo;
    m->workspace = ways[way].workspaceSize;
    return true;
}

int32_t cuda_room_cublaslt(struct cuda_setup *s, struct rn_error *e) {
    struct cuda_device *d = s->device;
    struct product p;
    if (!cuda_product_types(s) || !cuda_lt_multiplies(d, s->in[0].dtype) ||
        !cuda_product(s, &p) || (p.bias && p.bias->dtype != p.y->dtype) ||
        (p.rows && (p.y->dtype != RN_F32 || p.rows->dtype != RN_F32)))
        return 0;
    if (p.rows && p.rows->at.base == RN_NO_SLOT)
        p.rows = NULL;
    bool epilogue = p.relu || p.rows; /* by rule: without it */
    if (epilogue && (d->planning || !d->tuner))
        return 0;
    int64_t a_stride = single_stride(&p, p.a_stride, p.m * p.k);
    int64_t b_stride = single_stride(&p, p.b_stride, p.k * p.n);
    if (a_stride < 0 || b_stride < 0 || p.m < 1 || p.n < 1 || p.k < 1 ||
        p.batches > INT32_MAX)
        return 0;
    uint64_t max_bytes = workspace(&p);
    s->workspace = max_bytes + CUDA_WORK_EXTRA;
    s->kernel = p.rows                    ? "cublaslt, bias gradient"
                : p.relu                  ? "cublaslt, relu"
                : cuda_narrow(p.a->dtype) ? "cublaslt 16"
                                          : "cublaslt";
    if (d->planning)
        return 1;
    struct lt *m = calloc(1, sizeof *m);
    if (!m)
        return rn_fail(e, RN_E_MEMORY, "no memory for a product", NULL, NULL);
    bool good = describe(d, &p, m, a_stride, b_stride);
    good = good && (epilogue ? choose_epilogue(s, &p, m, max_bytes, a_stride, b_stride)
                             : choose(s, &p, m, max_bytes));
    if (!good) {
        lt_finish(s->exe, m); /* our own kernel does it */
        s->workspace = 0;
        return 0;
    }
    m->ra = p.b->at;
    m->rb = p.a->at;
    m->ry = p.y->at;
    m->rbias = p.rows ? p.rows->at : p.bias ? p.bias->at : (struct ref){RN_NO_SLOT, 0};
    m->rwork = s->work;
    struct cuda_task *t = cuda_task_add(s, run_task);
    t->state = m;
    t->finish = lt_finish;
    return 1;
}
