# SPDX-License-Identifier: Apache-2.0
"""Every key of the experiment that may change when a run is resumed does, and shows it;
every other one is refused with a sentence, and nothing happens. docs/resume.md and
`resume --help` have the same table. Then: whose state goes to whom."""
import json
import pathlib
import random
import re
import shutil
import sys

import h5py

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

BASE = """
device: reference
name: t
seed: 1
data:
  source: {type: csv, file: a.csv, target: y}
  split: {kind: random, val: 12, test: 10}
  transforms: [{type: standardise, of: x}]
  batch: 8
model:
  type: sequential
  in: {x: data.x}
  layers:
    - {type: dense, units: 8}
    - {type: relu}
    - {type: dropout, p: 0.1}
    - {type: dense, units: 2}
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: sgd, lr: 0.05, momentum: 0.9}
schedule: {type: step, every: 3st, gamma: 0.9}
hooks: {type: inspect, every: 4st}
train:
  epochs: 2
  log_every: 2
  clip: {norm: 100}
  early_stop: {monitor: val/loss, patience: 50}
checkpoint: {best: {monitor: val/loss}}
"""

IMAGES = """
device: reference
name: t
seed: 1
data:
DIGITS
  split: {kind: random, val: 20, test: 1700}
  batch: 32
model: {type: mlp, in: {x: data.image}, hidden: [4], outputs: 10}
loss: cross_entropy
optimizer: {type: sgd, lr: 0.05}
augment: {type: crop, of: image, padding: 1}
train: {epochs: 2}
"""

TWO = BASE.replace("loss: cross_entropy", """loss:
  a: {type: cross_entropy, in: {logits: model.out, label: data.y}}
  b: {type: focal, gamma: 2, in: {logits: model.out, label: data.y}}""").replace(
    "optimizer: {type: sgd, lr: 0.05, momentum: 0.9}", """optimizer:
  a: {type: sgd, lr: 0.1}
  b: {type: sgd, lr: 0.01}""").replace("schedule: {type: step, every: 3st, gamma: 0.9}\n",
                                       "").replace("  clip: {norm: 100}\n", """  programs:
    - {name: a, minimize: [a], optimizer: [a]}
    - {name: b, minimize: [b], optimizer: [b], every: 4}
""")

AHEAD = BASE.replace("  clip: {norm: 100}\n", "  lookahead: {every: 2}\n")
HALF = BASE.replace("device: reference", "device: reference\nprecision: f16").replace(
    "  clip: {norm: 100}\n",
    "  loss_scale: {type: dynamic, initial: 1024, interval: 3}\n")
FIXED = HALF.replace("type: dynamic, initial: 1024, interval: 3", "type: fixed, scale: 8")


def table(path):
    rng = random.Random(3)
    rows = ["a,b,c,y"]
    for i in range(70):
        x = [rng.gauss(0, 1) for _ in range(3)]
        rows.append(",".join(f"{v:.3f}" for v in x) + f",{int(x[0] + x[1] > 0)}")
    path.write_text("\n".join(rows) + "\n")


def state(folder, thing):
    """Attributes of /state/<thing> in the newest checkpoint."""
    name = (folder / "CURRENT").read_text().split()[0]
    with h5py.File(folder / "checkpoints" / f"{name}.h5") as h:
        g = h["state"].get(thing)
        return None if g is None else {k: v.decode() if isinstance(v, bytes) else v
                                       for k, v in g.attrs.items()}


CHECKED = {}  # by run folder: what `verify` said when it was last asked


def check(run):
    CHECKED[run] = verified(run)
    return CHECKED[run]


def sha(run):
    return CHECKED[run][2]


def step(run):
    return CHECKED[run][0]


def learns(run, control):
    return sha(run) != sha(control)


def same(run, control):
    return sha(run) == sha(control)


def rows(name, count):
    return lambda run, control: same(run, control) and len(series(run, name)[0]) == count


def scale(word, value):
    return lambda run, control: abs(series(run, "train/loss_scale")[1][-1] - value) < 1e-9


def attr(thing, key, value):
    return lambda run, control: same(run, control) and state(run, thing)[key] == value


