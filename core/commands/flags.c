/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs share: flags, exit codes, errors on stderr, the session. */
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "commands/commands.h"

/* Is `name` a word of `accepted`? 1, or 2 when it wants a value, 0 unknown. */
static int accepts(const char *accepted, const char *name) {
    size_t n = strlen(name);
    for (const char *p = accepted; *p;) {
        size_t k = strcspn(p, " ");
        bool value = k && p[k - 1] == '=';
        if (k - value == n && strncmp(p, name, n) == 0)
            return value ? 2 : 1;
        p += k;
        p += strspn(p, " ");
    }
    return 0;
}

/* `typed`: the argument as it stood. */
static int unknown_flag(const struct command *c, const char *accepted, const char *flag,
                        const char *typed) {
    const char *words[32] = {"help"};
    char copy[512];
    size_t n = 1;
    snprintf(copy, sizeof copy, "%s", accepted);
    for (char *save, *w = strtok_r(copy, " =", &save); w && n < 32;
         w = strtok_r(NULL, " =", &save))
        words[n++] = w;
    const char *near = error_nearest(flag, words, n);
    fprintf(stderr, "runner %s: error: unknown flag %.*s\n", c->name,
            (int)strcspn(typed, "="), typed);
    if (strchr(flag, '.') || (strchr(typed, '=') && !near))
        fprintf(stderr, "  an override of the file is written without dashes: %s\n",
                typed + strspn(typed, "-"));
    else if (near)
        fprintf(stderr, "  did you mean --%s?\n", near);
    else
        fprintf(stderr, "  runner %s --help lists them\n", c->name);
    return 2;
}

/* No shell expands `~` behind the `=` of a flag. false after saying why not. */
static bool expand_home(const struct command *c, const char *flag, const char **value,
                        char buffer[PATH_MAX]) {
    struct text path = {0};
    struct rn_error e = {0};
    if (!*value || **value != '~')
        return true;
    bool good = path_expand(*value, &path, &e) == RN_OK;
    if (!good)
        fprintf(stderr, "runner %s: error: --%s: %s\n  %s\n", c->name, flag, e.message,
                e.hint);
    snprintf(buffer, PATH_MAX, "%s", text_get(&path));
    *value = buffer;
    text_finish(&path);
    return good;
}

int flags_parse(const struct command *c, int argc, char **argv, const char *accepted,
                struct flags *out) {
    memset(out, 0, sizeof *out);
    out->progress = "auto";
    bool only_args = false;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (!only_args && strcmp(a, "--") == 0) {
            only_args = true;
            continue;
        }
        if (only_args || a[0] != '-' || !a[1]) {
            if (out->positional == sizeof out->arg / sizeof out->arg[0]) {
                fprintf(stderr, "runner %s: error: more than 64 arguments\n", c->name);
                return 2;
            }
            out->arg[out->positional++] = a;
            continue;
        }
        if (strcmp(a, "-h") == 0 || strcmp(a, "--help") == 0) {
            out->help = true;
            continue;
        }
        char name[64];
        const char *body = a + strspn(a, "-"), *eq = strchr(body, '=');
        snprintf(name, sizeof name, "%.*s", (int)(eq ? eq - body : (long)strlen(body)),
                 body);
        int kind = accepts(accepted, name);
        if (!kind)
            return unknown_flag(c, accepted, name, a);
        const char *value = eq ? eq + 1 : NULL;
        if (kind == 2 && !value && i + 1 < argc)
            value = argv[++i];
        if ((kind == 2 && !value) || (kind == 1 && eq)) {
            fprintf(stderr, "runner %s: error: --%s %s\n", c->name, name,
                    kind == 2 ? "expects a value" : "takes no value");
            return 2;
        }
        struct {
            const char *name;
            const char **text;
            bool *flag;
        } table[] = {{"json", NULL, &out->json},
                     {"ack", NULL, &out->ack},
                     {"dot", NULL, &out->dot},
                     {"resolved", NULL, &out->resolved},
                     {"blame", NULL, &out->blame},
                     {"kernels", NULL, &out->kernels},
                     {"man", NULL, &out->man},
                     {"docs", NULL, &out->docs},
                     {"progress", &out->progress, NULL},
                     {"out", &out->out, NULL},
                     {"checkpoint", &out->checkpoint, NULL},
                     {"split", &out->split, NULL},
                     {"data", &out->data, NULL},
                     {"seconds", &out->seconds, NULL},
                     {"steps", &out->steps, NULL},
                     {"trace", &out->trace, NULL}};
        for (size_t k = 0; k < sizeof table / sizeof table[0]; k++)
            if (strcmp(table[k].name, name) == 0) {
                if (table[k].text)
                    *table[k].text = value;
                else
                    *table[k].flag = true;
            }
    }
    static const char *const modes[] = {"auto", "bar", "plain", "json", "none"};
    bool known = false;
    for (size_t i = 0; i < 5; i++)
        known |= strcmp(out->progress, modes[i]) == 0;
    if (!known) {
        fprintf(
            stderr,
            "runner %s: error: --progress %s: it is auto, bar, plain, json or none\n",
            c->name, out->progress);
        return 2;
    }
    out->json |= strcmp(out->progress, "json") == 0;
    bool good = expand_home(c, "out", &out->out, out->out_path) &&
                expand_home(c, "trace", &out->trace, out->trace_path) &&
                expand_home(c, "checkpoint", &out->checkpoint, out->checkpoint_path);
    return good ? 0 : 2;
}

