# SPDX-License-Identifier: Apache-2.0
"""Rows that are not training steps: the optimizer by itself, plugins beside loops by
hand, the start of a process, its memory, the input pipeline."""
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

from table import gpu, setup, training
from table.rows import MEMORY, OTHERS, TRAINING
from table.setup import BENCH, BUILD, TREE, say
from table.peer import Peer, Unfit
from table.training import spread, summary


GOALS = {**OTHERS, **gpu.OTHERS}


def line(name, peer, ratio):
    return f"{name} {peer} ratio={ratio:.2f} limit={GOALS[name][peer]:g}"


def ratios(kept, name, peer, values, text=""):
    """Keeps and prints the ratios of some rounds; gives the last line."""
    kept["peers"][peer] = {"ratio": summary(values), "limit": GOALS[name][peer]}
    say(f"  {peer:14} ratio {spread(values)}{text}")
    return line(name, peer, statistics.median(values))


def regions(o, rounds, *cases):
    out = subprocess.run([BUILD / "bench/regions/bench_regions",
                          BUILD / "plugins/backend/cpu.so", str(o.threads), str(rounds),
                          *cases], capture_output=True, text=True, check=True).stdout
    return [json.loads(one) for one in out.splitlines()]


# ------------------------------------------------------------------------- adamw-*

def adamw(o, name):
    count = {"adamw-10m": 10_000_000, "adamw-100m": 100_000_000}[name]
    say(f"\n{name}: AdamW over one buffer of {count:,} parameters, the update alone")
    peers = {}
    for kind in ("fused", "foreach", "compile", "jax"):
        if {"fused": "eager", "foreach": "eager"}.get(kind, kind) not in o.peers:
            continue
        try:
            spec = {"count": count, "threads": o.threads, "kind": kind}
            peers[kind] = Peer(o, "jax_adamw.py" if kind == "jax" else "torch_adamw.py",
                               spec, setup.allocators()["glibc keeping its pages"])
            first = peers[kind].ask(0, seconds=0.0, most=1)["first_step"]
            if kind in ("compile", "jax"):
                say(f"  {kind}: its first step took {first:.1f} s")
        except Unfit as e:
            peers.pop(kind, None)
            say(f"SKIP: {name} {kind}: {e}")
    ours, theirs = [], {k: [] for k in peers}
    for _ in range(o.rounds):
        ours += regions(o, 3 if count > 20_000_000 else 9, f"adamw:{count}")
        for k, p in peers.items():
            theirs[k].append(p.ask(0, seconds=o.seconds / 2))
    for p in peers.values():
        p.close()
    kept = {"runner": {"ms": summary([r["compiled"] for r in ours])}, "peers": {},
            "share": summary([r["stream_to_compiled"] for r in ours]), "share_goal": 0.95,
            "stream_ms": summary([r["stream"] for r in ours])}
    say(f"  runner         {spread([r['compiled'] for r in ours])} ms, the probe in "
        f"Adam's pattern {spread([r['stream'] for r in ours])} ms: "
        f"{28e-6 * count / statistics.median(r['stream'] for r in ours):.1f} GB/s")
    lines = [ratios(kept, name, k, [t["ms"] / r["compiled"] for t, r in zip(rounds, ours)],
                    f"; {spread([t['ms'] for t in rounds])} ms, peak memory "
                    f"{max(t['rss'] for t in rounds) / 2**20:.0f} MiB")
             for k, rounds in theirs.items()]
    lines.append(ratios(kept, name, "by-hand", [1.0 / r["compiled_to_hand"] for r in ours]))
    lines.append(ratios(kept, name, "machine", [r["stream_to_compiled"] for r in ours]))
    return {name: kept}, lines


# ------------------------------------------------------------------- gpu-adamw-124m

