/* SPDX-License-Identifier: Apache-2.0 */
/* A source used as the host uses it: opened with options, asked for its rows, closed.
 */
#ifndef TESTS_FUZZ_READER_H
#define TESTS_FUZZ_READER_H

#include <stdint.h>

#include <runner/source.h>

struct option;

struct reader {
    const struct rn_source *iface;
    const char *text; /* the component's description */
};

/* What went wrong with an input; `text` is empty if nothing did. */
struct verdict {
    int32_t status; /* of create, info or read; RN_OK: all rows were read */
    uint64_t rows;
    char text[1024];
    struct rn_error error;
};

/* options: ended by a NULL path. predict: the rows are read to predict. */
void reader_run(const struct reader *r, const struct option *options, int predict,
                struct verdict *v);

#endif
