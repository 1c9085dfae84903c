# SPDX-License-Identifier: Apache-2.0
"""`runner bench`: numbers that agree with each other, nothing left behind."""
import json
import subprocess
import sys

from harness import ROOT, RUNNER, Checks, Scratch, runner

QUICKSTART = ROOT / "configs" / "quickstart.yaml"


def rows_for_a_gpu(c):
    """The table's rows for a GPU: their files are read, and a machine without one is told
    why each cannot run. Peers are not needed for that."""
    for row in ("resnet50", "gpt2", "airbench"):
        r = runner("config", ROOT / f"bench/rows/{row}.yaml", env={"BENCH_DATA": "/none"})
        c.equal(f"{row}: exit", (r.code, r.err), (0, ""))
    if "  cuda         cuda: " in runner("doctor").out:
        print("SKIP: rows without a GPU: this machine has one")
        return
    p = subprocess.run([sys.executable, ROOT / "bench/run", "gpu", "--runner", RUNNER],
                       capture_output=True, text=True)
    c.equal("rows for a GPU: exit", (p.returncode, p.stderr), (0, ""))
    lines = p.stdout.splitlines()
    c.equal("each is skipped", [line.split(": ")[1] for line in lines],
            ["gpu-mlp", "gpu-resnet18", "gpu-resnet50", "gpu-gpt2-124m", "gpu-airbench",
             "gpu-adamw-124m"])
    c.ok("with a reason", all(line.startswith("SKIP: ") and "cuda" in line
                              for line in lines), p.stdout)


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
            c.within(f"--seconds {word} says why", r.err, f"--seconds {word}: expected a number")
        r = runner("bench", cwd=scratch)
        c.equal("no experiment", r.code, 2)
        r = runner("bench", QUICKSTART, "optimizer.lr=fast", cwd=scratch)
        c.equal("a wrong file", r.code, 2)
    rows_for_a_gpu(c)
    c.done()


main()
