/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: what this runner has, and what it lacks and why. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <runner/sdk/isa.h>

#include "base/json_writer.h"
#include "commands/cli/report.h"
#include "commands/cli/session.h"
#include "commands/verbs/verbs.h"
#include "exec/exec.h"
#include "plugin/kinds.h"

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

/* ----------------------------------------------------------------------- text */

static void print_instructions(void) {
    const char *used = rn_isa_name(rn_isa_level());
    if (rn_isa_wish())
        printf("instruction sets up to %s: the processor has %s, RUNNER_ISA is %s\n",
               used, rn_isa_name(rn_isa_machine()), rn_isa_wish());
    else
        printf("instruction sets up to %s\n", used);
}

static void print_backends(struct session *s) {
    char text[512];
    uint32_t threads;
    bool cuda = false;
    puts("backends");
    for (uint32_t i = 0; i < session_count(s); i++) {
        const struct component *c = session_at(s, i);
        if (strcmp(c->kind, "backend") != 0)
            continue;
        cuda |= strcmp(c->bare, "cuda") == 0;
        if (try_backend(s, c, text, &threads))
            printf("  %-12s %s, %u threads\n", c->bare, text, threads);
        else
            printf("  %-12s not usable: %s\n", c->bare, text);
    }
    if (!cuda)
        puts("  cuda         not built into this runner");
}

/* ------------------------------------------------------- libraries of plugins */

/* A line of optional.txt: component, what it can do, and by which library, or what to
 * install. */
struct optional {
    char *component, *what, *how;
};

/* The next line of the file that a kind's folder of plugins may have; false at its end.
 */
static bool optional_next(FILE *f, char line[512], struct optional *o) {
    if (!f || !fgets(line, 512, f))
        return false;
    line[strcspn(line, "\n")] = '\0';
    o->component = strtok(line, "\t");
    o->what = strtok(NULL, "\t");
    o->how = strtok(NULL, "\t");
    return o->how != NULL;
}

static FILE *optional_open(int kind) {
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s/optional.txt", plugin_folder(),
                     kind_at(kind)->name);
    return n > 0 && (size_t)n < sizeof path ? fopen(path, "re") : NULL;
}

static void print_optional(void) {
    char line[512];
    struct optional o;
    for (int k = 0; k < KIND_COUNT; k++) {
        FILE *f = optional_open(k);
        if (f)
            printf("libraries of %s\n", kind_at(k)->plural);
        while (optional_next(f, line, &o))
            printf("  %-12s %-8s %s\n", o.component, o.what, o.how);
        if (f)
            fclose(f);
    }
}

static void print(struct session *s, const struct utsname *u, long processors,
                  bool writable) {
    printf("runner %s, ABI %u.%u, %s %s %s, %ld processors\n", RUNNER_VERSION,
           RN_ABI_MAJOR, RN_ABI_MINOR, u->sysname, u->release, u->machine, processors);
    print_instructions();
    printf("plugins in %s: %u components\n", plugin_folder(), session_count(s));
    for (uint32_t i = 0; i < session_refused(s); i++) {
        const char *file, *why;
        session_refused_at(s, i, &file, &why);
        printf("  refused: %s: %s\n", file, why);
    }
    print_backends(s);
    print_optional();
    if (!writable)
        puts("this folder cannot be written: runs need another `output`");
}

/* ----------------------------------------------------------------------- JSON */

static void add_instructions(struct json_writer *w) {
    json_object(w, "isa");
    json_string(w, "processor", rn_isa_name(rn_isa_machine()));
    json_string(w, "used", rn_isa_name(rn_isa_level()));
    json_string(w, "cap", rn_isa_wish());
    json_close(w);
}

static void add_refused(struct json_writer *w, struct session *s) {
    json_array(w, "refused");
    for (uint32_t i = 0; i < session_refused(s); i++) {
        const char *file, *why;
        session_refused_at(s, i, &file, &why);
        json_object(w, NULL);
        json_string(w, "file", file);
        json_string(w, "why", why);
        json_close(w);
    }
    json_close(w);
}

static void add_backends(struct json_writer *w, struct session *s) {
    char text[512];
    uint32_t threads;
    json_array(w, "backends");
    for (uint32_t i = 0; i < session_count(s); i++) {
        const struct component *c = session_at(s, i);
        if (strcmp(c->kind, "backend") != 0)
            continue;
        bool usable = try_backend(s, c, text, &threads);
        json_object(w, NULL);
        json_string(w, "name", c->bare);
        json_bool(w, "usable", usable);
        json_uint(w, "threads", threads);
        json_string(w, "says", text);
        json_close(w);
    }
    json_close(w);
}

static void add_optional(struct json_writer *w) {
    char line[512];
    struct optional o;
    json_array(w, "libraries");
    for (int k = 0; k < KIND_COUNT; k++) {
        FILE *f = optional_open(k);
        while (optional_next(f, line, &o)) {
            json_object(w, NULL);
            json_string(w, "component", o.component);
            json_string(w, "feature", o.what);
            json_string(w, "says", o.how);
            json_close(w);
        }
        if (f)
            fclose(f);
    }
    json_close(w);
}

static void print_json(struct session *s, const struct utsname *u, long processors,
                       bool writable) {
    struct text line = {0};
    struct json_writer w;
    char abi[32];
    snprintf(abi, sizeof abi, "%u.%u", RN_ABI_MAJOR, RN_ABI_MINOR);
    json_begin(&w, &line);
    json_object(&w, NULL);
    json_string(&w, "runner", RUNNER_VERSION);
    json_string(&w, "abi", abi);
    json_string(&w, "system", u->sysname);
    json_string(&w, "release", u->release);
    json_string(&w, "machine", u->machine);
    json_int(&w, "processors", processors);
    add_instructions(&w);
    json_string(&w, "plugins", plugin_folder());
    json_uint(&w, "components", session_count(s));
    add_refused(&w, s);
    add_backends(&w, s);
    add_optional(&w);
    json_bool(&w, "writable", writable);
    json_close(&w);
    json_end(&w);
    print_text(&line);
}

int verb_doctor(const struct args *a) {
    struct utsname u;
    struct session *s = open_session();
    if (!s)
        return 4;
    uname(&u);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    bool writable = access(".", W_OK) == 0;
    if (args_json(a))
        print_json(s, &u, processors, writable);
    else
        print(s, &u, processors, writable);
    session_destroy(s);
    return 0;
}
