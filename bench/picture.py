#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws what bench/run kept: the ratio to each peer, row by row, beside its goal.

    picture.py RESULTS.json OUT.svg|OUT.png
"""
import json
import sys

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "runner"  # the same picture, the same bytes
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FixedLocator, NullLocator  # noqa: E402

COLOURS = {"eager": "#3b6ea5", "fused": "#3b6ea5", "foreach": "#8db3d9",
           "compile": "#d17c3f", "jax": "#5a9e6f"}
WORDS = {"eager": "PyTorch eager", "fused": "PyTorch fused AdamW", "foreach": "PyTorch foreach AdamW",
         "compile": "torch.compile", "jax": "JAX"}
ORDER = ["mlp", "tabular-b256", "tabular-b32", "lenet", "cnn", "resnet20", "resnet18",
         "resnet18-strict", "gpt", "mlp-bf16", "cnn-bf16", "resnet20-bf16",
         "resnet18-bf16", "gpt-bf16", "adamw-10m", "adamw-100m", "plugin", "start", "memory",
         "input", "csv", "check", "gpu-mlp", "gpu-resnet18", "gpu-resnet50", "gpu-gpt2-124m",
         "gpu-airbench", "gpu-adamw-124m"]


def bars(results):
    """Row, peer, ratio and goal from top to bottom, a gap between rows."""
    for row in sorted(results["rows"], key=lambda r: ORDER.index(r) if r in ORDER else 99):
        kept = results["rows"][row]
        for peer, one in kept["peers"].items():
            if peer.split("-")[0] not in ("machine", "memcpy", "100ms"):
                yield row, peer, one["ratio"], one["limit"]


def draw(results, out):
    rows, y, place, ticks = list(bars(results)), 0.0, [], []
    if not rows:
        sys.exit("picture: there are no ratios to draw")
    for i, (row, *_) in enumerate(rows):
        y += 1.0 if i and rows[i - 1][0] == row else 1.7
        place.append(y)
    figure, axes = plt.subplots(figsize=(8.0, 0.7 + 0.21 * y), layout="constrained")
    low = min([0.5, *(0.9 * r["low"] for _, _, r, _ in rows)])
    high = max([4.0, *(1.3 * r["high"] for _, _, r, _ in rows)])
    seen = set()
    for at, (row, peer, ratio, goal) in zip(place, rows):
        kind = "eager" if "dataloader" in peer else peer.split("-")[-1]
        colour = COLOURS.get(kind, "#888888")
        word = WORDS.get(kind, "C by hand")
        axes.barh(at, ratio["median"] - 1.0, left=1.0, height=0.8, color=colour,
                  label=None if word in seen else word)
        seen.add(word)
        axes.plot([ratio["low"], ratio["high"]], [at, at], color="black", linewidth=0.8)
        axes.plot([goal, goal], [at - 0.42, at + 0.42], color="#b00020", linewidth=1.6,
                  label=None if "goal" in seen else "goal")
        seen.add("goal")
        text = f"{ratio['median']:.2f}" if ratio["median"] < 10 else f"{ratio['median']:.0f}"
        axes.text(max(ratio["high"], goal, 1.0) * 1.06, at, text, va="center", fontsize=8)
    for at, (row, peer, *_) in zip(place, rows):
        ticks.append(f"{row}: {peer}")
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlim(low, high * 1.25)
    axes.xaxis.set_major_locator(FixedLocator([0.25, 0.5, 1, 2, 4, 8, 16, 32, 64]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels(["1/4", "1/2", "1", "2", "4", "8", "16", "32", "64"])
    axes.set_yticks(place, ticks, fontsize=8)
    axes.set_ylim(y + 1.0, 0.6)
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.38, 1.0), ncols=5, fontsize=8,
                frameon=False)
    head = max((r["measured"] for r in results["rows"].values()), key=lambda m: m["date"])
    peers = "".join(f", {k} {v}" for k, v in head["versions"].items()
                    if k in ("PyTorch", "JAX", "GPU"))
    axes.set_xlabel("the peer's time (or memory) over runner's; right of 1, runner is "
                    f"ahead\n{head['date']}, {head['cpu']}, {head['threads']} threads, "
                    f"runner {head['commit']}{peers}", fontsize=8)
    figure.savefig(out, dpi=150, metadata={"Date": None} if out.endswith("svg") else None)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1]) as f:
        draw(json.load(f), sys.argv[2])
