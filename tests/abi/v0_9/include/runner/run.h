/* SPDX-License-Identifier: Apache-2.0 */
/* What a hook may ask of its run: the folder, lengths, live values, series, parameters.
 * Host extension "runner.run/1", which there is while a run trains. */
#ifndef RUNNER_RUN_H
#define RUNNER_RUN_H

#include <runner/host.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RN_EXT_RUN "runner.run/1"

struct rn_run_info {
    uint32_t struct_size;
    rn_dtype precision; /* of activations and products; parameters are f32 */
    const char *folder; /* host, until destroy: absolute; "" before RUN_BEGIN */
    const char *name;   /* host, until destroy: of the experiment */
    uint64_t seed;
    int64_t total_steps; /* 0: not known */
    int64_t epochs;      /* 0: not known */
    int64_t steps_per_epoch;
    int64_t samples_per_step; /* data.batch times train.accumulate */
};

/* A parameter of a model, or a state of one that no optimizer touches (running
 * statistics). */
struct rn_run_variable {
    uint32_t struct_size;
    rn_dtype dtype;
    const char *name;     /* host, until destroy: "model.conv1.weight" */
    const char *role;     /* host, until destroy: as of struct rn_variable */
    const int64_t *shape; /* host, until destroy; rank entries */
    uint32_t rank;
    uint32_t trainable; /* 1: a parameter */
    uint32_t averaged;  /* 1: a hook keeps an average of it */
    uint32_t reserved;
    uint64_t elements;
};

/* What is read of a variable. */
#define RN_READ_VALUE   0u /* as training has it */
#define RN_READ_AVERAGE 1u /* the average that evaluations use in its place */

/* Before RUN_BEGIN only `info` and `variable_count`, which is then 0, may be called. */
struct rn_run_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* Writes *out, as far as its struct_size goes. [setup] */
    int32_t (*info)(struct rn_host *h, struct rn_run_info *out);
    /* The present value of the live option at `path` ("optimizer.lr");
     * RN_E_UNSUPPORTED: there is none of that name. [step] */
    int32_t (*live)(struct rn_host *h, const char *path, double *value);
    /* The latest value of the series `name`, one that reference(series) may name; NaN
     * before the first. RN_E_UNSUPPORTED: there is none of that name. [step] */
    int32_t (*series)(struct rn_host *h, const char *name, double *value);
    /* Variables of the models, in the order of their declaration. [step] */
    uint32_t (*variable_count)(struct rn_host *h);
    /* Writes *out, as far as its struct_size goes; RN_E_UNSUPPORTED: i is out of range.
     * [step] */
    int32_t (*variable)(struct rn_host *h, uint32_t i, struct rn_run_variable *out);
    /* Copies variable i to data, dense and row-major: `bytes` is elements times the
     * size of its dtype, else RN_E_UNSUPPORTED; also where there is no average. what:
     * RN_READ_*. Waits for the device. [step] */
    int32_t (*read)(struct rn_host *h, uint32_t i, uint32_t what, void *data,
                    uint64_t bytes);
};

#ifdef __cplusplus
}
#endif
#endif
