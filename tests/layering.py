# SPDX-License-Identifier: Apache-2.0
"""The arrows of the tree: which room may include which, who may use a foreign library,
who may print. The same checks run on copies with one planted fault each, which they must
find.

    layering.py [TREE]"""
import functools
import pathlib
import re
import shutil
import sys
import tempfile

from harness import Checks, ROOT, kinds

# A core room and what it may include besides itself and the ABI headers.
ROOMS = {
    "base": [],
    "config": ["base"],
    "plugin": ["base", "config"],
    "graph": ["base"],
    "plan": ["base", "graph"],
    "exec": ["base", "graph", "plan"],
    "data": ["base", "config", "plugin"],
    "record": ["base"],
    "prepared": ["base", "config", "plugin", "data", "record"],
    "experiment": ["base", "config", "plugin"],
    "network": ["base", "config", "plugin", "graph", "experiment"],
    # It stands without a data set: it is fed by pointer.
    "engine": ["base", "config", "plugin", "graph", "plan", "exec", "record", "experiment",
               "network"],
}
ENGINE = ["engine", *ROOMS["engine"]]
ROOMS["setup"] = ["data", "prepared", *ENGINE]
ROOMS["evaluate"] = ["setup", *ROOMS["setup"]]
ROOMS["train"] = ["evaluate", *ROOMS["evaluate"]]
# It looks at the data of an experiment that is opened as a run opens it.
ROOMS["check"] = ["setup", *ROOMS["setup"]]
ROOMS["study"] = ["check", "train", *ROOMS["train"]]
ROOMS["commands"] = ["study", *ROOMS["study"]]
# Of a room, the one file that may include another room.
ONE_FILE = {("engine", "record"): "core/engine/weights.c"}
# What the language and the system bring; every other <header> is a foreign library.
SYSTEM = re.compile(
    r"(assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|"
    r"signal|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|tgmath|"
    r"threads|time|dirent|dlfcn|elf|fcntl|libgen|poll|pthread|sched|semaphore|strings|"
    r"fnmatch|glob|spawn|termios|unistd|sys/\w+|omp)\.h$")
# Of the system, but one room's own: nobody else opens plugins.
OWNED = {"dlfcn.h": "plugin", "elf.h": "plugin"}
# But for what a backend had compiled itself (docs/regions.md), and for a vendor's
# libraries, which may be missing where the plugin is not (docs/cuda.md).
# hdf5_child.c asks where its own file is, to start the program beside it; hdf5_lazy.c
# and members_lazy.c open a library that most commands do without; base/module.c opens nothing, it asks which
# file an address is from.
OPENS_ITS_OWN = {"core/base/module.c", "core/record/hdf5_lazy.c", "plugins/backend/cpu/cache.c",
                 "plugins/backend/cuda/libraries.c", "plugins/source/hdf5_child.c",
                 "plugins/source/members_lazy.c"}
# One vendor's headers are one library.
VENDORS = {"cuda.h": "nvidia", "cudnn.h": "nvidia", "cublasLt.h": "nvidia",
           "nvrtc.h": "nvidia", "jpeglib.h": "libjpeg", "jerror.h": "libjpeg",
           "archive.h": "libarchive", "archive_entry.h": "libarchive",
           "zstd_errors.h": "zstd.h"}
PRINTS = re.compile(r"\b(printf|vprintf|puts|putchar|perror|stdout|stderr|exit|_exit|"
                    r"_Exit|quick_exit)\b")
# base/memory.c aborts when nobody has said what to do without memory.
ABORTS = re.compile(r"\babort\s*\(")


def code_of(path):
    return code_in(path.read_text(errors="replace"))


