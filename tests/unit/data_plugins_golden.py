#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print data_plugins_golden.h: what scikit-learn says of its data sets and of scaled
columns."""
import numpy
from sklearn import datasets, preprocessing


def array(kind, name, values, form):
    body = ", ".join(form.format(v) for v in values)
    print(f"static const {kind} {name}[] = {{{body}}};")


digits = datasets.load_digits()
cancer = datasets.load_breast_cancer()
print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Made by data_plugins_golden.py. */")
array("uint8_t", "digits_first", digits.images[0].ravel().astype(int), "{}")
array("uint8_t", "digits_last", digits.images[-1].ravel().astype(int), "{}")
array("int64_t", "digits_counts", numpy.bincount(digits.target), "{}")
x = cancer.data
array("double", "cancer_standard", preprocessing.StandardScaler().fit_transform(x)[-1], "{:.12g}")
array("double", "cancer_minmax", preprocessing.MinMaxScaler().fit_transform(x)[-1], "{:.12g}")
