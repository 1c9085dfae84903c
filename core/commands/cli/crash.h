/* SPDX-License-Identifier: Apache-2.0 */
/* From crash_catch on, a crash says where it was and exits with 70 (1 in runner's own
 * code); so does a library that calls exit. crash_over: the verb has ended, with this
 * code. */
#ifndef COMMANDS_CLI_CRASH_H
#define COMMANDS_CLI_CRASH_H

void crash_catch(void);
int crash_over(int code);

#endif
