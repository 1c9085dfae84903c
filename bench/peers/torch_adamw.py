# SPDX-License-Identifier: Apache-2.0
"""PyTorch's AdamW over one buffer, the gradient given: nothing but the update.

    torch_adamw.py JSON    {"count": N, "threads": T, "kind": fused|foreach|compile}
"""
import json
import sys

import torch

import worker


class Update:
    def __init__(self, count, kind):
        self.name = kind
        p = torch.nn.Parameter(torch.zeros(count))
        p.grad = torch.linspace(-1.0, 1.0, count)
        how = {} if kind == "compile" else {kind: True}
        rule = torch.optim.AdamW([p], lr=1e-3, weight_decay=0.01, **how)
        self.update = torch.compile(rule.step) if kind == "compile" else rule.step

    def step(self):
        self.update()
        return 0.0


def main():
    o = json.loads(sys.argv[1])
    torch.set_num_threads(o["threads"])
    worker.serve({"parameters": o["count"]}, [Update(o["count"], o["kind"])])


main()
