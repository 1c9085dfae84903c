/* SPDX-License-Identifier: Apache-2.0 */
/* The record of a run: its folder and lock, the append-only log that is the truth while
 * it runs, the run.h5 that people read, and checkpoints. The only user of HDF5.
 *
 * One thread at a time for all of it (HDF5 as packaged is not thread-safe). Every
 * function but the getters returns 0 or a negative status with `e` filled. A full disk
 * is RN_E_IO: what was acknowledged stays on disk and valid. */
#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <runner/abi.h>

#include "base/log.h"

/* ---- run folder ---- */

struct record;

/* Make <output>/<name>/<UTC time>-<hex>/ with experiment.yaml (the text
 * `source`, byte for byte; NULL: none), resolved.yaml (the text `resolved`; NULL:
 * none), an empty log.txt, metrics.rlog and checkpoints/, point <output>/<name>/latest
 * at it, lock it. `name`: as
 * path_check_run_name has it (RN_E_CONFIG). log: of warnings, borrowed; or NULL. */
int record_create(const char *output, const char *name, const char *source,
                  const char *resolved, struct log *log, struct record **out,
                  struct rn_error *e);
/* Open an existing run. write: to go on; locks it (RN_E_LOCKED when another process
 * holds it), cuts the torn tail of the log, repairs a damaged log (warning what was
 * lost, here and in log.txt), removes left-over temporary files. Not
 * write: to read, while another process may be writing. RN_E_CHECKPOINT: no run. */
int record_open(const char *folder, bool write, struct log *log, struct record **out,
                struct rn_error *e);
/* Writes rows that still wait (errors are lost: call record_sync before), frees and
 * unlocks. Does not publish. NULL is fine. */
void record_close(struct record *r);
/* Absolute, without symbolic links; lives as long as r. */
const char *record_folder(const struct record *r);
/* A small text beside the others ("split.txt"), whole and durable when it returns. */
int record_text(struct record *r, const char *name, const char *text, size_t length,
                struct rn_error *e);
/* That text again, in the record's memory; NULL: it is not there. */
const char *record_text_read(struct record *r, const char *name);
/* A line of log.txt, for people, also of a run that is only read; best effort, not
 * synced. */
void record_say(struct record *r, const char *line);

/* ---- log: the truth ---- */

/* Series are named "train/loss": parts of printable text between single slashes. One
 * name is one kind of value: all scalars, or tensors of one type and shape. No series
 * may be called <other series>/step, /epoch or /value (they are its datasets).
 *
 * A row is durable within a second (a thread of the record sees to that), after 100
 * rows, or after record_sync.
 * After RN_E_IO for a full disk the rows wait in memory and a later call tries again;
 * after a failed fsync the log stays failed. */
int record_scalar(struct record *r, const char *series, int64_t step, double epoch,
                  double value, struct rn_error *e);
/* One row; at most 1 MiB. doc: what the values are, taken from the series' first row.
 */
int record_tensor(struct record *r, const char *series, int64_t step, double epoch,
                  const struct rn_tensor *value, const char *doc, struct rn_error *e);
/* Provenance: a root attribute of run.h5. The last value of a key counts. A key that
 * begins with a dot is not shown there. */
int record_note(struct record *r, const char *key, const char *value,
                struct rn_error *e);
/* The last value of a note, in the record's memory; NULL: there is none. */
int record_note_read(struct record *r, const char *key, const char **value,
                     struct rn_error *e);
/* The note that has the identity of each plugin (plugin/identity.h). */
#define RECORD_PLUGINS "plugins"
/* Another resolved.yaml in place of the one that the run began with. */
int record_config(struct record *r, const char *resolved, struct rn_error *e);
/* Forget all rows but the first `rows`, and of those the ones with a step greater than
 * `step` (durable when it returns; the bytes stay in the log, followed by a mark). The
 * count of rows starts again from what is left. */
int record_rewind(struct record *r, int64_t step, int64_t rows, struct rn_error *e);
/* fsync: all rows are durable when it returns 0. */
int record_sync(struct record *r, struct rn_error *e);
/* Rows that count, waiting ones too; after record_sync all of them are durable. */
int64_t record_rows(const struct record *r);
/* ack("ACK metrics row=N") and ack("ACK ckpt step=N"), each after it is durable; by the
 * caller's thread or the record's own, one at a time. Once, before the first row. */
void record_on_ack(struct record *r, void (*ack)(void *context, const char *line),
                   void *context);
/* Make run.h5 from the log: temporary file, fsync, rename.
 * /scalars/<series>/{step i64, epoch f64, value f64} and
 * /tensors/<series>/{step, epoch, value [rows, shape...]}; every dataset has an
 * attribute `doc`; notes are attributes of the root (those above 32 KiB datasets under
 * /notes). Text is fixed-length UTF-8. */
int record_publish(struct record *r, struct rn_error *e);
/* The same, but only when that costs at most a twentieth of the time since the last
 * one: for each evaluation, so that the cost does not grow with the square. */
int record_publish_soon(struct record *r, struct rn_error *e);

/* Each row that counts, in the order written. Scalars come as f64 of rank 0. value is
 * borrowed. row returns non-zero to end early; that is then returned. */
