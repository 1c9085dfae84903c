/* SPDX-License-Identifier: Apache-2.0 */
/* HDF5's functions under their own names, found in the library when the first of them
 * is called. Debian's library brings thirty others along (curl, Kerberos, GnuTLS), and
 * a process that uses none of them is not to wait for them: measured, 8 of the 11 ms of
 * processor time of `runner --version`. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <hdf5.h>

#include "record/hdf5_lazy.h"
#include "record/hdf5_soname.h" /* of the library that the build found */

/* Names that HDF5 itself defines, as those of a version, are replaced first. */
#define TEXT(name)  TEXT_(name)
#define TEXT_(name) #name

#define CALL(result, name, parameters, arguments) result(*name) parameters;
#define ID(name)
static struct {
#include "record/hdf5_calls.def"
} calls;
#undef CALL
#undef ID

#define CALL(result, name, parameters, arguments)
#define ID(name) hid_t name;
#include "record/hdf5_calls.def"
#undef CALL
#undef ID

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool ready;
static char why[300];

static bool find(void *library, const char *name, void *out) {
    void *symbol = dlsym(library, name);
    memcpy(out, &symbol, sizeof symbol);
    return symbol != NULL;
}

static bool copy_id(void *library, const char *name, hid_t *out) {
    hid_t *from = dlsym(library, name);
    if (from)
        *out = *from;
    return from != NULL;
}

static bool find_calls(void *library) {
    bool good = true;
#define CALL(result, name, parameters, arguments)                                      \
    good = good && find(library, TEXT(name), &calls.name);
#define ID(name)
#include "record/hdf5_calls.def"
#undef CALL
#undef ID
    return good;
}

static bool copy_ids(void *library) {
    bool good = true;
#define CALL(result, name, parameters, arguments)
#define ID(name) good = good && copy_id(library, TEXT(name), &name);
#include "record/hdf5_calls.def"
#undef CALL
#undef ID
    return good;
}

/* Nothing runs at exit: a file that a full disk left half closed would crash there. */
static bool start(void *library) {
    return find_calls(library) && calls.H5dont_atexit() >= 0 && calls.H5open() >= 0 &&
           copy_ids(library);
}

/* Opened, it stays so to the end of the process: closed, what it registered to run at
 * exit would be gone. */
static bool opened(void) {
    if (atomic_load_explicit(&ready, memory_order_acquire))
        return true;
    pthread_mutex_lock(&lock);
    bool good = atomic_load(&ready);
    if (!good) {
        dlerror();
        void *library = dlopen(HDF5_SONAME, RTLD_LAZY | RTLD_LOCAL);
        good = library && start(library);
        const char *text = good ? NULL : dlerror();
        snprintf(why, sizeof why, "%s", good ? "" : text ? text : "no memory");
        atomic_store_explicit(&ready, good, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    return good;
}

const char *hdf5_lazy_error(void) {
    return opened() ? NULL : why;
}

#define CALL(result, name, parameters, arguments)                                      \
    result name parameters {                                                           \
        return opened() ? calls.name arguments : (result)-1;                           \
    }
#define ID(name)
#include "record/hdf5_calls.def"
