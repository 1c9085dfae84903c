#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/tables.md is true: each block of YAML trains on data as the page describes them, and what
it shows of the output is printed."""
import re

import numpy as np
import yaml

from harness import ROOT, Checks, Scratch, latest, runner

check = Checks()
page = (ROOT / "docs/tables.md").read_text()
blocks = {re.match(r"# (\S+)\.yaml", text).group(1): text
          for text in re.findall(r"^```yaml\n(.*?)^```", page, re.S | re.M)}
rng = np.random.default_rng(3)


def files(folder):
    (folder / "sales").mkdir()
    for part in 1, 2:
        rows = [f"{2020 + i % 6};{i};{'1.234,5' if i % 2 else '17,25'}"
                for i in range(20)]
        (folder / f"sales/{part}.csv").write_bytes(
            ("# Umsätze\nyear;units;amount\n" + "\n".join(rows)).encode("cp1252"))
    rows = [f"{'' if i % 9 == 2 else 20 + i % 50},{i % 7},{rng.normal():.3f},{['Ulm', 'Bonn', ''][i % 3]},"
            f"2026-0{1 + i % 9}-1{i % 10},{['yes', 'no'][i % 2]},{'abc'[i % 3]},{i % 2}" for i in range(80)]
    (folder / "members.csv").write_text("age,lab_a,lab_b,city,seen,member,plan,paid\n" + "\n".join(rows))


with Scratch() as folder:
    files(folder)
    for name, text in blocks.items():
        check.equal("the name of the block", yaml.safe_load(text)["name"], name)
        (folder / f"{name}.yaml").write_text(text)
        r = runner(f"{name}.yaml", "--progress", "none", cwd=folder)
        check.equal(f"{name} trains", r.code, 0) or print(r.err)
    r = runner("plan", ROOT / "configs/penguins.yaml", cwd=folder)
    table = re.search(r"^```\n(prepare: .*?)^```", page, re.S | re.M)[1].splitlines()
    for line in table:
        check.within("what prepare prints", r.err + r.out, line)
    sales = (folder / "sales/2.csv").read_text("cp1252").splitlines()
    sales[10] = sales[10].rsplit(";", 1)[0] + ";1.23"
    (folder / "sales/2.csv").write_text("\n".join(sales), "cp1252")
    r = runner("dialect.yaml", cwd=folder)
    check.equal("a bad cell", r.code, 3)
    check.ok("its place", re.search(r"sales/2\.csv:11:8: error: row 29, column 'amount': '1\.23' is not a number",
                                    r.err), r.err)
check.done()
