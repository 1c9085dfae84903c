# SPDX-License-Identifier: Apache-2.0
"""What a run opens: the plugins that the experiment names and no other, as the dynamic
linker itself reports; nothing of oneDNN without the backend that uses it, and HDF5, which
brings thirty libraries along, only where a file of it is read or written."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, RUNNER, Scratch  # noqa: E402

EXPERIMENT = """
name: opened
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.1, test: 0.2, seed: 7}
  batch: 32
model: {type: mlp, in: {x: data.image}, hidden: [16], outputs: 10}
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: adam, lr: 0.003}
train: {steps: 2}
"""
ALWAYS = {"source/idx", "transform/scale", "model/mlp", "loss/cross_entropy",
          "metric/accuracy", "optimizer/adam", "init/random", "init/constant"}


def opened(scratch, *args):
    """(result, plugins as KIND/FILE, file names of all objects) that the linker opened."""
    log = scratch / "linker"
    for old in scratch.glob("linker.*"):
        old.unlink()
    r = runner(*args, cwd=scratch, env={"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": str(log)})
    text = "".join(p.read_text(errors="replace") for p in scratch.glob("linker.*"))
    paths = {pathlib.Path(p) for p in re.findall(r"calling init: (/.*)", text)}
    plugins = {f"{p.parent.name}/{p.stem}" for p in paths
               if p.parent.parent.name == "plugins"}
    return r, plugins, {p.name for p in paths}


def main():
    c = Checks()
    with Scratch() as scratch:
        path = config(scratch, EXPERIMENT)
        r, plugins, files = opened(scratch, path)
        if not files:
            print("SKIP: this dynamic linker does not tell what it opens (LD_DEBUG)")
            sys.exit(0)
        c.equal("exit code", r.code, 0)
        c.equal("the plugins of the experiment", plugins, ALWAYS | {"backend/cpu"})
        hdf5 = [f for f in files if f.startswith("libhdf5")]
        c.equal("a run writes HDF5", len(hdf5), 1)
        for args in (("plan", path), ("--version",), ("plugin", "list"), (scratch / "no.yaml",)):
            r, plugins, files = opened(scratch, *args)
            c.ok(f"{args[0]}: no HDF5", files and not files & set(hdf5), files)

        r, plugins, files = opened(scratch, path, "device=reference")
        c.equal("another backend", plugins, ALWAYS | {"backend/reference"})
        c.ok("no oneDNN, no OpenMP without the cpu",
             not [f for f in files if f.startswith(("libdnnl", "libgomp"))], files)

        r, plugins, files = opened(scratch, path, "device=reference",
                                   "optimizer={type: sgd, lr: 0.1}", "loss=focal")
        c.equal("a swapped component", plugins,
                ALWAYS - {"optimizer/adam", "loss/cross_entropy"} |
                {"optimizer/sgd", "loss/focal", "backend/reference"})

        r, plugins, files = opened(scratch, path, "loss=foca")
        c.equal("a wrong name", r.code, 2 if "did you mean" in r.err else 4)
        c.ok("does not open the near one", "loss/focal" not in plugins, plugins)
        for args in (["plugin", "list"], ["config", path], ["schema"], ["help"]):
            r, plugins, files = opened(scratch, *args)
            c.equal(f"{args[0]}: exit code", r.code, 0)
            c.equal(f"{args[0]} opens none", plugins, set())
    c.done()


main()
