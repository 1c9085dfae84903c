/* SPDX-License-Identifier: Apache-2.0 */
/* Elements of .npy files as a source gives them: NumPy's numbers in either byte order,
 * narrow integers widened to those that the ABI has, texts (S, U) as UTF-8. */
#ifndef SOURCE_NPY_TYPES_H
#define SOURCE_NPY_TYPES_H

#include <runner/source.h>

struct npy_type {
    char kind;      /* NumPy's: f i u b S U */
    uint32_t bytes; /* of an element in the file */
    int swap;       /* the file's byte order is the other one */
    rn_dtype dtype; /* that the source gives; RN_U8 of texts */
    uint32_t text;  /* bytes that a text needs at most; 0: a number */
};

/* Of a descr such as "<f4", "|b1", ">U12". 0: it is not read. */
int npy_type_parse(struct npy_type *t, const char *descr);
/* Bytes of an element as the source gives it. */
static inline uint32_t npy_type_item(const struct npy_type *t) {
    return t->text ? t->text : RN_DTYPE_BYTES(t->dtype);
}
/* Are the file's bytes those that the source gives? */
static inline int npy_type_plain(const struct npy_type *t) {
    return !t->swap && !t->text && t->bytes == RN_DTYPE_BYTES(t->dtype) &&
           !(t->kind == 'u' && t->bytes == 8) && t->kind != 'b';
}
/* n elements from the file's bytes. Gives n, or the index of the first that cannot be
 * given: an unsigned integer above 2^63 - 1, a text that is not valid. */
uint64_t npy_type_convert(const struct npy_type *t, const uint8_t *from, uint64_t n,
                          uint8_t *to);

#endif
