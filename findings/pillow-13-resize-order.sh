#!/usr/bin/env bash
# Pillow 13.0.0 gives other pixels than 12.1.0 for the same picture, size and filter where
# the height shrinks more than the width: Image.resize then works on rows before columns,
# and each pass rounds to 8 bits. A wide picture that is narrowed is as before. Features
# that were computed by two versions are not the same numbers.
#
# Seen on 2026-12-01, RGB noise, the largest difference of a pixel between the two:
#   300x64 to 200x20 BICUBIC: 4     BILINEAR: 1      (height x width)
#   300x200 to 290x20 BICUBIC: 0    BILINEAR: 0
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/resize.py" <<'PY'
import sys
import numpy as np
from PIL import Image

draw = np.random.default_rng(0)
out = []
for size, to in (((300, 64), (200, 20)), ((300, 200), (290, 20))):
    picture = Image.fromarray(draw.integers(0, 256, (*size, 3), dtype=np.uint8))
    for filter in (Image.Resampling.BICUBIC, Image.Resampling.BILINEAR):
        out.append(np.asarray(picture.resize((to[1], to[0]), filter)))
np.savez(sys.argv[1], *out)
PY
for version in 12.1.0 13.0.0; do
    python3 -m venv "$dir/$version"
    "$dir/$version/bin/pip" -q install numpy==2.3.5 "Pillow==$version"
    "$dir/$version/bin/python" "$dir/resize.py" "$dir/$version.npz"
done
"$dir/13.0.0/bin/python" - "$dir" <<'PY'
import sys
import numpy as np

a, b = (np.load(f"{sys.argv[1]}/{v}.npz") for v in ("12.1.0", "13.0.0"))
names = ["300x64 to 200x20 BICUBIC", "300x64 to 200x20 BILINEAR", "300x200 to 290x20 BICUBIC",
         "300x200 to 290x20 BILINEAR"]
far = [int(np.abs(a[k].astype(int) - b[k].astype(int)).max()) for k in a.files]
for name, d in zip(names, far):
    print(f"{name}: largest difference {d}")
sys.exit(0 if far[0] and far[1] and not far[2] and not far[3] else 1)
PY
