# SPDX-License-Identifier: Apache-2.0
"""Makes golden/*.json with PyTorch, in f64 on inputs rounded to f32:

    python3 tests/parts/golden.py [losses optimizers ...]

The tests beside it read these files and do not need PyTorch."""
import importlib
import json
import pathlib
import sys

import torch

names = sys.argv[1:]
sys.argv = sys.argv[:1]
HERE = pathlib.Path(__file__).resolve().parent
torch.set_default_dtype(torch.float64)


def write(name, value):
    lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()]
    (HERE / "golden" / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(name, len(value), "cases")


if __name__ == "__main__":
    made = ["losses", "optimizers", "schedules", "inits", "layers", "models", "regularizers"]
    for name in names or made:
        write(name, importlib.import_module(f"golden_{name}").make())