# Key: experiment, overrides beside train.epochs=4, effect; or REFUSED.
REFUSED = None
ROWS = {
    "name": (BASE, ["name=u"], REFUSED),
    "seed": (BASE, ["seed=2"], REFUSED),
    "device": (BASE, ["device={type: cpu, threads: 1, tune: off, generate: off}"],
               lambda run, control: datasets(run / "run.h5")["@device"]
               != datasets(control / "run.h5")["@device"]),
    "precision": (BASE, ["precision=bf16"], learns),
    "data.source": (BASE, ["data.source.file=MOVED"],
                    lambda run, control: same(run, control)
                    and "moved.csv" in (run / "resolved.yaml").read_text()),
    "data.split.kind": (BASE, ["data.split.kind=position"], REFUSED),
    "data.split.by": (BASE, ["data.split.by=y"], REFUSED),
    "data.split.group": (BASE, ["data.split.group=rows"], REFUSED),
    "data.split.ignore": (BASE, ["data.split.group=rows", "data.split.ignore=y"], REFUSED),
    "data.split.bins": (BASE, ["data.split.bins=4"], REFUSED),
    "data.split.val": (BASE, ["data.split.val=5"], REFUSED),
    "data.split.test": (BASE, ["data.split.test=5"], REFUSED),
    "data.split.seed": (BASE, ["data.split.seed=9"], REFUSED),
    "data.split.folds": (BASE, ["data.split.folds=5"], REFUSED),
    "data.split.fold": (BASE, ["data.split.fold=2"], REFUSED),
    "data.split.gap": (BASE, ["data.split.gap=1"], REFUSED),
    "data.split.embargo": (BASE, ["data.split.embargo=1"], REFUSED),
    "data.split.path": (BASE, ["data.split.path=x.txt"], REFUSED),
    "data.drop_missing": (BASE, ["data.drop_missing=x"], REFUSED),
    "data.transforms": (BASE, ["data.transforms=[{type: minmax, of: x}]"], REFUSED),
    "data.prepare": (BASE, ["data.prepare=auto", "~data.transforms"], REFUSED),
    "data.batch": (BASE, ["data.batch=48"], REFUSED),
    "data.eval_batch": (BASE, ["data.eval_batch=5"], same),
    "data.workers": (BASE, ["data.workers=0"], same),
    "data.resident": (BASE, ["data.resident=always"], same),
    "data.prepared": (BASE, ["data.prepared=PREPARED"], same),
    "data.cache": (BASE, ["data.cache=0"], same),
    "data.contract": (BASE, ["data.contract={a: {missing: 0}}"], same),
    "check": (BASE, ["check.on_train=warn"], same),
    "train.steps_per_epoch": (BASE, ["train.steps_per_epoch=3"], REFUSED),
    "train.folds": (BASE, ["train.folds=3"], REFUSED),
    "train.repeats": (BASE, ["train.repeats=2"], REFUSED),
    "train.seeds": (BASE, ["train.seeds=[1, 2]"], REFUSED),
    "data.sampler": (BASE, ["data.sampler={type: balanced, of: y}"], REFUSED),
    "collate": (IMAGES, ["collate={type: mixup, of: image}"], learns),
    "augment": (IMAGES, ["augment={type: crop, of: image, padding: 3}"], learns),
    "model": (BASE, ["model.layers.2.p=0.9"], learns),
    "init": (BASE, ["init={type: constant, match: rest}"], REFUSED),
    "loss": (BASE, ["loss=focal"],
             lambda run, control: learns(run, control)
             and state(run, "monitors/checkpoint.best")["since"] == 12),
    "metrics": (BASE, ["metrics=[accuracy, confusion]"],
                lambda run, control: same(run, control)
                and series(run, "val/confusion") is not None
                and state(run, "monitors/checkpoint.best")["since"] == 0),
    "optimizer": (BASE, ["optimizer.lr=0.01"],
                  lambda run, control: learns(run, control)
                  and state(run, "live/optimizer.lr")["base"] == 0.01),
    "regularizers": (BASE, ["regularizers=[{type: l2, strength: 0.1}]"],
                     lambda run, control: learns(run, control)
                     and len(series(run, "train/regularization")[0]) == 6),
    "schedule": (BASE, ["schedule.gamma=0.5"], learns),
    "hooks": (BASE, ["hooks.every=1st"],
              lambda run, control: same(run, control)
              and difference(datasets(run / "run.h5"), datasets(control / "run.h5"))),
    "train.epochs": (BASE, ["train.epochs=5"],
                     lambda run, control: step(run) == 30),
    "train.steps": (BASE, ["~train.epochs", "train.steps=15"],
                    lambda run, control: step(run) == 15),
    "train.max_time": (BASE, ["train.max_time=0.000001s"],
                       lambda run, control: step(run) == 13),
    "train.accumulate": (BASE, ["train.accumulate=2"], REFUSED),
    "train.eval_every": (BASE, ["train.eval_every=3st"], rows("val/loss", 2 + 4)),
    "train.log_every": (BASE, ["train.log_every=1"], rows("train/loss", 6 + 12)),
    "train.programs.name": (TWO, ["train.programs.0.name=c"], REFUSED),
    "train.programs.minimize": (TWO, ["train.programs.0.minimize=[b]"], learns),
    "train.programs.update": (TWO, ["train.programs.0.update=[model.dense1*]"], learns),
    "train.programs.optimizer": (TWO, ["train.programs.0.optimizer=[b]"], learns),
    "train.programs.every": (TWO, ["train.programs.1.every=1"], learns),
    "train.freeze": (BASE, ["train.freeze=[model.dense1*]"], learns),
    "train.clip.norm": (BASE, ["train.clip.norm=0.01"], learns),
    "train.clip.value": (BASE, ["train.clip.value=0.001"], learns),
    "train.lookahead.every": (AHEAD, ["train.lookahead.every=3"], learns),
    "train.lookahead.decay": (AHEAD, ["train.lookahead.decay=0.9"], learns),
    "train.lookahead.ramp": (AHEAD, ["train.lookahead.ramp=2"], learns),
    "train.loss_scale.type": (HALF, ["train.loss_scale={type: fixed, scale: 4}"],
                              lambda run, control: series(run, "train/loss_scale")[0][-1]
                              == 12),
    "train.loss_scale.initial": (BASE, ["precision=f16", "train.loss_scale={type: dynamic, "
                                        "initial: 512}"], scale("initial", 512)),
    "train.loss_scale.growth": (HALF, ["train.loss_scale.growth=1.5"],
                                scale("growth", 1024 * 2 ** 4 * 1.5 ** 4)),
    "train.loss_scale.backoff": (HALF, ["train.loss_scale.backoff=0.25"], same),
    "train.loss_scale.interval": (HALF, ["train.loss_scale.interval=6"],
                                  scale("interval", 1024 * 2 ** 4 * 2 ** 2)),
    "train.loss_scale.least": (HALF, ["train.loss_scale.least=0.5"], same),
    "train.loss_scale.scale": (FIXED, ["train.loss_scale.scale=0.00001"], learns),
    "train.on_nan": (BASE, ["train.on_nan=skip"], same),
    "train.anomaly": (BASE, ["train.anomaly=true"], same),
    "train.early_stop.monitor": (BASE, ["train.early_stop.monitor=val/accuracy"],
                                 attr("monitors/train.early_stop", "since", 12)),
    "train.early_stop.patience": (BASE, ["train.early_stop={monitor: val/loss, patience: 1,"
                                         " min_delta: 1e9}"],
                                  lambda run, control: step(run) == 18),
    "train.early_stop.min_delta": (BASE, ["train.early_stop.min_delta=0.5"],
                                   attr("monitors/train.early_stop", "since", 12)),
    "train.test": (BASE, ["train.test=never"],
                   lambda run, control: same(run, control)
                   and series(run, "test/loss") is None
                   and series(control, "test/loss") is not None),
    "checkpoint.every": (BASE, ["checkpoint.every=5st"],
                         lambda run, control: same(run, control) and sorted(
                             p.stem for p in (run / "checkpoints").glob("step*"))
                         == ["step-00000020", "step-00000024"]),
    "checkpoint.keep": (BASE, ["checkpoint.keep=4"],
                        lambda run, control: same(run, control) and len(
                            list((run / "checkpoints").glob("step*"))) == 4),
    "checkpoint.best.monitor": (BASE, ["checkpoint.best.monitor=val/accuracy"],
                                attr("monitors/checkpoint.best", "since", 12)),
    "plugins": (BASE, ["plugins=[]"], same),
    "output": (BASE, ["output=elsewhere"], REFUSED),
}
# A source of its own for each split, in place of data.source and data.split.
SPLITS = BASE.replace("  source: {type: csv, file: a.csv, target: y}\n  split: {kind: random, "
                      "val: 12, test: 10}\n", "".join(
    f"  {s}: {{type: csv, file: {s}.csv, target: y}}\n" for s in ("train", "val", "test")))
