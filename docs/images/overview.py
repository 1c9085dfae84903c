#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw docs/images/overview.svg: the rooms of core/ and what passes between them."""
import pathlib

W, H = 980, 480
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


box(20, 30, 130, 62, "YAML file", ["what a person writes"], GREY)
box(210, 30, 130, 62, "core/config", ["tree with positions,", "schema, overrides"], BLUE)
box(410, 30, 130, 62, "core/plugin", ["find, check, open,", "options"], BLUE)
box(610, 30, 130, 62, "core/graph", ["operators, rules,", "gradients, verifier"], BLUE)
box(810, 30, 150, 62, "core/plan", ["order, regions,", "arena; const"], BLUE)
box(810, 190, 150, 62, "core/exec", ["variables, buffers,", "streams of one device"], BLUE)
box(410, 190, 330, 62, "core/train", ["the loop: programs and cadences, evaluation,",
                                      "schedules, hooks, stopping, checkpoints"], BLUE)
box(210, 190, 130, 62, "core/data", ["split, transform,", "augment, batches"], BLUE)
box(410, 330, 330, 62, "core/record", ["log, run.h5, checkpoints, lock, verify"], BLUE)
box(20, 330, 320, 62, "runs/&lt;name&gt;/&lt;time&gt;/",
    ["metrics.rlog, run.h5, checkpoints/, resolved.yaml"], GREY)
box(20, 190, 130, 62, "datasets/ ...", ["idx csv npy hdf5"], GREY)
box(810, 330, 150, 62, "backend plugin", ["reference cpu", "async_fake null"], GREEN)
box(210, 115, 530, 40, "plugins/  source transform augment model loss optimizer ...", [], GREEN)
box(20, 415, 300, 44, "core/commands", ["one file a verb; the only place that prints"], SAND)
box(340, 415, 300, 44, "plugin-api/runner", ["the ABI: all that plugins see"], SAND)
box(660, 415, 300, 44, "core/base", ["memory, errors, text, hashes: under all"], SAND)
arrow(150, 61, 210, 61)
arrow(340, 61, 410, 61, "checked")
arrow(540, 61, 610, 61, "describe")
arrow(740, 61, 810, 61, "graph")
arrow(885, 92, 885, 190, "plan", 20, 0)
arrow(475, 115, 475, 92)
arrow(275, 155, 275, 190)
arrow(150, 221, 210, 221)
arrow(340, 221, 410, 221, "batches")
arrow(740, 213, 810, 213, "run")
arrow(810, 235, 740, 235, "scalars", 0, 16)
arrow(885, 252, 885, 330, "compile, run", 42, 0)
arrow(575, 252, 575, 330, "rows, tensors, state", 62, 0)
arrow(410, 361, 340, 361, "fsync")
out.append("</svg>")
pathlib.Path(__file__).with_suffix(".svg").write_text("\n".join(out) + "\n")
