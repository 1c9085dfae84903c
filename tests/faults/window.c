/* SPDX-License-Identifier: Apache-2.0 */
/* A hook that opens a window of steps for counter.c, and says how many pages the
 * process touched for the first time within it. */
#include <stdio.h>
#include <stdlib.h>

#include <sys/resource.h>

#include <runner/hook.h>

__attribute__((weak)) void counter_window(int open);

struct window {
    int64_t from, to, allocates;
    const char *file;
    long faults; /* minor, of the whole process */
};

static long faults(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_minflt;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct window *w = calloc(1, sizeof *w);
    *self = w;
    if (!w)
        return rn_fail(e, RN_E_MEMORY, "no memory for a window", NULL, NULL);
    w->file = rn_get_string(h, "file");
    w->from = rn_get_int(h, "from");
    w->to = rn_get_int(h, "to");
    w->allocates = rn_get_int(h, "allocates");
    return RN_OK;
}

static int32_t event(void *self, const struct rn_event *ev, struct rn_error *e) {
    struct window *w = self;
    if (ev->what != RN_EVENT_STEP_END)
        return RN_OK;
    if (ev->step == w->from) {
        if (counter_window)
            counter_window(1);
        w->faults = faults();
        void *volatile block = w->allocates ? malloc((size_t)w->allocates) : NULL;
        free(block);
    } else if (ev->step == w->to) {
        long more = faults() - w->faults;
        if (counter_window)
            counter_window(0);
        FILE *f = fopen(w->file, "w");
        if (!f)
            return rn_fail(e, RN_E_IO, "the window's file cannot be written", NULL,
                           NULL);
        fprintf(f, "%ld\n", more);
        fclose(f);
    }
    return RN_OK;
}

static const struct rn_hook iface = {.struct_size = sizeof(struct rn_hook),
                                     .create = create,
                                     .destroy = free,
                                     .event = event};

RN_HOOK(window, iface, "test.hooks/window 1",
        RN_DOC("Counts allocations and page faults between two steps")
            RN_OPTION("from int ; required ; min 1 | begins after this step")
                RN_OPTION("to int ; required ; min 1 | ends after this step")
                    RN_OPTION("allocates int = 0 ; min 0 | bytes, once after it began")
                    RN_OPTION("file string ; required | gets the number of page faults"));
RN_PLUGIN(&window);
