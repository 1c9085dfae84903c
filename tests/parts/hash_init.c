/* SPDX-License-Identifier: Apache-2.0 */
/* An init for tests: values that are a function of the parameter's name, the same as
 * parts.py gives to the oracle, so that no golden file needs to hold weights. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <runner/init.h>

/* splitmix64 (Steele et al. 2014), its upper 24 bits as a number in [0,1) */
static double unit(uint64_t seed, uint64_t i) {
    uint64_t z = seed + (i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return (double)(z >> 40) * 0x1p-24;
}

static int32_t fill(void *self, const struct rn_init_call *call, struct rn_error *e) {
    uint64_t seed = 0xCBF29CE484222325u; /* FNV-1a of the name */
    double bound = 0.1, centre = 0.0;
    (void)self, (void)e;
    for (const char *p = call->name; *p; p++)
        seed = (seed ^ (uint8_t)*p) * 0x100000001B3u;
    if (strcmp(call->role, "weight") == 0)
        bound = sqrt(6.0 / ((double)call->count / (double)call->shape[0]));
    else if (strcmp(call->role, "embedding") == 0)
        bound = 1.0;
    else if (strcmp(call->role, "scale") == 0)
        centre = 1.0;
    for (uint64_t i = 0; i < call->count; i++)
        call->out[i] = (float)(centre + bound * (2.0 * unit(seed, i) - 1.0));
    return RN_OK;
}

/* A parameter read from a file of f32: logits that a test chooses. */
static int32_t create_table(struct rn_host *h, void **self, struct rn_error *e) {
    FILE *f = fopen(rn_get_string(h, "file"), "rb");
    *self = f;
    return f ? RN_OK : rn_fail(e, RN_E_IO, "no file of numbers", NULL, "file");
}

static void destroy_table(void *self) {
    if (self)
        fclose(self);
}

static int32_t fill_table(void *self, const struct rn_init_call *call,
                          struct rn_error *e) {
    rewind(self);
    if (fread(call->out, sizeof *call->out, call->count, self) != call->count)
        return rn_fail(e, RN_E_IO, "too few numbers in the file", NULL, "file");
    return RN_OK;
}

RN_INIT(hash, NULL, NULL, fill, "tests/hash 1", RN_DOC("Values by name, for tests"));
RN_INIT(table, create_table, destroy_table, fill_table, "tests/table 1",
        RN_DOC("Values from a file of f32, for tests")
            RN_OPTION("file path ; required | little-endian f32"));
RN_PLUGIN(&hash, &table);
