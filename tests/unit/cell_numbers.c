/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of text tables as numbers: each has the bits that strtod gives. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <runner/sdk/missing.h>

#include "check.h"

static uint64_t state = 88172645463325252u; /* xorshift64 */

static uint64_t draw(uint64_t n) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state % n;
}

/* A decimal number: sign, digits, mark, exponent, each maybe. */
static void decimal(char *out) {
    static const char *const signs[] = {"", "", "-", "+"};
    char *p = out + sprintf(out, "%s", signs[draw(4)]);
    int before = (int)draw(12), after = (int)draw(14);
    for (int i = 0; i < before; i++)
        *p++ = (char)('0' + draw(10));
    if (after)
        *p++ = '.';
    for (int i = 0; i < after; i++)
        *p++ = (char)('0' + draw(10));
    if (draw(5) == 0)
        p += sprintf(p, "e%s%" PRIu64, signs[draw(4)], draw(30));
    *p = '\0';
}

static void same_bits(const char *text) {
    char *end;
    double want = strtod(text, &end), got = -1;
    int is_number =
        *text && !*end && isfinite(want) && !text[strspn(text, "0123456789+-.eE")];
    int said = rn_cell_number(text, &got);
    CHECK(said == is_number);
    if (is_number && said && memcmp(&got, &want, sizeof got) != 0) {
        printf("  '%s': %.17g, want %.17g\n", text, got, want);
        CHECK(0);
    }
}

int main(void) {
    static const char *const cells[] = {"",
                                        "0",
                                        "-0",
                                        "+0.0",
                                        ".",
                                        "-",
                                        "+.5",
                                        "5.",
                                        ".5",
                                        "1..2",
                                        "1.2.3",
                                        "1e5",
                                        "1e",
                                        "1e999",
                                        "-1e-999",
                                        "nan",
                                        "infinity",
                                        "0x10",
                                        "1 ",
                                        " 1",
                                        "1,5",
                                        "00012.50",
                                        "9007199254740992",
                                        "9007199254740993",
                                        "9007199254740992.5",
                                        "9999999999999999999",
                                        "18446744073709551616",
                                        "99999999999999999999",
                                        "0.0000000000000000000001",
                                        "0.000000000000000000001",
                                        "123456789012345678",
                                        "0.1234567890123456789",
                                        "4.35",
                                        "0.1",
                                        "2.675",
                                        "1.005",
                                        "179769313486231570000000000000000000000"};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        same_bits(cells[i]);
    for (int i = 0; i < 300000; i++) {
        char text[80];
        decimal(text);
        same_bits(text);
    }
    return check_done();
}
