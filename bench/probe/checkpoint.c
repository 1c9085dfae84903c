/* SPDX-License-Identifier: Apache-2.0 */
/* What a checkpoint costs, beside the same bytes written and synced: for `bench/run
 * checkpoint`, which has the peers.
 *
 *     bench_checkpoint FOLDER MEGABYTES     answers each line on stdin, `raw` or
 *                                           `runner`, with the seconds that it took
 *
 * A layer has a matrix of 4 MB and a vector of 4 KB, each with the two moments of Adam.
 */
#define _XOPEN_SOURCE 700
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "record/record.h"

enum { rows = 1024, columns = 1024 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static struct checkpoint make(uint32_t layers) {
    static const char *const kinds[] = {"%s.%03u", "optimizer.%s.%03u.m",
                                        "optimizer.%s.%03u.v"};
    static const int64_t matrix[] = {rows, columns}, vector[] = {columns};
    struct checkpoint c = {.tensor_count = 6 * layers};
    struct checkpoint_tensor *t = calloc(c.tensor_count, sizeof *t);
    uint32_t x = 1;
    for (uint32_t i = 0; t && i < c.tensor_count; i++) {
        size_t count = i % 2 ? columns : (size_t)rows * columns;
        char *name = malloc(64);
        float *data = malloc(count * sizeof *data);
        if (!name || !data)
            fail("malloc");
        snprintf(name, 64, kinds[i / 2 % 3], i % 2 ? "model.bias" : "model.weight",
                 i / 6);
        for (size_t k = 0; k < count; k++)
            data[k] = (float)(x = x * 1664525u + 1013904223u) * 0x1p-32f;
        t[i] = (struct checkpoint_tensor){
            name, "weight", RN_F32, i % 2 ? 1 : 2, i % 2 ? vector : matrix, data};
    }
    if (!t)
        fail("calloc");
    c.tensors = t;
    return c;
}

static uint64_t bytes_of(const struct checkpoint_tensor *t) {
    return sizeof(float) * (uint64_t)(t->rank == 2 ? rows * columns : columns);
}

/* What runs beside the training, freeing the space of an old checkpoint, and what the
 * system still writes for others is not measured. */
static void settle(const char *folder) {
    const struct timespec nap = {0, 10000000};
    bool busy = true;
    while (busy) {
        DIR *d = opendir(folder);
        busy = false;
        for (struct dirent *f; d && (f = readdir(d));)
            busy = busy || strstr(f->d_name, ".old.tmp");
        if (d)
            closedir(d);
        if (busy)
            nanosleep(&nap, NULL);
    }
    sync();
}

/* Into a new file, as the other side does. */
static double raw(const struct checkpoint *c, const char *path) {
    double began = now();
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0)
        fail(path);
    for (uint32_t i = 0; i < c->tensor_count; i++) {
        const char *p = c->tensors[i].data;
        for (uint64_t left = bytes_of(&c->tensors[i]); left;) {
            ssize_t n = write(fd, p, left);
            if (n <= 0)
                fail(path);
            p += n, left -= (uint64_t)n;
        }
    }
    if (fsync(fd) || close(fd))
        fail(path);
    return now() - began;
}

int main(int argc, char **argv) {
    struct rn_error e = {0};
    struct record *r;
    char line[64], path[4096], checkpoints[4096];
    if (argc != 3)
        return 2;
    uint32_t layers =
        (uint32_t)(atof(argv[2]) * 1e6 / (3 * sizeof(float) * columns) / (rows + 1));
    struct checkpoint c = make(layers);
    snprintf(path, sizeof path, "%s/raw", argv[1]);
    if (record_create(argv[1], "bench", NULL, NULL, NULL, &r, &e) != RN_OK) {
        fprintf(stderr, "%s\n", e.message);
        return 1;
    }
    snprintf(checkpoints, sizeof checkpoints, "%s/checkpoints", record_folder(r));
    while (fgets(line, sizeof line, stdin)) {
        double seconds;
        unlink(path);
        settle(checkpoints);
        if (strcmp(line, "raw\n") == 0) {
            seconds = raw(&c, path);
        } else {
            char name[32];
            snprintf(name, sizeof name, "step-%08lld", (long long)++c.step);
            double began = now();
            if (checkpoint_write(r, name, &c, true, 2, &e) != RN_OK) {
                fprintf(stderr, "%s\n", e.message);
                return 1;
            }
            seconds = now() - began;
        }
        printf("%.6f\n", seconds);
        fflush(stdout);
    }
    record_close(r);
    return 0;
}
