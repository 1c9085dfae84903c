#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What design and help say of the YAML, seen from outside: types, order, references,
overrides, paths, named components, groups, schedules, hooks, durations, the schema.

    meaning.py RUNNER"""
import json
import pathlib
import sys

import h5py
import numpy
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import ROOT, Checks, Scratch, latest, runner  # noqa: E402
import data  # noqa: E402

BASE = """\
name: yes
data:
  source: {type: csv, file: ../data/good.csv, target: label, target_type: int}
  split: {val: 0.2, test: 0.2}
  batch: 6
model: {type: mlp, hidden: [4], outputs: 3}
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: sgd, lr: 1e-1, momentum: 0.5}
train: {epochs: 2}
x-anchors: {anything: [goes, here]}
"""


def config(check, top, text, *args, env=None, name="e.yaml"):
    """The tree as JSON, or None after a failed check."""
    (top / name).write_text(text)
    r = runner("config", top / name, *args, "--json", cwd=top, env=env)
    if not check.ok(f"config of {text!r} {args}", r.code == 0, r.out):
        return {}
    return json.loads(r.out)


def check_tree(check, top):
    (top / "sub").mkdir()
    (top / "sub" / "base.yaml").write_text(BASE)
    (top / "more.yaml").write_text("optimizer: {momentum: 0.25}\nseed: 3\n")
    t = config(check, top, "extends: sub/base.yaml\n")
    check.equal("1e-1 is a float", t["optimizer"]["lr"], 0.1)
    check.equal("yes is a string where a string is wanted", t["name"], "yes")
    check.ok("x- keys are free, and gone", "x-anchors" not in t)
    check.equal("a path starts at the file that wrote it",
                pathlib.Path(t["data"]["source"]["file"]).resolve(),
                (top / "data" / "good.csv").resolve())
    check.equal("defaults", (t["seed"], t["optimizer"]["nesterov"]), (0, False))
    t = config(check, top, "extends: [sub/base.yaml, more.yaml]\n"
               "optimizer: {nesterov: yes, weight_decay: '${optimizer.lr}'}\n",
               "optimizer.lr=0.5")
    check.equal("defaults < extends, in order < file < command line; references last",
                t["optimizer"], {"type": "sgd", "lr": 0.5, "momentum": 0.25,
                                 "nesterov": True, "weight_decay": 0.5, "dampening": 0})
    check.equal("what a later file says", t["seed"], 3)
    t = config(check, top, "extends: sub/base.yaml\noptimizer: {type: adam}\n")
    check.ok("another type takes nothing over", "momentum" not in t["optimizer"] and
             t["optimizer"]["lr"] == 0.001)
    text = "extends: sub/base.yaml\nname: ${env:RUNNER_TEST_NAME:-plain}-$${x}\n"
    check.equal("a default of the environment", config(check, top, text.replace(
        "-$${x}", ""))["name"], "plain")
    check.equal("the environment", config(
        check, top, text.replace("-$${x}", ""), env={"RUNNER_TEST_NAME": "set"})["name"],
        "set")
    t = config(check, top, "extends: sub/base.yaml\n", "~metrics", "metrics+=f1",
               "metrics+={type: top_k, k: 2}", "metrics.0.type=recall",
               "data.source.file=data/good.csv", "train.clip={norm: 1}", "model.hidden.0=7",
               "x-y.z=1")
    check.equal("lists by index and +=", t["metrics"],
                [dict(t["metrics"][0], type="recall"), {"type": "top_k", "k": 2}])
    check.equal("values below values", (t["train"]["clip"], t["model"]["hidden"]),
                ({"norm": 1}, [7]))
    check.equal("a path of the command line starts at the current folder",
                t["data"]["source"]["file"], str(top / "data" / "good.csv"))
    t = config(check, top, "extends: sub/base.yaml\n"
               "optimizer:\n  a: {match: {role: bias}, type: sgd}\n"
               "  rest: {match: rest, type: adam, lr: 1}\n")
    check.equal("named ones take the place of one", sorted(t["optimizer"]), ["a", "rest"])
    t = config(check, top, "extends: sub/base.yaml\nschedule: {type: warmup, length: 4st, "
               "then: cosine}\n", "schedule.then.low=0.5", "hooks+=inspect")
    check.equal("options of a nested word", t["schedule"]["then"],
                {"type": "cosine", "low": 0.5})

    (top / "e.yaml").write_text("extends: sub/base.yaml\ntrain: {epochs: 5}\n")
    blame = runner("config", "e.yaml", "seed=4", "--blame", cwd=top).out
    for line in ("epochs: 5  # e.yaml:2:17", "seed: 4  # command line, argument 1",
                 "nesterov: false  # default",
                 f"momentum: 0.5  # {top}/sub/base.yaml:9:44"):
        check.within("--blame", blame, line)
    first = runner("config", "e.yaml", cwd=top).out
    check.equal("--resolved is what config prints",
                runner("config", "e.yaml", "--resolved", cwd=top).out, first)
    (top / "again.yaml").write_text(first)
    check.equal("what is printed reads back as the same",
                runner("config", "again.yaml", cwd=top).out, first)


def as_text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_defaults(check, top):
    """A default is in one row: the schema, `config` and the run itself have the same."""
    (top / "d.yaml").write_text("extends: sub/base.yaml\n")
    schema = json.loads(runner("schema", cwd=top).out)
    c = json.loads(runner("config", "d.yaml", "--json", cwd=top).out)
    looked = 0
    for part, rows in [(c, schema["properties"])] + [
            (c[k], schema["definitions"][k]["properties"]) for k in ("train", "checkpoint")
            if k in c]:
        for key, row in rows.items():
            if "default" in row and key in part and not isinstance(part[key], (dict, list)):
                given = key in (top / "sub" / "base.yaml").read_text()
                looked += not given
                check.ok(f"default of {key}", given or as_text(part[key]) == row["default"],
                         f"{part[key]!r} {row['default']!r}")
    check.ok("there were defaults to look at", looked > 4, looked)
    every = int(schema["definitions"]["train"]["properties"]["log_every"]["default"])
    r = runner("d.yaml", "~train.epochs", f"train.steps={2 * every + 1}", cwd=top)
    with h5py.File(r.folder(top) / "run.h5") as f:
        check.equal("log_every: the steps that are recorded",
                    list(f["scalars/train/loss"]["step"]), [every, 2 * every, 2 * every + 1])


def train(check, top, name, text):
    """Train in top; the run folder."""
    (top / f"{name}.yaml").write_text(f"extends: sub/base.yaml\nname: {name}\n{text}")
    r = runner(f"{name}.yaml", cwd=top)
    check.ok(f"{name} trains", r.code == 0, r.err)
    return latest(top / "runs", name)


def weights(run):
    newest = sorted((run / "checkpoints").glob("step-*.h5"))[-1]
    found = {}

    def see(name, item):
        if isinstance(item, h5py.Dataset) and name.endswith((".weight", ".bias")):
            found[name[name.index("model."):]] = item[()]
    with h5py.File(newest) as f:
        f.visititems(see)
    return found


def check_groups(check, top):
    """The first group that matches a parameter has it."""
    still = weights(train(check, top, "still", "optimizer: {lr: 0}\n"))
    check.ok("weights are found", set(still) >= {"model.head.weight", "model.head.bias"},
             str(list(still)))
    moved = weights(train(check, top, "groups", """\
