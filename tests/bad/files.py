# SPDX-License-Identifier: Apache-2.0
"""Paths that lead to no regular file are refused at once, wherever a path is taken;
readers stop at their bound on memory; HDF5 files that lead elsewhere, that claim
impossible sizes, or whose reader crashes, hangs or lies end the run with exit code 3.

    files.py RUNNER BUILD_FOLDER"""
import contextlib
import gzip
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import h5py  # noqa: E402
import harness  # noqa: E402
import numpy as np  # noqa: E402
from harness import Checks, Scratch, runner  # noqa: E402

c = Checks()
SECONDS = 60  # a FIFO that is opened would block for ever
CSV = "x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(8))


def experiment(source, split="{kind: position, val: 2}", extra=""):
    return (f"device: reference\nname: t\nseed: 1\ndata: {{source: {source}, "
            f"split: {split}, batch: 4}}\n"
            "model: {type: sequential, in: {x: data.x}, layers: [{type: flatten}, "
            "{type: dense, units: 1}]}\n"
            "loss: {type: mse, in: {prediction: model.out, target: data.y}}\n"
            f"optimizer: {{type: sgd, lr: 0}}\ntrain: {{epochs: 1}}\n{extra}")


def run(top, text):
    (top / "e.yaml").write_text(text)
    return runner("e.yaml", cwd=top, timeout=SECONDS)


@contextlib.contextmanager
def special(path, kind):
    """Something of this kind at `path`, in place of what is there."""
    kept = path.with_name(path.name + ".kept")
    if path.exists():
        path.rename(kept)
    s = None
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "socket":
        s, here = socket.socket(socket.AF_UNIX), os.getcwd()
        os.chdir(path.parent)  # names of sockets are short
        s.bind(path.name)
        os.chdir(here)
    else:
        path.symlink_to("/dev/zero")
    yield
    if s:
        s.close()
    path.rmdir() if kind == "directory" else path.unlink()
    if kept.exists():
        kept.rename(path)


def everywhere(top):
    sources = {"csv": "{type: csv, file: F, target: y}", "text": "{type: text, file: F}",
               "idx": "{type: idx, images: F}", "npy": "{type: npy, files: {x: F}}",
               "hdf5": "{type: hdf5, file: F, datasets: {x: /x}}"}
    good = "{type: csv, file: good.csv, target: y}"
    (top / "good.csv").write_text(CSV)
    for kind in ("FIFO", "directory", "socket", "character device"):
        says = f"is a {kind}"
        with special(top / "F", kind):
            for name, source in sources.items():
                r = run(top, experiment(source))
                c.equal(f"{name}, {kind}: exit code", r.code, 3)
                c.within(f"{name}, {kind}", r.err, says)
            r = runner("F", cwd=top, timeout=SECONDS)
            c.equal(f"experiment, {kind}: exit code", r.code, 2)
            c.within(f"experiment, {kind}", r.err, says)
            r = run(top, "extends: F\n")
            c.equal(f"extends, {kind}: exit code", r.code, 2)
            c.within(f"extends, {kind}", r.err, says)
            r = run(top, experiment(good, split="{kind: file, path: F}"))
            c.equal(f"split, {kind}: exit code", r.code, 3)
            c.within(f"split, {kind}", r.err, says)
            r = run(top, experiment(good, extra="plugins: [./F]\n"))
            c.ok(f"plugin, {kind}: refused", r.code in (0, 4), r.err)
            r = runner("plugin", "show", "./F", cwd=top, timeout=SECONDS)
            c.equal(f"plugin show, {kind}: exit code", r.code, 4)
            c.within(f"plugin show, {kind}", r.err, says)
    r = run(top, experiment(good))
    c.equal("the run whose files are replaced", r.code, 0)
    folder = r.folder(top)
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*")
                   if p.is_file() and not p.is_symlink())
    c.ok("its files", "CURRENT" in names and "metrics.rlog" in names, names)
    for kind in ("FIFO", "character device"):
        for name in names:
            with special(folder / name, kind):
                for verb in (("verify",), ("resume",), ("eval",)):
                    r = runner(*verb, folder, cwd=top, timeout=SECONDS)
                    c.ok(f"{verb[0]}, {name} a {kind}: an answer", r.code in (0, 2, 7, 8),
                         f"{r.code} {r.err}")
    r = runner("verify", folder, cwd=top)
    c.equal("all of them back", r.code, 0)
    with special(top / "F", "FIFO"):
        r = runner("predict", folder, "--data", "F", cwd=top, timeout=SECONDS)
        c.equal("predict --data FIFO: exit code", r.code, 3)
        c.within("predict --data FIFO", r.err, "is a FIFO")


