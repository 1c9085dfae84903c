# SPDX-License-Identifier: Apache-2.0
"""What a peer's process does: it says which variants it has, then measures or checks the
one that each line on stdin asks for, and answers with a line of JSON."""
import json
import os
import resource
import statistics
import sys
import time


def measure(variant, seconds, most=1 << 30):
    began, times, losses = time.perf_counter(), [], []
    # The first is not counted; of long steps two are enough in a round.
    while len(times) < 3 or time.perf_counter() - began < 1.2 * seconds:
        at = time.perf_counter()
        losses.append(variant.step())
        times.append((at - began, time.perf_counter() - at))
        if len(times) >= most:
            break
    # A fifth of the time is warming up, as `runner bench` does it, at least one step.
    kept = sorted(t for at, t in times[1:] if at > 0.2 * seconds) or [times[-1][1]]
    return {"ms": 1e3 * statistics.median(kept), "ms_10": 1e3 * kept[len(kept) // 10],
            "ms_90": 1e3 * kept[-1 - len(kept) // 10], "steps": len(times),
            "first_step": times[0][1], "first_loss": losses[0], "last_loss": losses[-1],
            "device_bytes": getattr(variant, "device_bytes", lambda: None)(),
            "rss": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def unfit(why):
    """This peer cannot take part."""
    print(json.dumps({"unfit": why}), flush=True)
    sys.exit(0)


def serve(hello, variants, check=None):
    """check(variant, steps): losses from the first weights on the check's batch."""
    # Compilers print; what is read here is only ours.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(x):
        print(json.dumps(x), file=out, flush=True)

    answer(dict(hello, variants=[v.name for v in variants]))
    for line in sys.stdin:
        ask = json.loads(line)
        variant = variants[ask["variant"]]
        if "curve" in ask:
            answer({"losses": variant.curve(ask["curve"], ask.get("weights"))})
        elif "check" in ask:
            answer({"losses": check(variant, ask["check"])})
        else:
            answer(measure(variant, ask["seconds"], ask.get("most", 1 << 30)))
