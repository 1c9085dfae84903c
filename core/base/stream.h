/* SPDX-License-Identifier: Apache-2.0 */
/* rn_stream over memory. */
#ifndef BASE_STREAM_H
#define BASE_STREAM_H

#include <runner/host.h>

#include "base/memory.h"

struct memory_stream {
    struct rn_stream api;
    char *data; /* of a writer: released by memory_release */
    uint64_t bytes, capacity, at;
};
/* An empty one, to be written to. */
struct memory_stream *memory_stream_writer(struct arena *a);
/* Reads `bytes` at data, which must outlive it. */
struct rn_stream *memory_stream_reader(struct arena *a, const void *data,
                                       uint64_t bytes);

#endif
