/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: what this runner has, and what it lacks and why. */
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "commands/commands.h"
#include "exec/exec.h"

static void backend(struct session *s, const struct component *c) {
    struct rn_error e = {0};
    struct rn_device_info info = {.struct_size = sizeof info};
    void *self = NULL;
    if (session_load(s, c, &e) != RN_OK) {
        printf("  %-12s not usable: %s\n", c->bare, e.message);
        return;
    }
    struct diag *d = diag_create();
    struct instance *i = NULL;
    struct config *config = config_from_text("doctor", "type: x\n", d);
    struct instance_services none = {NULL, NULL, NULL};
    if (!config || schema_check(config, config_root(config), c->schema,
                                (const char *const[]){"type", NULL}, NULL, d) != RN_OK ||
        instance_create(s, c, config_root(config), &none, d, &i) != RN_OK) {
        printf("  %-12s cannot be opened\n", c->bare);
    } else {
        const struct rn_backend *b = c->iface;
        self = instance_self(i);
        if (b->info(self, &info, &e) == RN_OK)
            printf("  %-12s %s, %u threads\n", c->bare, info.name, info.threads);
        else
            printf("  %-12s not usable: %s\n", c->bare, e.message);
    }
    instance_destroy(i);
    config_destroy(config);
    diag_destroy(d);
}

static int doctor(int argc, char **argv) {
    struct flags f;
    int code = flags_parse(&command_doctor, argc, argv, "", &f);
    if (code || f.help)
        return code ? code : command_print_help(&command_doctor);
    struct session *s = open_session();
    if (!s)
        return 4;
    struct utsname u;
    uname(&u);
    printf("runner %s, ABI %u.%u, %s %s %s, %ld processors\n", RUNNER_VERSION, RN_ABI_MAJOR,
           RN_ABI_MINOR, u.sysname, u.release, u.machine, sysconf(_SC_NPROCESSORS_ONLN));
    printf("plugins in %s: %u components\n", plugin_folder(), session_count(s));
    for (uint32_t i = 0; i < session_refused(s); i++) {
        const char *file, *why;
        session_refused_at(s, i, &file, &why);
        printf("  refused: %s: %s\n", file, why);
    }
    puts("backends");
    for (uint32_t i = 0; i < session_count(s); i++)
        if (strcmp(session_at(s, i)->kind, "backend") == 0)
            backend(s, session_at(s, i));
    bool cuda = false;
    for (uint32_t i = 0; i < session_count(s); i++)
        cuda |= strcmp(session_at(s, i)->bare, "cuda") == 0;
    if (!cuda)
        puts("  cuda         not built into this runner");
    if (access(".", W_OK) != 0)
        puts("this folder cannot be written: runs need another `output`");
    session_destroy(s);
    return 0;
}

const struct command command_doctor = {
    "doctor", "doctor", "what this runner has, what it lacks and why", "", "runner doctor",
    doctor};
