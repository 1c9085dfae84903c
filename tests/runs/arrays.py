# SPDX-License-Identifier: Apache-2.0
"""Fields of NumPy and HDF5 files as people have them: truth values, missing numbers, f64
and f16, labels in a file of their own. Expected numbers come from NumPy."""
import gzip

import h5py
import numpy as np

from harness import Checks, Scratch, runner

c = Checks()
FLAGS = np.array([[0, 1], [1, 1], [1, 0], [0, 0], [1, 1], [0, 1], [1, 0], [1, 1]], bool)
ONE = "init: [{match: '*', type: constant, value: 1}]"


def write(top, kind, **arrays):
    """The source of these fields, in files of this kind."""
    if kind == "npy":
        for name, a in arrays.items():
            np.save(top / f"{name}.npy", a)
        return "{type: npy, files: {%s}}" % ", ".join(f"{k}: {k}.npy" for k in arrays)
    with h5py.File(top / "a.h5", "w") as f:
        for name, a in arrays.items():
            f[name] = a
    return "{type: hdf5, file: a.h5, datasets: {%s}}" % ", ".join(
        f"{k}: /{k}" for k in arrays)


def train(top, source, *sections, transforms="[]", split="{kind: position, val: 2}",
          data=""):
    (top / "e.yaml").write_text("\n".join([
        "device: reference", "name: t", "seed: 1",
        f"data: {{source: {source}, split: {split}, transforms: {transforms}, "
        f"batch: 4{data}}}",
        *sections, "optimizer: {type: sgd, lr: 0}", "train: {epochs: 1}"]) + "\n")
    return runner("e.yaml", cwd=top)


def linear(field="x"):
    return ("model: {type: sequential, in: {x: data.%s}, layers: [{type: flatten}, "
            "{type: dense, units: 1, bias: false}]}" % field)


MSE = "loss: {type: mse, in: {prediction: model.out, target: data.y}}"


def flags(top, kind):
    y = FLAGS[:, 0].copy()
    x = FLAGS.astype("f4")
    what = f"{kind} bool"
    r = train(top, write(top, kind, x=FLAGS, y=y[:, None]), linear(), MSE, ONE)
    c.equal(f"{what} features and target of mse", r.code, 0)
    r = train(top, write(top, kind, x=FLAGS, y=y),
              "model: {type: mlp, in: {x: data.x}, hidden: [], outputs: 2}",
              "loss: {type: cross_entropy, in: {label: data.y}}",
              "metrics: [accuracy, confusion, {type: f1, average: binary, positive: 1}, "
              "{type: top_k, k: 1}]")
    c.equal(f"{what} features of mlp, labels of cross_entropy and metrics", r.code, 0)
    r = train(top, write(top, kind, x=x, y=y[:, None]),
              "model: {type: mlp, in: {x: data.x}, hidden: [], outputs: 1}",
              "loss: {type: bce, in: {target: data.y}}",
              "metrics: [{type: mae, in: {prediction: model.out, target: data.y}}]")
    c.equal(f"{what} target of bce and mae", r.code, 0)
    r = train(top, write(top, kind, x=FLAGS, y=y, w=FLAGS[:, 1].copy()),
              "model: {type: mlp, in: {x: data.x}, hidden: [], outputs: 2}",
              "loss: {type: focal, in: {label: data.y, weight: data.w}}",
              split="{kind: stratified, by: y, val: 0.25}", data=", resident: always")
    c.equal(f"{what} weights, stratified, resident", r.code, 0)
    for t, units in (("{type: scale, of: x, factor: 2}", 2),
                     ("{type: standardise, of: x}", 2), ("{type: minmax, of: x}", 2),
                     ("{type: impute, of: x}", 2), ("{type: one_hot, of: x}", 4),
                     ("{type: flatten, of: x}", 2)):
        r = train(top, write(top, kind, x=FLAGS, y=y[:, None]), linear(), MSE,
                  transforms=f"[{t}]")
        c.equal(f"{what} and {t}", r.code, 0)
    r = train(top, write(top, kind, x=x, y=y),
              "model: {type: mlp, in: {x: data.x}, hidden: [], outputs: 2}",
              "loss: {type: cross_entropy, in: {label: data.y}}",
              transforms="[{type: label_map, of: y}]")
    c.equal(f"{what} and label_map", r.code, 0)


