# SPDX-License-Identifier: Apache-2.0
"""What a device reaches at most, by PyTorch: products of large square matrices (on a GPU
those of cuBLAS), and copies.

    torch_peak.py JSON    {"device": cuda|cpu, "bf16": B, "threads": T}
"""
import json
import sys
import time

import torch

import worker


class Repeated:
    """Runs until they take long enough for one waiting to cost nothing; ms of one."""

    def __init__(self, name, device, run):
        self.name, self.device, self.run = name, device, run

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def best(self, seconds):
        self.run()
        self.wait()
        times, began, repeat = [], time.perf_counter(), 1
        while len(times) < 3 or time.perf_counter() - began < seconds:
            at = time.perf_counter()
            for _ in range(repeat):
                self.run()
            self.wait()
            took = time.perf_counter() - at
            if took < 0.02 and repeat < 256:
                repeat *= 2
            else:
                times.append(took / repeat)
        return min(times)


def product(device, dtype, n):
    x, y = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    out = torch.empty(n, n, device=device, dtype=dtype)
    return Repeated(f"product {n}", device, lambda: torch.matmul(x, y, out=out))


def copy(device, floats):
    x = torch.randn(floats, device=device)
    y = torch.empty_like(x)
    return Repeated("copy", device, lambda: y.copy_(x))


def main():
    o = json.loads(sys.argv[1])
    torch.set_num_threads(o["threads"])
    device = o["device"]
    if device == "cuda" and not torch.cuda.is_available():
        worker.unfit("this PyTorch sees no GPU")
    # As runner: TF32 is off unless asked for.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    dtype = torch.bfloat16 if o["bf16"] else torch.float32
    sizes = (4096, 8192) if device == "cuda" else (512, 1024)
    floats = 1 << (28 if device == "cuda" else 24)
    products = [(n, product(device, dtype, n)) for n in sizes]
    moved = copy(device, floats)

    def limits(seconds):
        part = seconds / (len(products) + 1)
        return {"flops": max(2.0 * n**3 / p.best(part) for n, p in products),
                "bytes": 8.0 * floats / moved.best(part)}

    print(json.dumps({"variants": ["limits"], "parameters": 0}), flush=True)
    for line in sys.stdin:
        print(json.dumps(limits(json.loads(line)["seconds"])), flush=True)


main()
