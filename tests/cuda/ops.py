# SPDX-License-Identifier: Apache-2.0
"""ops.py OPS REFERENCE EMULATED NVRTC CACHE GOLDEN FOLDS CPU: the operator suite on the
emulated device, threads walked forwards and backwards, with the libraries and without;
the numbers that PyTorch gave; regions that end with reductions; then every text that was generated on the way, with all kernels of the
tree, through NVRTC for sm_80 and sm_90."""
import os
import pathlib
import re
import subprocess
import sys

sys.argv[1:], words = [], sys.argv[1:]
from harness import Checks  # noqa: E402

ops, reference, emulated, nvrtc, cache, golden, folds, cpu = words


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
code, text = run(ops, "test", reference, emulated, emulated, "order=backwards", emulated,
                 "libraries=off", emulated, "order=backwards", "libraries=off")
c.ok("every operator, four ways", code == 0 and numbers(text)[0] > 4000, text[-3000:])
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
everything = pathlib.Path(cache, "all.txt")
everything.write_text("".join(kernels.values()))
if b"__asan_init" in pathlib.Path(emulated).read_bytes():
    text = "SKIP: NVRTC compiles the same texts in a build without sanitizers\n"
else:
    code, text = run(nvrtc, str(everything), "80", "90")
print(text, end="")
if not text.startswith("SKIP"):
    c.ok("all kernels compile", code == 0 and numbers(text)[0] > 400, text[-3000:])
c.done()
