/* SPDX-License-Identifier: Apache-2.0 */
/* whiten: filters of a first convolution that make patches of the training images
 * uncorrelated and of variance 1 (Jordan 2024, section 3.2, after Page 2019): the
 * eigenvectors of the patches' second moments over the roots of their eigenvalues, the
 * largest first, then the same with the other sign. Sums in one order, in f64. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <runner/init.h>

#define SWEEPS 60 /* far more than Jacobi's method takes */

struct whiten {
    struct rn_host *host;
    const char *field; /* host */
    int64_t samples;
    double eps;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct whiten *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for an init", NULL, NULL);
    s->host = h;
    s->field = rn_get_string(h, "of");
    s->samples = rn_get_int(h, "samples");
    s->eps = rn_get_float(h, "eps");
    return RN_OK;
}

/* Means of products of a patch's numbers: m is [n, n], n = C * kh * kw. */
static void moments(const struct rn_tensor *x, int64_t kh, int64_t kw, int64_t n,
                    double *patch, double *m) {
    int64_t channels = x->shape[1], height = x->shape[2], width = x->shape[3];
    double count = (double)(x->shape[0] * (height - kh + 1) * (width - kw + 1));
    const float *image = x->data;
    for (int64_t i = 0; i < x->shape[0]; i++, image += channels * height * width)
        for (int64_t y = 0; y + kh <= height; y++)
            for (int64_t at = 0; at + kw <= width; at++) {
                int64_t k = 0;
                for (int64_t c = 0; c < channels; c++)
                    for (int64_t dy = 0; dy < kh; dy++)
                        for (int64_t dx = 0; dx < kw; dx++)
                            patch[k++] = image[(c * height + y + dy) * width + at + dx];
                for (int64_t a = 0; a < n; a++)
                    for (int64_t b = a; b < n; b++)
                        m[a * n + b] += patch[a] * patch[b];
            }
    for (int64_t a = 0; a < n; a++)
        for (int64_t b = a; b < n; b++)
            m[b * n + a] = m[a * n + b] = m[a * n + b] / count;
}

/* Jacobi's method (Golub & Van Loan, 8.5): turns p and q until m is diagonal; v's
 * columns become the eigenvectors. */
static void rotate(double *m, double *v, int64_t n, int64_t p, int64_t q) {
    double tau = (m[q * n + q] - m[p * n + p]) / (2.0 * m[p * n + q]);
    double t = (tau >= 0.0 ? 1.0 : -1.0) / (fabs(tau) + sqrt(1.0 + tau * tau));
    double c = 1.0 / sqrt(1.0 + t * t), s = t * c;
    for (int64_t k = 0; k < n; k++) {
        double a = m[k * n + p], b = m[k * n + q];
        m[k * n + p] = c * a - s * b, m[k * n + q] = s * a + c * b;
        a = v[k * n + p], b = v[k * n + q];
        v[k * n + p] = c * a - s * b, v[k * n + q] = s * a + c * b;
    }
    for (int64_t k = 0; k < n; k++) {
        double a = m[p * n + k], b = m[q * n + k];
        m[p * n + k] = c * a - s * b, m[q * n + k] = s * a + c * b;
    }
}

static void eigenvectors(double *m, double *v, int64_t n) {
    for (int64_t i = 0; i < n * n; i++)
        v[i] = i % (n + 1) == 0;
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        int turned = 0;
        for (int64_t p = 0; p < n; p++)
            for (int64_t q = p + 1; q < n; q++) {
                double size = sqrt(fabs(m[p * n + p] * m[q * n + q]));
                if (fabs(m[p * n + q]) <= 1e-15 * size || m[p * n + q] == 0.0)
                    continue;
                rotate(m, v, n, p, q);
                turned = 1;
            }
        if (!turned)
            return;
    }
}

/* Column k of v as filter i and, where there is room, with the other sign; the largest
 * number of the first is positive. */
