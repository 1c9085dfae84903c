/* SPDX-License-Identifier: Apache-2.0 */
/* The entry of a plugin: versions, types, errors and the description that a component
 * gives of itself. Everything here crosses the ABI, which is frozen as 0.9: members
 * are only appended to structs that begin with struct_size, names and numbers never
 * change.
 *
 * Ownership words, used at every pointer:
 *   borrowed    valid until the call returns; do not keep, do not free
 *   host        made and freed by the host; valid as long as the comment says
 *   plugin      made and freed by the plugin; valid until its destroy function
 *   transferred the receiver must free it with the function named beside it
 * A pointer that is an argument is borrowed where nothing else is said; a pointer that
 * a call gives back has its word in the member's comment. `self` and `worker` are what
 * the plugin's create and worker_open gave: plugin. A create that fails after it wrote
 * *self is followed by destroy. Thread tags, last word of a member's comment:
 *   [setup]      before the first step, on one thread
 *   [step]       between steps, on the training thread
 *   [worker]     on a data worker; several at once, each with its own worker state
 *   [any-thread] at any time from anywhere
 * Structs: one that begins with struct_size may grow at its end, so a member is read or
 * written only where RN_HAS says that it is there; what is beyond the members that one
 * knows is ignored. Who fills a struct for the other side writes member by member,
 * never the whole. Rows of arrays have no size of their own; their stride stands beside
 * the pointer.
 *
 * The tables of all kinds (struct rn_loss, rn_source ...) have one shape:
 *   struct_size, flags      sizeof the table; RN_<KIND>_* or 0
 *   create(h, &self, e)     read the options; NULL when there is no state to keep
 *   destroy(self)           NULL when there is none
 * and then what the kind does, in one of these forms:
 *   member(b)               describe a computation with the builder b, which also has
 *                           the component's self and host (b->self, b->host)
 *   member(self, call, e)   do something: `call` is one struct with all that the member
 *                           is given and all that it gives; it begins with struct_size
 *   save(self, stream, e), load(self, stream, e)
 * Members return RN_OK or a negative status with *e filled; a message left empty gets
 * the component, the call and the status.
 */
#ifndef RUNNER_ABI_H
#define RUNNER_ABI_H

#include <stddef.h>
#include <stdint.h>

#include <runner/probe.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ versions */

/* The version that these headers describe. A plugin is accepted iff the major is equal and
 * the minor that it needs is no later than the host's. Minors of major 0 before 9 were
 * drafts, and are refused. */
#define RN_ABI_MAJOR 0
#define RN_ABI_MINOR 9

/* What the plugin needs. Left alone it is the oldest minor there is; a plugin that
 * uses a later helper defines RN_ABI_NEEDED_MINOR before including. */
#ifndef RN_ABI_NEEDED_MINOR
#define RN_ABI_NEEDED_MINOR 9
#endif

/* ---------------------------------------------------------------- attributes */

#define RN_EXPORT  __attribute__((visibility("default")))
#define RN_SECTION __attribute__((used, section(".rn_desc"), aligned(1)))

/* Is `field` inside what the other side filled in? Never compare sizes with ==. */
#define RN_HAS(ptr, type, field)                                                       \
    ((ptr)->struct_size >= offsetof(type, field) + sizeof(((type *)0)->field))

/* -------------------------------------------------------------------- status */

/* 0 or negative. -status is the exit code of a run that ends by it, up to 10. */
#define RN_OK            0
#define RN_E_INTERNAL    (-1)  /* a bug of the host or of the plugin */
#define RN_E_CONFIG      (-2)  /* usage or configuration */
#define RN_E_DATA        (-3)  /* data */
#define RN_E_PLUGIN      (-4)  /* plugin, ABI, package, lock */
#define RN_E_DIVERGED    (-5)  /* NaN, Inf, policy */
#define RN_E_MEMORY      (-6)  /* host or device memory */
#define RN_E_IO          (-7)  /* disk or other I/O */
#define RN_E_CHECKPOINT  (-8)  /* checkpoint or run directory unusable */
#define RN_E_CHECK       (-9)  /* a check or conformance test failed */
#define RN_E_LOCKED      (-10) /* run directory locked by another run */
#define RN_E_UNSUPPORTED (-11) /* asked for something that this side does not have */
#define RN_E_CANCELLED   (-12) /* the host asked to stop */

