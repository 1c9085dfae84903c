# SPDX-License-Identifier: Apache-2.0
"""`~/` is the home folder in every path of an experiment and of a command; no folder is
ever called `~`."""
import shutil
import sys

from harness import ROOT, Checks, Scratch, runner

EXPERIMENT = """\
extends: ~/base.yaml
plugins: ~/hash_init.so
data:
  source: {type: idx, images: ~/i.gz, labels: ~/l.gz}
  split: {kind: file, path: ~/split.txt}
output: ~/runs
"""
BASE = """\
name: home
data: {transforms: [{type: scale, of: image, factor: 0.0625}], batch: 256}
model: {type: mlp, in: {x: data.image}, hidden: [4], outputs: 10}
loss: cross_entropy
optimizer: {type: sgd, lr: 0.1}
train: {epochs: 1}
"""


def main():
    c = Checks()
    with Scratch() as top:
        home, work = top / "my home", top / "work"
        home.mkdir()
        work.mkdir()
        for name, file in ("i.gz", "digits-images.idx3.gz"), ("l.gz", "digits-labels.idx1.gz"):
            shutil.copy(ROOT / "datasets" / file, home / name)
        shutil.copy(sys.argv[2], home / "hash_init.so")
        (home / "base.yaml").write_text(BASE)
        (work / "e.yaml").write_text(EXPERIMENT)
        env = {"HOME": str(home)}
        r = runner("e.yaml", "data.split={kind: random, test: 0.2}", "--ack", cwd=work, env=env)
        c.equal("a run from and to the home folder", r.code, 0) or print(r.err)
        run = home / "runs" / "home" / "latest"
        c.ok("its record is there", (run / "run.h5").exists())
        shutil.copy(run / "split.txt", home / "split.txt")
        r = runner("e.yaml", "--progress", "none", cwd=work, env=env)
        c.equal("and a split file from there", r.code, 0) or print(r.err)
        r = runner("e.yaml", "output=~/other", "--progress", "none", cwd=work, env=env)
        c.equal("output on the command line", r.code, 0) or print(r.err)
        c.ok("is in the home folder too", (home / "other" / "home" / "latest").exists())
        r = runner("predict", run, "--out=~/p.csv", "--data=~/i.gz", cwd=work, env=env)
        c.equal("predict to and from the home folder", r.code, 0) or print(r.err)
        c.ok("the predictions are there", (home / "p.csv").stat().st_size > 1000)

        def refused(what, sentence, *args, env=env):
            r = runner("e.yaml", *args, cwd=work, env=env)
            c.equal(f"{what}: code, stdout", (r.code, r.out), (2, ""))
            c.within(f"{what}: sentence", r.err, sentence)
        refused("another user", "argument 1: error: output: '~ann/runs': the home folder "
                "of another user is not looked up", "output=~ann/runs")
        refused("another user's file", "argument 1: error: images: '~ann/i.gz': the "
                "home folder of another user is not looked up",
                "data.source.images=~ann/i.gz")
        for value in ("", "relative"):
            refused(f"HOME={value}", "e.yaml:1:10: error: extends: '~/base.yaml' is in the home "
                    "folder, but HOME is not ", env={"HOME": value})
        r = runner("predict", run, "--out=~ann/p.csv", cwd=work, env=env)
        c.equal("predict for another user", r.code, 2)
        c.within("its sentence", r.err, "--out: '~ann/p.csv': the home folder of another user")
        c.ok("no folder is called ~", not list(top.rglob("~*")), str(list(top.rglob("~*"))))
        c.equal("nothing is made where it ran", sorted(p.name for p in work.iterdir()),
                ["e.yaml"])
    c.done()


main()
