/* SPDX-License-Identifier: Apache-2.0 */
/* Soft orthogonality (Bansal et al. 2018, section 3.1): strength ||W W^T - I||_F^2 of
 * the matrix [out, rest]; of a taller one ||W^T W - I||_F^2, as its rows cannot be
 * orthonormal and its columns can. */
#include <runner/sdk/regularizer.h>

static int32_t describe(struct rn_build *b) {
    rn_value w = rn_weight_matrix(b, rn_input(b, "param"));
    int64_t rows = rn_dim(b, w, 0), columns = rn_dim(b, w, 1);
    int32_t tall = rows > columns;
    int64_t side = tall ? columns : rows;
    rn_value gram = rn_matmul(b, w, w, tall, !tall);
    rn_value one = rn_one_hot(b, rn_iota(b, 1, &side, 0, RN_I64), side, RN_F32);
    rn_value far = rn_sum_rows(b, rn_square(b, rn_sub(b, gram, one)));
    rn_output(b, "penalty", rn_mul(b, rn_live(b, "strength"), far));
    return RN_OK;
}

RN_REGULARIZER(
    orthogonal, describe, NULL, "runner/orthogonal 1",
    RN_DOC("strength * ||W W^T - I||^2 (Frobenius) of the matrix [shape[0], "
           "all the rest], W^T W where that has more rows than columns (soft "
           "orthogonality, Bansal et al. 2018)")
        RN_PENALTY_PORTS RN_OPTION(
            "strength float = 0.01 ; min 0 ; live | factor of the norm"));
RN_PLUGIN(&orthogonal);
