# SPDX-License-Identifier: Apache-2.0
"""No step computes what nobody reads, or anything twice; no gradient goes into the data;
a bias is in its layer's product; a residual block's sum and ReLU, and its gradients' mask
and sum, are one pass. Over the plans of every experiment of configs/ (over a stand-in
where the data is not in the tree)."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import ROOT, Checks, Scratch  # noqa: E402

ARENA, FIRST = 0, 3  # bases: scratch; of variables, inputs and outputs
# What may run again over the same values with other attributes, or draws anew.
ATTRIBUTED = {"full", "slice", "pad", "dropout", "random_uniform", "random_normal"}
NODE = re.compile(r" *(\d+) (\S+) +.*?\] +((?:\d+@\d+\+\d+ )*)->((?: \d+@\d+\+\d+)*)"
                  r"  (\S+)(?: \{(.*)\})?")


def read(text):
    """[(op, [place in], [place out], label, operators)], a place is (slot, base, at)."""
    nodes = []
    for line in text.splitlines()[1:]:
        if line.startswith("images: "):
            continue
        m = NODE.fullmatch(line)
        places = [[tuple(map(int, re.split("[@+]", p))) for p in m[i].split()]
                  for i in (3, 4)] if m else None
        if not m:
            raise ValueError(f"not a node: {line}")
        nodes.append((m[2], *places, m[5], (m[6] or m[2]).split(",")))
    return nodes


def is_read(nodes, i, place):
    """Does a later node read these bytes before one writes over them?"""
    for _, ins, outs, _, _ in nodes[i + 1:]:
        if any(p[1:] == place[1:] for p in ins):
            return True
        if any(p[1:] == place[1:] for p in outs):
            return False
    return False


def waste(nodes):
    """What is computed in vain, and what is computed again, as words."""
    # A scan gives all of its results, also those that a layer with `return: last` leaves.
    unread = [f"{n[3]} -> {p}" for i, n in enumerate(nodes) for p in n[2]
              if p[1] == ARENA and n[0] != "scan" and not is_read(nodes, i, p)]
    seen, again = {}, []
    for op, ins, outs, label, ops in nodes:
        key = (tuple(ops), tuple(p[0] for p in ins))
        if not ATTRIBUTED & set(ops) and op != "identity":
            if key in seen:
                again.append(f"{label} as {seen[key]}")
            seen[key] = label
    return unread, again


def first_layers(nodes):
    """Layers whose product reads what no node makes and no layer holds: the data."""
    made = {p[1:] for n in nodes for p in n[2]}
    found = []
    for op, ins, _, label, _ in nodes:
        scope = label.rpartition("/")[0]
        data = ins and ins[0][1] >= FIRST and ins[0][1:] not in made
        if op in ("conv2d", "linear") and data and scope:
            found.append((op, scope))
    return found


def check(c, name, path, folder, *args):
    r = runner("plan", path, "--kernels", *args,
               env={"FASHION_MNIST": str(folder), "HOME": "/dev/null"})
    if not c.equal(f"{name}: exit code", r.code, 0):
        print(r.out, r.err)
        return []
    nodes = read(r.out)
    unread, again = waste(nodes)
    c.equal(f"{name}: all that is computed is read", unread, [])
    c.equal(f"{name}: nothing is computed twice", again, [])
    gradients = {op: [n[3].rpartition("/")[0] for n in nodes if n[0] == op]
                 for op in ("conv2d_grad_input", "conv2d_grad_weight", "matmul")}
    firsts = first_layers(nodes)
    for op, scope in firsts:
        passes = firsts.count((op, scope))  # a step may take several gradients
        if op == "conv2d":
            c.equal(f"{name}: {scope}: gradients", [g.count(scope) for g in
                                                    list(gradients.values())[:2]], [0, passes])
        else:  # of two products that a linear layer's gradient has
            c.equal(f"{name}: {scope}: gradients", gradients["matmul"].count(scope), passes)
    return nodes


def residual(c, nodes):
    """Every sum of a residual block and every ReLU is part of a normalisation, every sum
    of gradients lies with the mask behind it; but the first ReLU's, whose mask is part of
    a normalisation's gradient."""
    of = [n[4] for n in nodes if n[3].startswith("model")]
    c.ok("resnet: ReLU is in the norms", of and not any("maximum" in o for o in of), of)
    c.equal("resnet: sums of gradients with masks",
            sum(set(o) == {"gt", "add", "select"} for o in of), 8)
    c.equal("resnet: sums by themselves", of.count(["add"]), 1)
    c.equal("resnet: no mask by itself",
            [o for o in of if o in (["gt"], ["select"])], [])


def biases(c, name, nodes):
    """A layer's bias is an operand of its product, not a pass behind it."""
    products = [len(n[1]) for n in nodes if n[0] in ("conv2d", "linear")]
    c.equal(f"{name}: operands of products", set(products), {3})
    c.equal(f"{name}: sums in layers", [n[3] for n in nodes
                                        if n[3].startswith("model") and "add" in n[4]], [])


def main():
    c = Checks()
    # The test's own eyes: a value that nobody reads, one over which another is written
    # first, and a sum made twice.
    nodes = read("plan\n"
                 "   0 add      blocks   [4]       1@3+0 2@4+0 -> 3@0+0  a/add\n"
                 "   1 add      blocks   [4]       1@3+0 2@4+0 -> 4@0+0  b/add\n"
                 "   2 mul      blocks   [4]       4@0+0 4@0+0 -> 5@0+64  c/mul\n")
    c.equal("waste is seen", waste(nodes), (["a/add -> (3, 0, 0)", "c/mul -> (5, 0, 64)"],
                                            ["b/add as a/add"]))
    firsts = 0
    with Scratch() as scratch:
        stand_in(scratch)
        for path in sorted((ROOT / "configs").glob("*.yaml")):
            text = path.read_text()
            more = ["data.split.val=100"] if "fashion-mnist-data.yaml" in text else []
            if "model:" not in text:
                continue
            for extra in ([], ["train.accumulate=2"], ["precision=bf16"]):
                name = " ".join([path.name, *extra])
                nodes = check(c, name, path, scratch, "device.type=cpu",
                              "data.resident=never", *more, *extra)
                firsts += len(first_layers(nodes))
                if path.name == "resnet-cifar.yaml" and not extra:
                    residual(c, nodes)
                if path.name in ("lenet.yaml", "fashion-mnist-mlp.yaml"):
                    biases(c, name, nodes)
    c.ok("first layers were found", firsts >= 9, firsts)
    c.done()


main()
