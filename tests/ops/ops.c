/* SPDX-License-Identifier: Apache-2.0 */
/* ops MODE [only=TEXT] [golden=FILE] REFERENCE BACKEND [option=value]... BACKEND...
 *   test     every case on every backend against the reference and the f64 truth
 *   grad     gradients on the reference in f64 against finite differences, twice
 *   golden   values and gradients that PyTorch gave
 *   compile  every program of `test`, results not looked at
 *   bench    microseconds of every case on each backend
 *   support  which operators a backend has a kernel for, which are taken apart
 * An option goes to the backend before it: threads=2 deterministic=threads. */
#include <stdarg.h>
#include <stdlib.h>

#include "ops.h"

void ops_check(bool good, const char *format, ...) {
    if (good) {
        check_passed++;
        return;
    }
    va_list ap;
    check_failed++;
    va_start(ap, format);
    fputs("not true: ", stderr);
    vfprintf(stderr, format, ap);
    fputs("\n", stderr);
    va_end(ap);
}

int main(int argc, char **argv) {
    struct opened b[12];
    int count = 0;
    const char *mode = argc > 1 ? argv[1] : "", *only = NULL, *golden = NULL;
    for (int i = 2; i < argc;) {
        int n = 0;
        if (strncmp(argv[i], "only=", 5) == 0) {
            only = argv[i++] + 5;
            continue;
        }
        if (strncmp(argv[i], "golden=", 7) == 0) {
            golden = argv[i++] + 7;
            continue;
        }
        while (i + 1 + n < argc &&
               (strncmp(argv[i + 1 + n], "threads=", 8) == 0 ||
                strncmp(argv[i + 1 + n], "deterministic=", 14) == 0 ||
                strncmp(argv[i + 1 + n], "order=", 6) == 0 ||
                strncmp(argv[i + 1 + n], "libraries=", 10) == 0 ||
                strncmp(argv[i + 1 + n], "numerics=", 9) == 0))
            n++;
        if (count == 12 || !backend_open(&b[count], argv[i], n, &argv[i + 1]))
            return 1;
        count++;
        i += 1 + n;
    }
    if (!count) {
        fprintf(stderr, "which backends?\n");
        return 1;
    }
    bool checks = true;
    if (strcmp(mode, "test") == 0)
        mode_test(b, count, only);
    else if (strcmp(mode, "compile") == 0)
        checks = false, mode_compile(b, count);
    else if (strcmp(mode, "grad") == 0)
        mode_grad(&b[0], only);
    else if (strcmp(mode, "golden") == 0 && golden)
        mode_golden(b, count, golden);
    else if (strcmp(mode, "bench") == 0)
        checks = false, mode_bench(b, count, only);
    else if (strcmp(mode, "support") == 0)
        checks = false, mode_support(b, count);
    else {
        fprintf(stderr, "modes: test grad golden compile bench support\n");
        return 1;
    }
    for (int i = 0; i < count; i++)
        backend_close(&b[i]);
    return checks ? check_done() : 0;
}
