# SPDX-License-Identifier: Apache-2.0
"""The sources svmlight and sqlite: what a sample is, by a parser of the test's own and by
Python's sqlite3; prediction on other files; what is refused, and where.

    sources.py RUNNER"""
import gzip
import pathlib
import sqlite3
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch, deleted  # noqa: E402

SVM = """
name: sparse
seed: 1
device: reference
data:
  source: {type: svmlight, file: a.svm}
  transforms: [{type: label_map, of: target}]
  batch: 4
model: {type: mlp, in: {x: data.x}, hidden: [4], outputs: 2}
loss: {type: cross_entropy, in: {logits: model.out, label: data.target}}
optimizer: {type: sgd, lr: 0.1}
train: {epochs: 2}
"""
SQL = """
name: rows
seed: 1
device: reference
data:
  source: {type: sqlite, file: q.db, query: "SELECT a, b, c, y FROM t ORDER BY id", target: y,
    fields: [c]}
  transforms: [{type: impute, of: x}]
  batch: 4
model: {type: mlp, in: {x: data.x}, hidden: [4], outputs: 2}
loss: {type: cross_entropy, in: {logits: model.out, label: data.y}}
optimizer: {type: sgd, lr: 0.1}
train: {epochs: 2}
"""


def prepared(c, what, path, *args):
    out = path.parent / "out.npz"
    r = runner("prepare", path, "--out", out, *args, cwd=path.parent)
    if c.equal(f"{what}: exit", r.code, 0):
        return np.load(out)
    print(r.err)
    return {}


def refused(c, what, path, code, words, *args):
    r = runner("prepare", path, "--out", "out.npz", *args, cwd=path.parent)
    c.equal(f"{what}: exit", r.code, code)
    c.within(what, r.err, words)


