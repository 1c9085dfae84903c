# SPDX-License-Identifier: Apache-2.0
"""ops.py OPS REFERENCE EMULATED NVRTC CACHE GOLDEN FOLDS CPU COMPILER [all]: the operator suite on
the emulated device, threads walked forwards with the libraries, backwards without (all:
each order with and without); the numbers that PyTorch gave; regions that end with
reductions; then texts that were generated on the way, with kernels of the tree, through
NVRTC: every eighth region, all of plugins and the kernels for f32, for sm_90 (all: every
text and every kernel, for sm_80 too; that takes minutes)."""
import os
import pathlib
import re
import shlex
import subprocess
import sys

sys.argv[1:], words = [], sys.argv[1:]
from harness import Checks, sanitized  # noqa: E402

ops, reference, emulated, nvrtc, cache, golden, folds, cpu, compiler, *every = words
compiler = shlex.split(compiler)
WAYS = [[], ["order=backwards", "libraries=off"]]
if every:
    WAYS += [["order=backwards"], ["libraries=off"]]


def run(*args, env=None):
    env = {**os.environ, "XDG_CACHE_HOME": cache + "/xdg", **(env or {})}
    p = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       env=env)
    return p.returncode, p.stdout


def numbers(text):
    m = re.search(r"^(\d+) passed, (\d+) failed$", text, re.M)
    return (int(m[1]), int(m[2])) if m else (0, 0)


# A text that is a kernel, or a kernel of a plugin.
PARTS = re.compile(r"^(?=struct region_|#undef RUNNER_KERNEL)", re.M)


def kernels_of(text):
    """(name, text) of each kernel of a generated text."""
    for part in PARTS.split(text):
        m = re.match(r"struct (region_\w+)_args|#undef.*\n.*KERNEL\((custom_\w+)", part)
        if m:
            yield m[1] or m[2], part


def compile_together():
    """All texts that the operators need, each kernel once, as one shared object under the
    texts' names. One after the other they take six times as long."""
    for args in ([ops, "compile", reference, *(w for way in WAYS for w in [emulated, *way])],
                 [ops, "golden", "golden=" + golden, reference, emulated],
                 [folds, cpu, emulated]):
        run(*args, env={"EMULATED_COLLECT": "1"})
    texts = {p: p.read_text().split("\n", 1) for p in pathlib.Path(cache).glob("*.so.c")}
    for header in {head for head, _ in texts.values()}:
        mine = {p: text for p, (head, text) in texts.items() if head == header}
        parts = dict(k for text in mine.values() for k in kernels_of(text))
        source = pathlib.Path(cache, f"together-{os.getpid()}.c")
        source.write_text("\n".join([header, *parts.values()]))
        made = source.with_suffix(".so")
        code, text = run(*compiler, "-shared", "-nostdlib", "-o", str(made), str(source), "-lgcc")
        if not c.ok("kernels compile together", code == 0, text[-3000:]):
            continue
        for p, text in mine.items():
            p.with_suffix(".cu").write_text(text)
            link = p.with_suffix(f".{os.getpid()}")
            os.link(made, link)
            link.rename(p.with_suffix(""))
            p.unlink()


c = Checks()
pathlib.Path(cache, "xdg").mkdir(parents=True, exist_ok=True)
compile_together()
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
    for name, part in kernels_of(path.read_text()):
        c.ok(f"{name} is one text", kernels.setdefault(name, part) == part)
c.ok("there are generated kernels", len(kernels) > 200, str(len(kernels)))
c.ok("and one of a plugin", [k for k in kernels if k.startswith("custom_")])
chosen = [k for i, k in enumerate(sorted(kernels))
          if every or i % 8 == 0 or k.startswith("custom_")]
chips = ["80", "90"] if every else []
texts = pathlib.Path(cache, "texts.txt")
texts.write_text("".join(kernels[k] for k in chosen))
if sanitized(emulated):
    text = "SKIP: NVRTC compiles the same texts in a build without sanitizers\n"
else:
    code, text = run(nvrtc, str(texts), *chips)
print(text, end="")
if not text.startswith("SKIP"):
    c.ok("these kernels compile", code == 0 and numbers(text)[0] > max(4, len(chosen) * len(chips)),
         text[-3000:])
c.done()
