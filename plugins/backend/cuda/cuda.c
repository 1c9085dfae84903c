/* SPDX-License-Identifier: Apache-2.0 */
/* The cuda backend: device memory, streams, events and programs over the CUDA driver.
 * The plugin links no library of NVIDIA's: what the machine has is found when a device
 * is opened, and what it lacks is said in words (runner doctor). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "products.h"
#include "tune.h"

#ifdef CUDA_EMULATED /* tests/cuda: the same backend over functions that run on a CPU  \
                      */
#include CUDA_EMULATED
#define COMPONENT "test.backends/cuda_emulated"
#else
#define COMPONENT        "runner/cuda"
#define EMULATED_OPTIONS ""
#endif

#define OLDEST_MAJOR 7 /* compute capability that the kernels need */

static int32_t unusable(struct rn_error *e, const char *hint, const char *format,
                        const char *what) {
    char message[400];
    snprintf(message, sizeof message, format, what);
    return rn_fail(e, RN_E_PLUGIN, message, hint, NULL);
}

static void destroy(void *self) {
    struct cuda_device *d = self;
    if (!d)
        return;
    if (d->context)
        d->lib.driver.cuCtxSetCurrent(d->context);
    cuda_tuner_destroy(d->tuner);
    cuda_cudnn_close(d);
    if (d->cublaslt)
        d->lib.cublaslt.cublasLtDestroy(d->cublaslt);
    if (d->context) {
        d->lib.driver.cuCtxSetCurrent(NULL);
        d->lib.driver.cuDevicePrimaryCtxRelease(d->device);
    }
    free(d);
}

/* The device as the management library knows it. Without one there are no gauges. */
static void open_instruments(struct cuda_device *d) {
    char bus[32] = "";
    if (d->lib.have_nvml &&
        (d->lib.driver.cuDeviceGetPCIBusId(bus, sizeof bus, d->device) !=
             CUDA_SUCCESS ||
         d->lib.nvml.nvmlInit_v2() != 0 ||
         d->lib.nvml.nvmlDeviceGetHandleByPciBusId_v2(bus, &d->instruments) != 0))
        d->instruments = NULL;
}

static int32_t open_device(struct cuda_device *d, int64_t index, struct rn_error *e) {
    const struct driver_table *cu = &d->lib.driver;
    int count = 0, version = 0, nvrtc_major = 0, nvrtc_minor = 0;
    char name[64] = "";
    if (!d->lib.have_driver)
        return unusable(
            e,
            "install NVIDIA's driver, or use device: cpu; runner plan needs "
            "none with device: {type: cuda, plan_for: sm_90}",
            "cuda: this machine has no NVIDIA driver (%s)", d->lib.no_driver);
    int32_t status = cuda_check(d, cu->cuInit(0), "the driver does not start", e);
    if (status == RN_OK)
        status = cuda_check(d, cu->cuDriverGetVersion(&version), "its version", e);
    if (status == RN_OK)
        status = cuda_check(d, cu->cuDeviceGetCount(&count), "counting devices", e);
    if (status != RN_OK)
        return RN_E_PLUGIN;
    if (index >= count) {
        char message[128];
        snprintf(message, sizeof message,
                 "cuda: there is no device %lld, the driver has %d", (long long)index,
                 count);
        return rn_fail(e, RN_E_CONFIG, message, NULL, "device.index");
    }
    if (!d->lib.have_nvrtc)
        return unusable(e, "install the CUDA Toolkit's NVRTC, or use a bundle",
                        "cuda: no compiler for kernels (%s)", d->lib.no_nvrtc);
    if (d->lib.nvrtc.nvrtcVersion(&nvrtc_major, &nvrtc_minor) != NVRTC_SUCCESS ||
        version < 1000 * nvrtc_major) {
        char message[160];
        snprintf(message, sizeof message,
                 "cuda: the driver is of CUDA %d.%d, the libraries are of %d.%d",
                 version / 1000, version % 1000 / 10, nvrtc_major, nvrtc_minor);
        return rn_fail(e, RN_E_PLUGIN, message, "a newer driver, or an older toolkit",
                       NULL);
    }
    status = cuda_check(d, cu->cuDeviceGet(&d->device, (int)index), "its device", e);
    if (status == RN_OK)
        status = cuda_check(d, cu->cuDeviceGetName(name, sizeof name, d->device),
                            "its name", e);
    const struct {
        CUdevice_attribute what;
        int *to;
    } wanted[] = {{CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, &d->major},
                  {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, &d->minor},
                  {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, &d->multiprocessors}};
    for (size_t i = 0; i < 3 && status == RN_OK; i++)
        status = cuda_check(
            d, cu->cuDeviceGetAttribute(wanted[i].to, wanted[i].what, d->device),
            "its properties", e);
    if (status != RN_OK)
        return status;
    if (d->major < OLDEST_MAJOR)
        return unusable(e, "compute capability 7.0 is the oldest that will do",
                        "cuda: %s is too old", name);
    status = cuda_check(d, cu->cuDevicePrimaryCtxRetain(&d->context, d->device),
                        "opening the device", e);
    if (status == RN_OK)
        status = cuda_current(d, e);
    if (status != RN_OK)
        return status;
    if (d->use_libraries && d->lib.have_cublaslt &&
        d->lib.cublaslt.cublasLtCreate(&d->cublaslt) != CUBLAS_STATUS_SUCCESS) {
        d->cublaslt = NULL;
        snprintf(d->lib.no_cublaslt, sizeof d->lib.no_cublaslt, "it does not start");
    }
    cuda_cudnn_open(d);
    open_instruments(d);
    snprintf(d->name, sizeof d->name, "cuda: %.50s, sm_%d%d%s%s", name, d->major,
             d->minor, d->cublaslt ? ", cuBLASLt" : ", own products",
             d->properties ? ", cuDNN" : ", own convolutions");
    return RN_OK;
}

