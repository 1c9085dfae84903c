#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reading and checking a table of numbers beside pandas, polars and ydata-profiling.

    files.py RUNNER [--rows 1000000] [--columns 50] [--rounds 3] [--peers pandas,polars]
             [--python PYTHON] [--profiling PYTHON]

A round runs every side once, in a process of its own, by turns. runner's time is its whole
process; a peer's begins when its modules are imported. `csv`: processor time of reading the
file, runner also hashes it and looks at every label (`runner plan`), all sides with one
thread. `check`: `runner check` beside the nearest a peer has, all sides on all
processors. The last lines: ROW PEER ratio=R limit=L, R the peer's processor time over
runner's, L the goal. PYTHON has pandas and polars, the other one ydata-profiling, which
needs an older pandas; a peer that is not there is skipped."""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

READ = {"pandas": "d = pandas.read_csv(f)", "polars": "d = polars.read_csv(f)"}
CHECK = {
    "pandas": "d = pandas.read_csv(f); d.describe(); d.nunique(); d.duplicated().sum()",
    "polars": "d = polars.read_csv(f); d.describe(); [d[c].n_unique() for c in d.columns]; "
              "d.is_duplicated().sum()",
    "ydata-profiling": "d = pandas.read_csv(f); ydata_profiling.ProfileReport(d, minimal=True, "
                       "progress_bar=False).to_json()",
}
MODULES = {"pandas": "pandas", "polars": "polars", "ydata-profiling": "pandas, ydata_profiling"}
GOALS = {"csv": {"polars": 4, "pandas": 4}, "check": {"pandas": 8, "polars": 1,
                                                      "ydata-profiling": 100}}
EXPERIMENT = """\
name: files
data: {source: {type: csv, file: table.csv, target: label}, split: {val: 0.1, test: 0.1}, batch: 256}
model: {type: mlp, in: {x: data.x}, hidden: [8], outputs: 2}
loss: cross_entropy
optimizer: {type: sgd, lr: 0.1}
train: {steps: 1}
"""


def make(path, rows, columns, python):
    """Normal numbers with four decimals, and a label, by NumPy of PYTHON."""
    code = ("import sys, numpy as np\n"
            f"rng = np.random.default_rng(0); rows, d = {rows}, {columns} - 1\n"
            "with open(sys.argv[1], 'w') as f:\n"
            "    f.write(','.join(f'f{i}' for i in range(d)) + ',label\\n')\n"
            "    for at in range(0, rows, 50000):\n"
            "        n = min(50000, rows - at)\n"
            "        x, y = rng.normal(size=(n, d)), rng.integers(0, 2, n)\n"
            "        f.write(''.join(','.join(map('{:.4f}'.format, r)) + f',{t}\\n'\n"
            "                        for r, t in zip(x, y)))\n")
    subprocess.run([python, "-c", code, path], check=True)


def process(command, cwd, env=None):
    """Processor seconds, seconds, peak MiB, stdout."""
    at = time.perf_counter()
    p = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         text=True, env=dict(os.environ, **(env or {})))
    out = p.stdout.read()
    _, status, used = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        sys.exit(f"files: {command[0]} ends with {p.returncode}")
    return {"cpu": used.ru_utime + used.ru_stime, "wall": time.perf_counter() - at,
            "mib": used.ru_maxrss / 1024, "out": out}


def peer(python, name, job, folder, one):
    code = (f"import time, {MODULES[name]}\nf = 'table.csv'\n"
            f"a, b = time.process_time(), time.perf_counter()\n{job}\n"
            "print(time.process_time() - a, time.perf_counter() - b)")
    env = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"} if one else {}
    r = process([python, "-c", code], folder, env)
    cpu, wall = map(float, r["out"].split()[-2:])
    return dict(r, cpu=cpu, wall=wall)


def there(python, name):
    return python and subprocess.run([python, "-c", f"import {MODULES[name]}"],
                                     stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL).returncode == 0


def spread(values, digits=2):
    return (f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to "
            f"{max(values):.{digits}f})")


def row(o, name, jobs, verb, folder, one):
    pythons = {p: o.profiling if p == "ydata-profiling" else o.python for p in jobs}
    for p in list(jobs):
        if p not in o.peers or not there(pythons[p], p):
            print(f"SKIP: {name} {p}: not asked for, or not installed")
            jobs.pop(p)
    pin = ["taskset", "-c", str(min(os.sched_getaffinity(0)))] if one else []
    ours, theirs = [], {p: [] for p in jobs}
    for i in range(o.rounds):
        ours.append(process([*pin, o.runner, verb, "e.yaml"], folder))
        for p, job in jobs.items():
            if p != "ydata-profiling" or i == 0:  # it takes minutes
                theirs[p].append(peer(pythons[p], p, job, folder, one))
    print(f"{name}: runner: processor {spread([r['cpu'] for r in ours])} s, wall "
          f"{spread([r['wall'] for r in ours])} s, {max(r['mib'] for r in ours):.0f} MiB")
    lines = []
    for p, rounds in theirs.items():
        both = [t["cpu"] / r["cpu"] for t, r in zip(rounds, ours)]
        print(f"  {p}: processor {spread([r['cpu'] for r in rounds])} s, wall "
              f"{spread([r['wall'] for r in rounds])} s, {max(r['mib'] for r in rounds):.0f} "
              f"MiB; ratio {spread(both)}")
        lines.append(f"{name} {p} ratio={statistics.median(both):.2f} limit={GOALS[name][p]}")
    return lines


def main():
    a = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("runner", type=pathlib.Path)
    a.add_argument("--rows", type=int, default=1_000_000)
    a.add_argument("--columns", type=int, default=50)
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--peers", default="pandas,polars,ydata-profiling")
    a.add_argument("--python", default=sys.executable)
    a.add_argument("--profiling")
    a.add_argument("--only", choices=["csv", "check"])
    o = a.parse_args()
    o.runner, o.peers = o.runner.resolve(), o.peers.split(",")
    with tempfile.TemporaryDirectory(prefix="runner-files-") as t:
        folder = pathlib.Path(t)
        make(folder / "table.csv", o.rows, o.columns, o.python)
        (folder / "e.yaml").write_text(EXPERIMENT)
        lines = []
        if o.only != "check":
            lines += row(o, "csv", dict(READ), "plan", folder, True)
        if o.only != "csv":
            lines += row(o, "check", dict(CHECK), "check", folder, False)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
