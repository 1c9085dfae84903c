#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile and broken YAML through the runner: an answer in time, of bounded length, with
the code of a mistake and never a crash.

    hostile.py RUNNER [COUNT [SEED]]     COUNT mutations of configs/*.yaml (default 120)"""
import concurrent.futures
import pathlib
import random
import resource
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import ROOT, Checks, Scratch, runner  # noqa: E402

MOST_SECONDS = 20  # of the processor for one file, with sanitizers; quadratic is minutes
GOOD = "name: a\ndata: {source: {type: csv, file: a.csv}}\nmodel: {type: mlp, outputs: 2}\n"\
       "train: {epochs: 1}\n"


def hostile():
    """name, bytes, exit code, a part of what must be said."""
    yield "100 KB of [", b"[" * 100_000, 2, "nest deeper than 64"
    yield "100 KB of {a: ", b"{a: " * 25_000, 2, "nest deeper than 64"
    yield "100 KB of - ", b"- " * 50_000, 2, "nest deeper than 64"
    yield "100 KB of ? ", b"? " * 50_000, 2, "error"
    yield "100 KB of !", b"!" * 100_000, 2, "error"
    yield "100 KB of &a ", b"&a " * 33_000, 2, "error"
    yield "100 KB of |", b"a: |\n" + b" x\n" * 33_000, 2, "longer than 64 KiB"
    yield "100 KB of quotes", b"a: " + b'"' * 100_000, 2, "error"
    yield "a flood of directives", b"%TAG !a! tag:x,2000:\n" * 4_000 + b"---\na: 1\n", 2, \
        "more than 8 directives"
    yield "a flood of documents", b"---\na: 1\n" * 5_000, 2, "a second document"
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
    yield "an alias bomb", bomb.encode(), 2, "more than 50000 values"
    merge = "x-0: &m0 {k: 1}\n" + "".join(
        f"x-{i}: &m{i} {{<<: [*m{i - 1}, *m{i - 1}], k{i}: 1}}\n" for i in range(1, 200))
    yield "a merge bomb", merge.encode(), 2, "error"
    yield "an alias inside itself", b"a: &a [*a]\n", 2, "inside what it stands for"
    yield "references that double", ("x-40: xx\n" + "".join(
        f"x-{i}: ${{x-{i + 1}}}${{x-{i + 1}}}\n" for i in range(40))).encode(), 2, \
        "longer than 64 KiB"
    yield "a huge file", b"# " + b"x" * 300_000, 2, "longer than 256 KiB"
    yield "a huge value", b"name: " + b"x" * 70_000, 2, "longer than 64 KiB"
    yield "a huge number", b"seed: " + b"9" * 5_000 + b"\n", 2, "is not an integer"
    yield "a huge key", b"k" * 70_000 + b": 1\n", 2, "error"
    yield "a key in brackets", b"[a]: 1\n", 2, "a key must be a word"
    yield "many unknown keys", b"".join(b"k%d: 1\n" % i for i in range(1_000)), 2, \
        "more errors"
    yield "NUL bytes", GOOD.encode() + b"seed: \0\n", 2, "error"
    yield "only NUL bytes", b"\0" * 1_000, 2, "error"
    yield "no UTF-8", GOOD.encode() + b"seed: \xff\xfe\n", 2, "error"
    yield "UTF-16", GOOD.encode("utf-16"), 2, "error"
    yield "surrogates", GOOD.encode() + b'output: "\\ud800"\n', 2, "error"
    yield "control characters", GOOD.encode() + b"seed: \x1b[31m\n", 2, "error"
    yield "a directory of itself", b"extends: .\n", 2, "is a directory, not a regular file"
    yield "a device below", b"extends: /dev/zero\n", 2,\
        "is a character device, not a regular file"
    yield "a byte order mark", b"\xef\xbb\xbf" + GOOD.encode(), 0, "name: a"
    yield "lines of DOS", GOOD.replace("\n", "\r\n").encode(), 0, "name: a"
    yield "no newline at the end", GOOD.rstrip().encode(), 0, "epochs: 1"
    yield "trailing dots", GOOD.encode() + b"...\n", 0, "name: a"
    yield "a hundred overlapping anchors", GOOD.encode() + b"x-a: [" + b", ".join(
        b"&a%d %d, *a%d" % (i, i, i) for i in range(100)) + b"]\n", 0, "name: a"


WORDS = ["[", "]", "{", "}", ":", ",", "- ", "? ", "&a ", "*a", "!", "!!int ", "|", ">",
         "'", '"', "%", "@", "`", "~", "${", "}", "${env:", "$${", "<<: ", "\t", "\n", "#",
         "\x01", "\u00e9", "\u2028", "\U0001f600", "0x1", "1e999", "-1", "nan", "null",
         "yes", "extends: ", "type: ", "type: mlp", "match: ", "rest", "in: ", "of: ",
         "999999999999999999", "-0", ".", "..", "10ep", "0st", "%TAG ! x\n", "---\n",
         "...\n", "x" * 300, "model: ", "optimizer: ", "a.b.c", "*", "/dev/null", "\\x00"]
OVERRIDES = ["a.b=1", "model=", "model.layers.0=", "~model", "~data.source", "loss+=mse",
             "loss+={type: mse}", "optimizer={a: sgd, b: adam}", "optimizer.a.match=rest",
             "data.transforms.0.of=[x,y]", "x-a.b.c=1", "metrics.0=f1", "a..b=1", "=", "~",
             "+=1", "seed=${seed}", "name=${env:HOME:-x}", "extends=x.yaml",
             "train.epochs=1e3", "hooks+={type: inspect, at: model.*}", "schedule=[cosine]"]


def mutate(r, text):
    """A few changes of bytes, words or lines."""
    b = bytearray(text)
    for _ in range(r.randint(1, 6)):
        at = r.randint(0, len(b))
        what = r.randint(0, 6)
        if what == 0 and b:
            b[at % len(b)] = r.randint(0, 255)
        elif what == 1:
            del b[at:at + r.randint(1, 40)]
        elif what <= 4:
            b[at:at] = r.choice(WORDS).encode()
        else:
            lines = bytes(b).splitlines(True)
            if lines:
                i, j = r.randrange(len(lines)), r.randrange(len(lines))
                if what == 5:
                    lines.insert(i, lines[j])
                else:
                    lines[i], lines[j] = lines[j], lines[i]
                b = bytearray(b"".join(lines))
    return bytes(b)


def look(check, what, path, args, code, part):
    # Beyond it the kernel ends it: -SIGXCPU is no code of ours.
    r = runner("config", path, *args, timeout=600, preexec=lambda: resource.setrlimit(
        resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS)))
    said = r.err if r.code else r.out
    good = (r.code == code if code is not None else r.code in (0, 2, 4)) and \
        part in said and (r.code == 0 or not r.out) and \
        len(r.err) < 300_000 and "Sanitizer" not in r.err and "runtime error" not in r.err
    if not good and path.exists():
        keep = pathlib.Path("/tmp") / f"hostile-{what.replace(' ', '-')}.yaml"
        keep.write_bytes(path.read_bytes())
        what += f" (kept as {keep})"
    check.ok(what, good, f"  code {r.code}, {args}\n{said[:2000]}")


def main():
    numbers = [int(a) for a in sys.argv[2:]]
    count, seed = (numbers + [120, 1][len(numbers):])[:2]
    check = Checks()
    seeds = [p.read_bytes() for p in sorted((ROOT / "configs").glob("*.yaml"))]
    with Scratch() as top, concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = []
        for i, (what, text, code, part) in enumerate(hostile()):
            path = top / f"hostile{i}.yaml"
            path.write_bytes(text)
            jobs.append(pool.submit(look, check, what, path, [], code, part))
        for i in range(count):
            r = random.Random(seed * 1_000_003 + i)
            path = top / f"mutated{i}.yaml"
            path.write_bytes(mutate(r, r.choice(seeds)))
            args = r.sample(OVERRIDES, r.choice([0, 0, 0, 1, 2]))
            jobs.append(pool.submit(look, check, f"mutation {seed} {i}", path, args, None,
                                    ""))
        for job in jobs:
            job.result()
    check.done()


main()
