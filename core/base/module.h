/* SPDX-License-Identifier: Apache-2.0 */
/* Which loaded file an address belongs to: for messages that name a plugin. */
#ifndef BASE_MODULE_H
#define BASE_MODULE_H

/* The file that the code or data at `address` was loaded from, NULL: none; *base: its
 * first address. Valid while it is loaded. */
const char *module_at(const void *address, const void **base);

#endif
