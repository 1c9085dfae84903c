# SPDX-License-Identifier: Apache-2.0
"""Matrix products, chosen by time: every kernel gives the definition's numbers, the plan
names it, the record keeps it, and resume takes it from there."""
import pathlib
import re
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

# Products that are worth a choice: 256 rows, 200 to 160 to 160; the last one is not.
NET = """
name: net
data:
  train: {{type: npy, files: {{x: "{0}/x.npy", label: "{0}/label.npy"}}}}
  batch: 256
seed: 1
model: {{type: mlp, in: {{x: data.x}}, hidden: [160, 160], outputs: 10}}
loss: cross_entropy
optimizer: {{type: sgd, lr: 0.1}}
train: {{steps: 6, log_every: 1}}
"""
NAMES = {"m": "onednn", "p": "onednn"}

c = Checks()
with Scratch() as top:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2048, 200), dtype=np.float32)
    np.save(top / "x.npy", x)
    np.save(top / "label.npy", (x @ rng.standard_normal((200, 10))).argmax(1))
    path = top / "net.yaml"
    path.write_text(NET.format(top))
    cache = top / "cache"
    cache.mkdir()
    env = {"XDG_CACHE_HOME": str(cache)}
    cpu = "{type: cpu, threads: 2}"

    def run(name, *args, device=cpu, env=env):
        r = runner(path, f"output={top}/{name}", f"device={device}", *args, env=env)
        c.equal(f"{name}: exit", r.code, 0)
        if r.code:
            print(r.err)
        return folder_of(r)

    def lines(record):
        return [x.split("\t") for x in (record / "kernels.txt").read_text().splitlines()]

    timed = run("timed")
    known = lines(timed)
    kept, = (cache / "runner/kernels").iterdir()
    c.ok("what is worth it was timed: forward, the gradients of weights and of inputs",
         sorted(re.match(r"(linear|matmul threads=2 trans_a=\d) ?", k)[1].split()[-1]
                for k, *_ in known) == ["linear"] * 2 + ["trans_a=0"] + ["trans_a=1"] * 2,
         known)
    c.ok("each by one of its kernels", {x[1] for x in known} <= set("mp"), known)
    text = kept.read_text()

    def choose(letter):
        """As if that kernel had been best everywhere."""
        kept.write_text("".join(f"{k}\t{letter}\t{ns}\t-\n" for k, _, ns, _ in
                                (x.split("\t") for x in text.splitlines())))

    plain = variables(run("plain", device="reference"))
    whole = {}
    for letter, name in NAMES.items():
        choose(letter)
        r = runner("plan", path, "--kernels", f"device={cpu}", env=env)
        named = re.findall(r"^ *\d+ (?:linear|matmul) +(.*?) +\[", r.out, re.M)
        c.ok(f"{letter}: the plan names it", sum(n.startswith(name) for n in named) >= 5, named)
        whole[letter] = run(letter)
        c.equal(f"{letter}: the record has it", {x[1] for x in lines(whole[letter])}, {letter})
        now = variables(whole[letter])
        for v in plain:
            if plain[v].dtype == np.float32:
                far = float(np.max(np.abs(plain[v] - now[v]), initial=0))
                c.ok(f"{letter}: {v}", far <= 2e-5, f"  {far}")
        c.equal(f"{letter}: the same bits again", verified(run(letter + "2")),
                verified(whole[letter]))

    choose("p")
    half = run("half", "train.steps=3")
    choose("m")
    r = runner("resume", half, "train.steps=6", env=env)
    c.equal("resumed: exit", r.code, 0)
    c.equal("resumed: the bits of the run that was not stopped", verified(half)[2],
            verified(whole["p"])[2])

    for device, why in (("{type: cpu, tune: off}", "by rule"),
                        ("{type: cpu, deterministic: threads}", "own products")):
        kernels = run(why.replace(" ", "-"), device=device) / "kernels.txt"
        text = kernels.read_text() if kernels.exists() else ""
        c.ok(f"{why}: what is known here has no say", "\tm\t" not in text, text)
c.done()
