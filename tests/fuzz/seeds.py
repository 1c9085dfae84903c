# SPDX-License-Identifier: Apache-2.0
"""The seeds of each fuzz target: good files, the options that read them, and the words of
the format. Small, so that a change hits something."""
import gzip
import io
import json
import pathlib
import sqlite3
import struct
import sys
import tarfile
import tempfile
import zipfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "runs"))
from pictures import PALETTE, RGBA, chunk, exif, header, png  # noqa: E402

try:
    from PIL import Image
except ImportError:
    Image = None

random = np.random.default_rng(0)


def zst(data):
    """A frame with one block as it is and no checksum (RFC 8878), so that changes of the
    content are seen by the reader behind it."""
    size = struct.pack("<H", len(data) - 256) if len(data) >= 256 else bytes([len(data)])
    return (b"\x28\xb5\x2f\xfd" + (b"\x60" if len(data) >= 256 else b"\x20") + size +
            struct.pack("<I", len(data) << 3 | 1)[:3] + data)


def packed_tar(files, links=()):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            t.addfile(entry, io.BytesIO(data))
        for name, to in links:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.LNKTYPE, to
            t.addfile(entry)
    return out.getvalue()


def packed_zip(files, how=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as z:
        for name, data in files.items():
            z.writestr(zipfile.ZipInfo(name), data, how)
    return out.getvalue()


def saved(array, **options):
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asanyarray(array), **options)
    return out.getvalue()


# ------------------------------------------------------------------------------- tables

TABLE = ('a,b,when,"the ""name""",y\r\n1,2.5,2026-03-01,"x, y\n z",cat\r\n\r\n'
         '-3e2,NA,,dog,"dog"\r\n4,5,2024-02-29T12:30:00Z,"",cat\r\n7,1,1999-12-31,q,dog\r\n')
EUROPE = "jahr;menge;ort # was\n2020;1.234,5;Köln\n# nur eine Zeile\n2021;-7,25;Bonn\n"
WIDE = ",".join(f"c{i}" for i in range(200)) + "\n" + 3 * (
    ",".join(str(i / 8) for i in range(200)) + "\n")
