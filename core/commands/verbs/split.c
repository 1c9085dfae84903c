/* SPDX-License-Identifier: Apache-2.0 */
/* split: which rows would go where, before anything is trained. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json_writer.h"
#include "commands/cli/report.h"
#include "commands/cli/session.h"
#include "commands/verbs/verbs.h"
#include "data/split_report.h"
#include "setup/setup.h"

#define CLASS_COLUMNS 4u /* more classes: how far the worst share is off */
#define SHOWN_ABOVE   5u
#define HASH_SHOWN    6

/* ------------------------------------------------------------------------ text */

static void print_title(const struct data *data, const struct split_report *r) {
    printf("split %.*s  %s", HASH_SHOWN, data_split_hash(data), r->method);
    if (r->folds)
        printf(", fold %u of %u", r->fold, r->folds);
    if (r->seeded)
        printf(", seed %llu", (unsigned long long)r->seed);
    putchar('\n');
}

static void print_head(const struct split_report *r) {
    printf("  %-8s %7s   share", "", "rows");
    if (r->class_count > CLASS_COLUMNS)
        printf("  %12s", "class shares");
    for (uint32_t k = 0; k < r->class_count && r->class_count <= CLASS_COLUMNS; k++)
        printf("  %6.6s", r->classes[k]);
    if (r->group_count)
        printf("  %7s", "groups");
    puts("  drift (max PSI)");
}

/* The farthest share of a class in this part, in points. */
static double class_off(const struct split_report *r, int part) {
    struct split_report one = *r;
    for (int s = 0; s < DATA_SPLITS; s++)
        one.main[s] = r->main[s] && s == part;
    return split_report_imbalance(&one).off;
}

static void print_classes(const struct split_report *r, int part) {
    if (r->class_count > CLASS_COLUMNS && r->main[part])
        printf("  within %3.1f %%", 100 * class_off(r, part));
    else if (r->class_count > CLASS_COLUMNS)
        printf("  %12s", "-");
    for (uint32_t k = 0; k < r->class_count && r->class_count <= CLASS_COLUMNS; k++) {
        if (r->main[part])
            printf("  %5.1f%%",
                   100 * (double)r->class_rows[k][part] / (double)r->rows[part]);
        else
            printf("  %6s", "-");
    }
}

static void print_drift(const struct split_report *r, int part) {
    const struct split_field *f = split_report_largest(r, part);
    if (f)
        printf("  %.2g %s (noise <= %.2g)", f->shift[part].psi, f->name,
               f->shift[part].noise);
}

static void print_part(const struct split_report *r, int part) {
    uint64_t all = r->left_out;
    for (int s = 0; s < DATA_SPLITS; s++)
        all += r->rows[s];
    printf("  %-8s %7llu %5.1f %%", data_split_name((enum data_split_kind)part),
           (unsigned long long)r->rows[part],
           100 * (double)r->rows[part] / (double)all);
    print_classes(r, part);
    if (r->group_count && r->main[part])
        printf("  %7llu", (unsigned long long)r->groups[part]);
    else if (r->group_count)
        printf("  %7s", "-");
    print_drift(r, part);
    putchar('\n');
}

static void print_above(const struct split_report *r, int part) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->field_count; i++) {
        const struct split_shift *x = &r->fields[i].shift[part];
        if (!x->above || ++count > SHOWN_ABOVE)
            continue;
        if (count == 1)
            printf("  drift above noise in %s:",
                   data_split_name((enum data_split_kind)part));
        printf("%s %s %.2g (noise <= %.2g)", count > 1 ? "," : "", r->fields[i].name,
               x->psi, x->noise);
    }
    if (count > SHOWN_ABOVE)
        printf(" and %u more", count - SHOWN_ABOVE);
    if (count)
        putchar('\n');
}

static void print_report(const struct data *data, const struct split_report *r) {
    print_title(data, r);
    print_head(r);
    for (int s = 0; s < DATA_SPLITS; s++)
        if (r->rows[s])
            print_part(r, s);
    if (r->left_out)
        printf("  %-8s %7llu\n", "left out", (unsigned long long)r->left_out);
    if (r->dropped)
        printf("  %-8s %7llu\n", "dropped", (unsigned long long)r->dropped);
    struct split_imbalance i = split_report_imbalance(r);
    if (r->class_count)
        printf("  imbalance of %s: at most %.2f %%%s%s%s%s%s\n", r->class_field,
               100 * i.off, i.off > 0 ? " (" : "",
               i.off > 0 ? r->classes[i.of_class] : "", i.off > 0 ? " in " : "",
               i.off > 0 ? data_split_name((enum data_split_kind)i.part) : "",
               i.off > 0 ? ")" : "");
    for (int s = DATA_VAL; s < DATA_SPLITS; s++)
        print_above(r, s);
}

/* ------------------------------------------------------------------------ JSON */

static void add_shift(struct json_writer *w, const char *key,
                      const struct split_field *f, int part) {
    json_object(w, key);
    json_string(w, "field", f->name);
    json_number(w, "psi", f->shift[part].psi);
    json_number(w, "noise", f->shift[part].noise);
    json_uint(w, "bins", f->shift[part].bins);
    json_bool(w, "above", f->shift[part].above);
    json_close(w);
}