int record_each(struct record *r,
                int (*row)(void *context, const char *series, int64_t step,
                           double epoch, const struct rn_tensor *value),
                void *context, struct rn_error *e);

/* ---- checkpoints ---- */

struct checkpoint_tensor {
    const char *name; /* "model.conv1.weight"; no slash */
    const char *doc;  /* or NULL */
    rn_dtype dtype;
    uint32_t rank;
    const int64_t *shape;
    const void *data; /* dense, row-major */
};
/* Component states, loader position, text. */
struct checkpoint_blob {
    const char *name; /* no slash */
    const void *data;
    uint64_t bytes;
};
/* A named number or text: attribute `key` of the group /state/<object>. */
struct checkpoint_value {
    const char *object; /* "position", "live/optimizer.lr": names between slashes */
    const char *key;
    enum { CHECKPOINT_INT, CHECKPOINT_REAL, CHECKPOINT_TEXT } kind;
    int64_t i;
    double f;
    const char *s; /* at most 60,000 bytes */
};
struct checkpoint {
    int64_t step;
    double epoch;
    uint32_t tensor_count;
    const struct checkpoint_tensor *tensors;
    uint32_t blob_count;
    const struct checkpoint_blob *blobs;
    uint32_t value_count;
    const struct checkpoint_value *values; /* those of an object stand together */
    /* Written below transforms/ for people to look at, and never read: what a blob
     * holds too. */
    uint32_t shown_count;
    const struct checkpoint_tensor *shown;
};

/* checkpoints/<name>.h5; name: "step-00000100" or "best". Durable, rows before it too,
 * when it returns; on failure everything that was valid before is still. current:
 * CURRENT points at it, and then step files but the newest `keep` (at least 2) go away,
 * as do those of a later step, which a rewound run has left behind. */
int checkpoint_write(struct record *r, const char *name, const struct checkpoint *c,
                     bool current, uint32_t keep, struct rn_error *e);

struct checkpoint_file; /* read and verified; owns all its memory */

/* RN_E_CHECKPOINT: not one, damaged, or from a later version. */
int checkpoint_read(const char *file, struct checkpoint_file **out, struct rn_error *e);
/* By name, or NULL: the one that CURRENT names, else the newest valid one, and then
 * fell_back (of `size` bytes, may be NULL; else "") says what was wrong.
 * RN_E_CHECKPOINT when there is none. */
int checkpoint_find(const struct record *r, const char *name,
                    struct checkpoint_file **out, char *fell_back, size_t size,
                    struct rn_error *e);
/* Make checkpoints/best.h5 the checkpoint of `step` (-1: leave it), from a file that is
 * there already under another name; *found: it is now. keep: the best that the newest
 * checkpoint names
 * (-1: none), which stays at hand as best-<step>.h5; others set aside go away. */
int checkpoint_best(struct record *r, int64_t step, int64_t keep, bool *found,
                    struct rn_error *e);
/* Is checkpoints/best.h5 the best that `c`, what CURRENT names, and the rows of the
 * record since then say? RN_E_CHECKPOINT when not. */
int checkpoint_best_check(struct record *r, const struct checkpoint *c,
                          struct rn_error *e);
/* A run goes on from `step`: what was the best at a later step goes away. drop: no best
 * is known any more; one of an earlier step is set aside. */
int checkpoint_best_rewind(struct record *r, int64_t step, bool drop,
                           struct rn_error *e);
/* The object under which a checkpoint says what its run takes for the best: metric,
 * direction, value, step (of the best, -1: none), since (the first step whose
 * evaluation counts). */
#define CHECKPOINT_BEST "monitors/checkpoint.best"

/* Tensors and blobs in byte order of their names. */
const struct checkpoint *checkpoint_get(const struct checkpoint_file *f);
/* The blob of that name, or NULL. */
const struct checkpoint_blob *checkpoint_blob(const struct checkpoint_file *f,
                                              const char *name);
/* The value of that object and key among n, or NULL. */
const struct checkpoint_value *checkpoint_value(const struct checkpoint_value *values,
                                                uint32_t n, const char *object,
                                                const char *key);
/* 1: state in blobs whose bytes are those of structs; 2: state in named values. */
uint32_t checkpoint_format(const struct checkpoint_file *f);
const char *checkpoint_path(const struct checkpoint_file *f);
void checkpoint_close(struct checkpoint_file *f); /* NULL is fine */

/* ---- runner verify ---- */

struct verify_result {
    int64_t step;    /* of the checkpoint that resume would take; -1: none yet */
    uint64_t rows;   /* in the log that count */
    char sha256[65]; /* of its parameters: the bytes of each variable whose name does
                        not begin with "optimizer.", in order of name */
};
/* Checks the log, run.h5 and every checkpoint: RN_E_CHECKPOINT names the first thing
 * that is damaged. A torn tail of the log is not damage. */
int record_verify(const char *folder, struct verify_result *out, struct rn_error *e);

/* ---- runner recover ---- */

/* Make the run verify again from what is intact; say(sentence) for each thing that was
 * wrong. What is replaced stays beside as NAME.damaged-<n>. RN_E_LOCKED: it is running.
 * RN_E_CHECKPOINT: something is left that cannot be repaired. */
int record_recover(const char *folder, void (*say)(void *context, const char *sentence),
                   void *context, struct rn_error *e);

#endif
