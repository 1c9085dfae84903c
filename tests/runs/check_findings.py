#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`runner check`: every finding has a planted fault, which is found, and a twin without
it, for which the check is silent; clean sets of many sizes; numbers beside NumPy's."""
import csv
import json
import sys

import jsonschema
import numpy as np
import yaml

from harness import ROOT, Checks, Scratch, runner

c = Checks()
CITIES = np.array(["Rome", "Oslo", "Bonn", "Lima"])


def clean(rng, n=2000, regression=False):
    """Columns by name: four independent normal ones, a text and a label that depends on
    the first."""
    t = {k: rng.standard_normal(n) for k in "abcd"}
    t["city"] = CITIES[rng.integers(0, 4, n)]
    y = t["a"] + rng.standard_normal(n)
    t["label"] = y if regression else np.where(y > 0, "yes", "no")
    return t


def cell(v):
    return "" if v is None or v != v else f"{v:.9g}" if isinstance(v, float) else str(v)


def write(folder, table, **more):
    """The table as t.csv and an experiment of it."""
    keys = list(table)
    with open(folder / "t.csv", "w", newline="") as f:
        w = csv.writer(f, lineterminator="\n")
        w.writerow(keys)
        w.writerows([cell(table[k][i].item() if hasattr(table[k][i], "item")
                          else table[k][i]) for k in keys]
                    for i in range(len(table[keys[0]])))
    texts = [k for k in keys if k != "label" and isinstance(table[k][0], str)]
    regression = not isinstance(table["label"][0], (str, int, np.integer))
    data = {"source": {"type": "csv", "file": "t.csv", "target": "label"},
            "split": {"kind": "random", "val": 0.2, "test": 0.2, "seed": 1},
            "transforms": [{"type": "impute", "of": "x"}, {"type": "standardise", "of": "x"}]}
    if texts:
        data["source"]["fields"] = texts
    if regression:
        data["source"]["target_type"] = "float"
    else:
        data["split"] = {"kind": "stratified", "by": "label", "val": 0.2, "test": 0.2,
                         "seed": 1}
        data["transforms"].insert(0, {"type": "label_map", "of": "label"})
    experiment = {"name": "t", "data": data,
                  "model": {"type": "sequential", "layers": [{"type": "dense", "units": 2}]},
                  "loss": "mse" if regression else "cross_entropy",
                  "optimizer": "sgd", "train": {"epochs": 1}}
    for key, value in more.items():
        at, names = experiment, key.split("__")
        for name in names[:-1]:
            at = at.setdefault(name, {})
        if value is None:
            at.pop(names[-1], None)
        else:
            at[names[-1]] = value
    (folder / "e.yaml").write_text(yaml.safe_dump(experiment, sort_keys=False))


def look(folder, *args, code=None):
    r = runner("check", folder / "e.yaml", "--json", *args, cwd=folder)
    if r.code not in (0, 9) or (code is not None and r.code != code):
        c.ok(f"exit code {r.code}", False, r.out + r.err)
        return {"findings": [], "columns": []}
    return json.loads(r.out)


def found(report, code, field=None):
    return [f for f in report["findings"] if f["code"] == code and
            (field is None or f["field"] == field)]


# ------------------------------------------------------------- the planted faults
# code -> (field, severity, plant(rng, table) -> changes of the experiment or None). The
# twin is the table before.

PLANTED = {}
WITHOUT = []  # planted, but no fix offered


def plant(code, field=None, severity=None, n=2000, regression=False, **twin):
    def keep(fn):
        PLANTED[code, fn.__name__] = (field, severity, n, regression, twin, fn)
        return fn
    return keep


def holes(rng, values, share, where=None):
    gone = rng.random(len(values)) < share
    gone = gone if where is None else gone & where
    return np.where(gone, np.nan, values)


@plant("missing", "b", "warn", data__transforms=[{"type": "label_map", "of": "label"},
                                                 {"type": "standardise", "of": "x"}])
def missing_and_not_filled(rng, t):
    t["b"] = holes(rng, t["b"], 0.2)


@plant("missing", "b", "note")
def missing_and_filled(rng, t):
    t["b"] = holes(rng, t["b"], 0.2)


