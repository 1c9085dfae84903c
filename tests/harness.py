# SPDX-License-Identifier: Apache-2.0
"""What tests in Python share: the runner as a process, a scratch folder, counted checks.

A test is called as `test.py RUNNER [more]`; it ends with Checks.done(), which prints
"N passed, N failed" as its last line."""
import fcntl
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUNNER = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
# What runs programs built for another processor (meson sets it); nothing for this one's.
EMULATOR = shlex.split(os.environ.get("MESON_EXE_WRAPPER", ""))


@dataclass
class Result:
    code: int
    out: str
    err: str

    def value(self, name):
        """The number behind `name` on a line of stdout, or None."""
        for line in self.out.splitlines():
            words = line.split()
            if len(words) == 2 and words[0] == name:
                return float(words[1])
        return None

    def folder(self, cwd="."):
        """The run folder that the last words name, or None."""
        m = re.search(r"^(?:The record is in|What was recorded is in) (.*?)"
                      r"(?: \(run\.h5.*)?$", self.err, re.M)
        return pathlib.Path(cwd, shlex.split(m[1])[0]) if m else None


def environment(more=None):
    """Of a runner under test: nothing of the caller's plugin path, home or caches leaks
    in, so that nothing is kept and kernels are chosen by rule, not by time."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("RUNNER_", "XDG_")) and k != "HOME" or k == "RUNNER_ISA"}
    # Threads that wait sleep: tests run side by side on few cores.
    env.update(HOME="/dev/null", LC_ALL="C.UTF-8", GOMP_SPINCOUNT="0")
    env.update(more or {})
    return env


class Absent(Exception):
    """A run needs a built-in plugin that was deleted from this tree."""


def deleted(kind, name):
    """Is this component one of docs/components.md whose plugin file was deleted? Files that
    meson.build lists and does not find are in plugins/absent.txt of the build folder, so
    never in a complete tree."""
    file = RUNNER.parents[2] / "plugins/absent.txt" if len(RUNNER.parents) > 2 else None
    absent = file.read_text().split() if file and file.exists() else []
    if kind not in {plugin.split("/")[0] for plugin in absent}:
        return False
    section = re.search(rf"^## {kind}$(.*?)(?=^## |\Z)",
                        (ROOT / "docs/components.md").read_text(), re.S | re.M)
    return f"\n### {name}\n" in section[1]


def skip_absent(kind, error, trace):
    """A test that meets a deleted plugin ends here, with what it has counted."""
    if kind is not Absent:
        print(last_failure(), flush=True)
        return sys.__excepthook__(kind, error, trace)
    print(f"SKIP: {error}")
    print(f"{Checks.all_passed} passed, {Checks.all_failed} failed", flush=True)
    os._exit(1 if Checks.all_failed else 77)


sys.excepthook = skip_absent
# Killed, a test still removes its folders.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))

failed = None  # the last command of runner() that did not exit with 0


def last_failure():
    """The command behind a check that failed or an exception, if it may be one that ended
    with an error: many helpers look at what was printed alone. Once each."""
    global failed
    text, failed = failed, None
    return text or ""


def sanitized(program=None):
    """Was the program (the runner) built with AddressSanitizer? Its calls are looked for:
    the runner itself names the sanitizer's first function."""
    return b"__asan_report_" in pathlib.Path(program or RUNNER).read_bytes()


def runner(*args, cwd=None, env=None, timeout=300, preexec=None):
    """Run the runner to its end. Absent where it needs a plugin that was deleted."""
    p = subprocess.run([*EMULATOR, str(RUNNER), *map(str, args)], cwd=cwd, env=environment(env),
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=timeout, preexec_fn=preexec)
    r = Result(p.returncode, p.stdout.decode(errors="replace"),
               p.stderr.decode(errors="replace"))
    global failed
    if r.code:
        failed = (f"  the last command that failed: runner {shlex.join(map(str, args))}\n"
                  f"  exit {r.code}\n{r.err[-2000:]}")
    for kind, name in re.findall(r"there is no (\w+) '([\w-]+)'", r.err if r.code else ""):
        if deleted(kind, name):
            raise Absent(f"{kind} '{name}' is not in this tree")
    return r


def preload(library):
    """The environment that loads a library first. LD_PRELOAD is divided at spaces, so it
    holds the name alone."""
    library = pathlib.Path(library).resolve()
    return {"LD_PRELOAD": library.name, "LD_LIBRARY_PATH": str(library.parent)}


# Runs of a few steps wait for the disk most of the time; a kill sees no difference. Not for
# plugins: such a folder may forbid to execute what is in it. A test keeps up to 57 MB there
# (measured) and one runs for each processor; containers often have 64 MB in all.
SHM = "/dev/shm"
IN_MEMORY = SHM if os.access(SHM, os.W_OK) and \
    shutil.disk_usage(SHM).free > (128 << 20) * (os.cpu_count() or 1) else None
PREFIX = "runner test "


def remove_abandoned(folder):
    """Folders of tests that were killed: nobody holds their lock."""
    for path in pathlib.Path(folder).glob(PREFIX + "*"):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue
        try:
            # One that was made just now may not be locked yet.
            if time.time() - os.fstat(fd).st_mtime > 60:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            pass
        finally:
            os.close(fd)


class Scratch:
    """A folder that goes away at the end; its name has a space, on purpose. `where`:
    IN_MEMORY, or None for the system's choice."""

    def __init__(self, where=None):
        self.where = where

    def __enter__(self):
        remove_abandoned(self.where or tempfile.gettempdir())
        self.path = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=self.where))
        self.lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self.lock, fcntl.LOCK_SH)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


class Checks:
    all_passed = all_failed = 0  # of all instances

    def __init__(self):
        self.passed = self.failed = 0

    def ok(self, what, good, detail=""):
        if good:
            self.passed += 1
            Checks.all_passed += 1
        else:
            self.failed += 1
            Checks.all_failed += 1
            print("\n".join(filter(None, [f"FAIL {what}", detail, last_failure()])), flush=True)
        return bool(good)

    def equal(self, what, got, want):
        return self.ok(what, got == want, f"  got  {got!r}\n  want {want!r}")

    def close(self, what, got, want, tolerance):
        good = got is not None and abs(got - want) <= tolerance
        return self.ok(what, good, f"  got  {got!r}\n  want {want!r} +- {tolerance:g}")

    def within(self, what, text, part):
        return self.ok(what, part in text, f"  no {part!r} in\n{text}")

    def done(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed or not self.passed else 0)


def kinds():
    """Of components: the first word of each row of the table."""
    table = (ROOT / "core" / "plugin" / "kinds.def").read_text()
    return re.findall(r"^KIND\((\w+)", table, re.M)


def latest(folder, name):
    """The newest run folder of `name` under `folder`."""
    return (pathlib.Path(folder) / name / "latest").resolve()
