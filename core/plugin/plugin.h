/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins: found by reading files, described from their text section, checked before
 * they are opened, opened only when named. The only user of dlopen. A session owns
 * them; nothing is closed during a run. */
#ifndef PLUGIN_PLUGIN_H
#define PLUGIN_PLUGIN_H

#include <stdbool.h>

#include <runner/runner.h>

#include "base/log.h"
#include "base/text.h"
#include "config/config.h"

struct port_info {
    const char *name;                 /* "*": any further output */
    const char *dtype;                /* "f32", "float", "any", "int/bool" */
    const char *shape;                /* "[N,C]" as written */
    const char *scope, *better, *doc; /* "" when absent */
    bool optional;
    bool variable; /* takes cells of variable size */
};

/* Does a value of this type fit the port's DTYPE? */
bool port_takes_type(const struct port_info *p, rn_dtype t);
/* Does a shape fit the port's SHAPE? N is `rows`; a symbol is any size. */
bool port_takes_shape(const struct port_info *p, uint32_t rank, const int64_t *shape,
                      int64_t rows);

/* Most inputs that a component may have, and most outputs; describe() refuses more, so
 * that tables of this size hold all of them. */
#define COMPONENT_PORTS 32u

struct component {
    const char *kind, *name /* "runner/adam" */, *bare /* "adam" */;
    int behaviour;
    const char *version, *license, *doc;
    const char *text; /* the whole description */
    const struct schema *schema;
    uint32_t in_count, out_count;
    const struct port_info *in, *out;
    const char *file; /* absolute path of the .so */
    char sha256[65];
    bool built_in;
    bool one_thread;   /* its [worker] members are called by one thread at a time */
    const void *iface; /* NULL until session_load */
    const struct rn_validate_api *validate;   /* NULL: none */
    const void *(*extension)(const char *id); /* NULL: none */
};

struct session;
/* sink: of the warnings of everything that is done in this session; NULL: none. */
struct session *session_create(log_sink sink, void *context);
/* NULL: silent. The session's. */
struct log *session_log(const struct session *s);
void session_destroy(struct session *s);
int session_add_folder(struct session *s, const char *folder, bool built_in,
                       struct rn_error *e);
/* One .so that the experiment names (absolute path). */
int session_add_file(struct session *s, const char *file, struct rn_error *e);
uint32_t session_count(const struct session *s);
const struct component *session_at(const struct session *s, uint32_t i);
/* By kind and full or bare name. A file that the experiment names comes before those of
 * the search path. Two that differ: an error with both files and their hashes; files
 * with equal bytes are one plugin. None: the nearest word; session_explain adds every
 * refused candidate. */
const struct component *session_find(struct session *s, const char *kind,
                                     const char *name, struct rn_error *e);
/* The hint of an error of session_find, with every refused file and why. */
void session_explain(const struct session *s, const struct rn_error *e,
                     struct text *out);
/* Is there a file with these bytes? It then comes before others of the search path. */
bool session_find_recorded(struct session *s, const char *sha256);
/* c, with the hash of its file computed. */
const struct component *session_identify(const struct component *c);
/* Open the plugin (RTLD_NOW | RTLD_LOCAL), check entry and struct sizes; sets iface. */
int session_load(struct session *s, const struct component *c, struct rn_error *e);
/* Files that were refused while indexing, with the sentence. */
uint32_t session_refused(const struct session *s);
void session_refused_at(const struct session *s, uint32_t i, const char **file,
                        const char **why);

/* An instance: a component bound to the YAML node that configures it. Owns the rn_host
 * that the component sees and its nested components. For kinds with create(), calls it.
 * `node` has passed schema_check. path: "loss.hard". */
struct instance;
struct instance_services { /* what extension() hands out; may grow */
    const void *(*extension)(void *context, struct instance *i, const char *id);
    int (*cancelled)(void *context);
    void *context;
};
int instance_create(struct session *s, const struct component *c,
                    const struct node *node, const struct instance_services *services,
                    struct diag *d, struct instance **out);
void instance_destroy(struct instance *i);
const struct component *instance_component(const struct instance *i);
const struct node *instance_node(const struct instance *i);
struct rn_host *instance_host(struct instance *i);
/* Around the call of a member: waits while another thread is in one, when the component
 * says `threads: one`. instance_leave takes what the member returned and gives 0 or a
 * negative status with *e filled (error_of_call). */
void instance_enter(struct instance *i);
int instance_leave(struct instance *i, const char *member, int32_t status,
                   struct rn_error *e);
/* An error that the component returned, not reported: at its node, or where it says. */
void instance_error(struct instance *i, struct diag *d, const struct rn_error *e);
/* An error that a call of a component returned: of a plugin from outside, it names the
 * component, the file and the call ("describe"; NULL: not known). Returns e->status. */
int component_blame(const struct component *c, const char *call, struct rn_error *e);
/* Around a call that describes: what the component asks for wrongly or reports
 * meanwhile is an error, the first of them moved to e; RN_OK when there is none.
 * Outside of such a pair, and of create, it is a warning in the log. */
void instance_watch(struct instance *i);
int instance_fault(struct instance *i, struct rn_error *e);
/* Is the option live? For builders. */
bool instance_is_live(struct rn_host *h, const char *option);
void *instance_self(struct instance *i);
/* The nested component at an option of a kind that describes computation, which is
 * created with the one around it; NULL: the option has none. */
struct instance *instance_inner(struct rn_host *h, const char *option);
/* The component's name, with those of the nested ones that it describes: "runner/sam
 * around runner/sgd". */
const char *instance_type(const struct instance *i, struct arena *a);
/* services->context of the instance behind a host handle. */
void *instance_context(struct rn_host *h);
/* Name of the component in call on this thread, for crash reports; "" = none. */
const char *plugin_in_call(void);

#endif
