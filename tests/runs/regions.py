# SPDX-License-Identifier: Apache-2.0
"""Whole runs with compiled and interpreted regions: the same weights to the bit, whatever
the compiler, the cache and the neighbours do."""
import concurrent.futures
import os
import re
import shutil

from harness import ROOT, Checks, Scratch, runner

CONFIG = f"""
name: digits
seed: 1
data:
  source:
    type: idx
    images: {ROOT}/datasets/digits-images.idx3.gz
    labels: {ROOT}/datasets/digits-labels.idx1.gz
  split: {{kind: stratified, by: label, val: 0.1, test: 0.2, seed: 7}}
  transforms:
    - {{type: scale, of: image, factor: 0.0625}}
  batch: 50
model:
  type: sequential
  in: {{x: data.image}}
  layers:
    - {{type: flatten}}
    - {{type: dense, units: 30}}
    - {{type: batch_norm}}
    - {{type: gelu}}
    - {{type: dropout, p: 0.1}}
    - {{type: dense, units: 10}}
loss: {{type: focal, gamma: 1.5}}
metrics: [accuracy]
optimizer: {{type: adamw, lr: 0.003}}
schedule: cosine
train: {{steps: 40}}
"""

c = Checks()


def train(folder, name, device, cache=None, **env):
    """The hash of what the run kept."""
    if cache:
        env["XDG_CACHE_HOME"] = str(cache)
    overrides = [f"device.{k}={v}" for k, v in device.items()]
    r = runner(folder / "run.yaml", *overrides, f"output={folder}/{name}", env=env)
    if not c.equal(f"{name}: exit code", r.code, 0):
        print(r.err)
        return None
    r = runner("verify", folder / name / "digits" / "latest")
    found = re.findall(r"sha256=([0-9a-f]{64})", r.out)
    c.ok(f"{name}: verify prints a hash", found, r.out)
    return found[-1] if found else None


def entries(cache):
    folder = cache / "runner" / "regions"
    return sorted(folder.iterdir()) if folder.is_dir() else []


with Scratch() as folder:
    (folder / "run.yaml").write_text(CONFIG)
    want = train(folder, "interpreted", {"type": "cpu", "generate": "off"},
                 folder / "unused")
    c.equal("nothing is compiled when off", entries(folder / "unused"), [])

    have_compiler = any(shutil.which(n) for n in ("cc", "gcc", "clang"))
    cache = folder / "cache of mine"
    cache.mkdir()
    got = train(folder, "waited", {"type": "cpu", "generate": "wait"}, cache)
    c.equal("compiled before the first step", got, want)
    files = entries(cache)
    if have_compiler:
        c.ok("the cache holds regions and nothing else",
             files and all(f.suffix == ".so" for f in files), str(files))
        c.equal("the folder is the user's alone",
                (cache / "runner" / "regions").stat().st_mode & 0o777, 0o700)
    else:
        print("SKIP: no C compiler, so regions are interpreted in all that follows")
    got = train(folder, "hit", {"type": "cpu", "generate": "auto"}, cache)
    c.equal("from the cache", got, want)
    c.equal("a hit adds nothing", entries(cache), files)

    got = train(folder, "late", {"type": "async_fake", "generate": "wait"}, cache)
    c.equal("on async_fake", got, want)
    c.equal("which shares the cache", entries(cache), files)
    for isa in ("base", "v3"):
        r = runner(folder / "run.yaml", f"device.isa={isa}", "device.type=cpu",
                   "train.steps=1", f"output={folder}/probe")
        if r.code:
            print(f"SKIP: this processor has no {isa}")
            continue
        exact = {"type": "cpu", "deterministic": "threads", "isa": isa}
        one = train(folder, f"{isa} off", exact | {"generate": "off"}, cache)
        for threads in (1, 2):
            got = train(folder, f"{isa} {threads}",
                        exact | {"generate": "wait", "threads": threads}, cache)
            c.equal(f"{isa}, {threads} threads, own products", got, one)

    for f in files:
        f.write_bytes(f.read_bytes()[:500])
    got = train(folder, "torn", {"type": "cpu", "generate": "wait"}, cache)
    c.equal("a torn cache", got, want)
    c.ok("is made anew", all(f.stat().st_size > 500 for f in files))
    got = train(folder, "nowhere", {"type": "cpu", "generate": "wait"},
                TMPDIR=str(folder), HOME=str(folder / "nobody"))
    c.equal("no folder for a cache", got, want)
    c.ok("and no temporary one is left",
         not [f for f in folder.iterdir() if f.name.startswith("runner-")])
    got = train(folder, "no compiler", {"type": "cpu", "generate": "wait"},
                folder / "unused", PATH="/nowhere")
    c.equal("no compiler", got, want)
    c.equal("nothing compiled, nothing cached", entries(folder / "unused"), [])

    two = folder / "two"
    two.mkdir()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = [pool.submit(train, folder, f"at once {i}",
                            {"type": "cpu", "generate": "wait"}, two) for i in range(2)]
        for i, r in enumerate(runs):
            c.equal(f"two runs at once, {i}", r.result(), want)
    c.equal("and one set of files", [f.name for f in entries(two)],
            [f.name for f in files])

    r = runner(folder / "run.yaml", "device.type=cpu", "device.compiler=/no/cc",
               f"output={folder}/wrong")
    c.equal("a compiler that is not there: exit code", r.code, 2)
    c.within("and what is said", r.err, "there is no such compiler")
    c.ok("nobody made a home", not (folder / "nobody").exists())
c.done()