static void add_drift(struct json_writer *w, const struct split_report *r, int part) {
    const struct split_field *largest = split_report_largest(r, part);
    if (!largest)
        return;
    add_shift(w, "drift", largest, part);
    json_array(w, "fields");
    for (uint32_t i = 0; i < r->field_count; i++)
        if (r->fields[i].shift[part].bins)
            add_shift(w, NULL, &r->fields[i], part);
    json_close(w);
}

static void add_part(struct json_writer *w, const struct split_report *r, int part) {
    json_object(w, data_split_name((enum data_split_kind)part));
    json_uint(w, "rows", r->rows[part]);
    if (r->main[part] && r->class_count) {
        json_array(w, "classes");
        for (uint32_t k = 0; k < r->class_count; k++)
            json_uint(w, NULL, r->class_rows[k][part]);
        json_close(w);
    }
    if (r->main[part] && r->group_count)
        json_uint(w, "groups", r->groups[part]);
    add_drift(w, r, part);
    json_close(w);
}

static void print_json(const struct data *data, const struct split_report *r) {
    struct text line = {0};
    struct json_writer w;
    struct split_imbalance i = split_report_imbalance(r);
    json_begin(&w, &line);
    json_object(&w, NULL);
    json_string(&w, "hash", data_split_hash(data));
    json_string(&w, "kind", r->kind);
    json_string(&w, "method", r->method);
    if (r->seeded)
        json_uint(&w, "seed", r->seed);
    if (r->folds) {
        json_uint(&w, "folds", r->folds);
        json_uint(&w, "fold", r->fold);
    }
    json_uint(&w, "rows", r->all);
    json_uint(&w, "left_out", r->left_out);
    json_uint(&w, "dropped", r->dropped);
    if (r->class_count) {
        json_string(&w, "class_field", r->class_field);
        json_array(&w, "classes");
        for (uint32_t k = 0; k < r->class_count; k++)
            json_string(&w, NULL, r->classes[k]);
        json_close(&w);
        json_object(&w, "imbalance");
        json_number(&w, "share", i.off);
        json_string(&w, "class", r->classes[i.of_class]);
        json_string(&w, "split", data_split_name((enum data_split_kind)i.part));
        json_close(&w);
    }
    if (r->group_count)
        json_uint(&w, "groups", r->group_count);
    json_object(&w, "splits");
    for (int s = 0; s < DATA_SPLITS; s++)
        if (r->rows[s])
            add_part(&w, r, s);
    json_close(&w);
    json_close(&w);
    json_end(&w);
    print_text(&line);
}

/* ------------------------------------------------------------------------- all */

/* The lists, as data.split.path reads them. */
static int write_lists(const struct data *data, const char *path, struct rn_error *e) {
    struct text t = {0};
    data_split_write(data, &t);
    FILE *f = fopen(path, "w");
    bool good = f && fwrite(text_get(&t), 1, t.length, f) == t.length;
    int code = errno;
    if (f && fclose(f) != 0 && good)
        good = false, code = errno;
    text_finish(&t);
    return good ? RN_OK : error_set(e, RN_E_IO, "%s: %s", path, strerror(code));
}

static int report(struct setup *s, const struct args *a, struct diag *d) {
    struct rn_error e = {0};
    struct split_report r;
    if (data_is_stream(s->data, DATA_TRAIN)) {
        error_set(&e, RN_E_CONFIG,
                  "the training samples are a stream, which is not "
                  "divided");
        error_where(&e, RN_WHERE_CONFIG, "data", 0, 0);
        return diag_place(d, s->x->root, &e);
    }
    const struct node *prepared = node_at(s->x->root, "data.prepared");
    if (prepared) {
        node_error(d, prepared, false, RN_E_CONFIG,
                   "the split of data.prepared was made before");
        diag_hint(d, "~data.prepared shows the one that the sources give");
        return RN_E_CONFIG;
    }
    int status = split_report_make(s->data, s->arena, &r, &e);
    if (status == RN_OK && args_has(a, FLAG_LISTS))
        status = write_lists(s->data, args_text(a, FLAG_LISTS), &e);
    if (status != RN_OK)
        return diag_place(d, s->x->root, &e);
    if (args_json(a))
        print_json(s->data, &r);
    else
        print_report(s->data, &r);
    return RN_OK;
}

int verb_split(const struct args *a) {
    struct session *session = open_session();
    if (!session)
        return 4;
    char fold[48] = "";
    struct arena *arena = arena_create();
    const char **overrides = arena_array(arena, const char *, a->count + 1);
    uint32_t count = a->count - 1;
    memcpy(overrides, a->arg + 1, count * sizeof *overrides);
    if (args_has(a, FLAG_FOLD)) {
        snprintf(fold, sizeof fold, "data.split.fold=%llu",
                 (unsigned long long)args_integer(a, FLAG_FOLD));
        overrides[count++] = fold;
    }
    struct diag *d = diag_create();
    struct setup_options o = {.session = session,
                              .file = a->arg[0],
                              .override_count = count,
                              .overrides = overrides,
                              .use = ENGINE_TRAIN};
    struct setup *s = setup_open_data(&o, d);
    int code = s && report(s, a, d) == RN_OK ? 0 : fail_with(d, a);
    setup_close(s);
    diag_destroy(d);
    session_destroy(session);
    arena_destroy(arena);
    return code;
}
