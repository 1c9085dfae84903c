/* SPDX-License-Identifier: Apache-2.0 */
/* cuBLASLt: descriptors and column-major layouts as its header has them, and the
 * product by plain loops, of f32 and of 16 bits with sums in f32. What the backend has
 * not set, or set wrong, ends the process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulated.h"

struct matrix {
    rn_dtype type;
    uint64_t rows, columns;
    int64_t ld, stride;
    int32_t batches;
};

struct wish {
    uint64_t most;
    uint32_t parts; /* how those of a split sum may be added */
    int aligned;    /* operands whose alignment was told */
};

struct product {
    cublasOperation_t trans_a, trans_b;
    cublasLtEpilogue_t epilogue;
    void *bias; /* of the result's type; written with BGRADB */
};

static bool has_relu(const struct product *p) {
    return p->epilogue == CUBLASLT_EPILOGUE_RELU ||
           p->epilogue == CUBLASLT_EPILOGUE_RELU_BIAS;
}

static bool adds_bias(const struct product *p) {
    return p->epilogue == CUBLASLT_EPILOGUE_BIAS ||
           p->epilogue == CUBLASLT_EPILOGUE_RELU_BIAS;
}

static void misuse(const char *what) {
    fprintf(stderr, "emulated cuBLASLt: %s\n", what);
    abort();
}