int exit_code(int status) {
    if (status == RN_OK)
        return 0;
    if (status == RN_E_CANCELLED)
        return 75;
    if (status == RN_E_UNSUPPORTED)
        return 4;
    return status < 0 && status >= RN_E_LOCKED ? -status : 1;
}

bool stderr_colour(void) {
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(STDERR_FILENO) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

static const char *typed = "runner";

const char *program_name(void) {
    return typed;
}

void program_name_set(const char *argv0) {
    if (argv0 && *argv0)
        typed = argv0;
}

void typed_path(const char *path, struct text *out) {
    char here[PATH_MAX];
    size_t n = getcwd(here, sizeof here) ? strlen(here) : 0;
    if (n && strncmp(path, here, n) == 0 && path[n] == '/' && path[n + 1])
        path += n + 1;
    const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                        "/._-+,:=@%";
    if (path[strspn(path, plain)] == '\0') {
        text_add(out, path);
        return;
    }
    text_add(out, "'");
    for (; *path; path++)
        if (*path == '\'')
            text_add(out, "'\\''");
        else
            text_addf(out, "%c", *path);
    text_add(out, "'");
}

int fail_with(const struct diag *d, const struct flags *f) {
    struct text t = {0};
    if (f && f->json) {
        diag_json(d, &t);
        printf("%s\n", text_get(&t));
    } else {
        diag_print(d, &t, stderr_colour());
        fputs(text_get(&t), stderr);
    }
    text_finish(&t);
    int status = diag_status(d);
    return status ? exit_code(status) : 1;
}

void json_value(const char *name, double value) {
    struct text t = {0};
    json_quote(&t, name);
    if (isfinite(value))
        printf("%s: %.17g", text_get(&t), value);
    else
        printf("%s: null", text_get(&t));
    text_finish(&t);
}

void print_measure(const char *name, double value) {
    struct text t = {0};
    text_addf(&t, "%s ", name);
    text_add_measure(&t, value, 6);
    puts(text_get(&t));
    text_finish(&t);
}

int fail_error(const struct rn_error *e, const struct flags *f) {
    struct diag *d = diag_create();
    diag_add(d, e);
    int code = fail_with(d, f);
    diag_destroy(d);
    return code;
}

/* ------------------------------------------------------------------- session */

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

const char *plugin_folder(void) {
    static char folder[PATH_MAX];
    char exe[PATH_MAX];
    if (folder[0])
        return folder;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0)
        return "";
    exe[n] = '\0';
    char *bin = dirname(exe), tree[PATH_MAX + 32];
    /* In the build tree the plugins lie beside core/. */
    snprintf(tree, sizeof tree, "%s/../../build.ninja", bin);
    const char *relative =
        access(tree, F_OK) == 0 ? "../../plugins" : RUNNER_PLUGIN_DIR;
    snprintf(tree, sizeof tree, "%s/%s", bin, relative);
    if (!realpath(tree, folder))
        folder[0] = '\0';
    return folder;
}

static int add(struct session *s, const char *folder, bool built_in) {
    struct rn_error e;
    if (!is_folder(folder) || session_add_folder(s, folder, built_in, &e) == RN_OK)
        return RN_OK;
    return fail_error(&e, NULL);
}

struct session *open_session(void) {
    static const char *const kinds[] = {"source", "transform", "augment",   "init",
                                        "model",  "loss",      "optimizer", "schedule",
                                        "metric", "hook",      "backend"};
    struct session *s = session_create();
    char path[PATH_MAX];
    const char *list = getenv("RUNNER_PLUGIN_PATH"), *home = getenv("HOME"),
               *data = getenv("XDG_DATA_HOME");
    for (const char *p = list; p && *p;) {
        size_t n = strcspn(p, ":");
        snprintf(path, sizeof path, "%.*s", (int)n, p);
        if (n && add(s, path, false) != RN_OK)
            goto failed;
        p += n + (p[n] == ':');
    }
    if (add(s, ".runner/plugins", false) != RN_OK)
        goto failed;
    if (data && *data)
        snprintf(path, sizeof path, "%s/runner/plugins", data);
    else
        snprintf(path, sizeof path, "%s/.local/share/runner/plugins", home ? home : "");
    if (add(s, path, false) != RN_OK)
        goto failed;
    if (!plugin_folder()[0]) {
        fprintf(stderr,
                "runner: error: the folder of the built-in plugins is missing\n");
        goto failed;
    }
    /* Directly in it: what the system's administrator adds. */
    if (add(s, plugin_folder(), false) != RN_OK)
        goto failed;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", plugin_folder(), kinds[i]);
        if (add(s, path, true) != RN_OK)
            goto failed;
    }
    return s;
failed:
    session_destroy(s);
    return NULL;
}
