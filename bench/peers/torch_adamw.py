# SPDX-License-Identifier: Apache-2.0
"""PyTorch's AdamW over one buffer, the gradient given: nothing but the update.

    torch_adamw.py JSON    {"count": N, "threads": T, "kind": fused|foreach|compile}
"""
import json
import sys

import torch

import worker


class Update:
    def __init__(self, count, kind, device):
        self.name, self.device = kind, device
        p = torch.nn.Parameter(torch.zeros(count, device=device))
        p.grad = torch.linspace(-1.0, 1.0, count, device=device)
        how = {} if kind == "compile" else {kind: True}
        rule = torch.optim.AdamW([p], lr=1e-3, weight_decay=0.01, **how)
        self.update = torch.compile(rule.step) if kind == "compile" else rule.step

    def step(self):
        self.update()
        if self.device == "cuda":
            torch.cuda.synchronize()
        return 0.0


def main():
    o = json.loads(sys.argv[1])
    torch.set_num_threads(o["threads"])
    device = o.get("device", "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        worker.unfit("this PyTorch sees no GPU")
    worker.serve({"parameters": o["count"]}, [Update(o["count"], o["kind"], device)])


main()
