# SPDX-License-Identifier: Apache-2.0
"""`runner profile`: every node of the plan is timed, the nodes' times add up to the
step's, the trace is what Perfetto opens, every backend that can does, nothing is
changed by looking."""
import json
import re

import harness
from harness import ROOT, Checks, Scratch

QUICKSTART = ROOT / "configs" / "quickstart.yaml"
MLP = ["model.type=mlp", "~model.layers", "model.hidden=[16]", "model.outputs=10"]


def runner(*args, cwd=None):
    """What the system's compiler keeps goes beside `cwd`, not into a home."""
    cache = {"XDG_CACHE_HOME": f"{cwd.parent}/cache"} if cwd else {}
    return harness.runner(*args, cwd=cwd, env=cache)


def plan_nodes(cwd, *args):
    """(index, operator, label) of each node as `runner plan --kernels` prints them."""
    out = runner("plan", QUICKSTART, "--kernels", *args, cwd=cwd).out
    rows = re.findall(r"^ *(\d+) (\S+) .*?->[ 0-9@+]*  (\S+)", out, re.M)
    return [(int(i), op, label) for i, op, label in rows]


def check_json(c, got, steps, nodes):
    c.ok("steps", steps <= got["steps"] <= 2 * steps, got["steps"])
    c.equal("every node of the plan is there",
            [(n["node"], n["label"]) for n in got["nodes"]],
            [(i, label) for i, _, label in nodes])
    total = sum(n["calls"] * n["ms"] for n in got["nodes"])
    # The rest of a step is its batch, which a busy machine makes one wait for: how much
    # of the program its nodes are is seen in the trace.
    c.ok("the nodes are no longer than the step", 0 < total <= got["ms"],
         f"{total} of {got['ms']} ms")
    c.ok("each once a step", all(n["calls"] == 1 for n in got["nodes"]))
    c.ok("parts", {n["part"] for n in got["nodes"]} == {"forward", "backward", "update"})
    c.ok("the wait is a share", 0 <= got["data_wait"] < 1, got["data_wait"])


def check_parts(c, got):
    """What PyTorch's profiler would call forward and backward."""
    part = {}
    for n in got["nodes"]:
        part.setdefault(n["op"], set()).add(n["part"])
    c.equal("conv2d", part["conv2d"], {"forward"})
    for op in ("conv2d_grad_weight", "conv2d_grad_input", "max_pool2d_grad",
               "cross_entropy_grad"):
        c.equal(op, part[op], {"backward"})
    update = [n for n in got["nodes"] if n["part"] == "update"]
    c.ok("parameters are updated in their layers",
         {"model.conv2d1", "model.conv2d3", "model.dense7"} <=
         {n["layer"] for n in update}, update)
    # 3 x 3 over 32 channels into 64, from 6 x 6 to 4 x 4, batches of 32; a multiply-add
    # is two.
    conv = [n for n in got["nodes"] if n["label"] == "model.conv2d3/conv2d"][0]
    c.equal("FLOPs of a convolution", conv["flops"], 2 * 32 * 64 * 4 * 4 * 32 * 9)
    c.equal("its bytes", conv["bytes"],
            4 * (32 * 32 * 6 * 6 + 64 * 32 * 9 + 64 + 32 * 64 * 4 * 4))


def check_trace(c, trace, steps, nodes, workers):
    events = trace["traceEvents"]
    slices = [e for e in events if e["ph"] == "X"]
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    tracks = {name: tid for tid, name in names.items()}
    c.ok("only known phases", {e["ph"] for e in events} == {"M", "X"})
    c.ok("slices have a begin and a length",
         all(e["ts"] >= 0 and e["dur"] >= 0 and e["tid"] in names for e in slices))
    loop, device = tracks["loop"], [t for t in tracks if t.startswith("cpu: ")][0]
    took = [e for e in slices if e["cat"] == "step"]
    c.equal("a slice for each step", len(took), steps)
    on_device = [e for e in slices if e["tid"] == tracks[device]]
    last = [e for e in on_device if e["args"]["step"] == 1]
    c.equal("every node of a step", [(e["args"]["node"], e["name"]) for e in last],
            [(i, label) for i, _, label in nodes])
    inside = all(took[e["args"]["step"]]["ts"] <= e["ts"] and
                 e["ts"] + e["dur"] <= took[e["args"]["step"]]["ts"] +
                 took[e["args"]["step"]]["dur"] + 0.002 for e in on_device)
    c.ok("nodes lie in their step", inside)
    c.ok("one after the other",
         all(a["ts"] + a["dur"] <= b["ts"] + 0.002
             for a, b in zip(on_device, on_device[1:])))
    programs = [e for e in slices if e["cat"] == "program"]
    c.equal("a program for each step", len(programs), steps)
    share = sum(e["dur"] for e in on_device) / sum(e["dur"] for e in programs)
    c.ok("the nodes are nearly all of the programs", 0.6 < share <= 1.001, share)
    waits = [e for e in slices if e["name"] == "wait for data"]
    c.equal("a wait for each step", len(waits), steps)
    batches = [e for e in slices if e["name"] == "batch"]
    c.ok("batches are made", len(batches) > 0)
    want = {tracks[f"data worker {i}"] for i in range(workers)} or {loop}
    c.ok("by the workers", {e["tid"] for e in batches} <= want, batches[:3])


