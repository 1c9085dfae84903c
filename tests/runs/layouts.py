# SPDX-License-Identifier: Apache-2.0
"""How images lie: chosen by time or by rule, the same numbers within rounding, written
into the record and taken from there again, never a matter of who looks."""
import os
import gzip
import pathlib
import re
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch, sanitized  # noqa: E402

# Everything that a layout meets: windows, norms, sums of branches, concatenation,
# broadcasts from pooled channels, a flatten and a dense layer behind it.
LAYERS = """
    - {type: conv2d, channels: 16, kernel: 3, padding: same, bias: false, name: a}
    - {type: batch_norm}
    - {type: relu, name: b}
    - {type: conv2d, channels: 16, kernel: 3, padding: same, input: b, name: c}
    - {type: add, from: [b, c]}
    - {type: max_pool2d, kernel: 2, name: d}
    - {type: conv2d, channels: 32, kernel: 3, padding: same, stride: 2}
    - {type: relu}
    - {type: avg_pool2d, kernel: 2}
    - {type: flatten}
    - {type: dense, units: 10}
"""
STEPS = ["~train.epochs", "train.steps=6", "train.log_every=1", "schedule=null",
         "optimizer={type: sgd, lr: 0.05}", "data.batch=32", "hooks=null"]

# Networks of the bench with images as small as they may be: (shape, batch).
ROWS = {"cnn": ((28, 28), 64), "lenet": ((28, 28), 64), "resnet20": ((28, 28), 64),
        "resnet18": ((3, 32, 32), 64), "airbench": ((3, 32, 32), 64),
        "resnet50": ((3, 64, 64), 8)}
CONFIGS = ["resnet", "resnet-cifar", "fashion-mnist-cnn", "lenet"]
if sanitized():
    print("SKIP: layouts of large networks take minutes under a sanitizer")
    ROWS, CONFIGS = {k: ROWS[k] for k in ("cnn", "lenet", "resnet20")}, CONFIGS[2:]

c = Checks()


def idx(path, array):
    with gzip.open(path, "wb", compresslevel=1) as f:
        f.write(bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes())
        f.write(array.astype(np.uint8).tobytes())


def cheapest(name, path, *args, env=None):
    """No layout is cheaper: so the plan says, and what the older search, class after
    class, finds is not."""
    r = runner("plan", path, "--kernels", *args, env=env)
    if not c.equal(f"{name}: exit", r.code, 0):
        print(r.err)
    said = re.findall(r"^images: (\d+) classes, ([\d.]+) ms as timed, (.*); one class "
                      r"after the other: ([\d.]+) ms$", r.out, re.M)
    c.ok(f"{name}: it has a choice", said, r.out)
    for classes, ms, how, improved in said:
        c.equal(f"{name}: exact", how, "the least there is")
        c.ok(f"{name}: not dearer", 0 < float(ms) <= float(improved), (ms, improved))


def plan(path, *args, env=None):
    r = runner("plan", path, "--kernels", *args, env=env)
    c.equal("plan: exit", r.code, 0)
    return [dict(zip(("op", "shape"), m)) for m in
            re.findall(r"^ *\d+ (\S+) .*?(\[[0-9,]*\])  ", r.out, re.M)]


def blocked(nodes, op):
    return [n["shape"].count(",") == 4 for n in nodes if n["op"] == op]


