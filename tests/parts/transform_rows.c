/* SPDX-License-Identifier: Apache-2.0 */
/* transform_rows PLUGINS MADE_SOURCE FILE...: what the transforms of each file's
 * section `data:` give for every split, at their full width, as a line of JSON; or the
 * error. Before that the fitted state is saved and loaded into the same file opened
 * again, which must give the same bits. */
#include <runner/sdk/field.h>

#include "base/stream.h"
#include "data/internal.h"
#include "unit/data_world.h"

static uint32_t full_width(const struct data *data, uint32_t column) {
    for (uint32_t i = 0; i < data->pipeline.derived_count; i++)
        if (data->pipeline.derived[i].to == column &&
            !data->pipeline.derived[i].one_hot)
            return data->pipeline.derived[i].from;
    return column;
}

static void print_number(double x) {
    if (x != x)
        printf("NaN");
    else if (x - x != 0)
        printf(x > 0 ? "Infinity" : "-Infinity");
    else
        printf("%.17g", x);
}

static void print_text(const char *s, size_t n) {
    putchar('"');
    for (size_t i = 0; i < n && s[i]; i++)
        if (s[i] == '"' || s[i] == '\\')
            printf("\\%c", s[i]);
        else if ((unsigned char)s[i] < 32)
            printf("\\u%04x", (unsigned)(unsigned char)s[i]);
        else
            putchar(s[i]);
    putchar('"');
}

static void print_column(const struct data *data, const struct reader *r, uint32_t i,
                         uint64_t rows) {
    uint32_t c = full_width(data, data->field_columns[i]);
    const struct rn_field *f = &data->pipeline.columns[c].field;
    uint64_t n = 1;
    for (uint32_t k = 0; k < f->rank; k++)
        n *= (uint64_t)f->shape[k];
    for (uint64_t row = 0; row < rows; row++) {
        printf(row ? "," : "");
        if (f->flags & RN_FIELD_TEXT) {
            print_text((const char *)r->columns[c] + row * n, n);
            continue;
        }
        printf("[");
        for (uint64_t k = 0; k < n; k++) {
            double x;
            rn_numbers_get(r->columns[c], f->dtype, row * n + k, 1, &x);
            printf(k ? "," : "");
            print_number(x);
        }
        printf("]");
    }
}

static uint64_t hash_row(uint64_t h, const void *p, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        h = (h ^ ((const uint8_t *)p)[i]) * 1099511628211u;
    return h;
}

/* Rows of a split through the transforms; their bits go into *hash. */
static int show(const struct data *data, enum data_split_kind split, bool print,
                uint64_t *hash, struct rn_error *e) {
    struct reader r;
    uint64_t rows = data_rows(data, split);
    if (!rows)
        return RN_OK;
    const struct table *t = &data->sources.at[data->splits[split].table];
    int status = reader_open(data, t, rows, NULL, &r, e);
    r.phase = data_phase(data, split);
    if (status == RN_OK)
        status = reader_read(&r, rows, data_ids(data, split), e);
    if (status == RN_OK)
        status = reader_apply(&r, rows, data->pipeline.transform_count, e);
    for (uint32_t i = 0; status == RN_OK && i < data->field_count; i++) {
        uint32_t c = full_width(data, data->field_columns[i]);
        *hash = hash_row(*hash, r.columns[c], rows * data->pipeline.columns[c].bytes);
        if (!print)
            continue;
        printf(",\"%s.%s\":[", data_split_name(split), data->fields[i].name);
        print_column(data, &r, i, rows);
        printf("]");
    }
    reader_close(&r);
    return status;
}

static int show_all(const struct data *data, bool print, uint64_t *hash,
                    struct rn_error *e) {
    int status = RN_OK;
    *hash = 14695981039346656037u;
    for (int k = 0; k < DATA_SPLITS && status == RN_OK; k++)
        status = show(data, (enum data_split_kind)k, print, hash, e);
    return status;
}

/* The state, loaded into the data opened again, gives the bits that it gave. */
static int again(const char *yaml, struct memory_stream *state, uint64_t expected,
                 struct rn_error *e) {
    struct opened o;
    uint64_t hash = 0;
    open_good(&o, yaml, (struct how){.seed = 1});
    struct rn_stream *from = memory_stream_reader(o.a, state->data, state->bytes);
    int status = data_load(o.data, from, e);
    if (status == RN_OK)
        status = show_all(o.data, false, &hash, e);
    if (status == RN_OK && hash != expected)
        status = error_set(e, RN_E_INTERNAL, "the loaded state gives other bits");
    close_opened(&o);
    return status;
}

static void print_state(const struct data *data, struct arena *a) {
    struct data_array *arrays;
    uint32_t n = data_arrays(data, a, &arrays);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t elements = 1;
        double x;
        for (uint32_t k = 0; k < arrays[i].rank; k++)
            elements *= (uint64_t)arrays[i].shape[k];
        printf(",\"state.%s\":[", arrays[i].name);
        for (uint64_t k = 0; k < elements; k++) {
            rn_numbers_get(arrays[i].data, arrays[i].dtype, k, 1, &x);
            printf(k ? "," : "");
            print_number(x);
        }
        printf("]");
    }
}

static void print_error(const char *message, const char *hint) {
    printf("{\"error\":");
    print_text(message, strlen(message));
    printf(",\"hint\":");
    print_text(hint, strlen(hint));
    printf("}\n");
}

static void run(const char *yaml) {
    struct opened o;
    struct rn_error e = {0};
    uint64_t hash = 0, printed = 0;
    open_how(&o, yaml, (struct how){.seed = 1});
    if (!o.data) {
        print_error(text_get(&o.said), "");
        close_opened(&o);
        return;
    }
    struct memory_stream *state = memory_stream_writer(o.a);
    int status = data_fit(o.data, &e);
    if (status == RN_OK)
        status = data_check(o.data, &e);
    if (status == RN_OK)
        status = show_all(o.data, false, &hash, &e);
    if (status == RN_OK)
        status = data_save(o.data, &state->api);
    if (status == RN_OK)
        status = again(yaml, state, hash, &e);
    if (status == RN_OK) {
        printf("{\"fields\":[");
        for (uint32_t i = 0; i < o.data->field_count; i++)
            printf("%s\"%s\"", i ? "," : "", o.data->fields[i].name);
        printf("]");
        status = show_all(o.data, true, &printed, &e);
        print_state(o.data, o.a);
        printf("}\n");
    } else
        print_error(e.message, e.hint);
    memory_release(state->data);
    close_opened(&o);
}

int main(int argc, char **argv) {
    if (argc < 4 || !world_open(3, argv))
        return 1;
    for (int i = 3; i < argc; i++) {
        struct text yaml = {0};
        char line[4096];
        FILE *f = fopen(argv[i], "r");
        while (f && fgets(line, sizeof line, f))
            text_add(&yaml, line);
        if (f)
            fclose(f);
        run(text_get(&yaml));
        text_finish(&yaml);
        fflush(stdout);
    }
    session_destroy(world.session);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", world.folder);
    return system(command) != 0;
}
