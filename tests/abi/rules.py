# SPDX-License-Identifier: Apache-2.0
"""Rules of the ABI that a run shows: plugins built with later headers, whose structs have
grown, and with earlier ones run on this host; descriptions survive strip, LTO and section
collection; a component of one thread is called by one at a time.

    rules.py RUNNER BUILD RULES"""
import pathlib
import re
import shutil
import subprocess
import sys

import h5py
import numpy as np

from harness import Checks, ROOT, Scratch, kinds as all_kinds, latest, runner

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here))
import api

c = Checks()
DATA = f"""
data:
  source: {{type: idx, images: {ROOT}/datasets/digits-images.idx3.gz, labels: {ROOT}/datasets/digits-labels.idx1.gz}}
  split: {{kind: random, val: 0.1, seed: 7}}
  transforms: [TRANSFORM]
  sampler: SAMPLER
  batch: 64
"""
BASE = f"""
name: NAME
seed: 3
{DATA}
device: DEVICE
init: INIT
model: {{type: sequential, in: {{x: data.image}}, layers: [{{type: flatten}}, {{type: dense, units: 10}}]}}
loss: LOSS
optimizer: OPTIMIZER
metrics: METRIC
train: {{steps: 3, log_every: 1}}
output: runs
"""
RAMP = """
name: NAME
data: {source: SOURCE, batch: 8, workers: 4, cache: 0}
device: reference
model: {type: sequential, in: {x: data.x}, layers: [{type: dense, units: 1, init: zeros}]}
loss: {type: mse, in: {target: data.y}}
optimizer: {type: sgd, lr: 0.1}
train: {steps: 5, log_every: 1}
output: runs
"""


