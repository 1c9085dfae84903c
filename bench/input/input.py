# SPDX-License-Identifier: Apache-2.0
"""How fast batches come: runner's pipeline into a backend that computes nothing, beside
PyTorch's DataLoader (the fastest of 0, 1 and 2 workers), in turn. Images of 28x28, and of
3x32x32 with random crop and flip, both sides from memory, batches of 128.

    PYTHON bench/input/input.py RUNNER [--rounds N] [--seconds S]

PYTHON is one that has torch; without it only runner is measured. The last lines are
CASE PEER ratio=R limit=L: samples a second over the peer's, and runner's share of what
memcpy moves in the same run. bench/run reads them."""
import argparse
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROWS, BATCH = 20000, 128
AUGMENT = ("augment=[{type: crop, of: image, padding: 4}, "
           "{type: flip, of: image, axis: horizontal}]")
CASES = {"28x28": ((1, 28, 28), []), "32x32 crop flip": ((3, 32, 32), [AUGMENT])}


def ours(runner, folder, args, seconds):
    """Samples a second, the best of 0, 1 and 2 workers."""
    best = 0.0
    for workers in (0, 1, 2):
        p = subprocess.run([runner, "bench", HERE / "input.yaml", "--json", "--seconds",
                            str(seconds), f"data.workers={workers}", *args],
                           stdout=subprocess.PIPE,
                           env={**os.environ, "INPUT_DATA": str(folder)})
        if p.returncode:
            sys.exit(p.stdout.decode())
        best = max(best, json.loads(p.stdout)["samples_per_second"])
    return best


def peer(torch, folder, augmented, seconds):
    images = torch.from_numpy(np.load(folder / "images.npy")).float()
    images = (images - images.mean()) / images.std()
    labels = torch.from_numpy(np.load(folder / "labels.npy"))

    class Augmented(torch.utils.data.Dataset):
        """As torchvision's RandomCrop(32, padding=4) and RandomHorizontalFlip do it."""

        def __len__(self):
            return len(images)

        def __getitem__(self, i):
            x = torch.nn.functional.pad(images[i], (4, 4, 4, 4))
            y0, x0 = torch.randint(0, 9, (2,)).tolist()
            x = x[:, y0:y0 + 32, x0:x0 + 32]
            return (x.flip(2) if torch.rand(1) < 0.5 else x), labels[i]

    data = Augmented() if augmented else torch.utils.data.TensorDataset(images, labels)
    best = 0.0
    for workers in (0, 1, 2):
        loader = torch.utils.data.DataLoader(data, BATCH, shuffle=True,
                                             num_workers=workers)
        samples, began = 0, None
        for x, _ in loader:
            now = time.perf_counter()
            if began is None:  # the first batch starts the workers
                began = now
                continue
            samples += len(x)
            if now - began > seconds:
                break
        best = max(best, samples / (time.perf_counter() - began))
    return best


def copied(sample_bytes):
    """Samples a second that memcpy moves from one large array to another."""
    a = np.ones(ROWS * sample_bytes // 4, np.float32)
    b = np.empty_like(a)
    best = 1e9
    for _ in range(5):
        began = time.perf_counter()
        np.copyto(b, a)
        best = min(best, time.perf_counter() - began)
    return ROWS / best


def main():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("runner")
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--seconds", type=float, default=1.0)
    a = a.parse_args()
    torch = None
    if importlib.util.find_spec("torch"):
        import torch
    lines = []
    for name, (shape, args) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            rng = np.random.default_rng(1)
            np.save(folder / "images.npy",
                    rng.integers(0, 256, (ROWS, *shape), dtype=np.uint8))
            np.save(folder / "labels.npy", np.arange(ROWS) % 10)
            mine, theirs, copy = [], [], []
            for _ in range(a.rounds):
                mine.append(ours(a.runner, folder, args, a.seconds))
                copy.append(copied(4 * int(np.prod(shape))))
                if torch:
                    theirs.append(peer(torch, folder, bool(args), a.seconds))
        limit = statistics.median(m / k for m, k in zip(mine, copy))
        print(f"{name:16} runner {statistics.median(mine):10.0f} samples/s, "
              f"{100 * limit:.0f} % of memcpy", flush=True)
        if torch:
            ratios = [m / t for m, t in zip(mine, theirs)]
            print(f"{'':16} DataLoader {statistics.median(theirs):8.0f} samples/s, ratio "
                  f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to "
                  f"{max(ratios):.1f})", flush=True)
            lines.append(f"{name.replace(' ', '-')} DataLoader ratio="
                         f"{statistics.median(ratios):.2f} limit={limit:.2f}")
    print("\n".join(lines))


main()