CSV_WORDS = ["\"", "\"\"", ",", ";", "\t", "\r\n", "\n", "\r", "\0", "#", "\ufeff", "NA", "NaN",
             "nan", "inf", "-inf", "1e5", "0x1p3", "1,234.5", "true", "false", "2026-02-30",
             "2026-01-01T00:00:00+14:00", "9999-12-31", b"\xff\xfe", b"\xfe\xff", b"\xed\xa0\x80",
             b"\xc0\x80", b"\xf4\x90\x80\x80", "é", "𝔘", " ", "-9223372036854775808",
             b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", "\n\n\n\n"]
TYPED = ["target=y", "fields.a=auto", "fields.when=date", 'fields.the "name"=text',
         "fields.b=number"]


def csv():
    t = TABLE.encode()
    # An option's name has no dots but those between the parts of a path.
    yield "t.csv", t, ["file=@", "target=y", "features.0=a", "features.1=b"]
    yield "t.csv", t, ["file=@"] + TYPED
    yield "t.csv", b"k,ok,c\n1,yes,u\n2,no,v\n3,yes,u\n", [
        "file=@", "fields.k=integer", "fields.ok=bool", "fields.c=category"]
    yield "t.csv", t, ["file=@", "fields.0=y", "texts.0=the \"name\"", "drop.0=when",
                       "features.0=a"]
    yield "t.csv", b"1\t2\t0\r3\t4\t1\r", ["file=@", "header=false", "separator=tab", "target=c3"]
    yield "t.csv", b"1|2|3\n4|5|6\n", ["file=@", "header=false", "separator=|",
                                       "missing.0=-1", "missing.1=?"]
    yield "t.csv", EUROPE.encode("cp1252"), [
        "file=@", "encoding=cp1252", "separator=;", "decimal=,", "thousands=.", "comment=#",
        "target=menge", "target_type=float", "features.0=jahr"]
    for encoding, bom in ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff"):
        yield "t.csv", bom + EUROPE.encode(encoding), [
            "file=@", "separator=;", "comment=#", "fields.0=ort", "features.0=jahr"]
    yield "t.csv", b"\xef\xbb\xbf" + EUROPE.encode(), [
        "file=@", "separator=;", "comment=#", "fields.0=ort", "fields.1=menge"]
    yield "t.csv", WIDE.encode(), ["file=@"]
    yield "part-1.csv", b"a,b\n1,2\n3,4\n", ["file=%/part-*.csv"]
    yield "t.csv.gz", gzip.compress(t, mtime=0), ["file=@"] + TYPED
    yield "t.csv.gz", gzip.compress(t[:60], mtime=0) + gzip.compress(t[60:], mtime=0), [
        "file=@"] + TYPED
    yield "t.csv.zst", zst(t), ["file=@"] + TYPED
    yield "t.csv.zst", zst(t[:60]) + zst(t[60:]), ["file=@"] + TYPED


def svmlight():
    text = b"# made\n\n+1 1:0.5 3:-2e-3 9:1 # tail 3:4\n-1 2:1 9:0x1p3\n0 qid:3\n+1 4:nan\n"
    yield "a.svm", b"+1 1:0.5 3:-2e-3 9:1 # tail\r\n-1 2:1e3\n1 9:7\n", ["file=@"]
    yield "a.svm", b"1.5 qid:1 0:1 2:2\n0 qid:1 0:3\n-2 qid:2\n", ["file=@", "zero_based=true"]
    yield "a.svm", b"1 1:1 2:2\n0 1:3\n", ["file=@", "features=5", "target_type=float"]
    yield "a.svm.gz", gzip.compress(b"1 1:1 2:2\n0 1:3\n", mtime=0), ["file=@"]
    yield "a.svm.zst", zst(text.replace(b" 9:0x1p3", b"").replace(
        b"4:nan", b"4:1").replace(b" qid:3", b"")), ["file=@"]


def text():
    t = "Ein Text über Ω und 𝔘:\n  viele Zeilen,\nkurz.\n" * 3
    yield "a.txt", t.encode(), ["file=@", "window=8"]
    yield "a.txt", t.encode(), ["file=@", "window=16", "stride=3"]
    yield "a.txt", b"abcabcabcabc", ["file=@", "window=4", "alphabet=abc"]
    yield "a.txt.gz", gzip.compress(t.encode(), mtime=0), ["file=@", "window=8"]
    yield "a.txt.zst", zst(t.encode()), ["file=@", "window=8"]


# ------------------------------------------------------------------------------- arrays

def npy():
    x = np.arange(12).reshape(6, 2)
    for kind in ("<f4", ">f8", "<f2", "u1", ">i2", "<u4", "<i8", "<u8", "?"):
        yield "x.npy", saved(x.astype(kind)), ["files.x=@"]
    yield "x.npy", saved(np.asfortranarray(x.astype("f8"))), ["files.x=@"]
    yield "x.npy", saved(x.astype("f4"), version=(2, 0)), ["files.x=@"]
    yield "x.npy", saved(np.array(["a", "bcd", "é"])), ["files.x=@"]
    yield "x.npy", saved(np.array([b"a", b"bcd"])), ["files.x=@"]


def npz():
    files = {"x.npy": saved(np.arange(12, dtype="f4").reshape(6, 2)),
             "y.npy": saved(np.arange(6))}
    for how in zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED:
        yield "a.npz", packed_zip(files, how), ["file=@"]
        yield "a.npz", packed_zip(files, how), ["files.x=@!x.npy", "files.label=@!y.npy"]


NPY_WORDS = ["{", "}", "(", ")", "'descr': ", "'fortran_order': True", "'shape': ", "'<f8'",
             "'|O'", "'|S9'", "'<U3'", "'>c16'", "'|V8'", "[('a', '<f4')]", "None", "\\x00",
             "'", ", ", "L", "-1", b"\x93NUMPY\1\0", b"\x93NUMPY\3\0", " " * 64, "\n"]


def idx():
    def file(code, shape, payload):
        return struct.pack(">HBB", 0, code, len(shape)) + struct.pack(
            f">{len(shape)}I", *shape) + payload
    images = file(8, (4, 2, 3), bytes(range(24)))
    for code, size in ((8, 1), (9, 1), (11, 2), (12, 4), (13, 4), (14, 8)):
        yield "a.idx", file(code, (4, 2), bytes(8 * size)), ["images=@"]
    yield "a.idx", images, ["images=@"]
    yield "a.idx.gz", gzip.compress(images, mtime=0), ["images=@"]
    yield "labels.idx", file(8, (4,), bytes([0, 1, 2, 1])), ["images=@", "labels=@"]


# ---------------------------------------------------------------------------- databases

def sqlite():
    def file(page, text):
        with tempfile.TemporaryDirectory() as folder:
            db = sqlite3.connect(f"{folder}/q.db")
            db.execute(f"PRAGMA page_size={page}")
            db.execute(f"PRAGMA encoding='{text}'")
            db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b REAL, c TEXT, y INTEGER)")
            db.execute("CREATE INDEX ib ON t (b)")
            db.executemany("INSERT INTO t VALUES (?,?,?,?,?)",
                           [(i, i * 2 if i % 3 else None, i / 4, "xyz"[i % 3] * (i % 5), i % 2)
                            for i in range(20)])
            db.commit()
            db.close()
            return pathlib.Path(f"{folder}/q.db").read_bytes()
    query = "query=SELECT a, b, c, y FROM t ORDER BY id"
    for page, text in (512, "UTF-8"), (1024, "UTF-16le"), (512, "UTF-16be"):
        yield "q.db", file(page, text), ["file=@", query, "target=y", "fields.0=c"]
    yield "q.db", file(512, "UTF-8"), ["file=@", "target=c",
                                       "query=SELECT b, c FROM t WHERE b > 1 ORDER BY b"]


