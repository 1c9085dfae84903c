# SPDX-License-Identifier: Apache-2.0
"""Schedules against torch.optim.lr_scheduler: the whole curve of lr as run.h5 has it."""
import numpy as np
import parts
from harness import Checks, Scratch
from schedule_cases import (CASES, LR, PER_EPOCH, PLATEAU, PLATEAU_SGD, PLATEAU_STEPS, STEPS,
                            VAL_X, VAL_Y, X, Y)

TOLERANCE = 1e-9  # relative to the base value: both compute in f64


def experiment(schedule, optimizer, steps, batch):
    return {"model": {"type": "sequential", "in": {"x": "data.x"},
                      "layers": [{"type": "dense", "units": 1}]},
            "loss": {"type": "mse", "in": {"prediction": "model.out", "target": "data.y"}},
            "optimizer": optimizer, "schedule": schedule,
            "data": {"batch": batch}, "train": {"eval_every": "1st"}}


def curves(c, folder, want):
    rows = {"x": X[:15], "y": Y[:15]}
    batch = 15 // PER_EPOCH
    runs = parts.run_all([((folder, experiment(o, {"type": "sgd", "lr": LR}, STEPS, batch),
                            rows), {"steps": STEPS}) for o in CASES.values()])
    for name, r in zip(CASES, runs):
        if r.absent:
            continue
        if not c.equal(f"{name}: runs", r.code, 0):
            print(r.err)
            continue
        lr = r.scalars("live/optimizer.lr")
        c.equal(f"{name}: a value for each step", len(lr), STEPS)
        far = np.abs(lr - want[name][:len(lr)])
        c.ok(f"{name}: the curve", far.max() <= TOLERANCE * LR,
             f"  off by {far.max():g} at step {far.argmax()}:\n  {lr}\n  {want[name]}")


def plateaus(c, folder, want):
    rows, val = {"x": X, "y": Y}, {"x": VAL_X, "y": VAL_Y}
    jobs = []
    for o in PLATEAU.values():
        x = experiment(o, PLATEAU_SGD, PLATEAU_STEPS, 16)
        x["metrics"] = {"r2": {"type": "r2", "in": {"prediction": "model.out",
                                                    "target": "data.y"}}}
        jobs.append(((folder, x, rows), {"steps": PLATEAU_STEPS, "val": val}))
    for name, r in zip(PLATEAU, parts.run_all(jobs)):
        if r.absent:
            continue
        if not c.equal(f"{name}: runs", r.code, 0):
            print(r.err)
            continue
        lr, w = r.scalars("live/optimizer.lr"), want[name]
        far = np.abs(lr - w["lr"])
        c.ok(f"{name}: the curve", far.max() <= TOLERANCE * PLATEAU_SGD["lr"],
             f"  off by {far.max():g} at step {far.argmax()}:\n  {lr}\n  {w['lr']}")
        c.ok(f"{name}: it was cut more than once", np.sum(np.diff(lr) < 0) > 1)
        watched = PLATEAU[name].get("monitor", "val/loss")
        far = np.abs(r.scalars(watched) / np.array(w["metric"]) - 1.0)
        c.ok(f"{name}: {watched}", far.max() <= 1e-4, f"  off by {far.max():g}")


def others(c, folder):
    """What a schedule may drive, and what it may not be."""
    rows, val = {"x": X, "y": Y}, {"x": VAL_X, "y": VAL_Y}
    adam = {"type": "adamw", "lr": 0.1, "weight_decay": 0.5}
    x = experiment({"of": "optimizer.weight_decay", "type": "step", "every": "4st"}, adam, 8, 16)
    r = parts.run(folder, x, rows, steps=8)
    decay = r.scalars("live/optimizer.weight_decay")
    c.ok("a schedule of weight_decay", np.allclose(decay, [0.5] * 4 + [0.05] * 4, rtol=1e-12))
    c.ok("leaves lr alone", np.all(r.scalars("live/optimizer.lr") == 0.1))
    wrong = [
        ({"type": "step"}, "step expects one of `every` and `milestones`"),
        ({"type": "step", "every": "1ep", "milestones": ["2ep"]}, "step expects one of `every` and `milestones`"),
        ({"type": "step", "every": "0st"}, "`every` is shorter than a step"),
        ({"type": "step", "every": "2 weeks"}, "2 weeks"),
        ({"type": "step", "every": "2h"}, "a time cannot be counted in steps here"),
        ({"type": "step", "every": "1ep", "gamma": 0}, "gamma is 0: it must be above 0"),
        ({"type": "cosine", "low": 1.5}, "low is 1.5: it must be at most 1"),
        ({"type": "warmup"}, "length"),
        ({"type": "warmup", "length": "5st", "start": -1}, "start is -1: it must be at least 0"),
        ({"type": "warmup", "length": "5st", "then": "cosinus"}, "did you mean 'cosine'?"),
        ({"type": "plateau", "factor": 1}, "factor is 1: it must be below 1"),
        ({"type": "plateau", "patience": -1}, "patience is -1: it must be at least 0"),
        ({"type": "plateau", "min_delta": -1}, "min_delta is -1: it must be at least 0"),
        ({"type": "plateau", "cooldown": -1}, "cooldown is -1: it must be at least 0"),
        ({"type": "plateau", "low": 2}, "low is 2: it must be at most 1"),
        ({"type": "plateau", "monitor": "val/los"}, "did you mean 'val/loss'?"),
        ({"type": "warmup", "length": "5st", "then": {"type": "plateau", "monitor": "val/los"}},
         "did you mean 'val/loss'?"),
        ({"of": "optimizer.rate", "type": "cosine"}, "'optimizer.rate' matches no live option"),
    ]
    runs = parts.run_all([((folder, experiment(o, adam, 8, 16), rows), {"val": val})
                          for o, _ in wrong])
    for (o, sentence), r in zip(wrong, runs):
        if r.absent:
            continue
        c.equal(f"{o}: exit", r.code, 2)
        c.within(f"{o}: sentence", r.err, sentence)


def main():
    c = Checks()
    want = parts.golden("schedules")
    c.equal("every case has its golden numbers", sorted(want), sorted({**CASES, **PLATEAU}))
    with Scratch() as folder:
        curves(c, folder, want)
        plateaus(c, folder, want)
        others(c, folder)
    c.done()


main()
