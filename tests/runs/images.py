#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures through whole runs: what a network sees of each, and what is refused. PNG files
are written here and their pixels known; JPEG, WebP and resampling are compared with
Pillow, pixel by pixel, where it is installed."""
import bz2
import csv
import gzip
import io
import lzma
import re
import struct
import tarfile
import zipfile

import numpy as np
import yaml

from harness import Checks, Scratch, latest, runner
from pictures import (GREY, GREY_ALPHA, PALETTE, RGB, RGBA, chunk, exif, header, luma, over,
                      png, turned)

try:
    import PIL
    from PIL import Image, ImageOps
except ImportError:
    Image = None

check = Checks()
random = np.random.default_rng(3)


def experiment(source, **more):
    """A network whose output is the picture that it sees."""
    return {"name": "seen", "device": "reference", "seed": 1,
            "data": {"source": {"type": "images", "files": "set", **source}, "split": {},
                     "transforms": [{"type": "scale", "of": "image", "factor": 1}],
                     "batch": 4},
            "model": {"seen": {"type": "sequential", "in": {"x": "data.image"},
                               "layers": [{"type": "flatten"}]},
                      "m": {"type": "sequential", "in": {"x": "model.seen.out"},
                            "layers": [{"type": "dense", "units": 1}]}},
            "loss": {"type": "mse", "in": {"prediction": "model.m.out", "target": 0.0}},
            "optimizer": {"type": "sgd", "lr": 0}, "train": {"epochs": 1}, **more}


def run(folder, config, verb=()):
    (folder / "e.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return runner(*verb, "e.yaml", cwd=folder)


def rows_of(text):
    rows = list(csv.reader(io.StringIO(text)))
    columns = [i for i, name in enumerate(rows[0]) if name.startswith("model.seen")
               and not name.endswith("argmax")]
    return np.array([[float(r[i]) for i in columns] for r in rows[1:]])


def seen(folder, config, *args):
    """[pictures, C*H*W], or the result of a run that failed."""
    r = run(folder, config)
    if r.code == 0:
        r = runner("predict", latest(folder / "runs", "seen"), *args, cwd=folder)
    return rows_of(r.out) if r.code == 0 else r


def sees(what, folder, config, want, *args):
    got = seen(folder, config, *args)
    want = np.stack([np.moveaxis(w, 2, 0).ravel() for w in want]).astype(float)
    same = isinstance(got, np.ndarray) and got.shape == want.shape
    wrong = "" if not same else [
        f"picture {i}: {np.abs(got[i] - want[i]).max():g} off" for i in range(len(want))
        if not np.array_equal(got[i], want[i])]
    check.ok(what, same and not wrong,
             "\n".join(wrong) or str(getattr(got, "err", "") or (got.shape, want.shape)))


def refused(what, folder, config, code, *parts):
    r = run(folder, config, ("plan",))
    check.equal(f"{what}: exit code", r.code, code)
    for part in parts:
        check.within(what, r.err, part)
    return r


def fresh(folder, name="set"):
    place = folder / name
    if place.exists():
        for path in sorted(place.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    place.mkdir(exist_ok=True)
    return place


def fill(folder, files):
    place = fresh(folder)
    for name, data in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return place


def noise(*shape, top=256):
    return random.integers(0, top, shape)


# -------------------------------------------------------------------- PNG, exactly

def png_kinds():
    """name -> (file, RGB [H,W,3], alpha [H,W,1] or None); 9 x 7, bits as stored."""
    h, w = 7, 9
    grey = {d: noise(h, w, 1, top=1 << d) for d in (1, 2, 4, 8)}
    colour, alpha = noise(h, w, 3), noise(h, w, 1)
    palette, clear = noise(16, 3), noise(10)
    index = noise(h, w, 1, top=16)
    keyed = colour.copy()
    keyed[2:4, 3:7] = [9, 200, 31]
    dim = np.where(grey[4] == 5, 0, 255)
    full = np.concatenate([clear, [255] * 6])[index]
    repeat = lambda a: np.repeat(a, 3, 2)
    kinds = {f"grey{d}": (png(a, GREY, d), repeat(a * (255 // ((1 << d) - 1))), None)
             for d, a in grey.items()}
    kinds |= {
        "grey4-trns": (png(grey[4], GREY, 4, clear=b"\0\5"), repeat(grey[4] * 17), dim),
        "rgb": (png(colour), colour, None),
        "rgb-interlaced": (png(colour, interlace=1), colour, None),
        "rgb-trns": (png(keyed, clear=b"\0\x09\0\xc8\0\x1f"), keyed,
                     np.where((keyed == [9, 200, 31]).all(2, keepdims=True), 0, 255)),
        "palette4": (png(index, PALETTE, 4, palette), palette[index[..., 0]], None),
        "palette8-trns": (png(index, PALETTE, 8, palette, bytes(clear.astype(np.uint8))),
                          palette[index[..., 0]], full),
        "grey-alpha": (png(np.concatenate([grey[8], alpha], 2), GREY_ALPHA),
                       repeat(grey[8]), alpha),
        "rgba": (png(np.concatenate([colour, alpha], 2), RGBA), colour, alpha),
        "gamma": (png(colour, extra=chunk(b"gAMA", (45455 // 2).to_bytes(4, "big"))), colour,
                  None),
    }
    return kinds


def test_png(folder):
    kinds = png_kinds()
    names = sorted(kinds, key=lambda n: n + ".png")
    fill(folder, {f"{n}.png": kinds[n][0] for n in names})
    opaque = np.full((7, 9, 1), 255)
    colours = [kinds[n][1] for n in names]
    alphas = [opaque if kinds[n][2] is None else kinds[n][2] for n in names]
    for ground in ([0, 0, 0], [10, 250, 60]):
        flat = [over(c, a, ground) for c, a in zip(colours, alphas)]
        more = {"labels": "none", "background": ground}
        sees(f"PNG on {ground}", folder, experiment(more), flat)
        sees(f"PNG as grey on {ground}", folder, experiment({**more, "channels": 1}),
             [luma(f) for f in flat])
    sees("PNG with alpha", folder, experiment({"labels": "none", "channels": 4}),
         [np.concatenate([c, a], 2) for c, a in zip(colours, alphas)])


def test_depth(folder):
    grey, colour, alpha = (noise(5, 6, n, top=65536) for n in (1, 3, 1))
    files = {"a.png": png(grey, GREY, 16), "b.png": png(colour, RGB, 16),
             "c.png": png(np.concatenate([colour, alpha], 2), RGBA, 16)}
    fill(folder, files)
    source = {"labels": "none", "background": [0, 255, 7]}
    flat = over(colour, alpha, [0, 65535, 7 * 257], 65535)
    sees("16 bits", folder, experiment(source), [np.repeat(grey, 3, 2), colour, flat])
    flat8 = over(colour >> 8, alpha >> 8, [0, 255, 7])
    sees("16 bits as 8", folder, experiment({**source, "depth": 8}),
         [np.repeat(grey >> 8, 3, 2), colour >> 8, flat8])
    eight = noise(5, 6, 1)
    fill(folder, {**files, "d.png": png(eight, GREY)})
    refused("both depths", folder, experiment(source), 3, "8 and of 16 bits", "set `depth`")
    sees("8 bits as 16", folder, experiment({**source, "depth": 16}),
         [np.repeat(grey, 3, 2), colour, flat, np.repeat(eight * 257, 3, 2)])


def test_orientation(folder):
    a = noise(4, 6, 3)
    files = {f"{o}{'b' if big else 'l'}.png": png(a, extra=chunk(b"eXIf", exif(o, big)))
             for o in range(1, 9) for big in (False, True)}
    files["0.png"] = png(a, extra=chunk(b"eXIf", b"II*\0\xff\xff\xff\xff" + bytes(9)))
    files["9.png"] = png(a, behind=chunk(b"eXIf", exif(3)))
    fill(folder, files)
    want = [turned(a, int(n[0]) or 1) if n[0] != "9" else turned(a, 3) for n in sorted(files)]
    wide = {n: w for n, w in zip(sorted(files), want) if w.shape[0] == 4}
    refused("turned to other sizes", folder, experiment({"labels": "none"}), 3,
            "5b.png", "is 4 x 6 (width x height), the pictures before it are 6 x 4", "`size:")
    sees("orientation ignored", folder, experiment({"labels": "none", "exif": "ignore"}),
         [a] * len(files))
    fill(folder, {n: files[n] for n in wide})
    sees("orientation", folder, experiment({"labels": "none"}),
         list(wide.values()))
    fill(folder, {n: f for n, f in files.items() if n not in wide})
    sees("orientation, on its side", folder, experiment({"labels": "none"}),
         [w for n, w in zip(sorted(files), want) if n not in wide])


# ------------------------------------------------------------------- as Pillow has it

def pillow(folder):
    if Image is None:
        print("SKIP: Pillow is not installed: JPEG, WebP and resampling are not compared")
    return Image is not None


def saved(image, form, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def smooth(h, w, c=3):
    """A picture that compresses, with edges."""
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([128 + 90 * np.sin(x / 3.1 + k) * np.cos(y / (2.0 + k)) for k in range(c)], 2)
    a[h // 3:h // 2, w // 4:w // 2] = np.arange(c) * 60
    return np.clip(a + random.normal(0, 6, a.shape), 0, 255).astype(np.uint8)


def built_in(form):
    """Is that format in this runner? doctor lists it."""
    line = re.search(rf"^ +source/images +{form} +(.*)$", runner("doctor").out, re.M)
    return bool(line) and "not built in" not in line[1]


def test_jpeg(folder):
    if not pillow(folder) or not built_in("JPEG"):
        return
    rgb = Image.fromarray(smooth(37, 53))
    files = {"420.jpg": saved(rgb, "JPEG", subsampling=2, quality=80),
             "422.jpg": saved(rgb, "JPEG", subsampling=1, quality=90),
             "444.JPEG": saved(rgb, "JPEG", subsampling=0, quality=70),
             "cmyk.jpg": saved(Image.fromarray(smooth(37, 53, 4), "CMYK"), "JPEG", quality=85),
             "grey.jpg": saved(rgb.convert("L"), "JPEG"),
             "progressive.jpe": saved(rgb, "JPEG", progressive=True, quality=60)}
    fill(folder, files)
    want = [np.asarray(Image.open(io.BytesIO(files[n])).convert("RGB")) for n in sorted(files)]
    sees("JPEG", folder, experiment({"labels": "none"}), want)
    app1 = b"Exif\0\0" + exif(6, True)
    data = saved(rgb, "JPEG", exif=app1)
    fill(folder, {"a.jpg": data})
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    check.equal("Pillow turned it", upright.shape, (53, 37, 3))
    sees("JPEG on its side", folder, experiment({"labels": "none"}), [upright])


def test_webp(folder):
    if not pillow(folder) or not built_in("WebP"):
        return
    rgb, alpha = smooth(21, 26), smooth(21, 26, 1)
    rgba = Image.fromarray(np.concatenate([rgb, alpha], 2), "RGBA")
    rgb = Image.fromarray(rgb)
    files = {"a-lossy.webp": saved(rgb, "WEBP", quality=80),
             "b-lossless.webp": saved(rgb, "WEBP", lossless=True),
             "c-alpha.webp": saved(rgba, "WEBP", quality=60),
             "d-lossless-alpha.webp": saved(rgba, "WEBP", lossless=True),
             "e-exif.webp": saved(rgb, "WEBP", quality=50, exif=b"Exif\0\0" + exif(3))}
    fill(folder, files)
    want = [np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(files[n]))).convert("RGBA"))
            for n in sorted(files)]
    sees("WebP", folder, experiment({"labels": "none", "channels": 4}), want)


def resized(image, form, size, resample, ground):
    h, w = size
    if form == "crop":
        return ImageOps.fit(image, (w, h), resample)
    if form == "pad":
        return ImageOps.pad(image, (w, h), resample, color=ground)
    return image.resize((w, h), resample)


def test_resample(folder):
    if not pillow(folder):
        return
    if int(PIL.__version__.split(".")[0]) > 11:  # rows first, where that is less work
        print("SKIP: resampling is compared with Pillow 9 to 11, which resize columns first")
        return
    shapes = [(40, 60), (60, 40), (7, 90), (9, 9), (12, 16), (128, 33), (1, 1), (16, 5)]
    pictures = [smooth(h, w) for h, w in shapes]
    files = {f"{i}.png": png(p) for i, p in enumerate(pictures)}
    fill(folder, files)
    for size in ([12, 16], [20, 11]):
        for fit in ("fill", "crop", "pad"):
            for name, how in (("bilinear", 2), ("bicubic", 3)):
                ground = (200, 10, 30) if fit == "pad" else (0, 0, 0)
                want = [np.asarray(resized(Image.fromarray(p), fit, size, how, ground))
                        for p in pictures]
                source = {"labels": "none", "size": size, "fit": fit, "resample": name,
                          "background": list(ground)}
                sees(f"{fit} to {size}, {name}", folder, experiment(source), want)
    grey = [np.asarray(Image.fromarray(p).convert("L").resize((10, 10), 3))[..., None]
            for p in pictures]
    sees("grey", folder, experiment({"labels": "none", "size": 10, "channels": 1,
                                     "resample": "bicubic"}), grey)
    # with alpha: transparent pixels lend no colour to their neighbours
    clear = [np.concatenate([p, np.where(smooth(*p.shape[:2], 1) > 150, 255,
                                         smooth(*p.shape[:2], 1))], 2) for p in pictures]
    fill(folder, {f"{i}.png": png(p, RGBA) for i, p in enumerate(clear)})
    want = [np.asarray(Image.fromarray(p.astype(np.uint8), "RGBA").resize((13, 10), 2))
            for p in clear]
    sees("alpha", folder, experiment({"labels": "none", "size": [10, 13], "channels": 4}), want)
    refused("fit: error", folder, experiment({"labels": "none", "size": [12, 16],
                                              "fit": "error"}), 3, "0.png", "is 60 x 40")


# --------------------------------------------------------------------------- labels

def dot(value, **more):
    """A picture of one grey pixel."""
    return png(np.full((1, 1, 1), value), GREY, **more)


def labelled(what, folder, source, count, *parts, value=0.0):
    """Every picture is one pixel, as bright as the number of its label; `count` rows."""
    config = experiment(source)
    test = config["data"].pop("source")
    config["data"] |= {"train": test, "test": test}
    config["metrics"] = {"off": {"type": "mae", "in": {"prediction": "model.seen.out",
                                                       "target": "data.label"}}}
    config["data"]["transforms"].append({"type": "scale", "of": "label", "factor": 1})
    r = run(folder, config)
    check.equal(f"{what}: exit code", r.code, 0) or print(r.err)
    check.equal(f"{what}: labels", r.value("test/off"), value)
    check.within(f"{what}: pictures", r.err, f": {count} pictures")
    for part in parts:
        check.within(what, r.err, part)


def test_folders(folder):
    # 10 after 9: integers are sorted as such
    files = {f"{k}/x/{i}.png": dot(k) for k in range(12) for i in range(2)}
    labelled("integers", fill(folder, files).parent, {}, 24, "in 12 classes")
    names = {"ant": 0, "bee": 1, "dog": 2}
    files = {f"{n}/{i}.PNG": dot(k) for n, k in names.items() for i in range(3)}
    files |= {".cache/a.png": b"", "ant/.b.png": b"", "ant/Thumbs.db": b"", "notes.txt": b"x"}
    fill(folder, files)
    labelled("names", folder, {}, 9, "in 3 classes", "2 hidden ignored",
             "2 other files ignored")
    labelled("classes in an order", folder, {"classes": ["dog", "ant", "bee"]}, 9, value=1.33333)
    refused("a class that is not listed", folder, experiment({"classes": ["ant", "bee"]}), 3,
            "set/dog/0.PNG", "its class 'dog' is not one of `classes`")
    refused("listed twice", folder, experiment({"classes": ["ant", "bee", "ant"]}), 2,
            "'ant' is listed twice")
    (folder / "set/loose.png").write_bytes(dot(1))
    refused("not in a folder", folder, experiment({}), 3, "set/loose.png",
            "is not in a folder that names its class", "labels: none")
    fill(folder, {"readme.txt": b"hello"})
    refused("no pictures", folder, experiment({}), 3, "holds no picture", "readme.txt does not")
    refused("no folder", folder, experiment({"files": "nowhere"}), 3, "nowhere")
    fill(folder, {"a/1.png": dot(0), "b/1.png": dot(1)})
    for what, source, code, part in (
            ("size", {"size": [1, 2, 3]}, 2, "expects [height, width]"),
            ("two channels", {"channels": 2}, 2, "pictures of 2 channels are not made"),
            ("depth", {"depth": 12}, 2, "expects 8 or 16"),
            ("a table, and folders", {"table": "t.csv", "labels": "folder"}, 2,
             "is not read with `labels: folder`"),
            ("classes of numbers", {"classes": ["a"], "label_type": "float"}, 2,
             "has no meaning with `label_type: float`"),
            ("background", {"background": [1, 2]}, 2, "expects [red, green, blue]")):
        refused(what, folder, experiment(source), code, part)


def test_links(folder):
    place = fill(folder, {"a/1.png": dot(0), "b/1.png": dot(1)})
    (place / "b/2.png").symlink_to("1.png")
    labelled("a link to a file", folder, {}, 3)
    (place / "c").symlink_to("a")
    refused("a link to a folder", folder, experiment({}), 3, "set/c", "which is not followed")
    (place / "c").unlink()
    (place / "b/3.png").symlink_to("nothing")
    refused("a link to nothing", folder, experiment({}), 3, "3.png", "link to nothing")


def test_table(folder):
    fill(folder, {f"deep/{i}.png": dot(i) for i in range(4)})

    def table(text):
        (folder / "t.csv").write_text(text)
    table("label,file\nc2,deep/2.png\nc0,./deep/0.png\nc1,deep/1.png\nc1,deep/1.png\n")
    labelled("a table", folder, {"table": "t.csv"}, 4, "in 3 classes")
    table("id,age\ndeep/3.png,3.0\ndeep/0.png,0\n")
    columns = {"table": "t.csv", "file_column": "id", "label_column": "age"}
    labelled("numbers", folder, {**columns, "label_type": "float"}, 2)
    table("id,age\ndeep/3.png,old\n")
    refused("not a number", folder, experiment({**columns, "label_type": "float"}), 3,
            "deep/3.png", "its label 'old' is not a number")
    refused("no such column", folder, experiment({"table": "t.csv"}), 3, "t.csv",
            "there is no column 'file'", "`file_column`")
    table("file,label\ndeep/0.png,a\ndeep/9.png,b\n")
    refused("no such picture", folder, experiment({"table": "t.csv"}), 3, "t.csv:3:1:",
            "there is no picture 'deep/9.png'")
    table("file,label\ndeep/0.png,\n")
    refused("no label", folder, experiment({"table": "t.csv"}), 3, "t.csv:2:12:",
            "the label of 'deep/0.png' is missing")


def test_keys(folder):
    files = {}
    for i in range(12):
        files |= {f"s{i:02}.png": dot(i), f"s{i:02}.cls": f"{i}\n".encode(),
                  f"s{i:02}.txt": b"a caption"}
    fill(folder, files)
    labelled("keys", folder, {}, 12, "in 12 classes")
    pairs = {"a.in.png": dot(1), "a.mask.png": dot(9), "a.json": b'{"x": [1, {"label": 5}], "label": 1}',
             "b.in.png": dot(0), "b.json": b' {"label" :"0", "s": "\\"}'}
    fill(folder, pairs)
    labelled("json", folder, {"labels": "key", "picture": "in.png"}, 2)
    refused("two pictures", folder, experiment({"labels": "key"}), 3, "set/a.in.png",
            "its key has 2 pictures", "`picture: input.png`")
    for text, part in ((b"", "is empty"), (b"[1]", "not a JSON object"),
                       (b'{"a": 1', "not an intact"), (b'{"a": 1}', "does not have"),
                       (b'{"label": [1]}', "not a number or text"),
                       (b'{"label": "a\\n"}', "escaped"), (b'{"a": ' + b"[" * 9999, "not an intact")):
        fill(folder, {"a.png": dot(0), "a.json": text})
        refused(f"json {text[:20]}", folder, experiment({"labels": "key"}), 3, "set/a.json", part)
    fill(folder, {"a.png": dot(0), "a.cls": b"0", "b.png": dot(0)})
    refused("no label", folder, experiment({}), 3, "set/b.png", "its key has no label")
    fill(folder, {"a.png": dot(0), "a.cls": b"0", "b.cls": b"0"})
    refused("no picture", folder, experiment({}), 3, "set/b.cls", "its key has no picture")


# ---------------------------------------------------------------------- bad pictures

def bad_files():
    """name -> (bytes, part of the message)."""
    good = png(noise(30, 30, 3))
    pixels = good.index(b"IDAT")
    broken = bytearray(good)
    broken[pixels + 40] ^= 1
    checksum = bytearray(good)
    checksum[-14] ^= 1
    swapped = png(noise(3, 3, 3), extra=chunk(b"tEXt", b"a\0b")[:-1] + b"\0")
    return {
        "empty": (b"", "is empty"), "text": (b"not a picture at all", "not a picture in a known"),
        "gif": (b"GIF89a" + bytes(20), "GIF picture"), "html": (b"<html>", "an HTML page"),
        "cut-signature": (good[:5], "not a picture"), "cut-header": (good[:20], "intact PNG file"),
        "cut-pixels": (good[:pixels + 300], "intact PNG file: byte "),
        "cut-end": (good[:-12], "intact PNG file"), "cut-checksum": (good[:-2], "intact PNG file"),
        "crc": (bytes(checksum), "CRC error"), "data": (bytes(broken), "intact PNG file: byte "), "crc-text": (swapped, "CRC error"),
        "zero": (header(0, 5), "intact PNG file"),
        "short": (header(9, 9) + chunk(b"IDAT", b"x\x9c\x03\0\0\0\0\1") + chunk(b"IEND", b""),
                  "intact PNG file"),
        "huge": (header(60000, 60000) + chunk(b"IDAT", b"x\x9c"), "has 60000 x 60000 pixels"),
        "long": (header(2 ** 31 - 1, 1) + chunk(b"IDAT", b"x\x9c"), "pixels"),
        "wide": (header(3000000, 1) + chunk(b"IDAT", b"x\x9c"), "a side of at most"),
    }


def bad_jpegs():
    data = saved(Image.fromarray(smooth(64, 64)), "JPEG", progressive=True)
    base = saved(Image.fromarray(smooth(64, 64)), "JPEG")
    size = base.index(b"\xff\xc0") + 5
    return {"jpeg-cut": (base[:len(base) // 2], "intact JPEG file: byte "),
            "jpeg-end": (base[:-2], "intact JPEG file"), "jpeg-head": (base[:30], "intact JPEG"),
            "jpeg-huge": (base[:size] + b"\xfd\xe8\xfd\xe8" + base[size + 4:], "65000 x 65000"),
            "jpeg-zero": (base[:size] + b"\0\0\0\0" + base[size + 4:], "intact JPEG"),
            "jpeg-tables": (base[:20] + bytes(200) + base[220:], "intact JPEG"),
            "jpeg-progressive": (data[:len(data) * 3 // 4], "intact JPEG")}


def bad_webps():
    lossy = saved(Image.fromarray(smooth(64, 64)), "WEBP")
    exact = bytearray(saved(Image.fromarray(smooth(64, 64)), "WEBP", lossless=True))
    exact[60:200] = bytes(140)
    frames = [Image.fromarray(smooth(8, 8)) for _ in range(2)]
    moving = io.BytesIO()
    frames[0].save(moving, "WEBP", save_all=True, append_images=frames[1:])
    return {"webp-cut": (lossy[:-50], "cut short at byte "), "webp-head": (lossy[:14], "cut short"),
            "webp-damaged": (bytes(exact), "intact WebP"),
            "webp-moving": (moving.getvalue(), "is an animation")}


def test_bad(folder):
    cases = bad_files()
    if Image and built_in("JPEG"):
        cases |= bad_jpegs()
    if Image and built_in("WebP"):
        cases |= bad_webps()
    for name, (data, part) in cases.items():
        fill(folder, {f"a/{name}.png": data})
        refused(name, folder, experiment({"size": 8}), 3, f"set/a/{name}.png", part)
    # with the rest: counted and named, or the run stops
    good = {f"b/{i}.png": png(noise(4, 4, 3)) for i in range(6)}
    fill(folder, good | {f"a/{n}.png": d for n, (d, _) in cases.items()})
    refused("one of many", folder, experiment({"size": 8}), 3, "set/a/")
    r = run(folder, experiment({"size": 8, "on_bad": "skip", "labels": "none"}))
    check.equal("skipped: exit code", r.code, 0) or print(r.err)
    check.within("skipped: how many", r.err,
                 f"{len(cases)} of {len(cases) + 6} pictures are bad and were skipped")
    check.within("skipped: which", r.err, "set/a/crc-text.png: is not an intact PNG file")
    got = seen(folder, experiment({"size": 8, "on_bad": "skip", "labels": "none"}))
    check.equal("skipped: the rest", getattr(got, "shape", got), (6, 192))
    fill(folder, {"a/1.png": b"x"})
    refused("all bad", folder, experiment({"size": 8, "on_bad": "skip"}), 3,
            "holds no picture that can be read")
    fill(folder, {"a/1.png": png(noise(40, 50, 1), GREY)})
    refused("max_pixels", folder, experiment({"max_pixels": 1999}), 3, "more than the 1999")
    check.equal("max_pixels, just", run(folder, experiment({"max_pixels": 2000}), ("plan",)).code, 0)


# ------------------------------------------------------------------------- archives

def zstd(data):
    """A frame of stored blocks (RFC 8878)."""
    out = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", len(data))
    for at in range(0, len(data), 1 << 16):
        part = data[at:at + (1 << 16)]
        out += struct.pack("<I", (at + len(part) == len(data)) | len(part) << 3)[:3] + part
    return out


def tar(files, links=(), form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as t:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            t.addfile(entry, io.BytesIO(data))
        for name, to in links:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.LNKTYPE, to
            t.addfile(entry)
    return out.getvalue()


def zipped(files, how=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as z:
        for name, data in files.items():
            z.writestr(name, data)
    return out.getvalue()


def no_archives():
    if not built_in("archives"):
        print("SKIP: this runner was built without libarchive")
    return not built_in("archives")


def test_archives(folder):
    if no_archives():
        return
    files = {f"set/{k}/{i}.png": dot(k) for k in range(3) for i in range(3)}
    files |= {"set/.hidden.png": b"", "__MACOSX/set/0/._1.png": b"", "set/read.me": b"x"}
    plain = tar(files)
    forms = {"a.tar": plain, "gnu.tar": tar(files, form=tarfile.GNU_FORMAT),
             "ustar.tar": tar(files, form=tarfile.USTAR_FORMAT), "a.tar.gz": gzip.compress(plain),
             "a.tar.zst": zstd(plain), "a.tar.xz": lzma.compress(plain),
             "a.tar.bz2": bz2.compress(plain), "a.zip": zipped(files),
             "stored.zip": zipped(files, zipfile.ZIP_STORED), "no-ending": plain,
             "dots.tar": tar({"./" + n: d for n, d in files.items()})}
    for name, data in forms.items():
        (folder / name).write_bytes(data)
        labelled(name, folder, {"files": name}, 9, "in 3 classes", "2 hidden ignored")
    linked = tar({"0/a.png": dot(0), "1/a.png": dot(1)},
                 [("0/b.png", "0/a.png"), ("1/b.png", "1/a.png"), ("1/c.png", "1/b.png")])
    (folder / "links.tar").write_bytes(linked)
    labelled("hard links", folder, {"files": "links.tar"}, 5)
    (folder / "links.tar").write_bytes(tar({"0/a.png": dot(0)}, [("0/b.png", "0/z.png")]))
    refused("a hard link to nothing", folder, experiment({"files": "links.tar"}), 3, "links.tar",
            "member '0/b.png' is a hard link to '0/z.png', which is not among")
    (folder / "links.tar").write_bytes(tar({"0/a.png": dot(0)}, [("0/b.png", "0/c.png"),
                                                                ("0/c.png", "0/b.png")]))
    refused("hard links in a circle", folder, experiment({"files": "links.tar"}), 3, "links.tar")
    (folder / "twice.tar").write_bytes(plain[:-10240 % 512 - 1024] + tar({"set/0/0.png": dot(2)}))
    twice = io.BytesIO()
    with tarfile.open(fileobj=twice, mode="w") as t:
        for value in (0, 1):
            entry = tarfile.TarInfo("0/a.png")
            entry.size = len(dot(value))
            t.addfile(entry, io.BytesIO(dot(value)))
    (folder / "twice.tar").write_bytes(twice.getvalue())
    refused("one name twice", folder, experiment({"files": "twice.tar"}), 3, "twice.tar",
            "has two members named '0/a.png'")


def test_shards(folder):
    if no_archives():
        return
    for shard in range(12):
        files = {}
        for i in range(3):
            key = f"sub/{shard:02}-{i}"
            files |= {f"{key}.cls": str(shard % 4).encode(), f"{key}.png": dot(shard % 4),
                      f"{key}.json": b"{}"}
        (folder / f"train-{shard:03}.tar").write_bytes(tar(files))
    labelled("a range", folder, {"files": "train-{000..011}.tar"}, 36, "in 4 classes")
    labelled("a list", folder, {"files": "train-{002,001,003,000}.tar"}, 12)
    labelled("a pattern", folder, {"files": "train-00[0-3].tar"}, 12)
    refused("a shard is missing", folder, experiment({"files": "train-{000..012}.tar"}), 3,
            "train-012.tar", "cannot be opened")
    refused("no match", folder, experiment({"files": "val-*.tar"}), 3, "val-*.tar",
            "matches no file or folder")
    refused("no range", folder, experiment({"files": "train-{a..c}.tar"}), 3, "is not a range")
    # the order is that of the shards, then that of the names
    values = [noise(1, 1, 1) for _ in range(6)]
    for shard, names in enumerate((["b", "a", "c"], ["c", "b", "a"])):
        (folder / f"o{shard}.tar").write_bytes(tar(
            {f"{n}.png": png(values[3 * shard + "abc".index(n)], GREY) for n in names}))
    sees("order", folder, experiment({"files": "o{0,1}.tar", "labels": "none"}), values)
    sees("order of a list", folder, experiment({"files": "o{1,0}.tar", "labels": "none"}),
         values[3:] + values[:3])


def test_damaged_archives(folder):
    if no_archives():
        return
    files = {f"{i % 2}/{i}.png": png(noise(20, 20, 3)) for i in range(5)}
    plain = tar(files)
    end = plain.rindex(b"\x82") + 1  # IEND's checksum ends the last member
    end += -end % 512
    for name, data, cuts in (
            ("t.tar", plain, [1, 100, 511, 512, 700, 1024, end - 600, end - 512, end - 100, end]),
            ("t.tar.gz", gzip.compress(plain), [1, 5, 12, 500, 3000, -9, -1]),
            ("t.tar.zst", zstd(plain), [3, 10, 500, 3000, -600]),
            ("t.zip", zipped(files), [1, 30, 500, 3000, -200, -30, -1]),
            ("t.tar.xz", lzma.compress(plain), [5, 500, -20])):
        for cut in cuts:
            (folder / name).write_bytes(data[:cut])
            refused(f"{name} cut at {cut}", folder, experiment({"files": name}), 3, name)
    data = bytearray(zipped(files, zipfile.ZIP_STORED))
    data[data.index(b"IDAT") + 20] ^= 1
    (folder / "t.zip").write_bytes(data)
    refused("zip: checksum", folder, experiment({"files": "t.zip"}), 3, "t.zip", "0/0.png", "byte ")
    data = bytearray(plain)
    data[150] ^= 1
    (folder / "t.tar").write_bytes(data)
    refused("tar: checksum of a header", folder, experiment({"files": "t.tar"}), 3, "t.tar", "byte ")
    second = plain.index(b"1/1.png")
    data = bytearray(plain)
    data[second + 150] ^= 1
    (folder / "t.tar").write_bytes(data)
    refused("tar: checksum of the second", folder, experiment({"files": "t.tar"}), 3, "t.tar",
            "is damaged behind member '0/0.png': byte ")
    at = plain.index(b"IDAT") + 9
    data = bytearray(plain)
    data[at] ^= 8
    (folder / "t.tar").write_bytes(data)
    refused("a damaged picture", folder, experiment({"files": "t.tar"}), 3, "t.tar!0/0.png",
            "is not an intact PNG file: byte ")
    (folder / "t.tar").write_bytes(b"this is no archive at all" * 100)
    refused("no archive", folder, experiment({"files": "t.tar"}), 3, "t.tar",
            "is not an archive that can be read")
    # expands to a gigabyte: refused at the bound
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as z, z.open("0/a.png", "w") as f:
        for _ in range(256):
            f.write(bytes(1 << 20))
    (folder / "t.zip").write_bytes(bomb.getvalue())
    refused("a bomb", folder, experiment({"files": "t.zip", "memory": 64}), 3, "t.zip",
            "more than the 64 MiB")


def test_workers(folder):
    """Any number of threads reads the same pictures."""
    shapes = [(9 + i % 7, 11 + i % 5) for i in range(40)]
    fill(folder, {f"{i % 2}/{i}.png": png(noise(h, w, 3)) for i, (h, w) in enumerate(shapes)})
    split = {}
    for workers in (0, 1, 4):
        config = experiment({"size": 8})
        config["data"] |= {"workers": workers, "batch": 3}
        got = seen(folder, config)
        split[workers] = got.tobytes() if isinstance(got, np.ndarray) else got
    check.ok("workers", split[0] == split[1] == split[4])
    doctor = runner("doctor", "--json")
    check.within("doctor", doctor.out, '"feature": "PNG"')


TESTS = (test_workers, test_archives, test_shards, test_damaged_archives, test_folders, test_links, test_table, test_keys, test_bad, test_png, test_depth, test_orientation, test_jpeg, test_webp, test_resample)


def test_missing(folder):
    """Formats and archives that are not built in are named."""
    for form, name, data, package in (
            ("PNG", "a.png", dot(0), "libpng-dev"), ("JPEG", "a.jpg", b"\xff\xd8\xff\xe0", "libjpeg-dev"),
            ("WebP", "a.webp", b"RIFF....WEBPVP8 ", "libwebp-dev")):
        if not built_in(form):
            fill(folder, {name: data})
            refused(f"no {form}", folder, experiment({"labels": "none"}), 4, f"set/{name}",
                    f"is a {form} picture, and this runner was built without", package)
    if not built_in("archives"):
        (folder / "a.tar").write_bytes(tar({"a.png": dot(0)}))
        refused("no archives", folder, experiment({"files": "a.tar"}), 4, "a.tar",
                "built without support for archives", "libarchive-dev")


def main():
    tests = TESTS
    if not built_in("PNG"):
        print("SKIP: this runner was built without libpng, which most pictures here need")
        tests = ()
    for test in (test_missing, *tests):
        with Scratch() as folder:
            test(folder)
    check.done()


main()
