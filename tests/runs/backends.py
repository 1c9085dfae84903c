# SPDX-License-Identifier: Apache-2.0
"""The quickstart on each backend: async_fake gives the bits of cpu, reference agrees within
rounding, null plans and runs."""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

QUICKSTART = ROOT / "configs/quickstart.yaml"


def run(top, device, *args):
    r = runner(QUICKSTART, f"output={top}/{device}", f"device={device}", *args)
    return r, folder_of(r)


c = Checks()
with Scratch() as top:
    # The whole quickstart, as a new user runs it.
    r, cpu = run(top, "cpu")
    c.equal("cpu: exit", r.code, 0)
    r, fake = run(top, "async_fake")
    c.equal("async_fake: exit", r.code, 0)
    c.equal("async_fake: the bits of cpu", verified(fake), verified(cpu))
    got, want = datasets(fake / "run.h5"), datasets(cpu / "run.h5")
    c.equal("async_fake: the record differs in",
            [k for k in difference(got, want) if not k.startswith("@")
             and k != "notes/resolved"], [])

    # Five steps: further on, rounding is amplified by training itself.
    few = ["~train.epochs", "train.steps=5", "train.log_every=1", "schedule=null",
           "optimizer={type: sgd, lr: 0.01}", "data.batch=64", "hooks=null"]
    r, cpu = run(top, "cpu", *few)
    r, reference = run(top, "reference", *few)
    c.equal("reference: exit", r.code, 0)
    a, b = variables(cpu), variables(reference)
    c.equal("reference: the same variables", sorted(a), sorted(b))
    for name in a:
        if a[name].dtype == np.float32:
            far = float(np.max(np.abs(a[name] - b[name]), initial=0))
            c.ok(f"reference: {name}", far <= 2e-5, f"  {far}")
    for name in ("train/loss", "train/gradient_norm", "val/loss", "test/loss"):
        x, y = series(cpu, name)[1], series(reference, name)[1]
        c.ok(f"reference: {name}", np.allclose(x, y, rtol=2e-4, atol=1e-5), f"{x}\n{y}")
    c.ok("it learns", series(cpu, "train/loss")[1][-1] < series(cpu, "train/loss")[1][0])

    r, null = run(top, "null", "train.epochs=1")
    c.equal("null: exit", r.code, 0)
    c.equal("null: all steps", verified(null)[0], 40)
    # A mean over no weight is no number; what needs no mean stays 0.
    c.ok("null: computes nothing",
         all(not np.nan_to_num(series(null, s)[1]).any()
             for s in ("train/loss", "val/loss", "train/gradient_norm")))
c.done()
