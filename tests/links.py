# SPDX-License-Identifier: Apache-2.0
"""The documentation has no dead end: each relative link of README.md, docs/, bench/ and
findings/ names a file, each anchor a heading of it; each page has a way in; each page
that a comment names exists."""
import re

from harness import ROOT, Checks

FOLDERS = ["core", "plugins", "plugin-api", "tests", "bench", "configs"]


def pages():
    yield ROOT / "README.md"
    for folder in ("docs", "bench", "findings"):
        yield from sorted((ROOT / folder).glob("**/*.md"))


def without_code(text):
    text = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(text):
    """As GitHub makes them from headings: lower case, no punctuation, spaces to hyphens."""
    found = set()
    for heading in re.findall(r"^#+ +(.*?) *$", re.sub(r"^```.*?^```$", "", text,
                                                       flags=re.S | re.M), re.M):
        heading = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")
        last, n = slug, 0
        while last in found:
            n += 1
            last = f"{slug}-{n}"
        found.add(last)
    return found


def main():
    c = Checks()
    linked = {ROOT / "README.md"}
    for page in pages():
        text = page.read_text()
        name = page.relative_to(ROOT)
        for link in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not c.ok(f"{name}: {link}", target.exists(), "  no such file"):
                continue
            linked.add(target)
            if anchor:
                c.ok(f"{name}: {link}", anchor in anchors(target.read_text()),
                     "  no such heading")
    for page in (ROOT / "docs").glob("**/*.md"):
        c.ok(f"{page.relative_to(ROOT)} is linked from another page", page in linked)
    for folder in FOLDERS:
        for file in (ROOT / folder).glob("**/*"):
            if file.suffix in (".c", ".h", ".py", ".md", ".yaml", ".build", ".def", ".cu"):
                for named in set(re.findall(r"\bdocs/[\w/-]+\.md\b", file.read_text())):
                    c.ok(f"{file.relative_to(ROOT)}: {named}", (ROOT / named).exists(),
                         "  no such page")
    c.done()


main()
