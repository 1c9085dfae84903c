#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw docs/images/overview.svg: the rooms of core/ and what passes between them."""
import pathlib

W, H = 1130, 480
out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{W}" height="{H}" '
       f'viewBox="0 0 {W} {H}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif">',
       '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
       'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
       f'<rect width="{W}" height="{H}" fill="#fff"/>']
BLUE, GREEN, SAND, GREY = "#dce8f7", "#dff0dd", "#f7ecd6", "#eeeeee"


def box(x, y, w, h, title, text, fill):
    out.append(f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="7" fill="{fill}" '
               'stroke="#777"/>')
    out.append(f'<text x="{x + w / 2}" y="{y + 21}" text-anchor="middle" font-size="14" '
               f'font-weight="bold" fill="#222">{title}</text>')
    for i, line in enumerate(text):
        out.append(f'<text x="{x + w / 2}" y="{y + 40 + 15 * i}" text-anchor="middle" '
                   f'font-size="12" fill="#444">{line}</text>')


def arrow(x1, y1, x2, y2, label="", dx=0, dy=-6):
    out.append(f'<path d="M{x1} {y1}L{x2} {y2}" stroke="#555" stroke-width="1.5" '
               'fill="none" marker-end="url(#a)"/>')
    if label:
        out.append(f'<text x="{(x1 + x2) / 2 + dx}" y="{(y1 + y2) / 2 + dy}" '
                   f'text-anchor="middle" font-size="11" fill="#666">{label}</text>')


box(20, 30, 120, 62, "YAML file", ["one experiment"], GREY)
box(190, 30, 130, 62, "core/config", ["tree with positions,", "schema, overrides"], BLUE)
box(370, 30, 120, 62, "core/plugin", ["find, check, open,", "options"], BLUE)
box(540, 30, 160, 62, "core/experiment", ["components bound; with", "core/network: one graph"], BLUE)
box(770, 30, 130, 62, "core/graph", ["operators, rules,", "gradients, verifier"], BLUE)
box(970, 30, 140, 62, "core/plan", ["layouts, regions,", "order, arena; const"], BLUE)
box(970, 190, 140, 62, "core/exec", ["variables, buffers,", "streams of one device"], BLUE)
box(770, 190, 130, 62, "core/engine", ["planned programs,", "feed, variables"], BLUE)
box(390, 190, 310, 62, "core/setup, evaluate, train",
    ["the engine joined with data; losses and metrics;", "the loop: hooks, cadence, progress, resume"],
    BLUE)
box(190, 190, 130, 62, "core/data", ["split, transform,", "augment, batches"], BLUE)
box(190, 272, 130, 44, "core/check", ["faults in the data"], BLUE)
box(390, 330, 310, 62, "core/record", ["log, run.h5, checkpoints, lock, verify"], BLUE)
box(20, 330, 300, 62, "runs/&lt;name&gt;/&lt;time&gt;/",
    ["metrics.rlog, run.h5, checkpoints/, resolved.yaml"], GREY)
box(20, 190, 120, 62, "datasets/ ...", ["idx csv npy hdf5"], GREY)
box(970, 330, 140, 62, "backend plugin", ["reference cpu cuda", "async_fake null"], GREEN)
box(190, 115, 710, 40, "plugins/  source transform augment model loss optimizer ...", [], GREEN)
box(20, 415, 340, 44, "core/commands", ["one file a verb; the only place that prints"], SAND)
box(395, 415, 340, 44, "plugin-api/runner", ["the ABI: all that plugins see"], SAND)
box(770, 415, 340, 44, "core/base", ["memory, errors, text, hashes: used by all"], SAND)
arrow(255, 252, 255, 272)
arrow(140, 61, 190, 61)
arrow(320, 61, 370, 61)
arrow(490, 61, 540, 61)
arrow(700, 61, 770, 61, "describe")
arrow(900, 61, 970, 61, "graph")
arrow(1040, 92, 1040, 190, "plan", 20, 0)
arrow(430, 115, 430, 92)
arrow(255, 155, 255, 190)
arrow(140, 221, 190, 221)
arrow(320, 221, 390, 221, "batches")
arrow(700, 213, 770, 213, "feed")
arrow(770, 235, 700, 235, "scalars", 0, 16)
arrow(900, 213, 970, 213, "run")
arrow(970, 235, 900, 235, "scalars", 0, 16)
arrow(1040, 252, 1040, 330, "compile, run", 42, 0)
arrow(545, 252, 545, 330, "rows, tensors, state", 62, 0)
arrow(800, 252, 700, 345, "variables", 44, 0)
arrow(390, 361, 320, 361, "fsync")
out.append("</svg>")
pathlib.Path(__file__).with_suffix(".svg").write_text("\n".join(out) + "\n")