def gpu_adamw(o, name):
    """runner's side is the part `update` of a step of the row gpu-gpt2-124m, node by node;
    it has the gradient's norm in it. The peers' is one buffer of as many parameters."""
    row = gpu.chosen(o, "gpu-gpt2-124m")
    file = BENCH / "rows/gpt2.yaml"
    folder, _ = setup.data(row.data, o)
    plan = json.loads(training.runner(o, row, ["plan", file, "--json"], data=folder)[0])
    count, peers = plan["parameters"], {}
    say(f"\n{name}: AdamW of {count:,} parameters")
    for kind in ("fused", "foreach", "compile", "jax"):
        if {"fused": "eager", "foreach": "eager"}.get(kind, kind) not in o.peers:
            continue
        try:
            spec = {"count": count, "threads": o.threads, "kind": kind,
                    "device": row.device}
            peers[kind] = Peer(o, "jax_adamw.py" if kind == "jax" else "torch_adamw.py",
                               spec, {})
            peers[kind].ask(0, seconds=0.0, most=1)
        except Unfit as e:
            peers.pop(kind, None)
            say(f"SKIP: {name} {kind}: {e}")
    limits = gpu.Limits(o, row)
    ours, theirs, copies = [], {k: [] for k in peers}, []
    for _ in range(o.rounds):
        copies.append(limits.measure()["bytes"])
        out, _ = training.runner(o, row, ["profile", file, "--steps", "5", "--json"],
                                 data=folder)
        ours.append(sum(n["ms"] * n["calls"] for n in json.loads(out)["nodes"]
                        if n["part"] == "update"))
        for k, p in peers.items():
            theirs[k].append(p.ask(0, seconds=o.seconds / 2)["ms"])
    for p in [limits, *peers.values()]:
        p.close()
    # Read: gradient twice, parameter, two moments; written: the last three.
    share = [32e3 * count / ms / b for ms, b in zip(ours, copies)]
    kept = {"runner": {"ms": summary(ours)}, "peers": {}, "share": summary(share),
            "copy_bytes_per_s": summary(copies)}
    say(f"  runner         {spread(ours)} ms: "
        f"{32e-6 * count / statistics.median(ours):.1f} GB/s, "
        f"{100 * statistics.median(share):.0f} % of the "
        f"{1e-9 * statistics.median(copies):.1f} that a copy reached")
    return {name: kept}, [
        ratios(kept, name, k, [t / r for t, r in zip(rounds, ours)],
               f"; {spread(rounds)} ms") for k, rounds in theirs.items()]


# -------------------------------------------------------------------------- plugin

def plugin(o, name):
    say(f"\n{name}: an optimizer and a loss of thirty lines beside loops by hand; "
        "AdamW fits the caches here")
    rounds = [regions(o, 21, "adamw:100000", "focal:1000000") for _ in range(o.rounds)]
    kept, lines = {"peers": {}, "runner": {}}, []
    for i, case in enumerate(("adamw", "focal")):
        ms = [r[i]["compiled"] for r in rounds]
        kept["runner"][f"{case}_ms"] = summary(ms)
        lines.append(ratios(kept, name, f"{case}-by-hand",
                            [1.0 / r[i]["compiled_to_hand"] for r in rounds],
                            f"; {spread(ms)} ms, interpreted "
                            f"{statistics.median(r[i]['interpreted'] for r in rounds):.3f}"))
    return {name: kept}, lines


# --------------------------------------------------------------------------- start

def start(o, name):
    """runner's whole process, which also writes its record; PyTorch's up to its loss."""
    say(f"\n{name}: from the start of the process to a first step done, digits MLP, "
        "files in the page cache")
    digits = [TREE / f"datasets/digits-{x}.gz" for x in ("images.idx3", "labels.idx1")]
    ours, theirs, memory = [], [], [0, 0]
    # In memory: how long a disk takes to sync is not what is asked.
    shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="runner-bench-", dir=shm) as work:
        for i in range(-1, 3 if o.quick else 9):
            began = time.perf_counter()
            _, rss = training.runner(o, TRAINING["mlp"],
                                     ["train", BENCH / "rows/start.yaml", "--progress",
                                      "none"], [f"output={work}"], data=work,
                                     generate="auto")
            one = 1e3 * (time.perf_counter() - began)
            began = time.perf_counter()
            process = subprocess.Popen(
                [o.python, BENCH / "peers/torch_start.py", *digits, str(o.threads)],
                stdout=subprocess.PIPE, env=dict(os.environ, OMP_NUM_THREADS=str(o.threads)))
            process.stdout.readline()
            two = 1e3 * (time.perf_counter() - began)
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = 0
            if i >= 0:
                ours.append(one)
                theirs.append(two)
                memory = [rss, 1024 * usage.ru_maxrss]
    kept = {"runner": {"ms": summary(ours), "rss": memory[0]}, "peers": {}}
    say(f"  runner, until its process has ended: {spread(ours)} ms, "
        f"{memory[0] / 2**20:.0f} MiB")
    lines = [ratios(kept, name, "eager", [b / a for a, b in zip(ours, theirs)],
                    f"; {spread(theirs)} ms, {memory[1] / 2**20:.0f} MiB"),
             ratios(kept, name, "100ms", [100.0 / a for a in ours])]
    return {name: kept}, lines