def missing(top, kind, dtype):
    x = np.array([[1], [np.nan], [7], [5], [9], [4]], dtype)
    y = np.zeros((6, 1), "f4")
    what = f"{kind} NaN in {dtype}"
    source = write(top, kind, x=x, y=y)
    split = "{kind: position, val: 1}"
    r = train(top, source, linear(), MSE, ONE, transforms="[{type: impute, of: x}]",
              split=split)
    c.equal(f"{what}: impute", r.code, 0)
    mean = np.nanmean(x[:5].astype("f8"))
    p = runner("predict", r.folder(top), cwd=top)
    got = [float(line.split(",")[-1]) for line in p.out.splitlines()[1:]]
    want = np.where(np.isnan(x), mean, x).astype("f8")[:, 0]
    c.ok(f"{what}: the mean takes its place", len(got) == 6 and np.allclose(got, want),
         f"{got} {want} {p.err}")
    r = train(top, source, linear(), MSE, split=split)
    c.equal(f"{what}: refused without impute", r.code, 3)
    c.within(f"{what}: which file and row", r.err,
             f"{'x.npy' if kind == 'npy' else 'a.h5'}: row 2, field 'x', element 1 is "
             "missing")
    c.within(f"{what}: the hint", r.err, "add {type: impute, of: x} to data.transforms")
    x[1] = np.inf
    r = train(top, write(top, kind, x=x, y=y), linear(), MSE, split=split,
              transforms="[{type: impute, of: x}]")
    c.equal(f"{kind} infinite in {dtype}", r.code, 3)
    c.within(f"{kind} infinite in {dtype}: its sentence", r.err,
             "row 2, field 'x', element 1 is infinite")


def floats(top, kind, dtype):
    x = np.arange(6, dtype=dtype)[:, None] + dtype(0.5)
    what = f"{kind} {dtype.__name__}"
    r = train(top, write(top, kind, x=x, y=x), linear(), MSE, ONE)
    c.equal(f"{what}: trains", r.code, 0)
    p = runner("predict", r.folder(top), cwd=top)
    got = [float(line.split(",")[-1]) for line in p.out.splitlines()[1:]]
    c.equal(f"{what}: predicts", got, [float(v) for v in x[:, 0]])
    c.equal(f"{what}: eval", runner("eval", r.folder(top), "--split", "val",
                                    cwd=top).code, 0)


def integers(top):
    x, y = np.arange(16, dtype="i4").reshape(8, 2), np.zeros((8, 1), "f4")
    source = write(top, "npy", x=x, y=y)
    for model in (linear(), "model: {type: mlp, in: {x: data.x}, hidden: [], outputs: 1}"):
        r = train(top, source, model, MSE)
        c.equal("integers as features: exit code", r.code, 2)
        c.within("integers as features: the hint", r.err, "{type: scale, of: FIELD, factor: 1}")
        r = train(top, source, model, MSE, transforms="[{type: scale, of: x, factor: 1}]")
        c.equal("the hint is true", r.code, 0)


def names(top):
    x, y = np.zeros((6, 2), "f4"), np.array([0, 1, -100, 0, 1, 0])
    r = train(top, write(top, "npy", x=x, y=y),
              "model: {type: mlp, in: {x: data.x}, hidden: [], outputs: 2}",
              "loss: {type: cross_entropy, in: {label: data.y}}")
    c.equal("a label out of range: exit code", r.code, 3)
    c.within("a label out of range: its own file", r.err, "y.npy: row 3 has the y -100")
    r = train(top, write(top, "npy", x=x, y=y),
              "model: {type: mlp, in: {x: data.x}, hidden: [], outputs: 2}",
              "loss: {type: cross_entropy, in: {target: data.y}}",
              transforms="[{type: one_hot, of: y, classes: 2}]")
    c.within("a transform refuses: its own file", r.err, "y.npy: row 3")


