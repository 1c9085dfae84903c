/* SPDX-License-Identifier: Apache-2.0 */
/* Sources of kernels, embedded by embed.py: lines, NULL ends. */
#ifndef CUDA_TEXTS_H
#define CUDA_TEXTS_H

extern const char *const cuda_text_numerics[];
extern const char *const cuda_text_args[];
extern const char *const cuda_text_device[];
extern const char *const cuda_text_common[];
extern const char *const cuda_text_reduce[];
extern const char *const cuda_text_lines[];
extern const char *const cuda_text_move[];
extern const char *const cuda_text_index[];
extern const char *const cuda_text_window[];
extern const char *const cuda_text_products[];
extern const char *const cuda_text_norm[];
extern const char *const cuda_text_softmax[];
extern const char *const cuda_text_attention[];
extern const char *const cuda_text_rows[];

#endif