def parquet():
    files = pathlib.Path(__file__).resolve().parent.parent / "runs/parquet"
    for name in "plain", "snappy", "gzip", "split", "pages2", "polars", "duckdb":
        yield "t.parquet", (files / f"{name}.parquet").read_bytes(), [
            "file=@", "target=y", "fields.0=word", "fields.1=i64", "fields.2=few"]


def hdf5():
    import h5py

    def file(fill, **options):
        with tempfile.TemporaryDirectory() as folder:
            with h5py.File(f"{folder}/a.h5", "w", **options) as f:
                fill(f)
            return pathlib.Path(f"{folder}/a.h5").read_bytes()
    x, y = np.arange(16, dtype="f4").reshape(8, 2), np.arange(8)

    def plain(f):
        f["x"], f["y"] = x, y

    def chunked(f):
        f.create_dataset("g/x", data=x, chunks=(2, 2), compression="gzip", shuffle=True,
                         fletcher32=True)
        f["x"], f["y"] = h5py.SoftLink("/g/x"), y.astype(">i2")

    def kinds(f):
        f["x"] = np.array(["a", "bcd", "é"] * 2, object)
        f["y"] = np.array([b"a", b"bc"] * 3, "S2")

    def table(f):
        f["t"] = np.array([(i, i / 2, b"ab") for i in range(6)],
                          [("x", "<i4"), ("y", "<f8"), ("z", "S2")])

    def enums(f):
        f["x"] = np.array([True, False, True])
        f.create_dataset("y", data=np.array([0, 1, 2], "i1"),
                         dtype=h5py.enum_dtype({"A": 0, "B": 1, "C": 2}, "i1"))
    both = ["file=@", "timeout=3", "datasets.x=/x", "datasets.y=/y"]
    yield "a.h5", file(plain, libver="earliest"), both
    yield "a.h5", file(plain, libver="v110"), both
    yield "a.h5", file(chunked), both
    yield "a.h5", file(kinds), both
    yield "a.h5", file(enums), both
    yield "a.h5", file(table), ["file=@", "timeout=3", "datasets.x=/t/x", "datasets.y=/t/y",
                                "datasets.z=/t/z"]


# -------------------------------------------------------------- pictures and archives