def build(source, to, include, *flags, compiler="cc", must=True):
    p = subprocess.run([compiler, "-shared", "-fPIC", "-fvisibility=hidden", "-I", include,
                        *flags, "-o", to, source, "-lm"], text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if must:
        c.ok(f"{to.name} builds with {include.name} {' '.join(flags)}", p.returncode == 0,
             p.stdout)
    return p.returncode == 0


def run(top, name, text, plugins, words):
    for key, value in words.items():
        text = text.replace(key, value)
    text = text.replace("NAME", name) + f"plugins: [{', '.join(map(str, plugins))}]\n"
    text = re.sub(r"^ *(init: NONE|sampler: SAMPLER)\n", "", text, flags=re.M)
    (top / f"{name}.yaml").write_text(text)
    r = runner(top / f"{name}.yaml", cwd=top)
    if not c.ok(f"{name} runs", r.code == 0, r.err):
        return np.array([np.nan])
    with h5py.File(latest(top / "runs", name) / "run.h5") as f:
        return np.concatenate([f[f"scalars/{s}/value"][:]
                               for s in ("train/loss", "val/loss") if f"scalars/{s}" in f])


# Frozen for ever: the error, the view, the entry; handles and what never crosses.
FROZEN = {"rn_error", "rn_tensor", "rn_entry", "rn_window"}


def later_headers(to):
    """The headers of a later minor: every struct that may grow has grown."""
    shutil.copytree(api.HEADERS, to / "runner")
    grown = 0
    for s in api.structs():
        if s.name in FROZEN or (len(s.members) <= 2 and s.members[0].name == "api"):
            continue
        path = to / "runner" / s.file
        text, n = re.subn(rf"(^struct {s.name} \{{.*?)^\}};",
                          r"\1    uint64_t later_[3];\n};", path.read_text(), count=1,
                          flags=re.S | re.M)
        path.write_text(text)
        grown += n
    c.ok("later headers: the structs have grown", grown > 25, grown)
    return to


with Scratch() as top:
    later = later_headers(top / "later")
    own = api.HEADERS.parent
    # A model is in C++; the source has its own experiment.
    kinds = ["source", *(k for k in all_kinds() if k not in ("model", "source"))]
    for name, include in {"now": own, "later": later}.items():
        (top / name).mkdir(exist_ok=True)
        for kind in kinds:
            # A later header leaves what a plugin does not name at zero.
            build(here / f"outside/{kind}.c", top / name / f"{kind}.so", include,
                  *(["-Wno-missing-field-initializers"] if name == "later" else []))
    words = {"DEVICE": "acme.backends/abacus", "INIT": "{type: acme.init/ramp}",
             "LOSS": "acme.losses/nll", "OPTIMIZER": "acme.optim/heavy_ball",
             "TRANSFORM": "{type: acme.data/centre}",
             "SAMPLER": "{type: acme.data/single, of: label}",
             "METRIC": "{type: acme.metrics/totals, in: {label: data.label}}"}
    extra = ("augment: acme.data/blank\ncollate: {type: acme.data/leader, of: image}\nschedule: {type: acme.schedules/tired}\n"
             "hooks: {type: acme.hooks/watch, steps: 3}\n"
             "regularizers: {type: acme.penalties/non_negative}\n")
    ours = run(top, "now_all", BASE + extra,
               [top / "now" / f"{k}.so" for k in kinds[1:]], words)
    theirs = run(top, "later_all", BASE + extra,
                 [top / "later" / f"{k}.so" for k in kinds[1:]], words)
    c.ok("plugins with grown structs give the same bits", len(ours) >= 3
         and np.array_equal(ours, theirs), f"  {ours}\n  {theirs}")
    ours, theirs = [run(top, f"{n}_source", RAMP, [top / n / "source.so"],
                        {"SOURCE": "{type: acme.data/ramp, rows: 40}"})
                    for n in ("now", "later")]
    c.ok("a source whose fields have grown gives the same bits",
         np.array_equal(ours, theirs), f"  {ours}\n  {theirs}")

    # A custom operator whose table and attributes have grown.
    for name, include in {"now": own, "later": later}.items():
        build(ROOT / "docs/tutorial/my_kernel.c", top / name / "kernel.so", include)
    plain = {"DEVICE": "reference", "INIT": "NONE", "LOSS": "cross_entropy",
             "OPTIMIZER": "{type: sgd, lr: 0.1}", "METRIC": "accuracy",
             "TRANSFORM": "{type: scale, of: image}"}
    ours, theirs = [run(top, f"{n}_kernel", BASE, [top / n / "kernel.so"],
                        {**plain, "LOSS": "my.kernels/poly1"}) for n in ("now", "later")]
    c.ok("an operator that has grown gives the same bits", np.array_equal(ours, theirs),
         f"  {ours}\n  {theirs}")

    # Earlier headers: a transform before `names`, a component before `extension`.
    text = (here / "outside/transform.c").read_text()
    short = text.replace("sizeof(struct rn_transform), 0, create",
                         "offsetof(struct rn_transform, names), 0, create")
    c.ok("the shorter one is another", short != text)
    (top / "short.c").write_text(short)
    build(top / "short.c", top / "short.so", own)
    text = (here / "outside/loss.c").read_text()
    (top / "old.c").write_text(re.sub(r"RN_LOSS\(nll, describe, \"([^\"]*)\",\s*(.*?)\);\n",
                                      r'''
RN_SECTION static const char text[] = "abi: 0 9\\ncomponent: loss \1\\n" \2;
static const struct rn_loss iface = {sizeof(struct rn_loss), 0u, 0, 0, describe};
static const struct { uint32_t struct_size, reserved; const char *text; const void *iface; }
    old = {24, 0, text, &iface}, guard = {0xffffffffu, 0xffffffffu, text, text};
#define nll (*(const struct rn_component *)(guard.struct_size ? &old : 0))
''', text, flags=re.S).replace("RN_PLUGIN(&nll)", """
RN_EXPORT const struct rn_entry *runner_plugin_entry(void);
const struct rn_entry *runner_plugin_entry(void) {
    static const struct rn_component *list[1];
    static struct rn_entry e;
    list[0] = &nll;
    e.struct_size = sizeof e, e.abi_major = RN_ABI_MAJOR, e.abi_needed_minor = RN_ABI_NEEDED_MINOR;
    e.component_count = 1, e.components = list;
    return &e;
}
typedef int nothing"""))
    build(top / "old.c", top / "old.so", own)
    ours = run(top, "before", BASE, [top / "short.so", top / "old.so"],
               {**plain, "LOSS": "acme.losses/nll", "TRANSFORM": "{type: acme.data/centre}"})
    theirs = run(top, "after", BASE, [top / "now/transform.so", top / "now/loss.so"],
                 {**plain, "LOSS": "acme.losses/nll", "TRANSFORM": "{type: acme.data/centre}"})
    c.ok("shorter structs of an earlier minor give the same bits",
         np.array_equal(ours, theirs), f"  {ours}\n  {theirs}")

    # The text survives what linkers and strip do.
    ways = {"lto": ["-O2", "-flto"], "sections": ["-ffunction-sections", "-fdata-sections",
                                                  "-Wl,--gc-sections", "-O2"],
            "all": ["-O3", "-flto", "-ffunction-sections", "-fdata-sections",
                    "-Wl,--gc-sections", "-Wl,-s"]}
    shown = {}
    for name, flags in ways.items():
        build(here / "outside/loss.c", top / f"{name}.so", own, *flags)
        if shutil.which("strip"):
            subprocess.run(["strip", "-s", top / f"{name}.so"], check=True)
    if why := api.no_compiler("clang"):
        print(f"SKIP: {why}: a plugin of another compiler is not tried")
    else:
        build(here / "outside/loss.c", top / "clang.so", own, "-O2", "-Wl,--gc-sections",
              compiler="clang")
        ways["clang"] = []
    for name in ways:
        r = runner("plugin", "show", top / f"{name}.so")
        shown[name] = re.sub(r"\n  (file|sha256) .*", "", r.out)
        curve = run(top, f"way_{name}", BASE, [top / f"{name}.so"],
                    {**plain, "LOSS": "acme.losses/nll"})
        c.ok(f"{name}: it trains", np.isfinite(curve).all(), curve)
    c.ok("the same text each time", len(set(shown.values())) == 1
         and "loss acme.losses/nll" in shown["all"], shown)

    # Concurrency: what the component declares is kept to.
    crowded = (here / "wrong/crowded.c").read_text()
    for name, line in {"one": '"threads: one\\n"', "many": ""}.items():
        (top / f"{name}.c").write_text(crowded.replace("THREADS", line))
        build(top / f"{name}.c", top / f"crowd_{name}.so", own)
    curve = run(top, "crowd", RAMP, [top / "crowd_one.so"], {"SOURCE": "acme.data/crowded"})
    c.ok("threads: one is kept to with four workers", len(curve) >= 5
         and np.isfinite(curve).all(), curve)
    (top / "many.yaml").write_text(
        RAMP.replace("NAME", "many").replace("SOURCE", "acme.data/crowded")
        .replace("steps: 5", "steps: 300") + f"plugins: [{top}/crowd_many.so]\n")
    r = runner(top / "many.yaml", cwd=top)
    c.ok("without it the workers do meet", r.code == 1 and "two workers at once" in r.err,
         f"{r.code}\n{r.err}")

    # Every plugin of the tree exports its entry and nothing else.
    plugins = sorted(pathlib.Path(sys.argv[2], "plugins").rglob("*.so"))
    c.ok("there are plugins", len(plugins) > 30, len(plugins))
    for so in plugins:
        p = subprocess.run(["nm", "-D", "--defined-only", so], text=True,
                           stdout=subprocess.PIPE)
        names = [n for n in re.findall(r" \w (\S+)", p.stdout)
                 if not n.startswith(("__asan", "__ubsan", "__odr_asan", "__gcov",
                                      "mangle_path"))]  # what instruments
        c.equal(f"{so.stem}: one exported name", names, ["runner_plugin_entry"])

    p = subprocess.run([sys.argv[3], top / "now/metric.so"], text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    c.ok("versions, and metrics that merge", p.returncode == 0, p.stdout)
c.done()
