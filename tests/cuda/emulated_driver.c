/* SPDX-License-Identifier: Apache-2.0 */
/* The driver: memory that begins as garbage, streams that run when somebody waits,
 * graphs that are lists of operations, modules that the host's compiler makes. Misuse
 * that a GPU would answer with wrong numbers ends the process with a line. */
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/stat.h>
#include <unistd.h>

#include "emulated.h"
#include "engine.h"
#include "kernels/args.h"
#include "shim.h"

struct block {
    struct block *next;
    char *data;
    size_t bytes;
    int pinned;
};

struct function {
    struct function *next;
    char name[64];
    uint64_t bytes;
    void (*entry)(const void *args, struct emulated_grid *g);
};

struct operation {
    struct operation *next;
    void (*fn)(void *context);
    struct operation *children; /* of a graph; not owned */
    struct emulated_event *event;
    size_t bytes;
    char context[];
};

struct emulated_graph {
    struct operation *first, *last;
};

struct emulated_stream {
    struct emulated_graph *recording; /* NULL: operations go to the queue */
};

struct emulated_event {
    int pending;
    struct timespec passed;
    double ms; /* that were to pass by then */
};

/* One device for the process. */
static struct {
    struct block *blocks;
    size_t used, limit;
    int64_t busy, asked;
    struct operation *first, *last;
    uint32_t backwards;
    int opened;
    double ms; /* emulated_pass */
} gpu;

static void misuse(const char *what) {
    fprintf(stderr, "emulated driver: %s\n", what);
    abort();
}

/* ------------------------------------------------------------------- queue */

static void perform(struct operation *o) {
    if (o->fn)
        o->fn(o->context);
    for (struct operation *c = o->children; c; c = c->next)
        perform(c);
    if (o->event) {
        o->event->pending--;
        /* Others on this machine shall not make the device slow. */
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &o->event->passed);
        o->event->ms = gpu.ms;
    }
}

void emulated_pass(double ms) {
    gpu.ms += ms;
}

static void flush(void) {
    while (gpu.first) {
        struct operation *o = gpu.first;
        gpu.first = o->next;
        perform(o);
        free(o);
    }
    gpu.last = NULL;
}

static struct operation *push(CUstream stream, void (*fn)(void *), const void *context,
                              size_t bytes) {
    struct emulated_stream *s = (void *)stream;
    struct operation *o = calloc(1, sizeof *o + bytes);
    if (!s)
        misuse("the default stream is not ours to use");
    if (!o)
        misuse("no memory");
    o->fn = fn;
    o->bytes = bytes;
    if (bytes)
        memcpy(o->context, context, bytes);
    struct operation **first = s->recording ? &s->recording->first : &gpu.first;
    struct operation **last = s->recording ? &s->recording->last : &gpu.last;
    if (*last)
        (*last)->next = o;
    else
        *first = o;
    *last = o;
    return o;
}

CUresult emulated_push(CUstream stream, void (*fn)(void *), const void *context,
                       size_t bytes) {
    push(stream, fn, context, bytes);
    return CUDA_SUCCESS;
}

/* ------------------------------------------------------------------ memory */

/* Is [p, p + n) inside one block of this kind? */
static int inside(const void *p, size_t n, int pinned) {
    uintptr_t at = (uintptr_t)p;
    for (struct block *b = gpu.blocks; b; b = b->next) {
        uintptr_t first = (uintptr_t)b->data;
        if (b->pinned == pinned && at >= first && at - first <= b->bytes &&
            n <= b->bytes - (at - first))
            return 1;
    }
    return 0;
}

static void device_range(CUdeviceptr p, size_t n) {
    if (!inside((void *)(uintptr_t)p, n, 0))
        misuse("a range is not device memory");
}

