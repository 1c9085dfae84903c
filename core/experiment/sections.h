/* SPDX-License-Identifier: Apache-2.0 */
/* What an experiment may say outside its components, as text in the grammar of
 * component descriptions; each option is followed by a line "example: YAML". */
#ifndef EXPERIMENT_SECTIONS_H
#define EXPERIMENT_SECTIONS_H

/* The host's own sections: seed, device, data, train, checkpoint ..., and those of the
 * kinds of components. */
const char *sections_schema(void);
/* The keys that the host reads in components, beside their options. */
const char *sections_host_keys(void);

#endif
