/* SPDX-License-Identifier: Apache-2.0 */
/* A check from its start to its settled findings. */
#include "check/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/suggest.h"
#include "setup/setup.h"

/* ------------------------------------------------------------- the section */

static void no_code(struct diag *d, const struct node *n, bool key, const char *word) {
    struct suggest all = {0};
    for (int i = 0; i < FINDING_COUNT; i++)
        suggest_add(&all, finding_kinds[i].code);
    node_error(d, n, key, RN_E_CONFIG, "there is no finding '%s'", word);
    diag_suggest(d, &all, word, "there are");
    suggest_finish(&all);
}

static void read_thresholds(struct check *c, struct diag *d) {
    const struct node *all = node_at(c->x->root, "check.thresholds");
    for (uint32_t i = 0; all && i < node_count(all); i++) {
        enum finding_id id = finding_find(node_key(all, i));
        if (id == FINDING_COUNT)
            no_code(d, node_item(all, i), true, node_key(all, i));
        else if (finding_kinds[id].limit == LIMIT_ANY)
            node_error(d, node_item(all, i), true, RN_E_CONFIG,
                       "'%s' has no threshold: one row is enough", node_key(all, i));
        else
            c->findings.threshold[id] = node_float(node_item(all, i));
    }
}

/* "missing.age": the code, and the field behind it or NULL. */
static enum finding_id read_allowed(const char *s, const char **field) {
    char code[64];
    size_t n = strcspn(s, ".");
    *field = s[n] ? s + n + 1 : NULL;
    if (n >= sizeof code)
        return FINDING_COUNT;
    memcpy(code, s, n);
    code[n] = '\0';
    return finding_find(code);
}

static void check_allowed(const struct check *c, struct diag *d) {
    const struct node *all = node_at(c->x->root, "check.allow");
    const char *field;
    for (uint32_t i = 0; all && i < node_count(all); i++) {
        const struct node *n = node_item(all, i);
        if (read_allowed(node_string(n), &field) == FINDING_COUNT)
            no_code(d, n, false, node_string(n));
    }
}

/* Findings that are allowed go; what allows nothing is an error, as the data may have
 * changed, or a name is wrong. Of what was not looked for nothing is known. */
static void allow(struct check *c, struct diag *d) {
    const struct node *all = node_at(c->x->root, "check.allow");
    struct findings *f = &c->findings;
    for (uint32_t i = 0; all && i < node_count(all); i++) {
        const char *field, *s = node_string(node_item(all, i));
        enum finding_id id = read_allowed(s, &field);
        uint32_t kept = 0, before = f->count;
        for (uint32_t k = 0; k < before; k++) {
            bool match = f->at[k].id == id &&
                         (!field || (f->at[k].field && !strcmp(field, f->at[k].field)));
            if (!match)
                f->at[kept++] = f->at[k];
        }
        f->count = kept;
        f->allowed += before - kept;
        if (before == kept && f->asked[id] && f->state[id] == FINDING_LOOKED) {
            node_error(d, node_item(all, i), false, RN_E_CONFIG,
                       "'%s' allows nothing: there is no such finding in these data",
                       s);
            diag_hint(d, "remove it from check.allow");
        }
    }
}

/* --only: codes and families. */
static int choose(struct check *c, struct diag *d) {
    const char *s = c->o.only;
    struct rn_error e = {0};
    for (int i = 0; s && i < FINDING_COUNT; i++)
        c->findings.asked[i] = false;
    while (s && *s) {
        char word[64];
        size_t n = strcspn(s, ",");
        bool any = false;
        snprintf(word, sizeof word, "%.*s", (int)(n < 63 ? n : 63), s);
        for (int i = 0; i < FINDING_COUNT; i++) {
            const struct finding_kind *k = &finding_kinds[i];
            bool same = !strcmp(word, k->code) || !strcmp(word, family_name(k->family));
            c->findings.asked[i] |= same;
            any |= same;
        }
        if (!any) {
            struct suggest all = {0};
            for (int i = 0; i < FAMILIES; i++)
                suggest_add(&all, family_name((enum family)i));
            for (int i = 0; i < FINDING_COUNT; i++)
                suggest_add(&all, finding_kinds[i].code);
            error_set(&e, RN_E_CONFIG, "--only: there is no finding '%s'", word);
            suggest_hint(&all, word, "there are", &e);
            suggest_finish(&all);
            diag_add(d, &e);
            return e.status;
        }
        s += n + (s[n] == ',');
    }
    return RN_OK;
}

/* --------------------------------------------------------------- the stages */

static int stopped(void *context) {
    const struct check *c = context;
    return c->o.cancelled && c->o.cancelled(c->o.cancel_context);
}

static int fail(const struct check *c, const struct rn_error *e, struct diag *d) {
    return diag_place(d, c->x->root, e);
}

/* The message as the reason of a finding; other errors are errors of the check. */
static int as_finding(struct check *c, enum finding_id id, const char *message,
                      const char *hint) {
    struct finding *f = finding_add(&c->findings, id, NULL, 1, NAN);
    f->n = 1;
    finding_reason(&c->findings, f, "%s", message);
    if (hint && *hint)
        finding_reason(&c->findings, f, "%s", hint);
    return RN_OK;
}

static int epoch_rows(const struct check *c, uint64_t *rows, struct diag *d) {
    const struct node *n = node_at(c->x->root, "train.steps_per_epoch");
    double most = n ? (double)node_int(n) * (double)experiment_int(c->x, "data.batch") *
                          (double)experiment_int(c->x, "train.accumulate")
                    : 0;
    *rows = (uint64_t)fmin(most, 1e15);
    if (most > 1e15)
        return node_error(d, n, false, RN_E_CONFIG,
                          "an epoch of %g samples is too long", most);
    return RN_OK;
}