def bounds(top):
    """Streams that expand stop at `memory`, which the error names."""
    zeros = bytes(1 << 20)
    with gzip.open(top / "bomb.gz", "wb", compresslevel=9) as f:
        for _ in range(64):
            f.write(zeros.replace(b"\0", b"1"))
    head = struct.pack(">BBBBII", 0, 0, 8, 2, 1 << 14, 1 << 12)
    with gzip.open(top / "bomb.idx.gz", "wb", compresslevel=9) as f:
        f.write(head)
        for _ in range(64):
            f.write(zeros)
    np.save(top / "fortran.npy", np.asfortranarray(np.zeros((1024, 1024), "f8")))
    with h5py.File(top / "bomb.h5", "w") as f:
        f.create_dataset("x", (1 << 13, 1 << 10), "f8", chunks=(1 << 13, 1),
                         compression="gzip")
        f["y"] = np.zeros((1 << 13, 1), "f4")
    for name, source in (
            ("csv", "{type: csv, file: bomb.gz, memory: 8}"),
            ("text", "{type: text, file: bomb.gz, memory: 8}"),
            ("idx", "{type: idx, images: bomb.idx.gz, memory: 8}"),
            ("npy", "{type: npy, files: {x: fortran.npy}, memory: 8}"),
            ("hdf5", "{type: hdf5, file: bomb.h5, datasets: {x: /x, y: /y}, memory: 8}")):
        r = run(top, experiment(source))
        c.equal(f"{name}: a bomb: exit code", r.code, 3)
        c.within(f"{name}: a bomb: what to raise", r.err, "`memory`")
        c.ok(f"{name}: a bomb: how much", "MiB" in r.err, r.err)


def hdf5_source(path, file="a.h5", more=""):
    return f"{{type: hdf5, file: {file}, datasets: {{x: {path}, y: /y}}{more}}}"


def links(top):
    x, y = np.arange(16, dtype="f4").reshape(8, 2), np.zeros((8, 1), "f4")
    with h5py.File(top / "b.h5", "w") as f:
        f["x"] = f["g/x"] = x + 100
    with h5py.File(top / "a.h5", "w") as f:
        f["x"] = f["g/deep/x"] = x
        f["y"] = y
        f["soft"] = h5py.SoftLink("/g/deep")
        f["softer"] = h5py.SoftLink("soft/x")
        f["g/up"] = h5py.SoftLink("deep/x")
        f["external"] = h5py.ExternalLink("b.h5", "/x")
        f["group"] = h5py.ExternalLink("b.h5", "/g")
        f["to-external"] = h5py.SoftLink("/external")
        f["to-to-external"] = h5py.SoftLink("to-external")
        f["to-group"] = h5py.SoftLink("/group/x")
        f["through"] = h5py.SoftLink("/group")
        f["circle"] = h5py.SoftLink("/circle2")
        f["circle2"] = h5py.SoftLink("/circle")
        f["nowhere"] = h5py.SoftLink("/not/there")
        f["huge"] = h5py.SoftLink("/a" * 4000)
        f["cats"] = h5py.Empty("f4")
        f["opaque"] = np.zeros((8, 2), "V2")
        f["complex"] = x + 1j * x
        # Of 2^64 bytes and a little: the product wraps to something small.
        f.create_dataset("wraps", ((1 << 44) + 1,), "S1048576", chunks=(1,))
        f.create_dataset("vast", ((1 << 31), (1 << 31), 4), "f8", chunks=(1, 1, 4))
        bits = h5py.h5d.create(f.id, b"bits", h5py.h5t.STD_B8LE,
                               h5py.h5s.create_simple((8, 2)))
        bits.write(h5py.h5s.ALL, h5py.h5s.ALL, (x > 3).astype("u1"),
                   mtype=h5py.h5t.NATIVE_B8)
    for path in ("/x", "/soft/x", "/softer", "/g/up", "//g/./deep//x", "/bits"):
        c.equal(f"hdf5 {path}", run(top, experiment(hdf5_source(path))).code, 0)
    for path, says in (
            ("/external", "link to another file"), ("/to-external", "link to another file"),
            ("/to-to-external", "link to another file"),
            ("/to-group", "link to another file"), ("/through/x", "link to another file"),
            ("/circle", "lead in a circle"), ("/nowhere", "has no '/not'"),
            ("/huge", "too long"), ("/cats", "has rank"), ("/x/y", "is not a group"),
            ("/opaque", "opaque"), ("/complex", "complex numbers"),
            ("/wraps", "sizes that are too large"), ("/vast", "sizes that are too large")):
        r = run(top, experiment(hdf5_source(path)))
        c.equal(f"hdf5 {path}: exit code", r.code, 3)
        c.within(f"hdf5 {path}", r.err, says)
        c.within(f"hdf5 {path}: the file", r.err, "a.h5")


