# SPDX-License-Identifier: Apache-2.0
"""What a run left behind, as numbers that can be compared: run.h5 whole, `verify`. h5py and
numpy are imported where they are used: to load them takes longer than a short run."""
import gzip
import pathlib
import re
import shlex
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import IN_MEMORY, ROOT, latest, runner  # noqa: E402

tempfile.tempdir = IN_MEMORY or tempfile.tempdir

DIGITS = f"""
  source:
    type: idx
    images: {ROOT}/datasets/digits-images.idx3.gz
    labels: {ROOT}/datasets/digits-labels.idx1.gz
  transforms:
    - {{type: scale, of: image, factor: 0.0625}}
"""


def config(folder, text, name="run.yaml"):
    """Write an experiment; DIGITS in it stands for the data section's beginning."""
    path = pathlib.Path(folder) / name
    path.write_text(text.replace("DIGITS", DIGITS.strip("\n")))
    return path


def train(path, *args, **more):
    """Train with records under the config's own folder; the result, the run folder."""
    out = pathlib.Path(path).parent / "runs"
    r = runner(path, f"output={out}", *args, **more)
    return r, folder_of(r)


def folder_of(r):
    """The run folder that the last words name."""
    m = re.search(r"^(?:The record is|What was recorded is) in (.*?)(?: \(run.h5.*)?$",
                  r.err, re.M)
    return pathlib.Path(shlex.split(m.group(1))[0]) if m else None


def stand_in(folder):
    """Files like Fashion-MNIST's, with 600 and 100 images of noise."""
    import numpy as np
    rng = np.random.default_rng(2)
    for name, rows in (("train", 600), ("t10k", 100)):
        images = rng.integers(0, 256, (rows, 28, 28), dtype=np.uint8)
        labels = (np.arange(rows) % 10).astype(np.uint8)
        for kind, rank, a in (("images", 3, images), ("labels", 1, labels)):
            head = bytes([0, 0, 8, rank]) + np.array(a.shape, ">u4").tobytes()
            with gzip.open(folder / f"{name}-{kind}-idx{rank}-ubyte.gz", "wb") as f:
                f.write(head + a.tobytes())


def verified(folder):
    """(step, rows, sha256) as `runner verify` says, or its error text."""
    r = runner("verify", folder)
    m = re.fullmatch(r"step=(-?\d+) rows=(\d+) sha256=([0-9a-f]{64})\n", r.out)
    return (int(m.group(1)), int(m.group(2)), m.group(3)) if m else r.err


def datasets(path):
    """Every dataset of an HDF5 file as (shape, dtype, bytes), every root attribute."""
    import h5py
    import numpy as np

    found = {}

    def take(name, thing):
        if isinstance(thing, h5py.Dataset):
            a = thing[()]
            found[name] = (np.shape(a), str(thing.dtype), np.asarray(a).tobytes())

    with h5py.File(path, "r") as f:
        f.visititems(take)
        found.update({"@" + k: np.asarray(v).tobytes() for k, v in f.attrs.items()})
    return found


def difference(a, b):
    """The names under which two answers of datasets() differ."""
    return sorted(k for k in a.keys() | b.keys() if a.get(k) != b.get(k))


def series(folder, name):
    """(steps, values) of a series in run.h5."""
    import h5py
    with h5py.File(pathlib.Path(folder) / "run.h5", "r") as f:
        for kind in ("scalars", "tensors"):
            if f"{kind}/{name}" in f:
                g = f[f"{kind}/{name}"]
                return g["step"][:], g["value"][:]
    return None


def variables(folder, checkpoint=None):
    """The variables of a checkpoint, the newest by default."""
    import h5py
    folder = pathlib.Path(folder)
    if checkpoint is None:
        checkpoint = (folder / "CURRENT").read_text().split()[0]
    with h5py.File(folder / "checkpoints" / f"{checkpoint}.h5", "r") as f:
        return {k: v[()] for k, v in f["variables"].items()}


__all__ = ["ROOT", "config", "datasets", "difference", "folder_of", "latest", "runner",
           "series", "stand_in", "train", "variables", "verified"]
