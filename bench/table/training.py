# SPDX-License-Identifier: Apache-2.0
"""A row of whole training steps: runner and its peers, the rounds interleaved, beside
what the machine can do at that moment."""
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

from table import gpu, setup
from table.peer import Peer, Unfit
from table.rows import TRAINING
from table.setup import BENCH, say

CHECK_STEPS = 4


class Failed(Exception):
    """A row that cannot be measured, or must not be; the text says why."""


class Kind:
    """The fastest of a peer's variants. What was tried is in `tried`."""

    def __init__(self, o, name, row, spec, script, environments):
        self.name, self.tried, self.found = name, [], None
        spec = dict(spec, kind=name, variant=None)
        environments = dict(environments)
        known = Known(o, f"{row} {name} {o.threads}")
        if o.quick and known.fits(environments):
            self.variant, self.environment = known.choice
            self.found = known.date
            say(f"  {name}: {self.variant}, {self.environment}, the fastest on "
                f"{self.found}")
        else:
            self.search(o, script, spec, environments)
            if not o.quick:
                known.keep(self.variant, self.environment)
        # One variant in one process: nothing else takes its memory.
        self.peer = Peer(o, script, dict(spec, variant=self.variant),
                         environments[self.environment])
        if self.peer.variants != [self.variant]:
            raise Unfit(f"it knows no variant '{self.variant}' any more; a run without "
                        "--quick finds another")
        self.parameters = self.peer.parameters
        self.again = self.peer.ask(0, seconds=0.0, most=1)["first_step"]
        self.check = self.peer.ask(0, check=CHECK_STEPS)["losses"]
        self.peer.ask(0, seconds=0.1)
        self.compiled = max((t["first_step"] for t in self.tried), default=self.again)

    def search(self, o, script, spec, environments):
        """All variants in the first environment, the fastest in the others."""
        word, *others = environments
        peer, best = Peer(o, script, spec, environments[word]), None
        for i, variant in enumerate(peer.variants):
            try:
                ms = self.try_one(o, peer, i, word)
            except Unfit as e:
                say(f"SKIP: {self.name} {variant}: {e}")
                if i + 1 < len(peer.variants):
                    peer = Peer(o, script, spec, environments[word])
                continue
            if best is None or ms < best[0]:
                best = (ms, variant, word)
        if best is None:
            raise Unfit("no variant of it runs")
        peer.close()
        for word in [] if o.quick else others:
            peer = Peer(o, script, dict(spec, variant=best[1]), environments[word])
            ms = self.try_one(o, peer, 0, word)
            if ms < best[0]:
                best = (ms, best[1], word)
            peer.close()
        _, self.variant, self.environment = best

    def try_one(self, o, peer, i, environment):
        first = peer.ask(i, seconds=0.0, most=1)["first_step"]
        ms = peer.ask(i, seconds=min(0.4, o.seconds / 2))["ms"]
        self.tried.append({"variant": peer.variants[i], "environment": environment,
                           "ms": ms, "first_step": first})
        say(f"  {self.name:8}{ms:9.3f} ms  {peer.variants[i]}, {environment}; its first "
            f"step took {first:.1f} s")
        return ms

    def measure(self, seconds):
        return self.peer.ask(0, seconds=seconds)

    def close(self):
        self.peer.close()


class Known:
    """What a full run has found to be fastest, for quick ones."""

    def __init__(self, o, key):
        self.file, self.key = o.cache / "fastest.json", key
        one = self.read().get(key)
        self.choice, self.date = (one[:2], one[2]) if one else (None, None)

    def read(self):
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def fits(self, environments):
        return self.choice is not None and self.choice[1] in environments

    def keep(self, variant, environment):
        every = self.read()
        every[self.key] = [variant, environment, time.strftime("%Y-%m-%d")]
        self.file.write_text(json.dumps(every, indent=1))


# ---------------------------------------------------------------------------- runner

def runner(o, row, words, overrides=(), *, data, generate="wait"):
    """Runs it and gives its output and peak memory. Of overrides the later ones count."""
    device = "device=cuda" if row.device == "cuda" else \
        "device={type: cpu, threads: %d, generate: %s}" % (o.threads, generate)
    command = [o.runner, *words, device,
               *row.set, *overrides, *o.set]
    env = dict(os.environ, BENCH_DATA=str(data))
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env,
                                   stderr=said)
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        words = said.read()
    if process.returncode:
        raise Failed(f"runner ends with {process.returncode}: BENCH_DATA={data} "
                     f"{' '.join(map(str, command))}\n{words}")
    return out, 1024 * usage.ru_maxrss


