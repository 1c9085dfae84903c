# SPDX-License-Identifier: Apache-2.0
"""Transforms beside scikit-learn (golden/transforms.json, made by golden_transforms.py) and
Hugging Face tokenizers (golden/text.json, made by golden_text.py), at full width and after their state was stored and loaded; and their errors.

Called as transforms.py RUNNER TRANSFORM_ROWS PLUGINS MADE_SOURCE."""
import json
import pathlib
import subprocess
import sys
import unicodedata

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import EMULATOR, Checks, Scratch, environment  # noqa: E402

TOOL, PLUGINS, MADE = sys.argv[2:5]
GOLDEN = pathlib.Path(__file__).parent / "golden"
c = Checks()


HOLE = -12345.678  # stands for what is still missing: a sample has no missing numbers


def steps(case):
    """The transforms, and one that fills what is expected to be missing."""
    left = [f for f, v in case.get("expected", {}).items()
            if not f.startswith("state.") and np.isnan(np.array(v, float)).any()]
    return case["transforms"] + ([{"type": "impute", "of": left, "with": "constant",
                                   "value": HOLE}] if left else [])


def write(folder, name, case):
    """The experiment of a case, as a file."""
    folder.mkdir()
    if case.get("csv"):
        (folder / "t.csv").write_text(case["csv"])
        source = {"type": "csv", "file": str(folder / "t.csv"), **case.get("source", {})}
        rows = len(case["csv"].strip("\n").split("\n")) - 1
    else:
        for field, a in case["arrays"].items():
            np.save(folder / f"{field}.npy", np.array(a["data"], a["dtype"]))
            rows = len(a["data"])
        source = {"type": "npy",
                  "files": {f: str(folder / f"{f}.npy") for f in case["arrays"]}}
    train = case.get("train", rows)
    split = {"kind": "position", **({"val": rows - train} if train < rows else {})}
    data = {"source": source, "split": split, "transforms": steps(case), "batch": 1}
    (folder / "e.yaml").write_text("data: " + json.dumps(data) + "\n")
    return folder / "e.yaml"


def run(cases):
    """Name -> what transform_rows prints of it."""
    with Scratch() as top:
        files = [write(top / str(i), n, x) for i, (n, x) in enumerate(cases.items())]
        p = subprocess.run([*EMULATOR, TOOL, PLUGINS, MADE, *map(str, files)],
                           env=environment(), stdout=subprocess.PIPE)
        lines = p.stdout.decode().splitlines()
    c.equal("transform_rows: exit code", p.returncode, 0)
    c.equal("transform_rows: a line a case", len(lines), len(cases))
    return dict(zip(cases, map(json.loads, lines)))


def rows(got, field):
    """A field of all rows, training first."""
    return sum((got.get(f"{s}.{field}", []) for s in ("train", "val")), [])


def compare(name, case, got):
    if "error" in got:
        return c.ok(name, False, got["error"])
    for field, want in case["expected"].items():
        a = got.get(field, []) if field.startswith("state.") else rows(got, field)
        if a and isinstance(a[0], str):
            c.equal(f"{name}: {field}", a, want)
            continue
        a, want = np.array(a, float), np.array(want, float)
        if a.size != want.size:
            c.ok(f"{name}: {field}", False, f"{a.shape} is not {want.shape}")
            continue
        a, want = np.where(a.ravel() == HOLE, np.nan, a.ravel()), want.ravel()
        c.ok(f"{name}: {field}: missing where expected",
             np.array_equal(np.isnan(a), np.isnan(want)))
        with np.errstate(invalid="ignore"):
            far = np.nan_to_num(np.abs(a - want) / np.maximum(1, np.abs(want)))
        most = far.max(initial=0)
        c.ok(f"{name}: {field}", most <= case["tolerance"], f"differs by {most}")


X = {"x": {"dtype": "<f8", "data": [[1.0, 2.0], [3.0, 5.0], [2.0, 9.0], [4.0, -1.0]]}}


