#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tables and categories through whole runs: what a network sees of each cell, and what is
refused before the first step. Numbers are numpy's."""
import csv
import gzip
import hashlib
import io
import struct

import numpy as np
import yaml

from harness import IN_MEMORY, Checks, Scratch, latest, runner

check = Checks()


def write(folder, name, text):
    data = text if isinstance(text, bytes) else text.encode()
    (folder / name).write_bytes(data)


def experiment(source, transforms=(), field="x", split=None, **more):
    """A network whose output is what it sees of `field`."""
    return {"name": "seen", "device": "reference", "seed": 1,
            "data": {"source": {"type": "csv", "file": "a.csv", **source},
                     "transforms": list(transforms), "split": split or {}},
            "model": {"seen": {"type": "sequential", "in": {"x": f"data.{field}"},
                               "layers": [{"type": "flatten"}]},
                      "m": {"type": "sequential", "in": {"x": "model.seen.out"},
                            "layers": [{"type": "dense", "units": 1}]}},
            "loss": {"type": "mse", "in": {"prediction": "model.m.out", "target": 0.0}},
            "optimizer": {"type": "sgd", "lr": 0}, "train": {"epochs": 1}, **more}


def run(folder, config, verb=()):
    (folder / "e.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return runner(*verb, "e.yaml", cwd=folder)


def rows_of(text):
    rows = list(csv.reader(io.StringIO(text)))
    columns = [i for i, name in enumerate(rows[0]) if name.startswith("model.seen")
               and not name.endswith("argmax")]
    return np.array([[float(r[i]) for i in columns] for r in rows[1:]])


def predicted(folder, *args):
    r = runner("predict", latest(folder / "runs", "seen"), *args, cwd=folder)
    return rows_of(r.out) if r.code == 0 else r


def sees(what, folder, config, want):
    r = run(folder, config)
    got = predicted(folder) if r.code == 0 else r
    ok = isinstance(got, np.ndarray) and got.shape == np.shape(want) and \
        np.allclose(got, want, rtol=1e-6, atol=1e-6, equal_nan=True)
    check.ok(what, ok, f"{got}\n{want}")
    return r


def refused(what, folder, config, code, *parts, verb=("plan",)):
    r = run(folder, config, verb)
    check.equal(f"{what}: exit code", r.code, code)
    for part in parts:
        check.within(what, r.err, part)


def target(**more):
    return {"target": "y", "target_type": "float", **more}


# ------------------------------------------------------------------ missing cells

def test_missing(folder):
    fill = [{"type": "impute", "of": "x", "with": "constant", "value": 50}]
    cells = ["-999", "0", "-999.0", "2", '"-999"', " -999 ", "-9.99e2"]
    write(folder, "a.csv", "a,y\n" + "".join(f"{c},5\n" for c in cells))
    for words, gone in (["-999"], {0, 2, 4, 5, 6}), (["0"], {1}), ([" -999"], {0, 2, 4, 5, 6}), \
            ([-999], {0, 2, 4, 5, 6}), ([-999, 0], {0, 1, 2, 4, 5, 6}), (["-999.00"], {0, 2, 4, 5, 6}), \
            (["x"], set()), ([], set()):
        value = [-999, 0, -999, 2, -999, -999, -999]
        want = [[50 if i in gone else v] for i, v in enumerate(value)]
        sees(f"missing {words}", folder, experiment(target(missing=words), fill), want)
        # the same of a column that is a field
        source = {"target": "y", "features": ["b"], "fields": ["a"], "missing": words}
        write(folder, "a.csv", "a,b,y\n" + "".join(f"{c},1,5\n" for c in cells))
        sees(f"missing {words} of a field", folder,
             experiment(source, [{**fill[0], "of": "a"}], "a"), want)
        write(folder, "a.csv", "a,y\n" + "".join(f"{c},5\n" for c in cells))
    # the mean is of the training rows; as the usual words
    write(folder, "a.csv", "a,b,y\n1,1,0\nNA,2,0\n3,3,0\n4,nan,0\n")
    sees("the mean", folder, experiment(target(), [{"type": "impute", "of": "x"}],
                                        split={"kind": "position", "val": 1}),
         [[1, 1], [2, 2], [3, 3], [4, 2]])
    # in the target they are errors, a sentinel too
    write(folder, "a.csv", "a,y\n1,-1\n2,3\n")
    refused("a target", folder, experiment(target(missing=["-1"])), 3,
            "a.csv:2:3:", "row 1, column 'y': the target is missing")
    # nothing is missing: NA is a class, an empty cell is no number
    write(folder, "a.csv", "a,y\n1,NA\n2,b\n3,NA\n")
    labels = [{"type": "label_map", "of": "y"}, {"type": "one_hot", "of": "y"}]
    sees("missing: []", folder, experiment({"target": "y", "missing": []}, labels, "y"),
         [[1, 0], [0, 1], [1, 0]])
    write(folder, "a.csv", "a,y\n1,0\n,1\n")
    refused("missing: [] and an empty cell", folder, experiment(target(missing=[])), 3,
            "a.csv:3:1:", "'' is not a number")
    # nobody fills it
    refused("not filled", folder, experiment(target()), 3, "row 2, field 'x', element 1 is missing",
            "add {type: impute, of: x}")
    write(folder, "a.csv", "c,a,y\n,1,0\nNA,2,1\nz,3,1\n")
    refused("two kinds of empty", folder,
            experiment({"target": "y", "fields": ["c"], "missing": ["NA"]}), 3,
            "row 1, column 'c': is empty, which `missing` does not list")


def test_categories(folder):
    hot = [{"type": "one_hot", "of": "c"}]
    mapped = [{"type": "label_map", "of": "c"}, *hot]
    source = {"target": "y", "fields": ["c"]}
    for what, cells, steps, want in (
            ("integers", ["2", "", "0"], hot, [[0, 0, 1], [0, 0, 0], [1, 0, 0]]),
            ("as pandas writes them", ["2.0", "", "0.0"], hot, [[0, 0, 1], [0, 0, 0], [1, 0, 0]]),
            ("mapped", ["20", "NA", "-7"], mapped, [[0, 1], [0, 0], [1, 0]]),
            ("mapped, as pandas writes them", ["20.0", "", "-7.0"], mapped, [[0, 1], [0, 0], [1, 0]]),
            ("words", ["b", "", "a"], mapped, [[0, 1], [0, 0], [1, 0]]),
            ("filled", ["2", "", "0"], [{"type": "impute", "of": "c", "with": "constant", "value": 1},
                                        *hot], [[0, 0, 1], [0, 1, 0], [1, 0, 0]]),
            ("mean", ["2", "", "0"], [{"type": "impute", "of": "c"}], [[2], [1], [0]])):
        write(folder, "a.csv", "c,a,y\n" + "".join(f"{c},1,0\n" for c in cells))
        sees(f"missing categories, {what}", folder, experiment(source, steps, "c"), want)
    write(folder, "a.csv", "c,a,y\n2,1,0\n,1,0\n")
    refused("a missing integer that nobody takes", folder, experiment(source, [], "c"), 3,
            "row 2, field 'c', element 1 is missing")
    write(folder, "a.csv", "c,a,y\n2,1,0\n1.5,1,0\n")
    refused("not whole", folder, experiment(source, hot, "c"), 3,
            "a.csv: row 2: field 'c': 1.5 is not a whole number")

    # of every split, before step one
    for split in "val", "test":
        sizes = {"kind": "position", "val": 1 + (split == "val"), "test": 1}
        late = 3 if split == "val" else 4
        for steps, bad, says in ((hot, "7", "7 is not in 0..1"),
                                 (mapped, "7", "'7' is none of the 2 classes"),
                                 (mapped, "z", "'z' is none of the 2 classes")):
            ok = ["u", "v"] if bad == "z" else ["0", "1"]
            cells = [ok[0], ok[1], ok[0], ok[1], ok[0]]
            cells[late] = bad
            write(folder, "a.csv", "c,a,y\n" + "".join(f"{c},1,0\n" for c in cells))
            config = experiment(source, steps, "c", sizes)
            for verb in ("plan",), ():
                refused(f"{bad} in {split} {verb}", folder, config, 3, f"{split} split: ",
                        f"a.csv: row {late + 1}: field 'c': {says}", verb=verb)
    # layers that choose by it
    write(folder, "a.csv", "c,a,y\n0,1,0\n1,1,0\n2,1,0\n5,1,0\n")
    for layer in {"type": "one_hot", "classes": 3}, {"type": "embedding", "size": 3, "units": 2}:
        config = experiment(source, [], "c", {"kind": "position", "val": 1, "test": 1})
        config["model"]["seen"]["layers"].insert(0, layer)
        refused(f"layer {layer['type']}", folder, config, 3, "a.csv: row 4 has the c 5", "0 to 2")
    # and losses, by whatever operator
    write(folder, "a.csv", "a,y\n0,0\n1,1\n2,2\n3,0\n4,1\n5,7\n")
    for loss in {"type": "cross_entropy"}, {"type": "cross_entropy", "smoothing": 0.1}, {"type": "focal"}:
        config = {"name": "seen", "device": "reference", "seed": 1,
                  "data": {"source": {"type": "csv", "file": "a.csv", "target": "y"},
                           "split": {"kind": "position", "val": 1, "test": 1}},
                  "model": {"type": "mlp", "in": {"x": "data.x"}, "hidden": [], "outputs": 3},
                  "loss": loss, "optimizer": {"type": "sgd", "lr": 0.1}, "train": {"epochs": 1}}
        refused(f"label by {loss}", folder, config, 3, "a.csv: row 6 has the y 7", "0 to 2")
    write(folder, "a.csv", "a,y\n0,0\n1,1\n2,0\n3,0\n4,1\n5,2\n")
    r = run(folder, config, ("plan",))
    check.equal("a class without training rows", r.code, 0)
    check.within("a class without training rows", r.err,
                 "data.y: class '2' has 0 rows in val, 1 in test and none in train")


# ------------------------------------------------------------------------ numbers

def test_precision(folder):
    stamp = 1700000000 + np.arange(20)
    for what, values in (("time stamps", stamp), ("dates", 20240101 + np.arange(20)),
                         ("nanoseconds", 1700000000000000000 + 10 ** 9 * np.arange(20)),
                         ("decimals", 1e6 + np.arange(20) * 1e-4),
                         ("one ulp apart", 2 ** 60 + 256 * np.arange(20)),
                         ("an ulp or two", 2 ** 60 + 256 * (np.arange(20) ** 2 % 7))):
        x = np.asarray(values - values[0], np.float64)  # exact, unlike the mean of values
        text = "t,y\n" + "".join(f"{v!r},{v!r}\n" for v in values.tolist())
        write(folder, "a.csv", text)
        split = {"kind": "position", "val": 4, "test": 4}
        fit = x[:12]
        for field in "x", "y":
            sees(f"{what}: {field} standardised", folder,
                 experiment(target(), [{"type": "standardise", "of": field}], field, split),
                 ((x - fit.mean()) / fit.std())[:, None])
            sees(f"{what}: {field} to 0..1", folder,
                 experiment(target(), [{"type": "minmax", "of": field}], field, split),
                 ((x - fit.min()) / (fit.max() - fit.min()))[:, None])
        chain = [{"type": "impute", "of": "x"}, {"type": "scale", "of": "x", "factor": 1},
                 {"type": "reshape", "of": "x", "shape": [1, 1]}, {"type": "standardise", "of": "x"}]
        sees(f"{what}: after other transforms", folder, experiment(target(), chain, "x", split),
             ((x - fit.mean()) / fit.std())[:, None])
        sees(f"{what}: whole numbers of a field", folder,
             experiment({"fields": ["t"], "features": ["y"]}, [{"type": "standardise", "of": "t"}], "t", split),
             ((x - fit.mean()) / fit.std())[:, None])
    # predict takes the same way; unscaled, whole numbers are warned of
    sizes = {"kind": "position", "val": 4}
    write(folder, "a.csv", "t,y\n" + "".join(f"{v},0\n" for v in stamp))
    run(folder, experiment(target(), [{"type": "standardise", "of": "x"}], "x", sizes))
    write(folder, "new.csv", f"t\n{stamp[3]}\n{stamp[4]}\n")
    got = predicted(folder, "--data", "new.csv")
    check.close("predict: one second", got[1, 0] - got[0, 0], 1 / stamp[:16].std(), 1e-6)
    r = run(folder, experiment(target(), [], "x", sizes), ("plan",))
    check.within("unscaled", r.err, "a.csv: row 2, field 'x': 1700000001 becomes 1700000000,")
    check.equal("unscaled", r.err.count("becomes"), 1)
    write(folder, "a.csv", "t,y\n1,0\n1e39,0\n2,0\n")
    refused("above f32", folder, experiment(target()), 3,
            "a.csv: row 2, field 'x', element 1: 1e+39 does not fit into f32")
    write(folder, "a.csv", "t,y\n-1e308,0\n1e308,0\n2,0\n")
    for kind in "standardise", "minmax":
        refused(f"{kind}: a range above f64", folder,
                experiment(target(), [{"type": kind, "of": "x"}]), 3,
                "field 'x': element 1 goes from -1e+308 to 1e+308, which is too far for f64")
    np.save(folder / "x.npy", np.array([[2.0 ** 30], [2.0 ** 30 + 1], [2.0 ** 30 + 2]]))
    config = experiment({}, [{"type": "standardise", "of": "x"}])
    config["data"]["source"] = {"type": "npy", "files": {"x": "x.npy"}}
    sees("f8 of npy", folder, config, np.array([[-1.5 ** 0.5], [0], [1.5 ** 0.5]]))
    np.save(folder / "x.npy", 2 ** 40 + np.array([[0], [1], [2]]))
    sees("i8 of npy", folder, config, np.array([[-1.5 ** 0.5], [0], [1.5 ** 0.5]]))


# -------------------------------------------------------------------------- forms

def test_forms(folder):
    rows = [[1, 2], [3, 4], [5, 6]]
    plain = "a,b,y\n1,2,0\n3,4,1\n5,6,0\n"
    for what, text in (("gzip", gzip.compress(plain.encode())), ("CRLF", plain.replace("\n", "\r\n")),
                       ("CR", plain.replace("\n", "\r")), ("a byte order mark", "\ufeff" + plain),
                       ("an index without a name", ",a,b,y\n0,1,2,0\n1,3,4,1\n2,5,6,0\n"),
                       ("an index in quotes", '"",a,b,y\n"0",1,2,0\n"1",3,4,1\n"2",5,6,0\n'),
                       ("a separator behind each row", plain.replace("\n", ",\n")),
                       ("a separator behind rows", "a,b,y\n1,2,0,\n3,4,1,\n5,6,0,\n"),
                       ("a separator behind the header", "a,b,y,\n1,2,0\n3,4,1\n5,6,0\n"),
                       ("gzip of CR", gzip.compress(plain.replace("\n", "\r").encode()))):
        write(folder, "a.csv", text)
        sees(what, folder, experiment(target()), rows)
        sees(f"{what}, features named", folder, experiment(target(features=["a", "b"])), rows)
    write(folder, "a.csv", ",a,b,y\n7,1,2,0\n8,3,4,1\n9,5,6,0\n")
    sees("the index by its place", folder, experiment(target(features=["c1"])), [[7], [8], [9]])
    write(folder, "a.csv", "1,2,\n3,4,\n")
    sees("a separator behind rows without a header", folder,
         experiment({"header": False, "target": "c2", "target_type": "float"}), [[1], [3]])
    write(folder, "a.csv", "n,a,n,b,y\n1,1,1,2,0\n2,3,2,4,1\n3,5,3,6,0\n")
    sees("two names that are not read", folder, experiment(target(features=["a", "b"])), rows)
    refused("two names that are read", folder, experiment(target()), 3,
            "a.csv:1:5: error: columns 1 and 3 are both called 'n'")
    refused("one of them", folder, experiment(target(features=["n"])), 3, "both called 'n'")
    for what, text, says in (
            ("UTF-16 without a mark", plain.encode("utf-16-le"), "is UTF-16 text"),
            ("UTF-32", plain.encode("utf-32"), "is UTF-32 text"),
            ("a zip archive", b"PK\3\4" + bytes(30), "is a zip archive"),
            ("a zero byte", plain.replace("4", "\0").encode(), "holds a zero byte"),
            ("a zero byte in quotes", plain.replace("4", '"\0"').encode(), "holds a zero byte"),
            ("ragged", plain.replace("3,4,1", "3,4,1,7"), "this row has 4 cells; the first has 3"),
            ("cut", gzip.compress(plain.encode() * 99)[:-9], "cut short")):
        write(folder, "a.csv", text)
        refused(what, folder, experiment(target()), 3, "a.csv", says)

    # text: a mark is not a character
    config = experiment({}, [{"type": "scale", "of": "token", "factor": 1}], "token")
    config["data"]["source"] = {"type": "text", "file": "a.txt", "window": 2}
    for bom in "", "\ufeff":
        write(folder, "a.txt", bom + "abcabc\n")
        sees(f"text {bom!r}", folder, config, [[1, 2], [3, 1], [2, 3]])
    write(folder, "a.txt", "abcabc\n".encode("utf-16"))
    refused("text in UTF-16", folder, config, 3, "a.txt: error: is UTF-16 text")


def test_wide(folder):
    """So many columns that looking each up among all would not end in time."""
    n = 200000
    write(folder, "a.csv", ",".join(f"c_{i}" for i in range(n)) + ",y\n" +
          (",".join("1" for _ in range(n)) + ",0\n") * 2)
    config = experiment(target(), field="y")
    r = run(folder, config, ("plan",))
    check.equal("200,000 columns", r.code, 0) or print(r.err[:400])


# --------------------------------------------------------------------- prediction

def test_predict(folder):
    write(folder, "a.csv", "a,b,w,c,y\n" + "".join(
        f"{i},{2 * i},1,{'uv'[i % 2]},{['neg', 'pos'][i % 2]}\n" for i in range(10)))
    source = {"target": "y", "target_type": "text", "features": ["a", "b"], "fields": ["w", "c"]}
    config = experiment(source, [{"type": "label_map", "of": "y"}, {"type": "label_map", "of": "c"},
                                 {"type": "standardise", "of": "x"}])
    check.equal("trained", run(folder, config).code, 0)
    all_rows = predicted(folder)
    for what, text in (("a label that was never seen", "a,b,w,c,y\n1,2,1,u,weird\n"),
                       ("labels missing", "a,b,w,c,y\n1,2,1,u,\n"),
                       ("labels that are numbers", "a,b,w,c,y\n1,2,1,u,3\n"),
                       ("no column of labels", "a,b,w,c\n1,2,1,u\n"),
                       ("no column that is not read", "a,b\n1,2\n"),
                       ("a category that is not read", "a,b,w,c\n1,2,1,zzz\n"),
                       ("a number that is not read", "a,b,w,c\n1,2,NA,u\n"),
                       ("words where numbers are not read", "a,b,w,c\n1,2,heavy,u\n")):
        write(folder, "new.csv", text)
        got = predicted(folder, "--data", "new.csv")
        check.ok(what, isinstance(got, np.ndarray) and np.array_equal(got, all_rows[1:2]), got)
    for what, text, says in (("a column that is read", "a,w,c\n1,1,u\n", "new.csv: field 'x' lacks the column 'b'"),
                             ("a cell that is read", "a,b\n1,x\n", "new.csv:2:3"),
                             ("a cell that is missing", "a,b\n1,2\n1,NA\n", "row 2, field 'x', element 2 is missing")):
        write(folder, "new.csv", text)
        r = runner("predict", latest(folder / "runs", "seen"), "--data", "new.csv", cwd=folder)
        check.equal(f"without {what}", r.code, 3)
        check.equal(f"without {what}: no rows", r.out, "")
        check.within(f"without {what}", r.err, says)
    # a category that is read, unknown in a later batch: before any row is written
    config = experiment(source, [{"type": "label_map", "of": "y"}, {"type": "label_map", "of": "c"},
                                 {"type": "one_hot", "of": "c"}], "c")
    check.equal("trained on categories", run(folder, config).code, 0)
    write(folder, "new.csv", "a,b,w,c\n" + "1,2,1,u\n" * 600 + "1,2,1,zzz\n")
    r = runner("predict", latest(folder / "runs", "seen"), "--data", "new.csv", cwd=folder)
    check.equal("an unknown category", (r.code, r.out), (3, ""))
    check.within("an unknown category", r.err, "new.csv: row 601: field 'c': 'zzz' is none of the 2 classes")


# ------------------------------------------------------------------------- splits

def test_stored(folder):
    """A split of the first version: the hash of its content is of f32."""
    x = np.array([[1.5, 1e9 + 1], [2.25, 3.0], [0.1, 4.0], [7.0, 5.0]])
    y = [0, 1, 0, 1]
    write(folder, "a.csv", "a,b,y\n" + "".join(f"{r[0]!r},{r[1]!r},{k}\n" for r, k in zip(x.tolist(), y)))
    rows = hashlib.sha256(b"x\0y\0" + x.astype("<f4").tobytes() + struct.pack("<4q", *y)).digest()
    content = hashlib.sha256(rows).hexdigest()
    text = "runner split 1\ncontent %s\ntrain 2\n0 3\nval 1\n1\ntest 1\n2\n"
    config = experiment({"target": "y"}, split={"kind": "file", "path": "old.txt"})
    for mark in "", "\ufeff":
        write(folder, "old.txt", mark + text % content)
        r = run(folder, config)
        check.equal(f"a split of the first version {mark!r}", r.code, 0) or print(r.err)
    kept = (latest(folder / "runs", "seen") / "split.txt").read_text()
    check.ok("the second version", kept.startswith("runner split 2\n") and content not in kept)
    write(folder, "old.txt", (text % content).replace("split 1", "split 2"))
    refused("that hash in the second version", folder, config, 3, "belongs to other data")


def test_stratified(folder):
    for what, sizes, val, test in (("pairs", [2] * 10, 0.2, 0.2), ("few", [1, 1, 3, 5], 3, 3)):
        y = np.repeat(np.arange(len(sizes)), sizes)
        write(folder, "a.csv", "a,y\n" + "".join(f"{i},{k}\n" for i, k in enumerate(y)))
        for seed in range(3):
            split = {"kind": "stratified", "by": "y", "val": val, "test": test, "seed": seed}
            r = run(folder, experiment({"target": "y"}, split=split))
            check.equal(f"{what}: exit code", r.code, 0)
            words = (latest(folder / "runs", "seen") / "split.txt").read_text().split()
            at = words.index("train")
            train = y[np.array(words[at + 2:at + 2 + int(words[at + 1])], int)]
            want = [k for k, n in enumerate(sizes) if n > 1]
            check.ok(f"{what}: training rows", set(want) <= set(train.tolist()), str(train))


# ------------------------------------------------------------------ columns that meet

def test_concat(folder):
    write(folder, "a.csv", "lab_a,k,lab_b,big,c,y\n1.5,0,,16777217,q,0\n2,1,4,16777219,,0\n"
                           "3,2,5,16777218,r,0\n")
    source = {"target": "y", "target_type": "float", "fields": ["lab_*", "k", "c", "big"],
              "features": []}
    named = [{"type": "label_map", "of": "c"}, {"type": "one_hot", "of": "c"},
             {"type": "impute", "of": "lab_b", "with": "constant", "value": -1}]
    join = {"type": "concat", "of": ["c", "lab_*", "k"]}
    c = np.array([[1, 0], [0, 0], [0, 1]], float)
    want = np.column_stack([c, [1.5, 2, 3], [-1, 4, 5], [0, 1, 2]])
    sees("categories, numbers and integers", folder, experiment(source, [*named, join]), want)
    # two vectors; integers above 2^24 keep their differences in f64 until they are scaled
    joins = [{"type": "concat", "of": "c", "as": "first"},
             {"type": "concat", "of": ["lab_b", "big"], "as": "x"},
             {"type": "minmax", "of": "x"}]
    sees("large integers", folder, experiment(source, [*named, *joins]),
         [[0, 0], [5 / 6, 1], [1, 0.5]])
    # a missing number stays missing, in an integer too
    write(folder, "a.csv", "a,b,y\n1,,0\n2,5,0\n")
    fields = {"target": "y", "fields": ["*"], "features": []}
    fill = {"type": "impute", "of": "x", "with": "constant", "value": 9}
    both = {"type": "concat", "of": ["a", "b"]}
    sees("filled after they meet", folder, experiment(fields, [both, fill]), [[1, 9], [2, 5]])
    refused("not filled", folder, experiment(fields, [both]), 3, "row 1, field 'x'")
    write(folder, "a.csv", "a,b,y\n1,q,0\n2,r,0\n")
    for what, of, part in (("text", ["a", "b"], "field 'b' is text, not numbers"),
                           ("a pattern of nothing", ["q*"], "no field 'q*' here"),
                           ("twice", ["a", "a"], "field 'a' is named twice")):
        refused(f"concat of {what}", folder, experiment(fields, [{**both, "of": of}]), 2, part)
    refused("the name is taken", folder, experiment(fields, [{**both, "of": "a", "as": "y"}]), 2,
            "the sample already has a field 'y'")
    write(folder, "a.csv", "a,b,y\n1,q,0\n2,r,0\n")
    sees("drop", folder, experiment({"target": "y", "target_type": "float", "drop": ["b"]}),
         [[1], [2]])


with Scratch(IN_MEMORY) as folder:
    for test in (test_concat, test_missing, test_categories, test_precision, test_forms, test_wide, test_predict,
                 test_stored, test_stratified):
        test(folder)
check.done()
