/* SPDX-License-Identifier: Apache-2.0 */
/* Named values, tensors and blobs of a checkpoint: gathered to be written, and read by
 * their names. */
#ifndef RECORD_SAVER_H
#define RECORD_SAVER_H

#include "record/record.h"

/* What will be written, and the memory that is released with it. */
struct saver {
    struct arena *a;
    struct checkpoint_value *values;
    uint32_t value_count, value_capacity;
    struct checkpoint_tensor *tensors;
    uint32_t tensor_count, tensor_capacity;
    struct checkpoint_blob *blobs;
    uint32_t blob_count, blob_capacity;
    void **owned; /* memory_release */
    uint32_t owned_count, owned_capacity;
};
/* Values of the same object follow each other. Names are borrowed. */
void saver_int(struct saver *s, const char *object, const char *key, int64_t v);
void saver_real(struct saver *s, const char *object, const char *key, double v);
void saver_text(struct saver *s, const char *object, const char *key, const char *v);
void saver_blob(struct saver *s, const char *name, const void *data, uint64_t bytes);
void saver_tensor(struct saver *s, struct checkpoint_tensor t);
/* Memory that the saver releases. */
void saver_own(struct saver *s, void *p);
void saver_finish(struct saver *s);

/* Named values of a checkpoint, of whichever format it has. */
struct saved {
    const struct checkpoint_file *file;
    const struct checkpoint_value *values;
    uint32_t count;
};
const struct checkpoint_value *saved_value(const struct saved *s, const char *object,
                                           const char *key);
/* What stands in is returned where there is none. */
int64_t saved_int(const struct saved *s, const char *object, const char *key,
                  int64_t fallback);
double saved_real(const struct saved *s, const char *object, const char *key,
                  double fallback);
const char *saved_text(const struct saved *s, const char *object, const char *key,
                       const char *fallback);
#endif
