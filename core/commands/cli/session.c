/* SPDX-License-Identifier: Apache-2.0 */
/* The folders that plugins are searched in. */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/cli/report.h"
#include "commands/cli/session.h"
#include "plugin/kinds.h"

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
    /* In the build tree the plugins are beside core/. */
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

static void log_to_stderr(void *context, int level, const char *line) {
    (void)context;
    if (level > RN_LOG_DEBUG)
        fprintf(stderr, "%s%s\n", level == RN_LOG_WARNING ? "warning: " : "", line);
}

struct session *open_session(void) {
    struct session *s = session_create(log_to_stderr, NULL);
    char path[PATH_MAX];
    const char *list = getenv("RUNNER_PLUGIN_PATH"), *home = getenv("HOME"),
               *data = getenv("XDG_DATA_HOME");
    if (!plugin_folder()[0]) {
        fprintf(stderr,
                "runner: error: the folder of the built-in plugins is missing\n");
        goto failed;
    }
    /* First, so that a copy of a built-in plugin elsewhere is known to be one. */
    for (int i = 0; i < KIND_COUNT; i++) {
        snprintf(path, sizeof path, "%s/%s", plugin_folder(), kind_at(i)->name);
        if (add(s, path, true) != RN_OK)
            goto failed;
    }
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
    /* What the system's administrator adds. */
    if (add(s, plugin_folder(), false) != RN_OK)
        goto failed;
    return s;
failed:
    session_destroy(s);
    return NULL;
}