def forms(top):
    """A file of another form is named, with what to do about it."""
    x = np.ones((6, 2), "f4")
    write(top, "npy", x=x)
    write(top, "hdf5", x=x)
    np.savez(top / "x.npz", x=x)
    for name in "x.npy", "a.h5":
        (top / (name + ".gz")).write_bytes(gzip.compress((top / name).read_bytes()))
    h5 = "{type: hdf5, file: %s, datasets: {x: x}}"
    for source, says in (
            ("{type: npy, files: {x: x.npy.gz}}", ("is a gzip file, not a .npy file", "unpack it")),
            ("{type: npy, files: {x: x.npz}}", ("is a zip archive, not a .npy file", ".npz")),
            ("{type: npy, files: {x: a.h5}}", ("is an HDF5 file", "{type: hdf5}")),
            (h5 % "a.h5.gz", ("is a gzip file, not an HDF5 file", "unpack it")),
            (h5 % "x.npy", ("is a .npy file, not an HDF5 file", "{type: npy}"))):
        r = train(top, source, linear(), "loss: {type: mse, in: {target: data.x}}")
        c.equal(f"{source}: exit code", r.code, 3)
        for text in says:
            c.within(source, r.err, text)


def numpy_types(top):
    """Every numeric type of NumPy in either byte order, truth values and texts, as .npy, in
    an .npz and in a compressed one."""
    draw = np.random.default_rng(2)
    bits = draw.integers(0, 256, (8, 5, 8), dtype=np.uint8)
    arrays = {}
    for order in "<>":
        for code in "f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8".split():
            a = np.ascontiguousarray(bits[..., :int(code[1])]).view("<" + code)[..., 0]
            if code[0] == "f":
                a = draw.normal(size=(8, 5)).astype("<" + code)
            if code == "u8":
                a = a >> np.uint64(1)
            arrays[f"{'big' if order == '>' else 'little'}_{code}"] = a.astype(order + code)
    arrays["truth"] = draw.random((8, 2)) < 0.5
    arrays["fortran"] = np.asfortranarray(draw.integers(-9, 9, (8, 3, 2)).astype(">i2"))
    arrays["words"] = np.array(["a", "\u00fcb", "\u65e5\u672c", "", "\U0001f600", "x" * 9, "y", "z"])
    arrays["big_words"] = arrays["words"].astype(">U9")
    arrays["bytes"] = np.array([b"xy", b"z", b"", b"q", b"\xc3\xbc", b"1", b"22", b"333"])
    arrays["label"] = np.arange(8) % 2
    np.savez(top / "all.npz", **arrays)
    np.savez_compressed(top / "small.npz", **arrays)
    for name, a in arrays.items():
        np.save(top / f"{name}.npy", a)
    files = "files: {%s}" % ", ".join(f"{k}: {k}.npy" for k in arrays)
    named = "files: {%s}" % ", ".join(f"{k}: all.npz!{k}.npy" for k in arrays)
    for what, source in (("npy", files), ("npz", "file: all.npz"), ("members", named),
                         ("compressed", "file: small.npz")):
        (top / "e.yaml").write_text("\n".join([
            "device: reference", "name: t", f"data: {{source: {{type: npy, {source}}}}}",
            linear("big_f4"), "loss: {type: mse, in: {prediction: model.out, target: data.x}}",
            "optimizer: {type: sgd, lr: 0}", "train: {epochs: 1}"]))
        r = runner("prepare", "e.yaml", "--out", "out.npz", cwd=top)
        if r.code == 3 and "libarchive" in r.err:
            print(f"SKIP: {what}: libarchive was not found when runner was built")
            continue
        if not c.equal(f"{what}: exit", r.code, 0):
            print(r.err)
            continue
        got = np.load(top / "out.npz")
        for name, a in arrays.items():
            g = got[f"train/{name}"]
            if a.dtype.kind in "SU":
                want = [t if isinstance(t, bytes) else str(t).encode() for t in a]
                c.equal(f"{what}: {name}", list(g), want)
                continue
            want = a.astype(np.float32) if a.dtype.kind == "f" else a
            c.ok(f"{what}: {name}", np.array_equal(g, want) and g.shape == a.shape, f"{g} {want}")
    odd = {"above": (np.array([1, 2**63], "u8"), "row 2 has a number above 9223372036854775807"),
           "bytes": (np.array([b"a", b"\xff"]), "row 2 is not a valid text"),
           "complex": (np.zeros(2, "c8"), "has the type '<c8', which is not read"),
           "times": (np.zeros(2, "M8[s]"), "has the type '<M8[s]', which is not read"),
           "words": (np.array([["a", "b"]]), "holds texts in more than one axis")}
    for name, (a, words) in odd.items():
        np.save(top / "odd.npy", a)
        np.save(top / "two.npy", np.zeros((len(a), 2), "f4"))
        (top / "e.yaml").write_text("\n".join([
            "device: reference", "name: t",
            "data: {source: {type: npy, files: {x: two.npy, odd: odd.npy}}}",
            linear(), "loss: {type: mse, in: {prediction: model.out, target: data.x}}",
            "optimizer: {type: sgd, lr: 0}", "train: {epochs: 1}"]))
        r = runner("prepare", "e.yaml", "--out", "out.npz", cwd=top)
        c.equal(f"{name}: exit", r.code, 3)
        c.within(name, r.err, words)


