/* SPDX-License-Identifier: Apache-2.0 */
/* How much host memory this process may still take: what the kernel calls available,
 * within the control group's limit and the limit of the address space. */
#include <stdio.h>
#include <string.h>

#include <sys/resource.h>
#include <unistd.h>

#include "cpu.h"

#define NO_LIMIT UINT64_MAX

/* The first number of a file, or NO_LIMIT ("max", no such file). */
static uint64_t number_in(const char *path) {
    unsigned long long n;
    FILE *f = fopen(path, "r");
    uint64_t out = f && fscanf(f, "%llu", &n) == 1 ? n : NO_LIMIT;
    if (f)
        fclose(f);
    return out;
}

/* The number behind `word` at the beginning of a line, or `otherwise`. */
static uint64_t number_behind(const char *path, const char *word, uint64_t fallback) {
    char line[256];
    unsigned long long n;
    uint64_t out = fallback;
    size_t length = strlen(word);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, word, length) == 0 && sscanf(line + length, "%llu", &n) == 1)
            out = n;
    if (f)
        fclose(f);
    return out;
}

static uint64_t less(uint64_t limit, uint64_t used) {
    return limit == NO_LIMIT ? NO_LIMIT : limit > used ? limit - used : 0;
}

/* Pages of files that the group has read can be dropped: they are not used up. */
static uint64_t group_left(const char *folder, const char *limit, const char *used,
                           const char *files) {
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, limit);
    uint64_t most = number_in(path);
    if (most == NO_LIMIT || most > (uint64_t)1 << 60)
        return NO_LIMIT;
    snprintf(path, sizeof path, "%s/%s", folder, used);
    uint64_t now = number_in(path);
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    return less(most, less(now == NO_LIMIT ? 0 : now, number_behind(path, files, 0)));
}

static uint64_t groups_left(void) {
    char line[256], folder[300];
    uint64_t left =
        group_left("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file ");
    uint64_t old = group_left("/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                              "memory.usage_in_bytes", "total_inactive_file ");
    left = old < left ? old : left;
    FILE *f = fopen("/proc/self/cgroup", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, "0::/", 4) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(folder, sizeof folder, "/sys/fs/cgroup%s", line + 3);
        uint64_t own =
            group_left(folder, "memory.max", "memory.current", "inactive_file ");
        left = own < left ? own : left;
    }
    if (f)
        fclose(f);
    return left;
}

uint64_t cpu_memory_left(void) {
    struct rlimit r;
    uint64_t left = number_behind("/proc/meminfo", "MemAvailable:", NO_LIMIT);
    if (left != NO_LIMIT)
        left *= 1024;
    uint64_t group = groups_left();
    left = group < left ? group : left;
    if (getrlimit(RLIMIT_AS, &r) == 0 && r.rlim_cur != RLIM_INFINITY) {
        uint64_t pages = number_in("/proc/self/statm");
        uint64_t space =
            less(r.rlim_cur,
                 pages == NO_LIMIT ? 0 : pages * (uint64_t)sysconf(_SC_PAGESIZE));
        left = space < left ? space : left;
    }
    return left == NO_LIMIT ? 0 : left;
}