def f32_under_bf16(top):
    """Winograd of f32 under bf16, as a cache says that it is fastest."""
    wide = top / "wide.yaml"
    wide.write_text(path.read_text().replace(LAYERS, """
    - {type: conv2d, channels: 128, kernel: 3, padding: same}
    - {type: relu}
    - {type: conv2d, channels: 128, kernel: 3, padding: same}
    - {type: relu}
    - {type: flatten}
    - {type: dense, units: 10}
"""))

    def run_wide(name, device, cache):
        r = runner(wide, f"output={top}/{name}", f"device={device}", *STEPS,
                   "train.steps=2", "data.batch=8", "precision=bf16",
                   env={"XDG_CACHE_HOME": str(top / cache)})
        c.equal(f"{name}: exit", r.code, 0)
        return folder_of(r)

    def letters(folder):
        return {x.split("\t")[1] for x in (folder / "kernels.txt").read_text().splitlines()
                if " bf16" in x and "128,128,3,3" in x}

    first = run_wide("wide", "{type: cpu}", "wide-cache")
    answers = next((top / "wide-cache/runner/kernels").iterdir())
    answers.write_text(re.sub(
        r"(?m)^(conv2d\S* bf16.*128,128,3,3.* \| 16,16\t).\t\d+\t.*$",
        r"\1w\t1000\t-", answers.read_text()))
    won = run_wide("wide-w", "{type: cpu}", "wide-cache")
    r = runner("plan", wide, "--kernels", "data.batch=8", "precision=bf16",
               "device={type: cpu}", env={"XDG_CACHE_HOME": str(top / "wide-cache")})
    kernels = dict(re.findall(r"^ *\d+ (conv2d\S*) +onednn (\S+) ", r.out, re.M))
    if " bf16" not in answers.read_text() or "\tw\t1000\t" not in answers.read_text():
        print("SKIP: f32 kernels under bf16: no kernel of bf16 was timed")
    else:
        c.ok("bf16: f32 kernels, forward and both gradients", len(kernels) == 3 and
             not any("bf16" in k for k in kernels.values()), kernels)
        c.ok("bf16: the record says so", "w" in letters(won), letters(won))
        strict = run_wide("wide-s", "{type: cpu, numerics: strict}", "wide-cache")
        c.ok("bf16: strict has none", letters(strict) and "w" not in letters(strict))
    plain = run_wide("wide-r", "{type: cpu, deterministic: threads}", "none")
    for other in (first, won):
        for s in ("train/loss", "test/loss"):
            x, y = series(plain, s)[1], series(other, s)[1]
            c.ok(f"bf16, {other.name}: {s}", np.allclose(x, y, rtol=0.02), f"{x}\n{y}")
        a, b = variables(plain), variables(other)
        for v in a:
            if a[v].dtype == np.float32:
                far = float(np.max(np.abs(a[v] - b[v]), initial=0))
                c.ok(f"bf16, {other.name}: {v}", far <= 5e-3, f"  {far}")