static CUresult get(size_t bytes, int pinned, void **out) {
    if (!pinned && gpu.limit && gpu.used + bytes > gpu.limit)
        return CUDA_ERROR_OUT_OF_MEMORY;
    if (!pinned && gpu.busy && ++gpu.asked % 3 == 0) {
        gpu.busy--;
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    struct block *b = calloc(1, sizeof *b);
    char *data = aligned_alloc(256, (bytes + 255) / 256 * 256 + 256);
    if (!b || !data)
        misuse("no memory");
    memset(data, 0xff, (bytes + 255) / 256 * 256); /* NaN */
    *b = (struct block){gpu.blocks, data, bytes, pinned};
    gpu.blocks = b;
    gpu.used += pinned ? 0 : bytes;
    *out = data;
    return CUDA_SUCCESS;
}

static CUresult put(void *p, int pinned) {
    flush(); /* cuMemFree waits */
    for (struct block **at = &gpu.blocks; *at; at = &(*at)->next)
        if ((*at)->data == p && (*at)->pinned == pinned) {
            struct block *b = *at;
            *at = b->next;
            gpu.used -= pinned ? 0 : b->bytes;
            free(b->data);
            free(b);
            return CUDA_SUCCESS;
        }
    misuse("memory is freed that was not allocated");
    return CUDA_ERROR_INVALID_VALUE;
}

static CUresult CUDAAPI mem_alloc(CUdeviceptr *out, size_t bytes) {
    void *p = NULL;
    CUresult r = get(bytes, 0, &p);
    *out = (CUdeviceptr)(uintptr_t)p;
    return r;
}

static CUresult CUDAAPI mem_free(CUdeviceptr p) {
    return put((void *)(uintptr_t)p, 0);
}

static CUresult CUDAAPI host_alloc(void **out, size_t bytes, unsigned flags) {
    (void)flags;
    return get(bytes, 1, out);
}

static CUresult CUDAAPI host_free(void *p) {
    return put(p, 1);
}

static CUresult CUDAAPI mem_info(size_t *left, size_t *all) {
    *all = gpu.limit ? gpu.limit : (size_t)8 << 30;
    *left = *all - gpu.used;
    return CUDA_SUCCESS;
}

struct copying {
    void *to;
    const void *from;
    size_t n;
    unsigned char value; /* that is set */
};

static void do_copy(void *context) {
    struct copying *c = context;
    memmove(c->to, c->from, c->n);
}

static CUresult copy(void *to, const void *from, size_t n, CUstream stream) {
    struct copying c = {to, from, n, 0};
    return emulated_push(stream, do_copy, &c, sizeof c);
}

static CUresult CUDAAPI to_device(CUdeviceptr to, const void *from, size_t n,
                                  CUstream stream) {
    device_range(to, n);
    if (inside(from, n, 0))
        misuse("a copy takes device memory for host memory");
    return copy((void *)(uintptr_t)to, from, n, stream);
}

static CUresult CUDAAPI to_host(void *to, CUdeviceptr from, size_t n, CUstream stream) {
    device_range(from, n);
    if (inside(to, n, 0))
        misuse("a copy takes device memory for host memory");
    return copy(to, (const void *)(uintptr_t)from, n, stream);
}

static CUresult CUDAAPI on_device(CUdeviceptr to, CUdeviceptr from, size_t n,
                                  CUstream stream) {
    device_range(to, n);
    device_range(from, n);
    return copy((void *)(uintptr_t)to, (const void *)(uintptr_t)from, n, stream);
}

static void do_set(void *context) {
    struct copying *c = context;
    memset(c->to, c->value, c->n);
}

static CUresult CUDAAPI set(CUdeviceptr to, unsigned char value, size_t n,
                            CUstream stream) {
    struct copying c = {(void *)(uintptr_t)to, NULL, n, value};
    device_range(to, n);
    return emulated_push(stream, do_set, &c, sizeof c);
}

/* ------------------------------------------------------- streams and events */

static CUresult CUDAAPI stream_create(CUstream *out, unsigned flags) {
    (void)flags;
    *out = calloc(1, sizeof(struct emulated_stream));
    return *out ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult CUDAAPI stream_destroy(CUstream s) {
    flush();
    free(s);
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI stream_sync(CUstream s) {
    if (((struct emulated_stream *)(void *)s)->recording)
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    flush();
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI event_create(CUevent *out, unsigned flags) {
    (void)flags;
    *out = calloc(1, sizeof(struct emulated_event));
    return *out ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult CUDAAPI event_destroy(CUevent e) {
    flush();
    free(e);
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI event_record(CUevent e, CUstream s) {
    struct emulated_event *v = (void *)e;
    v->pending++;
    push(s, NULL, NULL, 0)->event = v;
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI event_wait(CUstream s, CUevent e, unsigned flags) {
    (void)s, (void)e, (void)flags; /* one queue: what came before is done before */
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI event_sync(CUevent e) {
    if (((struct emulated_event *)(void *)e)->pending)
        flush();
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI event_elapsed(float *ms, CUevent from, CUevent to) {
    const struct emulated_event *a = (void *)from, *b = (void *)to;
    if (a->pending || b->pending)
        return CUDA_ERROR_NOT_READY;
    *ms =
        (float)((double)(b->passed.tv_sec - a->passed.tv_sec) * 1e3 +
                (double)(b->passed.tv_nsec - a->passed.tv_nsec) * 1e-6 + b->ms - a->ms);
    return CUDA_SUCCESS;
}

/* ------------------------------------------------------------------ graphs */

static CUresult CUDAAPI begin_capture(CUstream stream, CUstreamCaptureMode mode) {
    struct emulated_stream *s = (void *)stream;
    (void)mode;
    s->recording = calloc(1, sizeof *s->recording);
    return s->recording ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult CUDAAPI end_capture(CUstream stream, CUgraph *out) {
    struct emulated_stream *s = (void *)stream;
    *out = (void *)s->recording;
    s->recording = NULL;
    return CUDA_SUCCESS;
}

/* The list goes over to the executable. */
static CUresult CUDAAPI instantiate(CUgraphExec *out, CUgraph graph,
                                    unsigned long long flags) {
    struct emulated_graph *g = (void *)graph, *x = calloc(1, sizeof *x);
    (void)flags;
    if (!x)
        return CUDA_ERROR_OUT_OF_MEMORY;
    *x = *g;
    g->first = g->last = NULL;
    *out = (void *)x;
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI graph_launch(CUgraphExec graph, CUstream s) {
    push(s, NULL, NULL, 0)->children = ((struct emulated_graph *)(void *)graph)->first;
    return CUDA_SUCCESS;
}

static void graph_free(struct emulated_graph *g) {
    flush();
    while (g->first) {
        struct operation *o = g->first;
        g->first = o->next;
        free(o);
    }
    free(g);
}

static CUresult CUDAAPI graph_destroy(CUgraph g) {
    graph_free((void *)g);
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI graph_exec_destroy(CUgraphExec g) {
    graph_free((void *)g);
    return CUDA_SUCCESS;
}

/* ----------------------------------------------------------------- kernels */

struct module {
    void *generated, *fixed;
    struct function *functions;
};

/* A hash that goes on. */
static uint64_t hash_file(uint64_t h, const char *name) {
    FILE *f = fopen(name, "rb");
    if (!f)
        misuse("a header of generated kernels is missing");
    for (int c; (c = getc(f)) != EOF;)
        h = (h ^ (unsigned char)c) * 0x100000001b3u;
    fclose(f);
    return h;
}

/* What every text includes, as a header that is compiled once for all of them; a
 * compiler that cannot read the compiled form reads the text. */
static void prelude(uint64_t h, char *path, size_t size) {
    char mine[700], compiled[700], command[3000];
    struct stat s;
    snprintf(path, size, "%s/%016llx.h", EMULATED_CACHE, (unsigned long long)h);
    if (stat(path, &s) == 0)
        return;
    snprintf(mine, sizeof mine, "%s.%ld", path, (long)getpid());
    FILE *f = fopen(mine, "w");
    if (!f)
        misuse("the cache of compiled kernels cannot be written");
    fputs("#include \"kernels/args.h\"\n#include \"shim.h\"\n"
          "#include \"kernels/common.cu\"\n",
          f);
    fclose(f);
    snprintf(command, sizeof command, "%s -x c-header -o '%s.gch' '%s'",
             EMULATED_COMPILER, mine, mine);
    snprintf(compiled, sizeof compiled, "%s.gch", path);
    if (system(command) == 0) {
        snprintf(command, sizeof command, "%s.gch", mine);
        rename(command, compiled);
    }
    rename(mine, path);
}

/* The text as a shared object, kept in the build folder by a hash of it and of what it
 * includes. */
/* With EMULATED_COLLECT set, texts that would be compiled are written beside, as
 * NAME.so.c, for ops.py to compile together, and no kernel does anything. */
static bool collects(void) {
    return getenv("EMULATED_COLLECT") != NULL;
}

static void *compile(const char *text) {
    char path[600], source[640], made[640], header[640], command[3000];
    uint64_t h = 0xcbf29ce484222325u;
    struct stat s;
    static const char *const included[] = {EMULATED_INCLUDED};
    for (size_t i = 0; i < sizeof included / sizeof included[0]; i++)
        h = hash_file(h, included[i]);
    mkdir(EMULATED_CACHE, 0700);
    prelude(h, header, sizeof header);
    for (const char *p = text; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    snprintf(path, sizeof path, "%s/%016llx.so", EMULATED_CACHE, (unsigned long long)h);
    if (stat(path, &s) != 0) {
        snprintf(source, sizeof source, "%s.%ld.c", path, (long)getpid());
        snprintf(made, sizeof made, "%s.%ld.so", path, (long)getpid());
        FILE *f = fopen(source, "w");
        if (!f)
            misuse("the cache of compiled kernels cannot be written");
        fprintf(f, "#include \"%s\"\n%s", header, text);
        fclose(f);
        if (collects()) {
            snprintf(made, sizeof made, "%s.c", path);
            rename(source, made);
            return NULL;
        }
        snprintf(command, sizeof command, "%s -shared -nostdlib -o '%s' '%s' -lgcc",
                 EMULATED_COMPILER, made, source);
        if (system(command) != 0)
            misuse("the host's compiler refuses a generated kernel");
        unlink(source);
        snprintf(source, sizeof source, "%s.cu", path); /* for nvrtc.c */
        f = fopen(source, "w");
        if (f) {
            fputs(text, f);
            fclose(f);
        }
        rename(made, path);
    }
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!so)
        misuse(dlerror());
    return so;
}

static CUresult CUDAAPI module_load(CUmodule *out, const void *image) {
    struct module *m = calloc(1, sizeof *m);
    Dl_info info;
    if (!m || !dladdr((const void *)(uintptr_t)&gpu, &info))
        misuse("no memory");
    m->fixed = dlopen(info.dli_fname, RTLD_NOW | RTLD_LOCAL);
    if (((const char *)image)[0])
        m->generated = compile(image);
    *out = (void *)m;
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI module_unload(CUmodule module) {
    struct module *m = (void *)module;
    flush();
    while (m->functions) {
        struct function *f = m->functions;
        m->functions = f->next;
        free(f);
    }
    if (m->generated)
        dlclose(m->generated);
    dlclose(m->fixed);
    free(m);
    return CUDA_SUCCESS;
}

/* The kernel of a text that is only collected. */
static void do_nothing(const void *args, struct emulated_grid *g) {
    (void)args;
    (void)g;
}

static CUresult CUDAAPI module_function(CUfunction *out, CUmodule module,
                                        const char *name) {
    struct module *m = (void *)module;
    struct function *f = calloc(1, sizeof *f);
    char entry[80], size[80];
    snprintf(entry, sizeof entry, "%s_entry", name);
    snprintf(size, sizeof size, "%s_bytes", name);
    void *from = m->generated && dlsym(m->generated, entry) ? m->generated : m->fixed;
    void *symbol = dlsym(from, entry);
    const uint64_t *bytes = dlsym(from, size);
    if (!f || ((!symbol || !bytes) && !collects())) {
        free(f);
        return CUDA_ERROR_NOT_FOUND;
    }
    snprintf(f->name, sizeof f->name, "%s", name);
    if (collects())
        f->entry = do_nothing;
    else
        memcpy(&f->entry, &symbol, sizeof symbol);
    f->bytes = collects() ? 0 : *bytes;
    f->next = m->functions;
    m->functions = f;
    *out = (void *)f;
    return CUDA_SUCCESS;
}

struct launching {
    const struct function *f;
    uint64_t grid;
    char args[4096];
};

static void do_launch(void *context) {
    struct launching *l = context;
    struct emulated_grid g = {.blocks = l->grid, .backwards = gpu.backwards};
    if (l->f->entry == do_nothing)
        return;
    for (uint64_t i = 0; i < l->grid; i++) {
        g.block = gpu.backwards ? l->grid - 1 - i : i;
        g.open = 0;
        l->f->entry(l->args, &g);
    }
}

static CUresult CUDAAPI launch(CUfunction function, unsigned gx, unsigned gy,
                               unsigned gz, unsigned bx, unsigned by, unsigned bz,
                               unsigned shared, CUstream stream, void **params,
                               void **extra) {
    const struct function *f = (void *)function;
    struct launching l = {.f = f, .grid = gx};
    if (!f || bx != THREADS || gy != 1 || gz != 1 || by != 1 || bz != 1 || shared ||
        extra || gx == 0 || f->bytes > sizeof l.args)
        misuse("a launch that the emulation, or a GPU, does not take");
    memcpy(l.args, params[0], f->bytes);
    return emulated_push(stream, do_launch, &l, sizeof l);
}

struct calling {
    CUhostFn fn;
    void *user;
};

static void do_call(void *context) {
    struct calling *c = context;
    c->fn(c->user);
}

static CUresult CUDAAPI host_function(CUstream stream, CUhostFn fn, void *user) {
    struct calling c = {fn, user};
    return emulated_push(stream, do_call, &c, sizeof c);
}

/* ------------------------------------------------------------------ device */

static CUresult CUDAAPI init(unsigned flags) {
    (void)flags;
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI driver_version(int *v) {
    *v = 13000;
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI error_name(CUresult r, const char **s) {
    *s = r == CUDA_ERROR_OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR";
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI error_string(CUresult r, const char **s) {
    *s = r == CUDA_ERROR_OUT_OF_MEMORY ? "out of memory" : "emulated";
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI device_count(int *n) {
    *n = 1;
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI device_get(CUdevice *d, int i) {
    *d = i;
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI device_name(char *name, int n, CUdevice d) {
    (void)d;
    snprintf(name, (size_t)n, "an emulated device");
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI device_attribute(int *v, CUdevice_attribute what, CUdevice d) {
    (void)d;
    *v = what == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR   ? 9
         : what == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR ? 0
                                                                : 132;
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI context_retain(CUcontext *c, CUdevice d) {
    (void)d;
    *c = (CUcontext)(void *)&gpu;
    gpu.opened++;
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI context_release(CUdevice d) {
    (void)d;
    flush();
    gpu.opened--;
    if (!gpu.opened && gpu.blocks)
        fprintf(stderr, "emulated driver: memory was left allocated\n");
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI set_current(CUcontext c) {
    (void)c;
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI device_bus(char *bus, int n, CUdevice d) {
    snprintf(bus, (size_t)n, "0000:%02x:00.0", d);
    return CUDA_SUCCESS;
}

static int nvml_init(void) {
    return 0;
}

static int nvml_by_bus(const char *bus, nvml_device *out) {
    *out = (nvml_device)(void *)&gpu;
    return strcmp(bus, "0000:00:00.0") == 0 ? 0 : 6;
}

static int nvml_memory(nvml_device d, struct nvml_memory *out) {
    (void)d;
    *out = (struct nvml_memory){(unsigned long long)1 << 33, 0, gpu.used};
    out->free = out->total - out->used;
    return 0;
}

static int nvml_utilisation(nvml_device d, struct nvml_utilisation *out) {
    (void)d;
    *out = (struct nvml_utilisation){87, 12};
    return 0;
}

/* As where a device has no such sensor. */
static int nvml_temperature(nvml_device d, int sensor, unsigned *out) {
    (void)d, (void)out;
    return sensor == NVML_TEMPERATURE_GPU ? 3 : 2;
}

void emulated_fill_driver(struct driver_table *t) {
    *t = (struct driver_table){.cuInit = init,
                               .cuDriverGetVersion = driver_version,
                               .cuGetErrorName = error_name,
                               .cuGetErrorString = error_string,
                               .cuDeviceGetCount = device_count,
                               .cuDeviceGet = device_get,
                               .cuDeviceGetName = device_name,
                               .cuDeviceGetPCIBusId = device_bus,
                               .cuDeviceGetAttribute = device_attribute,
                               .cuDevicePrimaryCtxRetain = context_retain,
                               .cuDevicePrimaryCtxRelease = context_release,
                               .cuCtxSetCurrent = set_current,
                               .cuMemGetInfo = mem_info,
                               .cuMemAlloc = mem_alloc,
                               .cuMemFree = mem_free,
                               .cuMemHostAlloc = host_alloc,
                               .cuMemFreeHost = host_free,
                               .cuMemcpyHtoDAsync = to_device,
                               .cuMemcpyDtoHAsync = to_host,
                               .cuMemcpyDtoDAsync = on_device,
                               .cuMemsetD8Async = set,
                               .cuStreamCreate = stream_create,
                               .cuStreamDestroy = stream_destroy,
                               .cuStreamSynchronize = stream_sync,
                               .cuStreamWaitEvent = event_wait,
                               .cuStreamBeginCapture = begin_capture,
                               .cuStreamEndCapture = end_capture,
                               .cuEventCreate = event_create,
                               .cuEventDestroy = event_destroy,
                               .cuEventRecord = event_record,
                               .cuEventSynchronize = event_sync,
                               .cuEventElapsedTime = event_elapsed,
                               .cuModuleLoadData = module_load,
                               .cuModuleUnload = module_unload,
                               .cuModuleGetFunction = module_function,
                               .cuLaunchKernel = launch,
                               .cuLaunchHostFunc = host_function,
                               .cuGraphInstantiate = instantiate,
                               .cuGraphLaunch = graph_launch,
                               .cuGraphDestroy = graph_destroy,
                               .cuGraphExecDestroy = graph_exec_destroy};
}

static nvrtcResult nvrtc_version(int *major, int *minor) {
    *major = 13;
    *minor = 0;
    return NVRTC_SUCCESS;
}

void emulated_open(struct cuda_libraries *l, struct rn_host *h) {
    memset(l, 0, sizeof *l);
    emulated_fill_driver(&l->driver);
    l->nvrtc.nvrtcVersion = nvrtc_version;
    emulated_fill_cublaslt(&l->cublaslt);
    emulated_fill_cudnn(&l->cudnn);
    l->nvml = (struct nvml_table){nvml_init, nvml_by_bus, nvml_memory, nvml_utilisation,
                                  nvml_temperature};
    l->have_nvml = true;
    l->have_driver = l->have_nvrtc = l->have_cublaslt = l->have_cudnn = true;
    gpu.backwards = strcmp(rn_get_string(h, "order"), "backwards") == 0;
    gpu.limit = rn_has(h, "memory") ? (size_t)rn_get_int(h, "memory") : 0;
    gpu.busy = rn_get_int(h, "busy");
}

/* What is loaded as a module is the generated text itself; the rest is kernels.c. */
int32_t cuda_image(const struct cuda_device *d, uint32_t themes, uint32_t types,
                   const char *generated, void **image, struct rn_error *e) {
    (void)d, (void)themes, (void)types;
    *image = malloc(strlen(generated) + 1);
    if (!*image)
        return rn_fail(e, RN_E_MEMORY, "no memory for kernels", NULL, NULL);
    strcpy(*image, generated);
    return RN_OK;
}
