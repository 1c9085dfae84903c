/* SPDX-License-Identifier: Apache-2.0 */
/* The source of a program's kernels as one text. */
#include "engine.h"
#include "texts.h"

/* NVRTC has no headers: the types by their size. */
static const char *const integers[] = {"typedef signed char int8_t;",
                                       "typedef short int16_t;",
                                       "typedef int int32_t;",
                                       "typedef long long int64_t;",
                                       "typedef unsigned char uint8_t;",
                                       "typedef unsigned short uint16_t;",
                                       "typedef unsigned int uint32_t;",
                                       "typedef unsigned long long uint64_t;",
                                       NULL};

static void add(struct source_text *t, const char *const *lines) {
    for (; *lines; lines++)
        source_text_add(t, "%s\n", *lines);
}

void cuda_source(uint32_t themes, uint32_t types, const char *generated,
                 struct source_text *out) {
    const char *const *const files[THEMES] = {
        cuda_text_reduce,    cuda_text_lines,    cuda_text_move, cuda_text_index,
        cuda_text_window,    cuda_text_products, cuda_text_norm, cuda_text_softmax,
        cuda_text_attention, cuda_text_rows};
    add(out, integers);
    source_text_add(out, "#define KERNEL_TYPES %u\n", types);
    add(out, cuda_text_args);
    add(out, cuda_text_device);
    add(out, cuda_text_numerics);
    add(out, cuda_text_common);
    for (uint32_t i = 0; i < THEMES; i++)
        if (themes >> i & 1)
            add(out, files[i]);
    source_text_add(out, "%s", generated);
}
