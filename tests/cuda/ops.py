# SPDX-License-Identifier: Apache-2.0
"""ops.py OPS REFERENCE EMULATED NVRTC CACHE GOLDEN FOLDS CPU [all]: the operator suite on
the emulated device, threads walked forwards with the libraries, backwards without (all:
each order with and without); the numbers that PyTorch gave; regions that end with
reductions; then texts that were generated on the way, with kernels of the tree, through
NVRTC: every eighth region, all of plugins and the kernels for f32, for sm_90 (all: every
text and every kernel, for sm_80 too; that takes minutes)."""
import os
import pathlib
import re
import subprocess
import sys

sys.argv[1:], words = [], sys.argv[1:]
from harness import Checks  # noqa: E402

ops, reference, emulated, nvrtc, cache, golden, folds, cpu, *every = words
WAYS = [[], ["order=backwards", "libraries=off"]]
if every:
    WAYS += [["order=backwards"], ["libraries=off"]]


def run(*args):
    env = {**os.environ, "XDG_CACHE_HOME": cache + "/xdg"}
    p = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       env=env)
    return p.returncode, p.stdout


def numbers(text):
    m = re.search(r"^(\d+) passed, (\d+) failed$", text, re.M)
    return (int(m[1]), int(m[2])) if m else (0, 0)


c = Checks()
pathlib.Path(cache, "xdg").mkdir(parents=True, exist_ok=True)
code, text = run(ops, "test", reference, *(w for way in WAYS for w in [emulated, *way]))
c.ok(f"every operator, {len(WAYS)} ways", code == 0 and numbers(text)[0] > 4000, text[-3000:])
print("operators:", *numbers(text))
code, text = run(ops, "golden", "golden=" + golden, reference, emulated)
c.ok("numbers by PyTorch", code == 0 and numbers(text)[0] > 1000, text[-3000:])
code, text = run(folds, cpu, emulated)
c.ok("regions that end with reductions", code == 0 and numbers(text)[0] > 100, text[-3000:])

# Each generated kernel once, whatever text it came with.
kernels = {}
for path in sorted(pathlib.Path(cache).glob("*.cu")):
    for part in re.split(r"^(?=struct region_|#undef RUNNER_KERNEL)", path.read_text(),
                         flags=re.M):
        m = re.match(r"struct (region_\w+)_args|#undef.*\n.*KERNEL\((custom_\w+)", part)
        if m:
            name = m[1] or m[2]
            c.ok(f"{name} is one text", kernels.setdefault(name, part) == part)
c.ok("there are generated kernels", len(kernels) > 200, str(len(kernels)))
c.ok("and one of a plugin", [k for k in kernels if k.startswith("custom_")])
chosen = [k for i, k in enumerate(sorted(kernels))
          if every or i % 8 == 0 or k.startswith("custom_")]
chips = ["80", "90"] if every else []
texts = pathlib.Path(cache, "texts.txt")
texts.write_text("".join(kernels[k] for k in chosen))
if b"__asan_init" in pathlib.Path(emulated).read_bytes():
    text = "SKIP: NVRTC compiles the same texts in a build without sanitizers\n"
else:
    code, text = run(nvrtc, str(texts), *chips)
print(text, end="")
if not text.startswith("SKIP"):
    c.ok("these kernels compile", code == 0 and numbers(text)[0] > max(4, len(chosen) * len(chips)),
         text[-3000:])
c.done()
