/* SPDX-License-Identifier: Apache-2.0 */
/* A schedule with state: base/(1 + calls), where the calls are counted in a state that
 * checkpoints keep. */
#include <stdlib.h>

#include <runner/schedule.h>

struct tired {
    int64_t calls;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    (void)h;
    *self = calloc(1, sizeof(struct tired));
    return *self ? RN_OK : rn_fail(e, RN_E_MEMORY, "no memory", NULL, NULL);
}

static int32_t value(void *self, struct rn_schedule_call *call, struct rn_error *e) {
    struct tired *s = (struct tired *)self;
    (void)e;
    call->value = call->base / (double)(1 + s->calls++);
    return RN_OK;
}

static int32_t save(void *self, struct rn_stream *stream, struct rn_error *e) {
    (void)e;
    const struct tired *s = (const struct tired *)self;
    uint32_t version = 1;
    int32_t status = stream->api->write(stream, &version, sizeof version);
    return status ? status : stream->api->write(stream, &s->calls, sizeof s->calls);
}

static int32_t load(void *self, struct rn_stream *stream, struct rn_error *e) {
    struct tired *s = (struct tired *)self;
    uint32_t version = 0;
    int32_t status = stream->api->read(stream, &version, sizeof version);
    if (status == RN_OK && version != 1)
        return rn_fail(e, RN_E_CHECKPOINT, "a state of another version", NULL, NULL);
    status = status ? status : stream->api->read(stream, &s->calls, sizeof s->calls);
    if (status == RN_OK && stream->api->left(stream) != 0)
        return rn_fail(e, RN_E_CHECKPOINT, "a state that is too long", NULL, NULL);
    return status;
}

static const struct rn_schedule iface = {
    sizeof(struct rn_schedule), 0, create, free, value, NULL, save, load, NULL};

RN_SCHEDULE(tired, iface, "acme.schedules/tired 1", RN_DOC("Less with every call"));
RN_PLUGIN(&tired);