def locked(top):
    hold = subprocess.Popen(
        [sys.executable, "-c", "import h5py, sys; f = h5py.File('a.h5', 'r+'); "
         "print('open', flush=True); sys.stdin.read()"], cwd=top, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env={**os.environ, "HDF5_USE_FILE_LOCKING": "TRUE"})
    hold.stdout.readline()
    r = run(top, experiment(hdf5_source("/x")))
    hold.communicate()
    c.equal("hdf5 open for writing elsewhere: exit code", r.code, 3)
    c.within("hdf5 open for writing elsewhere", r.err, "open for writing")


def child(top, build):
    """The program that reads HDF5 replaced by ones that misbehave."""
    p = subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet"],
                       env={**os.environ, "DESTDIR": str(top / "at")}, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    c.equal("meson install", (p.returncode, p.stdout if p.returncode else ""), (0, ""))
    harness.RUNNER = next((top / "at").rglob("bin/runner"))
    reader = next((top / "at").rglob("source/hdf5-read"))
    c.equal("an installed runner reads HDF5", run(top, experiment(hdf5_source("/x"))).code,
            0)
    real = reader.with_name("real")
    reader.rename(real)
    sleep = shutil.which("sleep")
    for what, script, says in (
            ("crashes", "kill -SEGV $$", "crashed while reading it (signal 11)"),
            ("is killed for memory", "kill -KILL $$", "crashed while reading it (signal 9)"),
            ("hangs", f"exec {sleep} 600", "made no progress with it for 1 s"),
            ("hangs half way", f"'{real}' \"$@\" | head -c 100; exec {sleep} 600",
             "made no progress with it for 1 s"),
            ("says nothing", "exit 0", "cut short or damaged"),
            ("says nonsense", "head -c 100000 /dev/zero", "described wrongly"),
            ("stops early", f"'{real}' \"$@\" | head -c 700", "cut short or damaged")):
        reader.unlink(missing_ok=True)
        reader.write_text(f"#!/bin/sh\n{script}\n")
        reader.chmod(0o755)
        r = run(top, experiment(hdf5_source("/bits", more=", timeout: 1")))
        c.equal(f"hdf5-read {what}: exit code", r.code, 3)
        c.within(f"hdf5-read {what}", r.err, says)
        c.within(f"hdf5-read {what}: the file", r.err, "a.h5")
    reader.unlink()
    r = run(top, experiment(hdf5_source("/x")))
    c.equal("no hdf5-read: exit code", r.code, 4)
    c.within("no hdf5-read", r.err, "cannot be started")


with Scratch() as top:
    everywhere(top)
    bounds(top)
    links(top)
    locked(top)
    child(top, sys.argv[2])
c.done()