@plant("unusable", None, "error", data__transforms=[{"type": "label_map", "of": "label"},
                                                    {"type": "standardise", "of": "x"}])
def not_filled(rng, t):
    t["b"] = holes(rng, t["b"], 0.01)


@plant("unreadable", None, "error")
def a_bad_cell(rng, t):
    t["b"] = t["b"].astype(object)
    t["b"][77] = "12,5x"


@plant("mixed-type", "city", "error")
def words_among_numbers(rng, t):
    t["city"] = np.array([f"{v:.6f}" for v in rng.standard_normal(2000)], dtype=object)
    t["city"][[5, 99, 700]] = ["n/a", "none yet", "n/a"]


@plant("null-words", "city", "warn")
def question_marks(rng, t):
    t["city"] = t["city"].astype(object)
    t["city"][::50] = "unknown"


@plant("null-words", "b", "warn")
def nines(rng, t):
    t["b"][::50] = -999


@plant("constant", "b", "warn")
def one_value(rng, t):
    t["b"][:] = 3.5


@plant("constant", "b", "note")
def nearly_one_value(rng, t):
    t["b"][1:] = 3.5


@plant("all-distinct", "b", "warn")
def row_numbers_shuffled(rng, t):
    t["b"] = rng.permutation(2000).astype(float) + 1000


@plant("all-distinct", "city", "warn")
def names(rng, t):
    t["city"] = np.array([f"id{v:06}" for v in rng.permutation(2000)])


@plant("id-monotone", "b", "warn")
def time_stamps(rng, t):
    t["b"] = np.cumsum(rng.random(2000))


@plant("column-duplicate", "c", "warn")
def equal_columns(rng, t):
    t["c"] = t["b"]


@plant("column-duplicate", "c", "warn")
def celsius_and_fahrenheit(rng, t):
    t["c"] = 1.8 * t["b"] + 32


@plant("correlated", "c", "note")
def nearly_equal(rng, t):
    t["c"] = t["b"] + 0.1 * rng.standard_normal(2000)


@plant("outliers", "b", "note")
def far_rows(rng, t):
    t["b"][[3, 400, 1500]] = [30, -40, 55]


@plant("extreme", "b", "warn")
def a_huge_number(rng, t):
    t["b"][17] = 1e9


@plant("skew", "b", "note")
def long_tail(rng, t):
    t["b"] = np.exp(2 * t["b"])


@plant("unscaled", "x", "warn", data__transforms=[{"type": "label_map", "of": "label"}])
def metres_and_milligrams(rng, t):
    t["b"] *= 1000


@plant("whitespace", "city", "warn")
def two_spellings(rng, t):
    t["city"] = t["city"].astype(object)
    t["city"][5::40] = "rome "


@plant("high-cardinality", "city", "note", n=3000)
def many_categories(rng, t):
    t["city"] = np.array([f"c{v}" for v in rng.integers(0, 1500, 3000)])


@plant("rare-category", "city", "note")
def a_rare_city(rng, t):
    t["city"][:7] = "Kyiv"


@plant("date-like", "city", "note")
def dates(rng, t):
    t["city"] = np.array([f"2024-{v % 12 + 1:02}-{v % 28 + 1:02}"
                          for v in rng.integers(0, 300, 2000)])


@plant("encoding", "city", "note")
def read_as_latin1(rng, t):
    t["city"] = t["city"].astype(object)
    t["city"][::9] = "Köln".encode().decode("latin-1").encode().decode("latin-1")


@plant("missing-label", "label", "error", data__split={"kind": "random", "val": 0.2},
       data__transforms=[{"type": "standardise", "of": "x"}],
       data__source={"type": "csv", "file": "t.csv", "fields": ["city", "label"]})
def no_label(rng, t):
    t["label"] = t["label"].astype(object)
    t["label"][[4, 900]] = ""


@plant("single-class", "label", "error", data__split={"kind": "position", "val": 0.2})
def last_rows_of_one_class(rng, t):
    t["label"][-400:] = "no"


