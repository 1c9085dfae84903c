# SPDX-License-Identifier: Apache-2.0
"""Each ABI header compiles alone in every dialect and keeps the habits of the ABI:
nothing but standard headers, fixed-width types, an ownership word at every pointer, a
thread tag at every function, names that begin with rn. By default each header is
compiled alone by one C and one C++ compiler in their oldest dialect, and all together by
the others in the oldest and the newest; `all`: each alone by every compiler in every
dialect."""
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import api
from harness import Checks, Scratch

c = Checks()
FLAGS = ["-fsyntax-only", "-pedantic-errors", "-Wall", "-Wextra", "-Wshadow", "-Wundef",
         "-Wconversion", "-Wno-unused-function", "-Werror", "-x"]
DIALECTS = {"c": ["c11", "c17", "c2x"], "c++": ["c++11", "c++17", "c++20"]}
COMPILER = [a for a in sys.argv[1:] if a != "all"] or ["cc"]
if "all" not in sys.argv:  # what lies between the oldest and the newest is in between
    DIALECTS = {k: [v[0], v[-1]] for k, v in DIALECTS.items()}
names = [h.relative_to(api.HEADERS.parent).as_posix() for h in api.headers()]


def run(*command):
    return subprocess.run([*map(str, command)], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


def compilers():
    """(command, language): the compilers that are here."""
    yield COMPILER, "c"
    for name, language in (("g++", "c++"), ("clang", "c"), ("clang++", "c++")):
        if why := api.no_compiler(name):
            print(f"SKIP: {why}: the headers are not compiled with it")
        else:
            yield [name], language


def all_together(top, names, file):
    f = top / file
    f.write_text("".join(f"#include <{name}>\n" for name in names) + "extern int nothing;\n")
    return [f]


def each_alone(top, name):
    f = top / (name.replace("/", "_") + ".c")
    f.write_text(f"#include <{name}>\nextern int nothing;\n")
    return f


sdk_names = [h.relative_to(api.HEADERS.parent).as_posix() for h in api.sdk()]
with Scratch() as top:
    (top / "empty.c").write_text("typedef int nothing;\n")
    alone = [each_alone(top, name) for name in names]
    sdk_alone = [each_alone(top, name) for name in sdk_names]
    together = all_together(top, names, "all.c")
    sdk_together = all_together(top, sdk_names, "sdk.c")
    for compiler, language in compilers():
        for dialect in DIALECTS[language]:
            apart = "all" in sys.argv or (compiler in (COMPILER, ["g++"])
                                          and dialect == DIALECTS[language][0])
            how = "alone" if apart else "with the others"
            flags = [*compiler, *FLAGS, language, f"-std={dialect}", "-I",
                     api.HEADERS.parent]
            what = f"{compiler[-1]} {dialect}"
            if run(*flags, top / "empty.c").returncode:
                print(f"SKIP: {what}: this compiler does not have it")
                continue
            p = run(*flags, *(alone if apart else together))
            c.ok(f"{what}: every header {how}", p.returncode == 0, p.stdout[:3000])
            flags[flags.index(f"-std={dialect}")] = "-std=" + dialect.replace("c", "gnu", 1)
            p = run(*flags, *(sdk_alone if apart else sdk_together))
            c.ok(f"{what}: every helper of sdk/ {how}, GNU dialect", p.returncode == 0,
                 p.stdout[:3000])
    # The compiler does find fault: a header with a fault is seen.
    (top / "bad.c").write_text("#include <runner/abi.h>\nint f(void) { return {0}; }\n")
    c.ok("a fault is found", run("cc", *FLAGS, "c", "-std=c11", "-I", api.HEADERS.parent,
                                 top / "bad.c").returncode != 0)

for path in api.headers():
    text = path.read_text()
    code = api.strip_comments(text)
    name = path.relative_to(api.HEADERS.parent).as_posix()
    for what in re.findall(r"^#\s*include\s*(\S+)", code, re.M):
        c.ok(f"{name} includes {what}", what.strip("<>") in names
             or what in ("<stddef.h>", "<stdint.h>", "<math.h>", "<string.h>"))
        c.ok(f"{name} includes no draft", "draft" not in what or "draft" in name)
    for word in ("enum", "bool", "_Bool", "long", "short", "unsigned", "wchar_t"):
        c.ok(f"{name} has no `{word}`", not re.search(rf"\b{word}\b", code))
    c.ok(f"{name} has C++ linkage", 'extern "C"' in text or "static" not in code)
    for macro in re.findall(r"^#\s*define\s+(\w+)", code, re.M):
        c.ok(f"{name}: {macro}", macro.startswith(("RN_", "RUNNER_")))
    for function in re.findall(r"^static inline [\w\s*]+?\b(\w+)\(", code, re.M):
        c.ok(f"{name}: {function}", function.startswith("rn_"))

for path in api.sdk():
    code = api.strip_comments(path.read_text())
    name = path.relative_to(api.HEADERS.parent).as_posix()
    c.ok(f"{name} has C++ linkage", 'extern "C"' in code)
    for macro in re.findall(r"^#\s*define\s+(\w+)", code, re.M):
        c.ok(f"{name}: {macro}", macro.startswith(("RN_", "RUNNER_SDK_")))
    for function in re.findall(r"^static inline [\w\s*]+?\b(\w+)\(", code, re.M):
        c.ok(f"{name}: {function}", function.startswith("rn_"))

TAGS = re.compile(r"\[(setup|step|worker|any-thread)\]")
WORDS = re.compile(r"\b(borrowed|host|plugin|transferred)\b", re.I)
# This much of the ABI has no size of its own: rows of arrays, handles, frozen layouts.
SIZELESS = {"rn_error", "rn_tensor", "rn_attr", "rn_field", "rn_slot", "rn_node",
            "rn_event_metric", "rn_window", "rn_operator_out", "rn_inline_port",
            "rn_collate_target", "rn_phase"}
for s in api.structs():
    c.ok(f"{s.name}: its name", s.name.startswith("rn_"))
    first = s.members[0]
    handle = len(s.members) <= 3 and first.name == "api"
    c.ok(f"{s.name} begins with struct_size, or is a handle or a row",
         handle or s.name in SIZELESS
         or (first.name == "struct_size" and first.text == "uint32_t struct_size"))
    if handle:
        c.ok(f"{s.name}: its first member is its const table",
             first.text == f"const struct {s.name}_api *api", first.text)
    for m in s.members:
        c.ok(f"{s.name}.{m.name} is no bitfield", ":" not in m.text)
        what = f"{s.file}: {s.name}.{m.name}"
        if m.function:
            tags = TAGS.findall(m.comment)
            c.ok(f"{what}: a thread tag", len(tags) == 1, f"  {m.comment!r}")
            gives = re.search(r"\*\*\w+|^[\w\s]+\*\(\*", m.text) and \
                not re.search(r"void \*const \*", m.text)
            c.ok(f"{what}: an ownership word",
                 not gives or WORDS.search(m.comment), f"  {m.comment!r}")
        elif "*" in m.text:
            c.ok(f"{what}: an ownership word", WORDS.search(m.comment),
                 f"  {m.text}: {m.comment!r}")
        else:
            kind = m.text.split()[0]
            c.ok(f"{what}: a fixed-width type",
                 kind in ("int32_t", "uint32_t", "int64_t", "uint64_t", "uint8_t",
                          "float", "double", "char", "rn_dtype", "rn_value"), m.text)
c.done()
