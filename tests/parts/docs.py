# SPDX-License-Identifier: Apache-2.0
"""docs/components.md is what `runner plugin docs` prints, and every component, port and
option says what it is."""
import re

import parts
from harness import ROOT, Checks, runner


def main():
    c = Checks()
    r = runner("plugin", "docs")
    c.equal("plugin docs: exit", r.code, 0)
    kept = (ROOT / "docs" / "components.md").read_text()
    if "### cuda\n" not in r.out:  # built where the CUDA Toolkit is
        kept = re.sub(r"### cuda\n.*?(?=### )", "", kept, flags=re.S)
    c.ok("docs/components.md is up to date", kept == r.out,
         "  make it anew: ./dev runner plugin docs > docs/components.md")
    listed = runner("plugin", "list").out
    names = re.findall(r"^  (\S+)", listed, re.M)
    c.equal("it has every component", sorted(re.findall(r"^### (\S+)$", r.out, re.M)),
            sorted(names))
    component = ""
    for line in r.out.splitlines():
        component = line[4:] if line.startswith("### ") else component
        m = re.match(r" *- (`\S+`|\*\*\S+\*\*)(.*)$", line)
        if m and m.group(1) != f"`{component}`":  # a metric is its own output
            c.ok(f"{line.strip()[:60]}: says what it is", re.search(r": \S", m.group(2)))
    for name, doc in re.findall(r"^### (\S+)\n\n(.*)$", r.out, re.M):
        c.ok(f"{name}: says what it is", len(doc) > 8, f"  {doc!r}")
    shown = runner("plugin", "show", "sequential").out
    c.within("plugin show has nested options", shown, "multiplier       int, at least 1, default 1")
    c.within("and their records", shown, "\ndropout: in training: elements put to 0")
    r = runner("plugin", "doc")
    c.equal("plugin doc: exit", r.code, 2)
    c.within("plugin doc: sentence", r.err, "'doc': expected list, show or docs")
    c.done()


main()
