#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the tests of a build folder, print each skip with its reason, count the checks.

Every test program prints one line "N passed, N failed"; a test without it counts as one.
The last line here is the sum. --full adds the suite `slow`; --suite S runs one suite;
--isa LEVEL caps the instruction sets of the runner, of oneDNN and of glibc."""
import argparse
import json
import os
import pathlib
import re
import resource
import subprocess
import sys

# From the smallest: what a processor has of it, oneDNN's word, what glibc leaves out.
AVX512 = ["AVX512F", "AVX512VL", "AVX512BW", "AVX512DQ", "AVX512CD"]
AVX2 = ["AVX", "AVX2", "FMA", "BMI1", "BMI2"]
LEVELS = {"base": ([], "SSE41", AVX512 + AVX2 + ["SSSE3", "SSE4_1", "SSE4_2"]),
          "avx2": (["avx2", "fma", "bmi1", "bmi2"], "AVX2", AVX512),
          "avx512": ([x.lower() for x in AVX512], "AVX512_CORE", [])}


def capped(level):
    """The environment that makes this machine one of `level`, or None: it has less."""
    info = pathlib.Path("/proc/cpuinfo").read_text()
    has = set(re.search(r"^(?:flags|Features)\s*:(.*)$", info, re.M)[1].split())
    flags, library, without = LEVELS[level]
    if not has.issuperset(flags):
        return None
    env = {"RUNNER_ISA": level, "ONEDNN_MAX_CPU_ISA": library, "DNNL_MAX_CPU_ISA": library}
    if without:
        env["GLIBC_TUNABLES"] = "glibc.cpu.hwcaps=" + ",".join(f"-{x}" for x in without)
    return env


def meson_test(args):
    command = ["meson", "test", "-C", str(args.build), "--print-errorlogs", "--no-rebuild",
               "--timeout-multiplier", "10"]  # a hang is caught, a busy machine is not
    for suite in args.suite:
        command += ["--suite", suite]
    for suite in args.skip_suite + ([] if args.full else ["slow"]):
        command += ["--no-suite", suite]
    # Threads that wait sleep: tests run side by side on few cores.
    env = {**os.environ, "GOMP_SPINCOUNT": "0", **(capped(args.isa) if args.isa else {})}
    return subprocess.run(command, env=env).returncode


def counts(log):
    """(passed, failed) of all tests in meson's log."""
    passed = failed = 0
    for line in log.read_text().splitlines():
        test = json.loads(line)
        out = test.get("stdout", "") + test.get("stderr", "")
        for reason in re.findall(r"^(?:SKIP|skipped)[: ].*$", out, re.M):
            print(f"{test['name']}: {reason}")
        lines = re.findall(r"^(\d+) passed, (\d+) failed$", out, re.M)
        ok = test["result"] in ("OK", "EXPECTEDFAIL", "SKIP")
        if lines:
            good, bad = (int(n) for n in lines[-1])
            passed += good
            failed += bad if bad or ok else bad + 1
        elif test["result"] == "SKIP":
            if not re.search(r"^(?:SKIP|skipped)", out, re.M):
                print(f"{test['name']}: skipped without a reason")
                failed += 1
        else:
            passed += ok
            failed += not ok
    return passed, failed


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--full", action="store_true", help="also what takes longer")
    ap.add_argument("--suite", action="append", default=[], help="only this suite")
    ap.add_argument("--build", default="build", type=pathlib.Path, help="the build folder")
    ap.add_argument("--skip-suite", action="append", default=[], help="all but this suite")
    ap.add_argument("--isa", choices=LEVELS, help="a level of instruction sets")
    args = ap.parse_args()
    args.build = args.build.resolve()
    if args.isa and capped(args.isa) is None:
        print(f"SKIP: this processor does not have {args.isa}\n0 passed, 0 failed")
        return 0
    status = meson_test(args)
    passed, failed = counts(args.build / "meson-logs" / "testlog.json")
    if status and not failed:
        failed = 1
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{used.ru_utime + used.ru_stime:.0f} s of processor time")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or status or not passed else 0


sys.exit(main())