static cublasStatus_t CUBLASWINAPI create(cublasLtHandle_t *h) {
    *h = malloc(1);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t CUBLASWINAPI destroy(cublasLtHandle_t h) {
    free(h);
    return CUBLAS_STATUS_SUCCESS;
}

static size_t CUBLASWINAPI version(void) {
    return 130000;
}

static cublasStatus_t CUBLASWINAPI desc_create(cublasLtMatmulDesc_t *d,
                                               cublasComputeType_t compute,
                                               cudaDataType_t scale) {
    struct product *p = calloc(1, sizeof *p);
    if (compute != CUBLAS_COMPUTE_32F || scale != CUDA_R_32F)
        misuse("sums are f32");
    p->trans_a = p->trans_b = CUBLAS_OP_N;
    p->epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    *d = (void *)p;
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t CUBLASWINAPI desc_destroy(cublasLtMatmulDesc_t d) {
    free(d);
    return CUBLAS_STATUS_SUCCESS;
}

static void take(void *to, size_t want, const void *from, size_t bytes) {
    if (want != bytes)
        misuse("an attribute has another size");
    memcpy(to, from, want);
}

static cublasStatus_t CUBLASWINAPI desc_set(cublasLtMatmulDesc_t d,
                                            cublasLtMatmulDescAttributes_t what,
                                            const void *value, size_t bytes) {
    struct product *p = (void *)d;
    switch (what) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
        take(&p->trans_a, sizeof(int32_t), value, bytes);
        break;
    case CUBLASLT_MATMUL_DESC_TRANSB:
        take(&p->trans_b, sizeof(int32_t), value, bytes);
        break;
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
        take(&p->epilogue, sizeof(uint32_t), value, bytes);
        break;
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
        take(&p->bias, sizeof(void *), value, bytes);
        break;
    default:
        misuse("an attribute that it does not have");
    }
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t CUBLASWINAPI layout_create(cublasLtMatrixLayout_t *l,
                                                 cudaDataType type, uint64_t rows,
                                                 uint64_t columns, int64_t ld) {
    struct matrix *m = calloc(1, sizeof *m);
    rn_dtype t = type == CUDA_R_32F    ? RN_F32
                 : type == CUDA_R_16BF ? RN_BF16
                 : type == CUDA_R_16F  ? RN_F16
                                       : 0;
    if (!t || ld < (int64_t)rows)
        misuse("a layout is wrong");
    *m = (struct matrix){t, rows, columns, ld, 0, 1};
    *l = (void *)m;
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t CUBLASWINAPI layout_destroy(cublasLtMatrixLayout_t l) {
    free(l);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t CUBLASWINAPI layout_set(cublasLtMatrixLayout_t l,
                                              cublasLtMatrixLayoutAttribute_t what,
                                              const void *value, size_t bytes) {
    struct matrix *m = (void *)l;
    if (what == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT)
        take(&m->batches, sizeof m->batches, value, bytes);
    else if (what == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET)
        take(&m->stride, sizeof m->stride, value, bytes);
    else
        misuse("an attribute that it does not have");
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t CUBLASWINAPI wish_create(cublasLtMatmulPreference_t *w) {
    *w = calloc(1, sizeof(struct wish));
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t CUBLASWINAPI wish_destroy(cublasLtMatmulPreference_t w) {
    free(w);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t CUBLASWINAPI wish_set(cublasLtMatmulPreference_t w,
                                            cublasLtMatmulPreferenceAttributes_t what,
                                            const void *value, size_t bytes) {
    struct wish *x = (void *)w;
    uint32_t alignment;
    switch (what) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
        take(&x->most, sizeof x->most, value, bytes);
        break;
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
        take(&x->parts, sizeof x->parts, value, bytes);
        break;
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
        take(&alignment, sizeof alignment, value, bytes);
        x->aligned += alignment == 64;
        break;
    default:
        misuse("an attribute that it does not have");
    }
    return CUBLAS_STATUS_SUCCESS;
}

/* Shapes agree? The library says "not supported" where they do not. */
static int fits(const struct product *p, const struct matrix *a, const struct matrix *b,
                const struct matrix *c) {
    uint64_t m = p->trans_a == CUBLAS_OP_T ? a->columns : a->rows;
    uint64_t ka = p->trans_a == CUBLAS_OP_T ? a->rows : a->columns;
    uint64_t kb = p->trans_b == CUBLAS_OP_T ? b->columns : b->rows;
    uint64_t n = p->trans_b == CUBLAS_OP_T ? b->rows : b->columns;
    return m == c->rows && n == c->columns && ka == kb && a->batches == c->batches &&
           b->batches == c->batches && a->type == b->type &&
           (c->type == a->type || c->type == RN_F32);
}

static cublasStatus_t CUBLASWINAPI
heuristic(cublasLtHandle_t h, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a,
          cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t o,
          cublasLtMatmulPreference_t wish, int want,
          cublasLtMatmulHeuristicResult_t *out, int *found) {
    const struct wish *x = (void *)wish;
    uint64_t most = x->most;
    if (!h || o != c || want < 1 || x->aligned != 4 ||
        x->parts != CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE)
        misuse("a question is wrong");
    if (!fits((void *)d, (void *)a, (void *)b, (void *)c))
        misuse("the shapes of a product do not agree");
    /* The second is no algorithm for this, the third is much faster and adds in another
     * order; the fourth is as fast and knows epilogues (below). */
    const struct product *p = (void *)d;
    int have = has_relu(p) || p->epilogue == CUBLASLT_EPILOGUE_BGRADB ? 4 : 3;
    *found = want < have ? want : have;
    if (have == 4 && ((const struct matrix *)(void *)c)->rows == 6)
        return CUBLAS_STATUS_NOT_SUPPORTED; /* no epilogue beside six */
    for (int i = 0; i < *found; i++) {
        memset(&out[i], 0, sizeof out[i]);
        out[i].state = i == 1 ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_SUCCESS;
        out[i].workspaceSize = most < 512 ? (size_t)most : 512;
        out[i].algo.data[0] = (uint64_t)(77 + i);
    }
    return CUBLAS_STATUS_SUCCESS;
}

struct call {
    struct product p;
    struct matrix a, b, c;
    const void *x, *y;
    void *z;
    char *work;
    size_t work_bytes;
    bool quick, best, wrong; /* wrong: in its epilogue */
};

/* As libraries are said to: 0 of NaN. */
static float relu(float x, bool swallows) {
    return x > 0.0f || (x != x && !swallows) ? x : 0.0f;
}

/* The sums of the columns of the second operand, one beside another. */
static void sum_columns(const struct call *k) {
    uint64_t terms = k->p.trans_b == CUBLAS_OP_T ? k->b.columns : k->b.rows;
    for (uint64_t j = 0; j < k->c.columns; j++) {
        float sum = 0.0f;
        for (uint64_t q = terms; q-- > 0;) {
            sum +=
                emulated_load(k->y, k->b.type,
                              k->p.trans_b == CUBLAS_OP_T ? j + q * (uint64_t)k->b.ld
                                                          : q + j * (uint64_t)k->b.ld);
            sum = k->wrong ? rn_f32_from_bf16(rn_bf16_from_f32(sum)) : sum;
        }
        ((float *)k->p.bias)[j] = sum;
    }
}

static void run(void *context) {
    const struct call *k = context;
    uint64_t terms = k->p.trans_a == CUBLAS_OP_T ? k->a.rows : k->a.columns;
    memset(k->work, 0xff, k->work_bytes);
    emulated_pass(k->best ? 0.5 : k->quick ? 1.0 : 50.0);
    if (k->p.epilogue == CUBLASLT_EPILOGUE_BGRADB)
        sum_columns(k);
    for (int64_t batch = 0; batch < k->c.batches; batch++) {
        uint64_t x = (uint64_t)(batch * k->a.stride),
                 y = (uint64_t)(batch * k->b.stride);
        uint64_t z = (uint64_t)(batch * k->c.stride);
        for (uint64_t j = 0; j < k->c.columns; j++)
            for (uint64_t i = 0; i < k->c.rows; i++) {
                float sum = 0.0f;
                for (uint64_t step = 0; step < terms; step++) {
                    uint64_t q = k->quick ? terms - 1 - step : step;
                    sum += emulated_load(k->x, k->a.type,
                                         x + (k->p.trans_a == CUBLAS_OP_T
                                                  ? q + i * (uint64_t)k->a.ld
                                                  : i + q * (uint64_t)k->a.ld)) *
                           emulated_load(k->y, k->b.type,
                                         y + (k->p.trans_b == CUBLAS_OP_T
                                                  ? j + q * (uint64_t)k->b.ld
                                                  : q + j * (uint64_t)k->b.ld));
                }
                if (adds_bias(&k->p))
                    sum += emulated_load(k->p.bias, k->c.type, i);
                if (has_relu(&k->p))
                    sum = relu(sum, k->wrong);
                emulated_store(k->z, k->c.type, z + i + j * (uint64_t)k->c.ld, sum);
            }
    }
}

static cublasStatus_t CUBLASWINAPI matmul(cublasLtHandle_t h, cublasLtMatmulDesc_t d,
                                          const void *alpha, const void *x,
                                          cublasLtMatrixLayout_t a, const void *y,
                                          cublasLtMatrixLayout_t b, const void *beta,
                                          const void *z, cublasLtMatrixLayout_t c,
                                          void *out, cublasLtMatrixLayout_t o,
                                          const cublasLtMatmulAlgo_t *algo, void *work,
                                          size_t work_bytes, cudaStream_t stream) {
    struct call k = {.x = x,
                     .y = y,
                     .z = out,
                     .work = work,
                     .work_bytes = work_bytes,
                     .quick = algo && algo->data[0] >= 79,
                     .best = algo && algo->data[0] == 80};
    memcpy(&k.p, (void *)d, sizeof k.p);
    memcpy(&k.a, (void *)a, sizeof k.a);
    memcpy(&k.b, (void *)b, sizeof k.b);
    memcpy(&k.c, (void *)c, sizeof k.c);
    /* Some do no epilogue right, and no algorithm does one of 24 outputs. */
    bool grad = k.p.epilogue == CUBLASLT_EPILOGUE_BGRADB;
    k.wrong = (algo && algo->data[0] == 79) || (grad ? k.c.columns : k.c.rows) == 24;
    if (grad && (k.c.type != RN_F32 || k.c.batches != 1))
        misuse("a bias's gradient is of another type, or of several products");
    if (!h || *(const float *)alpha != 1.0f || *(const float *)beta != 0.0f ||
        z != out || o != c || !algo || algo->data[0] < 77 || algo->data[0] == 78 ||
        algo->data[0] > 80 || (work_bytes && (!work || (uintptr_t)work % 256)) ||
        (adds_bias(&k.p) || grad) != (k.p.bias != NULL))
        misuse("a call is wrong");
    emulated_push((CUstream)stream, run, &k, sizeof k);
    return CUBLAS_STATUS_SUCCESS;
}

void emulated_fill_cublaslt(struct cublaslt_table *t) {
    *t = (struct cublaslt_table){.cublasLtCreate = create,
                                 .cublasLtDestroy = destroy,
                                 .cublasLtGetVersion = version,
                                 .cublasLtMatmulDescCreate = desc_create,
                                 .cublasLtMatmulDescDestroy = desc_destroy,
                                 .cublasLtMatmulDescSetAttribute = desc_set,
                                 .cublasLtMatrixLayoutCreate = layout_create,
                                 .cublasLtMatrixLayoutDestroy = layout_destroy,
                                 .cublasLtMatrixLayoutSetAttribute = layout_set,
                                 .cublasLtMatmulPreferenceCreate = wish_create,
                                 .cublasLtMatmulPreferenceDestroy = wish_destroy,
                                 .cublasLtMatmulPreferenceSetAttribute = wish_set,
                                 .cublasLtMatmulAlgoGetHeuristic = heuristic,
                                 .cublasLtMatmul = matmul};
}
