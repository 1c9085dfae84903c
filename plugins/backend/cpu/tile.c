/* SPDX-License-Identifier: Apache-2.0 */
/* Small products on one thread, for kernels that work in tiles: oneDNN's where it is
 * there, else our own. */
#ifdef CPU_ONEDNN
#include <dnnl.h>
#endif

#include "cpu.h"

#ifdef CPU_ONEDNN
static void by_onednn(const struct cpu_gemm *g, void *pack) {
    /* Operands are dense along one of their axes. */
    bool ta = g->a_col != 1 || g->a_row < g->k, tb = g->b_col != 1 || g->b_row < g->n;
    dnnl_status_t status =
        dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', g->m, g->n, g->k, 1.0f, g->a,
                   ta ? g->a_col : g->a_row, g->b, tb ? g->b_col : g->b_row,
                   g->add ? 1.0f : 0.0f, g->c, g->c_row);
    if (status != dnnl_success) /* no memory for its own scratch */
        cpu_isa_best()->gemm(g, pack);
}
#endif

cpu_gemm_fn cpu_tile_gemm(const struct cpu_engine *g) {
#ifdef CPU_ONEDNN
    if (cpu_onednn_of(g))
        return by_onednn;
#endif
    return cpu_isa(g)->gemm;
}
