#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Text tables as programs write them: encodings, compression, marks in numbers, comments, several
files, declared types. The values are those that Python's csv module, codecs and datetime give."""
import csv
import datetime
import gzip
import io
import json
import random
import shutil
import subprocess
import sys

import numpy as np
import yaml

from harness import IN_MEMORY, RUNNER, Checks, Scratch, latest, runner

check = Checks()
ROWS = [["1.5", "a", "0"], ["-2", "b;c", "1"], ["1234.25", "ü€", "0"], ["0", "", "1"]]


def table(rows, separator=",", end="\n"):
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator=end).writerows([["a", "t", "y"], *rows])
    return out.getvalue()


def experiment(source=None, transforms=(), field="x", **data):
    """A network whose output is what it sees of `field`."""
    return {"name": "seen", "device": "reference", "seed": 1,
            "data": {"source": {"type": "csv", "file": "a.csv", **(source or {})},
                     "transforms": list(transforms), "split": {}, **data},
            "model": {"seen": {"type": "sequential", "in": {"x": f"data.{field}"},
                               "layers": [{"type": "flatten"}]},
                      "m": {"type": "sequential", "in": {"x": "model.seen.out"},
                            "layers": [{"type": "dense", "units": 1}]}},
            "loss": {"type": "mse", "in": {"prediction": "model.m.out", "target": 0.0}},
            "optimizer": {"type": "sgd", "lr": 0}, "train": {"epochs": 1}}


