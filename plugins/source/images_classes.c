/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of classes: the sorted names, or the order of the option `classes`. Names
 * that are all integers are sorted as such, so that 0 to K-1 are their own numbers. */
#include <stdio.h>

#include "images_list.h"

#define CLASSES_MAX 1000000u

struct name {
    const char *text;
    size_t length;
};

static int compare_text(const void *a, const void *b) {
    const struct name *x = a, *y = b;
    size_t n = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->text, y->text, n);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* An integer of at most 18 digits without a leading zero. */
static int is_integer(const struct name *x, int64_t *v) {
    size_t sign = x->length && x->text[0] == '-';
    *v = 0;
    if (x->length == sign || x->length > 18 ||
        (x->text[sign] == '0' && x->length > sign + 1))
        return 0;
    for (size_t i = sign; i < x->length; i++) {
        if (x->text[i] < '0' || x->text[i] > '9')
            return 0;
        *v = 10 * *v + (x->text[i] - '0');
    }
    *v = sign ? -*v : *v;
    return 1;
}

static int compare_integers(const void *a, const void *b) {
    int64_t x, y;
    is_integer(a, &x);
    is_integer(b, &y);
    return (x > y) - (x < y);
}

static int32_t no_room(struct rn_error *e) {
    return rn_fail(e, RN_E_MEMORY, "no memory for labels", NULL, NULL);
}

static int32_t add_class(struct image_list *l, const char *text, size_t n,
                         struct rn_error *e) {
    char *copy = malloc(n + 1);
    if (!copy)
        return no_room(e);
    memcpy(copy, text, n);
    copy[n] = '\0';
    l->classes[l->class_count++] = copy;
    return RN_OK;
}

/* The distinct labels, in order. */
static int32_t learn(struct image_list *l, struct rn_error *e) {
    struct name *names = malloc(rn_size_or_max(l->count, sizeof *names));
    uint64_t n = 0;
    int integers = 1;
    int64_t v;
    if (!names)
        return no_room(e);
    for (uint64_t i = 0; i < l->count; i++)
        names[i] = (struct name){l->at[i].label, l->at[i].length};
    qsort(names, l->count, sizeof *names, compare_text);
    for (uint64_t i = 0; i < l->count; i++)
        if (!n || compare_text(&names[n - 1], &names[i]) != 0)
            names[n++] = names[i];
    for (uint64_t i = 0; i < n; i++)
        integers &= is_integer(&names[i], &v);
    if (integers)
        qsort(names, n, sizeof *names, compare_integers);
    int32_t status = n > CLASSES_MAX
                         ? rn_failf(e, RN_E_DATA, NULL, 0, 0,
                                    "%llu classes are too many", (unsigned long long)n)
                         : RN_OK;
    l->classes = status == RN_OK ? calloc(n, sizeof *l->classes) : NULL;
    if (status == RN_OK && !l->classes)
        status = no_room(e);
    for (uint64_t i = 0; i < n && status == RN_OK; i++)
        status = add_class(l, names[i].text, names[i].length, e);
    free(names);
    return status;
}

static int32_t listed(struct image_list *l, struct rn_error *e) {
    uint32_t n = rn_get_count(l->host, "classes");
    char path[32];
    int32_t status = RN_OK;
    l->classes = calloc(n + 1u, sizeof *l->classes);
    if (!l->classes)
        return no_room(e);
    for (uint32_t i = 0; i < n && status == RN_OK; i++) {
        const char *text =
            rn_get_string(l->host, rn_path(path, sizeof path, "classes", i));
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(l->classes[k], text) == 0)
                return rn_fail_option(e, RN_E_CONFIG, path, "'%s' is listed twice",
                                      text);
        status = add_class(l, text, strlen(text), e);
    }
    return status;
}

struct ranked {
    struct name name; /* first */
    int64_t number;
};

static int32_t assign(struct image_list *l, struct rn_error *e) {
    struct ranked *sorted = malloc(rn_size_or_max(l->class_count, sizeof *sorted));
    int32_t status = sorted ? RN_OK : no_room(e);
    for (uint64_t k = 0; sorted && k < l->class_count; k++)
        sorted[k] = (struct ranked){{l->classes[k], strlen(l->classes[k])}, (int64_t)k};
    if (sorted)
        qsort(sorted, l->class_count, sizeof *sorted, compare_text);
    for (uint64_t i = 0; i < l->count && status == RN_OK; i++) {
        struct name key = {l->at[i].label, l->at[i].length};
        struct ranked *r =
            bsearch(&key, sorted, l->class_count, sizeof *sorted, compare_text);
        char path[4608];
        if (r) {
            l->at[i].number = r->number;
            continue;
        }
        image_list_path(l, i, path, sizeof path);
        status = rn_failf(e, RN_E_DATA, path, 0, 0,
                          "its class '%.*s' is not one of `classes`", (int)key.length,
                          key.text);
    }
    free(sorted);
    return status;
}

static int32_t lay_out(struct image_list *l, struct rn_error *e) {
    size_t size = 1;
    for (uint64_t k = 0; k < l->class_count; k++)
        size += strlen(l->classes[k]) + 1;
    char *p = l->layout = malloc(size);
    if (!p)
        return no_room(e);
    *p = '\0';
    for (uint64_t k = 0; k < l->class_count; k++)
        p += sprintf(p, "%s%s", k ? "," : "", l->classes[k]);
    return RN_OK;
}

static int32_t read_numbers(struct image_list *l, struct rn_error *e) {
    for (uint64_t i = 0; i < l->count; i++) {
        char text[64], path[4608], *end = text;
        struct image_entry *x = &l->at[i];
        if (x->length < sizeof text) {
            memcpy(text, x->label, x->length);
            text[x->length] = '\0';
            x->value = strtod(text, &end);
        }
        if (end != text && !*end && isfinite(x->value))
            continue;
        image_list_path(l, i, path, sizeof path);
        return rn_failf(e, RN_E_DATA, path, 0, 0, "its label '%.*s' is not a number",
                        x->length < 60 ? (int)x->length : 60, x->label);
    }
    return RN_OK;
}

int32_t image_list_number(struct image_list *l, struct rn_error *e) {
    if (l->labels == LABELS_NONE)
        return RN_OK;
    if (l->numbers)
        return read_numbers(l, e);
    int32_t status = rn_get_count(l->host, "classes") ? listed(l, e) : learn(l, e);
    if (status == RN_OK)
        status = assign(l, e);
    return status == RN_OK ? lay_out(l, e) : status;
}