@plant("class-missing", "label", "warn", data__split={"kind": "position", "val": 0.2})
def class_of_the_first_rows(rng, t):
    t["label"] = np.where(rng.random(2000) < 0.3, "maybe", t["label"])
    t["label"][-400:] = np.where(t["label"][-400:] == "maybe", "yes", t["label"][-400:])


@plant("imbalance", "label", "warn", n=4000)
def rare_class(rng, t):
    t["label"] = np.where(rng.random(4000) < 0.05, "yes", "no")


@plant("few-rows", "label", "warn")
def small_class(rng, t):
    t["label"] = t["label"].astype(object)
    t["label"][rng.permutation(2000)[:60]] = "maybe"


@plant("label-conflict", "label", "warn")
def equal_rows_other_label(rng, t):
    for k in "abcd":
        t[k][:40:2] = t[k][1:40:2]
    t["city"][:40:2] = t["city"][1:40:2]
    t["label"][:40:2], t["label"][1:40:2] = "yes", "no"


@plant("target-shape", "label", "note", regression=True)
def clipped(rng, t):
    t["label"] = np.minimum(t["label"], 1.0)


@plant("target-scale", "label", "warn", regression=True)
def in_cents(rng, t):
    t["label"] = t["label"] * 5000


@plant("duplicate-split", None, "error")
def copied_rows(rng, t):
    at = rng.permutation(2000)[:80]
    for k in t:
        t[k][at[:40]] = t[k][at[40:]]


@plant("duplicate", None, "note")
def copied_often(rng, t):
    at = rng.permutation(2000)[:400]
    for k in t:
        t[k][at[:200]] = t[k][at[200:]]


@plant("target-leak", "d", "error")
def the_answer(rng, t):
    t["d"] = np.where(t["label"] == "yes", 1.0, 0.0) + 0.05 * rng.standard_normal(2000)


@plant("target-leak", "city", "error")
def the_answer_as_text(rng, t):
    t["city"] = np.char.add(np.where(t["label"] == "yes", "x", "y"), rng.integers(0, 9, 2000)
                            .astype(str))


@plant("target-leak", "d", "error", regression=True)
def the_answer_as_number(rng, t):
    t["d"] = 3 * t["label"] + 0.02 * rng.standard_normal(2000)


@plant("missing-leak", "b", "warn")
def empty_for_one_class(rng, t):
    t["b"] = holes(rng, t["b"], 0.5, t["label"] == "yes")


@plant("order-leak", "label", "warn")
def sorted_file(rng, t):
    at = np.argsort(t["label"], kind="stable")
    for k in t:
        t[k] = t[k][at]


@plant("neighbour-order", "b", "warn")
def series(rng, t):
    t["b"] = np.convolve(rng.standard_normal(2009), np.ones(10) / 3, "valid")


@plant("group-cross", "city", "warn")
def patients(rng, t):
    who = rng.integers(0, 100, 2000)
    t["city"] = np.array([f"p{v}" for v in who])
    for k in "bcd":
        t[k] = rng.standard_normal(100)[who] + 0.5 * t[k]


@plant("group-cross", "who", "warn")
def patients_by_number(rng, t):
    who = rng.integers(0, 100, 2000)
    t["who"] = 1000 + who
    for k in "bcd":
        t[k] = rng.standard_normal(100)[who] + 0.5 * t[k]


@plant("time-cross", "city", "warn")
def future_known(rng, t):
    day = rng.integers(0, 28, 2000)
    t["city"] = np.array([f"2024-02-{d + 1:02}" for d in day])
    t["label"] = np.where(rng.random(2000) < (day + 5) / 38, "yes", "no")


@plant("drift", "b", "warn", data__split={"kind": "position", "val": 0.2, "test": 0.2})
def shifted(rng, t):
    t["b"][-400:] += 0.5


@plant("drift", "city", "warn", data__split={"kind": "position", "val": 0.2, "test": 0.2})
def other_cities(rng, t):
    t["city"][-400:] = CITIES[rng.integers(0, 2, 400)]


@plant("label-drift", "label", "warn",
       data__split={"kind": "position", "val": 0.2, "test": 0.2})
def other_labels(rng, t):
    t["label"][-400:] = np.where(rng.random(400) < 0.9, "yes", "no")


