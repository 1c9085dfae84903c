# SPDX-License-Identifier: Apache-2.0
"""docs/components.md is what `runner plugin docs` prints, and every component, port and
option says what it is."""
import re

import parts
from harness import ROOT, Checks, deleted, runner


def main():
    c = Checks()
    r = runner("plugin", "docs")
    c.equal("plugin docs: exit", r.code, 0)
    kept = (ROOT / "docs" / "components.md").read_text()
    listed = {kind: re.findall(r"^  (\S+)", body, re.M) for kind, body in re.findall(
        r"^(\w+)\n((?:  .*\n)+)", runner("plugin", "list").out, re.M)}
    for kind, body in re.findall(r"^(## \w+)$(.*?)(?=^## |\Z)", kept, re.S | re.M):
        whole, kind = kind + body, kind[3:]
        for name in re.findall(r"^### (\S+)$", body, re.M):
            # cuda is built where the CUDA Toolkit is; a plugin may have been deleted
            if name not in listed.get(kind, []) and (name == "cuda" or deleted(kind, name)):
                print(f"SKIP: {kind} '{name}' is not in this build")
                body = re.sub(rf"^### {name}\n.*?(?=^### |\Z)", "", body, flags=re.S | re.M)
        kept = kept.replace(whole, f"## {kind}{body}" if listed.get(kind) else "")
    c.ok("docs/components.md is up to date", kept == r.out,
         "  make it anew: ./dev runner plugin docs > docs/components.md")
    c.equal("it has every component", sorted(re.findall(r"^### (\S+)$", r.out, re.M)),
            sorted(name for names in listed.values() for name in names))
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