def measure(o, row, file, folder, seconds, more=()):
    out, rss = runner(o, row, ["bench", file, "--json", "--seconds", str(seconds)], more,
                      data=folder)
    return dict(json.loads(out), rss=rss)


def first_weights(o, row, file, check, work):
    """Runs runner on one batch: weights before the first step, and some losses."""
    words = ["train", file, "--progress", "none"]
    common = ["~train.epochs", "train.log_every=1", f"output={work}"]
    runner(o, row, words, [*common, "name=still", "optimizer.lr=0", "train.steps=1",
                           *row.check], data=check)
    runner(o, row, words, [*common, "name=moving", f"train.steps={CHECK_STEPS}",
                           *row.check], data=check)
    read = [o.python, BENCH / "peers/first.py"]
    subprocess.run([*read, work / "still/latest", "weights", work / "weights.npz"],
                   check=True)
    out = subprocess.run([*read, work / "moving/latest", "losses"], check=True,
                         capture_output=True, text=True).stdout
    return work / "weights.npz", json.loads(out)


# --------------------------------------------------------------------------- the row

def spread(values):
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def summary(values):
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def same(ours, theirs):
    """The largest relative difference of the losses, the first by itself."""
    off = [abs(a - b) / abs(a) for a, b in zip(ours, theirs)]
    return off[0], max(off)


def environments(o, name, row):
    heavy = row.heavy
    if name == "jax":
        return [("XLA", {})]
    if row.device == "cuda":
        return [("CUDA", {})]
    found = list(setup.allocators().items())
    intel = setup.intel_openmp(o.venv)
    if heavy:
        found = [f for f in found if f[0] != "glibc"]
    elif intel:
        found.append(("Intel's OpenMP", dict(found[0][1], **intel)))
    # What the compiled code allocates is little: one allocator will do.
    return found if name == "eager" else found[:1]


def run(o, name):
    """Prints the row; gives what is to be kept, by name, and its last lines."""
    row = gpu.chosen(o, name) if name in gpu.ROWS else TRAINING[name]
    net = row.net or name
    file = BENCH / f"rows/{net.removesuffix('-tiny')}.yaml"
    folder, what = setup.data(row.data, o)
    with tempfile.TemporaryDirectory(prefix="runner-bench-") as work:
        work = pathlib.Path(work)
        setup.cut(o, row, folder, work / "check")
        return run_in(o, name, row, net, file, folder, what, work)


def specification(o, net, row, folder, work, weights, resolved):
    """What a peer is told. It adds which peer it is and, once chosen, its variant."""
    return {"net": row.net or net, "batch": row.batch, "data": row.data,
            "folder": str(folder), "check": str(work / "check"), "weights": str(weights),
            "lean": False, "threads": o.threads, "optimizer": resolved["optimizer"],
            "images": row.images, "heavy": row.heavy, "bf16": row.bf16,
            "few": row.few, "device": row.device, "seed": resolved["seed"],
            "smoothing": resolved["loss"].get("smoothing", 0.0),
            "lookahead": resolved["train"].get("lookahead"),
            "padding": next((a["padding"] for a in resolved.get("augment") or []
                             if "padding" in a), 0)}


