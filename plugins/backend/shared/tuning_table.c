/* SPDX-License-Identifier: Apache-2.0 */
/* The table of kernels: memory, disk and record. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/stat.h>
#include <unistd.h>

#include "cache_file.h"
#include "tuning_table.h"

#define LINE_MAX_ (CHOICE_KEY_MAX + 96)
#define OLD_S     900

struct tuning_table {
    struct cache_key machine;
    struct choice *entries;
    size_t count, capacity;
    uint64_t probe_ns; /* the shortest */
    bool old;
    char *text; /* of tuning_text */
    const char *letters;
};

struct tuning_table *choices_create(const char *machine, const char *letters) {
    struct tuning_table *t = calloc(1, sizeof *t);
    if (t) {
        t->letters = letters;
        cache_key_add(&t->machine, machine);
    }
    return t;
}

void tuning_destroy(struct tuning_table *t) {
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++) {
        free(t->entries[i].key);
        free(t->entries[i].what);
    }
    free(t->entries);
    free(t->text);
    free(t);
}

/* ------------------------------------------------------------------- table */

struct choice *tuning_find(const struct tuning_table *t, const char *key) {
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->entries[i].key, key) == 0)
            return &t->entries[i];
    return NULL;
}

uint64_t tuning_least(const struct tuning_table *t, const char *key) {
    size_t what = strcspn(key, "|");
    uint64_t best_ns = 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct choice *k = &t->entries[i];
        if (strlen(k->what) == what && memcmp(k->what, key, what) == 0 &&
            (!best_ns || k->ns < best_ns))
            best_ns = k->ns;
    }
    return best_ns;
}

uint64_t tuning_walk(const struct tuning_table *t) {
    return t->probe_ns;
}

bool choice_in_doubt(const struct tuning_table *t, const struct choice *c) {
    return !c->complete && (c->disturbed || probe_is_slow(c->probe_ns, t->probe_ns));
}

bool choices_are_old(const struct tuning_table *t) {
    return t->old;
}

/* The first line of a key counts, unless it is in doubt and this one is not. */
static struct choice *add(struct tuning_table *t, const struct choice *c) {
    if (c->probe_ns && (!t->probe_ns || c->probe_ns < t->probe_ns))
        t->probe_ns = c->probe_ns;
    struct choice *have = tuning_find(t, c->key);
    if (have) {
        if (!have->used && choice_in_doubt(t, have) && !choice_in_doubt(t, c)) {
            have->kernel = c->kernel;
            have->disturbed = c->disturbed;
            have->ns = c->ns;
            have->probe_ns = c->probe_ns;
        }
        return have;
    }
    if (t->count == t->capacity) {
        size_t capacity = 2 * t->capacity + 64;
        struct choice *grown = realloc(t->entries, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        t->entries = grown;
        t->capacity = capacity;
    }
    struct choice e = *c;
    e.key = strdup(c->key);
    e.what = strndup(c->key, strcspn(c->key, "|"));
    if (!e.key || !e.what) {
        free(e.key);
        free(e.what);
        return NULL;
    }
    t->entries[t->count] = e;
    return &t->entries[t->count++];
}

/* ------------------------------------------------------------------- lines */

/* Digits that end at `stop`; 0: they do not. */
static uint64_t number(const char *text, char stop, const char **end) {
    char *at = NULL;
    uint64_t value = strtoull(text, &at, 10);
    bool good = *text >= '0' && *text <= '9' && *at == stop;
    *end = at;
    return good ? value : 0;
}

/* The walk is missing in records of earlier versions. */
static void read_line(struct tuning_table *t, char *line, bool complete) {
    char *tab = strchr(line, '\t');
    const char *end = NULL;
    if (!tab || !tab[1] || tab[2] != '\t' || !strchr(t->letters, tab[1]))
        return;
    struct choice c = {.key = line, .kernel = tab[1], .complete = complete};
    bool probe_ns = strchr(tab + 3, '\t') != NULL;
    c.ns = number(tab + 3, probe_ns ? '\t' : '\0', &end);
    if (!c.ns)
        return;
    if (probe_ns && strcmp(end + 1, "?") == 0)
        c.disturbed = true;
    else if (probe_ns && strcmp(end + 1, "-") != 0 &&
             !(c.probe_ns = number(end + 1, '\0', &end)))
        return;
    *tab = '\0';
    add(t, &c);
}

static int write_line(char *out, size_t size, const struct choice *c) {
    char probe_ns[24] = "-";
    if (c->disturbed)
        strcpy(probe_ns, "?");
    else if (c->probe_ns)
        snprintf(probe_ns, sizeof probe_ns, "%llu", (unsigned long long)c->probe_ns);
    return snprintf(out, size, "%s\t%c\t%llu\t%s\n", c->key, c->kernel,
                    (unsigned long long)c->ns, probe_ns);
}

void tuning_read(struct tuning_table *t, const char *text) {
    while (*text) {
        char line[LINE_MAX_];
        size_t n = strcspn(text, "\n");
        if (n < sizeof line) {
            memcpy(line, text, n);
            line[n] = '\0';
            read_line(t, line, true);
        }
        text += n + (text[n] == '\n');
    }
}

const char *tuning_text(struct tuning_table *t) {
    size_t size = 1, at = 0;
    for (size_t i = 0; i < t->count; i++)
        size += strlen(t->entries[i].key) + 64;
    free(t->text);
    t->text = malloc(size);
    if (!t->text)
        return NULL;
    t->text[0] = '\0';
    for (size_t i = 0; i < t->count; i++)
        if (t->entries[i].used)
            at += (size_t)write_line(t->text + at, size - at, &t->entries[i]);
    return t->text;
}

/* -------------------------------------------------------------------- disk */

char *tuning_place(const struct tuning_table *t) {
    char *folder = cache_folder("kernels");
    char *path = folder ? cache_path(folder, &t->machine, "txt") : NULL;
    free(folder);
    return path;
}

bool tuning_load(struct tuning_table *t) {
    char *path = tuning_place(t);
    FILE *f = path ? fopen(path, "re") : NULL;
    char line[LINE_MAX_];
    struct stat s;
    t->old = f && fstat(fileno(f), &s) == 0 && s.st_mtime + OLD_S < time(NULL);
    while (f && fgets(line, sizeof line, f)) {
        char *end = strchr(line, '\n');
        if (end) { /* a line without an end was torn */
            *end = '\0';
            read_line(t, line, false);
        }
    }
    if (f)
        fclose(f);
    free(path);
    return path != NULL;
}

/* Written at once, then read again: of several runs that time one node at one time the
 * first line counts for all, or the same file would not give the same bits. */
struct choice *tuning_keep(struct tuning_table *t, const struct choice *c) {
    char line[LINE_MAX_];
    char *path = tuning_place(t);
    int n = write_line(line, sizeof line, c);
    int f = path && n < (int)sizeof line
                ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)
                : -1;
    bool written = f >= 0 && write(f, line, (size_t)n) == n, old = t->old;
    if (f >= 0)
        close(f);
    free(path);
    if (written)
        tuning_load(t);
    t->old = old;     /* as it was when the run began */
    return add(t, c); /* no cache: known to this run alone */
}
