/* SPDX-License-Identifier: Apache-2.0 */
/* rn_stream over memory. */
#include <string.h>

#include "base/stream.h"

static int32_t stream_write(struct rn_stream *s, const void *data, uint64_t bytes) {
    struct memory_stream *m = (struct memory_stream *)s;
    if (m->bytes + bytes > m->capacity) {
        m->capacity = 2 * (m->bytes + bytes) + 64;
        m->data = memory_grow(m->data, m->capacity);
    }
    if (bytes)
        memcpy(m->data + m->bytes, data, bytes);
    m->bytes += bytes;
    return RN_OK;
}

static int32_t stream_read(struct rn_stream *s, void *data, uint64_t bytes) {
    struct memory_stream *m = (struct memory_stream *)s;
    if (bytes > m->bytes - m->at)
        return RN_E_CHECKPOINT;
    if (bytes)
        memcpy(data, m->data + m->at, bytes);
    m->at += bytes;
    return RN_OK;
}

static uint64_t stream_left(struct rn_stream *s) {
    struct memory_stream *m = (struct memory_stream *)s;
    return m->bytes - m->at;
}

static const struct rn_stream_api stream_api = {sizeof(struct rn_stream_api), 0,
                                                stream_write, stream_read, stream_left};

struct memory_stream *memory_stream_writer(struct arena *a) {
    struct memory_stream *m = arena_new(a, struct memory_stream);
    m->api.api = &stream_api;
    return m;
}

struct rn_stream *memory_stream_reader(struct arena *a, const void *data,
                                       uint64_t bytes) {
    struct memory_stream *m = memory_stream_writer(a);
    m->data = (char *)(uintptr_t)data;
    m->bytes = bytes;
    return &m->api;
}
