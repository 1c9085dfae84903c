/* SPDX-License-Identifier: Apache-2.0 */
/* The umbrella: every released header, never a draft extension. */
#ifndef RUNNER_RUNNER_H
#define RUNNER_RUNNER_H
#include <runner/augment.h>
#include <runner/backend.h>
#include <runner/build.h>
#include <runner/collate.h>
#include <runner/hook.h>
#include <runner/init.h>
#include <runner/inline.h>
#include <runner/loss.h>
#include <runner/metric.h>
#include <runner/model.h>
#include <runner/numerics.h>
#include <runner/operator.h>
#include <runner/optimizer.h>
#include <runner/phases.h>
#include <runner/regularizer.h>
#include <runner/run.h>
#include <runner/sampler.h>
#include <runner/scan.h>
#include <runner/schedule.h>
#include <runner/source.h>
#include <runner/transform.h>
#endif
