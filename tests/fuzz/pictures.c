/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged pictures and archives, as fuzz.c, but through the decoders: each file is in a
 * block of its own size, and the forms of samples are drawn too. Each must be read, or
 * refused with a message, within a second of processor time and without an error that a
 * sanitizer sees.
 *
 *     pictures SECONDS SEED SCRATCH_FILE FILE ...
 *
 * Files whose names contain "tar" or "zip" are archives. */
#include <stdio.h>
#include <time.h>

#include "check.h"
#include "images_pixels.h"
#include "members.h"

#define SIZE_MAX_SEED (1u << 20)

struct fuzz {
    uint64_t state; /* xorshift64, Marsaglia 2003 */
    const char *scratch;
    struct picture picture;
    struct image_canvas canvas;
    uint64_t runs, good;
};

static uint64_t draw(struct fuzz *f, uint64_t below) {
    f->state ^= f->state << 13;
    f->state ^= f->state >> 7;
    f->state ^= f->state << 17;
    return f->state % below;
}

/* Linked in, not opened. */
int32_t members_scan(struct members *m, uint32_t place, int fd, struct rn_error *e) {
    return members_scan_archive(m, place, fd, e);
}

static int use_all(void *context, const char *name) {
    (void)context, (void)name;
    return 1;
}

static int32_t read_archive(struct fuzz *f, const uint8_t *bytes, size_t n,
                            struct rn_error *e) {
    struct rn_budget budget = {64u << 20, 64u << 20};
    struct members m = {.budget = &budget, .used = use_all};
    struct member_buffer b = {0};
    const uint8_t *data;
    uint64_t size;
    char *path = strdup(f->scratch);
    FILE *file = fopen(f->scratch, "wb");
    CHECK(file && fwrite(bytes, 1, n, file) == n);
    if (file)
        fclose(file);
    int32_t status = members_open(&m, &path, 1, e);
    for (uint64_t i = 0; i < m.count && status == RN_OK; i++)
        status = members_read(&m, i, &b, &data, &size, e);
    member_buffer_finish(&b);
    members_finish(&m);
    free(path);
    return status;
}

static int32_t read_image(struct fuzz *f, const uint8_t *bytes, size_t n,
                          struct rn_error *e) {
    static const uint32_t channels[] = {1, 3, 4};
    struct image_request request = {(int)draw(f, 8) == 0, 1000000};
    struct image_form form = {.channels = channels[draw(f, 3)],
                              .depth = draw(f, 2) ? 8 : 16,
                              .width = 1 + (uint32_t)draw(f, 40),
                              .height = 1 + (uint32_t)draw(f, 40),
                              .fit = (enum image_fit)draw(f, 4),
                              .filter = (enum rn_resample_filter)draw(f, 2)};
    uint8_t *exact = malloc(n ? n : 1); /* so that a read behind its end is seen */
    void *out = malloc((size_t)form.channels * form.width * form.height * 4);
    memcpy(exact, bytes, n);
    struct image_file file = {f->scratch, exact, n};
    int32_t status = image_decode(&file, &request, &f->picture, e);
    if (status == RN_OK && !request.header_only)
        status = image_sample(&f->picture, &form, f->scratch, &f->canvas, out, e);
    free(out);
    free(exact);
    return status;
}

/* *n: of bytes; it may become less. */
static void damage(struct fuzz *f, uint8_t *bytes, size_t *n) {
    for (uint64_t k = draw(f, 8); k > 0; k--) {
        size_t at = (size_t)draw(f, draw(f, 3) ? *n : *n < 64 ? *n : 64);
        bytes[at] = draw(f, 4) ? (uint8_t)draw(f, 256)
                               : (uint8_t)(bytes[at] ^ 1u << draw(f, 8));
    }
    if (draw(f, 4) == 0)
        *n = (size_t)draw(f, *n);
}

static void one(struct fuzz *f, const char *name) {
    static uint8_t bytes[SIZE_MAX_SEED];
    struct rn_error e = {0};
    FILE *file = fopen(name, "rb");
    size_t n = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    CHECK(n > 0);
    if (file)
        fclose(file);
    if (!n)
        return;
    damage(f, bytes, &n);
    clock_t before = clock();
    int32_t status = strstr(name, "tar") || strstr(name, "zip")
                         ? read_archive(f, bytes, n, &e)
                         : read_image(f, bytes, n, &e);
    double took = (double)(clock() - before) / CLOCKS_PER_SEC;
    if (took > 1.0 || (status != RN_OK && !e.message[0]))
        fprintf(stderr, "%s, input %llu: %.1f s, status %d\n", name,
                (unsigned long long)f->runs, took, (int)status);
    CHECK(took <= 1.0);
    CHECK(status == RN_OK || e.message[0]);
    f->runs++;
    f->good += status == RN_OK;
}

int main(int count, char **args) {
    struct fuzz f = {.state = 0x9e3779b97f4a7c15u};
    if (count < 5)
        return 2;
    time_t end = time(NULL) + atoi(args[1]);
    f.state ^= strtoull(args[2], NULL, 10);
    f.scratch = args[3];
    while (time(NULL) < end)
        one(&f, args[4 + draw(&f, (uint64_t)count - 4)]);
    printf("%llu inputs, %llu of them read\n", (unsigned long long)f.runs,
           (unsigned long long)f.good);
    CHECK(f.runs > 50 && f.good > 0 && f.good < f.runs);
    picture_finish(&f.picture);
    image_canvas_finish(&f.canvas);
    return check_done();
}
