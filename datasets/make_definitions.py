#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write definitions/definitions.csv from WordNet 3.0 as Debian's package wordnet-base 1:3.0-37
ships it: definitions of nouns, and what kind of thing each defines (WordNet's lexicographer
file). Called as make_definitions.py [FOLDER], by default /usr/share/wordnet.

Left out: names (a first word with a capital), definitions of fewer than three words, examples
in quotes, and all but the first of equal definitions. Of each kind 600 are drawn."""
import csv
import pathlib
import random
import sys

KINDS = {5: "animal", 6: "artifact", 8: "body", 13: "food", 15: "location", 18: "person",
         20: "plant", 27: "substance"}
EACH = 600
HERE = pathlib.Path(__file__).parent / "definitions"


def entries(file):
    """(kind, definition) of each line of data.noun; format: wndb(5WN)."""
    for line in file.read_text("latin-1").splitlines():
        if line.startswith("  "):  # the licence
            continue
        head, gloss = line.split(" | ", 1)
        fields = head.split(" ")
        text = gloss.split('; "')[0].strip()
        if int(fields[1]) in KINDS and fields[4][0].islower() and len(text.split()) > 2:
            yield KINDS[int(fields[1])], text


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/wordnet")
    seen, by_kind = set(), {}
    for kind, text in entries(folder / "data.noun"):
        if text not in seen:
            by_kind.setdefault(kind, []).append(text)
        seen.add(text)
    draw = random.Random(1)
    rows = [(text, kind) for kind in sorted(by_kind) for text in draw.sample(by_kind[kind], EACH)]
    draw.shuffle(rows)
    HERE.mkdir(exist_ok=True)
    with open(HERE / "definitions.csv", "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(("definition", "kind"))
        out.writerows(rows)


main()