@plant("missing-shift", "b", "warn",
       data__split={"kind": "position", "val": 0.2, "test": 0.2})
def broken_sensor(rng, t):
    t["b"][-400:] = holes(rng, t["b"][-400:], 0.1)


@plant("new-category", "city", "warn",
       data__split={"kind": "position", "val": 0.2, "test": 0.2})
def new_city(rng, t):
    t["city"][-3:] = "Kyiv"


@plant("contract", "b", "error", data__contract={"b": {"type": "number", "max": 6}})
def above_the_maximum(rng, t):
    t["b"][9] = 6.5


@plant("contract", "city", "error", data__contract={"city": {"in": list(CITIES.tolist())}})
def not_in_the_list(rng, t):
    t["city"][9] = "Kyiv"


def test_planted(folder):
    for (code, name), (field, severity, n, regression, twin, fn) in PLANTED.items():
        table = clean(np.random.default_rng(5), n, regression)
        write(folder, table, **twin)
        before = look(folder)
        c.ok(f"{code}: silent without {name}", not found(before, code, field),
             str(found(before, code)))
        fn(np.random.default_rng(6), table)
        write(folder, table, **twin)
        after = look(folder)
        hits = found(after, code, field)
        c.ok(f"{code}: finds {name}", hits and hits[0]["severity"] == severity,
             str(hits or after["findings"]))
        jsonschema.validate(after, SCHEMA)
        fix = hits[0]["fix"] if hits else None
        if fix:
            r = runner("check", folder / "e.yaml", "--json", fix, cwd=folder)
            left = [f for f in found(json.loads(r.out), code, field)
                    if f["severity"] == severity] if r.code in (0, 9) else [r.out]
            c.ok(f"{code}: {fix} works", not left, str(left)[-600:])
        else:
            WITHOUT.append((code, name))
    c.ok("most findings offer a fix", len(WITHOUT) < 27, str(WITHOUT))
    codes = {code for code, _ in PLANTED}
    everything = {k["code"] for k in look_codes()}
    elsewhere = {"near-duplicate", "near-duplicate-split", "label-error", "dark", "bright",
                 "blur", "flat", "background-leak"}  # check_*.py
    c.equal("codes without a planted fault here", sorted(everything - codes - elsewhere),
            ["non-finite", "range"])


def look_codes():
    r = runner("check", "--docs")
    return [{"code": line.split("`")[1]} for line in r.out.splitlines()
            if line.startswith("| `")]


# ------------------------------------------------------------------- arrays

def arrays(folder, x, y, transforms, model="flatten"):
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    experiment = {"name": "t", "data": {
        "source": {"type": "npy", "files": {"x": "x.npy", "label": "y.npy"}},
        "split": {"kind": "stratified", "by": "label", "val": 0.2},
        "transforms": transforms},
        "model": {"type": "sequential", "in": {"x": "data.x"},
                  "layers": [{"type": model}, {"type": "dense", "units": 2}]},
        "loss": "cross_entropy", "optimizer": "sgd", "train": {"epochs": 1}}
    (folder / "e.yaml").write_text(yaml.safe_dump(experiment, sort_keys=False))


def test_arrays(folder):
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 400)
    x = rng.integers(0, 256, (400, 1, 6, 6)).astype("u1")
    scaled = [{"type": "scale", "of": "x", "factor": 1 / 255}]
    arrays(folder, x, y, scaled)
    report = look(folder)
    c.ok("bytes scaled: silent", not report["findings"], str(report["findings"]))
    column = report["columns"][0]
    c.equal("a tensor", (column["kind"], column["rows"], column["min"], column["max"]),
            ("tensor", 400 * 36, float(x.min()), float(x.max())))
    c.close("its mean", column["mean"], x.mean(), 1e-12 * x.mean())
    c.close("its sd", column["std"], x.astype(float).std(ddof=1), 1e-10)
    arrays(folder, x, y, [{"type": "scale", "of": "x", "factor": 1}])
    hits = found(look(folder), "range", "x")
    c.ok("bytes not scaled", hits and "factor: 0.0039" in hits[0]["fix"], str(hits))
    arrays(folder, x, y, scaled * 2)
    c.ok("bytes scaled twice", found(look(folder), "range", "x"))
    # equal images in two splits
    same = x.copy()
    same[200:220] = same[:20]
    arrays(folder, same, y, scaled)
    c.ok("equal images", found(look(folder), "duplicate-split"))
    # infinite numbers, before and after
    x = rng.standard_normal((400, 3))
    arrays(folder, x, y, [])
    c.ok("finite: silent", not found(look(folder), "non-finite"))
    x[7, 1] = np.inf
    arrays(folder, x, y, [])
    hits = found(look(folder), "non-finite", "x[1]")
    c.ok("infinite", hits and hits[0]["rows"] == [8] and hits[0]["n"] == 1, str(hits))


