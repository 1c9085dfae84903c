#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/text.md is true: its job, from a table with a column of text to a trained network, its
other block of YAML, and what it says of the stored words and merges."""
import re
import shutil

import h5py
import yaml

from harness import ROOT, Checks, Scratch, latest, runner

check = Checks()
page = (ROOT / "docs/text.md").read_text()
blocks = {re.match(r"# (\S+)\.yaml", text).group(1): text
          for text in re.findall(r"^```yaml\n(.*?)^```", page, re.S | re.M)}
NEW = {"a small bird with a long beak": 0, "someone who repairs shoes": 5,
       "the bone of the upper arm": 2, "a soup of cabbage and beets": 3}


def stored(folder, name):
    with h5py.File(latest(folder / "runs", name) / "checkpoints/best.h5"
                   if name == "definitions" else
                   sorted((latest(folder / "runs", name) / "checkpoints").glob("step-*.h5"))[-1]) as f:
        return {k.split(".")[-1]: v[()] for k, v in f["transforms"].items() if k[0] == "1"}


def test_job(folder):
    config = ROOT / "configs/definitions.yaml"
    check.equal("the page has the config", yaml.safe_load(blocks["definitions"]),
                yaml.safe_load(config.read_text()))
    (folder / "new.csv").write_text("\n".join(["definition", *NEW]) + "\n")
    out = ""
    for line in re.search(r"^```sh\n(.*?)^```", page, re.S | re.M)[1].splitlines():
        args = [str(ROOT / a) if a.startswith("configs/") else a for a in line.split("#")[0].split()]
        r = runner(*args[1:], *(["--progress", "none"] if len(args) == 2 else []), cwd=folder)
        check.equal(line, r.code, 0) or print(r.err)
        out += r.out
        if len(args) == 2:
            check.ok("accuracy", (r.value("test/accuracy") or 0) > 0.75, r.out)
    plain = re.sub(r"^```(yaml|sh)\n.*?^```", "", page, flags=re.S | re.M)
    for line in "".join(re.findall(r"^```\n(.*?)^```", plain, re.S | re.M)).splitlines():
        check.within("what is printed", out, line)
    rows = (folder / "kinds.csv").read_text().splitlines()
    check.equal("kinds of new definitions", [int(r.split(",")[-1]) for r in rows[1:]], list(NEW.values()))
    words = bytes(stored(folder, "definitions")["categories"]).split(b"\0")[:-1]
    check.equal("the most frequent word", words[0], b"a")
    check.equal("ids are below max_size", len(words), 3998)


def test_subwords(folder):
    shutil.copy(ROOT / "datasets/definitions/definitions.csv", folder)
    (folder / "subwords.yaml").write_text(blocks["subwords"])
    r = runner("subwords.yaml", "--progress", "none", cwd=folder)
    check.equal("subwords train", r.code, 0) or print(r.err)
    check.ok("their accuracy", (r.value("test/accuracy") or 0) > 0.6, r.out)
    state = stored(folder, "subwords")
    tokens = bytes(state["tokens"]).decode().split("\0")[:-1]
    check.equal("one token for each id", (len(tokens), tokens[0], tokens[188]), (1999, "!", "\u0100"))
    for (a, b), made in zip(state["merges"], tokens[256:]):
        if tokens[a - 1] + tokens[b - 1] != made:
            return check.equal("a merge joins its two", made, tokens[a - 1] + tokens[b - 1])


def test_folder(folder):
    for i in range(80):
        kind = "good" if i % 2 else "poor"
        path = folder / f"reviews/{kind}/{i:04}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"a {kind} book of {i} pages, " + " and ".join(["well" if i % 2 else "badly"] * (1 + i % 5)))
    (folder / "reviews.yaml").write_text(blocks["reviews"])
    r = runner("reviews.yaml", "--progress", "none", cwd=folder)
    check.equal("reviews train", r.code, 0) or print(r.err)
    check.ok("their accuracy", (r.value("test/accuracy") or 0) > 0.9, r.out)


check.equal("blocks", sorted(blocks), ["definitions", "reviews", "subwords"])
for test in (test_job, test_subwords, test_folder):
    with Scratch() as scratch:
        test(scratch)
check.done()
