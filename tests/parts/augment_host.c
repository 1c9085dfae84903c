/* SPDX-License-Identifier: Apache-2.0 */
/* An augmenter or collate by itself: a host that knows nothing but a list of options
 * and prints what was drawn. Reads cases from stdin, a word a line's first:
 *
 *   plugin FILE.so           the case begins
 *   option PATH VALUE        rest of the line
 *   field NAME DTYPE RANK DIMS.. HEX   of all rows
 *   run ROWS EPOCH KEY KEY IDS..
 *
 * and prints for each `log ROW NAME VALUE`, `field HEX` for each field, then `done`; or
 * `error WHERE: MESSAGE`. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include <dlfcn.h>

#include <runner/runner.h>
#include <runner/sdk/draw_log.h>
#include <runner/sdk/work.h>

#include "described.h"

#define OPTIONS 64
#define FIELDS  8

struct field {
    struct rn_field field;
    char name[64];
    uint8_t *data;
    uint64_t bytes;
};

static struct host {
    struct rn_host host; /* first */
    const char *text;
    uint32_t option_count, field_count;
    char options[OPTIONS][2][512];
    struct field fields[FIELDS];
    const struct rn_augment *iface;
} host;

static const char *value_of(const char *path) {
    for (uint32_t i = 0; i < host.option_count; i++) {
        const char *name = host.options[i][0];
        size_t n = strlen(name);
        if (strcmp(name, path) == 0 ||
            (strncmp(name, path, n) == 0 && strcmp(path + n, ".0") == 0))
            return host.options[i][1];
    }
    return described_default(host.text, path);
}
static int32_t get_bool(struct rn_host *h, const char *path, int32_t *out) {
    const char *v = value_of(path);
    (void)h;
    if (v)
        *out = strcmp(v, "true") == 0;
    return v ? RN_OK : RN_E_UNSUPPORTED;
}
static int32_t get_int(struct rn_host *h, const char *path, int64_t *out) {
    const char *v = value_of(path);
    (void)h;
    if (v)
        *out = strtoll(v, NULL, 10);
    return v ? RN_OK : RN_E_UNSUPPORTED;
}
static int32_t get_float(struct rn_host *h, const char *path, double *out) {
    const char *v = value_of(path);
    (void)h;
    if (v)
        *out = strtod(v, NULL);
    return v ? RN_OK : RN_E_UNSUPPORTED;
}
static int32_t get_string(struct rn_host *h, const char *path, const char **out) {
    const char *v = value_of(path);
    (void)h;
    if (v)
        *out = v;
    return v ? RN_OK : RN_E_UNSUPPORTED;
}
static int32_t get_count(struct rn_host *h, const char *path, uint32_t *out) {
    size_t n = strlen(path);
    (void)h;
    *out = 0;
    for (uint32_t i = 0; i < host.option_count; i++)
        *out +=
            strncmp(host.options[i][0], path, n) == 0 && host.options[i][0][n] == '.';
    if (!*out && value_of(path))
        *out = 1;
    return RN_OK;
}
static int32_t get_key(struct rn_host *h, const char *path, uint32_t i,
                       const char **out) {
    (void)h, (void)path, (void)i, (void)out;
    return RN_E_UNSUPPORTED;
}
static int32_t has(struct rn_host *h, const char *path) {
    uint32_t n;
    get_count(h, path, &n);
    return n > 0;
}
static void report(struct rn_host *h, const struct rn_error *e) {
    (void)h, (void)e;
}
static void log_line(struct rn_host *h, int32_t level, const char *text) {
    (void)h, (void)level, (void)text;
}
static int32_t cancelled(struct rn_host *h) {
    (void)h;
    return 0;
}
static void log_number(struct rn_host *h, uint64_t row, const char *name, double v) {
    (void)h;
    printf("log %" PRIu64 " %s %.17g\n", row, name, v);
}
static void log_word(struct rn_host *h, uint64_t row, const char *name,
                     const char *word) {
    (void)h;
    printf("log %" PRIu64 " %s %s\n", row, name, word);
}
static const struct rn_draw_log_api log_api = {sizeof log_api, 0, log_number, log_word};
static const void *extension(struct rn_host *h, const char *id) {
    (void)h;
    return strcmp(id, RN_EXT_DRAW_LOG) == 0 ? &log_api : NULL;
}

static const struct rn_host_api api = {
    .struct_size = sizeof api,
    .get_bool = get_bool,
    .get_int = get_int,
    .get_float = get_float,
    .get_string = get_string,
    .get_count = get_count,
    .get_key = get_key,
    .has = has,
    .report = report,
    .log = log_line,
    .cancelled = cancelled,
    .extension = extension,
};

static void fail(const char *why) {
    fprintf(stderr, "augment_host: %s\n", why);
    exit(1);
}