def run(folder, config, verb=()):
    (folder / "e.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return runner(*verb, "e.yaml", cwd=folder)


def predicted(folder, *args):
    r = runner("predict", latest(folder / "runs", "seen"), *args, cwd=folder)
    if r.code:
        return r
    rows = list(csv.reader(io.StringIO(r.out)))
    at = [i for i, n in enumerate(rows[0]) if n.startswith("model.seen") and not n.endswith("argmax")]
    return np.array([[float(x[i]) for i in at] for x in rows[1:]])


def sees(what, folder, config, want, *predict):
    r = run(folder, config)
    got = predicted(folder, *predict) if r.code == 0 else r
    ok = isinstance(got, np.ndarray) and got.shape == np.shape(want) and \
        np.allclose(got, want, rtol=1e-6, atol=1e-6)
    check.ok(what, ok, f"{got}\n{want}")


def refused(what, folder, config, code, *parts):
    r = run(folder, config, ("plan",))
    check.equal(f"{what}: exit code", r.code, code)
    for part in parts:
        check.within(what, r.err, part)


def numbers(**more):
    """Column a as x."""
    return {"features": ["a"], "target": "y", "target_type": "float", **more}


def categories(folder, source):
    """Column t by label_map, whose classes are printed by the plan of its names."""
    return experiment({"features": ["a"], "fields": ["t"], "target": "y", **source},
                      [{"type": "label_map", "of": "t", "classes": ["a", "b;c", "ü€"]},
                       {"type": "one_hot", "of": "t", "classes": 3}], "t")


HOT = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_encodings(folder):
    text = table(ROWS)
    want = [[float(r[0])] for r in ROWS]
    for name, codec, mark in (("auto", "utf-8", b""), ("utf-8", "utf-8", b"\xef\xbb\xbf"),
                              ("auto", "utf-16", b""), ("utf-16", "utf-16", b""),
                              ("auto", "utf-16-be", b"\xfe\xff"), ("utf-16", "utf-16-le", b""),
                              ("utf-16-le", "utf-16-le", b""), ("utf-16-be", "utf-16-be", b""),
                              ("utf-16-le", "utf-16-le", b"\xff\xfe"), ("cp1252", "cp1252", b"")):
        for end in "\n", "\r\n", "\r":
            data = mark + text.replace("\n", end).encode(codec)
            (folder / "a.csv").write_bytes(data)
            sees(f"{name} {codec} {end!r}: numbers", folder, experiment(numbers(encoding=name)), want)
        sees(f"{name} {codec}: text", folder, categories(folder, {"encoding": name}), HOT)
    latin = table([[r[0], r[1].replace("€", "ß"), r[2]] for r in ROWS])
    (folder / "a.csv").write_bytes(latin.encode("latin-1"))
    config = categories(folder, {"encoding": "latin-1"})
    config["data"]["transforms"][0]["classes"][2] = "üß"
    sees("latin-1", folder, config, HOT)
    # a character above U+FFFF
    (folder / "a.csv").write_bytes(text.replace("ü€", "𝄞").encode("utf-16-le"))
    config = categories(folder, {"encoding": "utf-16-le"})
    config["data"]["transforms"][0]["classes"][2] = "𝄞"
    sees("a surrogate pair", folder, config, HOT)
    # refused, with the place
    (folder / "a.csv").write_bytes(text.encode("cp1252"))
    refused("cp1252 as UTF-8", folder, experiment(numbers()), 3, "a.csv:4:9: error: byte fc is not UTF-8",
            "encoding: latin-1")
    (folder / "a.csv").write_bytes(text.encode("utf-16-le"))
    refused("UTF-16 without a mark", folder, experiment(numbers()), 3, "is UTF-16 text",
            "encoding: utf-16-le")
    (folder / "a.csv").write_bytes(text.encode("utf-16-be"))
    refused("UTF-16 without a mark", folder, experiment(numbers()), 3, "encoding: utf-16-be")
    (folder / "a.csv").write_bytes(text.encode("utf-16-le")[:-1])
    refused("half a character", folder, experiment(numbers(encoding="utf-16-le")), 3,
            "a.csv:5:5: error: this is not UTF-16")
    half = text.replace("ü", "\ud834").encode("utf-16-le", "surrogatepass")
    (folder / "a.csv").write_bytes(half)
    refused("half a pair", folder, experiment(numbers(encoding="utf-16-le")), 3,
            "a.csv:4:9: error: this is not UTF-16")
    (folder / "a.csv").write_bytes(text.replace("ü€", "ü").encode("latin-1") + b"1,\x81,0\n")
    refused("no character", folder, experiment(numbers(encoding="cp1252")), 3,
            "a.csv:6:3: error: this byte is not a character of cp1252")
    refused("no encoding", folder, experiment(numbers(encoding="utf8")), 2, "utf-8")


def test_zstd(folder):
    (folder / "plain.csv").write_text(table(ROWS))
    build = RUNNER.parents[2] / "meson-info/intro-dependencies.json"
    there = "zstd" in build.read_text() if build.exists() else True
    if not shutil.which("zstd"):
        return
    subprocess.run(["zstd", "-qf", "plain.csv", "-o", "a.csv"], cwd=folder, check=True)
    config = experiment(numbers())
    if not there:
        refused("no libzstd", folder, config, 3, "libzstd was not there when this program was built")
        return
    sees("zstd", folder, config, [[float(r[0])] for r in ROWS])
    whole = (folder / "a.csv").read_bytes()
    (folder / "a.csv").write_bytes(whole + whole)  # two frames: the header again is a row
    refused("two frames", folder, config, 3, "row 5, column 'y'")
    for cut in 5, len(whole) // 2, len(whole) - 1:
        (folder / "a.csv").write_bytes(whole[:cut])
        refused(f"cut at {cut}", folder, config, 3, "a.csv", "cut short")
    (folder / "a.csv").write_bytes(whole[:20] + bytes([whole[20] ^ 0x5a]) + whole[21:])
    refused("damaged", folder, config, 3, "a.csv")
    subprocess.run("head -c 400000000 /dev/zero | tr '\\0' 1 | zstd -qf -o a.csv", shell=True,
                   cwd=folder, check=True)
    refused("a bomb", folder, experiment(numbers(memory=64)), 3, "needs more than the 64 MiB")
    (folder / "a.csv").write_bytes(gzip.compress(table(ROWS).encode("utf-16")))
    sees("gzip of UTF-16", folder, config, [[float(r[0])] for r in ROWS])


def test_marks(folder):
    german = [["1.234,5", "1"], ["-12", "0"], ["0,25", "1"], ["1.234.567,125", "0"]]
    want = [[float(r[0].replace(".", "").replace(",", "."))] for r in german]
    (folder / "a.csv").write_text("a;y\n" + "".join(";".join(r) + "\n" for r in german))
    marks = {"separator": ";", "decimal": ",", "thousands": "."}
    sees("1.234,5", folder, experiment(numbers(**marks)), want)
    (folder / "a.csv").write_text('a,y\n"1,234.5",1\n-12,0\n"12,34,567",1\n')
    sees("1,234.5", folder, experiment(numbers(thousands=",")), [[1234.5], [-12], [1234567]])
    (folder / "a.csv").write_text("a;y\n1 234,5;1\n2 000 000;0\n1e3;1\n")
    sees("blanks", folder, experiment(numbers(separator=";", decimal=",", thousands=" ")),
         [[1234.5], [2000000], [1000]])
    (folder / "a.csv").write_text("a;y\n1\u202f234,5;1\n2;0\n")
    sees("narrow blanks", folder, experiment(numbers(separator=";", decimal=",", thousands="\u202f")),
         [[1234.5], [2]])
    (folder / "a.csv").write_text("a;y\n1.000;1\n2.500;0\n-9;0\n")
    sees("integers of a field", folder,
         experiment({"features": [], "fields": ["a"], "target": "y", "missing": ["-9"], **marks},
                    [{"type": "impute", "of": "a", "with": "constant", "value": 7}], "a"),
         [[1000], [2500], [7]])
    for cell in "1.23", "1.2345", ".123", "1,234.5", "1,2,3", "1..234", "1.5e3", "1234.567":
        (folder / "a.csv").write_text(f"a;y\n1,5;1\n{cell};0\n")
        refused(f"{cell} as a number", folder, experiment(numbers(**marks)), 3,
                f"a.csv:3:1: error: row 2, column 'a': '{cell}' is not a number")
    for option, value, says in (("decimal", "", "one character"), ("decimal", ",,", "one character"),
                                ("decimal", "5", "one character"), ("thousands", "12345", "one character"),
                                ("comment", ",", "that is not the separator"),
                                ("comment", "##", "one character")):
        refused(f"{option} {value}", folder, experiment(numbers(**{option: value})), 2, says)
    refused("both", folder, experiment(numbers(decimal=",")), 2, "is the separator too")
    refused("both", folder, experiment(numbers(thousands=".")), 2, "is the decimal mark too")


def test_comments(folder):
    (folder / "a.csv").write_text("# made by hand\n\n  # twice\na,t,y\n1,u,0 # first\n#2,v,1\n"
                                  '3,"#v",1#x\n\n4,w#,0\n')
    config = experiment(numbers(comment="#"))
    refused("a row cut short", folder, config, 3, "a.csv:9:1: error: this row has 2 cells; the first has 3")
    (folder / "a.csv").write_text("# made by hand\n\n  # twice\na,t,y\n1,u,0 # first\n#2,v,1\n"
                                  '3,"#v",1#x\n\n4,w,0')
    sees("comments", folder, config, [[1], [3], [4]])
    refused("without the option", folder, experiment(numbers()), 3, "a.csv:4:")


def test_files(folder):
    parts = folder / "parts"
    parts.mkdir()
    (parts / "b.csv").write_text("a,b,y\n3,4,0\n")
    (parts / "a.csv").write_text("a,b,y\n1,2,0\n11,12,1\n")
    (parts / "c.csv").write_text("y,b,a\n1,6,5\n0,8,7\n")
    (parts / "d.txt").write_text("nothing")
    source = {"file": "parts/*.csv", "target": "y"}
    want = [[1, 2], [11, 12], [3, 4], [5, 6], [7, 8]]
    sees("files in order, columns in any", folder, experiment(source), want)
    (parts / "b.csv").write_text("a,b,y\n3,4,0\n5,x,0\n")
    refused("a bad cell", folder, experiment(source), 3, "parts/b.csv:3:3: error: row 4, column 'b'")
    (parts / "b.csv").write_text("a,b,y\n3,4\n")
    refused("a bad row", folder, experiment(source), 3,
            "parts/b.csv:2:1: error: this row has 2 cells; the first has 3")
    (parts / "b.csv").write_text("a,z,y\n3,4,0\n")
    refused("another column", folder, experiment(source), 3, "parts/b.csv:1:1: error: lacks the column 'b'",
            "parts/a.csv, has it")
    (parts / "b.csv").write_text("a,b,aa,y\n3,4,0,1\n")
    refused("one more", folder, experiment(source), 3, "parts/b.csv:1:5: error: has the column 'aa'")
    (parts / "b.csv").write_text("a,b,y\n")
    sees("no rows in one", folder, experiment(source), want[:2] + want[3:])
    (parts / "b.csv").write_text("")
    refused("an empty one", folder, experiment(source), 3, "parts/b.csv: error: is empty")
    for name in "abc":
        (parts / f"{name}.csv").write_text(f"{ord(name)},2,0\n")
    sees("no header", folder, experiment({**source, "header": False, "target": "c3"}),
         [[97, 2], [98, 2], [99, 2]])
    (parts / "b.csv").write_text("1,2\n")
    refused("no header, another width", folder, experiment({**source, "header": False, "target": "c3"}),
            3, "parts/b.csv:1:1: error: has rows of 2 cells", "have 3")
    refused("no file", folder, experiment({**source, "file": "parts/*.tsv"}), 3, "*.tsv: error: matches no file")
    (folder / "x[1].csv").write_text("a,y\n1,0\n")
    sees("a name that is a pattern too", folder, experiment({**source, "file": "x[1].csv"}), [[1]])


def test_order(folder):
    """Columns in another order, in a second file and in rows to predict."""
    (folder / "a.csv").write_text("a,b,c,k,y\n1,2,3,u,0\n4,5,6,v,1\n1,1,1,u,0\n2,2,2,u,1\n")
    (folder / "new.csv").write_text("k,c,y,a,b\nv,30,1,10,20\nu,60,0,40,50\n")
    config = experiment({"target": "y", "fields": ["k"]})
    del config["data"]["split"]
    config["data"]["train"] = config["data"].pop("source")
    config["data"]["test"] = {**config["data"]["train"], "file": "new.csv"}
    sees("predict", folder, config, [[10, 20, 30], [40, 50, 60]], "--data", "new.csv")
    sees("the second file", folder, config, [[10, 20, 30], [40, 50, 60]])
    config["model"]["seen"]["in"]["x"] = "data.k"
    config["data"]["transforms"] = [{"type": "label_map", "of": "k"}, {"type": "one_hot", "of": "k"}]
    sees("fields", folder, config, [[0, 1], [1, 0]], "--data", "new.csv")
    (folder / "new.csv").write_text("k,c,y,a,bb\nv,30,1,10,20\n")
    refused("another name", folder, config, 3, "do not have the same fields")


def test_types(folder):
    days = ["2026-03-01", "1969-12-31", "", "2024-02-29T12:30:15.5", "2024-02-29 12:30+02:00",
            "0001-01-01", "9999-12-31T23:59:59Z"]
    names = ["sepal.length", "0", "member", "seen", "y"]
    rows = [[f"{i}", f"{i}.5", ["yes", "No", "T", "0", "", "TRUE", "off"][i], d, 0] for i, d in enumerate(days)]
    with open(folder / "a.csv", "w", newline="") as f:
        csv.writer(f).writerows([names, *rows])
    fields = {"sepal.length": "category", "0": "number", "member": "bool", "seen": "date"}
    source = {"target": "y", "features": [], "fields": fields}
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)

    def day(text):
        t = datetime.datetime.fromisoformat(text.replace("Z", "+00:00").replace("15.5", "15.500000"))
        t = t if t.tzinfo else t.replace(tzinfo=datetime.timezone.utc)
        return (t - epoch) / datetime.timedelta(days=1)

    want = [day(d) if d else -1 for d in days]
    fill = [{"type": "impute", "of": "seen", "with": "constant", "value": -1},
            {"type": "impute", "of": "member", "with": "constant", "value": 0.5}]
    sees("dates", folder, experiment(source, fill, "seen"), [[d] for d in want])
    for text in "2026-02-29", "2026-13-01", "01.02.2026", "2026-3-1", "2026-03-01T24:00", "2026-03-01x", \
            "2026-03-01T10", "soon":
        (folder / "b.csv").write_text(f"seen,y\n2026-01-01,0\n{text},1\n")
        refused(f"{text} as a date", folder,
                experiment({"file": "b.csv", "target": "y", "features": [], "fields": {"seen": "date"}}, [], "seen"),
                3, f"b.csv:3:1: error: row 2, column 'seen': '{text}' is not a date")
    sees("truth", folder, experiment(source, fill, "member"), [[1], [0], [1], [0], [0.5], [1], [0]])
    sees("a number under the name 0", folder, experiment(source, fill, "0"),
         [[i + 0.5] for i in range(7)])
    hot = [{"type": "label_map", "of": "sepal.length"}, {"type": "one_hot", "of": "sepal.length"}]
    joined = {"type": "concat", "of": "sepal.length", "as": "s"}
    sees("numbers as categories", folder, experiment(source, [*fill, *hot, joined], "s"), np.eye(7))
    (folder / "b.csv").write_text("m,n,y\nyes,1.5,0\nperhaps,2,1\n")
    for name, word, says in (("m", "bool", "b.csv:3:1: error: row 2, column 'm': 'perhaps' is not true or false"),
                             ("n", "integer", "b.csv:2:5: error: row 1, column 'n': '1.5' is not an integer"),
                             ("m", "number", "b.csv:2:1: error: row 1, column 'm': 'yes' is not a number")):
        refused(f"{name} as {word}", folder,
                experiment({"file": "b.csv", "target": "y", "features": [], "fields": {name: word}}, [], name), 3, says)
    refused("no type", folder, experiment({**source, "fields": {"0": "numbr"}}), 2, "did you mean 'number'?")
    refused("no column", folder, experiment({**source, "fields": {"sepal.width": "number"}}), 2,
            "has no column 'sepal.width'")
    # text is of variable size
    ids = [{"type": "characters", "of": "n", "length": 3, "vocabulary": 200}, {"type": "scale", "of": "n", "factor": 1}]
    sees("text", folder, experiment({"file": "b.csv", "target": "y", "features": [], "fields": {"n": "text"}}, ids, "n"),
         predicted_ids(folder))
    # several inputs of a model
    (folder / "b.csv").write_text("u1,v,u2,y\n1,2,3,0\n4,5,6,1\n")
    config = experiment({"file": "b.csv", "target": "y", "features": [], "fields": {"u*": "number", "v": "number"}},
                        [{"type": "concat", "of": "u*", "as": "u"}, {"type": "concat", "of": "v", "as": "w"}])
    config["model"]["seen"] = {"type": "sequential", "in": {"x": "data.u", "y": "data.w"},
                               "layers": [{"type": "concat", "from": ["y"]},
                                          {"type": "add", "input": "x", "from": ["y"]},
                                          {"type": "concat", "from": ["concat1"]}]}
    sees("several inputs", folder, config, [[3, 5, 1, 3, 2], [9, 11, 4, 6, 5]])
    config["model"]["seen"]["layers"][0]["from"] = ["z"]
    refused("an input that is not bound", folder, config, 2, "no earlier layer is named 'z'")


