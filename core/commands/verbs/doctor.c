/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: what this runner has, and what it lacks and why. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <runner/sdk/isa.h>

#include "commands/cli/report.h"
#include "commands/cli/session.h"
#include "commands/verbs/verbs.h"
#include "exec/exec.h"

/* Can it be opened, and what does it say of itself? false: `text` says why not. */
static bool try_backend(struct session *s, const struct component *c, char text[512],
                        uint32_t *threads) {
    struct rn_error e = {0};
    struct rn_device_info info = {.struct_size = sizeof info};
    struct instance_services none = {NULL, NULL, NULL};
    struct diag *d = diag_create();
    struct instance *i = NULL;
    struct config *config = config_from_text("doctor", "type: x\n", d);
    int status = session_load(s, c, &e);
    *threads = 0;
    if (status == RN_OK && config)
        status = schema_check(config, config_root(config), c->schema,
                              (const char *const[]){"type", NULL}, NULL, d);
    if (status == RN_OK)
        status = instance_create(s, c, config_root(config), &none, d, &i);
    if (status == RN_OK) {
        const struct rn_backend *b = c->iface;
        status = b->info(instance_self(i), &info, &e);
    }
    if (status == RN_OK) {
        *threads = info.threads;
        snprintf(text, 512, "%s%s", info.name, info.fast_bf16 ? ", bf16 products" : "");
    } else {
        const char *hint = "", *first = diag_first(d, &hint);
        if (e.message[0])
            first = e.message, hint = e.hint;
        snprintf(text, 512, "%.300s%s%.200s", first ? first : "it cannot be opened",
                 hint && *hint ? "; " : "", hint ? hint : "");
    }
    instance_destroy(i);
    config_destroy(config);
    diag_destroy(d);
    return status == RN_OK;
}

static void put(const char *name, const char *value) {
    struct text t = {0};
    json_quote(&t, value);
    printf("\"%s\": %s", name, text_get(&t));
    text_finish(&t);
}

static void refused(struct session *s, bool json) {
    for (uint32_t i = 0; i < session_refused(s); i++) {
        const char *file, *why;
        session_refused_at(s, i, &file, &why);
        if (!json) {
            printf("  refused: %s: %s\n", file, why);
            continue;
        }
        printf(i ? ", {" : "{");
        put("file", file);
        printf(", ");
        put("why", why);
        printf("}");
    }
}

static void backends(struct session *s, bool json) {
    char text[512];
    uint32_t threads, n = 0;
    bool cuda = false;
    for (uint32_t i = 0; i < session_count(s); i++) {
        const struct component *c = session_at(s, i);
        if (strcmp(c->kind, "backend") != 0)
            continue;
        bool good = try_backend(s, c, text, &threads);
        cuda |= strcmp(c->bare, "cuda") == 0;
        if (json) {
            printf(n++ ? ", {" : "{");
            put("name", c->bare);
            printf(", \"usable\": %s, \"threads\": %u, ", good ? "true" : "false",
                   threads);
            put("says", text);
            printf("}");
        } else if (good) {
            printf("  %-12s %s, %u threads\n", c->bare, text, threads);
        } else {
            printf("  %-12s not usable: %s\n", c->bare, text);
        }
    }
    if (!cuda && !json)
        puts("  cuda         not built into this runner");
}

static void instructions(bool json) {
    const char *used = rn_isa_name(rn_isa_level()),
               *machine = rn_isa_name(rn_isa_machine());
    if (json) {
        printf("\"isa\": {");
        put("processor", machine);
        printf(", ");
        put("used", used);
        printf(", \"cap\": ");
        if (rn_isa_wish())
            printf("\"%s\"", rn_isa_wish());
        else
            printf("null");
        printf("}, ");
    } else if (rn_isa_wish()) {
        printf("instruction sets up to %s: the processor has %s, RUNNER_ISA is %s\n",
               used, machine, rn_isa_wish());
    } else {
        printf("instruction sets up to %s\n", used);
    }
}

int verb_doctor(const struct args *a) {
    struct session *s = open_session();
    if (!s)
        return 4;
    struct utsname u;
    uname(&u);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    bool writable = access(".", W_OK) == 0;
    if (args_json(a)) {
        printf("{");
        put("runner", RUNNER_VERSION);
        printf(", \"abi\": \"%u.%u\", ", RN_ABI_MAJOR, RN_ABI_MINOR);
        put("system", u.sysname);
        printf(", ");
        put("release", u.release);
        printf(", ");
        put("machine", u.machine);
        printf(", \"processors\": %ld, ", processors);
        instructions(true);
        put("plugins", plugin_folder());
        printf(", \"components\": %u, \"refused\": [", session_count(s));
        refused(s, true);
        printf("], \"backends\": [");
        backends(s, true);
        printf("], \"writable\": %s}\n", writable ? "true" : "false");
    } else {
        printf("runner %s, ABI %u.%u, %s %s %s, %ld processors\n", RUNNER_VERSION,
               RN_ABI_MAJOR, RN_ABI_MINOR, u.sysname, u.release, u.machine, processors);
        instructions(false);
        printf("plugins in %s: %u components\n", plugin_folder(), session_count(s));
        refused(s, false);
        puts("backends");
        backends(s, false);
        if (!writable)
            puts("this folder cannot be written: runs need another `output`");
    }
    session_destroy(s);
    return 0;
}
