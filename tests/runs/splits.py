#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""data.split and `runner split` beside numpy: shares, whole groups, times, hashes, folds,
parts by name, the report's numbers; a stored split in resume and eval.

    splits.py RUNNER"""
import datetime
import json
import pathlib
import re
import struct
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import IN_MEMORY, ROOT, Checks, Scratch  # noqa: E402
from splits_measure import deviation  # noqa: E402

TEXT = """
name: splits
seed: 5
data:
  source: {type: csv, file: table.csv, target: label, target_type: int, features: [a, b],
           fields: [id, kind, patient, price, date, at, part]}
  split: {kind: random}
  batch: 20
model: {type: sequential, in: {x: data.x}, layers: [{type: dense, units: 3}]}
loss: {type: cross_entropy, in: {logits: model.out, label: data.label}}
metrics: accuracy
optimizer: {type: sgd, lr: 0.05}
train: {epochs: 1}
"""
N = 400
PARTS = ("train", "val", "test")
rng = np.random.default_rng(11)
c = Checks()


def table():
    """Columns of N rows. Times have ties; a patient has rows of several labels."""
    t = {"id": np.arange(N) + 1000,
         "a": rng.standard_normal(N).round(3), "b": rng.integers(0, 4, N),
         "label": rng.choice(3, N, p=[.6, .3, .1]),
         "kind": rng.choice(["oak", "ash", "elm"], N, p=[.5, .3, .2]),
         "patient": np.char.add("p", rng.choice(60, N).astype(str)),
         "price": np.exp(rng.standard_normal(N)).round(2), "at": rng.integers(0, 150, N),
         "part": rng.choice(["train", "val", "test", "none"], N, p=[.6, .2, .1, .1])}
    day = datetime.date(2023, 12, 1)
    t["date"] = np.array([str(day + datetime.timedelta(int(k))) for k in t["at"]])
    return t


def write(path, t, rows=None):
    rows = range(len(t["id"])) if rows is None else rows
    names = list(t)
    path.write_text(",".join(names) + "\n" + "".join(
        ",".join(str(t[k][i]) for k in names) + "\n" for i in rows))


def split(path, options, *args, what=None):
    """{part: rows}, and the report."""
    lists = path.parent / "lists.txt"
    text = ", ".join(f"{k}: {v}" for k, v in options.items())
    r = runner("split", path, f"data.split={{{text}}}", "--json", "--lists", lists, *args)
    what = what or text
    if not c.equal(f"{what}: exit", r.code, 0):
        return None, None
    words, out = lists.read_text().split(), {}
    at = 5
    for part in PARTS:
        c.equal(f"{what}: the list of", words[at], part)
        n = int(words[at + 1])
        out[part] = np.array(words[at + 2:at + 2 + n], int)
        at += 2 + n
    report = json.loads(r.out)
    c.equal(f"{what}: rows", [report["splits"].get(p, {}).get("rows", 0) for p in PARTS],
            [len(out[p]) for p in PARTS])
    return out, report


def covers(what, parts, n=N, left=0):
    every = np.concatenate([parts[p] for p in PARTS])
    c.equal(f"{what}: each row at most once", len(np.unique(every)), len(every))
    c.equal(f"{what}: left out", n - len(every), left)


def shares(what, parts, classes, n=N):
    """Each class has its share of each part, rounded down or up."""
    for k in np.unique(classes):
        rows = np.sum(classes == k)
        for p in PARTS:
            share = rows * len(parts[p]) / n
            got = np.sum(classes[parts[p]] == k)
            c.ok(f"{what}: class {k} in {p}", np.floor(share) <= got <= np.ceil(share),
                 f"  {got} of {share}")


def tenths(values, bins):
    """Intervals of equally many rows; equal values are in that of their middle."""
    rank = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    order = np.sort(values)
    first, last = np.searchsorted(order, values), np.searchsorted(order, values, "right")
    assert len(rank) == len(values)
    return ((first + last) / 2 * bins // len(values)).astype(int)


def classes(path, t):
    base = {"kind": "stratified", "val": 0.15, "test": 61}
    for by, of in (("label", t["label"]), ("kind", t["kind"]), ("price", tenths(t["price"], 10))):
        parts, r = split(path, {**base, "by": by})
        covers(by, parts)
        c.equal(f"{by}: sizes", [len(parts[p]) for p in PARTS], [279, 60, 61])
        shares(by, parts, of)
        got = {p: sorted(r["splits"][p]["classes"]) for p in PARTS}
        c.equal(f"{by}: the report counts classes", got, {
            p: sorted(np.sum(of[parts[p]] == k) for k in np.unique(of)) for p in PARTS})
        off = max(abs(np.mean(of[parts[p]] == k) - np.mean(of == k))
                  for p in PARTS for k in np.unique(of))
        c.close(f"{by}: imbalance", r["imbalance"]["share"], off, 1e-12)
    for by, bins in (("price", 4), ("at", 7)):
        parts, _ = split(path, {**base, "by": by, "bins": bins})
        shares(f"{by} in {bins}", parts, tenths(t[by], bins))


def sums(sizes):
    """All sums of sets of sizes."""
    reach = np.zeros(sum(sizes) + 1, bool)
    reach[0] = True
    for s in sizes:
        reach[s:] |= reach[:-s].copy()
    return np.flatnonzero(reach)


def whole(what, parts, group):
    """No group in two parts."""
    sets = [set(group[parts[p]]) for p in PARTS]
    c.ok(f"{what}: groups are whole", not (sets[0] & sets[1] or sets[0] & sets[2] or
                                           sets[1] & sets[2]))
    return sets


def groups(path, t):
    patient = t["patient"]
    for options in ({"kind": "group", "by": "patient"}, {"kind": "random", "group": "patient"},
                    {"kind": "group", "group": "patient", "seed": 3},
                    {"kind": "stratified", "by": "label", "group": "patient"}):
        parts, r = split(path, {**options, "val": 0.15, "test": 0.2})
        covers(str(options), parts)
        sets = whole(str(options), parts, patient)
        c.equal(f"{options}: groups", [r["groups"]] + [r["splits"][p]["groups"] for p in PARTS],
                [len(set(patient))] + [len(s) for s in sets])
        if options["kind"] != "stratified":
            sizes = np.unique(patient, return_counts=True)[1]
            best = np.abs(sums(sizes) - 80).min()
            c.equal(f"{options}: the nearest size of the test", abs(len(parts["test"]) - 80), best)
        else:
            for p, want in (("val", .15), ("test", .2)):
                c.close(f"stratified groups: {p}", len(parts[p]) / N, want, 0.01)
            c.ok("stratified groups: classes", r["imbalance"]["share"] < 0.02, r["imbalance"])
    parts, _ = split(path, {"kind": "group", "by": "[patient, kind]", "test": 0.3})
    whole("two fields", parts, np.char.add(patient, t["kind"]))
    c.ok("two fields: not one", {*patient[parts["test"]]} & {*patient[parts["train"]]})


def equal_rows(path, t):
    """Inputs that are equal are in one part, whatever their label and id are."""
    home = path.parent / "equal"
    home.mkdir()
    twice = {k: np.concatenate([v, v[:90], v[:40]]) for k, v in t.items()}
    twice["id"] = np.arange(len(twice["a"]))
    twice["label"] = rng.integers(0, 3, len(twice["a"]))
    write(home / "table.csv", twice)
    other = config(home, TEXT, "e.yaml")
    key = np.array(["|".join(str(twice[k][i]) for k in twice if k not in ("id", "label"))
                    for i in range(N + 130)])
    for options in ({"kind": "random"}, {"kind": "stratified", "by": "label"}):
        parts, r = split(other, {**options, "group": "rows", "ignore": "[id]", "test": 0.3,
                                 "val": 0.1})
        whole(f"equal rows, {options}", parts, key)
        c.equal("equal rows: groups", r["groups"], len(set(key)))
    parts, r = split(other, {"group": "rows", "test": 0.3})
    c.equal("rows with a number: all differ", r["groups"], N + 130)


def beside_sklearn(top):
    stored = json.loads((pathlib.Path(__file__).parent / "splits_golden.json").read_text())
    for i, case in enumerate(stored["cases"]):
        home = top / f"case{i}"
        home.mkdir()
        label, group = np.array(case["label"]), np.array(case["group"])
        np.save(home / "y.npy", label)
        np.save(home / "g.npy", group)
        np.save(home / "x.npy", np.zeros((len(label), 2), "f4"))
        text = TEXT.replace(TEXT[TEXT.index("  source"):TEXT.index("  split")],
                            "  source: {type: npy, files: {x: x.npy, label: y.npy, g: g.npy}}\n")
        path = config(home, text.replace("units: 3", "units: 8"), "e.yaml")
        fold = np.full(len(label), -1)
        for k in range(case["folds"]):
            parts, _ = split(path, {"kind": "stratified", "by": "label", "group": "g",
                                    "folds": case["folds"]}, "--fold", str(k + 1),
                             what=f"case {i} fold {k + 1}")
            whole(f"case {i} fold {k}", parts, group)
            c.ok(f"case {i}: a row in one fold", np.all(fold[parts["val"]] == -1))
            fold[parts["val"]] = k
        c.ok(f"case {i}: every row in a fold", np.all(fold >= 0))
        ours = deviation(label, fold)
        for measure in ("spread", "off"):
            best = min(s[measure] for s in case["sklearn"])
            c.ok(f"case {i}: {measure} no worse than scikit-learn's",
                 ours[measure] <= best + 1e-12, f"  {ours[measure]}, {best}")


def border(times, at, end):
    """The change of time in 1 .. end - 1 that is nearest, the earlier of two."""
    changes = [i for i in range(1, end) if times[i] != times[i - 1]]
    return min(changes, key=lambda i: (abs(i - at), i))


def by_time(times, val, test, gap=0, embargo=0):
    """Rows of each part, by another way: sorted rows, borders, then what is too near."""
    order = np.argsort(times, kind="stable")
    sorted_times, end, out = times[order], len(times), {}
    for part, n in (("test", test), ("val", val)):
        start = border(sorted_times, end - n, end)
        out[part] = set(order[start:end])
        first = sorted_times[start]
        keep = [i for i in range(start) if first - sorted_times[i] >= embargo]
        if gap:
            keep = [i for i in keep if sorted_times[i] < sorted_times[start - gap]]
        end = len(keep)
    out["train"] = set(order[:end])
    return out


def times(path, t):
    for options, days in (({}, (0, 0)), ({"gap": 5}, (5, 0)), ({"embargo": 4}, (0, 4)),
                          ({"gap": 12, "embargo": 2.5}, (12, 2.5))):
        want = by_time(t["at"], 60, 80, *days)
        for by in ("at", "date"):
            parts, r = split(path, {"kind": "time", "by": by, "val": 0.15, "test": 0.2, **options})
            got = {p: set(parts[p]) for p in PARTS}
            c.equal(f"time by {by}, {options}", got, want)
            c.equal(f"time by {by}, {options}: left out", r["left_out"],
                    N - sum(map(len, want.values())))
            edges = [(t["at"][parts[p]].min(), t["at"][parts[p]].max()) for p in PARTS]
            c.ok(f"time by {by}, {options}: in order",
                 edges[0][1] < edges[1][0] and edges[1][1] < edges[2][0] and
                 edges[1][0] - edges[0][1] >= days[1])
    # of folds, each is newer than all that it is trained on
    tested = []
    for k in range(4):
        parts, _ = split(path, {"kind": "time", "by": "date", "test": 0.2, "folds": 4,
                                "embargo": 3}, "--fold", str(k + 1))
        c.ok(f"time fold {k + 1}: trained on the past",
             t["at"][parts["train"]].max() + 3 <= t["at"][parts["val"]].min())
        c.equal(f"time fold {k + 1}: the test", set(parts["test"]), by_time(t["at"], 1, 80)["test"])
        tested += list(parts["val"])
    c.equal("time folds: a row at most once", len(set(tested)), len(tested))
    c.close("time folds: all but the oldest fifth", len(tested) / (N - 80), 0.8, 0.03)


def siphash(key, data):
    """SipHash-2-4 of Aumasson and Bernstein (2012), section 2."""
    mask = 2**64 - 1
    rotate = lambda x, b: (x << b | x >> (64 - b)) & mask
    v = [key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
         key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573]

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & mask
            v[1] = rotate(v[1], 13) ^ v[0]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[3]) & mask
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & mask
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & mask
            v[1] = rotate(v[1], 17) ^ v[2]
            v[2] = rotate(v[2], 32)

    data = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) % 256])
    for (m,) in struct.iter_unpack("<Q", data):
        v[3] ^= m
        rounds(2)
        v[0] ^= m
    v[2] ^= 255
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def hashes(path, t):
    c.equal("SipHash of the paper's appendix A", siphash(
        struct.unpack("<QQ", bytes(range(16))), bytes(range(15))), 0xa129ca6149be45e5)

    def u(value):
        text = isinstance(value, str)
        data = (struct.pack("<Q", len(value)) + value.encode() if text else
                struct.pack("<Q", 1) + b"i" + struct.pack("<q", value))
        return siphash((7, 0), data) / 2**64

    options = {"kind": "hash", "val": 0.2, "test": 0.1, "seed": 7}
    kept = {}
    for by in ("id", "patient"):
        parts, _ = split(path, {**options, "by": by})
        x = np.array([u(v) for v in t[by].tolist()])
        want = {"test": x < 0.1, "val": (x >= 0.1) & (x < 0.3), "train": x >= 0.3}
        kept[by] = {t[by][i]: p for p in PARTS for i in parts[p]}
        c.equal(f"hash of {by}", {p: set(parts[p]) for p in PARTS},
                {p: set(np.flatnonzero(want[p])) for p in PARTS})
    # rows are added before, between and after; the ids stay where they were
    home = path.parent / "more"
    home.mkdir()
    more = {k: np.concatenate([v, v]) for k, v in t.items()}
    more["id"] = np.concatenate([t["id"], t["id"] + 5000])
    order = rng.permutation(2 * N)
    write(home / "table.csv", more, order)
    ids = more["id"][order]
    parts, _ = split(config(home, TEXT, "e.yaml"), {**options, "by": "id"})
    now = {ids[i]: p for p in PARTS for i in parts[p]}
    c.equal("hash: rows that were there stay", {k: now[k] for k in kept["id"]}, kept["id"])
    c.close("hash: the share of the test", len(parts["test"]) / (2 * N), 0.1, 0.03)


def folds(path, t):
    want = {}
    for options, group in (({"kind": "random"}, None), ({"kind": "hash", "by": "id"}, None),
                           ({"kind": "stratified", "by": "label"}, None),
                           ({"kind": "position", "gap": 3}, None),
                           ({"kind": "group", "by": "patient"}, t["patient"]),
                           ({"kind": "stratified", "by": "label", "group": "patient"},
                            t["patient"])):
        tested = np.zeros(N, int)
        for k in range(1, 6):
            what = f"{options} fold {k}"
            parts, r = split(path, {**options, "test": 0.2, "folds": 5, "fold": k})
            c.equal(f"{what}: reported", (r["fold"], r["folds"]), (k, 5))
            if k == 1:
                want = set(parts["test"])
            c.equal(f"{what}: the same test", set(parts["test"]), want)
            tested[parts["val"]] += 1
            if options["kind"] == "stratified" and group is None:
                rest = np.setdiff1d(np.arange(N), parts["test"])
                for label in range(3):
                    rows = np.sum(t["label"][rest] == label) / 5
                    got = np.sum(t["label"][parts["val"]] == label)
                    c.ok(f"{what}: class {label}", np.floor(rows) <= got <= np.ceil(rows))
            if group is not None:
                whole(what, parts, group)
            if options["kind"] in ("random", "stratified") and group is None:
                c.close(f"{what}: size", len(parts["val"]), 64, 1)
            if options["kind"] == "position":
                first, last = parts["val"].min(), parts["val"].max()
                c.equal(f"{what}: the block", list(parts["val"]), list(range(first, last + 1)))
                near = [i for i in parts["train"] if first - 3 <= i <= last + 3]
                c.equal(f"{what}: the gap", near, [])
                c.ok(f"{what}: training", len(parts["train"]) >= N - 80 - 64 - 3 * 3)
        rest = np.ones(N, int)
        rest[sorted(want)] = 0
        if "gap" in options:
            rest[N - 80 - 3:N - 80] = 0  # before the test
        c.equal(f"{options}: each row is tested once", list(tested), list(rest))
    parts, _ = split(path, {"kind": "random", "folds": 3, "fold": 1})
    other, _ = split(path, {"kind": "random", "folds": 3}, "--fold", "1")
    c.equal("--fold is data.split.fold", list(other["val"]), list(parts["val"]))


def named(path, t):
    parts, r = split(path, {"kind": "file", "by": "part"})
    for p in PARTS:
        c.equal(f"by a column: {p}", list(parts[p]), list(np.flatnonzero(t["part"] == p)))
    c.equal("by a column: none", r["left_out"], np.sum(t["part"] == "none"))
    names = path.parent / "names.txt"
    names.write_text("\n".join(t["part"]) + "\n")
    other, _ = split(path, {"kind": "file", "path": json.dumps(str(names))})
    c.equal("by a file", {p: list(other[p]) for p in PARTS}, {p: list(parts[p]) for p in PARTS})
    (path.parent / "lists.txt").rename(path.parent / "kept.txt")
    other, _ = split(path, {"kind": "file", "path": json.dumps(str(path.parent / "kept.txt"))})
    c.equal("by lists that were written", {p: list(other[p]) for p in PARTS},
            {p: list(parts[p]) for p in PARTS})


# 95 % points of chi-squared (scipy.stats.chi2.ppf) by degrees of freedom.
CHI2 = {1: 3.841458820694124, 2: 5.991464547107979, 3: 7.814727903251179,
        4: 9.487729036781154, 5: 11.070497693516351, 6: 12.591587243743977,
        7: 14.067140449340169, 8: 15.507313055865453, 9: 16.918977604620448,
        10: 18.307038053275146, 11: 19.67513757268249, 12: 21.02606981748307,
        40: 55.75847927888702}


def psi(train, other, codes=False):
    """The index and its bins, as drift.h says."""
    values = np.unique(train)
    if codes or len(values) <= 10:
        keys = np.unique(np.concatenate([train, other]))
        rows = np.array([[np.sum(train == k), np.sum(other == k)] for k in keys], float)
        rare = rows.sum(1) / rows.sum() * min(len(train), len(other)) < 5
        rows = np.vstack([rows[~rare]] + ([rows[rare].sum(0)] if rare.any() else []))
    else:
        s, n = np.sort(train), len(train)
        edges = [s[int(np.ceil(k * n / 10)) - 1] for k in range(1, 10)]
        edges = np.unique([e for e in edges if e < s[-1]])
        rows = np.array([[np.sum(np.searchsorted(edges, x) == k) for x in (train, other)]
                         for k in range(len(edges) + 1)], float)
    p = (rows + .5) / (np.array([len(train), len(other)]) + .5 * len(rows))
    return float(np.sum((p[:, 0] - p[:, 1]) * np.log(p[:, 0] / p[:, 1]))), len(rows)


def drift(path, t):
    parts, r = split(path, {"kind": "time", "by": "at", "val": 0.15, "test": 0.2})
    for part in ("val", "test"):
        got = {f["field"]: f for f in r["splits"][part]["fields"]}
        c.ok(f"drift of {part}: not of the time itself", "at" not in got)
        for name in ("a", "b", "label", "kind", "patient", "price", "id"):
            a, b = t[name][parts["train"]], t[name][parts[part]]
            want, bins = psi(a, b, name in ("kind", "patient"))
            if bins == 1:  # too many categories of too few rows
                c.ok(f"{name} is not compared in {part}", name not in got)
                continue
            c.close(f"psi of {name} in {part}", got[name]["psi"], want, 1e-12)
            c.equal(f"bins of {name} in {part}", got[name]["bins"], bins)
            if bins - 1 in CHI2:
                c.close(f"noise of {name} in {part}", got[name]["noise"],
                        CHI2[bins - 1] * (1 / len(a) + 1 / len(b)), 1e-9)
        c.equal(f"the largest of {part}", r["splits"][part]["drift"]["psi"],
                max(f["psi"] for f in got.values()))
    _, r = split(path, {"kind": "time", "by": "date", "val": 0.15, "test": 0.2})
    for part in ("val", "test"):
        c.equal(f"what grows in time drifts: {part}",
                [f["field"] for f in r["splits"][part]["fields"] if f["above"]], ["at"])
        c.equal(f"and is the largest: {part}", r["splits"][part]["drift"]["field"], "at")
    # 200 fields without drift: about 10 exceed their own bound, none that of the largest
    home = path.parent / "noise"
    home.mkdir()
    np.save(home / "x.npy", rng.standard_normal((1500, 200)))
    np.save(home / "y.npy", rng.integers(0, 3, 1500))
    text = TEXT.replace(TEXT[TEXT.index("  source"):TEXT.index("  split")],
                        "  source: {type: npy, files: {x: x.npy, label: y.npy}}\n")
    _, r = split(config(home, text, "e.yaml"), {"test": 0.2, "seed": 1})
    fields = [f for f in r["splits"]["test"]["fields"] if f["field"].startswith("x[")]
    over = sum(f["psi"] > f["noise"] for f in fields)
    c.equal("noise: fields", len(fields), 200)
    c.ok("noise: 5 % exceed the bound", 2 <= over <= 22, f"  {over}")
    c.ok("noise: of the largest none", sum(f["above"] for f in fields) <= 1)


def words(path):
    """The table, as people read it."""
    r = runner("split", path, "data.split={kind: stratified, by: label, group: patient, "
                              "test: 0.2, folds: 4, fold: 2, seed: 9}")
    lines = r.out.splitlines()
    c.equal("split: exit", r.code, 0)
    c.ok("the first line", re.fullmatch(
        r"split [0-9a-f]{6}  stratified by label, groups by patient, fold 2 of 4, seed 9",
        lines[0]), r.out)
    c.equal("the columns", lines[1].split(),
            "rows share 0 1 2 groups drift (max PSI)".split())
    for line, part in zip(lines[2:5], PARTS):
        c.ok(f"the row of {part}", re.fullmatch(
            rf"  {part} +\d+ +\d+\.\d %( +\d+\.\d%){{3}} +\d+(  [\d.e-]+ \w+ \(noise <= "
            r"[\d.e-]+\))?", line), line)
    c.ok("imbalance", re.search(r"^  imbalance of label: at most \d\.\d\d % \(\d in \w+\)$",
                                r.out, re.M), r.out)
    r = runner("split", path, "data.split={kind: position, test: 0.2, gap: 7}")
    c.within("what is left out", r.out.splitlines()[0], "  by position, gap 7")
    c.ok("left out", re.search(r"^  left out +7$", r.out, re.M), r.out)


def stored(path):
    """A run keeps its split: eval and resume use it, and it cannot be changed."""
    options = ("data.split={kind: stratified, by: label, group: patient, val: 0.2, test: 0.2}")
    r, folder = train(path, options, "train.max_time=0.000001s")
    c.equal("a run of groups: interrupted", r.code, 75)
    shown = json.loads(runner("split", path, options, "--json").out)
    text = (folder / "split.txt").read_text()
    c.equal("the run's split is the one shown",
            [int(n) for n in re.findall(r"^\w+ (\d+)$", text, re.M)],
            [shown["splits"][p]["rows"] for p in PARTS])
    import h5py
    with h5py.File(folder / "run.h5") as h:
        notes = dict(h.attrs)
        c.ok("its hash is recorded", shown["hash"] in
             {v.decode() if isinstance(v, bytes) else str(v) for v in notes.values()} or
             any(shown["hash"] in str(dict(h[k].attrs)) for k in h))
    for change in ("data.split.group=kind", "data.split.kind=random", "data.split.by=kind"):
        c.equal(f"resume {change}: refused", runner("resume", folder, change).code, 8)
    c.equal("resume: exit", runner("resume", folder, "~train.max_time").code, 0)
    c.equal("resume: the same split", (folder / "split.txt").read_text(), text)
    c.equal("eval: exit", runner("eval", folder, "--split", "val").code, 0)


def refused(path):
    args = ("data.split.test=0.2", "data.source.fields=[price]")
    with Scratch(pathlib.Path.cwd()) as disk:
        made = disk / "made.h5"
        c.equal("prepare: exit", runner("prepare", path, "--out", made, *args).code, 0)
        r = runner("split", path, f"data.prepared={made}", *args)
    c.equal("split of prepared data: exit", r.code, 2)
    c.within("split of prepared data", r.err, "the split of data.prepared was made before")
    r = runner("split", path, "data.split.test=0.2", "--lists", path.parent / "no" / "lists.txt")
    c.equal("lists in no folder: exit", r.code != 0, True)
    c.within("lists in no folder", r.err, "No such file or directory")
    r = runner("split", path, "--fold", "0")
    c.equal("fold 0: exit", r.code, 2)


def page(top):
    """The blocks of docs/splits.md show what they describe, and the options in its text."""
    text = (ROOT / "docs/splits.md").read_text()
    home = top / "page"
    home.mkdir()
    rows = [f"{i % 7}.5,{50 + i % 13},p{i // 4},2024-{1 + i // 25:02d}-{1 + i % 25:02d},"
            f"{PARTS[i % 3]},{['no', 'yes'][i // 4 % 3 == 0]}" for i in range(120)]
    (home / "visits.csv").write_text("\n".join(["dose,weight,patient,day,part,ill"] + rows))
    rest = TEXT[TEXT.index("model:"):].replace("label: data.label", "label: data.ill")
    shown = {}
    for name, block in re.findall(r"^```yaml\n# (\w+)\.yaml\n(.*?)^```", text, re.S | re.M):
        path = config(home, f"name: {name}\n{block}  transforms: [{{type: label_map, of: ill}}]\n"
                            f"  batch: 8\n{rest}", f"{name}.yaml")
        r = runner("split", path, "--json")
        if c.equal(f"docs: {name}", r.code, 0):
            shown[name] = json.loads(r.out)
        r, _ = train(path)
        c.equal(f"docs: {name} trains", r.code, 0)
    c.equal("docs: blocks", sorted(shown), ["complete", "duplicates", "folds", "later", "patients",
                                            "stratified"])
    c.equal("docs: equal rows", shown["duplicates"]["groups"], 91)
    days = np.array([datetime.date.fromisoformat(row.split(",")[3]).toordinal() for row in rows])
    c.equal("docs: an embargo of days", shown["later"]["left_out"],
            120 - sum(map(len, by_time(days, 12, 24, embargo=7).values())))
    for options in re.findall(r"`(\{kind: .*?\})`", text):
        options = options.replace("by: id", "by: patient")
        if "path" not in options:
            r = runner("split", home / "stratified.yaml", f"data.split={options[:-1]}, seed: 1}}"
                       if "seed" not in options and "file" not in options
                       else f"data.split={options}")
            c.equal(f"docs: {options}", r.code, 0)


with Scratch(IN_MEMORY) as top:
    t = table()
    write(top / "table.csv", t)
    path = config(top, TEXT, "e.yaml")
    classes(path, t)
    groups(path, t)
    equal_rows(path, t)
    beside_sklearn(top)
    times(path, t)
    hashes(path, t)
    folds(path, t)
    named(path, t)
    drift(path, t)
    words(path)
    stored(path)
    refused(path)
    page(top)
c.done()