/* plan_for: sm_90 */
static int32_t open_plan(struct cuda_device *d, const char *chip, struct rn_error *e) {
    int n = 0;
    if (strncmp(chip, "sm_", 3) != 0 || sscanf(chip + 3, "%d", &n) != 1 || n < 70 ||
        n > 129)
        return rn_fail(e, RN_E_CONFIG, "cuda: plan_for expects a chip such as sm_90",
                       "sm_80: A100, sm_89: L4 and RTX 40, sm_90: H100, sm_100: B200",
                       "device.plan_for");
    d->planning = true;
    d->major = n / 10;
    d->minor = n % 10;
    cuda_cudnn_open(d);
    snprintf(d->name, sizeof d->name, "cuda: planned for sm_%d, without a device%s", n,
             d->properties ? ", cuDNN" : ", own convolutions");
    return RN_OK;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct cuda_device *d = calloc(1, sizeof *d);
    const char *chip = rn_has(h, "plan_for") ? rn_get_string(h, "plan_for") : "";
    *self = NULL;
    if (!d)
        return rn_fail(e, RN_E_MEMORY, "no memory for a backend", NULL, NULL);
    d->tf32 = strcmp(rn_get_string(h, "numerics"), "tf32") == 0;
    d->graphs = strcmp(rn_get_string(h, "graphs"), "off") != 0;
    d->use_libraries = strcmp(rn_get_string(h, "libraries"), "off") != 0;
#ifdef CUDA_EMULATED
    emulated_open(&d->lib, h);
#else
    cuda_libraries_open(&d->lib, !chip[0]);
#endif
    int32_t status =
        chip[0] ? open_plan(d, chip, e) : open_device(d, rn_get_int(h, "index"), e);
    bool rule = strcmp(rn_get_string(h, "tune"), "off") == 0;
    if (status == RN_OK && !chip[0] && !(d->tuner = cuda_tuner_create(h, d, rule)))
        status = rn_fail(e, RN_E_MEMORY, "no memory for a backend", NULL, NULL);
    if (status != RN_OK) {
        destroy(d);
        return status;
    }
    *self = d;
    return RN_OK;
}

static int32_t info(void *self, struct rn_device_info *out, struct rn_error *e) {
    const struct cuda_device *d = self;
    size_t left = 0, all = 0;
    int32_t status = RN_OK;
    if (!d->planning) {
        status = cuda_current(d, e);
        if (status == RN_OK)
            status =
                cuda_check(d, d->lib.driver.cuMemGetInfo(&left, &all), "its memory", e);
    }
    snprintf(out->name, sizeof out->name, "%s", d->name);
    out->memory_bytes = left;
    out->alignment = 256;
    out->fuses = 1;
    out->reduces = 1;
    out->fast_bf16 = cuda_lt_multiplies(d, RN_BF16);
    out->fast_f16 = cuda_lt_multiplies(d, RN_F16);
    return status;
}

/* ------------------------------------------------------------------ memory */

static int32_t allocate(void *self, struct rn_backend_alloc *call, struct rn_error *e) {
    struct cuda_device *d = self;
    int32_t status = cuda_current(d, e);
    size_t bytes = call->bytes ? (size_t)call->bytes : 1;
    call->memory = NULL;
    if (status != RN_OK)
        return status;
    if (call->space == RN_SPACE_PINNED)
        return cuda_check(d, d->lib.driver.cuMemHostAlloc(&call->memory, bytes, 0),
                          "pinned memory", e);
    CUdeviceptr p = 0;
    status = cuda_check(d, d->lib.driver.cuMemAlloc(&p, bytes), "device memory", e);
    call->memory = (void *)(uintptr_t)p;
    return status;
}