static void write_filter(const struct rn_init_call *r, const double *v, int64_t n,
                         int64_t k, int64_t i, double scale, float *out) {
    double most = 0.0;
    for (int64_t a = 0; a < n; a++)
        most = fabs(v[a * n + k]) > fabs(most) + 1e-9 ? v[a * n + k] : most;
    for (int64_t a = 0; a < n; a++) {
        float w = (float)(v[a * n + k] * (most < 0.0 ? -scale : scale));
        if (i < r->shape[0])
            out[i * n + a] = w;
        if (i + n < r->shape[0])
            out[(i + n) * n + a] = -w;
    }
}

static int32_t check(const struct whiten *s, const struct rn_init_call *r,
                     struct rn_error *e) {
    char text[160];
    if (r->rank != 4)
        return rn_fail(e, RN_E_CONFIG, "whiten needs the weights of a 2-D convolution",
                       "say which: match: model.conv1.weight", NULL);
    int64_t n = r->shape[1] * r->shape[2] * r->shape[3];
    if (n <= 512 && r->shape[0] <= 2 * n)
        return RN_OK;
    snprintf(text, sizeof text,
             "whiten: a patch of '%s' has %lld numbers, which gives %lld filters, not "
             "%lld",
             s->field, (long long)n, (long long)(2 * n), (long long)r->shape[0]);
    return rn_fail(e, RN_E_CONFIG, text, NULL, NULL);
}

static int32_t fill(void *self, const struct rn_init_call *call, struct rn_error *e) {
    const struct whiten *s = self;
    const struct rn_samples_api *api = s->host->api->extension(s->host, RN_EXT_SAMPLES);
    struct rn_tensor x = {0};
    for (uint64_t i = 0; i < call->count; i++)
        call->out[i] = 0.0f;
    int32_t status = check(s, call, e);
    if (status != RN_OK || !api) /* without training the weights come from a file */
        return status;
    int64_t n = call->shape[1] * call->shape[2] * call->shape[3];
    status = api->first(s->host, s->field, (uint64_t)s->samples, &x, e);
    if (status != RN_OK)
        return status;
    if (x.dtype != RN_F32 || x.rank != 4 || x.shape[1] != call->shape[1] ||
        x.shape[2] < call->shape[2] || x.shape[3] < call->shape[3])
        return rn_fail(
            e, RN_E_CONFIG,
            "whiten: the field is not an f32 image with this layer's channels",
            "`of` names the field that the layer reads", NULL);
    double *m = calloc((size_t)(2 * n * n + n), sizeof *m);
    if (!m)
        return rn_fail(e, RN_E_MEMORY, "no memory for whitening", NULL, NULL);
    double *v = m + n * n;
    moments(&x, call->shape[2], call->shape[3], n, v + n * n, m);
    eigenvectors(m, v, n);
    for (int64_t k = 0; k < n; k++) {
        int64_t place = 0; /* how many eigenvalues are larger */
        for (int64_t j = 0; j < n; j++)
            place +=
                m[j * n + j] > m[k * n + k] || (m[j * n + j] == m[k * n + k] && j < k);
        double value = m[k * n + k] > 0.0 ? m[k * n + k] : 0.0;
        write_filter(call, v, n, k, place, 1.0 / sqrt(value + s->eps), call->out);
    }
    free(m);
    return RN_OK;
}

RN_INIT(whiten, create, free, fill, "runner/whiten 1",
        RN_DOC("A first convolution whose outputs are uncorrelated and of variance 1 "
               "over the training images: eigenvectors of their patches' second "
               "moments, and the same with the other sign (Jordan 2024, section 3.2)")
        RN_OPTION("of string = image | the field that the layer reads: f32 [C,H,W]")
        RN_OPTION("samples int = 5000 ; min 1 ; max 1000000 | how many of the training "
                  "samples are looked at, at most")
        RN_OPTION("eps float = 5e-4 ; above 0 | added to each eigenvalue"));
RN_PLUGIN(&whiten);