static void open_plugin(const char *file) {
    void *so = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    rn_entry_fn entry = NULL;
    if (so)
        *(void **)&entry = dlsym(so, RN_ENTRY_SYMBOL);
    if (!entry)
        fail(dlerror());
    for (uint32_t k = 0; k < host.field_count; k++)
        free(host.fields[k].data);
    memset(&host, 0, sizeof host);
    host.host.api = &api;
    host.text = entry()->components[0]->text;
    host.iface = entry()->components[0]->iface;
}

static rn_dtype dtype(const char *name) {
    static const struct {
        const char *name;
        rn_dtype t;
    } all[] = {{"u8", RN_U8},   {"f32", RN_F32}, {"i32", RN_I32},
               {"i64", RN_I64}, {"i8", RN_I8},   {"bool", RN_BOOL}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i].t;
    fail("dtype");
    return 0;
}

static int hex_digit(char c) {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void add_field(char *at) {
    struct field *f = &host.fields[host.field_count++];
    char type[16];
    int used;
    if (host.field_count > FIELDS || sscanf(at, "%63s %15s %" SCNu32 "%n", f->name,
                                            type, &f->field.rank, &used) != 3)
        fail("field");
    at += used;
    f->field.name = f->name;
    bool text = strcmp(type, "text") == 0;
    f->field.dtype = text ? RN_U8 : dtype(type);
    f->field.flags = text ? RN_FIELD_TEXT : 0;
    for (uint32_t i = 0; i < f->field.rank; i++)
        f->field.shape[i] = strtoll(at, &at, 10);
    at += strspn(at, " ");
    f->bytes = strlen(at) / 2;
    f->data = malloc(f->bytes + 1);
    for (uint64_t i = 0; i < f->bytes; i++)
        f->data[i] = (uint8_t)(16 * hex_digit(at[2 * i]) + hex_digit(at[2 * i + 1]));
}

/* An error, and what was at fault; 1. */
static int failed(const struct rn_error *e) {
    printf("error %s: %s\n", e->where, e->message);
    return 1;
}

static int change(void *self, char *at, struct rn_error *e) {
    static struct rn_workspace workspace;
    struct rn_field fields[FIELDS];
    struct rn_tensor tensors[FIELDS];
    int64_t shapes[FIELDS][RN_MAX_RANK + 1], ids[4096];
    struct rn_augment_plan p = {sizeof p, host.field_count, sizeof fields[0], 0,
                                fields};
    for (uint32_t k = 0; k < host.field_count; k++)
        fields[k] = host.fields[k].field;
    if (host.iface->plan(self, &p, e) != RN_OK)
        return failed(e);
    struct rn_augment_call call = {.struct_size = sizeof call,
                                   .phase = RN_PHASE_TRAIN,
                                   .work = rn_workspace_begin(&workspace),
                                   .rows = strtoull(at, &at, 10),
                                   .sample_ids = ids,
                                   .epoch = (uint32_t)strtoul(at, &at, 10),
                                   .field_count = host.field_count,
                                   .fields = tensors};
    for (int i = 0; i < 2; i++)
        call.key[i] = (uint32_t)strtoul(at, &at, 10);
    for (uint64_t i = 0; i < call.rows && i < 4096; i++)
        ids[i] = strtoll(at, &at, 10);
    for (uint32_t k = 0; k < host.field_count; k++) {
        shapes[k][0] = (int64_t)call.rows;
        memcpy(shapes[k] + 1, fields[k].shape, sizeof fields[k].shape);
        tensors[k] = (struct rn_tensor){host.fields[k].data, shapes[k], NULL,
                                        fields[k].dtype, fields[k].rank + 1};
    }
    return host.iface->apply(self, &call, e) == RN_OK ? 0 : failed(e);
}

static void run(char *at) {
    struct rn_error e = {0};
    void *self = NULL;
    int wrong = host.iface->create(&host.host, &self, &e) == RN_OK ? 0 : failed(&e);
    wrong = wrong || change(self, at, &e);
    for (uint32_t k = 0; k < host.field_count && !wrong; k++) {
        fputs("field ", stdout);
        for (uint64_t i = 0; i < host.fields[k].bytes; i++)
            printf("%02x", host.fields[k].data[i]);
        puts("");
    }
    host.iface->destroy(self);
    puts("done");
    fflush(stdout);
}

int main(void) {
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        line[strcspn(line, "\n")] = '\0';
        char *rest = line + strcspn(line, " ");
        if (*rest)
            *rest++ = '\0';
        if (strcmp(line, "plugin") == 0) {
            open_plugin(rest);
        } else if (strcmp(line, "option") == 0 && host.option_count < OPTIONS) {
            char(*o)[512] = host.options[host.option_count++];
            snprintf(o[0], sizeof o[0], "%.*s", (int)strcspn(rest, " "), rest);
            snprintf(o[1], sizeof o[1], "%s", rest + strcspn(rest, " ") + 1);
        } else if (strcmp(line, "field") == 0) {
            add_field(rest);
        } else if (strcmp(line, "run") == 0) {
            run(rest);
        } else {
            fail("a line that is not known");
        }
    }
    free(line);
    return 0;
}
