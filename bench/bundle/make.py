#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make.py BUILD DIR [--no-cuda]: a folder that runs on another x86-64 Linux, whatever its
userland: the runner, its plugins, every shared library they need down to libc and the
loader, configs, small data, and the checks for a machine with a GPU. Only the kernel and
NVIDIA's driver (libcuda) come from the machine. --no-cuda leaves the CUDA libraries out
(a gigabyte); a CUDA Toolkit of the machine is then used where there is one."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Of the driver: they fit the machine's kernel module and nothing else.
DRIVER = re.compile(r"lib(cuda|nvidia-\S+)\.so")
CUDA = ["libnvrtc.so.13", "libnvrtc-builtins.so.13.0", "libcublasLt.so.13",
        "libcudnn.so.9", "libcudnn_graph.so.9", "libcudnn_ops.so.9", "libcudnn_cnn.so.9",
        "libcudnn_heuristic.so.9", "libcudnn_engines_precompiled.so.9",
        "libcudnn_engines_runtime_compiled.so.9"]


def needed(elf):
    """(soname, path) of every library that the loader would take for it."""
    p = subprocess.run(["ldd", str(elf)], stdout=subprocess.PIPE, text=True,
                       stderr=subprocess.DEVNULL, check=False)
    for line in p.stdout.splitlines():
        m = re.match(r"\s*(\S+) => (/\S+)", line)
        if m:
            yield m[1], pathlib.Path(m[2])
        elif " => not found" in line:
            sys.exit(f"bundle: {elf} needs {line.split()[0]}, which is not here")


def interpreter(elf):
    p = subprocess.run(["readelf", "-p", ".interp", str(elf)], text=True, check=True,
                       stdout=subprocess.PIPE)
    return pathlib.Path(re.search(r"(/\S+)", p.stdout.split("]")[1])[1])


def copy(source, to):
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source.resolve(), to)
    shutil.copymode(source.resolve(), to)


def plugin_place(build):
    """Where an installed runner looks, seen from its own folder."""
    options = json.loads(subprocess.run(
        ["meson", "introspect", str(build), "--buildoptions"], stdout=subprocess.PIPE,
        check=True).stdout)
    libdir = next(o["value"] for o in options if o["name"] == "libdir")
    return pathlib.Path(libdir) / "runner" / "plugins"


def helpers(build):
    """Programs that plugins start, each in its plugin's folder."""
    return sorted(p for p in (build / "plugins").glob("*/*")
                  if p.is_file() and not p.suffix and os.access(p, os.X_OK))


def wrap(to, path, loader):
    """A script at `path` of the bundle that starts bin/NAME with the bundle's libraries."""
    up = os.path.relpath(".", path.parent)
    text = (HERE / "helper.sh").read_text()
    text = text.replace("@UP@", up).replace("@LOADER@", loader).replace("@NAME@", path.name)
    (to / path).write_text(text)
    os.chmod(to / path, 0o755)


def cuda_libraries(build):
    """The CUDA libraries that the plugin was built against: (soname, path)."""
    text = (build / "build.ninja").read_text()
    m = re.search(r'-DCUDA_LIBDIR="([^"]+)"', text)
    if not m:
        return
    for name in CUDA:
        path = pathlib.Path(m[1]) / name
        if path.exists():
            yield name, path
        else:
            print(f"bundle: {name} is not beside the toolkit, left out", file=sys.stderr)


def main():
    words = [w for w in sys.argv[1:] if not w.startswith("-")]
    if len(words) != 2 or set(sys.argv[1:]) - set(words) - {"--no-cuda"}:
        sys.exit(__doc__)
    build, to = (pathlib.Path(w).resolve() for w in words)
    if to.exists() and any(to.iterdir()):
        sys.exit(f"bundle: {to} is not empty")
    programs = {"runner": build / "core/commands/runner", "ops": build / "tests/ops/ops"}
    found = {}
    for name, path in programs.items():
        copy(path, to / "bin" / name)
        found.update(needed(path))
    place = plugin_place(build)
    for path in sorted([*(build / "plugins").glob("*/*.so"),
                        *(build / "plugins").glob("*/*.module")]):
        copy(path, to / place / path.parent.name / path.name)
        found.update(needed(path))
    for path in helpers(build):
        copy(path, to / "bin" / path.name)
        found.update(needed(path))
        wrap(to, place / path.parent.name / path.name, interpreter(path).name)
    if "--no-cuda" not in sys.argv:
        for name, path in cuda_libraries(build):
            found[name] = path
            found.update(n for n in needed(path) if n[0] not in found)
    loader = interpreter(programs["runner"])
    # In bin/: a runner that the loader starts looks for its plugins from there.
    copy(loader, to / "bin" / loader.name)
    for name, path in found.items():
        if not DRIVER.match(name) and name != loader.name:
            copy(path, to / "lib" / name)
    for folder in ("configs", "datasets", "bench"):
        shutil.copytree(ROOT / folder, to / folder,
                        ignore=shutil.ignore_patterns("__pycache__"))
    for path in (ROOT / "LICENSE", ROOT / "README.md", ROOT / "docs/cuda.md"):
        if path.exists():
            copy(path, to / path.name)
    copy(ROOT / "tests/ops/golden.bin", to / "golden.bin")
    for name in ("runner", "check-gpu"):
        text = (HERE / f"{name}.sh").read_text()
        text = text.replace("@LOADER@", loader.name).replace("@PLUGINS@", str(place))
        (to / name).write_text(text)
        os.chmod(to / name, 0o755)
    size = sum(p.stat().st_size for p in to.rglob("*") if p.is_file())
    print(f"{to}: {size / 1e6:.0f} MB; start {to}/runner, or {to}/check-gpu on a machine "
          "with a GPU")


main()