with Scratch() as top:
    base = (ROOT / "configs/quickstart.yaml").read_text()
    head = re.sub(r"(?ms)^model:.*?(?=^\S|\Z)", "", base)
    path = top / "net.yaml"
    path.write_text(head.replace("../", f"{ROOT}/").replace("datasets/", f"{ROOT}/datasets/")
                    .replace(f"{ROOT}/{ROOT}/", f"{ROOT}/") +
                    "\nmodel:\n  type: sequential\n  in: {x: data.image}\n  layers:" + LAYERS)
    cache = top / "cache"
    cache.mkdir()
    env = {"XDG_CACHE_HOME": str(cache)}

    cheapest("this network", path, "device={type: cpu, tune: off}", env=env)
    stand_in(top)
    for name, (shape, batch) in ROWS.items():
        folder = top / name
        folder.mkdir()
        rng = np.random.default_rng(1)
        idx(folder / "train-images-idx3-ubyte.gz", rng.integers(0, 256, (batch, *shape)))
        idx(folder / "train-labels-idx1-ubyte.gz", np.arange(batch) % 10)
        for kind in ("f32", "bf16"):
            cheapest(f"{name}, {kind}", ROOT / f"bench/rows/{name}.yaml",
                     "device={type: cpu, tune: off}", f"precision={kind}",
                     f"data.batch={batch}", env=env | {"BENCH_DATA": str(folder)})
    for name in CONFIGS:
        cheapest(f"{name}.yaml", ROOT / f"configs/{name}.yaml",
                 "device={type: cpu, tune: off}", "data.split.val=100",
                 env=env | {"FASHION_MNIST": str(top)})

    said = {}

    def run(name, device, *args, env=env):
        r = runner(path, f"output={top}/{name}", f"device={device}", *STEPS, *args, env=env)
        c.equal(f"{name}: exit", r.code, 0)
        if r.code:
            print(r.err)
        said[name] = r.err
        return folder_of(r)

    # By rule: blocks wherever channels allow it.
    nodes = plan(path, "device={type: cpu, tune: off}", env=env)
    kinds = blocked(nodes, "conv2d") + blocked(nodes, "batch_norm")
    if os.environ.get("RUNNER_ISA") == "base":
        print("SKIP: layouts by rule: without AVX2 there are no blocked kernels")
        c.done()
    c.ok("by rule: images are blocked", kinds and all(kinds), str(nodes))
    c.ok("and stay so from node to node",
         sum(n["op"] == "transpose" for n in nodes) <= 3, nodes)
    nodes = plan(path, "device={type: cpu, tune: off}", "precision=bf16", env=env)
    kinds = blocked(nodes, "conv2d") + blocked(nodes, "batch_norm")
    c.ok("in bf16 too, from the first one on", kinds and all(kinds), nodes)
    c.ok("without own products nothing is blocked", not any(
        n["shape"].count(",") == 4 for n in
        plan(path, "device={type: cpu, deterministic: threads}", env=env)))
    c.ok("nothing was timed", not (cache / "runner/kernels").exists())

    rule = run("rule", "{type: cpu, tune: off}")
    again = run("again", "{type: cpu, tune: off}")
    c.equal("by rule: the same bits twice", verified(again), verified(rule))
    c.equal("by rule: so says the record", (rule / "kernels.txt").read_text(), "rule\n")
    timed = run("timed", "{type: cpu}")
    known = sorted((cache / "runner/kernels").iterdir())
    c.equal("timed: one machine, one file", len(known), 1)
    lines = (timed / "kernels.txt").read_text().splitlines()
    c.ok("timed: the record says what was chosen", len(lines) >= 9 and all(
        re.fullmatch(r"conv2d\S* .* \| \d+,\d+\t[dwo]\t[1-9]\d*\t([1-9]\d*|[?-])", x) for x in lines), lines)
    before = known[0].read_bytes()
    warm = run("warm", "{type: cpu}")
    c.equal("from the cache: the same bits", verified(warm), verified(timed))
    c.equal("nothing is timed again", known[0].read_bytes(), before)
    c.equal("who waits is told why, the first time only",
            [n for n in said if "timing the kernels" in said[n]], ["timed"])
    late = run("late", "{type: async_fake}")
    c.equal("async_fake: the same bits", verified(late), verified(timed))

    # The same numbers as the definition, however images lie.
    plain = run("plain", "reference")
    for name, other in (("rule", rule), ("timed", timed)):
        a, b = variables(plain), variables(other)
        for v in a:
            if a[v].dtype == np.float32:
                far = float(np.max(np.abs(a[v] - b[v]), initial=0))
                c.ok(f"{name}: {v}", far <= 5e-5, f"  {far}")
        for s in ("train/loss", "val/loss", "test/loss"):
            x, y = series(plain, s)[1], series(other, s)[1]
            c.ok(f"{name}: {s}", np.allclose(x, y, rtol=5e-4, atol=1e-5), f"{x}\n{y}")

    short = run("short", "{type: cpu}", "precision=bf16")
    plain = run("plain16", "reference", "precision=bf16")
    for s in ("train/loss", "val/loss", "test/loss"):
        x, y = series(plain, s)[1], series(short, s)[1]
        c.ok(f"bf16: {s}", np.allclose(x, y, rtol=0.02), f"{x}\n{y}")

    if re.search(r"^flags\s*:.*\b(avx512_bf16|amx_bf16)\b",
                 pathlib.Path("/proc/cpuinfo").read_text(), re.M):
        f32_under_bf16(top)
    else:
        print("SKIP: f32 kernels under bf16: this processor has no products of bf16")

    # Who looks changes nothing.
    seen = run("seen", "{type: cpu}", "hooks=[{type: inspect, every: 1st}]")
    c.equal("looked into: the same bits", verified(seen)[2], verified(timed)[2])

    # The record decides for those who go on, whatever this machine says today. Here
    # its times are turned round: what was slow is fast.
    def turned(text):
        out = []
        for x in text.splitlines():
            key, choice, ns, walk = x.split("\t")
            out.append(f"{key}\t{choice}\t{max(1, 10**12 // int(ns))}\t{walk}")
        return "\n".join(out) + "\n"
    known[0].write_text(turned(known[0].read_text()))
    mine = run("half", "{type: cpu}", "train.steps=3", env=env | {"XDG_CACHE_HOME": str(top / "new")})
    chosen = (mine / "kernels.txt").read_text()
    r = runner("resume", mine, "train.steps=6", env=env)
    c.equal("resumed: exit", r.code, 0)
    c.equal("resumed: keeps its kernels", (mine / "kernels.txt").read_text(), chosen)
    whole = run("whole", "{type: cpu}", env=env | {"XDG_CACHE_HOME": str(top / "new")})
    c.equal("resumed: the bits of the run that was not stopped",
            verified(mine)[2], verified(whole)[2])

    # A cache that is damaged is no reason to stop.
    known[0].write_bytes(b"\0\xff garbage\tq\n" + before[: len(before) // 2])
    torn = run("torn", "{type: cpu}")
    c.ok("a damaged cache: it trains", np.isfinite(series(torn, "train/loss")[1]).all())
    lost = run("lost", "{type: cpu}", env={"XDG_CACHE_HOME": "/nowhere/at/all"})
    c.equal("nowhere to keep times: by rule", verified(lost)[2], verified(rule)[2])
    r = runner("resume", lost, "train.steps=7", env=env)
    c.equal("and so when it goes on elsewhere", ((lost / "kernels.txt").read_text(), r.code),
            ("rule\n", 0))
c.done()