for split in ("train", "val", "test"):
    ROWS[f"data.{split}"] = (SPLITS, [f"data.{split}.file=MOVED"],
                             lambda run, control: "moved.csv" in
                             (run / "resolved.yaml").read_text())


# ------------------------------------------------------------------ the table itself

def schema_keys():
    """Every key of the host's own sections, dotted, without places in lists."""
    s = json.loads(runner("schema").out)
    kinds = s["$defs"] if "$defs" in s else s["definitions"]

    def below(node, path, out, seen):
        text = json.dumps(node)
        refs = re.findall(r'"\$ref": "#/[^"/]*/([^"]*)"', text)
        inner = [r for r in refs if r in kinds and not re.search(r"[:/]", r)]
        found = False
        for r in inner:
            if r in seen:
                continue
            found |= walk(kinds[r], path, out, seen + [r])
        if not found:
            out.add(path)

    def walk(node, path, out, seen):
        if "properties" not in node:
            branches = [re.search(r"/([^/]*)$", b["$ref"])[1] for b in node.get("anyOf", [])
                        if "$ref" in b]
            own = [b for b in branches if "properties" in kinds.get(b, {})]
            if not own:
                return False
            for b in own:
                walk(kinds[b], path, out, seen + [b])
            return True
        for key, value in node["properties"].items():
            below(value, f"{path}.{key}" if path else key, out, seen)
        return True

    out = set()
    walk(s, "", out, [])
    return out - {"extends"}  # of files: the experiment of a run is whole