def hdf5_layouts(top):
    """Files as h5py, pandas, PyTables and MATLAB v7.3 write them, made with h5py."""
    draw = np.random.default_rng(3)
    x, y = draw.normal(size=(6, 3)), np.array([0, 1, 2, 0, 1, 2])
    words = ["a", "\u00fcb", "", "\u65e5\u672c", "z" * 40, "q"]
    record = np.zeros(6, [("index", "<i8"), ("age", "<f4"), ("ok", "?"), ("name", "S8"),
                          ("v", ">f8", (2, 3)), ("kind", "i1")])
    record["index"], record["age"], record["ok"] = np.arange(6), y + 0.5, y > 0
    record["name"] = [b"n1", b"", b"\xc3\xbc", b"longest8", b"x", b"y"]
    record["v"], record["kind"] = draw.normal(size=(6, 2, 3)), y
    kinds = h5py.enum_dtype({"CAT": 0, "DOG": 1, "COW": 2}, "i2")
    picture = draw.integers(0, 255, (6, 4, 5), dtype="u1")
    with h5py.File(top / "a.h5", "w", userblock_size=512) as f:
        f["words"] = words
        f.create_dataset("fixed", data=np.array([w.encode() for w in words], "S64"))
        f["u8"], f["big"] = np.arange(6, dtype="u8"), np.array([2**63] * 6, "u8")
        f.create_dataset("kinds", data=y, dtype=kinds)
        f.create_dataset("so", data=np.arange(6, dtype="i4"), scaleoffset=0, chunks=(4,))
        f.create_dataset("table/table", data=record, chunks=(4,), compression="gzip")
        f["long"] = np.array([(w, 1) for w in words], [("w", h5py.string_dtype()), ("n", "i4")])
        f["x"] = x
        for name, a, what in (("X", x, "double"), ("Y", y[:, None] * 1.0, "double"),
                              ("image", picture, "uint8"), ("row", y[None] * 1.0, "double"),
                              ("flag", (y[:, None] > 0).astype("u1"), "logical"),
                              ("text", np.full((6, 1), 65, "u2"), "char")):
            f.create_dataset(f"m/{name}", data=a.T, chunks=True if name == "X" else None)
            f[f"m/{name}"].attrs["MATLAB_class"] = np.bytes_(what)

    def read(code, options, **sets):
        (top / "e.yaml").write_text("\n".join([
            "device: reference", "name: t",
            "data: {source: {type: hdf5, file: a.h5, datasets: {%s}%s}}" % (
                ", ".join(f"{k}: {v}" for k, v in sets.items()), options),
            "model: {type: sequential, in: {x: data.x}, layers: [{type: flatten}]}",
            "loss: {type: mse, in: {prediction: model.out, target: data.x}}",
            "optimizer: {type: sgd, lr: 0}", "train: {epochs: 1}"]))
        r = runner("prepare", "e.yaml", "--out", "out.npz", cwd=top)
        if not c.equal(f"{sets}: exit", r.code, code):
            print(r.err)
        return np.load(top / "out.npz") if r.code == 0 else r.err

    got = read(0, "", x="x", words="words", fixed="fixed", u8="u8", kinds="kinds", so="so",
               age="/table/table/age", ok="table/table/ok", name="table/table/name",
               v="table/table/v", kind="table/table/kind", mx="m/X", my="m/Y", image="m/image",
               flag="m/flag")
    for name, want in (("x", np.float32(x)), ("u8", np.arange(6)), ("kinds", y),
                       ("so", np.arange(6)), ("age", record["age"]), ("ok", record["ok"]),
                       ("v", np.float32(record["v"])), ("kind", y), ("mx", np.float32(x)),
                       ("my", np.float32(y)), ("image", picture), ("flag", y > 0)):
        c.ok(f"hdf5: {name}", np.array_equal(got[f"train/{name}"], want) and
             got[f"train/{name}"].shape == want.shape, got[f"train/{name}"])
    for name, want in (("words", words), ("fixed", words)):
        c.equal(f"hdf5: {name}", [t.decode() for t in got[f"train/{name}"]], want)
    c.equal("hdf5: name", list(got["train/name"]), list(record["name"]))
    got = read(0, ", reversed: [x]", x="x")
    c.ok("hdf5: reversed", np.array_equal(got["train/x"], np.float32(x.T)))
    for sets, words_ in (({"x": "big"}, "'big' has a number above 9223372036854775807"),
                         ({"x": "table/table"}, "read a member of them: table/table/index, "
                          "table/table/age"),
                         ({"x": "table/table/nope"}, "has no 'table/table/nope'"),
                         ({"x": "x", "w": "long/w"},
                          "'long/w' holds texts of variable length in records"),
                         ({"x": "x", "r": "m/row"}, "'m/row' has 1 rows, but 'x' has 6"),
                         ({"x": "m/text"}, "'m/text' is a char array of MATLAB"),
                         ({"x": "x", "r": "table/table/age/deeper"}, "is not a group")):
        c.within(f"hdf5: {sets}", read(3, "", **sets), words_)


