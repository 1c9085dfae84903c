/* SPDX-License-Identifier: Apache-2.0 */
/* All kernels of the cuda backend, compiled for a CPU. */
#include "kernels/args.h"

#define KERNEL_TYPES KERNELS_ALL

#include "shim.h"

#include "kernels/common.cu"
#include "kernels/index.cu"
#include "kernels/lines.cu"
#undef LINE
#include "kernels/attention.cu"
#include "kernels/move.cu"
#include "kernels/norm.cu"
#include "kernels/products.cu"
#include "kernels/reduce.cu"
#include "kernels/rows.cu"
#include "kernels/softmax.cu"
#include "kernels/window.cu"