@functools.cache
def code_in(text):
    """The text without comments, strings and the attributes that name printf."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
    text = re.sub(r"format\(printf[^)]*\)", " ", text)
    return re.sub(r'^(?!\s*#\s*include)(.*)$', lambda m: re.sub(
        r'"(?:\\.|[^"\\])*"', '""', m.group(1)), text, flags=re.M)


@functools.cache
def includes(code):
    return re.findall(r"^\s*#\s*include\s*([<\"])([^>\"]+)[>\"]", code, re.M)


@functools.cache
def prints(code):
    """The words of printing and exiting in it, each once."""
    return sorted(set(PRINTS.findall(code)))


@functools.cache
def aborts(code):
    return ABORTS.search(code) is not None


@functools.cache
def lists_kinds(text):
    """How often six or more kinds of components stand in one list."""
    known = set(kinds())
    return sum(len(known & set(re.findall(r"[\"'](\w+)[\"']", inside))) > 5
               for inside in re.findall(r"[{\[]([^{}\[\]]*)[}\]]", text))


def files(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix in (".c", ".h", ".cpp", ".cu"))


def check_core(tree, foreign):
    for path in files(tree / "core"):
        name = path.relative_to(tree).as_posix()
        room = path.relative_to(tree / "core").parts[0]
        code = code_of(path)
        if room not in ROOMS:
            yield f"{name}: core/{room} is a room that the design does not have"
            continue
        for kind, what in includes(code):
            if kind == "<":
                if what.startswith("runner/"):
                    continue
                if not SYSTEM.match(what):
                    foreign.setdefault(what.split("/")[0], set()).add(f"core/{room}")
                elif OWNED.get(what, room) != room and name not in OPENS_ITS_OWN:
                    yield f"{name}: <{what}> is for core/{OWNED[what]} alone"
                continue
            other = what.split("/")[0]
            if what.startswith("..") or "/" not in what or other not in ROOMS:
                yield f'{name}: "{what}" is not named by its room'
            elif other != room and other not in ROOMS[room]:
                yield f"{name}: core/{room} may not include {what}"
            elif ONE_FILE.get((room, other), name) != name:
                yield f"{name}: only {ONE_FILE[room, other]} may include {what}"
        if room != "commands":
            for word in prints(code):
                yield f"{name}: only core/commands prints or exits, here is `{word}`"
            if aborts(code) and name != "core/base/memory.c":
                yield f"{name}: nothing aborts"


def check_plugins(tree, foreign):
    for path in files(tree / "plugins"):
        name = path.relative_to(tree).as_posix()
        kind = path.relative_to(tree / "plugins").parts[0]
        code, vendors = code_of(path), set()
        for mark, what in includes(code):
            if mark == "<":
                if not what.startswith("runner/") and not SYSTEM.match(what):
                    vendors.add(VENDORS.get(what, what.split("/")[0]))
                elif what in OWNED and str(name) not in OPENS_ITS_OWN:
                    yield f"{name}: a plugin opens no plugins (<{what}>)"
                continue
            there = (path.parent / what).resolve()
            if not there.exists():
                yield f'{name}: "{what}" is not there'
            elif tree.resolve() / "plugins" / kind not in there.parents:
                yield f'{name}: "{what}" is not of plugins/{kind}'
        for word in prints(code):
            yield f"{name}: a plugin neither prints nor exits, here is `{word}`"
        if ABORTS.search(code):
            yield f"{name}: nothing aborts"
        if len(vendors) > 1:
            yield f"{name}: more than one vendor library: {', '.join(sorted(vendors))}"


def check_api(tree):
    for path in files(tree / "plugin-api"):
        name = path.relative_to(tree).as_posix()
        for mark, what in includes(code_of(path)):
            if name.startswith("plugin-api/runner/sdk/") and SYSTEM.match(what):
                continue
            if not (what.startswith("runner/") if mark == "<" else False) and \
                    what not in ("stddef.h", "stdint.h", "math.h", "string.h"):
                yield f"{name}: the ABI includes nothing but itself, here is {what}"


def check_kinds(tree):
    """kinds.def alone lists them: a list of six or more elsewhere would miss the next."""
    for path in [*files(tree / "core"), *files(tree / "plugins"),
                 *tree.glob("core/**/meson.build"), *tree.glob("plugins/**/meson.build")]:
        for _ in range(lists_kinds(path.read_text(errors="replace"))):
            yield (f"{path.relative_to(tree).as_posix()}: kinds of components are "
                   "listed in core/plugin/kinds.def alone")


def check(tree):
    """What is wrong, a sentence each."""
    foreign = {}
    yield from check_kinds(tree)
    yield from check_api(tree)
    yield from check_core(tree, foreign)
    yield from check_plugins(tree, foreign)
    for library, rooms in sorted(foreign.items()):
        if len(rooms) > 1:
            yield f"<{library}> is used by {' and '.join(sorted(rooms))}: one room only"


# file, a line that is added to it, a part of the sentence that must come
PLANTED = [
    ("core/base/text.c", '#include "config/config.h"', "core/base may not include config"),
    ("core/graph/graph.c", '#include "plugin/plugin.h"', "core/graph may not include plugin"),
    ("core/record/log.c", '#include "data/data.h"', "core/record may not include data"),
    ("core/exec/exec.c", '#include "train/run.h"', "core/exec may not include train"),
    ("core/train/series.c", '#include "commands/cli/report.h"',
     "core/train may not include commands"),
    ("core/experiment/hyper.c", '#include "network/network.h"',
     "core/experiment may not include network"),
    ("core/engine/plans.c", '#include "data/data.h"', "core/engine may not include data"),
    ("core/engine/init.c", '#include "record/record.h"',
     "only core/engine/weights.c may include record"),
    ("core/setup/setup.c", '#include "train/run.h"', "core/setup may not include train"),
    ("core/check/leak.c", '#include "train/run.h"', "core/check may not include train"),
    ("core/plan/fuse.c", '#include "../graph/graph.h"', "not named by its room"),
    ("core/plan/new_room.c", None, None),
    ("core/config/yaml.c", "#include <hdf5.h>", "<hdf5.h> is used by core/config and"),
    ("core/train/run.c", "#include <dlfcn.h>", "<dlfcn.h> is for core/plugin alone"),
    ("core/data/split.c", 'static void f(void) { printf("x"); }', "here is `printf`"),
    ("core/train/loop.c", "static void f(void) { exit(1); }", "here is `exit`"),
    ("core/plan/plan.c", "static void f(void) { fputs(\"\", stderr); }", "here is `stderr`"),
    ("core/graph/ops.c", "static void f(void) { abort(); }", "nothing aborts"),
    ("plugins/loss/mse.c", '#include "../../core/base/error.h"', "not of plugins/loss"),
    ("plugins/loss/mse.c", '#include "../optimizer/adam.c"', "not of plugins/loss"),
    ("plugins/source/hdf5_read.c", "#include <zlib.h>", "more than one vendor library"),
    ("plugins/metric/accuracy.c", 'static void f(void) { puts("x"); }', "here is `puts`"),
    ("plugins/init/constant.c", "#include <dlfcn.h>", "a plugin opens no plugins"),
    ("core/commands/cli/session.c", 'static const char *const k[] = {"source", "loss", '
     '"init", "model", "hook", "metric"};', "listed in core/plugin/kinds.def alone"),
    ("plugins/meson.build", "k = ['source', 'loss', 'init', 'model', 'hook', 'metric']",
     "listed in core/plugin/kinds.def alone"),
    ("plugin-api/runner/host.h", "#include <stdio.h>", "the ABI includes nothing"),
    ("plugin-api/runner/sdk/file.h", "#include <zlib.h>", "the ABI includes nothing"),
    ("plugin-api/runner/sdk/loss.h", '#include "base/error.h"', "the ABI includes nothing"),
]

c = Checks()
tree = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT
faults = list(check(tree))
c.ok("the arrows hold", not faults, "  " + "\n  ".join(faults))
c.ok("every room is there", all((tree / "core" / r).is_dir() for r in ROOMS))
c.ok("there is enough to look at", len(files(tree / "core")) > 60
     and len(files(tree / "plugins")) > 50)

with tempfile.TemporaryDirectory(prefix="runner-layering-") as t:
    copy = pathlib.Path(t)
    for part in ("core", "plugins", "plugin-api"):
        shutil.copytree(tree / part, copy / part)
    for file, line, want in PLANTED:
        before = None
        if line is None:
            (copy / "core/cellar").mkdir()
            (copy / "core/cellar/wine.c").write_text("int wine;\n")
            want = "core/cellar is a room that the design does not have"
            file, line = "core/cellar", "a new room"
        else:
            path = copy / file
            if file.startswith("plugins/") and not path.exists():
                print(f"SKIP: planted in {file}: the file is not in this tree")
                continue
            before = path.read_text()
            path.write_text(line + "\n" + before)
        found = [f for f in check(copy) if f not in faults]
        c.ok(f"planted in {file}: {line}", len(found) == 1 and want in found[0],
             f"  found {found}\n  want  {want!r}")
        if before is None:
            shutil.rmtree(copy / "core/cellar")
        else:
            path.write_text(before)
c.done()
