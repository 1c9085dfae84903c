#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a person reads after a mistake: every case is a few files, a command, the exit
code, and the whole of stderr. Nothing may reach stdout, no run folder may stay.

    bad.py RUNNER [--update] CASES.txt ...

A file of cases is text:

    === what is wrong
    --- e.yaml
    (the lines of the file)
    $ plan e.yaml train.epochs=0
    ! 2
    (all that stderr must say; TOP stands for the scratch folder, HERE for the case's,
    [...] for any text in a line: lists that grow with every component)

Each case runs in its own folder, beside ../base.yaml and ../data/. --update writes what
the runner said into the files, to be read critically before it is committed."""
import concurrent.futures
import pathlib
import re
import shlex
import sys
from dataclasses import dataclass, field

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Absent, ROOT, Checks, Scratch, runner  # noqa: E402
import data  # noqa: E402

BASE = """\
name: bad
data:
  source: {type: csv, file: data/good.csv, target: label, target_type: int}
  split: {val: 0.2, test: 0.2}
  batch: 8
model: {type: mlp, hidden: [4], outputs: 3}
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: sgd, lr: 0.1}
train: {epochs: 1}
"""


@dataclass
class Case:
    title: str
    files: list = field(default_factory=list)  # (name, lines)
    command: str = ""
    code: int = None
    text: list = field(default_factory=list)
    comments: list = field(default_factory=list)


def read_cases(path):
    cases, into = [], None
    for line in path.read_text().splitlines():
        if line.startswith("=== "):
            cases.append(Case(line[4:]))
            into = cases[-1].comments
        elif line.startswith("--- "):
            into = []
            cases[-1].files.append((line[4:], into))
        elif line.startswith("$ "):
            cases[-1].command, into = line[2:], []
        elif line.startswith("! "):
            cases[-1].code, into = int(line[2:]), cases[-1].text
        elif cases:
            into.append(line)
    for case in cases:
        while case.text and not case.text[-1]:
            case.text.pop()
    return cases


def write_cases(path, cases):
    head = path.read_text().split("=== ", 1)[0]
    out = [head.rstrip("\n")] if head.strip() else []
    for c in cases:
        out.append(f"=== {c.title}")
        out += c.comments
        for name, lines in c.files:
            out += [f"--- {name}", *lines]
        out += [f"$ {c.command}", f"! {c.code}", *c.text, ""]
    path.write_text("\n".join(out))


def run(top, number, case):
    folder = top / f"case{number}"
    folder.mkdir()
    for name, lines in case.files:
        (folder / name).write_text("\n".join(lines) + "\n")
    words = [w.replace("TOP", str(top)) for w in shlex.split(case.command)]
    r = runner(*words, cwd=folder, timeout=60)
    text = r.err.replace(str(folder), "HERE").replace(str(top), "TOP")
    text = text.replace(str(ROOT), "ROOT")
    left = [p.name for p in folder.iterdir()
            if p.name not in [name for name, _ in case.files]]
    return r.code, r.out, text, left


def matches(want, got):
    pattern = "\n".join(want)
    # Alone on a line it stands for any lines.
    parts = re.split(r"(?<=\n)\[\.\.\.\](?=\n|$)", pattern)
    pattern = "(?s:.*)".join(
        ".*".join(re.escape(part) for part in p.split("[...]")) for p in parts)
    return re.fullmatch(pattern, got.rstrip("\n")) is not None


def main():
    update = "--update" in sys.argv
    files = [pathlib.Path(a) for a in sys.argv[2:] if a != "--update"]
    check = Checks()
    with Scratch() as top, concurrent.futures.ThreadPoolExecutor(2) as pool:
        top = top.resolve()
        data.write_all(top)
        (top / "base.yaml").write_text(BASE)
        number = 0
        for path in files:
            cases = read_cases(path)
            jobs = []
            for case in cases:
                number += 1
                jobs.append(pool.submit(run, top, number, case))
            for case, job in zip(cases, jobs):
                try:
                    code, out, text, left = job.result()
                except Absent as e:
                    print(f"SKIP: {case.title}: {e}")
                    continue
                title = f"{path.name}: {case.title}"
                if update:
                    case.code = code
                    if not matches(case.text, text):
                        case.text = text.rstrip("\n").split("\n")
                check.equal(f"{title}: exit code", code, case.code)
                check.ok(f"{title}: stderr", matches(case.text, text),
                         "  got\n" + text + "  want\n" + "\n".join(case.text))
                check.equal(f"{title}: stdout", out, "")
                check.equal(f"{title}: left behind", left, [])
                check.ok(f"{title}: not a bug of ours", code not in (0, 1) and
                         not re.search("Sanitizer|internal", text), text)
            if update:
                write_cases(path, cases)
    check.done()


main()
