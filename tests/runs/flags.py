# SPDX-License-Identifier: Apache-2.0
"""Every row of flags.def is parsed, and is in help, in the completions of three shells and
in the man page. The same check finds a row that is missing in any one of them.

    flags.py RUNNER ROWS"""
import re
import shutil
import subprocess
import sys

from harness import Checks, runner


def read_rows(program):
    """verbs: id -> name; flags: (verb name, flag name, kind, values)."""
    verbs, flags, rows = {}, {}, []
    lines = subprocess.run([program], text=True, check=True, stdout=subprocess.PIPE).stdout
    for kind, *cells in (line.split("\t") for line in lines.splitlines()):
        if kind == "verb":
            verbs[cells[0]] = cells[1]
        elif kind == "flag":
            flags[cells[0]] = cells[1:]
        else:
            rows.append((verbs[cells[1]], *flags[cells[0]]))
    return verbs, rows


def sections(text, verbs, head):
    """The part of a text that is each verb's: from its heading to the next one."""
    found = {}
    for verb in verbs:
        m = re.search(head.format(verb), text, re.M)
        if m:
            end = re.search(r"^\.S[SH] ", text[m.end():], re.M)
            found[verb] = text[m.end():m.end() + end.start()] if end else text[m.end():]
    return found


def places(verbs):
    """Where a flag has to be, and the text there: place -> verb -> text."""
    out = {"help": {v: runner("help", v).out for v in verbs}}
    man = runner("help", "--man").out
    man = re.sub(r"^\.SS .*", lambda m: m[0].replace("\\-", "-"), man, flags=re.M)
    out["man page"] = sections(man, verbs, r"^\.SS {}$")
    shells = {s: runner("completion", s).out for s in ("bash", "zsh", "fish")}
    for shell, head in ("bash", "^    {}\\) flags="), ("zsh", "^    {}\\) _arguments"):
        out[shell] = {v: "".join(re.findall(head.format(v) + ".*", shells[shell], re.M))
                      for v in verbs}
    out["fish"] = {v: "".join(re.findall(f".*_from {v}' -l .*\n", shells["fish"]))
                   for v in verbs}
    return out


# How a flag stands in each place.
FORMS = {"help": r"^  --{} ", "man page": r"^\.B \\-\\-{}( |$)", "bash": r"(?<=[' ])--{}(?=[' ])",
         "zsh": r"'--{}\[", "fish": r" -l {} "}


def missing(rows, texts):
    """A sentence for each row that a text does not have."""
    for verb, flag, *_ in rows:
        for place, form in FORMS.items():
            name = flag.replace("-", r"\\-") if place == "man page" else flag
            if not re.search(form.format(name), texts[place].get(verb, ""), re.M):
                yield f"{place}: {verb} --{flag}"


def check_parsed(c, verb, flag, kind, values):
    """--help wins over what is missing, but not over a mistake."""
    def typed(*args):
        return runner(verb, *args, "--help")
    value = {"path": "x", "choice": values.split()[0]}.get(kind, values)
    if kind == "switch":
        r, wrong = typed(f"--{flag}"), typed(f"--{flag}=x")
        c.within(f"{verb} --{flag}=x", wrong.err, f"--{flag} takes no value")
    else:
        r, wrong = typed(f"--{flag}", value), runner(verb, f"--{flag}")
        c.within(f"{verb} --{flag} without a value", wrong.err,
                 f"--{flag} expects a value")
    c.equal(f"{verb} --{flag}: code, stderr", (r.code, r.err), (0, ""))
    c.equal(f"{verb} --{flag}, wrong: code, stdout", (wrong.code, wrong.out), (2, ""))
    if kind in ("choice", "integer", "number"):
        r = typed(f"--{flag}=@")
        c.equal(f"{verb} --{flag}=@: code, stdout", (r.code, r.out), (2, ""))
        c.within(f"{verb} --{flag}=@: why", r.err, f"runner {verb}: error: --{flag} ")
    for word in values.split() if kind == "choice" else []:
        r = typed(f"--{flag}={word}")
        c.equal(f"{verb} --{flag}={word}: code, stderr", (r.code, r.err), (0, ""))
        c.ok(f"help {verb} has the choice {word}", re.search(rf"\b{word}\b", r.out), r.out)


c = Checks()
verbs, rows = read_rows(sys.argv[2])
names = list(verbs.values())
c.ok("there are rows", len(names) > 14 and len(rows) > 40, rows)
c.equal("no flag is twice in a verb", len({r[:2] for r in rows}), len(rows))
for row in rows:
    check_parsed(c, *row)
r = runner("eval", "--splt", "x")
c.equal("a flag that is near one: code", r.code, 2)
c.within("and which", r.err, "did you mean --split?")

texts = places(names)
c.equal("every row is in every place", list(missing(rows, texts)), [])
whole = runner("--help").out
for verb in names:
    c.ok(f"runner --help has {verb}", f"\n  {verb} " in whole)
# Whatever one place lacks is found: a line is taken out of it.
for place, form in FORMS.items():
    less = {p: dict(t) for p, t in texts.items()}
    less[place]["config"] = re.sub(form.format("blame"), "", texts[place]["config"],
                                   flags=re.M)
    c.equal(f"taken out of {place}: it is found", list(missing(rows, less)),
            [f"{place}: config --blame"])
if shutil.which("groff"):
    p = subprocess.run(["groff", "-man", "-ww", "-Tascii", "-P-cbou"], text=True,
                       input=runner("help", "--man").out, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    c.equal("groff has nothing to report", p.stderr, "")
    c.ok("a man page with every verb",
         all(re.search(rf"^   {v}$", p.stdout, re.M) for v in names), p.stdout)
else:
    print("SKIP: groff is not installed: the man page is not rendered")
c.done()