def check_mistakes(c, scratch):
    for word in ("0", "-3", "x", "1.5", "10001"):
        r = runner("profile", QUICKSTART, "--steps", word, cwd=scratch)
        c.equal(f"--steps {word}", r.code, 2)
        c.within(f"--steps {word} says why", r.err, f"--steps {word}: expected an integer")
    r = runner("profile", cwd=scratch)
    c.equal("no experiment", r.code, 2)
    c.within("no experiment: an example", r.err, "which experiment?")
    r = runner("profile", QUICKSTART, "--trace", scratch / "no" / "t.json", cwd=scratch)
    c.equal("a folder that is not there", r.code, 7)
    c.within("it is named", r.err, "No such file or directory")
    kept = scratch / "kept.json"
    kept.write_text("mine")
    r = runner("profile", QUICKSTART, "optimizer.lr=fast", "--trace", kept, cwd=scratch)
    c.equal("a wrong file", r.code, 2)
    c.equal("what was there stays", kept.read_text(), "mine")
    kept.unlink()
    r = runner("profile", QUICKSTART, "optimizer.lr=fast", "--trace", kept, cwd=scratch)
    c.ok("no empty file is left", not kept.exists())
    r = runner("profile", QUICKSTART, "--trace", "/dev/full", cwd=scratch)
    c.equal("a full disk", r.code, 7)
    r = runner("profile", QUICKSTART, "--steps", "2", "device=null", cwd=scratch)
    c.equal("a backend that cannot", r.code, 4)
    c.within("it says so", r.err, "null cannot time its nodes")


def main():
    c = Checks()
    with Scratch() as top:
        scratch = top / "here"
        scratch.mkdir()
        (top / "cache").mkdir()
        trace = scratch / "trace.json"
        one = "device={type: cpu, threads: 1, tune: off}"
        host = "data.resident=never"  # by workers
        nodes = plan_nodes(scratch, one, host)
        c.ok("the plan has nodes", len(nodes) > 30, nodes)
        r = runner("profile", QUICKSTART, one, host, "--json", "--steps", "6", "--trace", trace,
                   cwd=scratch)
        c.equal("exit code", r.code, 0)
        got = json.loads(r.out)
        check_json(c, got, 6, nodes)
        check_parts(c, got)
        c.ok("peaks are measured", got["peak_flops"] > 1e8 and got["peak_bytes"] > 1e7,
             (got["peak_flops"], got["peak_bytes"]))
        check_trace(c, json.loads(trace.read_text()), got["steps"], nodes, 1)
        c.equal("nothing else is written", list(scratch.iterdir()), [trace])

        # What gathers a batch of 32 images of 8 x 8 reads no more of them than it gives.
        r = runner("profile", QUICKSTART, one, "data.resident=always", "--json", "--steps",
                   "3", cwd=scratch)
        c.equal("resident: exit code", r.code, 0)
        picked = [n for n in json.loads(r.out)["nodes"] if n["op"] == "gather"]
        c.equal("gather: FLOPs, bytes of the images", (picked[0]["flops"], max(
            n["bytes"] for n in picked)), (0, 32 * (2 * 64 * 4 + 8)))

        r = runner("profile", QUICKSTART, "--steps", "3", "data.workers=0", host, *MLP, one,
                   "--trace", trace, cwd=scratch)
        c.within("for people, by layer", r.out, "layer, ms a step")
        c.within("by operator", r.out, "linear ")
        c.within("data wait", r.out, "data wait ")
        t = json.loads(trace.read_text())
        c.ok("without workers the loop makes the batches",
             not any("worker" in str(e["args"]) for e in t["traceEvents"] if e["ph"] == "M"))

        # Several programs a step, an update of its own; on every backend.
        for device in ("reference", "async_fake", "cpu"):
            r = runner("profile", QUICKSTART, f"device={{type: {device}, threads: 1}}",
                       *MLP, "--steps", "3", "--json", "train.accumulate=2",
                       "data.batch=16", cwd=scratch)
            c.equal(f"{device}: exit code", r.code, 0)
            got = json.loads(r.out)
            calls = {n["program"]: n["calls"] for n in got["nodes"]}
            c.equal(f"{device}: calls a step", calls, {"train.grad": 2, "train.apply": 1})
            c.ok(f"{device}: time was taken", sum(n["ms"] for n in got["nodes"]) > 0)
        check_mistakes(c, scratch)
    c.done()


main()
