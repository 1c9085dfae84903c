/* SPDX-License-Identifier: Apache-2.0 */
/* The operators that plugins may name, a line each: name, version of its meaning,
 * operands (least, most; -1 any), results, attributes with their defaults. */
#include <stdio.h>

#include "graph/internal.h"

int main(void) {
    for (uint32_t i = 0; i < op_count(); i++) {
        const struct op *o = op_at(i);
        printf("operator %s\t%u %d %d %d %s\n", o->name, op_version(o), o->min_in,
               o->max_in, o->outs, o->attrs ? o->attrs : "");
    }
    return 0;
}
