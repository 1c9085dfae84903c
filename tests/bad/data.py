# SPDX-License-Identifier: Apache-2.0
"""The data files that the cases read: one good one of each form, and the broken ones."""
import gzip
import struct

import h5py
import numpy

ROWS = 30


def idx(code, shape, payload):
    return struct.pack(">HBB", 0, code, len(shape)) + struct.pack(
        f">{len(shape)}I", *shape) + payload


def table(rows=ROWS):
    """a, b, c and a label 0..2 that they tell; the same numbers every time."""
    random = numpy.random.default_rng(1)
    label = numpy.arange(rows) % 3
    return numpy.round(random.normal(size=(rows, 3)) + label[:, None], 3), label


def csv_lines(rows=ROWS):
    x, label = table(rows)
    return ["a,b,c,label"] + [
        ",".join(f"{v:g}" for v in r) + f",{k}" for r, k in zip(x, label)]


def write_csv(d):
    good = csv_lines()

    def put(name, lines, end="\n"):
        (d / name).write_text("\n".join(lines) + end)

    def cell(row, column, text):
        lines = list(good)
        cells = lines[row].split(",")
        cells[column] = text
        lines[row] = ",".join(cells)
        return lines

    put("good.csv", good)
    put("empty.csv", [], "")
    put("header.csv", good[:1])
    put("one-row.csv", good[:2])
    put("ragged.csv", good[:3] + [good[3] + ",7"] + good[4:])
    put("short.csv", good[:3] + [good[3].rsplit(",", 1)[0]] + good[4:])
    put("nan.csv", cell(4, 1, "nan"))
    put("inf.csv", cell(4, 1, "1e999"))
    put("missing.csv", cell(5, 2, ""))
    put("word.csv", cell(6, 0, "tall"))
    put("label-word.csv", cell(7, 3, "cat"))
    put("label-half.csv", cell(7, 3, "1.5"))
    put("label-range.csv", cell(7, 3, "9"))
    put("label-negative.csv", cell(7, 3, "-1"))
    put("label-text.csv", [good[0]] + [
        line.rsplit(",", 1)[0] + "," + "xyz"[int(line[-1])] for line in good[1:]])
    put("twice.csv", ["a,b,a,label"] + good[1:])
    put("quote.csv", good[:2] + ['"0.5,1,2,0'] + good[2:])
    put("constant.csv", [good[0]] + [line.rsplit(",", 1)[0] + ",1" for line in good[1:]])
    (d / "nul.csv").write_bytes(("\n".join(good)).encode().replace(b"0", b"\0", 1))
    (d / "latin.csv").write_bytes("\n".join(
        ["a,b,c,gr\xf6\xdfe"] + good[1:]).encode("latin-1"))
    (d / "folder.csv").mkdir()


def write_idx(d):
    rows, side = 12, 4
    pixels = (numpy.arange(rows * side * side) % 251).astype(numpy.uint8).tobytes()
    labels = (numpy.arange(rows) % 3).astype(numpy.uint8).tobytes()
    images = idx(8, (rows, side, side), pixels)
    one = idx(8, (rows,), labels)
    (d / "images.idx").write_bytes(images)
    (d / "labels.idx").write_bytes(one)
    (d / "images.idx.gz").write_bytes(gzip.compress(images, mtime=0))
    (d / "cut.idx").write_bytes(images[:100])
    (d / "cut-header.idx").write_bytes(images[:9])
    (d / "long.idx").write_bytes(images + b"more")
    (d / "magic.idx").write_bytes(b"\x89PNG" + images[4:])
    (d / "type.idx").write_bytes(idx(0x55, (rows, side, side), pixels))
    (d / "axes.idx").write_bytes(bytes([0, 0, 8, 200]) + images[4:])
    (d / "huge.idx").write_bytes(idx(8, (2**32 - 1, 2**32 - 1, 2**31), b""))
    (d / "fewer.idx").write_bytes(idx(8, (rows - 1,), labels[:-1]))
    (d / "none.idx").write_bytes(idx(8, (0, side, side), b""))
    (d / "empty.idx").write_bytes(b"")
    (d / "cut.idx.gz").write_bytes(gzip.compress(images, mtime=0)[:-20])
    corrupt = bytearray(gzip.compress(images, mtime=0))
    corrupt[30] ^= 0xff
    (d / "corrupt.idx.gz").write_bytes(bytes(corrupt))
    (d / "plain.idx.gz").write_bytes(b"this was never gzipped")
    (d / "good.txt").write_text("a text of\nthree lines,\nall of them short\n")
    (d / "latin.txt").write_bytes("a text of\nthree \xe9l\n".encode("latin-1"))
    (d / "overlong.txt").write_bytes(b"ab\xc0\x80cdefghi\n")
    (d / "cut.txt.gz").write_bytes(gzip.compress(bytes(range(97, 120)) * 9, mtime=0)[:-9])
    (d / "range.idx").write_bytes(idx(8, (rows,), bytes([9]) + labels[1:]))


def write_npy(d):
    x, label = table()
    numpy.save(d / "x.npy", x.astype("f4"))
    numpy.save(d / "label.npy", label.astype("i8"))
    numpy.save(d / "label-fewer.npy", label[:-3].astype("i8"))
    numpy.save(d / "object.npy", numpy.array([{}] * ROWS, dtype=object),
               allow_pickle=True)
    numpy.save(d / "complex.npy", x.astype("c8"))
    numpy.save(d / "single.npy", numpy.float32(3))
    whole = (d / "x.npy").read_bytes()
    (d / "cut.npy").write_bytes(whole[:-9])
    (d / "cut-header.npy").write_bytes(whole[:40])
    (d / "magic.npy").write_bytes(b"numpy" + whole[5:])
    (d / "version.npy").write_bytes(whole[:6] + b"\x09" + whole[7:])
    (d / "header.npy").write_bytes(whole.replace(b"'shape'", b"'shepa'"))
    nan = x.astype("f4")
    nan[3, 1] = numpy.nan
    numpy.save(d / "nan.npy", nan)


def write_hdf5(d):
    x, label = table()
    with h5py.File(d / "good.h5", "w") as f:
        f["x"] = x.astype("f4")
        f["label"] = label.astype("i8")
        f["few"] = label[:-3].astype("i8")
        f["complex"] = x.astype("c8")
        f["single"] = 3.0
        f["words"] = numpy.array([b"a"] * ROWS, dtype=h5py.string_dtype())
        f.create_group("group")
    whole = (d / "good.h5").read_bytes()
    (d / "cut.h5").write_bytes(whole[:len(whole) // 2])
    (d / "magic.h5").write_bytes(b"no HDF5 file at all\n" * 40)
    (d / "empty.h5").write_bytes(b"")


def write_all(folder):
    d = folder / "data"
    d.mkdir()
    for write in write_csv, write_idx, write_npy, write_hdf5:
        write(d)