/* What rn_error.where is. */
#define RN_WHERE_NONE   0u /* empty: the component itself */
#define RN_WHERE_OPTION 1u /* an option of the component: "lr", "layers.2.units" */
#define RN_WHERE_FILE   2u /* a file; line and column count from 1, 0 = unknown */
#define RN_WHERE_LAYER  3u /* a layer, parameter or node: "model.conv1/conv2d" */
#define RN_WHERE_FIELD  4u /* a field of the samples */
#define RN_WHERE_CONFIG 5u /* a path from the root of the experiment: host only */

/* Caller-owned, fixed size; this layout never changes. Strings are UTF-8, NUL-ended,
 * cut when too long. */
struct rn_error {
    int32_t status;
    uint32_t line;
    uint32_t column;
    uint32_t where_kind; /* RN_WHERE_* */
    char message[512];
    char hint[256];
    char where[256];
};

/* --------------------------------------------------------------------- types */

/* code | bits << 8, codes as DLPack's: int 0, uint 1, float 2, bfloat 4, bool 6. */
typedef uint32_t rn_dtype;
#define RN_DTYPE(code, bits) ((rn_dtype)((code) | ((bits) << 8)))
#define RN_F32               RN_DTYPE(2u, 32u)
#define RN_F64               RN_DTYPE(2u, 64u)
#define RN_F16               RN_DTYPE(2u, 16u)
#define RN_BF16              RN_DTYPE(4u, 16u)
#define RN_I64               RN_DTYPE(0u, 64u)
#define RN_I32               RN_DTYPE(0u, 32u)
#define RN_I8                RN_DTYPE(0u, 8u)
#define RN_U32               RN_DTYPE(1u, 32u)
#define RN_U8                RN_DTYPE(1u, 8u)
#define RN_BOOL              RN_DTYPE(6u, 8u) /* one byte, 0 or 1 */
#define RN_DTYPE_BYTES(d)    (((d) >> 8) / 8u)

#define RN_MAX_RANK 8

/* A view of a tensor in host memory; this layout never changes. Row-major when
 * strides is NULL; strides count elements, as in DLPack. */
struct rn_tensor {
    void *data;             /* borrowed, where the call does not say otherwise */
    const int64_t *shape;   /* borrowed; rank entries */
    const int64_t *strides; /* borrowed; rank entries, or NULL */
    rn_dtype dtype;
    uint32_t rank;
};

/* --------------------------------------------------------------- description */

/* A component describes itself in text: lines "key: value" in string literals that the
 * macros below join and place in the section .rn_desc, where the host and `plugin show`
 * read them without running anything. Grammar (fields after ';' in any order; what
 * follows '|' is the doc string):
 *
 *   component: KIND vendor.package/name BEHAVIOUR      first line of each component; the
 *              vendor `runner` is reserved for built-in components
 *   version:   1.2.3         license: SPDX-ID          doc: one line
 *   threads:   one           its [worker] members are not called at the same time
 *   in:        NAME DTYPE SHAPE [; optional] [; variable] | doc
 *   out:       NAME DTYPE SHAPE [; optional] [; better higher|lower]
 *              [; scope element|sample|batch|parameter] | doc     scope: of a loss, always
 *   option:    NAME TYPE [= DEFAULT] [; required] [; live] [; min X] [; max X]
 *              [; above X] [; below X] [; unit U] [; checkpoint] | doc
 *   record:    NAME | doc    opens a group of fields for nested options, until `end:`
 *   union:     NAME = RECORD RECORD ...                  a record chosen by its `type`
 *
 * A key or word that a host does not know refuses the file, since it may change what the
 * component means. One that begins with '?' ("; ?layout channels", "?prefers: gpu") may
 * be passed over; a host that knows it reads it as if the mark were not there.
 *
 * TYPE: bool int float string duration path pattern choice(a,b,c) component(KIND)
 *       reference(KIND) reference(live) reference(series) list(TYPE) map(TYPE)
 *       either(list(TYPE),map(TYPE)) RECORD-NAME UNION-NAME; a field of a record is
 *       an option line between `record:` and `end:`.
 *       `above`/`below` exclude the bound. A reference names a component of the
 *       experiment, or a live option of a model, loss, regularizer, optimizer or metric,
 *       which must be there; its value is the path of that. A reference to a series is
 *       the name of a curve that this run records: val/NAME of an evaluation, train/loss,
 *       train/gradient_norm, live/PATH of a live option.
 * SHAPE: [N,C,H,W] symbols or numbers, [...] any, [N,...] a prefix; no spaces. N is the
 *       batch.
 * DTYPE: f32 f64 bf16 f16 i64 i32 i8 u32 u8 bool, `float` any float, `int` any integer,
 *       `any`; any of several joined by '/': float/int/bool. */
