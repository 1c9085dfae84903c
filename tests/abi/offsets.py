# SPDX-License-Identifier: Apache-2.0
"""The kept table of the ABI's layout: offsets.h, one row a member, asserted by offsets.c.

    python3 tests/abi/offsets.py write     makes the table anew, from the headers
    python3 tests/abi/offsets.py check     every member of the headers is in the table

Draft ABI (0.x): a changed layout is a new minor, and the table is written anew with it.
From 1.0 on rows are only ever added at the end of a struct."""
import pathlib
import re
import subprocess
import sys
import tempfile

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here))
import api

TABLE = here / "offsets.h"
HEAD = """/* SPDX-License-Identifier: Apache-2.0 */
/* Written by offsets.py: the ABI's layout on machines with 64-bit pointers.
 * SIZE(struct, bytes), AT(struct, member, offset, bytes). */
"""


def measure(structs):
    lines = ["#include <stdio.h>", "#include <runner/runner.h>", "int main(void) {"]
    for s in structs:
        lines.append(f'printf("SIZE({s.name}, %zu)\\n", sizeof(struct {s.name}));')
        for m in s.members:
            lines.append(f'printf("AT({s.name}, {m.name}, %zu, %zu)\\n", '
                         f"offsetof(struct {s.name}, {m.name}), "
                         f"sizeof(((struct {s.name} *)0)->{m.name}));")
    lines.append("return 0; }")
    with tempfile.TemporaryDirectory() as t:
        source, program = pathlib.Path(t) / "m.c", pathlib.Path(t) / "m"
        source.write_text("\n".join(lines))
        subprocess.run(["cc", "-I", api.HEADERS.parent, "-o", program, source], check=True)
        return subprocess.run([program], check=True, text=True,
                              stdout=subprocess.PIPE).stdout


structs = api.structs()
if sys.argv[-1] == "write":
    TABLE.write_text(HEAD + measure(structs))
else:
    from harness import Checks
    c = Checks()
    text = TABLE.read_text()
    rows = [tuple(r) for r in re.findall(r"^AT\((\w+), (\w+),", text, re.M)]
    have = [(s.name, m.name) for s in structs for m in s.members]
    for row in have:
        c.ok(f"struct {row[0]}, member {row[1]}: in offsets.h", row in rows)
    for row in rows:
        c.ok(f"struct {row[0]}, member {row[1]}: still in the headers", row in have)
    # The parser missed nothing: every struct that a header defines.
    for path in api.headers():
        for name in re.findall(r"^struct (\w+) \{", path.read_text(), re.M):
            c.ok(f"{name} is seen", name in {s.name for s in structs})
    c.done()
