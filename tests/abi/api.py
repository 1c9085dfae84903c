# SPDX-License-Identifier: Apache-2.0
"""The ABI headers as data: structs, members, the comments that belong to them."""
import pathlib
import re
import shutil
import subprocess
from dataclasses import dataclass, field

HEADERS = pathlib.Path(__file__).resolve().parents[2] / "plugin-api/runner"


def headers():
    return sorted(HEADERS.glob("*.h"))


def sdk():
    """Helpers for authors: header-only, no part of the ABI, POSIX and GNU builtins."""
    return sorted((HEADERS / "sdk").glob("*.h"))


def no_compiler(name):
    """Why the compiler `name` cannot be used; None: it can."""
    if not shutil.which(name):
        return f"{name} is not installed"
    try:
        p = subprocess.run([name, "--version"], capture_output=True)
    except OSError as e:
        return f"{name} does not run ({e.strerror})"
    return f"{name} --version ends with {p.returncode}" if p.returncode else None


@dataclass
class Member:
    name: str
    text: str       # the declaration, one line
    comment: str    # what stands before it and behind it
    function: bool  # a pointer to a function


@dataclass
class Struct:
    name: str
    file: str
    comment: str
    members: list = field(default_factory=list)


TOKEN = re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"])*\"|[^/\"]+|/", re.S)


def pieces(text):
    """Alternating code and comments, in order."""
    for t in TOKEN.findall(text):
        yield t.startswith("/*"), t


def strip_comments(text):
    return "".join(" " if is_comment else t for is_comment, t in pieces(text))


def comment_text(c):
    return " ".join(line.strip(" *") for line in c.strip("/*").splitlines()).strip()


def read_members(body):
    """Members of a struct's body. A comment on the line where a declaration ends belongs
    to it; one that stands before belongs to the next."""
    out, code, before = [], "", ""
    for is_comment, t in pieces(body):
        if is_comment:
            words = comment_text(t)
            if not code.strip() and out and not code.count("\n"):
                out[-1].comment += " " + words
            else:
                before += " " + words
            continue
        while ";" in t:
            head, t = t.split(";", 1)
            one = " ".join((code + head).split())
            code = ""
            function = re.match(r".*?\(\*(\w+)\)\s*\(", one)
            name = function.group(1) if function else re.search(
                r"(\w+)\s*(?:\[[^\]]*\])*$", one).group(1)
            out.append(Member(name, one, before.strip(), bool(function)))
            before = ""
        code += t
    return out


def structs():
    found = []
    for path in headers():
        text = path.read_text()
        text = re.sub(r"^#(?:[^\\\n]|\\\n|\\.)*", "", text, flags=re.M)
        for m in re.finditer(r"(/\*(?:(?!\*/).)*\*/\s*)?^struct (\w+) \{(.*?)^\};", text,
                             re.S | re.M):
            s = Struct(m.group(2), path.name, comment_text((m.group(1) or "").strip()))
            s.members = read_members(m.group(3))
            found.append(s)
    return found
