# SPDX-License-Identifier: Apache-2.0
"""Any plugin file or folder can be deleted: a copy of the tree without it configures, and
with `all` also builds and passes the tests that remain (tests that need what was deleted
skip with a reason). One build folder serves all in turn, so each builds little again.

    deleted.py RUNNER [all]"""
import os
import pathlib
import shutil
import subprocess
import sys

from harness import Checks, ROOT, Scratch

# What is deleted, as a pattern in plugins/; what is then absent; tests that are run.
CASES = [
    ("loss/focal.c", ["loss/focal"], ["parts_losses", "parts_docs"]),
    ("optimizer/muon.c", ["optimizer/muon"], ["parts_optimizers", "parts_docs"]),
    ("hook", ["hook"], ["data", "data_loader", "graph", "parts_docs"]),
    ("augment", ["augment"], ["data_plugins", "data_loader", "runs", "parts_docs"]),
    ("collate", ["collate"], ["data_collate", "runs", "parts_docs"]),
    ("sampler", ["sampler"], ["data_sampler", "runs", "parts_docs"]),
    ("backend/cuda", ["backend/cuda"], ["graph", "folds", "parts_docs"]),
    ("source/hdf5*", ["source/hdf5"], ["data_plugins", "metrics", "layering", "parts_docs"]),
    ("source/csv_table.c", ["source/csv", "source/images", "source/text_files"], ["data_plugins", "data"]),
    ("backend/cpu", ["backend/cpu", "backend/async_fake", "backend/cuda"],
     ["graph", "metrics", "runs"]),
]
# ccache, where there is one, knows the files of the copy from the last time.
ENVIRONMENT = {"MESON_TESTTHREADS": "1", "CCACHE_NOHASHDIR": "1"}
c = Checks()


def left_out(folder, names):
    top = pathlib.Path(folder) == ROOT
    return [n for n in names if n == "__pycache__"
            or top and (n.startswith("build") or n in (".git", ".cache"))]


def run(what, *command):
    p = subprocess.run([*map(str, command)], text=True, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, env=os.environ | ENVIRONMENT)
    c.ok(f"{what}: {command[0]} {command[1]}", p.returncode == 0, p.stdout[-4000:])
    return p.stdout


def delete(tree, pattern):
    """Takes the files away; the function that puts them back."""
    away = tree.parent / "away"
    away.mkdir(exist_ok=True)
    found = list((tree / "plugins").glob(pattern))
    c.ok(f"there is something to delete: {pattern}", found)
    for path in found:
        shutil.move(path, away / path.name)

    def restore():
        for path in found:
            shutil.move(away / path.name, path)
            for file in [path, *path.rglob("*")]:
                os.utime(file)  # meson compares times
    return restore


def absent(build):
    return sorted((build / "plugins/absent.txt").read_text().split())


def try_all(tree, build):
    """Each in turn, whole."""
    run("complete", "meson", "setup", build, tree)
    for pattern, gone, tests in CASES:
        restore = delete(tree, pattern)
        run(pattern, "meson", "setup", "--reconfigure", build, tree)
        c.equal(f"{pattern}: absent", absent(build), sorted(gone))
        run(pattern, "ninja", "-C", build, "-t", "cleandead")
        run(pattern, "ninja", "-C", build, "all", "meson-test-prereq")
        left = [g for g in gone if (build / f"plugins/{g}.so").exists()]
        c.equal(f"{pattern}: nothing of it is left in the build folder", left, [])
        out = run(pattern, "meson", "test", "-C", build, "--no-rebuild", "--suite", "unit",
                  "--suite", "parts", "--suite", "abi", "--no-suite", "slow",
                  "--no-suite", "runs", *tests)
        c.within(f"{pattern}: the tests ran", out, "Ok: ")
        restore()


def configure(tree, build):
    """All at once, configured only."""
    restores = [delete(tree, pattern) for pattern, _, _ in CASES[:-1]]
    gone = sorted({g for _, more, _ in CASES[:-1] for g in more})
    run("without all of them", "meson", "setup", build, tree)
    c.equal("absent", absent(build), gone)
    for restore in restores:
        restore()


with Scratch() as top:
    tree, build = top / "tree", top / "build"
    shutil.copytree(ROOT, tree, ignore=left_out, symlinks=True)
    (try_all if "all" in sys.argv else configure)(tree, build)
c.done()
