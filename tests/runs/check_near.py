#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`runner check`: near-duplicates, as many as all pairs in NumPy have; and on
Fashion-MNIST, where clothes that are alike are none."""
import gzip
import json
import sys

import numpy as np
import yaml

from clothes import FASHION
from harness import ROOT, Checks, Scratch, runner
from waves import noisy, pictures

c = Checks()
CODES = "near-duplicate-split,near-duplicate,duplicate-split,duplicate"


# ------------------------------------------------------- the formula, all pairs

def average(n, parts):
    """[parts, n]: the mean over equal parts of n."""
    m = np.zeros((parts, n))
    step = n / parts
    for i in range(parts):
        for x in range(n):
            m[i, x] = max(0, min((i + 1) * step, x + 1) - max(i * step, x)) / step
    return m


def resized(x, most):
    """Grey: [N, H, W] to at most `most` a side."""
    h, w = (min(n, most) for n in x.shape[1:])
    return average(x.shape[1], h) @ x @ average(x.shape[2], w).T


def grey(x):
    """[N, C, H, W]."""
    if x.shape[1] == 1:
        return x[:, 0]
    return np.tensordot([.299, .587, .114], x[:, :3], ([0], [1]))


def standard(x):
    x = x.reshape(len(x), -1)
    x = x - x.mean(1, keepdims=True)
    n = np.sqrt((x ** 2).sum(1, keepdims=True))
    return x / np.where(n > 0, n, 1)


def expected(x, train):
    """Pairs of rows, nearest distances between train and the others, thresholds, flat."""
    x = x.astype(float)
    small, fine = resized(grey(x), 16), resized(grey(x), 64)
    flat = small.reshape(len(x), -1).var(1) < 4
    first = {}
    representative = np.array([first.setdefault(row.tobytes(), i) for i, row in enumerate(x)])
    use = np.flatnonzero(~flat & (representative == np.arange(len(x))))
    small, fine = standard(small)[use], standard(fine)[use]
    d = np.sqrt(np.maximum(0, 2 - 2 * (small @ small.T)))
    of_train = np.flatnonzero(use < train)
    samples = min(len(of_train), 1000)
    sample = [i * len(of_train) // samples for i in range(samples)]
    among = d[:len(of_train), :len(of_train)].copy()
    np.fill_diagonal(among, 9)
    nearest = among[sample].argmin(1)
    limit = .13 * np.median(among[sample, nearest])
    r = (fine[sample] * fine[nearest]).sum(1)
    limit_fine = .13 * np.median(np.sqrt(np.maximum(0, 2 - 2 * r)))
    means = x.mean((2, 3))[use]
    pairs = []
    for i, j in zip(*np.nonzero(np.triu(d < limit, 1))):
        r = fine[i] @ fine[j]
        if (small[i] @ small[j] >= .9 and r >= .98 and np.sqrt(max(0, 2 - 2 * r)) < limit_fine
                and np.abs(means[i] - means[j]).max() <= 8):
            pairs.append((int(use[i]), int(use[j])))
    cross = np.sort(d[:len(of_train), len(of_train):].ravel())[:10]
    return pairs, cross, limit, limit_fine, int(flat.sum()), representative


# -------------------------------------------------------------------- sets

def write(folder, x, y, **split):
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    experiment = {"name": "t", "data": {
        "source": {"type": "npy", "files": {"x": "x.npy", "label": "y.npy"}},
        "split": split or {"kind": "position", "val": len(x) // 5, "test": len(x) // 5},
        "transforms": [{"type": "scale", "of": "x", "factor": 1 / 255}]},
        "model": {"type": "sequential", "in": {"x": "data.x"},
                  "layers": [{"type": "flatten"}, {"type": "dense", "units": 2}]},
        "loss": "cross_entropy", "optimizer": "sgd", "train": {"epochs": 1}}
    (folder / "e.yaml").write_text(yaml.safe_dump(experiment, sort_keys=False))


def look(folder, *args, file="e.yaml"):
    r = runner("check", folder / file, "--json", *args, cwd=folder)
    c.ok("checked", r.code in (0, 9), r.out + r.err)
    return json.loads(r.out) if r.code in (0, 9) else {"findings": [], "near": []}


def found(report, code, split=None):
    return [f for f in report["findings"] if f["code"] == code and
            (split is None or f["split"] == split)]


def test_pairs(folder):
    """Counts, thresholds and the nearest distances beside NumPy."""
    rng = np.random.default_rng(5)
    for channels, h, w in ((1, 28, 28), (3, 40, 24), (1, 8, 8), (3, 90, 70)):
        n = 500
        name = f"{channels}x{h}x{w}"
        x = pictures(rng, n, channels, h, w)
        y = rng.integers(0, 2, n)
        write(folder, x, y)
        report = look(folder, "--only", CODES)
        pairs, cross, limit, limit_fine, flat, _ = expected(x, 300)
        c.equal(f"{name}: a clean set is silent", (report["findings"], pairs), ([], []))
        # near copies of training rows in val and test, and within train; equal ones; flat
        x[310:314] = noisy(rng, x[10:14])
        x[420:427] = noisy(rng, x[20:27])
        x[40:50] = noisy(rng, x[30:40])
        x[330] = x[60]
        x[450] = x[420]
        x[70:74] = 80
        x[340] = 80
        x[341] = np.clip(x[80] * 1.0 + 4, 0, 255).round()   # a little lighter
        x[342] = np.clip(x[81] * .9 + 40, 0, 255).round()   # much lighter: not the same
        write(folder, x, y)
        report = look(folder, "--only", CODES)
        pairs, cross, limit, limit_fine, flat, first = expected(x, 300)
        near = report["near"][0]
        c.equal(f"{name}: pairs", near["pairs"], len(pairs))
        c.ok(f"{name}: all planted", len(pairs) >= 22, str(pairs))
        c.close(f"{name}: threshold", near["threshold"], limit, 1e-6)
        c.close(f"{name}: threshold of fine images", near["threshold_fine"], limit_fine, 1e-6)
        c.equal(f"{name}: flat", near["flat"], flat)
        got = [p["distance"] for p in near["nearest"]]
        c.close(f"{name}: nearest", np.abs(got - cross).max(), 0, 1e-5)
        of_train = {b: a for a, b in pairs if a < 300}
        want = {s: [i + 1 for i in range(*r) if first[i] in of_train and first[i] >= 300]
                for s, r in (("val", (300, 400)), ("test", (400, 500)))}
        for s in want:
            hits = found(report, "near-duplicate-split", s)
            c.equal(f"{name}: rows of {s}", [f["rows"] for f in hits], [want[s]])
            c.equal(f"{name}: severity", [f["severity"] for f in hits], ["error"])
        hits = found(report, "near-duplicate")
        rows = sorted({i + 1 for p in pairs if p[1] < 300 for i in p})
        c.equal(f"{name}: rows of train", [f["rows"] for f in hits], [rows[:20]])
        # f32 between 0 and 1 says the same
        if channels == 1 and h == 28:
            write(folder, (x / 255).astype("f4"), y)
            other = look(folder, "--only", CODES)["near"][0]
            c.equal("f32: the same", (other["pairs"], other["flat"]), (len(pairs), flat))


def test_group(folder):
    """data.split.group: near-duplicate: the line that is offered is one that helps."""
    rng = np.random.default_rng(9)
    for kind in ("u1", "f4"):
        x = pictures(rng, 400, 1, 20, 20)
        x[200:260] = noisy(rng, x[100:160])
        x[300:330] = noisy(rng, x[100:130])
        x[330] = x[7]
        x = x if kind == "u1" else (x / 255).astype("f4")
        write(folder, x, rng.integers(0, 2, 400), kind="stratified", by="label", val=.2, test=.2,
              seed=3)
        hits = found(look(folder, "--only", CODES), "near-duplicate-split")
        c.equal("found in both", [h["split"] for h in hits], ["val", "test"])
        fix = hits[0]["fix"] if hits else ""
        c.equal("the fix", fix, "data.split.group=near-duplicate")
        report = look(folder, "--only", CODES, fix)
        c.equal("none crosses then", [f["code"] for f in report["findings"]],
                ["near-duplicate"])
        near = report["near"][0]
        c.equal("clusters, the largest", (near["clusters"], near["largest"]), (61, 3))
        r = runner("split", folder / "e.yaml", fix, "--json", cwd=folder)
        c.equal("groups", json.loads(r.out)["groups"], 400 - 60 - 30 - 1)
        c.ok("named", "near-duplicates together" in json.loads(r.out)["method"], r.out[:300])


def test_threads(folder):
    """The answer does not depend on threads or on the instruction set."""
    rng = np.random.default_rng(6)
    x = pictures(rng, 1500, 1, 12, 12)
    x[900:1000] = noisy(rng, x[:100])
    write(folder, x, rng.integers(0, 2, 1500), kind="random", val=.2, test=.2, seed=3)
    texts = [runner("check", folder / "e.yaml", "--json", "--only", CODES, cwd=folder,
                    env={"RUNNER_ISA": isa}).out for isa in ("base", "avx2", "avx512", "native")]
    c.ok("the same bytes", texts[0] and len(set(texts)) == 1)


def table_near(x, train):
    """Rows of others whose rounded values a row of train has, and which equal none."""
    unit = x.std(0, ddof=1) / 1000
    exact = {r.tobytes() for r in x[:train]}
    seen = {r.tobytes() for r in np.rint(x[:train] / unit).astype("i8")}
    return [i for i in range(train, len(x)) if x[i].tobytes() not in exact and
            np.rint(x[i] / unit).astype("i8").tobytes() in seen]


def test_tables(folder):
    rng = np.random.default_rng(12)

    def save(x):
        write(folder, x, rng.integers(0, 2, len(x)))
        return look(folder, "--only", CODES)

    for d in (1, 2, 6):
        x = rng.standard_normal((1000, d)) * 10.0 ** np.arange(d)
        c.equal(f"{d} columns: silent", found(save(x), "near-duplicate-split") +
                found(save(x), "near-duplicate"), [])
        line = np.outer(rng.standard_normal(1000), np.ones(d)) + rng.normal(0, .01, (1000, d))
        c.equal(f"{d} columns that are nearly one: silent",
                found(save(line), "near-duplicate-split"), [])
        whole = rng.integers(0, 12, (1000, d)).astype(float)
        c.equal(f"{d} whole numbers: silent", found(save(whole), "near-duplicate-split"), [])
    x = rng.standard_normal((1000, 6)) * 10.0 ** np.arange(6)
    x[620:640] = x[20:40] * (1 + 1e-6)
    x[810:815] = x[50:55] + 1e-5
    x[100:130] = x[200:230] * (1 - 1e-6)
    x[650] = x[60]
    report = save(x)
    hits = found(report, "near-duplicate-split")
    want = table_near(x, 600)
    c.equal("rows of val and test", [f["rows"] for f in hits],
            [[i + 1 for i in want if i < 800][:20], [i + 1 for i in want if i >= 800]])
    c.ok("nearly all planted", len(want) >= 22, str(want))
    c.equal("severity", [f["severity"] for f in hits], ["error", "error"])
    hits = found(report, "near-duplicate")
    c.ok("within train", hits and hits[0]["n"] >= 50, str(hits))
    false = 0
    for seed in range(30):
        x = np.random.default_rng(seed).standard_normal((400, 1 + seed % 4))
        false += bool(found(save(x), "near-duplicate-split"))
    c.ok("at most one false finding in 30 clean sets", false <= 1, str(false))


def shingles(s):
    """The sets of docs/check.md."""
    words = s.lower().split()
    plain = " ".join(words)
    units = words if len(words) >= 20 else list(plain)
    n = max(1, len(units) - 4)
    return {(len(words) >= 20, tuple(units[i:i + 5])) for i in range(n)} if units else set()


def test_texts(folder):
    rng = np.random.default_rng(11)
    vocabulary = ["".join(rng.choice(list("abcdefgh\u00e9"), rng.integers(2, 8)))
                  for _ in range(300)]
    texts = [" ".join(rng.choice(vocabulary, rng.integers(6, 120))) for _ in range(500)]

    def save():
        with open(folder / "t.csv", "w", encoding="utf-8") as f:
            f.write("text,label\n" + "".join(f"{t},{i % 2}\n" for i, t in enumerate(texts)))
        experiment = {"name": "t", "data": {
            "source": {"type": "csv", "file": "t.csv", "target": "label",
                       "target_type": "int", "fields": ["text"], "features": []},
            "split": {"kind": "position", "val": 100, "test": 100}},
            "model": {"type": "sequential", "in": {"x": "data.tokens"},
                      "layers": [{"type": "dense", "units": 2}]},
            "loss": "cross_entropy", "optimizer": "sgd", "train": {"epochs": 1}}
        (folder / "e.yaml").write_text(yaml.safe_dump(experiment, sort_keys=False))

    save()
    c.equal("texts: a clean set is silent", look(folder, "--only", CODES)["findings"], [])
    for k, (a, b) in enumerate([(3, 310), (4, 311), (5, 410), (6, 411), (7, 50), (8, 412),
                                (9, 330), (10, 331)]):
        words = texts[a].split()
        for _ in range(k // 3):  # the more words change, the less they are alike
            words[rng.integers(0, len(words))] = rng.choice(vocabulary)
        texts[b] = " ".join(words).upper() if k % 2 else "  ".join(words + ["end"])
    texts[333] = texts[12]
    save()
    report = look(folder, "--only", CODES)
    sets = [shingles(t) for t in texts]
    first = [texts.index(t) for t in texts]
    pairs = [(i, j) for i in range(500) for j in range(i + 1, 500)
             if first[i] == i and first[j] == j and
             len(sets[i] & sets[j]) >= .8 * len(sets[i] | sets[j])]
    c.equal("texts: pairs", report["near"][0]["pairs"], len(pairs))
    c.ok("texts: some and not all", 3 <= len(pairs) < 8, str(pairs))
    for s, low, high in (("val", 300, 400), ("test", 400, 500)):
        want = [j + 1 for i, j in pairs if i < 300 and low <= j < high]
        c.equal(f"texts: rows of {s}", [f["rows"] for f in
                                        found(report, "near-duplicate-split", s)],
                [want] if want else [])
    fix = "data.split={kind: random, val: 0.2, test: 0.2, group: near-duplicate}"
    r = runner("split", folder / "e.yaml", fix, "--json", cwd=folder)
    c.equal("groups of texts", json.loads(r.out)["groups"] if not r.code else r.err,
            500 - 1 - len(pairs))


def idx(name, skip):
    return np.frombuffer(gzip.decompress((FASHION / f"{name}-ubyte.gz").read_bytes()), "u1")[skip:]


def test_fashion(folder):
    """Seven pictures of its test are also in train, hardly changed; nothing else, however
    alike clothes are."""
    if not FASHION.exists():
        print("SKIP Fashion-MNIST: dataset-fashion-mnist is not installed")
        return
    report = look(ROOT / "configs", "--only", CODES, file="fashion-mnist-mlp.yaml")
    near = report["near"][0]
    c.equal("Fashion-MNIST: rows", sum(report["rows"].values()), 70000)
    c.equal("ten nearest pairs", len(near["nearest"]), 10)
    hits = found(report, "near-duplicate-split", "test")
    claimed = hits[0]["rows"] if hits else []
    fixes = [f["fix"] for s in ("val", "test") for f in found(report, "near-duplicate-split", s)]
    c.equal("a test with a source of its own is not divided", fixes,
            ["data.split.group=near-duplicate", None])
    c.equal("claimed", claimed, [2116, 2606, 4223, 4927, 4999, 6211, 9868])
    train, test = (idx(f"{s}-images-idx3", 16).reshape(-1, 28, 28) for s in ("train", "t10k"))
    labels, test_labels = (idx(f"{s}-labels-idx1", 8) for s in ("train", "t10k"))
    rng = np.random.default_rng(1)
    others = np.setdiff1d(rng.integers(0, 10000, 200), np.array(claimed) - 1)
    rows = np.concatenate([np.array(claimed) - 1, others])
    best, at = np.zeros(len(rows)), np.zeros(len(rows), int)
    fine = standard(test[rows].astype("f4"))
    for k in range(0, 60000, 10000):
        r = fine @ standard(train[k:k + 10000].astype("f4")).T
        at = np.where(r.max(1) > best, k + r.argmax(1), at)
        best = np.maximum(best, r.max(1))
    limit = 1 - near["threshold_fine"] ** 2 / 2
    n = len(claimed)
    c.ok("their nearest is near", (best[:n] > limit).all(), str(best[:n]))
    c.ok("of the same class", (test_labels[rows[:n]] == labels[at[:n]]).all())
    differ = np.abs(train[at].astype(int) - test[rows]).mean((1, 2))
    c.ok("the same picture", (differ[:n] < 6).all(), str(differ[:n]))
    c.ok("others have none", (best[n:] < limit).all(), str(best[n:].max()))


tests = {name[5:]: fn for name, fn in list(globals().items()) if name.startswith("test_")}
for name, fn in tests.items():
    if len(sys.argv) < 3 or name in sys.argv[2:]:
        with Scratch() as scratch:
            fn(scratch)
c.done()
