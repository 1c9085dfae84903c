# SPDX-License-Identifier: Apache-2.0
"""Reads what runner stored: the weights of a run's checkpoint, as .npz under runner's
names, and its losses.

    first.py RUN weights OUT.npz
    first.py RUN losses
"""
import json
import pathlib
import sys

import h5py
import numpy as np

run = pathlib.Path(sys.argv[1])
if sys.argv[2] == "weights":
    with h5py.File(next(run.glob("checkpoints/step-*.h5"))) as f:
        np.savez(sys.argv[3], **{k: v[...] for k, v in f["variables"].items()
                                 if k.startswith("model.")})
else:
    with h5py.File(run / "run.h5") as f:
        print(json.dumps(f["scalars/train/loss/value"][...].tolist()))