#define RN_STR_(x)      #x
#define RN_STR(x)       RN_STR_(x)
#define RN_IN(text)     "in: " text "\n"
#define RN_OUT(text)    "out: " text "\n"
#define RN_OPTION(text) "option: " text "\n"
#define RN_RECORD(text) "record: " text "\n"
#define RN_END          "end:\n"
#define RN_UNION(text)  "union: " text "\n"
#define RN_DOC(text)    "doc: " text "\n"

/* One component: its kind's interface and its own description. */
struct rn_component {
    uint32_t struct_size;
    uint32_t reserved;
    const char *text;  /* plugin, static: the description */
    const void *iface; /* plugin, static: struct rn_loss and so on, by kind */
    /* What else the component can do, by string id ("runner.validate/1"): plugin,
     * static; NULL: not that. The member itself may be NULL. [any-thread] */
    const void *(*extension)(const char *id);
};

/* What the one exported function returns; this layout never changes. */
struct rn_entry {
    uint32_t struct_size;
    uint32_t abi_major;        /* RN_ABI_MAJOR of the headers used */
    uint32_t abi_needed_minor; /* lowest minor of the host that will do */
    uint32_t component_count;
    const struct rn_component *const *components; /* plugin, static */
    /* RN_NUMERICS_... of probe.h; NULL: not known. [any-thread] */
    uint32_t (*numerics)(void);
};

#define RN_ENTRY_SYMBOL "runner_plugin_entry"

/* Quick, no work, no threads, may be called again. [any-thread] */
typedef const struct rn_entry *(*rn_entry_fn)(void);

#ifdef __cplusplus
#define RN_EXTERN_C extern "C"
#else
#define RN_EXTERN_C
#endif

/* RN_COMPONENT(id, iface, head, body): defines `id` as a component. `head` is
 * "loss acme.losses/focal 1" (kind, name, behaviour); `body` joins the macros above. */
#define RN_COMPONENT(id, iface, head, body) RN_EXTENDED(id, iface, 0, head, body)

/* The same with extensions: a `const void *(*)(const char *id)`. */
#define RN_EXTENDED(id, iface, extension, head, body)                                  \
    RN_SECTION static const char id##_text[] = "abi: " RN_STR(                         \
        RN_ABI_MAJOR) " " RN_STR(RN_ABI_NEEDED_MINOR) "\n"                             \
                                                      "component: " head "\n" body;    \
    static const struct rn_component id = {sizeof(struct rn_component), 0u, id##_text, \
                                           &(iface), extension}

/* RN_PLUGIN(&a, &b, ...): the entry, once per shared object. */
#define RN_PLUGIN(...)                                                                 \
    RN_EXTERN_C RN_EXPORT const struct rn_entry *runner_plugin_entry(void);            \
    RN_EXTERN_C RN_EXPORT const struct rn_entry *runner_plugin_entry(void) {           \
        static const struct rn_component *const list[] = {__VA_ARGS__};                \
        static const struct rn_entry entry = {                                         \
            sizeof(struct rn_entry), RN_ABI_MAJOR, RN_ABI_NEEDED_MINOR,                \
            (uint32_t)(sizeof list / sizeof list[0]), list, rn_probe_numerics};        \
        return &entry;                                                                 \
    }                                                                                  \
    RN_EXTERN_C RN_EXPORT const struct rn_entry *runner_plugin_entry(void)

#ifdef __cplusplus
}
#endif
#endif
