# SPDX-License-Identifier: Apache-2.0
"""Rows for a GPU: which there are, whether they can run here, and what their losses are
beside each other. With --device cpu they run on the processor, so small that they only
show that everything works."""
import json
import subprocess
from dataclasses import dataclass, field, replace

from table.peer import Peer
from table.rows import Training, three
from table.setup import say


@dataclass
class OnGpu(Training):
    tiny: dict = field(default_factory=dict)  # fields of the row on a processor
    curve: int = 50  # steps whose losses stand beside each other


AIRBENCH_TINY = ["data.batch=32", *(
    f"model.layers.{i}.channels={c}"
    for i, c in ((2, 8), (6, 8), (9, 16), (13, 16), (16, 16), (20, 16)))]
ROWS = {
    "gpu-mlp": OnGpu("fashion", three(5, 1.5), net="mlp"),
    "gpu-resnet18": OnGpu(
        "colour", three(1.2, 1.2), batch=512, net="resnet18", images=True, bf16=True,
        set=["data.batch=512", "precision=bf16"],
        tiny={"batch": 16, "net": "resnet18-tiny",
              "set": ["data.batch=16", "precision=bf16", "model.width=8"]}),
    "gpu-resnet50": OnGpu(
        "large", three(1.15, 1.15), batch=256, net="resnet50", images=True, bf16=True,
        set=["data.batch=256", "precision=bf16"],
        tiny={"batch": 8, "net": "resnet50-tiny", "data": "large-tiny",
              "set": ["data.batch=8", "precision=bf16", "model.width=8"]}),
    "gpu-gpt2-124m": OnGpu(
        "tokens", three(1.1, 1.1), batch=8, net="gpt2", bf16=True, curve=30,
        set=["precision=bf16"], missing={
            "llm.c": "goal 1.15; no package has it"},
        tiny={"batch": 4, "net": "gpt2-tiny", "data": "tokens-tiny",
              "set": ["precision=bf16", "data.batch=4", "model.vocabulary=211",
                      "model.layers=2", "model.width=32", "model.heads=2"]}),
    "gpu-airbench": OnGpu(
        "colour", three(1.25, 1.25), batch=1024, net="airbench", images=True, bf16=True,
        set=["precision=bf16"],
        tiny={"batch": 32, "net": "airbench-tiny",
              "set": ["precision=bf16", *AIRBENCH_TINY]}),
}
for row in ROWS.values():
    row.device, row.check = "cuda", ["precision=f32"]
# What the losses on one batch are compared by is the same batch at every step.
ROWS["gpu-airbench"].check = ["precision=f32", "~augment"]
ADAMW = {"fused": 1.05, "foreach": 1.05, "compile": 1.05, "jax": 1.05}
OTHERS = {"gpu-adamw-124m": ADAMW}


def chosen(o, name):
    """The row as it runs here: on the device, or small on the processor."""
    row = ROWS[name]
    small = replace(row, device="cpu", few=True, curve=6, **row.tiny)
    return small if o.device == "cpu" else row


class Limits:
    """What the row's device reaches: products of the row's type, copies; by PyTorch."""

    def __init__(self, o, row):
        self.seconds = o.seconds / 2
        self.peer = Peer(o, "torch_peak.py", {"device": row.device, "bf16": row.bf16,
                                              "threads": o.threads}, {})

    def measure(self):
        """{"flops": operations a second, "bytes": read and written a second}"""
        return self.peer.ask(0, seconds=self.seconds)

    def close(self):
        self.peer.close()


def missing(o):
    """Why no GPU can be used, in runner's words; None: one can."""
    if o.device == "cpu":
        return None
    out = subprocess.run([o.runner, "doctor"], capture_output=True, text=True).stdout
    for line in out.splitlines():
        words = line.split(None, 1)
        if len(words) == 2 and words[0] == "cuda":
            return (None if words[1].startswith("cuda: ") else
                    "cuda: " + words[1].partition("; ")[0])
    return "runner was built without the cuda backend"


def show_curves(losses):
    """Some of the losses of all sides, which took the same batches; their difference."""
    ours = losses["runner"]
    steps = sorted({0, *(len(ours) * k // 5 - 1 for k in range(1, 6))})
    say(f"  {'loss at step':16}" + "".join(f"{s + 1:>10}" for s in steps))
    for who, values in losses.items():
        say(f"  {who:16}" + "".join(f"{values[s]:>10.4f}" for s in steps))
    for who, values in losses.items():
        if who != "runner":
            off = max(abs(a - b) / abs(a) for a, b in zip(ours, values))
            say(f"  {who}: at most {100 * off:.2f} % from runner's")


def curves(o, row, file, folder, work, kinds, runner):
    """Losses of the first steps from the same weights, in the row's precision."""
    runner(o, row, ["train", file, "--progress", "none"],
           ["~train.epochs", "train.log_every=1", f"output={work}", "name=curve",
            f"train.steps={row.curve}"], data=folder)
    read = [o.python, file.parents[1] / "peers/first.py"]
    out = subprocess.run([*read, work / "curve/latest", "losses"], check=True,
                         capture_output=True, text=True).stdout
    # First weights may depend on the data.
    runner(o, row, ["train", file, "--progress", "none"],
           ["~train.epochs", "train.steps=1", f"output={work}", "name=begin",
            "optimizer.lr=0"], data=folder)
    weights = work / "begin.npz"
    subprocess.run([*read, work / "begin/latest", "weights", weights], check=True)
    losses = {"runner": json.loads(out)}
    losses.update({k.name: k.peer.ask(0, curve=row.curve, weights=str(weights))["losses"]
                   for k in kinds})
    show_curves(losses)
    return losses
