# SPDX-License-Identifier: Apache-2.0
"""The headers of a released minor, frozen: what plugins that were built from them rely on.

    frozen.py write OPERATORS [FOLDER]     freezes the headers of now: once, when a minor
                                           is released
    frozen.py check OPERATORS              the headers of now keep what v0_9 has
    frozen.py mutate OPERATORS             each change that would break such plugins is
                                           caught

OPERATORS is the program abi_operators of a build folder. A folder has include/runner (the
headers), layout.txt (sizes, offsets, declarations, constants; operators with their
attributes and defaults), one source a kind, and bin-MACHINE/ with one small plugin of each. outside.py
runs those plugins on the runner of now."""
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here))
import api  # noqa: E402

NOW = api.HEADERS
FROZEN = here / "v0_9"
CONSTANT = re.compile(r"^#define (RN_[A-Z0-9_]+)\s+((?:\(?-?\d|RN_DTYPE\().*)$", re.M)
VERSIONS = ("RN_ABI_MAJOR", "RN_ABI_MINOR", "RN_ABI_NEEDED_MINOR")


def layout(headers):
    """What a compiler makes of the headers in this folder: {key: value}."""
    api.HEADERS = headers
    structs = api.structs()
    names = sorted({m[1] for h in api.headers() for m in CONSTANT.finditer(h.read_text())
                    if m[1] not in VERSIONS})
    lines = ["#include <stdio.h>", "#include <runner/runner.h>", "int main(void) {"]
    for h in api.headers():
        lines.insert(2, f"#include <runner/{h.name}>")
    for s in structs:
        lines.append(f'printf("size {s.name}\\t%zu\\n", sizeof(struct {s.name}));')
        for m in s.members:
            text = m.text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
            lines.append(f'printf("at {s.name} {m.name}\\t%zu %zu {text}\\n", '
                         f"offsetof(struct {s.name}, {m.name}), "
                         f"sizeof(((struct {s.name} *)0)->{m.name}));")
    for n in names:
        lines.append(f'printf("constant {n}\\t%lld\\n", (long long)({n}));')
    lines.append("return 0; }")
    with tempfile.TemporaryDirectory() as t:
        source, program = pathlib.Path(t) / "m.c", pathlib.Path(t) / "m"
        source.write_text("\n".join(lines))
        subprocess.run(["cc", "-I", headers.parent, "-o", program, source], check=True)
        out = subprocess.run([program], check=True, text=True, stdout=subprocess.PIPE).stdout
    return dict(line.split("\t") for line in out.splitlines())


def operators(program):
    """What the graph makes of the names that plugins give: {key: value}."""
    out = subprocess.run([program], check=True, text=True, stdout=subprocess.PIPE).stdout
    return dict(line.split("\t") for line in out.splitlines())


def read_layout(folder):
    return dict(line.split("\t") for line in (folder / "layout.txt").read_text().splitlines())


def broken(then, now):
    """What plugins built from `then` would meet in `now`: a sentence each."""
    found = []
    grows = {key.split()[1] for key in then if re.match(r"at \w+ struct_size$", key)}
    for key, value in then.items():
        if key not in now:
            found.append(f"{key} is gone")
        elif key.startswith("size "):
            name = key.split()[1]
            smaller = int(now[key]) < int(value)
            if smaller or (name not in grows and now[key] != value):
                found.append(f"{key} was {value}, is {now[key]}")
        elif key.startswith("operator "): # more attributes, with defaults, may follow
            more = now[key][len(value):]
            if not now[key].startswith(value) or "!" in more or more[:1] not in ("", " "):
                found.append(f"{key} was {value}, is {now[key]}")
        elif now[key] != value:
            found.append(f"{key} was {value}, is {now[key]}")
    return found


def write(folder, program):
    include = folder / "include/runner"
    include.mkdir(parents=True)
    for h in sorted(NOW.glob("*.h")):
        shutil.copy(h, include)
    shutil.copytree(NOW / "sdk", include / "sdk")
    (folder / "layout.txt").write_text(
        "".join(f"{k}\t{v}\n" for k, v in (layout(include) | operators(program)).items()))
    binaries = folder / f"bin-{platform.machine()}"
    binaries.mkdir()
    for source in sorted((here / "outside").rglob("*.c*")):
        kept = folder / source.relative_to(here / "outside")
        kept.parent.mkdir(exist_ok=True)
        shutil.copy(source, kept)
        compiler = "c++" if source.suffix == ".cpp" else "cc"
        name = "_".join(kept.relative_to(folder).with_suffix("").parts) + ".so"
        subprocess.run([compiler, "-shared", "-fPIC", "-fvisibility=hidden", "-O2", "-s",
                        "-fno-fast-math", "-ffp-contract=off", "-I", include.parent, "-o",
                        binaries / name, kept, "-lm"], check=True)


