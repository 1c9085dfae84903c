# SPDX-License-Identifier: Apache-2.0
"""The rows of the table: what is trained, beside whom, and the goals.

A goal is a ratio, the peer's time over runner's; `share` that of the machine's peak,
counting the arithmetic of direct convolution. docs/performance.md explains what a
goal is."""
from dataclasses import dataclass, field, replace


@dataclass
class Training:
    """Whole training steps: rows/YAML.yaml here, the same network in peers/."""
    data: str            # what peers/arrays.py makes or reads
    limits: dict         # peer: goal
    share: float = None  # of the peak, goal
    batch: int = 128
    net: str = None      # in peers/*_nets.py; default: the row's name
    set: list = field(default_factory=list)  # overrides of the YAML
    check: list = field(default_factory=list)  # overrides for equal losses
    images: bool = False  # channels-last is worth a try
    heavy: bool = False  # a step takes so long that few variants are tried, few rounds
    bf16: bool = False  # mixed precision on all sides
    device: str = "cpu"
    few: bool = False  # one variant of each peer: whether it works is all that is asked
    missing: dict = field(default_factory=dict)  # peer of the goals: why it is not here
    # runner once more, otherwise set: name: (overrides, limits, share)
    also: dict = field(default_factory=dict)


def three(eager, compiled, jax=None):
    return {"eager": eager, "compile": compiled, "jax": jax or compiled}


TRAINING = {
    "mlp": Training("fashion", three(1.8, 1.4), 0.75),
    "tabular-b256": Training("table", three(1.8, 1.8), 0.75, 256, "tabular"),
    "tabular-b32": Training("table", three(3.0, 3.0), 0.75, 32, "tabular",
                            set=["data.batch=32"]),
    "lenet": Training("fashion", three(1.5, 1.5), None, 64, images=True),
    "cnn": Training("fashion", three(1.3, 1.3), 0.9, images=True,
                    check=["model.layers.13.p=0"]),
    "resnet20": Training("colour", three(1.3, 1.3), 0.85, images=True),
    # Strict: no Winograd, so the goals of direct convolution.
    "resnet18": Training("colour", three(1.9, 1.9), 1.7, images=True, heavy=True,
                         also={"strict": (["device.numerics=strict"],
                                          three(1.15, 1.15), 0.9)}),
    "gpt": Training("text", three(1.3, 1.15), 0.85, 8, heavy=True, missing={
        "llm.c": "goal 2.5; no package has it, and its sources were not at hand"}),
}

# An LSTM of 256 units over 128 steps: PyTorch's is oneDNN's or its own.
TRAINING["lstm"] = Training("sequences", {"eager": 0.77, "compile": 0.77}, None, 64,
                            heavy=True, missing={"jax": "no LSTM among its networks here"})


def mixed(name, **more):
    """The same in mixed precision; PyTorch's is autocast. Losses are compared in f32."""
    row = TRAINING[name]
    TRAINING[f"{name}-bf16"] = replace(
        row, net=row.net or name, share=more.pop("share", None), bf16=True, also={},
        set=[*row.set, "precision=bf16"], check=[*row.check, "precision=f32"],
        limits={k: v for k, v in row.limits.items() if k != "jax"},
        missing={"jax": "no mixed precision in its network here"}, **more)


for name in ("mlp", "cnn", "resnet20", "resnet18"):
    mixed(name)
mixed("gpt", share=0.75)

# Rows of other kinds, see table/others.py: the goal of each of their lines. `machine` is
# what a loop that only moves the same bytes takes, `100ms` that time.
ADAMW = {"fused": 1.1, "foreach": 2.5, "compile": 1.1, "jax": 1.1, "by-hand": 0.95,
         "machine": 0.95}
MEMORY = ["mlp", "cnn", "resnet20", "resnet18", "gpt"]
OTHERS = {
    "adamw-10m": ADAMW, "adamw-100m": ADAMW,
    "plugin": {"adamw-by-hand": 0.95, "focal-by-hand": 0.95},
    "start": {"eager": 20, "100ms": 1},
    "memory": {f"{net}-eager": 1.67 for net in MEMORY},  # 1/0.6
    # raw: at most; runner's time over that of the bytes alone.
    "checkpoint": {"raw": 1.35, "torch.save": 1, "safetensors": 1},
    "input": {"dataloader-28x28": 10, "memcpy-28x28": 0.6, "dataloader-32x32": 10,
              "memcpy-32x32": 0.6},
    # Processor time of reading a table, and of checking it.
    "csv": {"polars": 4, "pandas": 4},
    "check": {"pandas": 8, "polars": 1, "ydata-profiling": 100},
}

# Words for several rows; `gpu` is another.
GROUPS = {"tabular": ["tabular-b256", "tabular-b32"], "adamw": ["adamw-10m", "adamw-100m"]}
