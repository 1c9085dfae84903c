/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the elements of fields, through a transform's plan. A layout is names in the
 * order of the elements, separated by commas; "": not known. A host of before 1.0 says
 * nothing and is told nothing. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_LAYOUT_H
#define RUNNER_SDK_LAYOUT_H

#include <stdio.h>
#include <string.h>

#include <runner/sdk/field.h>
#include <runner/transform.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of input i; borrowed, until plan returns. */
static inline const char *rn_layout_in(const struct rn_transform_plan *plan,
                                       uint32_t i) {
    const char *layout = NULL;
    if (RN_HAS(plan, struct rn_transform_plan, in_layouts) && plan->in_layouts)
        layout = plan->in_layouts[i];
    return layout ? layout : "";
}

/* Name k and its length, or NULL: there are fewer. */
static inline const char *rn_layout_at(const char *layout, uint64_t k, size_t *n) {
    while (k && (layout = strchr(layout, ',')) != NULL)
        layout++, k--;
    *n = layout ? strcspn(layout, ",") : 0;
    return *n ? layout : NULL;
}

/* The next element of output `out` has this name of n bytes. */
static inline void rn_layout_add(struct rn_transform_plan *plan, uint32_t out,
                                 const char *name, size_t n) {
    if (RN_HAS(plan, struct rn_transform_plan, element) && plan->element)
        plan->element(plan, out, name, n);
}

/* The elements of output `out` are others than was told so far. */
static inline void rn_layout_forget(struct rn_transform_plan *plan, uint32_t out) {
    rn_layout_add(plan, out, NULL, 0);
}

/* "a", or "a" and "b" with a word between them; at most 255 bytes. */
static inline void rn_layout_join(struct rn_transform_plan *plan, uint32_t out,
                                  const char *a, size_t an, const char *between,
                                  const char *b, size_t bn) {
    char name[256];
    int n = snprintf(name, sizeof name, "%.*s%s%.*s", (int)(an < 255 ? an : 255), a,
                     between, (int)(bn < 255 ? bn : 255), b);
    if (n > 0 && (size_t)n < sizeof name)
        rn_layout_add(plan, out, name, (size_t)n);
}

/* Output `out` has the elements of input `in`, after those that it has so far. */
static inline void rn_layout_keep(struct rn_transform_plan *plan, uint32_t in,
                                  uint32_t out) {
    const char *s = rn_layout_in(plan, in);
    while (*s) {
        size_t n = strcspn(s, ",");
        rn_layout_add(plan, out, s, n);
        s += n + (s[n] == ',');
    }
}

#ifdef __cplusplus
}
#endif
#endif
