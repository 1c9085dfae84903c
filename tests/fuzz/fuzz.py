#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Damaged files by chance, for every reader of data: each is read, or refused with a
message that names the file, in bounded time and memory.

    fuzz.py BUILD_FOLDER [TARGET ...] [--seconds 60] [--seed 1]
    fuzz.py BUILD_FOLDER TARGET --replay CASE FILE

Without a target, all of them. An input that is not survived is kept, and the command
that reads it again is printed. Built with the sanitizers, their reports are failures."""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent))
import seeds  # noqa: E402

BUDGET, MORE = 32, 64  # MiB: the readers' `memory`, and what may be taken beside it


def sanitized(program):
    return b"__asan_report_" in pathlib.Path(program).read_bytes()


def write_spec(top, build, target, fuzz):
    plugin, make, words = seeds.TARGETS[target]
    # Shadow memory and freed blocks that are kept; and what a program starts with.
    memory = BUDGET + MORE + (160 if sanitized(fuzz) else 16)
    if plugin == "hdf5" and sanitized(fuzz):
        memory = 1 << 20  # its program has no limit of its own then, but the one in run()
    lines = [f"plugin\t{build}/plugins/source/{plugin}.so", f"folder\t{top}",
             f"memory\t{memory}"]
    for word in words:
        data = word if isinstance(word, bytes) else word.encode()
        lines.append(f"word\t{data.hex()}")
    bound = [f"memory={BUDGET}"] + ["max_pixels=1000000"] * (plugin == "images")
    cases = [("case", *case) for case in make()]
    cases += [("found", *case) for case in seeds.FOUND.get(target, [])]
    for i, (kind, name, data, options) in enumerate(cases):
        (top / f"seed{i}").write_bytes(data)
        lines.append("\t".join([kind, f"{top}/seed{i}", name, *options, *bound]))
    (top / "spec").write_text("\n".join(lines) + "\n")


def reports(top):
    """What the sanitizers reported, but for faults of libraries in the program that reads
    HDF5 files, which may crash."""
    out = []
    for path in sorted(top.glob("report.*")):
        text = path.read_text(errors="replace")
        if "ERROR: " not in text and "runtime error" not in text:
            continue  # a warning: memory that was asked for and not given
        frames = re.findall(r"^ *#\d+ .* in (\S+) (\S+)", text, re.M)
        own = next((where for name, where in frames if "/plugins/" in where), "")
        first = next((where for name, where in frames if "sanitizer" not in where and
                      "interceptor" not in name), "")
        if "hdf5-read" not in text or own == first or "runtime error" in text:
            out.append(text)
    return out


def keep(top, target):
    state = "".join(p.read_bytes().split(b"\0")[0].decode() for p in top.glob("state"))
    m = re.match(r"input (\d+) case (\d+) predict \d file (.*)", state)
    if not m:
        scratch = top / "scratch"
        if scratch.exists():  # of pictures.c
            shutil.copy(scratch, path := f"{tempfile.gettempdir()}/fuzz-{target}")
            return f"the input is kept as {path}"
        return "no input was read"
    path = pathlib.Path(tempfile.gettempdir()) / f"fuzz-{target}-{pathlib.Path(m[3]).name}"
    shutil.copy(m[3], path)
    return (f"input {m[1]} is kept; read it again with\n"
            f"  {' '.join(sys.argv[:2])} {target} --replay {m[2]} {path}")


def command(args, top, target):
    """The program and its arguments; None where it is not built."""
    plugin, make, _ = seeds.TARGETS[target]
    programs = args.build / "tests/fuzz"
    if plugin:
        fuzz = programs / "fuzz"
        if not (args.build / f"plugins/source/{plugin}.so").exists():
            return None
        write_spec(top, args.build, target, fuzz)
        return [fuzz, top / "spec", *(["replay", *args.replay] if args.replay else
                                      [str(args.seconds), str(args.seed)])]
    if not (programs / target).exists():
        return None
    files = []
    for name, data, _ in make():
        files.append(top / name)
        files[-1].write_bytes(data)
    return [programs / target, str(args.seconds), str(args.seed), top / "scratch", *files]


def run(args, target):
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{target}-", dir=where) as top:
        top = pathlib.Path(top)
        what = command(args, top, target)
        if not what:
            print(f"SKIP: {target}: its reader is not built")
            return None
        options = ":".join([os.environ.get("ASAN_OPTIONS", ""), f"log_path={top}/report",
                            "detect_leaks=0", "quarantine_size_mb=8",
                            "allocator_may_return_null=1", "hard_rss_limit_mb=1000"])
        # What is reserved is also written to, so that it counts.
        env = {**os.environ, "MALLOC_PERTURB_": "165", "ASAN_OPTIONS": options.strip(":"),
               "UBSAN_OPTIONS": f"print_stacktrace=1:halt_on_error=1:log_path={top}/report"}
        p = subprocess.run(what, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        out, err = (t.decode(errors="replace") for t in (p.stdout, p.stderr))
        found = reports(top)
        good = p.returncode == 0 and not found
        print(f"{target}: {'' if good else f'FAILED ({p.returncode}): '}"
              f"{out.splitlines()[0] if out else ''}", flush=True)
        if not good:
            print(err[-4000:] + "".join(t[:6000] for t in found[:2]), flush=True)
            print(f"{target}: seed {args.seed}, {keep(top, target)}", flush=True)
        return good


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("build", type=pathlib.Path)
    ap.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(seeds.TARGETS))
    ap.add_argument("--seconds", type=int, default=60, help="of each target")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--replay", nargs=2, metavar=("CASE", "FILE"))
    args = ap.parse_intermixed_args()
    args.build = args.build.resolve()
    for target in args.targets:
        if target not in seeds.TARGETS:
            ap.error(f"no target '{target}'; there are {', '.join(seeds.TARGETS)}")
    results = [run(args, t) for t in args.targets or seeds.TARGETS]
    bad = results.count(False)
    print(f"{results.count(True)} passed, {bad} failed")
    return 1 if bad else 0 if True in results else 77


if __name__ == "__main__":
    sys.exit(main())
