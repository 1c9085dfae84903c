#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write letters.csv and opticks.txt from Debian's packages r-cran-mlbench and
golang-1.19-src, unpacked (dpkg-deb -x) in the folder that is given:

    datasets/make_debian.py FOLDER

README.md says whose they are. Needs `rdata` from PyPI. The same versions give the same
bytes."""
import csv
import pathlib
import sys

import rdata

HERE = pathlib.Path(__file__).parent
FROM = pathlib.Path(sys.argv[1])

letters = rdata.read_rda(FROM / "usr/lib/R/site-library/mlbench/data/"
                                "LetterRecognition.rda")["LetterRecognition"]
with open(HERE / "letters.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\n")
    names = [n.replace(".", "_") for n in letters.columns[1:]]
    out.writerow([*names, "letter"])
    for row in letters.itertuples(index=False):
        out.writerow([*(int(v) for v in row[1:]), row[0]])

# Behind the transcribers' names, which the README gives: from the title to the end.
text = (FROM / "usr/share/go-1.19/src/testdata/Isaac.Newton-Opticks.txt").read_text()
text = text[text.index("OPTICKS:"):].rstrip("\n") + "\n"
(HERE / "opticks.txt").write_text(text)
