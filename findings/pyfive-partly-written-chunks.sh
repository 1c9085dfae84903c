#!/usr/bin/env bash
# pyfive 1.3.0 (pure Python HDF5 reader) beside h5py 3.16.0: a chunked dataset of which
# only some chunks were ever written (ordinary for appended or preallocated data) is read
# by h5py with the fill value in the missing chunks; pyfive raises KeyError, though it
# fills a dataset of which no chunk at all was written.
#
# Seen on 2026-11-30:
#   no chunk written   h5py [7. 7. 7. 7. 7. 7.]  pyfive [7. 7. 7. 7. 7. 7.]
#   one chunk written  h5py [1. 7. 7. 7. 7. 7.]  pyfive KeyError: (2,)
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" -q install h5py==3.16.0 numpy==2.4.6 pyfive==1.3.0
cd "$dir" && venv/bin/python - <<'PY'
import sys
import h5py, pyfive

seen = []
for name, first in (("no chunk written ", None), ("one chunk written", 1.0)):
    with h5py.File("a.h5", "w") as f:
        d = f.create_dataset("x", (6,), dtype="f4", chunks=(2,), fillvalue=7)
        if first is not None:
            d[0] = first
    with h5py.File("a.h5") as f:
        by_h5py = f["x"][...]
    try:
        with pyfive.File("a.h5") as f:
            by_pyfive = str(f["x"][...])
    except KeyError as e:
        by_pyfive = f"KeyError: {e}"
    seen.append((list(by_h5py), by_pyfive))
    print(f"{name}  h5py {by_h5py}  pyfive {by_pyfive}")
ok = (seen[0][1] == "[7. 7. 7. 7. 7. 7.]" and seen[1][0] == [1, 7, 7, 7, 7, 7]
      and seen[1][1].startswith("KeyError"))
sys.exit(0 if ok else 1)
PY