# ------------------------------------------------------------------ numbers

def moment(x, k):
    d = x.astype(np.longdouble) - x.astype(np.longdouble).mean()
    return (d ** k).mean()


def test_numbers(folder):
    rng = np.random.default_rng(8)
    t = clean(rng, 5000)
    t["b"] = np.exp(t["b"])
    t["c"] = np.round(t["c"] * 3)
    t["d"] = holes(rng, t["d"] + 1e6, 0.03)
    write(folder, t)
    report = look(folder)
    columns = {k["name"]: k for k in report["columns"]}
    for name in "abcd":
        x = np.array([float(cell(v.item())) if v == v else np.nan for v in t[name]])
        k, x = columns[name], x[~np.isnan(x)]
        c.equal(f"{name} counts", (k["missing"], k["zeros"], k["negative"], k["integers"],
                                   k["distinct"]),
                (5000 - len(x), int((x == 0).sum()), int((x < 0).sum()),
                 int((x == np.rint(x)).sum()), len(np.unique(x))))
        for q in (1, 5, 25, 50, 75, 95, 99):
            c.equal(f"{name} p{q:02}", k[f"p{q:02}"], float(np.quantile(x, q / 100)))
        c.equal(f"{name} range", (k["min"], k["max"]), (x.min(), x.max()))
        c.equal(f"{name} MAD", k["mad"], float(np.quantile(np.abs(x - np.quantile(x, 0.5)),
                                                           0.5)))
        v = moment(x, 2)
        scale = abs(x.mean())
        c.close(f"{name} mean", k["mean"], float(x.astype(np.longdouble).mean()),
                1e-12 * max(scale, 1))
        c.close(f"{name} sd", k["std"], float(np.sqrt(v * len(x) / (len(x) - 1))), 1e-12)
        c.close(f"{name} skewness", k["skewness"], float(moment(x, 3) / v ** 1.5), 1e-9)
        c.close(f"{name} kurtosis", k["kurtosis"], float(moment(x, 4) / v ** 2 - 3), 1e-9)
    top = columns["city"]["top"]
    values, counts = np.unique(t["city"], return_counts=True)
    c.equal("categories", {k["value"]: k["rows"] for k in top},
            dict(zip(values.tolist(), counts.tolist())))
    # the shifts: D and PSI by their formulas on the rows of the splits
    r = runner("check", folder / "e.yaml", "--json", "data.split={kind: position, test: 2000}",
               cwd=folder)
    k = {k["name"]: k for k in json.loads(r.out)["columns"]}["b"]["shift"]["test"]
    x = np.array([float(cell(v.item())) for v in t["b"]])
    a, b = np.sort(x[:3000]), np.sort(x[3000:])
    both = np.concatenate([a, b])
    d = np.abs(np.searchsorted(a, both, "right") / 3000 -
               np.searchsorted(b, both, "right") / 2000).max()
    c.close("D", k["ks"], d, 1e-15)
    lam = d * np.sqrt(3000 * 2000 / 5000)
    i = np.arange(1, 101)
    c.close("p of D", k["ks_p"], float(2 * np.sum((-1.0) ** (i - 1) *
                                                  np.exp(-2 * i ** 2 * lam ** 2))), 1e-12)
    edges = np.quantile(a, np.arange(1, 10) / 10)
    m = np.bincount(np.searchsorted(edges, a, "left"), minlength=10) + 0.5
    n = np.bincount(np.searchsorted(edges, b, "left"), minlength=10) + 0.5
    m, n = m / m.sum(), n / n.sum()
    c.close("PSI", k["psi"], float(((n - m) * np.log(n / m)).sum()), 1e-12)