def holes(*data):
    return {"x": {"dtype": "<f8", "data": [list(r) for r in data]}}


NAN = float("nan")
TEXT = {"csv": "x,k\n1,a\n2,b\n3,a\n4,\n", "source": {"fields": ["k"]}}
FIELD = {"source": {"fields": ["k"]}}
# transforms, data, rows for training, words of the error or the hint
ERRORS = [
    ([{"type": "impute", "of": "x"}], {"arrays": holes((1, NAN), (2, NAN))}, None,
     "field 'x': element 2 is missing in every training sample"),
    ([{"type": "impute", "of": "k"}], TEXT, None,
     "field 'k' holds text, which has no mean or median: use most_frequent or constant"),
    ([{"type": "impute", "of": "k", "with": "constant"}], TEXT, None,
     "field 'k' holds text: `text` must state the constant"),
    ([{"type": "impute", "of": "k", "with": "most_frequent"}],
     {"csv": "x,k\n1,\n2,\n3,b\n", "source": {"fields": ["k"]}}, 2,
     "field 'k' is missing in every training sample"),
    ([{"type": "robust", "of": "x", "low": 80}], {"arrays": X}, None,
     "`high` must be above `low`"),
    ([{"type": "robust", "of": "x", "memory": 0}], {"arrays": X}, None,
     "field 'x': 4 training rows need more than the 0 MiB of memory that fitting may use"),
    ([{"type": "robust", "of": "k"}], TEXT, None, "field 'k' holds text, not numbers"),
    ([{"type": "normalise", "of": "x"}], {"arrays": holes((1, 2), (2, NAN))}, None,
     "row 2: field 'x': a number is missing, so there is no norm"),
    ([{"type": "log", "of": "x"}], {"arrays": X}, None,
     "row 4: field 'x', element 2: -1 plus `shift` is not above 0"),
    ([{"type": "sqrt", "of": "x"}], {"arrays": X}, 3,
     "row 4: field 'x', element 2: -1 plus `shift` is below 0"),
    ([{"type": "power", "of": "x", "method": "box_cox"}], {"arrays": X}, None,
     "row 4: field 'x', element 2: -1 is not above 0, which box_cox needs"),
    ([{"type": "power", "of": "x", "method": "box_cox"}],
     {"arrays": holes((1, 2), (3, 2))}, None,
     "field 'x': element 2 is 2 in every training sample; box_cox has no power for it"),
    ([{"type": "outliers", "of": "x", "action": "keep"}], {"arrays": X}, None,
     "`keep` does nothing without `flag: true`"),
    ([{"type": "outliers", "of": "x", "method": "given"}], {"arrays": X}, None,
     "needs `low` or `high`"),
    ([{"type": "outliers", "of": "x", "low": 1}], {"arrays": X}, None,
     "finds the limits: `low` and `high` are for method `given`"),
    ([{"type": "outliers", "of": "x", "method": "given", "low": 1, "high": 0}],
     {"arrays": X}, None, "`high` must not be below `low`"),
    ([{"type": "outliers", "of": "x", "action": "missing", "method": "given", "high": 4}],
     {"arrays": X}, None, "row 2, field 'x', element 2 is missing"),
    ([{"type": "bins", "of": "x", "by": "given"}], {"arrays": X}, None,
     "`edges` and `by: given` need each other"),
    ([{"type": "bins", "of": "x", "by": "given", "edges": [1, 1]}], {"arrays": X}, None,
     "edges must rise"),
    ([{"type": "ordinal", "of": "k"}], {"csv": "x,k\n1,a\n2,b\n3,zz\n", **FIELD}, 2,
     "row 3: field 'k': 'zz' is not among the 2 categories of the training rows"),
    ([{"type": "ordinal", "of": "x"}], {"arrays": X}, 3,
     "row 4: field 'x': 4 is not among the 3 categories of the training rows"),
    ([{"type": "frequency", "of": "x", "unknown": "error"}], {"arrays": X}, 3,
     "`unknown` sets what becomes of it"),
    ([{"type": "ordinal", "of": "n"}],
     {"arrays": {"n": {"dtype": "<i8", "data": [1, 2 ** 53 + 1]}}}, None,
     "row 2: field 'n': an integer beyond 2^53 cannot be a category"),
    ([{"type": "ordinal", "of": "x"}], {"arrays": holes((1, NAN), (2, NAN))}, None,
     "field 'x': element 2 is missing in every training sample"),
    ([{"type": "hash", "of": "k"}], TEXT, None, "'width' is missing"),
    ([{"type": "one_hot", "of": "k"}], {"csv": "x,k\n1,a\n2,b\n3,zz\n", **FIELD}, 2,
     "row 3: field 'k': 'zz' is none of the 2 categories"),
    ([{"type": "one_hot", "of": "k", "classes": 3}], TEXT, None,
     "is for integers, and field 'k' is text"),
    ([{"type": "one_hot", "of": "k", "unknown": "infrequent"}], TEXT, None,
     "`infrequent` needs `min_count`"),
    ([{"type": "one_hot", "of": "k", "drop": "first"}],
     {"csv": "x,k\n1,a\n2,a\n", **FIELD}, None,
     "field 'k' has one category, and `drop` leaves none of it"),
    ([{"type": "target_encode", "of": "k", "target": "x"}], TEXT, None,
     "must list the target 'x' too"),
    ([{"type": "target_encode", "of": ["k", "x"], "target": "x", "folds": 1}], TEXT, None,
     "folds"),
    ([{"type": "target_encode", "of": ["k", "l"], "target": "l"}],
     {"csv": "x,k,l\n1,a,u\n2,b,v\n", "source": {"fields": ["k", "l"]}}, None,
     "the target 'l' is text"),
    ([{"type": "target_encode", "of": ["k", "x"], "target": "x"}],
     {"csv": "x,z,k\n1,2,a\n2,2,b\n", **FIELD}, None,
     "the target 'x' has more than one number a sample"),
    ([{"type": "target_encode", "of": ["k", "y"], "target": "y"}],
     {"csv": "x,k,y\n1,a,1\n2,b,\n", "source": {"fields": ["k", "y"]}}, None,
     "row 2: the target 'y' is missing"),
    ([{"type": "target_encode", "of": ["k", "y"], "target": "y"}],
     {"csv": "x,k,y\n1,a,1\n2,b,1\n", "source": {"fields": ["k", "y"]}}, 1,
     "the training rows are all in one fold"),
    ([{"type": "polynomial", "of": "x", "degree": 8}],
     {"arrays": {"x": {"dtype": "<f8", "data": [[0.0] * 100]}}}, None,
     "field 'x' has 100 numbers: more than 1048576 products"),
    ([{"type": "ratio", "of": "x"}], {"arrays": X}, None,
     "must name two fields: what is divided, and by what"),
    ([{"type": "ratio", "of": ["a", "b"]}],
     {"arrays": {"a": X["x"], "b": {"dtype": "<i8", "data": [1, 2, 0, 3]}}}, None,
     "row 3: field 'b' is 0, and 'a' is divided by it"),
    ([{"type": "ratio", "of": ["a", "b"]}],
     {"arrays": {"a": X["x"], "b": {"dtype": "<i8", "data": [[1, 2, 3]] * 4}}}, None,
     "field 'a' has 2 numbers, and 'b' 3"),
    ([{"type": "date_parts", "of": "k", "parts": ["year"]}],
     {"csv": "x,k\n1,2024-02-29\n2,2023-02-29\n", **FIELD}, None,
     "row 2: field 'k': '2023-02-29' is not a date (YYYY-MM-DD, then perhaps hh:mm:ss)"),
    ([{"type": "date_parts", "of": "x", "parts": ["years"]}], {"arrays": X}, None,
     "'years' is not a part of a date"),
    ([{"type": "date_parts", "of": "x", "parts": []}], {"arrays": X}, None,
     "must list 1 to 32 parts"),
    ([{"type": "date_parts", "of": "x", "parts": ["day"]}],
     {"arrays": holes((1, 2), (3, 1e9))}, None,
     "row 2: field 'x': 1e+09 is too far from 1970 for a date"),
    ([{"type": "text_length", "of": "x"}], {"arrays": X}, None, "field 'x' is not text"),
    ([{"type": "tfidf", "of": "x"}], {"arrays": X}, None, "field 'x' is not text"),
    ([{"type": "tfidf", "of": "k", "min_rows": 2}],
     {"csv": "x,k\n1,aa\n2,bb\n", **FIELD}, None,
     "field 'k': no word is in 2 training rows"),
    ([{"type": "pca", "of": "x"}], {"arrays": holes((1, 2), (2, NAN))}, None,
     "row 2: field 'x': a number is missing, so there are no components"),
    ([{"type": "pca", "of": "x", "components": 2}], {"arrays": holes((1, 2), (2, 4), (3, 6))},
     None, "field 'x': 3 training rows do not have that many components"),
    ([{"type": "pca", "of": "x", "components": 3}], {"arrays": X}, None,
     "field 'x' has 2 numbers a sample"),
    ([{"type": "pca", "of": "x", "components": 1, "share": 0.5}], {"arrays": X}, None,
     "`components` and `share` exclude each other"),
    ([{"type": "pca", "of": "x", "memory": 0}], {"arrays": X}, None,
     "components of 2 numbers need more than the 0 MiB of memory that fitting may use"),
    ([{"type": "pca", "of": "x"}], {"arrays": holes((1, 2))}, None,
     "field 'x': 1 training rows do not have that many components"),
    ([{"type": "image_normalise", "of": "x"}], {"arrays": X}, None,
     "needs `preset`, or `mean` and `deviation`"),
    ([{"type": "image_normalise", "of": "x", "preset": "imagenet"}], {"arrays": X}, None,
     "field 'x' has 2 channels (its first axis), not 3"),
    ([{"type": "image_normalise", "of": "x", "mean": [1], "deviation": [0]}], {"arrays": X},
     None, "must be above 0"),
    ([{"type": "image_normalise", "of": "x", "mean": [1], "deviation": [1, 1]}],
     {"arrays": X}, None, "must be as long as `mean`"),
    ([{"type": "select", "of": "x", "by": "f_test", "keep": 1}], {"arrays": X}, None,
     "needs `target`"),
    ([{"type": "select", "of": "x", "by": "f_test", "target": "y"}], {"arrays": X}, None,
     "needs `keep` or `threshold`"),
    ([{"type": "select", "of": "x", "by": "f_test", "target": "y", "keep": 1}],
     {"arrays": X}, None, "must list the target 'y' too"),
    ([{"type": "select", "of": "x", "keep": 1, "threshold": 1}], {"arrays": X}, None,
     "`keep` and `threshold` exclude each other"),
    ([{"type": "select", "of": "x", "keep": 3}], {"arrays": X}, None,
     "field 'x' has 2 numbers"),
    ([{"type": "select", "of": "x", "threshold": 1e9}], {"arrays": X}, None,
     "field 'x': no number has a score above 1e+09"),
    ([{"type": "select", "of": ["x", "y"], "target": "y", "by": "chi2", "keep": 1}],
     {"arrays": {**X, "y": {"dtype": "<f8", "data": [1, 0, 1, 0]}}}, None,
     "chi2 needs a target of classes, and 'y' is a number"),
    ([{"type": "select", "of": ["x", "y"], "target": "y", "by": "chi2", "keep": 1}],
     {"arrays": {**X, "y": {"dtype": "<i8", "data": [1, 0, 1, 0]}}}, None,
     "row 4: field 'x', element 2: -1 is below 0, which chi2 cannot take"),
    ([{"type": "select", "of": ["x", "y"], "target": "y", "by": "f_test", "keep": 1}],
     {"arrays": {**X, "y": {"dtype": "<i8", "data": [1, 1, 1, 1]}}}, None,
     "the target 'y' has one class in the training rows"),
    ([{"type": "select", "of": ["x", "y"], "target": "y", "by": "f_test", "keep": 1}],
     {"arrays": {**holes((1, NAN), (2, 3)), "y": {"dtype": "<i8", "data": [1, 0]}}}, None,
     "row 1: field 'x', element 2 is missing"),
    ([{"type": "select", "of": ["x", "y"], "target": "y", "by": "mutual_info", "keep": 1}],
     {"arrays": {**holes((1, 2), (2, 3)), "y": {"dtype": "<i8", "data": [1, 0]}}}, None,
     "2 training rows do not have 3 neighbours each"),
    ([{"type": "select", "of": ["x", "y"], "target": "y", "by": "mutual_info", "keep": 1,
       "memory": 0}], {"arrays": {**X, "y": {"dtype": "<i8", "data": [1, 0, 1, 0]}}}, None,
     "256 training rows need more than the 0 MiB of memory that fitting may use"),
    ([{"type": "words", "of": "x"}], {"arrays": X}, None, "field 'x' holds f64, not text"),
    ([{"type": "words", "of": ["k", "x"]}], TEXT, None, "takes one field"),
    ([{"type": "words", "of": "k", "min_count": 5}], TEXT, None,
     "field 'k': no word occurs 5 times in the training rows"),
    ([{"type": "words", "of": "k", "unknown": "error"}, {"type": "pad_sequence", "of": "k", "length": 2}],
     {"csv": "x,k\n1,a b\n2,b\n3,A zz\n", **FIELD}, 2,
     "row 3: field 'k': 'zz' is not among the 2 words that have an id`unknown: index` gives"),
    ([{"type": "words", "of": "k", "unknown": "error"}, {"type": "pad_sequence", "of": "k", "length": 2}],
     {"csv": "x,k\n1,a b\n2,b\n3,\n4,b B\n5,yy\n", "source": {"texts": ["k"]}}, 2,
     "row 5: field 'k': 'yy' is not among the 2 words that have an id`unknown: index` gives"),
    ([{"type": "bpe", "of": "x", "size": 300}], {"arrays": X}, None,
     "field 'x' holds f64, not text"),
    ([{"type": "bpe", "of": "k"}], TEXT, None, "'size' is missing"),
    ([{"type": "bpe", "of": "k", "size": 300, "memory": 0}], TEXT, None,
     "field 'k': its different words need more than the 0 MiB of memory that fitting may use"),
    # MORE
]


def unicode_table():
    """The table of characters is that of this Python, where its Unicode is the same."""
    folder = pathlib.Path(__file__).resolve().parents[2] / "plugins/transform"
    header = (folder / "unicode_table.h").read_text()
    if f"Unicode {unicodedata.unidata_version}." not in header:
        return print(f"SKIP: the table of characters: Python has Unicode {unicodedata.unidata_version}")
    made = subprocess.run([sys.executable, folder / "unicode_table.py", "--print"], stdout=subprocess.PIPE)
    c.ok("unicode_table.h is what unicode_table.py writes", made.stdout.decode() == header)


def main():
    unicode_table()
    golden = json.loads((GOLDEN / "transforms.json").read_text())
    inputs = golden.pop("inputs")
    golden |= json.loads((GOLDEN / "text.json").read_text())
    for case in golden.values():
        case["arrays"] = {k: inputs[v] for k, v in case.get("arrays", {}).items()}
    for name, got in run(golden).items():
        compare(name, golden[name], got)
    bad = {text: {"transforms": t, **data, **({"train": train} if train else {})}
           for t, data, train, text in ERRORS}
    for text, got in run(bad).items():
        c.within(f"error: {text}", got.get("error", "none") + got.get("hint", ""), text)
    c.done()


main()
