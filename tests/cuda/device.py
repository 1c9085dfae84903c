# SPDX-License-Identifier: Apache-2.0
"""What only a GPU can show: device.py RUNNER OPS REFERENCE CUDA GOLDEN. The operator
suite with the libraries and with own kernels, the numbers by PyTorch, the same again
under compute-sanitizer where it is installed. Without a device each part is skipped."""
import json
import re
import shutil
import subprocess
import sys

from harness import Checks, runner

ops, reference, cuda, golden = sys.argv[2:6]
PARTS = {
    "every operator": ["test", reference, cuda],
    "every operator, own kernels": ["test", reference, cuda, "libraries=off"],
    "numbers by PyTorch": ["golden", "golden=" + golden, reference, cuda],
}
TOOLS = {
    "memcheck": ["--leak-check", "no"], "racecheck": [], "initcheck": [],
    "synccheck": []}


def run(*args):
    p = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return p.returncode, p.stdout


c = Checks()
said = [b for b in json.loads(runner("doctor", "--json").out)["backends"]
        if b["name"] == "cuda"]
why = "" if said and said[0]["usable"] else said[0]["says"] if said else "not built"
if why:
    for part in [*PARTS, *(f"compute-sanitizer {t}" for t in TOOLS)]:
        print(f"SKIP: {part}: {why}")
    c.ok("doctor gives a reason", len(why) > 5)
else:
    print("on", said[0]["says"])
    for name, args in PARTS.items():
        code, text = run(ops, *args)
        m = re.search(r"^(\d+) passed, (\d+) failed$", text, re.M)
        c.ok(name, code == 0 and m and int(m[1]) > 1000, text[-6000:])
        print(f"{name}: {m[0] if m else 'no numbers'}")
    sanitizer = shutil.which("compute-sanitizer")
    for tool, more in TOOLS.items():
        if not sanitizer:
            print(f"SKIP: compute-sanitizer {tool}: it is not in PATH")
            continue
        code, text = run(sanitizer, "--tool", tool, *more, "--error-exitcode", "42", ops,
                         "test", reference, cuda)
        c.ok(f"compute-sanitizer {tool}", code == 0, text[-6000:])
c.done()