# -------------------------------------------------------------------------- memory

def memory(o, name):
    """Peak of the process over some steps. PyTorch holds the bytes of the images as
    runner does, in one variant, with the allocator that it comes with."""
    say(f"\n{name}: peak memory of the process in training; ratio: PyTorch's over runner's")
    kept, lines = {"runner": {}, "peers": {}}, []
    for net in MEMORY[:2] if o.quick else MEMORY:
        row = TRAINING[net]
        file, folder = BENCH / f"rows/{row.net or net}.yaml", None
        folder, _ = setup.data(row.data, o)
        with tempfile.TemporaryDirectory(prefix="runner-bench-") as work:
            work = pathlib.Path(work)
            setup.cut(o, row, folder, work / "check")
            weights, _ = training.first_weights(o, row, file, work / "check", work)
            ours = training.measure(o, row, file, folder, 0.3)
            resolved = json.loads(training.runner(o, row, ["config", file, "--json"],
                                                  data=folder)[0])
            spec = training.specification(o, net, row, folder, work, weights, resolved)
            spec.update(kind="eager", lean=True, variant=None)
            peer = Peer(o, "torch_peer.py", spec, {})
            theirs = peer.ask(0, seconds=0.3)
            peer.close()
        kept["runner"][net] = {"rss": ours["rss"], "owns": ours["memory"]}
        lines.append(ratios(kept, name, f"{net}-eager", [theirs["rss"] / ours["rss"]],
                            f"; runner {ours['rss'] / 2**20:.0f} MiB, of which its device "
                            f"{ours['memory'] / 2**20:.0f}; PyTorch "
                            f"{theirs['rss'] / 2**20:.0f}"))
    return {name: kept}, lines


# --------------------------------------------------------------------------- input

LAST = re.compile(r"^(\S+) DataLoader ratio=([\d.]+) limit=([\d.]+)$")
SPREAD = re.compile(r"ratio [\d.]+ \(([\d.]+) to ([\d.]+)\)")


def inputs(o, name):
    """What bench/input measures; its `limit` is the share of memcpy."""
    say(f"\n{name}: batches of images from memory, beside PyTorch's DataLoader; ratio: "
        "samples a second")
    script = BENCH / "input/input.py"
    if not script.exists():
        say("SKIP: input: there is no bench/input/input.py")
        return {}, []
    out = subprocess.run([o.python, script, o.runner, "--rounds",
                          str(1 if o.quick else 3), "--seconds", str(o.seconds / 2)],
                         stdout=subprocess.PIPE, text=True)
    if out.returncode:
        raise training.Failed(f"bench/input ends with {out.returncode}")
    say("\n".join("  " + one for one in out.stdout.splitlines() if not LAST.match(one)))
    low_high = [tuple(map(float, m)) for m in SPREAD.findall(out.stdout)]
    kept, lines = {"runner": {}, "peers": {}}, []
    found = [m.groups() for m in map(LAST.match, out.stdout.splitlines()) if m]
    for (case, ratio, share), (low, high) in zip(found, low_high):
        values = [low, float(ratio), high]
        lines.append(ratios(kept, name, f"dataloader-{case[:5]}", values))
        lines.append(ratios(kept, name, f"memcpy-{case[:5]}", [float(share)]))
    return {name: kept}, lines