# ------------------------------------------------------------------- clean sets

def clean_set(rng, n):
    """Independent columns of several laws, in a random order; a target that depends on
    two of them, and nothing wrong."""
    t = {"u": rng.random(n), "g": rng.standard_normal(n), "e": rng.exponential(size=n),
         "k": rng.poisson(3, n).astype(float), "t": rng.standard_t(5, n)}
    t["city"] = CITIES[rng.integers(0, 4, n)]
    t["kind"] = np.array([f"k{v}" for v in rng.integers(0, 3, n)])
    y = t["g"] + t["u"] + rng.standard_normal(n)
    t["label"] = np.where(y > np.median(y), "yes", "no")
    return t


def test_clean_sets(folder):
    sizes = [50] * 6 + [100] * 6 + [300] * 6 + [1000] * 6 + [5000] * 4 + [30000, 100000]
    false = []
    for seed, n in enumerate(sizes):
        write(folder, clean_set(np.random.default_rng(1000 + seed), n))
        report = look(folder)
        for f in report["findings"]:
            # true of so few rows: 10 and 20 rows in val and test
            if f["severity"] == "note" or (f["code"] == "few-rows" and n < 300):
                continue
            false.append((n, seed, f["code"], f["field"], f["effect"], f["q"]))
    c.ok("at most one false warning in twenty clean sets", len(false) <= len(sizes) // 20,
         "\n".join(map(str, false)))


def test_measurements(folder):
    """Whole numbers that go with the other inputs are measurements, and no groups."""
    rng = np.random.default_rng(8)
    t = clean(rng)
    size = rng.standard_normal(2000)
    t["length"] = np.round(200 + 14 * (size + 0.3 * rng.standard_normal(2000))).astype(int)
    for k in "bcd":
        t[k] = size + 0.5 * t[k]
    write(folder, t)
    report = look(folder)
    c.ok("a measurement is no group", not found(report, "group-cross"), str(report["findings"]))


