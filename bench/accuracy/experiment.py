# SPDX-License-Identifier: Apache-2.0
"""What a peer needs of one of runner's experiments: its resolved YAML, the split that
runner stored, and the samples of each part, transformed as the file says."""
import csv
import gzip
import pathlib
import subprocess

import h5py
import numpy as np
import yaml

# What the fields are called that a network does not read.
LABELS = ("label", "target", "letter", "next")
TREE = pathlib.Path(__file__).resolve().parents[2]


def run(runner, config, work, overrides):
    """A training run with its folder under `work`; what it printed on stdout."""
    work.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([runner, config, "--progress", "none", *overrides], cwd=work,
                          capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{config}: runner ends with {done.returncode}\n{done.stderr}")
    return done.stdout


class Experiment:
    """One step of runner leaves the split and the resolved file; both are read here."""

    def __init__(self, runner, name, work, overrides=()):
        config = TREE / "configs" / f"{name}.yaml"
        run(runner, config, work, ["output=split", "~train.epochs", "train.steps=1",
                                   *overrides])
        folder = work / "split" / self.run_name(config) / "latest"
        self.name = name
        self.yaml = yaml.safe_load((folder / "resolved.yaml").read_text())
        self.epochs = yaml.safe_load(config.read_text())["train"]["epochs"]
        with h5py.File(next((folder / "checkpoints").glob("step-*.h5"))) as f:
            self.split = read_split(f["blobs/split"][...].tobytes().decode())
        x, y = self.samples()
        self.parts = {}
        fit = self.split["train"]
        x, y = self.transform(x, y, fit)
        for part, rows in self.split.items():
            self.parts[part] = (x[rows], y[rows])

    @staticmethod
    def run_name(config):
        return yaml.safe_load(config.read_text())["name"]

    @property
    def is_regression(self):
        return self.yaml["loss"]["type"] in ("mse", "huber")

    def samples(self):
        """All rows of all sources, in the order of the split's ids."""
        data = self.yaml["data"]
        tables = [read_source(data[k]) for k in ("source", "train", "val", "test")
                  if isinstance(data.get(k), dict)]
        return (np.concatenate([t[0] for t in tables]),
                np.concatenate([t[1] for t in tables]))

    def transform(self, x, y, fit):
        for t in self.yaml["data"].get("transforms", []):
            of_label = t["of"][0] in LABELS
            one = y if of_label else x
            if t["type"] == "label_map":
                one = np.unique(one, return_inverse=True)[1]
            elif t["type"] == "pad":
                border = t["padding"][0] if isinstance(t["padding"], list) else t["padding"]
                one = np.pad(one, [(0, 0)] * (one.ndim - 2) + 2 * [2 * (border,)])
            elif t["type"] == "scale":
                one = one.astype(np.float64) * float(t.get("factor", 1.0 / 255.0))
            else:
                axis = None if t["per"] == "all" else 0
                one = one.astype(np.float64)
                one = (one - one[fit].mean(axis)) / one[fit].std(axis)
            if of_label:
                y = one
            else:
                x = one
        if x.dtype != np.int32:  # those are tokens
            x = x.astype(np.float32)
        return x, y.astype(np.float32 if self.is_regression
                                              else np.int64)


def read_split(text):
    words = text.split()
    at, parts = 5, {}
    while at < len(words):
        name, count = words[at], int(words[at + 1])
        parts[name] = np.array(words[at + 2:at + 2 + count], dtype=np.int64)
        at += 2 + count
    return parts


def read_source(source):
    if source["type"] == "idx":
        return read_idx(source["images"])[:, None], read_idx(source["labels"])
    if source["type"] == "text":
        return read_text(source)
    with open(source["file"], newline="") as f:
        rows = list(csv.reader(f))
    at = rows[0].index(source["target"])
    target = np.array([row.pop(at) for row in rows[1:]])
    if np.char.isalpha(target).all():
        return np.array(rows[1:], dtype=np.float64), target
    return np.array(rows[1:], dtype=np.float64), target.astype(np.float64)


def read_text(source):
    text = pathlib.Path(source["file"]).read_text()
    number = {c: i for i, c in enumerate(sorted(set(text)))}
    codes = np.array([number[c] for c in text], np.int32)
    window = source["window"]
    starts = np.arange(0, len(codes) - window, source.get("stride", window))
    at = starts[:, None] + np.arange(window)
    return codes[at], codes[at + 1]


def read_idx(path):
    raw = gzip.open(path).read()
    shape = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)
