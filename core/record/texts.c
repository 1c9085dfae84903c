/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of a run that no seal covers: a note of the log has the SHA-256 of each. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/hash.h"
#include "record/file.h"
#include "record/state.h"

static const struct {
    const char *file, *note;
} texts[] = {{"resolved.yaml", ".resolved.yaml"},
             {"split.txt", ".split.txt"},
             {"kernels.txt", ".kernels.txt"}};

static void digest(const char *text, size_t length, char out[65]) {
    struct sha256 h;
    uint8_t raw[32];
    sha256_init(&h);
    sha256_add(&h, text, length);
    sha256_finish(&h, raw);
    sha256_hex(raw, out);
}

static const char *note_of(const char *file) {
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(texts[i].file, file) == 0)
            return texts[i].note;
    return NULL;
}

int text_write(struct record *r, const char *file, const char *text, size_t length,
               struct rn_error *e) {
    const char *path = record_path(r->arena, r, file);
    char value[2 * 65], *old = NULL;
    uint64_t bytes = 0;
    digest(text, length, value);
    /* Until the new one has taken its place, the old one is right, too. */
    if (file_load(path, UINT64_MAX, &old, &bytes, NULL) == RN_OK) {
        value[64] = ' ';
        digest(old, bytes, value + 65);
    }
    memory_release(old);
    int status = record_note(r, note_of(file), value, e);
    if (!status)
        status = record_sync(r, e);
    return status ? status : file_replace(path, text, length, e);
}

bool text_known(const struct log_view *v, const char *file, const char *text,
                size_t length) {
    const char *note = note_of(file);
    char hex[65];
    digest(text, length, hex);
    for (size_t i = 0; i < v->note_count; i++)
        if (strcmp(v->notes[i].key, note) == 0)
            return strstr(v->notes[i].value, hex) != NULL;
    return true;
}

int text_check(const struct record *r, const struct log_view *v, const char *file,
               struct rn_error *e) {
    struct arena *a = arena_create();
    const char *path = record_path(a, r, file);
    struct stat st;
    char *text = NULL;
    uint64_t bytes = 0;
    int status;
    if (stat(path, &st) && errno == ENOENT)
        status = text_known(v, file, "", 0)
                     ? RN_OK /* nothing is recorded of it */
                     : error_set(e, RN_E_CHECKPOINT, "%s is missing", path);
    else if ((status = file_load(path, UINT64_MAX, &text, &bytes, e)) == RN_OK &&
             !text_known(v, file, text, bytes))
        status = error_set(e, RN_E_CHECKPOINT,
                           "%s is not the text that the run recorded", path);
    memory_release(text);
    arena_destroy(a);
    return status;
}

int texts_check(const struct record *r, const struct log_view *v, struct rn_error *e) {
    int status = RN_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == RN_OK; i++)
        status = text_check(r, v, texts[i].file, e);
    return status;
}