def run_in(o, name, row, net, file, folder, what, work):
    weights, losses = first_weights(o, row, file, work / "check", work)
    resolved = json.loads(runner(o, row, ["config", file, "--json"], data=folder)[0])
    plan = json.loads(runner(o, row, ["plan", file, "--json"], data=folder)[0])
    spec = specification(o, net, row, folder, work, weights, resolved)
    say(f"\n{name}: batches of {row.batch}, {plan['parameters']:,} parameters, "
        f"{plan['step_flops'] / 1e6:,.0f} MFLOP a step; {what}")
    kinds = []
    for kind in (k for k in o.peers if k in row.limits):
        try:
            kinds.append(Kind(o, kind, name, spec,
                              "jax_peer.py" if kind == "jax" else "torch_peer.py",
                              environments(o, kind, row)))
        except Unfit as e:
            say(f"SKIP: {name} {kind}: {e}")
    for peer, why in row.missing.items():
        say(f"SKIP: {name} {peer}: {why}")
    for k in kinds:
        compare(k, plan["parameters"], losses)
    sides = {name: ((), row.limits, row.share)}
    sides.update({f"{name}-{word}": side for word, side in row.also.items()})
    ours, theirs, peaks = {s: [] for s in sides}, {k.name: [] for k in kinds}, []
    losses = gpu.curves(o, row, file, folder, work, kinds, runner) if name in gpu.ROWS \
        else None
    limits = gpu.Limits(o, row) if name in gpu.ROWS else None
    for _ in range(min(o.rounds, 3) if row.heavy else o.rounds):
        peaks.append(limits.measure()["flops"] if limits else
                     setup.peak(o.threads, row.bf16))
        for side, (more, *_) in sides.items():
            ours[side].append(measure(o, row, file, folder, o.seconds, more))
        for k in kinds:
            theirs[k.name].append(k.measure(o.seconds))
    for k in [*kinds, *([limits] if limits else [])]:
        k.close()
    say(f"  {'':16} {'ms a step':>32} {'steps':>7} {'peak memory':>12}")
    for who, rounds in [*ours.items(), *theirs.items()]:
        say(f"  {who:16} {spread([r['ms'] for r in rounds]):>32} "
            f"{sum(r['steps'] for r in rounds):>7} "
            f"{max(r['rss'] for r in rounds) / 2**20:>8.0f} MiB")
    for k in kinds:
        say(f"  {k.name}: {k.variant}, {k.environment}" +
            ("" if k.name == "eager" else f"; compiling took {k.compiled:.1f} s, "
             f"{k.again:.1f} s with what it had cached"))
    kept, lines = {}, []
    for side, (_, limits, share) in sides.items():
        kept[side], last = report(side, row.batch, plan, kinds, ours[side], theirs, peaks,
                                  limits, share)
        lines += last
    if losses:
        kept[name]["losses"] = losses
    return kept, lines


def compare(k, parameters, losses):
    if k.parameters != parameters:
        raise Failed(f"{k.name} has {k.parameters} parameters, runner {parameters}")
    if k.check is None:
        say(f"  {k.name}: losses not compared, as it would be compiled anew without "
            "dropout")
        return
    first, later = same(losses, k.check)
    say(f"  {k.name}: {k.parameters:,} parameters; from the same weights on one batch "
        f"the losses differ by {first:.1e}, over {len(losses)} steps by {later:.1e}")
    if first > 1e-4 or later > 3e-2:
        raise Failed(f"this is not the same network and optimizer: runner {losses}, "
                     f"{k.name} {k.check}")


def report(name, batch, plan, kinds, ours, theirs, peaks, limits, goal):
    share = [plan["step_flops"] / (1e-3 * a["ms"]) / p for a, p in zip(ours, peaks)]
    wait = statistics.median(r["data_wait"] for r in ours)
    say(f"  {name} waits for data {100 * wait:.2f} % of the time, owns "
        f"{ours[0]['memory'] / 2**20:.1f} MiB, does "
        f"{100 * statistics.median(share):.0f} % of the "
        f"{statistics.median(peaks) / 1e9:.0f} GFLOP/s that " + (
            "PyTorch's products of large matrices reached" if name in gpu.ROWS else
            "the probe reached"))
    kept = {"parameters": plan["parameters"], "step_flops": plan["step_flops"],
            "batch": batch, "data_wait": wait, "memory": ours[0]["memory"],
            "peak_flops": summary(peaks), "share": summary(share), "share_goal": goal,
            "runner": {"ms": summary([r["ms"] for r in ours]),
                       "rss": max(r["rss"] for r in ours)}, "peers": {}}
    lines = []
    for k in kinds:
        ratios = [b["ms"] / a["ms"] for a, b in zip(ours, theirs[k.name])]
        say(f"  {name} {k.name}: ratio {spread(ratios)}")
        lines.append(f"{name} {k.name} ratio={statistics.median(ratios):.2f} "
                     f"limit={limits[k.name]}")
        kept["peers"][k.name] = {
            "ratio": summary(ratios), "limit": limits[k.name], "variant": k.variant,
            "environment": k.environment, "tried": k.tried,
            "compiling_s": None if k.name == "eager" else [k.compiled, k.again],
            "ms": summary([r["ms"] for r in theirs[k.name]]),
            "device_bytes": theirs[k.name][-1]["device_bytes"],
            "rss": max(r["rss"] for r in theirs[k.name])}
    if goal:
        lines.append(f"{name} machine ratio={statistics.median(share):.2f} limit={goal}")
    return kept, lines