def predicted_ids(folder):
    """As `texts` of old reads it."""
    ids = [{"type": "characters", "of": "n", "length": 3, "vocabulary": 200}, {"type": "scale", "of": "n", "factor": 1}]
    run(folder, experiment({"file": "b.csv", "target": "y", "features": [], "texts": ["n"]}, ids, "n"))
    return predicted(folder)


def test_kept_exactly(folder):
    """Numbers are kept as short decimals where they are such: check prints them with all digits.
    The oracle is Python's float."""
    rng = random.Random(3)
    forms = [lambda: f"{rng.gauss(0, 3):.{rng.randrange(8)}f}", lambda: str(rng.randrange(-2**62, 2**62)),
             lambda: repr(rng.gauss(0, 1)), lambda: f"{rng.gauss(0, 1):.4e}", lambda: f".{rng.randrange(1000)}",
             lambda: f"{rng.randrange(10**15)}.{rng.randrange(100):02}", lambda: f"+{rng.randrange(300)}.",
             lambda: str(2**53 + rng.randrange(-1, 4)), lambda: f"-0.{rng.randrange(10**7):07}"]
    columns = []
    for i in range(120):
        same = [rng.choice(forms)] if i % 3 else forms
        columns.append([rng.choice(same)() for _ in range(8)])
    rows = [[c[(r + r // 9) % 8] for c in columns] for r in range(72)]
    (folder / "a.csv").write_text(",".join([f"k{i}" for i in range(120)] + ["y"]) + "\n" +
                                  "".join(",".join([*r, str(i % 2)]) + "\n" for i, r in enumerate(rows)))
    r = run(folder, experiment({"target": "y"}), ("check", "--json"))
    got = {c["name"]: c for c in json.loads(r.out)["columns"]}
    for i in range(120):
        want = {float(t) for t in columns[i]}
        check.equal(f"column {i}: {columns[i]}", {v["value"] for v in got[f"k{i}"]["top"]}, want)
        check.equal(f"column {i}: all rows", got[f"k{i}"]["rows"] - got[f"k{i}"]["missing"], 72)


def test_windows(folder):
    """More than one window of the file, and more than one segment of rows, whose columns need more bytes
    from one to the next; line ends in quotes, comments and characters of several bytes lie across windows."""
    rng = random.Random(5)
    rows = [[f"{rng.gauss(0, 10 ** (r // 3000)):.3f}" if rng.random() > 0.01 else "", rng.choice("ab"),
             rng.randrange(12), str(r % 3)] for r in range(12000)]
    for end, name in ("\n", "LF"), ("\r\n", "CRLF"), ("\r", "CR"):
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator=end)
        writer.writerow(["a", "t", "long", "y"])
        for i, r in enumerate(rows):
            writer.writerow([*r[:2], ("ü€" + end) * r[2], r[3]])
            text.write("# " + "ü" * (i % 50) + end if i % 100 == 0 else "")
        (folder / "a.csv").write_bytes(text.getvalue().encode())
        source = {"features": ["a"], "target": "y", "comment": "#"}
        sees(f"{name}: numbers", folder,
             experiment(source, [{"type": "impute", "of": "x", "with": "constant", "value": 7}], batch=4096),
             [[float(r[0] or 7)] for r in rows])
        config = experiment({**source, "fields": ["t"]},
                            [{"type": "impute", "of": "x"},
                             {"type": "label_map", "of": "t", "classes": ["a", "b"]},
                             {"type": "one_hot", "of": "t", "classes": 2}], "t", batch=4096)
        sees(f"{name}: text", folder, config, [[float(r[1] == "a"), float(r[1] == "b")] for r in rows])
        place = text.getvalue().encode().rindex(b",b,")
        whole = (folder / "a.csv").read_bytes()
        (folder / "a.csv").write_bytes(whole[:place] + b"\xff" + whole[place:])
        refused(f"{name}: a byte in the last window", folder, experiment(source), 3, "byte ff is not UTF-8")
        (folder / "a.csv").write_bytes(whole + b"x,a,,1" + end.encode() + b"1,a,1" + end.encode())
        refused(f"{name}: a short row", folder, experiment(source), 3, "this row has 3 cells; the first has 4")
        (folder / "a.csv").write_bytes(whole + b"x,a,,1" + end.encode())
        refused(f"{name}: a word", folder, experiment(source), 3, "row 12001, column 'a': 'x' is not a number")


for test in (test_kept_exactly, test_windows, test_encodings, test_zstd, test_marks, test_comments, test_files, test_order, test_types):
    with Scratch(IN_MEMORY) as scratch:
        test(scratch)
check.done()