# ----------------------------------------------------------------------- csv, check

def files(o, name):
    """What bench/files measures: processor time, everything in processes of their own."""
    say(f"\n{name}: a table of 1,000,000 rows and 50 columns; ratio: processor time")
    tables, profiling = setup.tables(), setup.profiling()
    out = subprocess.run(
        [o.python, BENCH / "files/files.py", o.runner, "--only", name, "--rounds",
         str(o.rounds), "--python", tables, *(["--profiling", profiling] if profiling else [])],
        stdout=subprocess.PIPE, text=True)
    if out.returncode:
        raise training.Failed(f"bench/files ends with {out.returncode}")
    say("\n".join("  " + one for one in out.stdout.splitlines() if not FILES.match(one)))
    kept, lines = {"runner": {}, "peers": {}}, []
    found = [m.groups() for m in map(FILES.match, out.stdout.splitlines()) if m]
    for (peer, ratio), (low, high) in zip(found, SPREAD.findall(out.stdout)):
        lines.append(ratios(kept, name, peer, [float(low), float(ratio), float(high)]))
    return {name: kept}, lines


FILES = re.compile(r"^(?:csv|check) (\S+) ratio=([\d.]+) limit=[\d.]+$")


# ----------------------------------------------------------------------- checkpoint

class Writer:
    """A process that writes a checkpoint each time it is asked, and says how long."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise training.Failed("a process that writes checkpoints has ended")
        return json.loads(line)

    def write(self, how):
        self.process.stdin.write(how + "\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def checkpoint(o, name):
    """Into files of the same folder, in turn; `raw` is runner's time over that of the same
    bytes written and synced. The least of all rounds tells what others on the machine cost."""
    say(f"\n{name}: until it is durable, files in {o.cache}")
    kept, worst = {"runner": {}, "peers": {}}, {}
    for megabytes in (200, 400):
        with tempfile.TemporaryDirectory(prefix="checkpoint-", dir=o.cache) as work:
            ours = Writer(BUILD / "bench/probe/bench_checkpoint", work, str(megabytes))
            torch = Writer(o.python, BENCH / "peers/torch_checkpoint.py",
                           json.dumps({"folder": work, "megabytes": megabytes}))
            peers = {"raw": ours, "torch.save": torch}
            if torch.read()["safetensors"]:
                peers["safetensors"] = torch
            elif megabytes == 200:
                say("SKIP: checkpoint safetensors: the package is not in the environment")
            times = {k: [] for k in ("runner", *peers)}
            for i in range(-2, 3 * o.rounds):
                for how, process in (("runner", ours), *peers.items()):
                    seconds = process.write(how)
                    if i >= 0:
                        times[how].append(1e3 * seconds)
            ours.close()
            torch.close()
        kept["runner"][f"{megabytes}_ms"] = summary(times["runner"])
        say(f"  {megabytes} MB: " + "; ".join(
            f"{k} {spread(v)} ms" for k, v in times.items()))
        for peer in peers:
            values = [a / b if peer == "raw" else b / a
                      for a, b in zip(times["runner"], times[peer])]
            least = min(times["runner"]) / min(times[peer])
            least = least if peer == "raw" else 1 / least
            say(f"    {peer:12} ratio {spread(values)}, of the least times {least:.2f}")
            median = statistics.median(values)
            old = worst.get(peer)
            if old is None or (median > old[0]) == (peer == "raw"):
                worst[peer] = median, values
    return {name: kept}, [ratios(kept, name, peer, values, ", the worse of both sizes")
                          for peer, (_, values) in worst.items()]


def run(o, name):
    how = {"gpu-adamw-124m": gpu_adamw, "adamw-10m": adamw, "adamw-100m": adamw, "plugin": plugin, "start": start,
           "memory": memory, "input": inputs, "checkpoint": checkpoint, "csv": files,
           "check": files}
    if name == "memory" and "eager" not in o.peers:
        return {}, []
    return how[name](o, name)
