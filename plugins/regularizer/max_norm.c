/* SPDX-License-Identifier: Apache-2.0 */
/* Max-norm (Srebro & Shraibman 2005; Srivastava et al. 2014, section 5.1): after each
 * update, the incoming weights of a unit are scaled so that their 2-norm is at most
 * `limit`, as torch.renorm over axis 0 and Keras's constraints.MaxNorm. A row that is
 * within the limit keeps its bits. */
#include <runner/sdk/regularizer.h>

static int32_t project(struct rn_build *b) {
    static const int64_t last[1] = {1};
    rn_value param = rn_input(b, "param"), limit = rn_live(b, "limit");
    rn_value w = rn_weight_matrix(b, param);
    int64_t shape[RN_MAX_RANK];
    uint32_t rank = rn_rank(b, param);
    for (uint32_t i = 0; i < rank; i++)
        shape[i] = rn_dim(b, param, (int32_t)i);
    rn_value norm = rn_sqrt(b, rn_reduce_sum(b, rn_square(b, w), 1, last, 1));
    rn_value shrunk = rn_mul(b, w, rn_div(b, limit, norm));
    w = rn_select(b, rn_gt(b, norm, limit), shrunk, w);
    rn_output(b, "param", rn_reshape(b, w, rank, shape));
    return RN_OK;
}

RN_REGULARIZER(
    max_norm, NULL, project, "runner/max_norm 1",
    RN_DOC("After each update, each row of the matrix [shape[0], all the "
           "rest] is scaled so that its 2-norm is at most limit: the incoming "
           "weights of a unit (Srivastava et al. 2014, section 5.1)")
        RN_PROJECTION_PORTS RN_OPTION(
            "limit float = 3 ; above 0 ; live | the largest norm of a row"));
RN_PLUGIN(&max_norm);
