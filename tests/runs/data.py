#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Data files through whole runs: every format as numpy and h5py read it, splits and
fitted transforms that hold for resume, eval and predict, separate files for the splits."""
import csv
import gzip
import io
import os
import pathlib
import re
import struct

import h5py
import numpy as np
import yaml

from harness import ROOT, Checks, Scratch, latest, runner

check = Checks()


def experiment(folder, data, fields=("x",), **more):
    """Networks that show `fields` as they arrive: the layers `seen` are what is
    predicted. The first one also has a parameter, as something must be trained."""
    models = {f"m{i}": {"type": "sequential", "in": {"x": f"data.{f}"},
                        "layers": [{"type": "flatten", "name": "seen"}]}
              for i, f in enumerate(fields)}
    models["m0"]["layers"].append({"type": "dense", "units": 1})
    return {"name": "seen", "seed": 3, "output": str(folder / "runs"), "data": data,
            "model": models,
            "loss": {"type": "mse", "in": {"prediction": "model.m0.out", "target": 0.0}},
            "optimizer": {"type": "sgd", "lr": 0}, "train": {"steps": 1}, **more}


def train(folder, config, *args, code=0):
    (folder / "e.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    r = runner(folder / "e.yaml", *args, cwd=folder)
    check.equal(f"exit code {config['data']}", r.code, code) or print(r.err)
    return r


def predict(folder, *args, fields=1):
    """Ids, and what each field's network saw of every row."""
    r = runner("predict", latest(folder / "runs", "seen"), *args, cwd=folder)
    check.equal(f"predict {args}", r.code, 0) or print(r.err)
    rows = list(csv.reader(io.StringIO(r.out)))
    seen = []
    for k in range(fields):
        columns = [i for i, name in enumerate(rows[0])
                   if re.fullmatch(rf"model\.m{k}\.seen(\.\d+)?", name)]
        seen.append(np.array([[float(row[i]) for i in columns] for row in rows[1:]],
                             np.float32))
    return np.array([int(row[0]) for row in rows[1:]]), *seen


def same(what, folder, data, wanted, **more):
    """The networks see {field: rows}, row by row, as f32."""
    if train(folder, experiment(folder, data, list(wanted), **more)).code:
        return
    ids, *seen = predict(folder, fields=len(wanted))
    for (field, want), got in zip(wanted.items(), seen):
        want = np.asarray(want, np.float32).reshape(len(want), -1)
        check.ok(f"{what} {field}", np.array_equal(ids, np.arange(len(want))) and
                 np.array_equal(got, want), f"{got[:2]}\n{want[:2]}")


def as_float(*fields):
    return [{"type": "scale", "of": list(fields), "factor": 1}]


# ------------------------------------------------------------------------- formats

def idx(array, code):
    big = array.astype(array.dtype.newbyteorder(">"))
    return (bytes([0, 0, code, array.ndim]) +
            struct.pack(f">{array.ndim}I", *array.shape) + big.tobytes())


def test_idx(folder):
    rng = np.random.default_rng(1)
    kinds = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
    source = {"type": "idx", "images": "images", "labels": "labels"}
    data = {"source": source, "transforms": as_float("image", "label")}
    for i, (kind, code) in enumerate(kinds.items()):
        if kind[0] == "f":
            a = rng.standard_normal((12, 3, 4)).astype(kind)
        else:
            info = np.iinfo(kind)
            a = rng.integers(max(info.min, -2**23), min(info.max, 2**23), (12, 3, 4)).astype(kind)
        labels = rng.integers(0, 5, 12).astype("i4" if kind == "i4" else "u1")
        write = gzip.compress if i % 2 else bytes
        (folder / "images").write_bytes(write(idx(a, code)))
        (folder / "labels").write_bytes(write(idx(labels, 0x0C if kind == "i4" else 8)))
        same(f"idx {kind}", folder, data, {"image": a, "label": labels})
    # other images are predicted without their labels; those of another size are no input
    data = {"source": source, "transforms": as_float("image")}
    train(folder, experiment(folder, data, ["image"]))
    (folder / "more").write_bytes(idx(np.concatenate([a, a[:1]]), code))
    ids, got = predict(folder, "--data", "more")
    check.ok("13 images", len(ids) == 13 and np.array_equal(got[12], got[0]))
    (folder / "more").write_bytes(idx(a[:, :2], code))
    r = runner("predict", latest(folder / "runs", "seen"), "--data", "more", cwd=folder)
    check.equal("images of another size", r.code, 3)
    check.within("images of another size", r.err, "more")
    # more axes, and none: as they stand
    a = rng.standard_normal((6, 2, 3, 4)).astype("f4")
    (folder / "images").write_bytes(idx(a, 0x0D))
    same("idx of four axes", folder, {"source": {"type": "idx", "images": "images"}},
         {"image": a})