static void release(void *self, int32_t space, void *p) {
    struct cuda_device *d = self;
    if (!p || cuda_current(d, NULL) != RN_OK)
        return;
    if (space == RN_SPACE_PINNED)
        d->lib.driver.cuMemFreeHost(p);
    else
        d->lib.driver.cuMemFree((CUdeviceptr)(uintptr_t)p);
}

static int32_t copy(void *self, const struct rn_backend_copy *call,
                    struct rn_error *e) {
    struct cuda_device *d = self;
    const struct driver_table *cu = &d->lib.driver;
    CUdeviceptr to = (CUdeviceptr)(uintptr_t)call->to;
    CUdeviceptr from = (CUdeviceptr)(uintptr_t)call->from;
    CUstream stream = call->stream;
    size_t n = (size_t)call->bytes;
    int32_t status = cuda_current(d, e);
    if (status != RN_OK || !n)
        return status;
    return cuda_check(d,
                      call->direction == RN_COPY_TO_DEVICE
                          ? cu->cuMemcpyHtoDAsync(to, call->from, n, stream)
                      : call->direction == RN_COPY_TO_HOST
                          ? cu->cuMemcpyDtoHAsync(call->to, from, n, stream)
                          : cu->cuMemcpyDtoDAsync(to, from, n, stream),
                      "a copy", e);
}

static int32_t fill_zero(void *self, const struct rn_backend_fill *call,
                         struct rn_error *e) {
    struct cuda_device *d = self;
    int32_t status = cuda_current(d, e);
    if (status != RN_OK || !call->bytes)
        return status;
    return cuda_check(d,
                      d->lib.driver.cuMemsetD8Async((CUdeviceptr)(uintptr_t)call->to, 0,
                                                    (size_t)call->bytes, call->stream),
                      "zeroing memory", e);
}

/* ----------------------------------------------------------------- streams */

static int32_t stream_create(void *self, void **out, struct rn_error *e) {
    struct cuda_device *d = self;
    CUstream s = NULL;
    int32_t status = cuda_current(d, e);
    if (status == RN_OK)
        status = cuda_check(d, d->lib.driver.cuStreamCreate(&s, CU_STREAM_NON_BLOCKING),
                            "a stream", e);
    *out = s;
    return status;
}

static void stream_destroy(void *self, void *stream) {
    struct cuda_device *d = self;
    if (stream && cuda_current(d, NULL) == RN_OK)
        d->lib.driver.cuStreamDestroy(stream);
}

static int32_t event_create(void *self, void **out, struct rn_error *e) {
    struct cuda_device *d = self;
    CUevent v = NULL;
    int32_t status = cuda_current(d, e);
    if (status == RN_OK)
        status = cuda_check(d, d->lib.driver.cuEventCreate(&v, CU_EVENT_DISABLE_TIMING),
                            "an event", e);
    *out = v;
    return status;
}

static void event_destroy(void *self, void *event) {
    struct cuda_device *d = self;
    if (event && cuda_current(d, NULL) == RN_OK)
        d->lib.driver.cuEventDestroy(event);
}

static int32_t event_record(void *self, void *event, void *stream, struct rn_error *e) {
    struct cuda_device *d = self;
    int32_t status = cuda_current(d, e);
    return status ? status
                  : cuda_check(d, d->lib.driver.cuEventRecord(event, stream),
                               "an event", e);
}

static int32_t event_wait(void *self, void *event, void *stream, struct rn_error *e) {
    struct cuda_device *d = self;
    int32_t status = cuda_current(d, e);
    return status ? status
                  : cuda_check(d, d->lib.driver.cuStreamWaitEvent(stream, event, 0),
                               "an event", e);
}

/* What a plugin's function on the host said, once it is known. */
static int32_t said(const struct cuda_device *d, int32_t status, struct rn_error *e) {
    if (status == RN_OK && d->host_status != RN_OK) {
        if (e)
            *e = d->host_error;
        return d->host_status;
    }
    return status;
}

static int32_t event_sync(void *self, void *event, struct rn_error *e) {
    struct cuda_device *d = self;
    int32_t status = cuda_current(d, e);
    if (status == RN_OK)
        status =
            cuda_check(d, d->lib.driver.cuEventSynchronize(event), "the device", e);
    return said(d, status, e);
}

static int32_t stream_sync(void *self, void *stream, struct rn_error *e) {
    struct cuda_device *d = self;
    int32_t status = cuda_current(d, e);
    if (status == RN_OK)
        status =
            cuda_check(d, d->lib.driver.cuStreamSynchronize(stream), "the device", e);
    return said(d, status, e);
}

/* ---------------------------------------------------------------- programs */

