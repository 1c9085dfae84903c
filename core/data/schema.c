/* SPDX-License-Identifier: Apache-2.0 */
/* The section `data:` as a schema, and how its values are read. */
#include <string.h>

#include <runner/abi.h>

#include "data/room.h"

const char *data_schema_text(void) {
    return "record: split | how the samples are divided; kept with the run and hashed\n"
           "option: kind choice(random,stratified,file) = random | random: shuffled by "
           "the seed; stratified: the same shares of each class of `by`; file: the "
           "lists stored at `path`\n"
           "option: by string | the field whose classes keep their shares\n"
           "option: val float = 0 ; min 0 | for validation: a share below 1, or a "
           "count of samples\n"
           "option: test float = 0 ; min 0 | for the test: a share below 1, or a "
           "count of samples\n"
           "option: seed int ; min 0 | of the division; the experiment's seed when "
           "absent\n"
           "option: path path | of stored lists (kind file)\n"
           "end:\n"
           "record: data | where samples come from and how they reach the model\n"
           "option: source component(source) | the samples, divided by `split`\n"
           "option: train component(source) | another name of `source`, beside `val` "
           "and `test`\n"
           "option: val component(source) | separate samples for validation\n"
           "option: test component(source) | separate samples for the test\n"
           "option: split split | how `source` is divided\n"
           "option: transforms list(component(transform)) | in order; fitted on "
           "training samples only\n"
           "option: batch int = 32 ; min 1 | samples a training step\n"
           "option: eval_batch int = 256 ; min 1 | samples at a time in evaluation\n"
           "option: workers int = 1 ; min 0 ; max 256 | threads that prepare batches; "
           "0: none; batches are the same for any number\n"
           "option: cache int = 512 ; min 0 ; unit MiB | keep transformed samples of a "
           "split in memory when they take no more than this\n"
           "end:\n";
}

double data_number(const struct node *map, const char *key, double otherwise) {
    const struct node *n = map ? node_find(map, key) : NULL;
    if (!n || node_kind(n) != NODE_SCALAR)
        return otherwise;
    /* A scalar that the schema made an int has no float and the other way round. */
    double f = node_float(n);
    return f != 0.0 ? f : (double)node_int(n);
}

const char *data_word(const struct node *map, const char *key, const char *otherwise) {
    const struct node *n = map ? node_find(map, key) : NULL;
    if (!n || node_kind(n) != NODE_SCALAR)
        return otherwise;
    const char *s = node_string(n);
    return s && *s ? s : node_raw(n);
}