def hdf5_predict(top):
    """Rows to predict may come without labels: as datasets, and as members of records."""
    x, y = np.arange(8.0), np.arange(8) % 2
    record = np.zeros(8, [("y", "i8"), ("x", "f8")])
    record["x"], record["y"] = x, y
    with h5py.File(top / "p.h5", "w") as f:
        f["y"], f["x"], f["t"] = y, x, record
    with h5py.File(top / "bare.h5", "w") as f:
        f["x"], f["t"] = x, record[["x"]]
    with h5py.File(top / "none.h5", "w") as f:
        f["y"], f["t"] = y, record[["y"]]
    for name, sets in (("datasets", "{y: y, x: x}"), ("records", "{y: t/y, x: t/x}"),
                       ("x first", "{x: t/x, y: t/y}")):
        (top / "p.yaml").write_text("\n".join([
            "device: reference", "name: p", f"output: {top}/runs",
            f"data: {{source: {{type: hdf5, file: p.h5, datasets: {sets}}}}}",
            "model: {type: mlp, in: {x: data.x}, hidden: [], outputs: 2}",
            "loss: {type: cross_entropy, in: {label: data.y}}",
            "optimizer: {type: sgd, lr: 0.1}", "train: {epochs: 1}"]))
        c.equal(f"{name}: trained", runner("p.yaml", cwd=top).code, 0)
        latest = top / "runs/p/latest"
        whole = runner("predict", latest, "--data", top / "p.h5")
        bare = runner("predict", latest, "--data", top / "bare.h5")
        c.equal(f"{name}: without labels", (bare.code, bare.out), (0, whole.out))
        c.equal(f"{name}: rows", len(whole.out.splitlines()), 9)
        r = runner("predict", latest, "--data", top / "none.h5")
        c.equal(f"{name}: without x", r.code, 3)
        c.within(f"{name}: without x", r.err, "'x'")
        r = runner("eval", latest, "data.source.file=" + str(top / "bare.h5"))
        c.ok(f"{name}: eval needs labels", r.code != 0, r.err)


with Scratch() as top:
    forms(top)
    for kind in ("npy", "hdf5"):
        flags(top, kind)
        for dtype in ("f4", "f8", "f2"):
            missing(top, kind, dtype)
        for dtype in (np.float64, np.float32, np.float16):
            floats(top, kind, dtype)
    integers(top)
    names(top)
    numpy_types(top)
    hdf5_layouts(top)
    hdf5_predict(top)
c.done()
