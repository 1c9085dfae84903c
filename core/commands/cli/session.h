/* SPDX-License-Identifier: Apache-2.0 */
/* The components that a verb can use. */
#ifndef COMMANDS_CLI_SESSION_H
#define COMMANDS_CLI_SESSION_H

#include "plugin/plugin.h"

/* The session with all plugin folders. NULL after saying why on stderr. */
struct session *open_session(void);
/* Where this runner's own plugins are; static. */
const char *plugin_folder(void);

#endif
