/* SPDX-License-Identifier: Apache-2.0 */
/* The extension "runner.inline/1": a component that describes one of its options. */
#ifndef NETWORK_INLINE_H
#define NETWORK_INLINE_H

#include "graph/graph.h"

/* For builder_options.extension. */
const void *inline_extension(const char *id);

#endif
