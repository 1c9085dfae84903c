# SPDX-License-Identifier: Apache-2.0
"""What the tests of components share: numbers by name, an experiment run by the real
runner on arrays, and what it left in run.h5 and the checkpoints.

golden.py (which needs PyTorch) uses the same numbers; the tests need numpy and h5py."""
import itertools
import json
import os
import pathlib
import sys
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness  # noqa: E402

# Hundreds of small runs, each of which syncs its files: durability is tested elsewhere.
if harness.IN_MEMORY and "TMPDIR" not in os.environ:
    os.environ["TMPDIR"] = harness.IN_MEMORY

HERE = pathlib.Path(__file__).resolve().parent
HASH_INIT = pathlib.Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None


# ------------------------------------------------------------ numbers by name

def unit(name, count):
    """hash_init.c's unit(): `count` numbers in [0,1), f64."""
    mask = (1 << 64) - 1
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & mask
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * \
            np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) * 2.0 ** -24


def parameter(name, shape, role):
    """What hash_init.c gives to a parameter, f32."""
    count = int(np.prod(shape, dtype=np.int64))
    bound, centre = 0.1, 0.0
    if role == "weight":
        bound = np.sqrt(6.0 / (count / shape[0]))
    elif role == "embedding":
        bound = 1.0
    elif role == "scale":
        centre = 1.0
    return (centre + bound * (2.0 * unit(name, count) - 1.0)).astype(np.float32).reshape(shape)


def numbers(name, shape, low=-1.0, high=1.0):
    """Data by name, f32."""
    count = int(np.prod(shape, dtype=np.int64))
    return (low + (high - low) * unit(name, count)).astype(np.float32).reshape(shape)


def integers(name, shape, below):
    count = int(np.prod(shape, dtype=np.int64))
    return np.floor(unit(name, count) * below).astype(np.int64).reshape(shape)


def brief(x, keep=48):
    """An array as golden files keep it: whole when small, else a part and two sums."""
    x = np.asarray(x, dtype=np.float64)
    flat = x.reshape(-1)
    stride = max(1, -(-flat.size // keep))
    out = {"shape": list(x.shape), "values": [float(f"{v:.9g}") for v in flat[::stride]]}
    if stride > 1:
        out["keep"] = keep
        out["sum"] = float(f"{flat.sum():.9g}")
        out["norm"] = float(f"{np.sqrt((flat * flat).sum()):.9g}")
    return out


def distance(got, want):
    """Largest difference of an array from its golden form, over its size (at least 1e-3):
    shapes that differ are infinitely far."""
    have = brief(got, want.get("keep", 48))
    if have["shape"] != want["shape"]:
        return float("inf")
    a, b = np.array(have["values"]), np.array(want["values"])
    if not np.all(np.isfinite(a)):
        return float("inf")
    size = max(1e-3, float(np.max(np.abs(b), initial=0.0)))
    worst = float(np.max(np.abs(a - b), initial=0.0)) / size
    if "norm" in want:
        worst = max(worst, abs(have["norm"] - want["norm"]) / max(1e-3, want["norm"]),
                    abs(have["sum"] - want["sum"]) / max(1e-3, want["norm"]))
    return worst


def golden(name):
    return json.loads((HERE / "golden" / f"{name}.json").read_text())


# ------------------------------------------------------------------- a run

class Run:
    """An experiment that was run; its scalars and the variables of its checkpoints.
    absent: it was not, for want of a plugin that was deleted."""

    def __init__(self, result, folder, absent=False):
        self.result, self.folder, self.absent = result, folder, absent
        self.code, self.err = result.code, result.err

    def scalars(self, name):
        with h5py.File(self.folder / "run.h5") as f:
            return f["scalars"][name]["value"][:]

    def variables(self, step=None):
        """All variables after `step` steps (default: the last)."""
        files = sorted((self.folder / "checkpoints").glob("step-*.h5"))
        if step is not None:
            files = [self.folder / "checkpoints" / f"step-{step:08d}.h5"]
        with h5py.File(files[-1]) as f:
            return {k: v[()] for k, v in f["variables"].items()}


def fields(folder, prefix, arrays):
    """A source of arrays in memory: .npy files in `folder`."""
    files = {}
    for name, value in arrays.items():
        path = folder / f"{prefix}-{name}.npy"
        np.save(path, value)
        files[name] = str(path)
    return {"type": "npy", "files": files}


_count = itertools.count(1)


def run_all(jobs):
    """run(*arguments, **options) for each pair of jobs, in order; several at a time, as
    most of a small run is waiting for the disk."""
    def attempt(job):
        try:
            return run(*job[0], **job[1])
        except harness.Absent as e:
            print(f"SKIP: {e}")
            return Run(harness.Result(-1, "", str(e)), None, absent=True)

    with ThreadPoolExecutor(4) as pool:
        yield from pool.map(attempt, jobs)


def run(folder, x, train, val=None, steps=1, record_every_step=False, timeout=300):
    """Run experiment `x` on arrays: one batch is the whole of `train`, so that the order
    of rows does not matter. Weights come from hash_init.c unless `x` says otherwise."""
    name = f"e{next(_count)}"
    rows = len(next(iter(train.values())))
    data = {"train": fields(folder, f"{name}-train", train), "batch": rows, "workers": 0}
    if val:
        data["val"] = fields(folder, f"{name}-val", val)
    base = {
        "name": name, "seed": 1, "device": "cpu", "data": data, "plugins": [str(HASH_INIT)],
        "init": {"type": "tests/hash", "match": "rest"},
        "train": {"steps": steps, "log_every": 1, "eval_every": f"{steps}st"},
        "checkpoint": {"every": "1st" if record_every_step else f"{steps}st",
                       "keep": steps + 2},
        "output": str(folder / "runs"),
    }
    for key, value in x.items():
        if isinstance(value, dict) and key in ("train", "data", "checkpoint"):
            base[key].update(value)
        elif value is None:
            base.pop(key, None)
        else:
            base[key] = value
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(base))
    result = harness.runner(path, "--progress", "none", timeout=timeout)
    return Run(result, result.folder())
