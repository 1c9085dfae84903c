/* SPDX-License-Identifier: Apache-2.0 */
/* The backend async_fake as a device: its memory is not the host's, its streams run on
 * their own. Argument: the plugin's file. */
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <runner/backend.h>

#include "../check.h"
#include "../described.h"

static const char *text; /* the component's description */

static int32_t get_int(struct rn_host *h, const char *path, int64_t *out) {
    const char *v = described_default(text, path);
    (void)h;
    *out = strcmp(path, "threads") == 0 ? 2 : v ? strtoll(v, NULL, 10) : 0;
    return RN_OK;
}

static int32_t get_string(struct rn_host *h, const char *path, const char **out) {
    (void)h;
    *out = described_default(text, path);
    return *out ? RN_OK : RN_E_PLUGIN;
}

static int32_t has(struct rn_host *h, const char *path) {
    (void)h;
    return described_default(text, path) != NULL;
}

static const struct rn_host_api host_api = {.struct_size = sizeof host_api,
                                            .get_int = get_int,
                                            .get_string = get_string,
                                            .has = has};

static void *memory_of(const struct rn_backend *k, void *self, int32_t space,
                       uint64_t bytes) {
    struct rn_backend_alloc call = {sizeof call, space, bytes, NULL};
    struct rn_error e = {0};
    CHECK(k->alloc(self, &call, &e) == RN_OK);
    return call.memory;
}

static int32_t copied(const struct rn_backend *k, void *self, void *stream,
                      int32_t direction, void *to, const void *from, uint64_t bytes) {
    struct rn_backend_copy call = {sizeof call, direction, stream, to, from, bytes};
    struct rn_error e = {0};
    return k->copy(self, &call, &e);
}

/* What async_fake is for: the host cannot follow its pointers, copies are checked, an
 * event orders two streams and the result is there after the event only. */
static void check_memory(const struct rn_backend *k, void *self) {
    enum { N = 1 << 14 };
    struct rn_error e = {0};
    void *device = memory_of(k, self, RN_SPACE_DEVICE, N), *streams[2], *event;
    void *pinned = memory_of(k, self, RN_SPACE_PINNED, N);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        _exit(*(volatile char *)device == 1);
    }
    int how = 0;
    waitpid(child, &how, 0);
    CHECK(WIFSIGNALED(how));
    CHECK(k->stream_create(self, &streams[0], &e) == RN_OK);
    CHECK(k->stream_create(self, &streams[1], &e) == RN_OK);
    CHECK(k->event_create(self, &event, &e) == RN_OK);
    CHECK(copied(k, self, streams[0], RN_COPY_TO_DEVICE, device, pinned, N + 1) ==
          RN_E_INTERNAL);
    CHECK(copied(k, self, streams[0], RN_COPY_TO_HOST, device, device, N) ==
          RN_E_INTERNAL);
    CHECK(copied(k, self, streams[0], RN_COPY_TO_DEVICE, pinned, pinned, N) ==
          RN_E_INTERNAL);
    int right = 0;
    for (int round = 0; round < 20; round++) {
        unsigned char *host = pinned;
        memset(host, round + 1, N);
        copied(k, self, streams[0], RN_COPY_TO_DEVICE, device, host, N);
        k->event_record(self, event, streams[0], &e);
        k->event_sync(self, event, &e);
        memset(host, 0, N); /* the copy has been made */
        struct rn_backend_fill half = {sizeof half, 0, streams[0], device, N / 2};
        k->fill_zero(self, &half, &e);
        k->event_record(self, event, streams[0], &e);
        k->event_wait(self, event, streams[1], &e);
        copied(k, self, streams[1], RN_COPY_TO_HOST, host, device, N);
        k->stream_sync(self, streams[1], &e);
        right += host[0] == 0 && host[N / 2 - 1] == 0 && host[N / 2] == round + 1 &&
                 host[N - 1] == round + 1;
    }
    CHECK(right == 20);
    k->event_destroy(self, event);
    k->stream_destroy(self, streams[0]);
    k->stream_destroy(self, streams[1]);
    k->release(self, RN_SPACE_DEVICE, device);
    k->release(self, RN_SPACE_PINNED, pinned);
}

int main(int argc, char **argv) {
    struct rn_host host = {&host_api};
    struct rn_error e = {0};
    void *so = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL, *self = NULL;
    rn_entry_fn entry;
    if (!so) {
        fprintf(stderr, "%s\n", argc > 1 ? dlerror() : "which plugin?");
        return 1;
    }
    void *symbol = dlsym(so, RN_ENTRY_SYMBOL);
    memcpy(&entry, &symbol, sizeof entry);
    const struct rn_backend *k = entry()->components[0]->iface;
    text = entry()->components[0]->text;
    CHECK(k->create(&host, &self, &e) == RN_OK);
    if (self) {
        check_memory(k, self);
        k->destroy(self);
    }
    return check_done();
}
