# SPDX-License-Identifier: Apache-2.0
"""The tensors of bench/probe/checkpoint.c written by torch.save and by safetensors, each
into a new file, which is synced.

    torch_checkpoint.py JSON    {"folder": F, "megabytes": M}; answers each line on stdin,
                                `torch.save` or `safetensors`, with the seconds it took
"""
import json
import os
import sys
import time

import torch

try:
    from safetensors.torch import save_file
except ImportError:
    save_file = None


def tensors(megabytes):
    layers = int(megabytes * 1e6 / (12 * 1024) / 1025)
    made = {}
    for i in range(layers):
        for kind in ("model.{}", "optimizer.{}.m", "optimizer.{}.v"):
            made[kind.format(f"weight.{i:03}")] = torch.rand(1024, 1024)
            made[kind.format(f"bias.{i:03}")] = torch.rand(1024)
    return made


def sync(path):
    fd = os.open(path, os.O_RDWR)
    os.fsync(fd)
    os.close(fd)


def main():
    o = json.loads(sys.argv[1])
    state = tensors(o["megabytes"])
    print(json.dumps({"safetensors": save_file is not None}), flush=True)
    for line in sys.stdin:
        path = os.path.join(o["folder"], line.strip())
        if os.path.exists(path):
            os.unlink(path)
        os.sync()  # what came before is not measured
        began = time.perf_counter()
        if line.strip() == "torch.save":
            torch.save(state, path)
        else:
            save_file(state, path)
        sync(path)
        print(time.perf_counter() - began, flush=True)


main()
