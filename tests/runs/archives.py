#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files of every source as members of archives, written ARCHIVE!MEMBER: the same data as
from the file itself, and what is wrong with an archive is named."""
import bz2
import gzip
import io
import lzma
import re
import shutil
import subprocess
import tarfile
import zipfile

import h5py
import numpy as np
import yaml

from harness import ROOT, Checks, Scratch, latest, runner

check = Checks()
random = np.random.default_rng(8)


def tar(files, **options):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **options) as t:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            t.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def zipped(files, how):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as z:
        for name, data in files.items():
            z.writestr(name, data)
    return out.getvalue()


def archives(files):
    plain = tar(files)
    return {"a.tar": plain, "a.tar.gz": gzip.compress(plain), "a.tar.bz2": bz2.compress(plain),
            "a.tar.xz": lzma.compress(plain), "stored.zip": zipped(files, zipfile.ZIP_STORED),
            "a.zip": zipped(files, zipfile.ZIP_DEFLATED)}


def saved(write, *args):
    out = io.BytesIO()
    write(out, *args)
    return out.getvalue()


def files():
    """Of each source: the options that name its files, and what is in them."""
    x, y = random.standard_normal((40, 3)), np.arange(40) % 3
    table = "a,b,c,label\n" + "".join(f"{r[0]:.6f},{r[1]:.6f},{r[2]:.6f},{k}\n"
                                      for r, k in zip(x, y))
    with h5py.File("h", "w", driver="core", backing_store=False) as f:
        f["x"] = x.astype("f4")
        f.create_dataset("label", data=y, chunks=(7,), compression="gzip")
        f.flush()
        h5 = f.id.get_file_image()
    digits = {n: (ROOT / f"datasets/{n}").read_bytes()
              for n in ("digits-images.idx3.gz", "digits-labels.idx1.gz")}
    return {"t.csv": table.encode(), "t.csv.gz": gzip.compress(table.encode()),
            "d/x.npy": saved(np.save, x.astype("f4")),
            "d/y.npy": saved(np.save, y), "f.npy": saved(np.save, np.asfortranarray(x)),
            "a.h5": h5, "text.txt": b"the quick brown fox jumps over the lazy dog. " * 9, **digits}


MLP = {"type": "mlp", "hidden": [4], "outputs": 3}
SOURCES = {
    "csv": ({"file": "t.csv", "target": "label", "target_type": "int"}, "x"),
    "csv of gzip": ({"type": "csv", "file": "t.csv.gz", "target": "label", "target_type": "int"}, "x"),
    "npy": ({"files": {"x": "d/x.npy", "label": "d/y.npy"}}, "x"),
    "npy in Fortran's order": ({"type": "npy", "files": {"x": "f.npy", "label": "d/y.npy"}}, "x"),
    "hdf5": ({"file": "a.h5", "datasets": {"x": "x", "label": "label"}}, "x"),
    "idx": ({"images": "digits-images.idx3.gz", "labels": "digits-labels.idx1.gz"}, "image"),
    "text": ({"file": "text.txt", "window": 8}, "token"),
}


def experiment(source, field):
    names = {"x": MLP, "image": {**MLP, "outputs": 10}}
    model = names.get(field) or {"type": "sequential", "layers": [
        {"type": "embedding", "size": 64, "units": 4}, {"type": "flatten"},
        {"type": "dense", "units": 3}]}
    labelled = "label" in str(source)
    loss = "cross_entropy" if labelled else {"type": "mse", "in": {"target": 0.0}}
    transforms = [{"type": "scale", "of": field}] if field != "token" else []
    return {"name": "x", "seed": 2, "device": "reference",
            "data": {"source": source, "transforms": transforms, "batch": 16},
            "model": {**model, "in": {"x": f"data.{field}"}}, "loss": loss,
            "optimizer": {"type": "sgd", "lr": 0.1}, "train": {"steps": 2, "log_every": 1}}


def content(folder, source, field):
    """The hash of all rows of the data, as the run recorded it; or the failed run."""
    (folder / "e.yaml").write_text(yaml.safe_dump(experiment(source, field)))
    r = runner("e.yaml", "--progress", "none", cwd=folder)
    if r.code:
        return r
    text = (latest(folder / "runs", "x") / "split.txt").read_text()
    return re.search(r"^content (\w+)", text, re.M)[1]


def moved(value, archive, names):
    """The options with members of the archive in place of files."""
    if isinstance(value, dict):
        return {k: moved(v, archive, names) for k, v in value.items()}
    return f"{archive}!{value}" if value in names else value


def test_all(folder):
    all_files = files()
    for name, data in all_files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    for name, data in archives(all_files).items():
        (folder / name).write_bytes(data)
    for name, (source, field) in SOURCES.items():
        source = {"type": name, **source}
        want = content(folder, source, field)
        check.ok(f"{name}: plain", isinstance(want, str), str(getattr(want, "err", "")))
        for archive in archives({}):
            there = moved(source, archive, all_files)
            if name == "hdf5":
                (folder / "e.yaml").write_text(yaml.safe_dump(experiment(there, field)))
                r = runner("plan", "e.yaml", cwd=folder)
                check.equal("hdf5: exit code", r.code, 3)
                check.within("hdf5", r.err, "HDF5 files are not read in archives: unpack it")
                break
            got = content(folder, there, field)
            check.equal(f"{name} in {archive}", getattr(got, "err", got), want)


def refused(what, folder, file, *parts, code=3, kind="csv"):
    source = {"type": kind, "file": file, "target": "label", "target_type": "int"} \
        if kind == "csv" else {"type": kind, "files": {"x": file}}
    (folder / "e.yaml").write_text(yaml.safe_dump(experiment(source, "x")))
    r = runner("plan", "e.yaml", cwd=folder)
    check.equal(f"{what}: exit code", r.code, code)
    for part in parts:
        check.within(what, r.err, part)


def test_refused(folder):
    data = archives({"t.csv": files()["t.csv"], "other.csv": b"x"})
    for name, whole in data.items():
        (folder / name).write_bytes(whole)
        refused(f"{name}: no member", folder, f"{name}!u.csv", name, "has no member 'u.csv'",
                "it has 2 others, as 't.csv'")
        (folder / name).write_bytes(whole[:len(whole) // 3])
        refused(f"{name}: cut short", folder, f"{name}!t.csv", name)
    (folder / "a.tar").write_bytes(data["a.tar"].replace(b",0\n", b",x\n", 1))
    refused("a cell", folder, "a.tar!t.csv", "a.tar!t.csv:2:")
    refused("no archive", folder, "b.tar!t.csv", "b.tar!t.csv", "cannot be opened")
    (folder / "c.tar").write_bytes(b"a,label\n1,2\n")
    refused("not an archive", folder, "c.tar!t.csv", "c.tar", "not an archive that can be read")
    # a file of that name is the file
    (folder / "a!t.csv").write_bytes(files()["t.csv"])
    (folder / "a").write_bytes(b"")
    refused("a name with a mark", folder, "a!t.csv", code=0)


def test_tar(folder):
    """What GNU tar writes: hard links, and holes at the end of sparse files."""
    x = np.zeros((4096, 32))
    x[:8] = random.standard_normal((8, 32))
    raw = saved(np.save, x)
    with open(folder / "x.npy", "wb") as f:
        f.write(raw[:4096])
        f.truncate(len(raw))
    (folder / "again.npy").hardlink_to(folder / "x.npy")
    if not shutil.which("tar"):
        print("SKIP: there is no tar program")
        return
    want = content(folder, {"type": "npy", "files": {"x": "x.npy"}}, "x")
    for form in ("gnu", "pax"):
        for name, pack in ((f"{form}.tar", []), (f"{form}.tar.gz", ["-z"])):
            subprocess.run(["tar", "-S", "-c", *pack, f"--format={form}", "-f", name, "x.npy",
                            "again.npy"], cwd=folder, check=True)
            for member in ("x.npy", "again.npy"):
                got = content(folder, {"type": "npy", "files": {"x": f"{name}!{member}"}}, "x")
                check.equal(f"{name}!{member}", getattr(got, "err", got), want)
    # as libarchive writes it: no empty block ends the map, and the hole is not delivered
    with tarfile.open(folder / "hole.tar", "w", format=tarfile.PAX_FORMAT) as t:
        entry = tarfile.TarInfo("x.npy")
        entry.size = 4096
        entry.pax_headers = {"GNU.sparse.size": str(len(raw)), "GNU.sparse.numblocks": "1",
                             "GNU.sparse.map": "0,4096", "GNU.sparse.name": "x.npy"}
        t.addfile(entry, io.BytesIO(raw[:4096]))
    got = content(folder, {"type": "npy", "files": {"x": "hole.tar!x.npy"}}, "x")
    check.equal("a hole at the end", getattr(got, "err", got), want)
    size = (folder / "gnu.tar").stat().st_size
    check.ok("it is sparse", size < len(raw) / 4, size)


archive_line = re.search(r"^ +\S+ +archives +(.*)$", runner("doctor").out, re.M)
if not archive_line or "not built in" in archive_line[1]:
    print("SKIP: this runner was built without libarchive")
else:
    for test in (test_all, test_refused, test_tar):
        with Scratch() as scratch:
            test(scratch)
check.done()
