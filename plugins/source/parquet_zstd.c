/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet_pages.h"

#ifdef RUNNER_ZSTD
#include <zstd.h>

int parquet_unzstd(const uint8_t *from, uint64_t bytes, uint8_t *to, uint64_t n) {
    return ZSTD_decompress(to, n, from, bytes) == n;
}
#endif
