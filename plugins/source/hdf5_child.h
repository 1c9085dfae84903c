/* SPDX-License-Identifier: Apache-2.0 */
/* The process that reads a foreign HDF5 file: started, read from under a time limit,
 * ended. [setup], one thread. */
#ifndef SOURCE_HDF5_CHILD_H
#define SOURCE_HDF5_CHILD_H

#include <sys/types.h>

#include <runner/host.h>

struct hdf5_child {
    struct rn_host *host; /* asked whether the run is stopping */
    const char *file;     /* for errors; the caller's */
    pid_t pid;            /* 0: none */
    int out;              /* its stdout, or -1 */
    int64_t timeout_ms;   /* most without a byte from it */
};

/* Start `program` (beside this plugin) with argv; argv[0] is ignored, NULL at the end.
 * c->host, file and timeout_ms are set. */
int32_t hdf5_child_start(struct hdf5_child *c, const char *program, char **argv,
                         struct rn_error *e);
/* Exactly `bytes` of its output. It crashed, hung or ended early: RN_E_DATA, with
 * `what` (a dataset, or NULL) in the sentence. */
int32_t hdf5_child_read(struct hdf5_child *c, void *to, uint64_t bytes,
                        const char *what, struct rn_error *e);
/* End it, whatever it does. */
void hdf5_child_stop(struct hdf5_child *c);

#endif