def test_expected_by_chance(folder):
    """What a single threshold would report of these sets, and what is not evidence."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        n = 4000
        t = clean(rng, n)
        t["b"] = rng.integers(0, 10**6, n).astype(float)  # 8 values twice are expected
        t["city"] = np.array([f"z{v}" for v in rng.zipf(1.8, n) % 500])
        write(folder, t)
        report = look(folder)
        c.ok("integers of a wide range", not found(report, "all-distinct"))
        c.ok("rare categories", all(f["severity"] == "note"
                                    for f in found(report, "new-category")))
    # no drift at all, and so few rows that PSI is above 0.1
    t = clean(np.random.default_rng(1), 200)
    write(folder, t, data__split={"kind": "position", "test": 100})
    report = look(folder)
    psi = max(k["shift"]["test"]["psi"] for k in report["columns"] if k["kind"] == "number")
    c.ok("PSI above 0.1 is not drift", psi > 0.1 and not found(report, "drift"), str(psi))
    # power: a drift of 0.3 standard deviations in 1000 rows
    seen = 0
    for seed in range(20):
        t = clean(np.random.default_rng(seed), 2000)
        t["b"][1000:] += 0.3
        write(folder, t, data__split={"kind": "position", "test": 1000})
        seen += bool(found(look(folder), "drift", "b"))
    c.ok("a drift of 0.3 sd is found", seen >= 19, str(seen))


# -------------------------------------------------------------- words and section

SCHEMA = {
    "type": "object",
    "required": ["version", "rows", "split", "target", "columns", "findings", "checks"],
    "properties": {
        "version": {"const": 1},
        "rows": {"type": "object", "additionalProperties": {"type": "integer"}},
        "findings": {"type": "array", "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["code", "family", "severity", "field", "split", "n", "effect",
                         "threshold", "p", "q", "rows", "reason", "fix"],
            "properties": {
                "code": {"type": "string", "pattern": "^[a-z0-9-]+$"},
                "family": {"enum": ["integrity", "target", "leak", "drift"]},
                "severity": {"enum": ["error", "warn", "note"]},
                "field": {"type": ["string", "null"]},
                "split": {"enum": ["train", "val", "test", None]},
                "n": {"type": "integer", "minimum": 0},
                "effect": {"type": ["number", "null"]},
                "threshold": {"type": "number"},
                "p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
                "q": {"type": ["number", "null"], "minimum": 0, "maximum": 0.01},
                "rows": {"type": "array", "maxItems": 20,
                         "items": {"type": "integer", "minimum": 1}},
                "reason": {"type": "string", "minLength": 1},
                "fix": {"type": ["string", "null"]}}}},
        "columns": {"type": "array", "items": {
            "type": "object",
            "required": ["name", "field", "kind", "dtype", "role", "rows", "missing"],
            "properties": {"kind": {"enum": ["number", "text", "length", "tensor"]},
                           "role": {"enum": ["input", "target", "other"]}}}},
        "checks": {"type": "array", "items": {
            "type": "object", "required": ["code", "applicable", "why"],
            "properties": {"why": {"type": ["string", "null"]}}}},
    },
}


def test_words(folder):
    t = clean(np.random.default_rng(5))
    PLANTED["target-leak", "the_answer"][-1](np.random.default_rng(6), t)
    PLANTED["correlated", "nearly_equal"][-1](np.random.default_rng(6), t)
    write(folder, t)
    r = runner("check", "e.yaml", cwd=folder)
    c.equal("an error: 9", r.code, 9)
    lines = r.out.splitlines()
    c.ok("80 columns", all(len(line) <= 80 for line in lines),
         "\n".join(line for line in lines if len(line) > 80))
    c.within("first the error", r.out.split("error")[1], "target-leak     d  alone")
    c.within("counts", lines[-1], "1 error, 0 warnings, 1 note of ")
    # the fix is an override: with it, the finding is gone
    fix = found(look(folder), "target-leak")[0]["fix"]
    c.equal("a fix", fix, "data.source.drop+=d")
    c.ok("the fix works", not found(look(folder, fix), "target-leak"))
    for level, code in (("error", 9), ("warn", 9), ("note", 9)):
        c.equal(level, runner("check", "e.yaml", "--fail-on", level, cwd=folder).code, code)
    only = look(folder, "--only", "correlated,drift")
    c.equal("only", [f["code"] for f in only["findings"]], ["correlated"])
    c.equal("only, exit 0", runner("check", "e.yaml", "--only", "drift", cwd=folder).code, 0)
    r = runner("check", "e.yaml", "--only", "corelated", cwd=folder)
    c.equal("a wrong code", r.code, 2)
    c.within("a wrong code", r.err, "did you mean 'correlated'?")
    r = runner("check", "e.yaml", "--all", cwd=folder)
    c.within("all", r.out, "-     range            no images\n")
    c.ok("80 columns of --all", all(len(line) <= 80 for line in r.out.splitlines()))
    r = runner("check", "--explain", "target-leak")
    c.equal("explain", r.code, 0)
    c.within("explain", r.out, "Threshold: 0.98")
    r = runner("check", "--explain", "target-leek")
    c.equal("explain nothing", r.code, 2)
    c.within("explain nothing", r.err, "did you mean 'target-leak'?")
    r = runner("check")
    c.equal("no experiment", r.code, 2)


def test_section(folder):
    t = clean(np.random.default_rng(5))
    PLANTED["target-leak", "the_answer"][-1](np.random.default_rng(6), t)
    write(folder, t, check__allow=["target-leak.d"])
    report = look(folder, code=0)
    c.equal("allowed", (report["findings"], report["allowed"]), ([], 1))
    for allow, words in ((["target-leak.c"], "'target-leak.c' allows nothing"),
                         (["skew"], "'skew' allows nothing"),
                         (["target_leak"], "did you mean 'target-leak'?")):
        write(folder, t, check__allow=allow)
        r = runner("check", "e.yaml", cwd=folder)
        c.equal(f"allow {allow}", r.code, 2)
        c.within(f"allow {allow}", r.err, words)
    write(folder, t, check__thresholds={"target-leak": 0.9999})
    c.equal("threshold", look(folder, code=0)["findings"], [])
    write(folder, t, check__thresholds={"duplicate-split": 2})
    r = runner("check", "e.yaml", cwd=folder)
    c.equal("no threshold", r.code, 2)
    c.within("no threshold", r.err, "has no threshold")
    write(folder, t, check__target="city", data__split={"val": 0.2})
    c.equal("target", look(folder)["target"], "city")
    write(folder, t, check__target="citi", data__split={"val": 0.2})
    r = runner("check", "e.yaml", cwd=folder)
    c.equal("no such target", r.code, 2)
    c.within("no such target", r.err, "did you mean 'city'?")
    # data.prepare is spelled out as a run has it; no fix adds to its transforms
    write(folder, clean(np.random.default_rng(5)), data__prepare="auto",
          data__transforms=None, data__source={"type": "csv", "file": "t.csv",
                                               "target": "label"})
    report = look(folder, code=0)
    c.equal("prepare: auto", sorted(k["name"] for k in report["columns"]),
            ["a", "b", "c", "city", "d", "label"])
    c.ok("fixes of it", not any("transforms" in (f["fix"] or "")
                                for f in report["findings"]))
    # the contract that is written is kept, and is an experiment's block
    write(folder, t)
    r = runner("check", "e.yaml", "--write-contract", cwd=folder)
    block = yaml.safe_load(r.out)["data"]["contract"]
    c.equal("a contract", sorted(block), sorted(t))
    write(folder, t, data__contract=block)
    c.ok("it is kept", not found(look(folder), "contract"))
    write(folder, t, data__contract={"aa": {"min": 0}})
    r = runner("check", "e.yaml", cwd=folder)
    c.equal("contract of nothing", r.code, 3)
    c.within("contract of nothing", r.err, "did you mean 'a'?")


def flowers(folder):
    rng = np.random.default_rng(2)
    kind = np.array(["daisy", "iris", "rose"])[rng.integers(0, 3, 300)]
    t = {"length": rng.random(300), "width": holes(rng, rng.random(300), 0.1), "kind": kind}
    with open(folder / "flowers.csv", "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(t)
        w.writerows([cell(v.item()) for v in row] for row in zip(*t.values()))


def test_docs(folder):
    r = runner("check", "--docs")
    c.ok("docs/findings.md is up to date", r.out == (ROOT / "docs/findings.md").read_text(),
         "  make it again: ./dev runner check --docs > docs/findings.md")
    page = (ROOT / "docs/check.md").read_text()
    block = page.split("```yaml\n")[1].split("```")[0]
    flowers(folder)
    experiment = yaml.safe_load(block)
    experiment.update({"model": {"type": "sequential", "layers": [{"type": "dense",
                                                                   "units": 3}]},
                       "loss": "cross_entropy", "optimizer": "sgd", "train": {"epochs": 1}})
    experiment["data"]["transforms"] = [{"type": "label_map", "of": "kind"},
                                        {"type": "impute", "of": "x"}]
    (folder / "e.yaml").write_text(yaml.safe_dump(experiment, sort_keys=False))
    report = look(folder)
    c.ok("the page's example", report["allowed"] >= 2 and not found(report, "contract"),
         str(report))


def test_on_train(folder):
    t = clean(np.random.default_rng(5), 300)
    t["d"] = np.where(t["label"] == "yes", 1.0, 0.0)
    more = {"check__thresholds": {"target-leak": 0.9}, "train": {"steps": 1}}
    for mode, code, shown in (("off", 0, False), ("warn", 0, True), ("error", 9, True)):
        write(folder, t, check__on_train=mode, **more)
        r = runner("e.yaml", cwd=folder)
        c.equal(f"on_train {mode}", r.code, code)
        c.equal(f"on_train {mode} reports", "error target-leak     d  " in r.err, shown)
        c.equal(f"on_train {mode} trains", "Done after 1 step" in r.err, code == 0)


tests = {name[5:]: fn for name, fn in list(globals().items()) if name.startswith("test_")}
for name, fn in tests.items():
    if len(sys.argv) < 3 or name in sys.argv[2:]:
        with Scratch() as scratch:
            fn(scratch)
c.done()