# (what, file, before, after, caught)
MUTATIONS = [
    ("nothing", "loss.h", "", "", False),
    ("a member at the end of a struct that grows", "loss.h",
     r"(struct rn_loss \{.*?)(\};)", r"\1    void (*later)(void);\n\2", False),
    ("a constant more", "abi.h", r"(#define RN_MAX_RANK 8)", r"\1\n#define RN_LATER 5", False),
    ("another macro for authors", "loss.h", r"\Z", "\n#define RN_LATER_LOSS(x) x\n", False),
    ("a member in between", "loss.h", r"(struct rn_loss \{\s*uint32_t struct_size;)",
     r"\1\n    uint64_t early;", True),
    ("a member gone", "metric.h", r"\n[^\n]*\(\*finish\)[^;]*;", "", True),
    ("a member of another name", "loss.h", r"\(\*describe\)", "(*describes)", True),
    ("an argument of another type", "loss.h", r"\(\*describe\)\(struct rn_build \*b\)",
     "(*describe)(const struct rn_build *b)", True),
    ("one more argument", "loss.h", r"\(\*describe\)\(struct rn_build \*b\)",
     "(*describe)(struct rn_build *b, int32_t more)", True),
    ("a struct of fixed layout that grows", "abi.h", r"(struct rn_tensor \{.*?)(\};)",
     r"\1    uint32_t more;\n\2", True),
    ("a shorter message", "abi.h", r"char message\[512\]", "char message[256]", True),
    ("another status", "abi.h", r"(#define RN_E_DATA\s+)\(-3\)", r"\1(-30)", True),
    ("a constant gone", "abi.h", r"#define RN_E_LOCKED[^\n]*\n", "", True),
    ("another code of a type", "abi.h", r"RN_DTYPE\(4u, 16u\)", "RN_DTYPE(5u, 16u)", True),
]


# (what, key, before, after, caught)
OPERATORS = [
    ("an operator gone", "operator reduce_sum", None, None, True),
    ("another default", "operator reduce_sum", "keep:int=0", "keep:int=1", True),
    ("another meaning", "operator tanh", "1 ", "2 ", True),
    ("a required attribute more", "operator reduce_sum", r"\Z", " later:int!", True),
    ("an attribute more", "operator reduce_sum", r"\Z", " later:int=0", False),
]


def mutate(c, program):
    with tempfile.TemporaryDirectory() as t:
        frozen = pathlib.Path(t) / "frozen"
        write(frozen, program)
        then = read_layout(frozen)
        c.ok("the table has every kind of row",
             {k.split()[0] for k in then} == {"size", "at", "constant", "operator"} and len(then) > 300,
             len(then))
        kinds = {p.stem for p in (frozen / f"bin-{platform.machine()}").glob("*.so")}
        c.ok("a plugin of every kind", len(kinds) >= 12, kinds)
        for what, file, before, after, caught in MUTATIONS:
            changed = pathlib.Path(t) / "changed/runner"
            shutil.rmtree(changed.parent, ignore_errors=True)
            shutil.copytree(frozen / "include/runner", changed)
            text, n = (changed / file).read_text(), 1
            if before:
                text, n = re.subn(before, after, text, count=1, flags=re.S)
            (changed / file).write_text(text)
            c.equal(f"{what}: made", n, 1)
            found = broken(then, layout(changed) | operators(program))
            c.ok(f"{what}: {'caught' if caught else 'passes'}", bool(found) == caught, found)
        for what, key, before, after, caught in OPERATORS:
            now = dict(then)
            value = now.pop(key)
            if before is not None:
                now[key], n = re.subn(before, after, value, count=1)
                c.equal(f"{what}: made", n, 1)
            found = broken(then, now)
            c.ok(f"{what}: {'caught' if caught else 'passes'}", bool(found) == caught, found)


if __name__ == "__main__":
    mode, program, *more = sys.argv[1:]
    if mode == "write":
        write(pathlib.Path(more[0]) if more else FROZEN, program)
        sys.exit(0)
    del sys.argv[1:] # the harness takes its first argument for the runner
    from harness import Checks
    c = Checks()
    if mode == "mutate":
        mutate(c, program)
    elif not FROZEN.exists():
        print("SKIP: no minor is frozen yet: frozen.py write OPERATORS")
        sys.exit(77)
    else:
        then = read_layout(FROZEN)
        c.equal("kept of v0_9", broken(then, layout(NOW) | operators(program)), [])
        c.equal("its headers are those of its table", layout(FROZEN / "include/runner"),
                {k: v for k, v in then.items() if not k.startswith("operator ")})
    c.done()
