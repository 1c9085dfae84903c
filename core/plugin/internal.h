/* SPDX-License-Identifier: Apache-2.0 */
/* Inside core/plugin. */
#ifndef PLUGIN_INTERNAL_H
#define PLUGIN_INTERNAL_H

#include "base/error.h"
#include "base/memory.h"
#include "plugin/plugin.h"

/* What was read of a file without opening it. */
struct file_text {
    char *texts; /* descriptions, each NUL-ended, one after the other */
    size_t bytes;
};

/* elf.c: the section .rn_desc of an ELF file for this machine. Every number in the file
 * is checked. e says why it is refused. */
int elf_read(const char *file, struct arena *a, struct file_text *out,
             struct rn_error *e);

/* Those that have to be in a process from its start. */
struct sanitizer {
    const char *name, *flag; /* "AddressSanitizer", "address" of -fsanitize */
    const char *symbol;      /* of its run-time library */
};
/* elf.c: the one that the file was built with; NULL: none. */
const struct sanitizer *elf_sanitizer(const char *file, struct arena *a);

/* open.c: is what a plugin needs what this host has? e says why not. */
struct abi_version {
    uint32_t major, minor;
};
int abi_check(const struct abi_version *host, const struct abi_version *needed,
              struct rn_error *e);

/* ports.c: "logits f32 [N,C] ; optional | doc", what follows `in:` or `out:`. */
int port_read(struct arena *a, const char *text, struct port_info *p,
              struct rn_error *e);

/* describe.c: text to a component; refuses an ABI that this host does not have. */
int describe(struct arena *a, const char *text, struct component *out,
             struct rn_error *e);

struct owned { /* a component and what the session knows of it */
    struct component c;
    struct library *library;
    uint32_t index; /* in its file */
};

/* open.c: dlopen, check entry and interface, set iface. */
int component_open(struct owned *o, struct rn_error *e);

/* Why a file is there; of two files with one component the higher one is used. */
enum library_rank {
    LIBRARY_FOUND,    /* in a folder of the search path */
    LIBRARY_RECORDED, /* there, and its bytes are those that a run's record names */
    LIBRARY_NAMED,    /* by the experiment */
};

struct library {
    const char *file;
    bool built_in;
    enum library_rank rank;
    char sha256[65]; /* "": not computed yet */
    void *handle;
    const struct rn_entry *entry;
    uint32_t numerics; /* RN_NUMERICS_...; once it is open */
};

/* session.c: computed where it is not known yet; "" when it cannot be read. */
const char *library_hash(struct library *l);

struct refusal {
    const char *file, *why;
};

struct session {
    struct arena *arena;
    bool guarded;    /* buffers of calls have guard zones */
    struct log *log; /* or NULL */
    struct owned **all;
    uint32_t count, capacity;
    struct library **libraries;
    uint32_t library_count, library_capacity;
    struct refusal *refused;
    uint32_t refused_count, refused_capacity;
};

/* instance.c: do calls of it get guarded buffers? */
bool instance_guarded(const struct instance *i);
/* instance.c: the guard that services add what they hand out to; NULL: none. */
struct guard;
void instance_lend_guard(struct instance *i, struct guard *g);
struct guard *instance_lent_guard(struct rn_host *h);

/* instance.c: the mark of the component in call. */
const char *call_enter(const char *name);
void call_leave(const char *before);

#endif