def svmlight(c, top):
    path = config(top, SVM, "svm.yaml")
    draw = np.random.default_rng(5)
    x = np.where(draw.random((40, 9)) < 0.6, 0, draw.normal(size=(40, 9)))
    x[0, 8] = 0.1 + 0.2
    y = draw.choice([-1, 1], 40)
    lines = ["# made by a test", ""]
    for i in range(40):
        pairs = [f"{k + 1}:{x[i, k]!r}".replace("np.float64(", "").replace(")", "")
                 for k in range(9) if x[i, k]]
        lines.append(f"{y[i]:+d} " + " ".join(pairs) + (" # tail 3:4" if i % 7 == 0 else ""))
    text = "\n".join(lines) + "\n"
    (top / "a.svm").write_text(text)
    plain = prepared(c, "svmlight", path)
    c.ok("svmlight: x", np.array_equal(plain["train/x"], x.astype(np.float32)))
    c.ok("svmlight: target", np.array_equal(plain["train/target"], (y + 1) // 2))
    (top / "a.svm.gz").write_bytes(gzip.compress(text.replace("\n", "\r\n").encode()))
    z = prepared(c, "svmlight, gz and CRLF", path, "data.source.file=a.svm.gz")
    c.ok("svmlight, gz and CRLF: the same", np.array_equal(z["train/x"], plain["train/x"]))
    zero = "\n".join(" ".join([w.split()[0]] + [f"{int(p.split(':')[0]) - 1}:{p.split(':')[1]}"
                                                for p in w.split("#")[0].split()[1:]])
                     for w in lines if w and w[0] != "#")
    (top / "zero.svm").write_text(zero)
    z = prepared(c, "svmlight, from 0", path, "data.source.file=zero.svm",
                 "data.source.zero_based=true")
    c.ok("svmlight, from 0: the same", np.array_equal(z["train/x"], plain["train/x"]))
    z = prepared(c, "svmlight, more features", path, "data.source.features=12")
    c.ok("svmlight, more features", z["train/x"].shape == (40, 12) and not z["train/x"][:, 9:].any())
    (top / "q.svm").write_text("2.5 qid:3 1:1\n1 qid:4 2:-1\n")
    z = prepared(c, "svmlight, queries", path, "data.source.file=q.svm",
                 "data.transforms=[]", "loss={type: mse, in: {prediction: model.out, target: "
                 "data.x}}")
    c.equal("svmlight, queries", [list(z["train/query"]), list(z["train/target"])],
            [[3, 4], [2.5, 1]])
    r, folder = train(path)
    c.equal("svmlight: trained", r.code, 0)
    (top / "few.svm").write_text("1 2:1\n")
    r = runner("predict", folder, "--data", top / "few.svm")
    c.equal("svmlight: fewer features are as many as trained on", (r.code, len(
        r.out.splitlines())), (0, 2))
    (top / "many.svm").write_text("1 10:1\n")
    r = runner("predict", folder, "--data", top / "many.svm")
    c.ok("svmlight: more are an error", r.code == 3 and "there are 9 features" in r.err, r.err)
    for what, line, words in (
            ("zero", "1 0:1", "bad.svm:2:3: error: feature 0, but features are counted from 1"),
            ("falling", "1 2:1 1:3", "bad.svm:2:7: error: feature 1 comes after feature 2"),
            ("twice", "1 2:1 2:3", "feature 2 comes after feature 2"),
            ("no number", "1 a:1", "bad.svm:2:3: error: 'a:1' is not a feature and its value"),
            ("no value", "1 1:", "'1:' is not a feature"), ("nan", "1 1:nan", "'1:nan' is not"),
            ("overflow", "1 1:1e999", "'1:1e999' is not"), ("no target", "x 1:1", "'x' is not a target"),
            ("several", "1,2 1:1", "several labels for one sample are not read"),
            ("a query late", "1 1:1 qid:3", "'qid:3' is not a feature"),
            ("a query here", "1 qid:3 1:1", "the row has a qid, unlike those before"),
            ("far", "1 99999999:1", "feature 99999999, but there are 16777216 features"),
            ("a NUL", "1 1:1\0", "has a NUL byte")):
        (top / "bad.svm").write_text(f"1 1:1\n{line}\n")
        refused(c, f"svmlight, {what}", path, 3, words, "data.source.file=bad.svm")
    for what, data, words in (("empty", b"", "has no samples"), ("comments", b"# a\n", "has no samples"),
                              ("no features", b"1\n0\n", "has no features"),
                              ("UTF-16", "1 1:1\n".encode("utf-16"), "is UTF-16 text"),
                              ("cut", gzip.compress(text.encode())[:-20], "is cut short")):
        (top / "bad.svm").write_bytes(data)
        refused(c, f"svmlight, {what}", path, 3, words, "data.source.file=bad.svm")
    (top / "big.svm").write_text("1 1:1\n" * 60000)
    refused(c, "svmlight, a budget", path, 3, "needs more than the 1 MiB", "data.source.memory=1",
            "data.source.file=big.svm")


def outputs(c, what, folder, data):
    r = runner("predict", folder, "--data", data)
    c.equal(f"{what}: exit", (r.code, r.err if r.code else ""), (0, ""))
    return r.out


def other_order(c, top):
    """Columns are known by their names: of a file to predict, and of a second source."""
    def rows(name, columns):
        db = sqlite3.connect(top / name)
        db.execute(f"create table t({', '.join(columns)})")
        db.executemany(f"insert into t values({','.join('?' * len(columns))})",
                       zip(*columns.values()))
        db.commit()
        db.close()
    data = {"a": [1.5, 2, 3, 5], "b": [10, 20, 35, 40], "k": list("pqpq"), "m": list("rrss"),
            "y": [0, 1, 1, 0]}
    rows("asc.db", data)
    rows("desc.db", {k: data[k] for k in "ymkba"})
    rows("bare.db", {k: data[k] for k in "ba"})
    rows("extra.db", {k: data[k] for k in "ykma"} | {"z": data["b"]})
    path = config(top, SQL.replace("q.db", "asc.db").replace("[c]", "[k, m]").replace(
        "SELECT a, b, c, y FROM t ORDER BY id", "SELECT * FROM t ORDER BY rowid"), "order.yaml")
    r, folder = train(path)
    c.equal("other order: trained", r.code, 0)
    want = outputs(c, "the same order", folder, top / "asc.db")
    for name in ("desc", "bare"):
        c.equal(f"other order: {name}", outputs(c, name, folder, top / f"{name}.db"), want)
    r = runner("predict", folder, "--data", top / "extra.db")
    c.equal("other columns: exit", r.code, 3)
    c.within("other columns", r.err, "field 'x' lacks the column 'b' and has the extra column 'z'")
    source = '{type: sqlite, file: %s.db, query: "SELECT * FROM t ORDER BY rowid", target: y, ' \
        'fields: [k, m]}'
    text = path.read_text()
    head, tail = text[:text.index("  source:")], text[text.index("  transforms:"):]
    z = prepared(c, "a second source", config(
        top, f"{head}  train: {source % 'asc'}\n  val: {source % 'desc'}\n{tail}", "two.yaml"))
    for name in "xkmy":
        c.ok(f"a second source: {name}", np.array_equal(z[f"train/{name}"], z[f"val/{name}"]))


def sqlite(c, top):
    path = config(top, SQL, "sql.yaml")
    db = sqlite3.connect(top / "q.db")
    db.execute("create table t(id integer primary key, a real, b int, c text, y int, z blob)")
    rows = [(1.5, 2, "x", 0), (None, 3, "longer", 1), (2.5, None, None, 1), (3, 4, "ü", 0),
            (1e300, -7, "", 1)]
    db.executemany("insert into t(a, b, c, y) values(?,?,?,?)", rows[:4])
    db.commit()
    z = prepared(c, "sqlite", path)
    mean = np.array([np.mean([1.5, 2.5, 3]), 3])
    want = [[mean[k] if r[k] is None else r[k] for k in (0, 1)] for r in rows[:4]]
    c.ok("sqlite: x", np.array_equal(z["train/x"], np.float32(want)), z.get("train/x"))
    c.equal("sqlite: c", [t.decode() for t in z["train/c"]], [r[2] or "" for r in rows[:4]])
    c.equal("sqlite: y", list(z["train/y"]), [r[3] for r in rows[:4]])
    falling = prepared(c, "sqlite, falling", path,
                       "data.source.query=SELECT a, b, c, y FROM t ORDER BY id DESC")
    c.ok("sqlite, falling", np.array_equal(falling["train/x"], z["train/x"][::-1]))
    some = prepared(c, "sqlite, features", path, "data.source.features=[b]")
    c.ok("sqlite, features", np.array_equal(some["train/x"], z["train/x"][:, 1:]))
    whole = prepared(c, "sqlite, a float target", path, "data.source.target_type=float",
                     "loss={type: mse, in: {prediction: model.out, target: data.x}}")
    c.equal("sqlite, a float target", str(whole["train/y"].dtype), "float32")
    r, folder = train(path)
    c.equal("sqlite: trained", r.code, 0)
    before = (top / "q.db").read_bytes()
    other = sqlite3.connect(top / "other.db")
    other.execute("create table t(id integer primary key, a real, b real, c text, y text)")
    other.executemany("insert into t(a, b, c, y) values(?,?,?,?)", [(1, None, None, None)] * 3)
    other.commit()
    r = runner("predict", folder, "--data", top / "other.db")
    c.equal("sqlite: predict without labels", (r.code, len(r.out.splitlines())), (0, 4))
    for what, code, words, *args in (
            ("no order", 2, "the query has no ORDER BY", "SELECT * FROM t"),
            ("an inner order", 2, "the query has no ORDER BY",
             "SELECT a, y, c FROM (SELECT * FROM t ORDER BY id)"),
            ("no table", 2, "no such table: nope", "SELECT * FROM nope ORDER BY 1"),
            ("deleting", 2, "the query has no ORDER BY", "DELETE FROM t"),
            ("writing", 2, "the query does more than read",
             "INSERT INTO t(a) SELECT a FROM t ORDER BY 1"),
            ("two", 2, "more than one statement", "SELECT a FROM t ORDER BY 1; DELETE FROM t"),
            ("no column", 2, "the query gives no column 'c'", "SELECT a, y FROM t ORDER BY id"),
            ("twins", 2, "two columns are named 'a'", "SELECT a, a, c, y FROM t ORDER BY id"),
            ("no rows", 3, "gives no rows", "SELECT a, c, y FROM t WHERE 0 ORDER BY id"),
            ("text", 3, "row 1, column 'd' is text, which is no feature",
             "SELECT a, c, y, 'k' AS d FROM t ORDER BY id"),
            ("mixed", 3, "column 'c' holds numbers and, in row 2, text",
             "SELECT a, y, CASE id WHEN 2 THEN 'k' ELSE id END AS c FROM t ORDER BY id"),
            ("bytes", 3, "holds bytes (BLOB)", "SELECT a, y, zeroblob(3) AS c FROM t ORDER BY id"),
            ("a NULL target", 3, "the target 'y' is NULL in 4 rows",
             "SELECT a, NULL AS y, c FROM t ORDER BY id"),
            ("endless", 3, "needs more than the 1 MiB",
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT i "
             "AS a, i AS y, 'k' AS c FROM n ORDER BY i", "data.source.memory=1")):
        refused(c, f"sqlite, {what}", path, code, words, f"data.source.query={args[0]}", *args[1:])
    whole = (top / "q.db").read_bytes()
    for what, data in (("text", b"a,b\n1,2\n"), ("half a page", whole[:2000]),
                       ("damaged", whole[:100] + b"\xff" * 500 + whole[600:])):
        (top / "bad.db").write_bytes(data)
        r = runner("prepare", path, "--out", "out.npz", "data.source.file=bad.db", cwd=top)
        c.ok(f"sqlite, {what}", r.code == 3 and "bad.db" in r.err, r.err)
    c.ok("sqlite: the database is as it was", (top / "q.db").read_bytes() == before)


with Scratch() as top:
    c = Checks()
    svmlight(c, top)
    if deleted("source", "sqlite"):
        print("SKIP: sqlite: the library was not found when runner was built")
    else:
        sqlite(c, top)
        other_order(c, top)
    c.done()
