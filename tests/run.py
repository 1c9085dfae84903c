#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the tests of a build folder, print each skip with its reason, count the checks.

Every test program prints one line "N passed, N failed"; a test without it counts as one.
The last line here is the sum. --full adds the suite `slow`; --suite S runs one suite."""
import argparse
import json
import pathlib
import re
import subprocess
import sys

ap = argparse.ArgumentParser(description=__doc__)
ap.add_argument("--full", action="store_true", help="also what takes longer")
ap.add_argument("--suite", action="append", default=[], help="only this suite")
ap.add_argument("--build", default="build", help="the build folder")
ap.add_argument("--skip-suite", action="append", default=[], help="all but this suite")
args = ap.parse_args()

build = pathlib.Path(args.build).resolve()
command = ["meson", "test", "-C", str(build), "--print-errorlogs", "--no-rebuild",
           "--timeout-multiplier", "10"]  # a hang is caught, a busy machine is not
for suite in args.suite:
    command += ["--suite", suite]
for suite in args.skip_suite + ([] if args.full else ["slow"]):
    command += ["--no-suite", suite]
status = subprocess.run(command).returncode

passed = failed = 0
log = build / "meson-logs" / "testlog.json"
for line in log.read_text().splitlines():
    test = json.loads(line)
    out = test.get("stdout", "") + test.get("stderr", "")
    for reason in re.findall(r"^(?:SKIP|skipped)[: ].*$", out, re.M):
        print(f"{test['name']}: {reason}")
    counts = re.findall(r"^(\d+) passed, (\d+) failed$", out, re.M)
    ok = test["result"] in ("OK", "EXPECTEDFAIL", "SKIP")
    if counts:
        good, bad = (int(n) for n in counts[-1])
        passed += good
        failed += bad if bad or ok else bad + 1
    elif test["result"] == "SKIP":
        if not re.search(r"^(?:SKIP|skipped)", out, re.M):
            print(f"{test['name']}: skipped without a reason")
            failed += 1
    else:
        passed += ok
        failed += not ok
if status and not failed:
    failed = 1
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed or status or not passed else 0)