def test_csv(folder):
    rng = np.random.default_rng(2)
    x = rng.standard_normal((20, 3))
    words = np.array(["owl", "ant", 'a "b", c', "élan"])[rng.integers(0, 4, 20)]

    def write(name, separator, end, header=True, quote=False):
        out = io.StringIO()
        w = csv.writer(out, delimiter=separator, lineterminator=end,
                       quoting=csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL)
        if header:
            w.writerow(["u", "v w", "kind", "z"])
        for row, word in zip(x, words):
            w.writerow([repr(float(row[0])), f"{row[1]:.17g}", word, f"{row[2]:e}"])
        (folder / name).write_bytes(out.getvalue().encode())
        # what Python's own csv reads back is what is wanted
        back = list(csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter=separator))
        body = back[1:] if header else back
        return np.array([[float(r[0]), float(r[1]), float(r[3])] for r in body])

    for name, separator, end, header, quote in [
            ("a.csv", ",", "\n", True, False), ("b.csv", ";", "\r\n", True, True),
            ("c.tsv", "\t", "\n", True, False), ("d.csv", "|", "\r\n", False, False)]:
        want = write(name, separator, end, header, quote)
        source = {"type": "csv", "file": name, "target": "kind" if header else "c3",
                  "header": header, "separator": "tab" if separator == "\t" else separator}
        # text labels through a label map: sorted by bytes, as numpy.unique
        target = source["target"]
        classes, index = np.unique([w.encode() for w in words], return_inverse=True)
        data = {"source": source,
                "transforms": [{"type": "label_map", "of": target}, *as_float(target)]}
        same(f"csv {name}", folder, data, {"x": want, target: index})
    # columns by name, in the file's order; missing cells filled with the training mean
    holes = [["1", "2", "NA"], ["", "4", "6"], ["5", "?", "7.5"], ["3", "1", "null"]]
    (folder / "m.csv").write_text("a,b,c\n" + "\n".join(",".join(r) for r in holes) + "\n")
    want = np.array([[np.nan if v in ("NA", "", "?", "null") else float(v) for v in r]
                     for r in holes])
    want = np.where(np.isnan(want), np.nanmean(want, axis=0), want)
    data = {"source": {"type": "csv", "file": "m.csv"}, "transforms": [{"type": "impute"}]}
    same("csv missing cells", folder, data, {"x": want})
    data = {"source": {"type": "csv", "file": "m.csv", "features": ["c", "b"],
                       "missing": ["NA", "null", "?"], "target": "b"}}
    r = train(folder, experiment(folder, data), code=2)
    check.within("a column in two roles", r.err, "b")
    data = {"source": {"type": "csv", "file": "m.csv", "target": "a"}}
    r = train(folder, experiment(folder, data), code=3)
    check.within("a missing target", r.err, "m.csv:3:1: error: row 2, column 'a'")