def pictures():
    """name -> bytes of a picture of each kind."""
    a = random.integers(0, 256, (9, 12, 3))
    out = {"rgb.png": png(a), "interlaced.png": png(a, interlace=1),
           "palette.png": png(random.integers(0, 16, (9, 12, 1)), PALETTE, 4,
                              random.integers(0, 256, (16, 3)), b"\1\2"),
           "deep.png": png(random.integers(0, 65536, (9, 12, 4)), RGBA, 16,
                           extra=chunk(b"eXIf", exif(6)))}

    def save(name, image, form, **options):
        data = io.BytesIO()
        image.save(data, form, **options)
        out[name] = data.getvalue()
    if Image:
        rgb = Image.fromarray(a.astype(np.uint8))
        save("base.jpg", rgb, "JPEG", exif=b"Exif\0\0" + exif(5))
        save("progressive.jpg", rgb.resize((40, 30)), "JPEG", progressive=True)
        save("cmyk.jpg", rgb.convert("CMYK"), "JPEG")
        save("lossy.webp", rgb.convert("RGBA"), "WEBP")
        save("lossless.webp", rgb, "WEBP", lossless=True)
    return out


def images():
    forms = [[], ["size.0=5", "fit=crop"], ["size.0=7", "size.1=20", "fit=pad", "channels=1"],
             ["size.0=8", "channels=4", "depth=16", "resample=bicubic"], ["exif=ignore"],
             ["on_bad=skip", "size.0=4"]]
    for i, (name, data) in enumerate(pictures().items()):
        yield name, data, ["files=%", "labels=none"] + forms[i % len(forms)]
    small = png(random.integers(0, 256, (3, 4, 3)))
    folders = {f"{'ab'[i % 2]}/{i}.png": small for i in range(4)}
    keys = {}
    for i in range(3):
        keys |= {f"{i}.png": small, f"{i}.cls": str(i).encode()}
    notes = {f"{i}.png": small for i in range(2)} | {
        f"{i}.json": json.dumps({"label": "ab"[i], "x": [1, {"y": None}]}).encode()
        for i in range(2)}
    tarred = packed_tar(folders, [("a/again.png", "a/0.png")])
    yield "a.tar", tarred, ["files=@"]
    yield "a.tar.gz", gzip.compress(tarred, mtime=0), ["files=@"]
    yield "a.tar.zst", zst(tarred), ["files=@", "size.0=2"]
    yield "a.zip", packed_zip(folders), ["files=@"]
    yield "a.zip", packed_zip(folders, zipfile.ZIP_STORED), ["files=@", "on_bad=skip"]
    yield "a.tar", packed_tar(keys), ["files=@"]
    yield "a.zip", packed_zip(keys, zipfile.ZIP_STORED), ["files=@", "labels=key"]
    yield "a.tar", packed_tar(notes), ["files=@", "labels=key", "json_key=label"]


def members():
    """Tables as members of archives."""
    files = {"in/t.csv": TABLE.encode(), "b.csv": b"a,y\n1,2\n"}
    inside = ["file=@!in/t.csv"] + TYPED
    tarred = packed_tar(files, [("c.csv", "b.csv")])
    yield "a.tar", tarred, inside
    yield "a.tar", tarred, ["file=@!c.csv"]
    yield "a.tar.gz", gzip.compress(tarred, mtime=0), inside
    yield "a.tar.zst", zst(tarred), inside
    for how in zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED:
        yield "a.zip", packed_zip(files, how), inside


ARCHIVE_WORDS = ["PK\1\2", "PK\3\4", "PK\5\6", "PK\6\6", "PK\6\7", "ustar\x0000", "../", "/etc/",
                 "./", "in/t.csv", "0.png", "a/", b"\0" * 512, "PaxHeaders/x", "path=",
                 "77777777777", b"\x80\0\0\0\0\0\0\xff", "././@LongLink", "1", "2", "x", "g",
                 b"\xff\xff\xff\xff", b"\1\0", "\0" * 8]

