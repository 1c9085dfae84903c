# SPDX-License-Identifier: Apache-2.0
"""An installed runner finds its plugins, brings its man page and its completions."""
import os
import re
import shutil
import subprocess
import sys

import harness
from harness import Checks, ROOT, Scratch, runner

build = sys.argv[2]
c = Checks()


def bash(script, words):
    """What the completion offers for the last of `words`."""
    line = " ".join(f"'{w}'" for w in words)
    p = subprocess.run(
        ["bash", "-c", f"source '{script}'; COMP_WORDS=({line}); "
         f"COMP_CWORD={len(words) - 1}; _runner; printf '%s\\n' \"${{COMPREPLY[@]}}\""],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return p.stdout.split()


with Scratch() as top:
    p = subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet"],
                       env={**os.environ, "DESTDIR": str(top / "at")}, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    c.equal("meson install", (p.returncode, p.stdout if p.returncode else ""), (0, ""))
    programs = list((top / "at").rglob("bin/runner"))
    c.equal("one program", len(programs), 1)
    harness.RUNNER = programs[0]
    prefix = programs[0].parent.parent

    r = runner("doctor", cwd=top)
    c.equal("doctor: exit code", r.code, 0)
    c.within("doctor: its own plugins", r.out, f"plugins in {prefix}/lib")
    c.ok("doctor: nothing refused", "refused" not in r.out, r.out)
    r = runner(ROOT / "configs/quickstart.yaml", "train.steps=3", "~train.epochs",
               f"output={top}/runs", cwd=top)
    c.equal("the installed runner trains", r.code, 0)

    log = (r.folder(top) / "log.txt").read_text().splitlines()
    c.ok("log.txt: what began", " began digits on cpu" in log[0] and "3 steps" in log[0], log)
    c.ok("log.txt: what was measured", log[-1].startswith("step 3: test/loss"), log)

    lib = next(prefix.rglob("runner/plugins"))
    mine = (lib / "loss/mse.so").read_bytes().replace(b"runner/mse ", b"acme.m/mse ")
    (lib / "mine.so").write_bytes(mine)
    r = runner("plugin", "list", "loss", cwd=top)
    c.ok("a plugin that the system's administrator added",
         re.search(r"^  acme.m/mse ", r.out, re.M), r.out)
    (lib / "mine.so").unlink()

    page = prefix / "share/man/man1/runner.1"
    text = page.read_text()
    for verb in ["train", "resume", "eval", "predict", "plan", "config", "schema",
                 "verify", "plugin", "doctor"]:
        c.within(f"man page: {verb}", text, f".SS {verb}\n")
    if shutil.which("groff"):
        p = subprocess.run(["groff", "-man", "-ww", "-z", page], text=True,
                           stderr=subprocess.PIPE)
        c.equal("groff has nothing to say", p.stderr, "")
    else:
        print("SKIP: groff is not installed: the man page is not rendered")

    script = prefix / "share/bash-completion/completions/runner"
    c.equal("completion of a verb", bash(script, ["runner", "verif"]), ["verify"])
    c.equal("completion of a flag", bash(script, ["runner", "plan", "--d"]), ["--dot"])
    c.equal("completion of a value", bash(script, ["runner", "eval", "r", "--split", "v"]),
            ["val"])
    c.ok("completion of a file", "configs/quickstart.yaml" in
         bash(script, ["runner", "configs/q"]), bash(script, ["runner", "configs/q"]))
    c.ok("zsh and fish", (prefix / "share/zsh/site-functions/_runner").stat().st_size > 0
         and (prefix / "share/fish/vendor_completions.d/runner.fish").stat().st_size > 0)
c.done()