optimizer:
  head: {match: model.head.*, type: sgd, lr: 0}
  weights: {match: {role: weight, rank: 2}, type: sgd, lr: 0.1}
  rest: {match: rest, type: sgd, lr: 0}
"""))
    for name in sorted(still):
        same = numpy.array_equal(still[name], moved[name])
        check.equal(f"{name} stays", same, name != "model.hidden1.weight")
    frozen = weights(train(check, top, "frozen", "train: {freeze: model.head}\n"))
    for name in sorted(still):
        same = numpy.array_equal(still[name], frozen[name])
        check.equal(f"{name} frozen", same, name.startswith("model.head"))


def check_aims(check, top):
    """Schedules drive what `of` names; hooks look at what `at` names."""
    run = train(check, top, "aims", """\
optimizer:
  a: {match: {role: bias}, type: sgd, lr: 0.1}
  rest: {match: rest, type: sgd, lr: 0.2, weight_decay: 0.5}
schedule: {of: "optimizer.*.lr", type: warmup, length: 4st, start: 0.5, then: cosine}
hooks: {type: inspect, at: [model.head], every: 1ep}
train: {log_every: 1, eval_every: 50%}
""")
    with h5py.File(run / "run.h5") as f:
        a = f["scalars/live/optimizer.a.lr/value"][()]
        rest = f["scalars/live/optimizer.rest.lr/value"][()]
        decay = f["scalars/live/optimizer.rest.weight_decay/value"][()]
        looked = {n for kind in f["tensors/inspect"].values() for n in kind}
        steps = f["scalars/val/loss/step"][()]
    check.equal("the glob takes both rates", (a[0], rest[0]), (0.05, 0.1))
    check.ok("then the other schedule", numpy.allclose(rest, 2 * a) and a[-1] < a.max())
    check.ok("and nothing else", numpy.all(decay == 0.5))
    check.equal("hooks look where `at` says", looked,
                {"model.head", "model.head.weight", "model.head.bias"})
    check.equal("50 % is a share of the run", list(steps), [3, 6])


def check_schema(check, top):
    """The JSON Schema says yes to what the runner takes and no to slips."""
    try:
        import jsonschema
    except ImportError:
        print("SKIP: JSON Schema of configs: python3-jsonschema is not there")
        return
    schema = json.loads(runner("schema", cwd=top).out)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        errors = [e.message for e in validator.iter_errors(yaml.safe_load(path.read_text()))]
        check.equal(f"schema: {path.name}", errors, [])
    good = yaml.safe_load(BASE)
    del good["name"]  # yes: a truth value to readers of YAML 1.1
    for where, value in [("optimiser", "sgd"), ("seed", "x"), ("train.epoch", 3),
                         ("train.epochs", 0), ("model.hiden", [3]),
                         ("model", "mpl"), ("loss", {"type": "mse", "match": 3}),
                         ("optimizer.nesterov", "maybe"), ("metrics.0", "acuracy"),
                         ("schedule", {"type": "warmup", "then": "cosnie"}),
                         ("model", {"type": "sequential", "layers": [{"type": "dens"}]})]:
        wrong = json.loads(json.dumps(good))
        at, keys = wrong, where.split(".")
        for key in keys[:-1]:
            at = at[int(key) if isinstance(at, list) else key]
        at[int(keys[-1]) if isinstance(at, list) else keys[-1]] = value
        check.ok(f"schema refuses {where}: {value}", not validator.is_valid(wrong))
    check.ok("schema takes the rest", validator.is_valid(good),
             str([e.message for e in validator.iter_errors(good)]))


def main():
    check = Checks()
    with Scratch() as top:
        top = top.resolve()
        data.write_all(top)
        check_tree(check, top)
        check_defaults(check, top)
        check_groups(check, top)
        check_aims(check, top)
        check_schema(check, top)
    check.done()


main()
