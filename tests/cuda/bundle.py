# SPDX-License-Identifier: Apache-2.0
"""A bundle runs from wherever it lies, with an empty environment, with nothing of the
machine's userland: bundle.py RUNNER BUILD."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from harness import Checks, ROOT, Scratch, sanitized

build = sys.argv[2]
FEW = ["train.steps=3", "~train.epochs", "hooks=null"]


def run(*args, **more):
    p = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, text=True,
                       stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **more)
    return p.returncode, p.stdout


c = Checks()
if sanitized(sys.argv[1]):
    print("SKIP: a sanitizer's library wants to be loaded first, and /proc")
    sys.exit(0)
with Scratch() as top:
    code, text = run(sys.executable, ROOT / "bench/bundle/make.py", build, top / "first",
                     "--no-cuda")
    c.equal("bundle: exit", (code, text if code else ""), (0, ""))
    code, text = run(sys.executable, ROOT / "bench/bundle/make.py", build, top / "first")
    c.ok("a folder that is in use is left alone", code != 0 and "not empty" in text, text)
    b = top / "second place"
    (top / "first").rename(b)
    (top / "work").mkdir()
    (top / "link").symlink_to(b / "runner")
    alone = {"env": {"GOMP_SPINCOUNT": "0"}, "cwd": top / "work"}

    code, text = run(b / "runner", "doctor", "--json", **alone)
    c.equal("doctor: exit", code, 0)
    said = json.loads(text) if code == 0 else {"plugins": "", "refused": [1]}
    c.ok("its own plugins", said["plugins"].startswith(str(b.resolve())), said)
    c.equal("all of them open", said["refused"], [])
    c.ok("the driver is not in it", not list(b.rglob("libcuda.so*")))
    code, text = run(top / "link", b / "configs/quickstart.yaml", *FEW, **alone)
    c.equal("trains through a link", (code, "" if code == 0 else text), (0, ""))

    # The loader finds everything inside.
    loader = next((b / "bin").glob("ld-linux*"))
    elfs = [b / "bin/runner", b / "bin/ops", *b.rglob("plugins/*/*.so")]
    outside = set()
    for elf in elfs:
        code, text = run(loader, "--library-path", b / "lib", "--list", elf, **alone)
        outside |= {m for m in re.findall(r"=> (/.*) \(0x", text)
                    if not m.startswith(str(b))}
    c.ok("there is something to look at", len(elfs) > 40, len(elfs))
    c.equal("libraries of the machine", sorted(outside), [])

    code, text = run(b / "check-gpu", top / "out", **{**alone, "env": dict(os.environ)})
    if code == 4:
        c.within("check-gpu says why it cannot", text, "cannot use the cuda backend")
    else:
        c.equal("check-gpu", (code, text if code else ""), (0, ""))

    # Nothing else: a root folder with the bundle alone, and /proc.
    root = top / "root"
    (root / "proc").mkdir(parents=True)
    (root / "tmp").mkdir()
    shutil.move(b, root / "b")
    inside = ["/b/bin/" + loader.name, "--library-path", "/b/lib", "/b/bin/runner",
              "/b/configs/quickstart.yaml", *FEW, "output=/tmp/runs"]
    words = " ".join(f"'{w}'" for w in inside)
    code, text = run("unshare", "-m", "sh", "-c",
                     f"mount -t proc proc '{root}/proc' || exit 77; "
                     f"exec chroot '{root}' {words}", env={"PATH": os.environ["PATH"]})
    if code in (1, 77) and not (root / "tmp/runs").exists():
        print(f"SKIP: an empty root folder: {text.strip().splitlines()[-1:]}")
    else:
        c.equal("in an empty root folder", (code, "" if code == 0 else text), (0, ""))
        c.ok("and it recorded", list((root / "tmp/runs").rglob("run.h5")))
c.done()
