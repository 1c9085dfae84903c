#!/usr/bin/env bash
# h5py 3.16.0: HDF5's core driver without a backing store makes a file that is only in
# memory and never on disk, yet two such files of one process cannot have the same name
# at once: the second cannot be made. One under another name can. Two
# training runs in one process that both assemble a "run.h5" in memory meet it.
#
# Seen on 2026-11-30 (h5py 3.16.0 with its HDF5 2.0.0):
#   same name, core     OSError
#   other name, core    made
#   same folder on disk: nothing
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" -q install h5py==3.16.0 numpy==2.4.6
mkdir "$dir/empty"
cd "$dir/empty" && ../venv/bin/python - <<'PY'
import os
import sys
import h5py

print(h5py.version.hdf5_version)
seen = []
with h5py.File("run.h5", "w", driver="core", backing_store=False) as first:
    first["x"] = 1
    for name in ("run.h5", "other.h5"):
        try:
            with h5py.File(name, "w", driver="core", backing_store=False) as second:
                second["x"] = 2
            seen.append("made")
        except OSError as e:
            seen.append("OSError")
            print(e)
print("same name, core    ", seen[0])
print("other name, core   ", seen[1])
print("on disk:           ", os.listdir("."))
sys.exit(0 if seen == ["OSError", "made"] and os.listdir(".") == [] else 1)
PY
