/* SPDX-License-Identifier: Apache-2.0 */
/* The table of kinds. */
#include <string.h>

#include <runner/runner.h>

#include "plugin/kinds.h"

/* clang-format off */
#define NONE
#define SECTION(kind, key, ...) .section = key, .at_top = true,
#define INSIDE(key)             .section = key,
#define BYTES(kind, last)                                                              \
    .bytes = (uint32_t)(offsetof(struct rn_##kind, last) + sizeof(void (*)(void))),
#define NEED(kind, member) {#member, offsetof(struct rn_##kind, member)},
#define RULE(rule, message, ...) {KIND_RULE_##rule, message, {__VA_ARGS__}},
#define AT(kind, member) offsetof(struct rn_##kind, member)
#define LIFE(kind)       .create = offsetof(struct rn_##kind, create),
#define STATE(kind)                                                                    \
    .save = offsetof(struct rn_##kind, save), .load = offsetof(struct rn_##kind, load),
#define NAMED            .named = true,
#define LIVE             .live = true,
#define KIND(id, many, where, keys, minimum, members, conditions, life, saved, inputs, \
             line)                                                                     \
    {.name = #id, .plural = #many, where minimum                                       \
     .needs = {members {NULL, 0}}, .rules = {conditions {0, NULL, {0}}},               \
     life saved inputs .doc = line},
static const struct kind kinds[] = {
#include "plugin/kinds.def"
};

#define NONE
#define KEY(kind, key) #kind "." #key,
#define KIND(id, many, where, keys, ...) keys
static const char *const host_keys[] = {"type",
#include "plugin/kinds.def"
                                        NULL};
/* clang-format on */

const struct kind *kind_at(enum kind_id id) {
    return &kinds[id];
}

const struct kind *kind_find_n(const char *name, size_t length) {
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (strlen(kinds[i].name) == length &&
            strncmp(kinds[i].name, name, length) == 0)
            return &kinds[i];
    return NULL;
}

const struct kind *kind_find(const char *name) {
    return kind_find_n(name, strlen(name));
}

bool kind_is_live(const char *name) {
    const struct kind *k = kind_find(name);
    return k && k->live;
}

const char *const *kind_host_keys(void) {
    return host_keys;
}
