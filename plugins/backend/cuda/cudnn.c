/* SPDX-License-Identifier: Apache-2.0 */
#include "products.h"
int32_t cuda_room_cudnn(struct cuda_setup *s, struct rn_error *e) {
    (void)s, (void)e;
    return 0;
}