def decoders():
    """Files, without options: pictures.c draws those."""
    made = pictures()
    small = {f"{i}/a{i}.png": made["rgb.png"] for i in range(3)}
    tarred = packed_tar(small, [("0/again.png", "0/a0.png")])
    made |= {"a.tar": tarred, "a.tar.gz": gzip.compress(tarred, mtime=0),
             "a.zip": packed_zip(small), "stored.zip": packed_zip(small, zipfile.ZIP_STORED)}
    for name, data in made.items():
        yield name, data, []


# Name -> plugin, its seeds, its words.
TARGETS = {
    "csv": ("csv", csv, CSV_WORDS),
    "svmlight": ("svmlight", svmlight, [" ", ":", "qid:", "#", "1:", "\n", "\r", "0:0", "nan",
                                        "inf", "+", "-", "16777216:1", "16777217:1", "\0",
                                        "1:1 1:1", "2:1 1:1", "1e-330", "sid:1", "\t"]),
    "text": ("text", text, ["\n", "\r\n", "\0", "\ufeff", "Ω", b"\xc0\x80", b"\xed\xa0\x80",
                            b"\xf0\x9f", b"\xff", "\U0010ffff"]),
    "npy": ("npy", npy, NPY_WORDS),
    "npz": ("npy", npz, ARCHIVE_WORDS + NPY_WORDS),
    "idx": ("idx", idx, [b"\0\0\x08\1", b"\0\0\x08\3", b"\0\0\x0d\2", b"\xff\xff\xff\xff",
                         b"\0\0\0\0", b"\x1f\x8b\x08"]),
    "sqlite": ("sqlite", sqlite, ["SQLite format 3\0", "CREATE TABLE t (", "SELECT", "sqlite_",
                                  b"\x0d", b"\x05", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                                  "ORDER BY", "WITHOUT ROWID", "VIRTUAL", "\0\0\0\1"]),
    "parquet": ("parquet", parquet, ["PAR1", b"\x15\x00\x15", b"\x15\x04", b"\x19\x1c", b"\x00",
                                      b"\xff\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x10", b"\x28\x05",
                                      b"\x02\x00\x00\x00", b"\x03\x01", "word", "schema"]),
    "hdf5": ("hdf5", hdf5, ["TREE", "HEAP", "SNOD", "OHDR", "OCHK", "FRHP", "GCOL",
                            b"\x89HDF\r\n\x1a\n", b"\xff" * 8, "/x", "x\0"]),
    "images": ("images", images, ARCHIVE_WORDS + [
        "IHDR", "IDAT", "IEND", "PLTE", "tRNS", "eXIf", "Exif\0\0", b"\xff\xd8", b"\xff\xc0",
        b"\xff\xc2", b"\xff\xda", b"\xff\xd9", b"\xff\xe1", "RIFF", "WEBP", "VP8 ", "VP8L",
        "VP8X", "ANIM", "MM\0*", "II*\0", "{\"label\": ", "[[[[", "\\ud800"]),
    "pictures": ("", decoders, []),
    "members": ("csv", members, ARCHIVE_WORDS + CSV_WORDS),
}


# Target -> inputs that were once not survived.
FOUND = {
    # A map of 2^62 pairs of bools, which took no bytes: it never ended.
    "parquet": [("t.parquet", b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1",
                 ["file=@"]) for footer in (
                     b"\x9b" + b"\xff" * 8 + b"\x3f\x11\0",
                     # A schema with a group and a column, neither with a name.
                     b"\x29\x3c\x55\2\0\x55\2\0\x15\2\0\0")],
    # A window of 128 MiB, beside what `memory` counts.
    "csv": [("t.csv.zst", b"\x28\xb5\x2f\xfd\0\x88" + struct.pack("<I", 1 << 17 << 3 | 3)[:3] +
             b"1", ["file=@"])],
    # A chunk states 2 GiB, which libpng reserved before it read.
    "images": [("a.png", header(12, 9) + struct.pack(">I", 0x7f00001a) + kind + bytes(40),
                ["files=%", "labels=none"]) for kind in (b"eXIf", b"iCCP", b"tEXt", b"zzZz")],
}
