/* SPDX-License-Identifier: Apache-2.0 */
/* The ports of an optimizer, as all of them describe them. */
#ifndef PLUGINS_OPTIMIZER_UPDATE_H
#define PLUGINS_OPTIMIZER_UPDATE_H

#include <runner/optimizer.h>

#define UPDATE_PORTS                                                                   \
    RN_IN("param float [...] | the parameter")                                         \
    RN_IN("grad float [...] | its gradient: averaged over the batch, clipped")         \
    RN_IN("step float [] | applied updates, this one included: from 1")                \
    RN_OUT("param float [...] | the new parameter")

#endif