def test_cells(folder):
    """Text of any length: reserved cell by cell, then ids of characters."""
    rng = np.random.default_rng(12)
    letters = list("aab, c") + ["\u00e9", "\u65e5", "\U0001f702"]
    texts = ["".join(rng.choice(letters, n)) for n in rng.integers(1, 40, 60)]
    texts[7] = texts[8] = ""  # missing: an empty cell
    with open(folder / "c.csv", "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(["review", "stars"])
        w.writerows([t.strip() if t.strip() == t else "x" + t + "x", i % 3]
                    for i, t in enumerate(texts))
    with open(folder / "c.csv", newline="") as f:
        texts = [r["review"] for r in csv.DictReader(f)]
    seen = sorted({c: 0 for t in texts for c in t})
    count = {c: sum(t.count(c) for t in texts) for c in seen}
    order = sorted(seen, key=lambda c: (-count[c], ord(c)))

    def ids(length, vocabulary):
        known = {c: i + 2 for i, c in enumerate(order[:vocabulary - 2])}
        rows = [[known.get(c, 1) for c in t][:length] for t in texts]
        return np.array([r + [0] * (length - len(r)) for r in rows])

    for length, vocabulary in [(12, 256), (64, 6)]:
        for how in ("texts", "fields"):
            for workers in (0, 3):
                data = {"source": {"type": "csv", "file": "c.csv", "target": "stars",
                                   how: ["review"]}, "workers": workers, "batch": 7,
                        "transforms": [{"type": "characters", "of": "review",
                                        "length": length, "vocabulary": vocabulary},
                                       *as_float("review", "stars")]}
                same(f"characters {how} {length}", folder, data,
                     {"review": ids(length, vocabulary), "stars": np.arange(60) % 3})
    # bytes, cut and filled
    data["source"] = {"type": "csv", "file": "c.csv", "target": "stars", "texts": ["review"]}
    data["transforms"] = [{"type": "pad_sequence", "of": "review", "length": 9, "value": 32,
                           "keep": "last", "lengths": True},
                          *as_float("review", "review_length")]
    raw = [t.encode()[-9:] for t in texts]
    same("pad_sequence", folder, data,
         {"review": np.array([list(t) + [32] * (9 - len(t)) for t in raw]),
          "review_length": np.array([len(t) for t in raw])})
    # the vocabulary is that of the training samples, and what was learnt stays
    data["transforms"] = [{"type": "characters", "of": "review", "length": 12},
                          *as_float("review")]
    train(folder, experiment(folder, data, ["review"]))
    (folder / "new.csv").write_text("stars,review\n1,ab\u00e9~\n2,\n")
    _, got = predict(folder, "--data", "new.csv")
    known = {c: i + 2 for i, c in enumerate(order)}
    want = np.zeros((2, 12))
    want[0, :4] = [known["a"], known["b"], known["\u00e9"], 1]
    check.ok("characters of another file", np.array_equal(got, want), f"{got}\n{want}")
    # the content hash sees a letter move from one cell to the next
    run = latest(folder / "runs", "seen")
    first = next(i for i in range(60) if len(texts[i]) > 2 and texts[i][-1] in "ab")
    moved = [*texts]
    moved[first], moved[first + 1] = texts[first][:-1], texts[first][-1] + texts[first + 1]
    check.equal("a letter moved", "".join(moved), "".join(texts))
    with open(folder / "c.csv", "w", newline="") as f:
        csv.writer(f).writerows([["review", "stars"],
                                 *([t, i % 3] for i, t in enumerate(moved))])
    r = runner("resume", run, "train.steps=2", cwd=folder)
    check.equal("resume on changed cells", r.code, 3)
    check.within("resume on changed cells", r.err, "the files have changed since")
    for transforms, split, where, says in [
            ([{"type": "standardise", "of": "review"}], None, "9:",
             "standardise takes fields of one size, but 'review' has cells of variable size"),
            ([{"type": "pad_sequence", "of": "stars", "length": 3}], None, "",
             "field 'stars' is of one size already"),
            ([{"type": "pad_sequence", "of": "review", "length": 3, "value": 300}], None, "",
             "300 is no u8, which 'review' holds"),
            ([{"type": "characters", "of": "stars", "length": 3}], None, "",
             "field 'stars' holds i64, not text"),
            ([], {"kind": "stratified", "by": "review", "val": 0.2}, "",
             "the cells of 'review' are of variable size")]:
        bad = {**data, "transforms": transforms, **({"split": split} if split else {})}
        r = train(folder, experiment(folder, bad, ["stars"]), code=2)
        check.within(f"cells: {says}", r.err, says)
        check.ok(f"cells: the place of {says}", re.search(r"e\.yaml:\d+:\d+: error", r.err),
                 r.err)


def test_npy(folder):
    rng = np.random.default_rng(3)
    files, wanted = {}, {}

    def add(name, a):
        files[name] = f"{name}.npy"
        wanted[name] = a

    for kind in ["f2", "f4", "f8", "i1", "i4", "i8", "u1", "u4"]:
        a = (rng.standard_normal((10, 2, 3)) * 50).astype("f8")
        a = (np.abs(a) if kind[0] == "u" else a).astype(kind)
        for order in "CF":
            np.save(folder / f"{kind}{order}.npy", np.array(a, order=order))
            add(f"{kind}{order}", a)
    a = rng.standard_normal((10, 5)).astype("f4")
    for version in (1, 2, 3):
        with open(folder / f"v{version}.npy", "wb") as f:
            np.lib.format.write_array(f, a, version=(version, 0))
        add(f"v{version}", a)
    same("npy", folder, {"source": {"type": "npy", "files": files},
                         "transforms": as_float(*files)}, wanted)
    data = {"source": {"type": "npy", "files": {"x": "x.npy"}}}
    for bad, says in [(np.array([{"a": 1}]), "'|O'"), (a.astype("c8"), "'<c8'"),
                      (np.zeros(3, [("a", "f4")]), "records")]:
        np.save(folder / "x.npy", bad, allow_pickle=True)
        r = train(folder, experiment(folder, data), code=3)
        check.within(f"npy {says}", r.err, says)


def test_text(folder):
    text = "Ünïts of “light”\n\tand 光, or 🜂; a\\b\r\n" * 9
    letters = sorted(set(text))
    number = {c: i for i, c in enumerate(letters)}
    given = "".join(reversed(letters)) + "XYZ"
    for name, data, alphabet, window, stride in [
            ("plain", text.encode(), None, 16, None), ("gzipped", gzip.compress(text.encode()),
                                                       None, 7, 3),
            ("given", text.encode(), given, 1, 5)]:
        (folder / "some.txt").write_bytes(data)
        source = {"type": "text", "file": "some.txt", "window": window}
        codes = np.array([number[c] for c in text])
        if stride:
            source["stride"] = stride
        if alphabet:
            source["alphabet"] = alphabet
            codes = np.array([alphabet.index(c) for c in text])
        starts = np.arange(0, len(text) - window, stride or window)
        rows = np.stack([codes[s:s + window] for s in starts])
        after = np.stack([codes[s + 1:s + 1 + window] for s in starts])
        same(f"text {name}", folder, {"source": source, "transforms": as_float("token", "next")},
             {"token": rows, "next": after})
    # parts by position: every window of the training part before those of the others
    source = {"type": "text", "file": "some.txt", "window": 16, "stride": 4}
    data = {"source": source, "transforms": as_float("token", "next"),
            "split": {"kind": "position", "val": 10, "test": 0.2, "gap": 4}}
    train(folder, experiment(folder, data, ["token"]))
    split, _ = stored_split(folder)
    n = (len(text) - 17) // 4 + 1
    test = round(n * 0.2)
    check.equal("text: the test part", list(split["test"]), list(range(n - test, n)))
    check.equal("text: val", list(split["val"]), list(range(n - test - 14, n - test - 4)))
    check.equal("text: training", list(split["train"]), list(range(n - test - 18)))
    # another text is read with the alphabet that was learnt, or refused
    data = {"source": {"type": "text", "file": "some.txt", "window": 16},
            "transforms": as_float("token", "next")}
    train(folder, experiment(folder, data, ["token"]))
    (folder / "other.txt").write_text("quite another text, of its own letters")
    r = runner("predict", latest(folder / "runs", "seen"), "--data", "other.txt", cwd=folder)
    check.equal("other letters", r.code, 3)
    check.within("other letters", r.err, "are not those of the training data")


def test_pad(folder):
    rng = np.random.default_rng(9)
    for kind, shape, padding, around, fill in [
            ("u1", (2, 3, 4), 2, (2, 2, 2, 2), 7), ("f4", (3, 4), [1, 0], (1, 0, 1, 0), -0.5),
            ("f8", (1, 2, 2), [0, 1, 2, 3], (0, 1, 2, 3), 0.25),
            ("i8", (2, 2), [3, 0, 0, 0], (3, 0, 0, 0), -2), ("i4", (5, 1), 0, (0, 0, 0, 0), 1),
            ("u4", (2, 1, 2), 1, (1, 1, 1, 1), 5), ("i1", (2, 2), 1, (1, 1, 1, 1), -9)]:
        a = (rng.standard_normal((6, *shape)) * 50).astype("f8")
        a = (np.abs(a) if kind[0] == "u" else a).astype(kind)
        y = np.arange(6)
        np.save(folder / "pad-x.npy", a)
        np.save(folder / "pad-y.npy", y)
        top, left, bottom, right = around
        want = np.pad(a, [(0, 0)] * (a.ndim - 2) + [(top, bottom), (left, right)],
                      constant_values=np.array(fill).astype(kind))
        data = {"source": {"type": "npy", "files": {"x": "pad-x.npy", "y": "pad-y.npy"}},
                "transforms": [{"type": "pad", "padding": padding, "fill": fill},
                               *as_float("x", "y")]}
        same(f"pad {kind} {padding}", folder, data, {"x": want, "y": y})


def test_hdf5(folder):
    rng = np.random.default_rng(4)
    with h5py.File(folder / "d.h5", "w") as f:
        sets = {}
        for kind in ["<f2", "<f4", "<f8", ">f4", "|i1", "<i2", ">i4", "<i8", "|u1", "<u4"]:
            sets[f"g/{kind[1:]}{'b' if kind[0] == '>' else ''}"] = \
                np.abs(rng.standard_normal((9, 2, 3)) * 40).astype(kind)
        for name, a in sets.items():
            f[name] = a
        f.create_dataset("deep/er/zip", data=sets["g/f4"], chunks=(4, 2, 3),
                         compression="gzip", shuffle=True, fletcher32=True)
        f["alias"] = h5py.SoftLink("/deep/er/zip")
        sets.update({"deep/er/zip": sets["g/f4"], "alias": sets["g/f4"]})
        ragged = np.empty(9, object)
        for i in range(9):
            ragged[i] = np.arange(i, dtype="f4")
        f.create_dataset("vlen", data=ragged, dtype=h5py.vlen_dtype("f4"))
        f.create_dataset("lzf", data=sets["g/f4"], compression="lzf", chunks=True)
        f["short"] = sets["g/f4"][:5]
        f["away"] = h5py.ExternalLink("other.h5", "/x")
        layout = h5py.VirtualLayout(shape=(9, 2, 3), dtype="<f4")
        layout[...] = h5py.VirtualSource("other.h5", "x", shape=(9, 2, 3))
        f.create_virtual_dataset("virtual", layout)
        f.create_dataset("outside", shape=(9,), dtype="u1",
                         external=[("/etc/hostname", 0, 9)])
    fields = {f"f{i}": name for i, name in enumerate(sets)}
    data = {"source": {"type": "hdf5", "file": "d.h5", "datasets": fields},
            "transforms": as_float(*fields)}
    same("hdf5", folder, data, {f: sets[name] for f, name in fields.items()})
    data = {"source": {"type": "hdf5", "file": "d.h5", "datasets": {}}}
    for name, says in [("vlen", "variable length"), ("lzf", "filter 'lzf'"),
                       ("away", "another file"), ("virtual", "virtual dataset"),
                       ("outside", "stored in another file"), ("none", "has no 'none'"),
                       ("g", "'g' is not a dataset")]:
        data["source"]["datasets"] = {"x": name}
        r = train(folder, experiment(folder, data), code=3)
        check.within(f"hdf5 {name}", r.err, says)
    data["source"]["datasets"] = {"x": "g/f4", "y": "short"}
    check.within("hdf5 rows", train(folder, experiment(folder, data), code=3).err,
                 "'short' has 5 rows, but 'g/f4' has 9")


def test_fashion(folder):
    """Fashion-MNIST's files as .gz where Debian puts them: every label, every mean."""
    where = pathlib.Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
    names = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
    if not (where / names[0]).exists():
        print(f"SKIP: no Fashion-MNIST in {where}: install dataset-fashion-mnist")
        return
    data = {"source": {"type": "idx", "images": str(where / names[0]),
                       "labels": str(where / names[1])},
            "transforms": as_float("image", "label")}
    config = experiment(folder, data, ["image", "label"])
    config["model"]["m0"]["layers"][0] = {"type": "global_avg_pool2d", "name": "seen"}
    train(folder, config)
    _, means, labels = predict(folder, fields=2)
    raw = [np.frombuffer(gzip.decompress((where / n).read_bytes()), "u1") for n in names]
    check.ok("labels", np.array_equal(labels[:, 0], raw[1][8:]))
    want = raw[0][16:].reshape(10000, -1).mean(1)
    check.ok("images", np.allclose(means[:, 0], want, rtol=1e-6, atol=1e-4))


# ------------------------------------------------------------- splits and fits

def stored_split(folder):
    """The split that the run keeps: {name: ids}, and its text."""
    text = (latest(folder / "runs", "seen") / "split.txt").read_text()
    lists, words = {}, text.split()
    at = words.index("train")
    while at < len(words):
        name, n = words[at], int(words[at + 1])
        lists[name] = np.array(words[at + 2:at + 2 + n], int)
        at += 2 + n
    return lists, text


def table(folder, rows=200, name="t.csv"):
    rng = np.random.default_rng(5)
    x = rng.standard_normal((rows, 3)) * [1, 10, 0.1] + [0, 50, 3]
    y = (rng.random(rows) < 0.2).astype(int) + 2 * (rng.random(rows) < 0.1)
    lines = ["p,q,r,y"] + [f"{a[0]!r},{a[1]!r},{a[2]!r},{k}"
                           for a, k in zip(x.tolist(), y)]
    (folder / name).write_text("\n".join(lines) + "\n")
    return x, y


def test_fitted(folder):
    x, y = table(folder)
    data = {"source": {"type": "csv", "file": "t.csv", "target": "y"},
            "split": {"kind": "stratified", "by": "y", "val": 0.2, "test": 60, "seed": 4},
            "transforms": [{"type": "standardise", "of": "x"}]}
    r = train(folder, experiment(folder, data))
    split, text = stored_split(folder)
    check.equal("sizes", [len(split[k]) for k in ("train", "val", "test")], [100, 40, 60])
    every = np.concatenate(list(split.values()))
    check.ok("complete and disjoint", np.array_equal(np.sort(every), np.arange(200)))
    for k in range(4):
        n = (y == k).sum()
        for name, share in (("val", 0.2), ("test", 0.3)):
            check.ok(f"class {k} of {name}",
                     abs((y[split[name]] == k).sum() - share * n) <= 1)
    rows = x[split["train"]].astype(np.float32).astype(float)
    ids, got = predict(folder)
    want = (x.astype(np.float32) - rows.mean(0)) / rows.std(0)
    check.ok("standardised by the training rows", np.allclose(got, want, rtol=0, atol=2e-5))
    every = (x - x.mean(0)) / x.std(0)
    check.ok("and not by all rows", not np.allclose(got, every, rtol=0, atol=1e-3))
    with h5py.File(latest(folder / "runs", "seen") / "run.h5") as f:
        note = dict(f.attrs)
    import hashlib
    check.equal("the split's hash is recorded", note["split_sha256"].decode(),
                hashlib.sha256(text.encode()).hexdigest())
    data["transforms"] = [{"type": "minmax", "of": "x", "low": -1, "high": 1}]
    train(folder, experiment(folder, data))
    check.equal("the same split again", stored_split(folder)[1], text)
    low, high = rows.min(0), rows.max(0)
    _, got = predict(folder)
    check.ok("minmax by the training rows",
             np.allclose(got, 2 * (x - low) / (high - low) - 1, rtol=0, atol=1e-5))

    # another file to predict: the fit is the saved one; targets may be missing
    (folder / "new.csv").write_text("r,q,p\n3,50,1\n4,51,0\n")
    _, turned = predict(folder, "--data", "new.csv")
    (folder / "new.csv").write_text("p,q,r\n1,50,3\n0,51,4\n")
    _, got = predict(folder, "--data", "new.csv")
    new = np.array([[1, 50, 3], [0, 51, 4]])
    check.ok("predict uses the saved fit",
             np.allclose(got, 2 * (new - low) / (high - low) - 1, rtol=0, atol=1e-5))
    check.ok("columns in another order", np.array_equal(turned, got))

    for target in (",y", ",1.5"), ("", ""), (",y", ",NA"):
        (folder / "new.csv").write_text(f"p,q,r{target[0]}\n1,50,3{target[1]}\n")
        _, other = predict(folder, "--data", "new.csv")
        check.ok(f"target {target}", np.array_equal(other[0], got[0]))

    # a stored split by its file, whatever the seed
    (folder / "kept.txt").write_text(text)
    data["split"] = {"kind": "file", "path": "kept.txt"}
    train(folder, experiment(folder, data, seed=99))
    check.equal("kind file", stored_split(folder)[1], text)

    # the file changes after training: eval and resume say so, verify does not mind
    run = latest(folder / "runs", "seen")
    first = runner("eval", run)
    check.equal("eval", first.code, 0)
    lines = (folder / "t.csv").read_text().splitlines()
    lines[7] = "0.5," + lines[7].split(",", 1)[1]
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    for verb in ("eval", "resume"):
        r = runner(verb, run)
        check.equal(f"{verb} on changed data", r.code, 3)
        check.within(f"{verb} on changed data", r.err, "the files have changed since")


def test_files(folder):
    """train:, val: and test: of their own, as for Fashion-MNIST."""
    xs = {}
    for i, name in enumerate(("train", "val", "test")):
        xs[name] = np.random.default_rng(i).standard_normal((30 - 10 * i, 4)).astype("f4")
        np.save(folder / f"{name}.npy", xs[name])
    files = {k: {"type": "npy", "files": {"x": f"{k}.npy"}} for k in xs}
    data = {**files, "transforms": [{"type": "standardise", "of": "x", "per": "all"}]}
    train(folder, experiment(folder, data))
    split, _ = stored_split(folder)
    check.equal("rows", [len(split[k]) for k in xs], [30, 20, 10])
    mean, deviation = xs["train"].astype(float).mean(), xs["train"].astype(float).std()
    ids, got = predict(folder)
    check.ok("predict reads the test's file", got.shape == (10, 4) and
             np.allclose(got, (xs["test"] - mean) / deviation, rtol=0, atol=1e-5))
    # `split` divides train where val has no file
    data = {"train": files["train"], "test": files["test"], "split": {"val": 6}}
    train(folder, experiment(folder, data))
    split, _ = stored_split(folder)
    check.equal("rows", [len(split[k]) for k in xs], [24, 6, 10])
    (folder / "a.csv").write_text("p,q\n1,2\n3,4\n")
    (folder / "b.csv").write_text("q,p\n7,5\n8,6\n")
    train(folder, experiment(folder, {k: {"type": "csv", "file": f} for k, f in
                                      (("train", "a.csv"), ("test", "b.csv"))}))
    check.ok("columns in another order", np.array_equal(predict(folder)[1], [[5, 7], [6, 8]]))
    # fields that differ
    np.save(folder / "test.npy", xs["test"][:, :3])
    r = train(folder, experiment(folder, data), code=3)
    check.within("unlike files", r.err, "do not have the same fields")


# ---------------------------------------------------------------- batches, workers

def test_workers(folder):
    """Weights to the bit for any number of workers, cache or none; the last batch is
    short and counts by its rows."""
    config = yaml.safe_load((ROOT / "configs/quickstart.yaml").read_text())
    for key in ("images", "labels"):
        config["data"]["source"][key] = str(ROOT / "configs" / config["data"]["source"][key])
    config.update(name="seen", output=str(folder / "runs"), train={"epochs": 1},
                  augment=[{"type": "flip"}, {"type": "crop", "padding": 1},
                           {"type": "rotate", "degrees": 8}])
    config.pop("hooks")
    sums = {}
    for workers in (0, 1, 3, 8, 200):
        for cache in (0, 64) if workers in (1, 3) else (64,):
            r = train(folder, config, f"data.workers={workers}", f"data.cache={cache}")
            v = runner("verify", latest(folder / "runs", "seen"))
            sums[workers, cache] = re.search(r"sha256=(\w+)", v.out).group(1)
    check.equal("one set of weights", len(set(sums.values())), 1)
    check.within("steps: the short batch is one", r.err, "step 40 ")


def test_short_batch(folder):
    """A model of one weight w, loss (w x - y)^2, plain SGD: each step's mean is over the
    rows that are there."""
    n, batch = 10, 4
    x = np.arange(1, n + 1, dtype=float)
    np.save(folder / "x.npy", x.reshape(-1, 1).astype("f4"))
    np.save(folder / "y.npy", (3 * x).reshape(-1, 1).astype("f4"))
    config = {"name": "seen", "output": str(folder / "runs"),
              "data": {"source": {"type": "npy", "files": {"x": "x.npy", "y": "y.npy"}},
                       "batch": batch, "eval_batch": 4, "split": {"val": 3, "seed": 1}},
              "model": {"type": "sequential", "in": {"x": "data.x"},
                        "layers": [{"type": "dense", "units": 1, "bias": False}]},
              "init": {"type": "zeros"},
              "loss": {"type": "mse", "in": {"prediction": "model.out", "target": "data.y"}},
              "metrics": {"mae": {"type": "mae", "in": {"prediction": "model.out",
                                                        "target": "data.y"}}},
              "optimizer": {"type": "sgd", "lr": 0.001}, "train": {"epochs": 3, "log_every": 1}}
    train(folder, config)
    split, _ = stored_split(folder)
    with h5py.File(latest(folder / "runs", "seen") / "run.h5") as f:
        loss = f["scalars/train/loss/value"][:]
        val = f["scalars/val/loss/value"][:], f["scalars/val/mae/value"][:]
    with h5py.File(latest(folder / "runs", "seen") / "checkpoints/step-00000006.h5") as f:
        w = float(f["variables/model.dense1.weight"][0, 0])
    check.equal("two steps an epoch of 7 rows", len(loss), 6)
    # Which rows each step had follows from its loss: (w-3)^2 * mean(x^2), with w known.
    train_rows, at, seen = x[split["train"]], 0.0, []
    for value in loss:
        square = value / (at - 3) ** 2
        seen.append(square)
        at -= 0.001 * 2 * (at - 3) * square
    check.close("the weight", w, at, 1e-5)
    for epoch in range(3):
        a, b = seen[2 * epoch:2 * epoch + 2]
        check.close(f"epoch {epoch}: 4 and 3 rows", 4 * a + 3 * b, (train_rows ** 2).sum(),
                    1e-2)
    v = x[split["val"]]
    check.close("val/loss", val[0][-1], ((w - 3) ** 2 * v ** 2).mean(), 1e-4)
    check.close("val/mae", val[1][-1], np.abs((w - 3) * v).mean(), 1e-5)


with Scratch() as folder:
    for test in (test_idx, test_csv, test_cells, test_npy, test_text, test_pad, test_hdf5, test_fashion, test_fitted,
                 test_files, test_workers, test_short_batch):
        test(folder)
check.done()
