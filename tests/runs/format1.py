# SPDX-License-Identifier: Apache-2.0
"""Runs whose checkpoints have format 1 (format1_make.py) go on, to the bit: as a straight
run of today, at today's names."""
import pathlib
import shutil
import sys

import h5py

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

FORMAT1 = pathlib.Path(__file__).resolve().parent / "format1"


def stored(top, name):
    """The stored run as if it had been made in `top`."""
    to = top / "old" / name
    shutil.copytree(FORMAT1 / name, to)
    resolved = to / "resolved.yaml"
    resolved.write_text(resolved.read_text().replace("@HERE@", str(top)))
    return to


def same(c, top, name, but=()):
    old = stored(top, name)
    before = verified(old)
    c.equal(f"{name}: verify before", before[0], 9)
    r, straight = train(top / f"{name}.yaml")
    c.equal(f"{name}: straight", r.code, 0)
    r = runner("resume", old, "~train.max_time")
    c.equal(f"{name}: resumed", r.code, 0)
    c.equal(f"{name}: as a straight run", verified(old)[2], verified(straight)[2])
    differ = difference(datasets(old / "run.h5"), datasets(straight / "run.h5"))
    c.equal(f"{name}: run.h5 differs in", [d for d in differ if d not in but], [])
    current = (old / "CURRENT").read_text().split()[0]
    with h5py.File(old / "checkpoints" / f"{current}.h5") as h:
        c.equal(f"{name}: format from now on", int(h.attrs["format"]), 2)
        c.equal(f"{name}: step by name", int(h["state/position"].attrs["step"]),
                int(h.attrs["step"]))
    return old


def fitted(c, top):
    """What was fitted then is used on, in the precision that it has."""
    old = stored(top, "fitted")
    r, straight = train(top / "fitted.yaml")
    r = runner("resume", old, "~train.max_time")
    c.equal("fitted: resumed", (r.code, verified(old)[0]), (0, verified(straight)[0]))
    for name in ("train/loss", "val/loss", "test/loss"):
        (steps, got), (want_steps, want) = series(old, name), series(straight, name)
        c.equal(f"fitted: {name}, steps", steps.tolist(), want_steps.tolist())
        c.ok(f"fitted: {name}, values", abs(got - want).max() < 1e-5, f"{got} {want}")


def changed(c, top):
    """Names are those of the experiment that the checkpoint was written under."""
    old = stored(top, "one")
    r = runner("resume", old, "~train.max_time", "loss=focal")
    c.equal("another loss", (r.code, "checkpoint.best: the metric was configured" in r.err),
            (0, True))
    c.within("another loss: the schedule", r.err, "schedule: it watches val/loss")
    shutil.rmtree(old)
    old = stored(top, "one")
    r = runner("resume", old, "~train.max_time", "train.early_stop.monitor=val/loss")
    c.within("another monitor", r.err, "train.early_stop: it watched another metric")
    c.ok("the best is still compared", "checkpoint.best" not in r.err, r.err)
    shutil.rmtree(old)
    old = stored(top, "one")
    resolved = (old / "resolved.yaml").read_text()
    before = verified(old)
    for key, value in (("data.batch", 48), ("train.accumulate", 2), ("seed", 4)):
        r = runner("resume", old, f"{key}={value}")
        c.equal(f"{key}: refused", r.code, 8)
        c.within(f"{key}: says why", r.err, f"{key} cannot change when a run is resumed")
        c.equal(f"{key}: nothing happened", verified(old), before)
        c.equal(f"{key}: kept", (old / "resolved.yaml").read_text(), resolved)
    shutil.rmtree(old)


c = Checks()
with Scratch() as top:
    shutil.copy(FORMAT1 / "a.csv", top / "a.csv")
    for name in ("one", "two", "fitted"):
        shutil.copy(FORMAT1 / name / "experiment.yaml", top / f"{name}.yaml")
    same(c, top, "one")
    shutil.rmtree(top / "old")
    # The mean of several objectives was another one; rows of then stay as they were.
    old = same(c, top, "two", ("scalars/train/loss/value", "scalars/train/epoch_loss/value"))
    for row, straight in zip(zip(*series(old, "train/loss")),
                             zip(*series(latest(top / "runs", "two"), "train/loss"))):
        if row[0] > 9:
            c.equal(f"two: train/loss at step {row[0]}", row, straight)
    fitted(c, top)
    changed(c, top)
c.done()