/* Nodes may be tried on the device. */
static int32_t query(void *self, struct rn_backend_query *call, struct rn_error *e) {
    struct cuda_device *d = self;
    int32_t status = d->planning ? RN_OK : cuda_current(d, e);
    return status == RN_OK ? cuda_query(d, call->program, call->node, call->info, e)
                           : status;
}

static int32_t measure(void *self, struct rn_backend_query *call, struct rn_error *e) {
    struct cuda_device *d = self;
    int32_t status = d->planning ? RN_OK : cuda_current(d, e);
    return status == RN_OK
               ? cuda_measure(d, call->program, call->node, &call->nanoseconds, e)
               : status;
}

static int32_t choices(void *self, const char **text, struct rn_error *e) {
    struct cuda_device *d = self;
    *text = d->tuner ? cuda_tuner_text(d->tuner) : "";
    return *text ? RN_OK
                 : rn_fail(e, RN_E_MEMORY, "no memory for a record", NULL, NULL);
}

static int32_t choose(void *self, const char *text, struct rn_error *e) {
    struct cuda_device *d = self;
    (void)e;
    if (d->tuner)
        cuda_tuner_read(d->tuner, text);
    return RN_OK;
}

static int32_t compile(void *self, struct rn_backend_compile *call,
                       struct rn_error *e) {
    struct cuda_exe *x = NULL;
    int32_t status = cuda_exe_create(self, call->program, &x, e);
    call->exe = x;
    return status;
}

static void exe_destroy(void *self, void *exe) {
    if (cuda_current(self, NULL) == RN_OK)
        cuda_exe_destroy(exe);
}

static int32_t run(void *self, const struct rn_backend_run *call, struct rn_error *e) {
    (void)self;
    return cuda_exe_run(call->exe, call->stream, call->bases, e);
}

static int32_t profile(void *self, const struct rn_backend_run *call,
                       struct rn_error *e) {
    (void)self;
    return cuda_exe_profile(call->exe, call->stream, call->bases, call->times, e);
}

static int32_t gauges(void *self, struct rn_device_gauges *out, struct rn_error *e) {
    const struct cuda_device *d = self;
    const struct nvml_table *ml = &d->lib.nvml;
    struct nvml_memory memory;
    struct nvml_utilisation used;
    unsigned degrees;
    if (!d->instruments)
        return rn_fail(e, RN_E_UNSUPPORTED, "cuda: no NVML", NULL, NULL);
    if (ml->nvmlDeviceGetMemoryInfo(d->instruments, &memory) == 0) {
        out->memory_used = (double)memory.used;
        out->memory = (double)memory.total;
    }
    if (ml->nvmlDeviceGetUtilizationRates(d->instruments, &used) == 0)
        out->utilisation = used.gpu / 100.0;
    if (ml->nvmlDeviceGetTemperature(d->instruments, NVML_TEMPERATURE_GPU, &degrees) ==
        0)
        out->temperature = degrees;
    return RN_OK;
}

static const struct rn_backend iface = {.struct_size = sizeof(struct rn_backend),
                                        .create = create,
                                        .destroy = destroy,
                                        .info = info,
                                        .alloc = allocate,
                                        .release = release,
                                        .stream_create = stream_create,
                                        .stream_destroy = stream_destroy,
                                        .event_create = event_create,
                                        .event_destroy = event_destroy,
                                        .event_record = event_record,
                                        .event_wait = event_wait,
                                        .event_sync = event_sync,
                                        .stream_sync = stream_sync,
                                        .copy = copy,
                                        .fill_zero = fill_zero,
                                        .query = query,
                                        .compile = compile,
                                        .exe_destroy = exe_destroy,
                                        .run = run,
                                        .profile = profile,
                                        .measure = measure,
                                        .choices = choices,
                                        .choose = choose,
                                        .gauges = gauges};

RN_BACKEND(cuda, iface, COMPONENT " 1",
           RN_DOC("NVIDIA GPUs: cuBLASLt, cuDNN and kernels compiled on the spot")
               RN_OPTION("index int = 0 ; min 0 ; max 1023 | which device")
                   RN_OPTION("numerics choice(f32,tf32) = f32 | tf32: products in TF32, "
                             "faster, 10 bits of mantissa")
                       RN_OPTION("libraries choice(auto,off) = auto | off: own kernels "
                                 "instead of cuBLASLt and cuDNN")
                           RN_OPTION("tune choice(on,off) = on | time the libraries' "
                                     "algorithms once on this device and keep the "
                                     "answers; off: their first proposals")
                           RN_OPTION("graphs choice(on,off) = on | a step is one CUDA "
                                     "graph")
                               RN_OPTION("plan_for string | make plans for a chip, such "
                                         "as sm_90, without a device")
                                   EMULATED_OPTIONS);
RN_PLUGIN(&cuda);
