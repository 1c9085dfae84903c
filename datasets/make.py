#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the data sets of this folder from scikit-learn's copies. README.md says whose
they are. The same versions give the same bytes."""
import csv
import gzip
import pathlib
import struct

import numpy
from sklearn import datasets

HERE = pathlib.Path(__file__).parent


def idx(name, array):
    """u8 array as a gzipped IDX file without time stamp."""
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim)
    head += struct.pack(f">{array.ndim}I", *array.shape)
    body = head + array.astype(numpy.uint8).tobytes()
    (HERE / name).write_bytes(gzip.compress(body, 9, mtime=0))


def table(name, header, rows):
    with open(HERE / name, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)


digits = datasets.load_digits()
idx("digits-images.idx3.gz", digits.images)
idx("digits-labels.idx1.gz", digits.target)

diabetes = datasets.load_diabetes(scaled=False)
table("diabetes.csv", list(diabetes.feature_names) + ["target"],
      [[f"{v:.9g}" for v in [*x, y]] for x, y in zip(diabetes.data, diabetes.target)])

cancer = datasets.load_breast_cancer()
table("breast_cancer.csv",
      [n.replace(" ", "_") for n in cancer.feature_names] + ["label"],
      [[f"{v:.9g}" for v in x] + [str(y)]
       for x, y in zip(cancer.data, cancer.target)])
