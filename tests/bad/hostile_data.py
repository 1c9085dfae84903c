# SPDX-License-Identifier: Apache-2.0
"""Data that are made to exhaust whoever reads them: files that expand, huge cells, headers
that state impossible sizes, endless queries, members with the names of other files. Each
is read, or refused with its name, in bounded time and memory.

    hostile_data.py RUNNER"""
import gzip
import io
import os
import pathlib
import sqlite3
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
import zlib

here = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(here.parent), str(here.parent / "runs")]
import harness  # noqa: E402
import numpy as np  # noqa: E402
from harness import EMULATOR, RUNNER, Checks, Scratch, environment  # noqa: E402
from pictures import chunk, header, png  # noqa: E402

SECONDS, MIB = 30, 400  # a run takes 0.1 s and 35 MiB without data
# meson sets it: memory that is reserved would all be written to, and count as used.
ENVIRONMENT = {k: v for k, v in environment().items() if k != "MALLOC_PERTURB_"}
MEASURED = not EMULATOR and not harness.sanitized()
c = Checks()
MiB = 1 << 20


def read(top, what, source, code, says):
    """The data of an experiment are opened. code 0: they are good."""
    (top / "e.yaml").write_text(
        f"device: reference\nname: t\nseed: 1\ndata: {{source: {source}, batch: 2,\n"
        "  split: {kind: position, val: 1}}\n"
        "model: {type: sequential, in: {x: data.x}, layers: [{type: flatten}, "
        "{type: dense, units: 1}]}\n"
        "loss: {type: mse, in: {prediction: model.out, target: data.y}}\n"
        "optimizer: {type: sgd, lr: 0}\ntrain: {steps: 1}\n")
    began = time.monotonic()
    p = subprocess.Popen([*EMULATOR, str(RUNNER), "plan", "e.yaml"], cwd=top,
                         env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    killer = threading.Timer(10 * SECONDS, p.kill)
    killer.start()
    err = p.stderr.read().decode(errors="replace")
    _, status, used = os.wait4(p.pid, 0)
    killer.cancel()
    took, peak = time.monotonic() - began, used.ru_maxrss >> 10
    c.equal(f"{what}: exit code", os.waitstatus_to_exitcode(status), code)
    c.within(what, err, says)
    if MEASURED:
        c.ok(f"{what}: processor time", used.ru_utime + used.ru_stime < SECONDS, f"  {took:.1f} s")
        c.ok(f"{what}: memory", peak < MIB, f"  {peak} MiB")


def zst_bomb(mib):
    """A frame of blocks that each repeat one byte (RFC 8878), 4 bytes for 128 KiB."""
    blocks = [struct.pack("<I", 1 << 17 << 3 | 2 | (i == mib * 8 - 1))[:3] + b"1"
              for i in range(mib * 8)]
    return b"\x28\xb5\x2f\xfd\0\x38" + b"".join(blocks)


def bombs(top):
    full = "`memory` (MiB) higher"
    ones = b"1" * MiB
    with gzip.open(top / "b.gz", "wb", 9) as f:
        for _ in range(400):
            f.write(ones)
    (top / "b.zst").write_bytes(zst_bomb(400))
    for name in "b.gz", "b.zst":
        for kind in "csv", "text", "svmlight":
            read(top, f"{kind}: {name}", f"{{type: {kind}, file: {name}, memory: 64}}", 3, full)
    with zipfile.ZipFile(top / "b.zip", "w", zipfile.ZIP_DEFLATED) as z:
        for name in "t.csv", "a/t.png", "b/x.npy":
            with z.open(name, "w") as f:
                for _ in range(400):
                    f.write(ones)
    for kind, rest in (("csv", "file: b.zip!t.csv"), ("images", "files: b.zip"),
                       ("npy", "files: {x: b.zip!b/x.npy}")):
        read(top, f"{kind}: a member", f"{{type: {kind}, {rest}, memory: 64}}", 3, full)


def tables(top):
    csv = "{type: csv, file: t.csv, target: y}"

    def put(data):
        (top / "t.csv").write_bytes(data if isinstance(data, bytes) else data.encode())
    put(b"x,y\n" + b"a" * 50 * MiB + b",1\n1,2\n3,4\n")
    read(top, "a cell of 50 MiB", csv, 3, "row 1, column 'x': 'aaaa")
    put(b"z,y\n" + b"a" * 9 * MiB + b",1\n" + b"1,2\n" * 10_000)
    read(top, "a cell that makes all rows wide", csv[:-1] + ", fields: [z]}", 3,
         "needs more than the")
    names = ",".join(f"c{i}" for i in range(1_000_000))
    row = "1," * 999_999 + "1\n"
    put(names.replace("c7,", "y,", 1) + "\n" + row * 3)
    read(top, "1,000,000 columns", csv, 0, "")
    put(row * 3)
    read(top, "1,000,000 columns of one name", csv.replace("target: y", "header: true"), 3,
         "columns 1 and 1000000 are both called '1'")
    put("x,y\n" + "\n" * 10_000_000 + "1,2\n" * 5)
    read(top, "10,000,000 empty lines", csv, 0, "")
    put("x,y\n" + "1\n" * 3_000_000)
    read(top, "3,000,000 short rows", csv, 3, "t.csv:2:1: error: this row has 1 cells")
    put("x,y\n" + "a,1\n" * 1_000_000)
    read(top, "1,000,000 bad cells", csv, 3, "t.csv:11:1: error: row 10, column")
    put('x,y\n1,"' + "a,b\n" * 3_000_000)
    read(top, "a quote that is not closed", csv, 3, "a quote is opened and never closed")
    put(bytes(30 * MiB))
    read(top, "zero bytes", csv, 3, "holds a zero byte")
    svm = "{type: svmlight, file: t.svm}"
    (top / "t.svm").write_text("1 " + " ".join(f"{i}:1" for i in range(1, 1_000_001)) +
                               "\n0 1:1\n1 1:1\n")
    read(top, "svmlight, 1,000,000 features", svm, 2, "there are: data.x, data.target")
    (top / "t.svm").write_text("1 99999999999999999999:1\n")
    read(top, "svmlight, a feature beyond all", svm, 3, "is not a feature and its value")
    (top / "t.svm").write_text("\n" * 5_000_000)
    read(top, "svmlight, empty lines", svm, 3, "has no samples")


def arrays(top):
    def npy(head, version=1):
        size = struct.pack("<H" if version == 1 else "<I", len(head) % (1 << 16 * version))
        return b"\x93NUMPY" + bytes([version, 0]) + size + head
    for what, head, says in (
            ("brackets", b"(" * 60_000 + b")" * 5_000, "has a shape that cannot be read"),
            ("2^65 items", b"(4294967296, 4294967296, 2)", "announces impossible sizes"),
            ("an axis of 0", b"(100000000000, 0)", "is empty: axis 1 is 0 long")):
        (top / "x.npy").write_bytes(
            npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': " + head + b", }\n"))
        read(top, f"npy, {what}", "{type: npy, files: {x: x.npy}}", 3, says)
    (top / "x.npy").write_bytes(b"\x93NUMPY\2\0\xff\xff\xff\xff{")
    read(top, "npy, a header of 4 GiB", "{type: npy, files: {x: x.npy}}", 3,
         "is cut short in its header")
    one = io.BytesIO()
    np.save(one, np.arange(8.))
    with zipfile.ZipFile(top / "a.npz", "w") as z:
        for i in range(100_000):
            z.writestr(zipfile.ZipInfo(f"x{i}.npy"), one.getvalue())
    read(top, "npz, 100,000 members", "{type: npy, file: a.npz}", 3,
         "holds too many .npy arrays")
    (top / "a.idx").write_bytes(struct.pack(">BBBB3I", 0, 0, 8, 3, *[2**32 - 1] * 3))
    read(top, "idx, impossible sizes", "{type: idx, images: a.idx}", 3, "impossible")


def queries(top):
    db = sqlite3.connect(top / "q.db")
    db.execute("CREATE TABLE t (x, y)")
    db.executemany("INSERT INTO t VALUES (?, ?)", [(i, i % 2) for i in range(20)])
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT "
    db.execute(f"CREATE VIEW v AS {endless} count(*) AS x, 1 AS y FROM n")
    db.commit()
    db.close()

    def query(what, text, says, memory=64):
        read(top, f"sqlite, {what}", f"{{type: sqlite, file: q.db, timeout: 1, target: y, "
             f"memory: {memory}, query: \"{text}\"}}", 3, says)
    late = "the query gave no row for 1 s"
    query("an endless view", "SELECT x, y FROM v ORDER BY x", late)
    query("endless rows to sort", endless + "i AS x, 1 AS y FROM n ORDER BY x", late)
    query("rows of 20^8", "SELECT a.x, a.y FROM t a, t b, t c, t d, t e, t f, t g, t h "
          "ORDER BY a.x", late)
    full = "needs more than the"
    query("rows without an end that need no sorting", "SELECT a.x, a.y FROM t a, t b, t c, "
          "t d, t e, t f, t g, t h ORDER BY a.rowid", full, 2)
    query("huge bytes", "SELECT zeroblob(900000000) AS x, y FROM t ORDER BY x", full)
    query("huge texts", "SELECT hex(zeroblob(4000000)) AS x, y FROM t ORDER BY y", full)


def pictures(top):
    (top / "im/a").mkdir(parents=True)
    end = chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    # A JPEG file as far as its sizes.
    jpeg = b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\3\1\x22\0\2\x11\1\3\x11\1\xff\xd9"
    for name, data, says in (
            ("p.png", header(65535, 65535) + end, "has 65535 x 65535 pixels, more than"),
            ("p.png", header(2**31 - 1, 1) + end, "has 2147483647 x 1 pixels, more than"),
            ("p.png", header(9999, 9999) + end, "is not an intact PNG file"),
            ("p.jpg", jpeg, "is not an intact JPEG file")):
        (top / "im/a" / name).write_bytes(data)
        read(top, f"{name}: {says}", "{type: images, files: im, size: 4}", 3, says)
        (top / "im/a" / name).unlink()
    good = png(np.zeros((4, 4, 3), int))
    (top / "im/a/good.png").write_bytes(good)
    for link, to, says in (("up", "..", "is a symbolic link to a folder"),
                           ("b.png", "b.png", "is a symbolic link to nothing")):
        (top / "im/a" / link).symlink_to(to)
        read(top, f"a link to {to}", "{type: images, files: im}", 3, says)
        (top / "im/a" / link).unlink()
    os.mkfifo(top / "im/a/f.png")
    read(top, "a FIFO in a folder", "{type: images, files: im}", 3, "FIFO")


def members(top):
    """Members are read, never written: a name leads to no other file."""
    def packed(name, files):
        with tarfile.open(top / name, "w") as t:
            for member, data in files:
                entry = tarfile.TarInfo(member)
                entry.size = len(data)
                t.addfile(entry, io.BytesIO(data))
    table = b"x,y\n" + b"1,2\n" * 5
    (top / "in").mkdir()
    (top / "t.csv").write_bytes(b"x,y\n" + b"outside,2\n" * 5)
    before = sorted(p.name for p in top.iterdir())
    for member in "../t.csv", "/etc/passwd", "a/../../t.csv":
        packed("in/m.tar", [(member, table), ("b.csv", table)])
        read(top, f"member {member}", "{type: csv, file: in/m.tar!b.csv, target: y}", 0, "")
        read(top, f"member {member} by its name",
             f"{{type: csv, file: 'in/m.tar!{member}', target: y}}",
             3, "m.tar: error: has no member")
    with tarfile.open(top / "in/m.tar", "w") as t:
        for kind in tarfile.SYMTYPE, tarfile.LNKTYPE:
            entry = tarfile.TarInfo(f"l{kind.decode()}.csv")
            entry.type, entry.linkname = kind, "/etc/passwd"
            t.addfile(entry)
    for kind in tarfile.SYMTYPE, tarfile.LNKTYPE:
        read(top, "a member that is a link to another file",
             f"{{type: csv, file: in/m.tar!l{kind.decode()}.csv}}", 3, "m.tar")
    good = png(np.zeros((4, 4, 3), int))
    packed("in/m.tar", [(f"d/{i}.png", good) for i in range(100_000)])
    read(top, "100,000 members", "{type: images, files: in/m.tar}", 2,
         "100000 pictures in 1 classes")
    after = sorted(p.name for p in top.iterdir())
    c.equal("nothing is written beside the archive", after, sorted({*before, "e.yaml"}))


def main():
    for part in bombs, tables, arrays, queries, pictures, members:
        with Scratch() as top:
            part(top)
    c.done()


main()
