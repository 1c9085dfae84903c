#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print the table of docs/performance.md from the results of bench/run.

    report.py RESULTS.json > table.md
"""
import json
import math
import sys

from picture import ORDER, WORDS


def interval(one, digits=2):
    """Median, and in brackets the minimum and maximum over the rounds."""
    return (f"{one['median']:.{digits}f} ({one['low']:.{digits}f} to "
            f"{one['high']:.{digits}f})")


def time(one):
    """Three digits are enough; 1.043 ms."""
    digits = 0 if one["median"] >= 100 else 1 if one["median"] >= 10 else 3
    return f"{one['median']:.{digits}f} ms"


def training(name, kept):
    runner = kept["runner"]
    share = kept["share"]["median"]
    share = "" if math.isnan(share) else f"{100 * share:.0f} %"
    if kept["share_goal"]:
        share += f" (goal {100 * kept['share_goal']:.0f})"
    ours = [f"**{name}**", time(runner["ms"]), share, f"{runner['rss'] / 2**20:.0f} MiB"]
    if not kept["peers"]:
        yield [*ours, *[""] * 6]
    for i, (peer, one) in enumerate(kept["peers"].items()):
        ours = ours if i == 0 else [""] * 4
        yield [*ours, WORDS[peer], time(one["ms"]), interval(one["ratio"]),
               f"{one['limit']:g}", f"{one['rss'] / 2**20:.0f} MiB",
               f"{one['variant']}, {one['environment']}"]


def lines(results):
    rows = {r: results["rows"][r] for r in ORDER if r in results["rows"]}
    yield ("| row | runner | share of the peak | memory | peer | its step | ratio | goal "
           "| its memory | fastest of its variants |")
    yield "|" + "---|" * 10
    for name, kept in rows.items():
        if "step_flops" in kept:
            for row in training(name, kept):
                yield "| " + " | ".join(row) + " |"
    yield ""
    yield "| row | compared with | ratio | goal |"
    yield "|---|---|---|---|"
    for name, kept in rows.items():
        if "step_flops" not in kept:
            for i, (peer, one) in enumerate(kept["peers"].items()):
                yield (f"| {f'**{name}**' if i == 0 else ''} | {WORDS.get(peer, peer)} | "
                       f"{interval(one['ratio'])} | {one['limit']:g} |")
    yield ""
    # Rows may be of different runs: each run is reported.
    runs = {json.dumps(k["measured"], sort_keys=True): [] for k in rows.values()}
    for name, kept in rows.items():
        runs[json.dumps(kept["measured"], sort_keys=True)].append(name)
    for text, names in runs.items():
        m = json.loads(text)
        limits = ", ".join(f"{k} {v / 1e9:.1f}" for k, v in m["limits"].items()
                           if k != "threads")
        yield (f"{', '.join(names)}: {m['date']}, {m['cpu']}, {m['threads']} threads of "
               f"{m['processors']} processors, load {m['load']} when it began, Linux "
               f"{m['kernel']}, runner {m['commit']}, "
               + ", ".join(f"{k} {v}" for k, v in m["versions"].items())
               + f"; {m['rounds']} rounds of {m['seconds']:g} s (three for long steps). At "
               f"most, in GFLOP/s of multiply-add and GB/s: {limits}.")
        yield ""


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1]) as f:
        print("\n".join(lines(json.load(f))))
