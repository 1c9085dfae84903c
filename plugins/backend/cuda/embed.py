#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embed.py OUT.c FILE...: files as lines of text in the backend, without their #include
lines: generated code needs no file of the source tree and no header. FILE.stem is the
array's name."""
import json
import pathlib
import sys

out = ["/* Made by embed.py. */", "#include <stddef.h>", '#include "texts.h"']
for name in sys.argv[2:]:
    path = pathlib.Path(name)
    lines = [line for line in path.read_text(encoding="utf-8").splitlines()
             if not line.startswith("#include")]
    out.append(f"const char *const cuda_text_{path.stem}[] = {{")
    out += [json.dumps(line) + "," for line in lines]
    out.append("NULL};")
pathlib.Path(sys.argv[1]).write_text("\n".join(out) + "\n", encoding="utf-8")
