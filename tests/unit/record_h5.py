# SPDX-License-Identifier: Apache-2.0
"""h5py opens run.h5 and a checkpoint and finds the values, names and docs."""
import glob
import os
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import EMULATOR  # noqa: E402


def documented(name, thing):
    if isinstance(thing, h5py.Dataset):
        assert "doc" in thing.attrs, name


with tempfile.TemporaryDirectory() as top:
    folder = subprocess.run([*EMULATOR, sys.argv[1], "make", top], check=True, text=True,
                            stdout=subprocess.PIPE).stdout.strip()
    with h5py.File(os.path.join(folder, "run.h5"), "r") as f:
        f.visititems(documented)
        loss = f["scalars/train/loss"]
        assert loss["step"].dtype == np.int64
        assert loss["step"][:].tolist() == list(range(1, 31))
        assert np.array_equal(loss["epoch"][:], np.arange(1, 31) / 10.0)
        assert np.array_equal(loss["value"][:], 1.0 / np.arange(1, 31))
        assert f["scalars/val/accuracy/value"][:].tolist() == [0.5]
        confusion = f["tensors/val/confusion"]
        assert confusion["value"].shape == (2, 2, 2)
        assert confusion["value"].dtype == np.int32
        assert confusion["value"][1].tolist() == [[1, 1], [2, 3]]
        assert confusion["step"][:].tolist() == [0, 10]
        assert confusion["value"].attrs["doc"] == b"counts [truth, guess]"
        assert f.attrs["seed"] == b"1"
        assert f.attrs["name"].decode() == "première"
        assert f.attrs["rows"] == 33
        assert bytes(f["notes/resolved"][:]) == b"x" * 50000
    with h5py.File(glob.glob(folder + "/checkpoints/*.h5")[0], "r") as f:
        f.visititems(documented)
        assert f.attrs["step"] == 30 and f.attrs["epoch"] == 7.5
        v = f["variables"]
        assert v["model.fc.weight"][:].tolist() == [[30, 2, 3], [4, 5, 6]]
        assert v["model.fc.weight"].dtype == np.float32
        assert v["model.fc.weight"].attrs["doc"] == b"weights [out, in]"
        assert v["model.half"].dtype == np.float16
        assert v["model.half"][:].tolist() == [1, -2]
        assert v["model.mask"].dtype == bool
        assert v["model.mask"][:].tolist() == [True, False, True]
        assert v["model.count"][()] == 42
        assert v["model.none"].shape == (0, 4)
        assert v["model.brain"].attrs["dtype"] == b"bf16"
        assert (v["model.brain"][:].astype(np.uint32) << 16).view(
            np.float32).tolist() == [1, -2]
        assert bytes(f["blobs/loader"][:]) == b"position"
print("ok")