def help_rows(text):
    """(key, applied, why) of `resume --help`."""
    found, applied = [], None
    for line in text.splitlines():
        if line.startswith("Keys that may change"):
            applied = True
        elif line.startswith("Keys that must stay"):
            applied = False
        elif not line.startswith("  ") or line.startswith("Example"):
            applied = None if line else applied
        elif applied is not None:
            key, why = line.split(None, 1)
            found.append((key, applied, why))
    return found


def docs_rows():
    found, applied = [], None
    for line in (ROOT / "docs/resume.md").read_text().splitlines():
        if line.startswith("## "):
            applied = {"## Keys that may change": True,
                       "## Keys that must stay": False}.get(line)
        m = re.fullmatch(r"\| `(\S+)` \| (.*) \|", line)
        if m and applied is not None:
            found.append((m[1], applied, m[2]))
    return found


def covered(key, rules):
    return any(key == r or key.startswith(r + ".") for r in rules)


def whole(c):
    told = help_rows(runner("resume", "--help").out)
    keys, schema = [k for k, _, _ in told], schema_keys()
    c.ok("the schema is read", len(schema) > 40 and "data.split.val" in schema, schema)
    c.equal("keys without a rule", sorted(k for k in schema if not covered(k, keys)), [])
    c.equal("rules without a key", sorted(
        k for k in keys if not any(covered(s, [k]) for s in schema)), [])
    c.equal("docs/resume.md says the same", docs_rows(), told)
    c.equal("each row is tried below", sorted(ROWS), sorted(keys))
    c.equal("as what it is", [k for k, applied, _ in told
                              if applied != (ROWS.get(k, (0, 0, REFUSED))[2] is not REFUSED)],
            [])
    return {k: why for k, _, why in told}


# ------------------------------------------------------------------------- each row

class Bases:
    """Each experiment trained once for two epochs; and resumed without a change."""

    def __init__(self, c, top):
        self.c, self.top, self.made = c, top, {}

    def get(self, text):
        if text not in self.made:
            home = self.top / f"base{len(self.made)}"
            home.mkdir()
            table(home / "a.csv")
            table(home / "moved.csv")
            for split in ("train", "val", "test"):
                table(home / f"{split}.csv")
            path = config(home, text.lstrip())
            r, run = train(path)
            self.c.equal(f"the run before{r.err if r.code else str()}", r.code, 0)
            control = home / "control"
            shutil.copytree(run, control)
            r = runner("resume", control, "train.epochs=4")
            self.c.equal("control", r.code, 0)
            self.c.ok("control: verify", isinstance(check(control), tuple), CHECKED[control])
            self.c.ok("the run before: verify", isinstance(check(run), tuple), CHECKED[run])
            runner("prepare", path, "--out", home / "prepared.h5")
            self.made[text] = (run, control, home)
        return self.made[text]


def each(c, bases, why):
    for key, (text, change, effect) in ROWS.items():
        run, control, home = bases.get(text)
        copy = home / "copy"
        shutil.copytree(run, copy)
        change = [x.replace("MOVED", str(home / "moved.csv")).replace(
            "PREPARED", str(home / "prepared.h5")) for x in change]
        longer = [] if any("train.epochs" in x for x in change) else ["train.epochs=4"]
        before = CHECKED[run], (copy / "resolved.yaml").read_text()
        r = runner("resume", copy, *longer, *change)
        if effect is REFUSED:
            c.equal(f"{key}: refused", (r.code, r.out), (8, ""))
            c.within(f"{key}: says why", r.err,
                     f"cannot change when a run is resumed: {why[key]}")
            c.equal(f"{key}: nothing happened",
                    (check(copy), (copy / "resolved.yaml").read_text()), before)
        else:
            code = 75 if key == "train.max_time" else 0
            if c.equal(f"{key}: applied", r.code, code):
                if c.ok(f"{key}: verify", isinstance(check(copy), tuple), CHECKED[copy]):
                    c.ok(f"{key}: shows it", effect(copy, control))
            else:
                print(r.err)
        shutil.rmtree(copy)


c = Checks()
with Scratch() as top:
    why = whole(c)
    each(c, Bases(c, top), why)
c.done()