static int open_data(struct check *c, struct diag *d) {
    static const struct instance_services none = {0};
    struct instance_services *services = arena_new(c->arena, struct instance_services);
    *services = none;
    services->cancelled = stopped;
    services->context = c;
    struct data_options o = {.session = c->o.session,
                             .config = c->x->config,
                             .data = node_find(c->x->root, "data"),
                             .sections = c->x->sections,
                             .services = services,
                             .seed = c->x->seed,
                             .inspect = true};
    struct diag *mine = diag_create();
    const char *hint;
    int status = epoch_rows(c, &o.epoch_rows, d);
    if (status == RN_OK)
        c->data = data_open(&o, mine);
    finding_looked(&c->findings, FINDING_UNREADABLE);
    if (status == RN_OK && !c->data) {
        const char *message = diag_first(mine, &hint);
        status = diag_status(mine);
        if (status == RN_E_DATA) {
            status = as_finding(c, FINDING_UNREADABLE, message, hint);
        } else { /* again, so that the errors are in d with their places */
            data_close(data_open(&o, d));
        }
    }
    diag_destroy(mine);
    return status;
}

/* Fit and try, as a run does before its first step. */
static int try_transforms(struct check *c, struct diag *d) {
    struct rn_error e = {0};
    int status = data_fit(c->data, &e);
    if (status == RN_OK)
        status = data_check(c->data, &e);
    finding_looked(&c->findings, FINDING_UNUSABLE);
    c->ready = status == RN_OK;
    if (status == RN_OK && (status = check_samples(c, &e)) != RN_OK)
        return fail(c, &e, d);
    if (status == RN_E_DATA)
        return as_finding(c, FINDING_UNUSABLE, e.message, e.hint);
    return status == RN_OK ? RN_OK : fail(c, &e, d);
}

static int check_target_name(const struct check *c, struct diag *d) {
    const struct node *n = node_at(c->x->root, "check.target");
    struct suggest all = {0};
    for (uint32_t i = 0; n && i < data_raw_count(c->data); i++) {
        const char *name = data_raw_at(c->data, i).name;
        if (strcmp(name, node_string(n)) == 0)
            n = NULL;
        else
            suggest_add(&all, name);
    }
    if (n) {
        node_error(d, n, false, RN_E_CONFIG, "the data have no field '%s'",
                   node_string(n));
        diag_suggest(d, &all, node_string(n), "there are");
    }
    suggest_finish(&all);
    return n ? RN_E_CONFIG : RN_OK;
}

static int look(struct check *c, struct diag *d) {
    struct rn_error e = {0};
    struct profile_options o = {.budget = c->o.budget, .threads = c->o.threads};
    if (check_target_name(c, d) != RN_OK)
        return RN_E_CONFIG;
    roles_find(c->x, c->data, c->arena, &c->roles);
    c->profile = profile_make(c->data, &c->roles, &o, &e);
    if (!c->profile)
        return fail(c, &e, d);
    int status = try_transforms(c, d);
    if (status != RN_OK)
        return status;
    check_integrity(c);
    check_target(c);
    check_leaks(c);
    check_drift(c);
    status = check_groups(c, &e);
    if (status == RN_OK)
        status = check_dates(c, &e);
    if (status == RN_OK)
        status = check_near(c, &e);
    if (status == RN_OK)
        status = check_pictures(c, &e);
    if (status == RN_OK)
        status = check_label_errors(c, &e);
    if (status != RN_OK)
        return fail(c, &e, d);
    check_contract(c, d);
    return diag_status(d);
}

/* With data.prepare spelled out, as a run has it. */
static struct experiment *open_experiment(struct check *c, struct diag *d) {
    struct setup_options o = {.session = c->o.session,
                              .file = c->o.file,
                              .override_count = c->o.override_count,
                              .overrides = c->o.overrides,
                              .use = ENGINE_TRAIN,
                              .cancelled = c->o.cancelled,
                              .cancel_context = c->o.cancel_context};
    struct config *x =
        experiment_read(o.session, o.file, o.override_count, o.overrides, NULL, d);
    c->prepares = x && !diag_count(d) && node_at(config_root(x), "data.prepare");
    bool good = x && !diag_count(d);
    config_destroy(x);
    return good ? setup_open_experiment(&o, c->arena, d) : NULL;
}

struct check *check_run(const struct check_options *o, struct diag *d) {
    double began = clock_seconds();
    struct arena *a = arena_create();
    struct check *c = arena_new(a, struct check);
    c->arena = a;
    c->o = *o;
    findings_init(&c->findings, a);
    int status = choose(c, d);
    if (status == RN_OK)
        c->x = open_experiment(c, d);
    if (c->x) {
        read_thresholds(c, d);
        check_allowed(c, d);
        status = diag_count(d) ? diag_status(d) : open_data(c, d);
        if (status == RN_OK && c->data)
            status = look(c, d);
    }
    if (c->x && status == RN_OK && !diag_count(d)) {
        for (int i = 0; i < FINDING_COUNT && !c->data; i++)
            finding_skip(&c->findings, (enum finding_id)i, "the data cannot be read");
        findings_settle(&c->findings);
        allow(c, d);
        fix_choose(c);
    }
    c->seconds = clock_seconds() - began;
    if (c->x && status == RN_OK && !diag_count(d))
        return c;
    check_close(c);
    return NULL;
}

void check_close(struct check *c) {
    if (!c)
        return;
    profile_destroy(c->profile);
    data_close(c->data);
    experiment_close(c->x);
    findings_finish(&c->findings);
    arena_destroy(c->arena);
}
