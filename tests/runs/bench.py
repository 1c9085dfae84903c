# SPDX-License-Identifier: Apache-2.0
"""`runner bench`: numbers that agree with each other, nothing left behind."""
import json

from harness import ROOT, Checks, Scratch, runner

QUICKSTART = ROOT / "configs" / "quickstart.yaml"


def main():
    c = Checks()
    with Scratch() as scratch:
        r = runner("bench", QUICKSTART, "--json", "--seconds", "0.5", "model.type=mlp",
                   "~model.layers", "model.hidden=[16]", "model.outputs=10",
                   "device={type: cpu, threads: 1}", cwd=scratch)
        c.equal("exit code", r.code, 0)
        got = json.loads(r.out)
        c.equal("batch", got["batch"], 32)
        c.equal("parameters", got["parameters"], 64 * 16 + 16 + 16 * 10 + 10)
        c.ok("steps were taken", got["steps"] > 10, r.out)
        c.ok("quantiles are in order", 0 < got["ms_10"] <= got["ms"] <= got["ms_90"], r.out)
        # Only the last batch of an epoch (30 of 1258 samples) is not full.
        c.ok("samples and steps agree",
             0.9 * 32 < got["samples_per_second"] / got["steps_per_second"] <= 32.001,
             r.out)
        c.ok("the wait is a share", 0 <= got["data_wait"] < 1, r.out)
        c.ok("it learns meanwhile", got["last_loss"] < got["first_loss"], r.out)
        c.equal("nothing is written", list(scratch.iterdir()), [])

        r = runner("bench", QUICKSTART, "--seconds", "0.1", cwd=scratch)
        c.within("the same for people", r.out, "samples/s")
        for word in ("0", "-1", "1x", "nan", "1e9"):
            r = runner("bench", QUICKSTART, "--seconds", word, cwd=scratch)
            c.equal(f"--seconds {word}", r.code, 2)
            c.within(f"--seconds {word} says why", r.err, f"--seconds {word}: a number")
        r = runner("bench", cwd=scratch)
        c.equal("no experiment", r.code, 2)
        r = runner("bench", QUICKSTART, "optimizer.lr=fast", cwd=scratch)
        c.equal("a wrong file", r.code, 2)
    c.done()


main()
