/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of every struct that crosses the ABI is the one of the kept table. */
#include <stddef.h>

#include <runner/runner.h>

#include "tests/check.h"

static void at(const char *type, const char *member, size_t got, size_t bytes,
               size_t want, size_t want_bytes) {
    CHECK(got == want && bytes == want_bytes);
    if (got != want || bytes != want_bytes)
        fprintf(stderr, "  struct %s, %s: at %zu with %zu bytes, was at %zu with %zu\n",
                type, member, got, bytes, want, want_bytes);
}

int main(void) {
#define SIZE(type, bytes) at(#type, "its size", 0, sizeof(struct type), 0, bytes);
#define AT(type, member, offset, bytes)                                                \
    at(#type, #member, offsetof(struct type, member),                                  \
       sizeof(((struct type *)0)->member), offset, bytes);
#include "offsets.h"
    /* Numbers that are layout too. */
    CHECK(RN_F32 == 0x2002u && RN_F64 == 0x4002u && RN_F16 == 0x1002u);
    CHECK(RN_BF16 == 0x1004u && RN_I64 == 0x4000u && RN_I32 == 0x2000u);
    CHECK(RN_I8 == 0x800u && RN_U32 == 0x2001u && RN_U8 == 0x801u && RN_BOOL == 0x806u);
    CHECK(RN_OK == 0 && RN_E_INTERNAL == -1 && RN_E_CONFIG == -2 && RN_E_DATA == -3);
    CHECK(RN_E_PLUGIN == -4 && RN_E_DIVERGED == -5 && RN_E_MEMORY == -6);
    CHECK(RN_E_IO == -7 && RN_E_CHECKPOINT == -8 && RN_E_CHECK == -9);
    CHECK(RN_E_LOCKED == -10 && RN_E_UNSUPPORTED == -11 && RN_E_CANCELLED == -12);
    CHECK(RN_MAX_RANK == 8 && RN_NONE == 0);
    CHECK_TEXT(RN_ENTRY_SYMBOL, "runner_plugin_entry");
    return check_done();
}
