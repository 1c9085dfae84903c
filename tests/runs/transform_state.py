# SPDX-License-Identifier: Apache-2.0
"""The state of fitted transforms in a checkpoint: arrays with names that h5py reads, which
verify protects, and which resume, eval and predict go on with."""
import h5py
import numpy as np
import yaml

from harness import Checks, Scratch, latest, runner

c = Checks()
rng = np.random.default_rng(5)
N = 90
x = rng.normal(size=(N, 2)) * [1, 50]
city = rng.choice(["bonn", "oslo", "rom"], N)
town = rng.choice([f"t{i}" for i in range(12)], N)
y = x[:, 0] + (city == "rom")
rows = [f"{a!r},{b!r},{k},{t},{v!r}" for (a, b), k, t, v in zip(x.tolist(), city, town, y.tolist())]
DATA = {"source": {"type": "csv", "file": "t.csv", "target": "y", "features": ["a", "b"],
                   "fields": ["city", "town"]},
        "split": {"kind": "position", "val": 30}, "batch": 10,
        "transforms": [{"type": "standardise", "of": "x"},
                       {"type": "quantile", "of": "x", "quantiles": 5},
                       {"type": "one_hot", "of": "city"},
                       {"type": "target_encode", "of": ["town", "y"], "target": "y"}]}
TRAIN = {"name": "t", "seed": 1, "device": "reference", "data": DATA,
         "model": {"type": "mlp", "in": {"x": ["data.x", "data.city", "data.town"]},
                   "hidden": [], "outputs": 1},
         "loss": {"type": "mse", "in": {"target": "data.y"}},
         "optimizer": {"type": "sgd", "lr": 0.01}, "train": {"epochs": 2}}


def arrays(run):
    with h5py.File(sorted((run / "checkpoints").glob("step-*.h5"))[-1]) as f:
        return {k: v[()] for k, v in f["transforms"].items()}


with Scratch() as top:
    (top / "t.csv").write_text("a,b,city,town,y\n" + "\n".join(rows) + "\n")
    DATA["transforms"] += [{"type": "concat", "of": ["x", "city", "town"], "as": "x"}]
    TRAIN["model"]["in"] = {"x": "data.x"}
    (top / "e.yaml").write_text(yaml.safe_dump(TRAIN, sort_keys=False))
    r = runner("e.yaml", "--progress", "none", cwd=top)
    c.equal("trains", r.code, 0) or print(r.err)
    run = latest(top / "runs", "t")
    a = arrays(run)
    train = x[:60]
    c.close("mean", np.abs(a["0.standardise.x.origin"] + a["0.standardise.x.shift"]
                           - train.mean(0)).max(), 0, 1e-12)
    c.close("factor", np.abs(a["0.standardise.x.factor"] * train.std(0) - 1).max(), 0, 1e-12)
    z = (train - train.mean(0)) / train.std(0)
    c.close("quantiles", np.abs(a["1.quantile.x.quantiles"]
                                - np.percentile(z, [0, 25, 50, 75, 100], 0).T).max(), 0, 1e-12)
    c.equal("categories", bytes(a["2.one_hot.city.categories"]).split(b"\0")[:-1],
            sorted(set(k.encode() for k in city[:60])))
    c.equal("counts", a["2.one_hot.city.counts"].tolist(),
            [int((city[:60] == k).sum()) for k in sorted(set(city[:60]))])
    c.equal("codes", a["3.target_encode.town.codes"].shape, (6, len(set(town[:60]))))
    c.close("mean of the target", a["3.target_encode.target_means"][-1], y[:60].mean(), 1e-12)

    (top / "new.csv").write_text("a,b,city,town\n" + "\n".join(
        q.rsplit(",", 1)[0] for q in rows[:5]) + "\n")
    r = runner("predict", run, "--data", "new.csv", cwd=top)
    c.equal("predicts without a target", (r.code, len(r.out.splitlines())), (0, 6)) or print(r.err)
    want = r.out
    (top / "new.csv").write_text("a,b,city,town,y\n" + "\n".join(
        q.rsplit(",", 1)[0] + ",?!" for q in rows[:5]) + "\n")
    r = runner("predict", run, "--data", "new.csv", cwd=top)
    c.equal("the target of data to predict may be anything", (r.code, r.out), (0, want)) or \
        print(r.err)
    r = runner("eval", run, "--split", "train", cwd=top)
    c.equal("evaluates", r.code, 0)
    r = runner("resume", run, "train.epochs=3", "--progress", "none", cwd=top)
    c.equal("resumes", r.code, 0) or print(r.err)
    b = arrays(run)
    c.ok("the state is the same", a.keys() == b.keys() and
         all(np.array_equal(a[k], b[k]) for k in a))
    c.equal("verifies", runner("verify", run, cwd=top).code, 0)

    file = sorted((run / "checkpoints").glob("step-*.h5"))[-1]
    with h5py.File(file) as f:
        at = f["transforms/0.standardise.x.factor"].id.get_offset()
    raw = bytearray(file.read_bytes())
    raw[at] ^= 1
    file.write_bytes(raw)
    c.equal("a changed number is damage", runner("verify", run, cwd=top).code, 8)
c.done()
