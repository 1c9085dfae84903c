#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The source text_files: texts in folders, archives and by a table; encodings; what it refuses."""
import io
import re
import tarfile

import numpy as np
import yaml

from harness import Checks, Scratch, latest, runner

check = Checks()
TEXTS = {"dog/1.txt": "a dog barks", "cat/b.TXT": "the cat purrs", "cat/a.txt": "Überall Katzen",
         "dog/2.md": "\ufeffthe dog", "cat/deep/c.text": "", ".hidden/x.txt": "no", "dog/notes.csv": "no"}
ORDER = ["cat/a.txt", "cat/b.TXT", "cat/deep/c.text", "dog/1.txt", "dog/2.md"]  # by the bytes of names
WIDTH = 20
REST = {"model": {"type": "mlp", "hidden": [], "outputs": 2}, "loss": "cross_entropy", "optimizer": "adam",
        "train": {"epochs": 1}}


def put(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def prepared(folder, source, code=0):
    """(texts, labels) that the source gives, or what it says."""
    data = {"source": {"type": "text_files", **source}, "split": {"kind": "position"}, "batch": 1,
            "transforms": [{"type": "pad_sequence", "of": "text", "length": WIDTH}]}
    (folder / "e.yaml").write_text(yaml.safe_dump({**REST, "data": data}))
    (folder / "out.npz").unlink(missing_ok=True)
    r = runner("prepare", "e.yaml", "--out", "out.npz", cwd=folder)
    check.equal(f"exit code {source}", r.code, code) or print(r.err)
    if code:
        return r.err
    with np.load(folder / "out.npz") as f:
        texts = [bytes(row.astype(np.uint8)).rstrip(b"\0").decode() for row in f["train/text"]]
        return texts, f["train/label"].tolist() if "train/label" in f else None, r.err


def wanted(names=ORDER):
    return ([TEXTS[n].removeprefix("\ufeff")[:WIDTH] for n in names],
            [int(n.startswith("dog")) for n in names])


def test_places(folder):
    put(folder / "set", TEXTS)
    texts, labels, err = prepared(folder, {"files": "set"})
    check.equal("texts of a folder", (texts, labels), wanted())
    check.within("what it found", err, "set: 5 texts in 2 classes; 1 hidden ignored; 1 other file ignored, as ")
    with tarfile.open(folder / "set.tar.gz", "w:gz") as t:
        t.add(folder / "set", "set")
    if "not built in" not in re.search(r"source/images +archives +(.*)", runner("doctor").out)[1]:
        texts, labels, _ = prepared(folder, {"files": "set.tar.gz"})
        check.equal("texts of an archive", (texts, labels), wanted())
    (folder / "labels.csv").write_text("file,label\ndog/1.txt,0.5\ncat/a.txt,-2\n")
    texts, labels, _ = prepared(folder, {"files": "set", "table": "labels.csv", "label_type": "float"})
    check.equal("by a table", (texts, labels), (wanted(["dog/1.txt", "cat/a.txt"])[0], [0.5, -2.0]))
    texts, labels, _ = prepared(folder, {"files": "set", "classes": ["dog", "cat"]})
    check.equal("classes in the order given", labels, [1 - k for k in wanted()[1]])
    texts, labels, _ = prepared(folder, {"files": "set", "labels": "none"})
    check.equal("without labels", (texts, labels), (wanted()[0], None))
    put(folder / "keys", {"1.txt": "one", "1.cls": "b", "2.txt": "two", "2.cls": "a"})
    texts, labels, _ = prepared(folder, {"files": "keys"})
    check.equal("by the members of a key", (texts, labels), (["one", "two"], [1, 0]))


def test_encoding(folder):
    put(folder / "set", {"a/1.txt": "zwölf".encode("latin-1"), "b/1.txt": "x\ny\n\u00e9".encode() + b"\xff!"})
    texts, _, _ = prepared(folder, {"files": "set", "encoding": "latin-1"})
    check.equal("latin-1", texts, ["zwölf", "x\ny\nÃ©ÿ!"])
    put(folder / "set", {"a/1.txt": "good"})
    err = prepared(folder, {"files": "set"}, 3)
    check.within("not UTF-8", err, "set/b/1.txt:3:2: error: data.source: is not UTF-8: byte ff at 6")
    check.within("a hint", err, "`encoding: latin-1` reads every byte as a character")


def test_refused(folder):
    put(folder / "set", {"a/1.txt": "twelve bytes", "b/1.txt": "b"})
    err = prepared(folder, {"files": "set", "max_bytes": 11}, 3)
    check.within("too large", err, "set/a/1.txt: error: data.source: has 12 bytes, and `max_bytes` is 11")
    check.within("not in a folder", prepared(folder, {"files": "set/a"}, 3),
                 "set/a/1.txt: error: is not in a folder that names its class")
    put(folder / "other", {"a/1.pdf": "x"})
    err = prepared(folder, {"files": "other"}, 3)
    check.within("no text", err, "other: error: holds no text")
    check.within("how names end", err, "the names of texts end with .txt, .text or .md; ")
    (folder / "labels.csv").write_text("file,label\na/2.txt,x\n")
    check.within("a table names a file that is not there",
                 prepared(folder, {"files": "set", "table": "labels.csv"}, 3),
                 "labels.csv:2:1: error: there is no text 'a/2.txt' in ")
    put(folder / "keys", {"1.txt": "one", "1.en.txt": "two", "1.cls": "b"})
    err = prepared(folder, {"files": "keys"}, 3)
    check.within("two texts of a key", err, "its key has 2 texts")
    check.within("which one", err, "name the ending of the one to read: `text: input.txt`")
    texts, _, _ = prepared(folder, {"files": "keys", "text": "en.txt"})
    check.equal("the one that is named", texts, ["two"])


def test_training(folder):
    draw = np.random.default_rng(1)
    words = {"cat": ["purr", "mew", "claw"], "dog": ["bark", "howl", "fetch"]}
    for kind, own in words.items():
        put(folder / "set", {f"{kind}/{i:03}.txt": " ".join(draw.choice(["the", "a", "it", *own], 9)) for i in range(60)})
    (folder / "new").mkdir()
    put(folder / "new", {"1.txt": "it will bark and howl", "2.txt": "a purr, a mew"})
    (folder / "e.yaml").write_text("""
name: pets
seed: 1
data:
  source: {type: text_files, files: set}
  split: {kind: stratified, by: label, val: 0.2, test: 0.2}
  transforms:
    - {type: words, of: text, max_size: 50}
    - {type: pad_sequence, of: text, length: 10}
  batch: 16
model:
  type: sequential
  in: {x: data.text}
  layers: [{type: embedding, size: 50, units: 8}, {type: reduce, axes: [1]}, {type: dense, units: 2}]
loss: {type: cross_entropy, in: {label: data.label}}
metrics: {accuracy: {type: accuracy, in: {label: data.label}}}
optimizer: {type: adam, lr: 0.05}
train: {epochs: 10}
""")
    for args in (["check", "e.yaml"], ["split", "e.yaml"], ["e.yaml", "--progress", "none"],
                 ["predict", "runs/pets/latest", "--data", "new", "--out", "out.csv"]):
        r = runner(*args, cwd=folder)
        check.equal(" ".join(args), r.code, 0) or print(r.err)
        if args[0] == "e.yaml":
            check.ok("accuracy", (r.value("test/accuracy") or 0) > 0.9, r.out)
    rows = (folder / "out.csv").read_text().splitlines()
    check.equal("kinds of new texts", [r.split(",")[-1] for r in rows[1:]], ["1", "0"])
    put(folder / "set", {"dog/000.txt": "another text"})
    check.equal("a text was changed", runner("eval", "runs/pets/latest", cwd=folder).code, 3)


for test in (test_places, test_encoding, test_refused, test_training):
    with Scratch() as scratch:
        test(scratch)
check.done()
