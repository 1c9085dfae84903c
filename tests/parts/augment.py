# SPDX-License-Identifier: Apache-2.0
"""Augmenters by themselves: pixels against torchvision's with the same draws
(augment_golden.py); a sample's change is its own; masks and boxes move with the image.

    augment.py RUNNER AUGMENT_HOST PLUGINS"""
import base64
import hashlib
import json
import pathlib
import sys
import zlib

import numpy as np
from augment_cases import CASES, Draws, Host, picture

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Checks, Scratch  # noqa: E402

GOLDEN = json.loads(pathlib.Path(__file__).with_name("augment_golden.json").read_text())
# A pixel's centre that a shear maps onto the border of two is either's: of 60 rows.
ROWS_OFF = {"auto_augment svhn 3x14x17": 1, "auto_augment svhn 1x14x17 grey": 1}


def against_torchvision(c, host):
    for case in CASES:
        if not host.there(case.plugin):
            print(f"not in this tree: {case.plugin}")
            continue
        got, logs = host.run(case.plugin, case.options, case.fields, case.ids)
        if not c.ok(f"{case.name}: runs", logs is not None, got):
            continue
        want = GOLDEN[case.name]
        c.equal(f"{case.name}: the draws", hashlib.sha256(repr(logs).encode()).hexdigest(),
                want["draws"])
        x = got["image"]
        if not case.whole:
            off = sum(hashlib.sha256(v.tobytes()).hexdigest()[:16] != w
                      for v, w in zip(x, want["rows"]))
            c.ok(f"{case.name}: rows", off <= ROWS_OFF.get(case.name, 0),
                 f"  {off} of {len(x)} differ")
            continue
        y = np.frombuffer(zlib.decompress(base64.b64decode(want["pixels"])), x.dtype)
        far = np.abs(x.astype(np.float64) - y.reshape(x.shape))
        if case.dtype == "f32":
            c.ok(f"{case.name}: pixels", far.max() <= case.far, f"  off by {far.max():g}")
        else:
            c.ok(f"{case.name}: pixels", far.max() <= (1 if case.off else 0) and
                 np.mean(far > 0) <= case.off,
                 f"  {np.mean(far > 0):g} of them differ, by at most {far.max():g}")


# Every augmenter of images, with options that change most samples.
IMAGES = {"flip": {}, "crop": {}, "erase": {}, "rotate": {}, "color_jitter":
          {"brightness": 0.4, "hue": 0.1}, "grayscale": {}, "solarize": {}, "posterize": {},
          "equalize": {}, "autocontrast": {}, "invert": {}, "sharpness": {},
          "gaussian_blur": {}, "rot90": {}, "resized_crop": {}, "affine":
          {"degrees": 30, "translate": 0.2}, "perspective": {}, "elastic": {"sigma": 1.0},
          "gaussian_noise": {}, "salt_pepper": {}, "jpeg": {}, "channel_shuffle": {},
          "channel_drop": {}, "grid_mask": {}, "rand_augment": {}, "trivial_augment": {},
          "auto_augment": {}, "aug_mix": {}}


def a_sample_is_its_own(c, host):
    """Its change depends on (epoch, sample) and not on the rows around it."""
    x = picture((3, 16, 16), rows=8)
    for name, options in IMAGES.items():
        if not host.there(name):
            continue
        options = {"p": 0.6} | options
        whole, _ = host.run(name, options, {"image": x}, range(8))
        if not c.ok(f"{name}: runs", isinstance(whole, dict), whole):
            continue
        some = [6, 1, 3]
        part, _ = host.run(name, options, {"image": x[some]}, some)
        c.ok(f"{name}: rows in another order",
             np.array_equal(part["image"], whole["image"][some]))
        again, _ = host.run(name, options, {"image": x}, range(8), epoch=4)
        c.ok(f"{name}: another epoch is another change",
             not np.array_equal(again["image"], whole["image"]))
        still, _ = host.run(name, options | {"p": 0}, {"image": x}, range(8))
        c.ok(f"{name}: p 0 changes nothing", np.array_equal(still["image"], x))
        moved = [not np.array_equal(a, b) for a, b in zip(whole["image"], x)]
        c.ok(f"{name}: some rows change", any(moved))


def shares(c, host):
    """p is the share of rows that change."""
    x = picture((1, 4, 4), rows=2000)
    got, logs = host.run("invert", {"p": 0.3}, {"image": x}, range(2000))
    share = np.mean([not np.array_equal(a, b) for a, b in zip(got["image"], x)])
    c.close("invert: the share of p 0.3", share, 0.3, 0.04)
    c.close("invert: the draws that are logged", np.mean([bool(r) for r in logs]), share, 0)


EXACT = ("rot90", "flip", "crop")
MOVES = {"rot90": {}, "flip": {}, "crop": {"padding": 5}, "rotate": {"degrees": 20,
         "nearest": "image"}, "resized_crop": {}, "affine": {"degrees": 25, "translate": 0.1,
         "scale": [0.8, 1.2]}, "perspective": {"p": 1, "distortion": 0.3}}


def boxes_of(mask):
    """The smallest box around each class of a mask, or 0 0 0 0."""
    out = np.zeros((3, 4), np.float32)
    for k in range(3):
        y, x = np.nonzero(mask == k + 1)
        if len(y):
            out[k] = x.min(), y.min(), x.max() + 1, y.max() + 1
    return out


def together(c, host):
    """A mask of three rectangles and their boxes move with the image: the boxes hold the
    moved rectangles to a pixel, and after a flip, a shift and a quarter turn are exact."""
    rows, n = 12, 24
    mask = np.zeros((rows, n, n), np.int32)
    mask[:, 3:9, 2:12], mask[:, 12:20, 4:9], mask[:, 11:22, 15:23] = 1, 2, 3
    image = (mask * 80).astype(np.uint8)
    boxes = np.stack([boxes_of(m) for m in mask])
    for name, options in MOVES.items():
        if not host.there(name):
            continue
        fields = {"image": image, "mask": mask, "boxes": boxes}
        if name not in EXACT + ("rotate",):
            options = options | {"interpolation": "nearest"}
        got, logs = host.run(name, options | {"boxes.0": "boxes"}, fields, range(rows))
        if not c.ok(f"{name}: runs", logs is not None, got):
            continue
        c.ok(f"{name}: image and mask move alike",
             np.array_equal(got["image"], got["mask"] * 80))
        tight = np.stack([boxes_of(m) for m in got["mask"]])
        if name in EXACT:
            c.ok(f"{name}: boxes are exact", np.array_equal(tight, got["boxes"]),
                 f"{tight[0]} {got['boxes'][0]}")
        there = tight[..., 2] > 0
        low = np.all(got["boxes"][..., :2] <= tight[..., :2] + 1, -1)
        high = np.all(got["boxes"][..., 2:] >= tight[..., 2:] - 1, -1)
        c.ok(f"{name}: boxes hold what they held", np.all((low & high)[there]))
        c.ok(f"{name}: boxes are inside", got["boxes"].min() >= 0 and got["boxes"].max() <= n)
        c.ok(f"{name}: boxes move", not np.array_equal(got["boxes"], boxes))
    if host.there("resized_crop"):
        far = np.tile(np.array([[[0, 0, 2, 2], [5, 5, 5, 9]]], np.float32), (40, 1, 1))
        x = picture((1, n, n), rows=40)
        got, _ = host.run("resized_crop", {"boxes": "b", "scale": [0.1, 0.3]},
                          {"image": x, "b": far}, range(40))
        empty = np.all(got["b"] == 0, -1)
        c.ok("a box that is cut away is 0 0 0 0", empty[:, 0].sum() > 20, empty)
        c.ok("an empty box is 0 0 0 0", empty[:, 1].all())


def refused(c, host):
    x, boxes = picture((3, 12, 10)), np.zeros((1, 2, 4), np.float32)
    i64, two = x.astype(np.int64), picture((2, 12, 10))
    for name, options, fields, text in (
            ("affine", {"boxes": "b"}, {"image": x}, "boxes.0: 'b' is not one of the fields"),
            ("affine", {"boxes": "image"}, {"image": x}, "does not hold boxes"),
            ("affine", {"boxes": "b"}, {"b": boxes}, "none of the fields is an image"),
            ("affine", {"scale": [2, 1]}, {"image": x}, "scale: expects one number, or the"),
            ("affine", {"shear": [1, 2, 3]}, {"image": x}, "shear: expects 1, 2 or 4"),
            ("affine", {}, {"image": x, "mask": x[:, :, :5]}, "fields that change together"),
            ("affine", {"fill": 300}, {"image": x}, "300 is not a value that pixels of u8"),
            ("rot90", {}, {"image": x}, "12 x 10 cannot be turned by 90 degrees"),
            ("equalize", {}, {"image": i64}, "holds i64"),
            ("color_jitter", {}, {"image": two}, "has 2 channels; colours are 1 or 3"),
            ("color_jitter", {"hue": [0.3, 0.1]}, {"image": x}, "hue: expects one number"),
            ("gaussian_blur", {"kernel": 4}, {"image": x}, "kernel: must be odd"),
            ("gaussian_blur", {"kernel": 21}, {"image": x}, "half of it must be smaller"),
            ("elastic", {}, {"image": x}, "sigma: four times it must be smaller"),
            ("rand_augment", {"magnitude": 31}, {"image": x}, "must be one of 31 bins"),
            ("channel_drop", {"count": 3}, {"image": x}, "leaves none of 3 channels"),
            ("solarize", {}, {"image": np.zeros((1, 5), np.float32)}, "is not an image")):
        if host.there(name):
            error, logs = host.run(name, options, fields, [0])
            c.ok(f"{name} {options}: refused", logs is None)
            c.within(f"{name} {options}", str(error), text)


# ------------------------------------------------------- numbers, series, spectrograms

def drawn(row, p=1.0):
    """The draws of a row after the one that decides whether it changes."""
    d = Draws(row)
    return d if d.uniform() < p else None


def moved(x, at):
    """Series x [T, ...] at the places `at`, linear between steps."""
    at = np.maximum(at, 0)
    low = np.minimum(at.astype(int), len(x) - 1)
    high = np.minimum(low + 1, len(x) - 1)
    share = (at - low).reshape((-1,) + (1,) * (x.ndim - 1))
    a, b = x[low].astype(np.float64), x[high].astype(np.float64)
    return (a + share * (b - a)).astype(np.float32)


def noise(d, x):
    sigma = np.float32(d.between(0.1, 0.3))
    return x + sigma * d.normals(x.size).reshape(x.shape)


def mask(d, x):
    hidden = np.array([d.uniform() < 0.3 for _ in range(x.size)]).reshape(x.shape)
    return np.where(hidden, np.float32(7), x)


def series_scale(d, x):
    return x * np.array([np.float32(1) + np.float32(0.2) * d.normal()
                         for _ in range(x.shape[1])])


def time_warp(d, x):
    """Speeds at 3 places and both ends, linear between them; the path is their sum."""
    speed = np.array([max(1 + 0.5 * float(d.normal()), 0.1) for _ in range(5)])
    t = np.arange(len(x)) / (len(x) - 1) * 4
    v = np.interp(t, np.arange(5), speed)
    path = np.concatenate([[0], np.cumsum(v)[:-1]])
    return moved(x, path * ((len(x) - 1) / path[-1]))


def window_slice(d, x):
    length = int(np.round(d.between(0.5, 0.8) * len(x)))
    start = d.below(len(x) - length + 1)
    return moved(x, start + np.arange(len(x)) * ((length - 1) / (len(x) - 1)))


def spec_augment(d, x):
    """[F, T]: SpecAugment's masks, f in [0, F], f0 in [0, n - f]; at most half the steps."""
    x = x.copy()
    for n, most, many, axis in ((x.shape[0], 5, 2, 0), (x.shape[1], x.shape[1] // 2, 3, 1)):
        for _ in range(many):
            width = d.below(most + 1)
            start = d.below(n - width + 1)
            np.moveaxis(x, axis, 0)[start:start + width] = -1
    return x


NUMBERS = {"noise": (noise, {"sigma": [0.1, 0.3]}),
           "mask": (mask, {"share": 0.3, "value": 7}),
           "series_scale": (series_scale, {"sigma": 0.2}),
           "time_warp": (time_warp, {"sigma": 0.5, "knots": 3}),
           "window_slice": (window_slice, {"ratio": [0.5, 0.8]}),
           "spec_augment": (spec_augment, {"frequency_width": 5, "time_share": 0.5,
                                           "time_masks": 3, "fill": -1})}


def numbers(c, host):
    rng = np.random.default_rng(5)
    x = rng.standard_normal((6, 21, 4)).astype(np.float32)
    for name, (oracle, options) in NUMBERS.items():
        if not host.there(name):
            continue
        options = options | {"p": 0.8}
        got, logs = host.run(name, options, {"x": x}, range(6))
        if not c.ok(f"{name}: runs", logs is not None, got):
            continue
        want = np.stack([oracle(d, v) if (d := drawn(r, 0.8)) else v
                         for r, v in enumerate(x)])
        far = np.abs(got["x"] - want).max()
        c.ok(f"{name}: values", far <= 1e-6, f"  off by {far:g}")
        c.ok(f"{name}: changes", not np.array_equal(got["x"], x))
        if name in ("series_scale", "time_warp", "window_slice"):
            turned = np.ascontiguousarray(x.swapaxes(1, 2))
            other, _ = host.run(name, options | {"time": "last"}, {"x": turned}, range(6))
            far = np.abs(other["x"].swapaxes(1, 2) - got["x"]).max()
            c.ok(f"{name}: time last", far <= 1e-6, f"  off by {far:g}")
    for name, fields, text in (
            ("noise", {"x": x.astype(np.int64)}, "holds i64; f32 is changed"),
            ("time_warp", {"x": x, "y": x[:, :5].copy()}, "of 21 and of 5 steps"),
            ("mask", {"x": (x > 0)}, "7 is not a value that bool can have")):
        error, logs = host.run(name, {"value": 7} if name == "mask" else {}, fields, range(6))
        c.within(f"{name}: refused", str(error), text)


# ------------------------------------------------------------------------------- text

def texts(lines, width=40):
    out = np.zeros((len(lines), width), np.uint8)
    for row, line in zip(out, lines):
        row[:len(line)] = np.frombuffer(line.encode(), np.uint8)
    return out


def lines_of(rows):
    return [bytes(r).rstrip(b"\0").decode() for r in rows]


def words(c, host):
    """EDA: what each edit keeps; no-ops; tokens as texts."""
    if not host.there("eda"):
        return
    line = "the quick brown fox jumps over a lazy dog"
    n, many = len(line.split()), 60
    x = texts([line] * many, 64)
    with Scratch() as top:
        file = top / "synonyms.tsv"
        file.write_text("quick\tfast\trapid\nlazy\tidle\n\ndog\tpuppy\r\n")
        groups = [{"quick", "fast", "rapid"}, {"lazy", "idle"}, {"dog", "puppy"}]

        def edited(rows, **options):
            got, logs = host.run("eda", options, {"text": rows}, range(len(rows)))
            c.ok(f"eda {options}: runs", logs is not None, got)
            return [v.split() for v in lines_of(got["text"])], logs
        got, _ = edited(x, ops="swap", alpha=0.3)
        c.ok("swap: all words are kept", all(sorted(v) == sorted(line.split()) for v in got))
        c.ok("swap: their order changes", sum(v != line.split() for v in got) > 50)
        got, logs = edited(x, ops="delete", alpha=0.3)
        c.equal("delete: max(1, alpha n) words", {len(v) for v in got}, {n - 2})
        c.equal("delete: the log", logs[0], [("delete", "2")])
        got, _ = edited(x, ops="insert", alpha=0)
        c.equal("insert: at least one", {len(v) for v in got}, {n + 1})
        c.ok("insert: words of the text", all(set(v) == set(line.split()) for v in got))
        got, _ = edited(x, ops="replace", alpha=0.5, words=str(file))
        pairs = [(a, b) for v in got for a, b in zip(line.split(), v)]
        c.ok("replace: by a word of its group", all(
            a == b or any({a, b} <= g for g in groups) for a, b in pairs))
        c.equal("replace: every synonym comes", {b for a, b in pairs if a == "quick"}, groups[0])
        for text in ("one", "", "  "):
            for op in ("swap", "delete"):
                got, _ = host.run("eda", {"ops": op, "alpha": 1}, {"text": texts([text] * 4)},
                                  range(4))
                c.equal(f"{op} of {text!r}: nothing", set(lines_of(got["text"])), {text})
        full = texts(["ab " * 13 + "c"] * 20)
        got, _ = edited(full, ops="insert", alpha=1)
        c.ok("insert: cut at a word's end", all(set(v) <= {"ab", "c"} for v in got))
        # Tokens: the same, padded with 0.
        ids = np.zeros((many, 12), np.int64)
        ids[:, :5] = [5, 6, 7, 8, 9]
        file.write_text("5\t50\n9\t90\t900\n")
        got, _ = host.run("eda", {"ops": "replace", "words": str(file), "alpha": 0.4},
                          {"x": ids}, range(many))
        c.equal("tokens: replaced", [set(v) for v in got["x"].T[:6].tolist()],
                [{5, 50}, {6}, {7}, {8}, {9, 90, 900}, {0}])
        got, _ = host.run("eda", {"ops": "delete"}, {"x": ids}, range(many))
        c.ok("tokens: deleted, then padded", all(
            np.count_nonzero(v) == 4 and not v[4:].any() for v in got["x"]))
        file.write_text("5\tfive\n")
        for options, fields, text in (
                ({"words": str(file)}, {"x": ids}, "'five' is not a token, an i64"),
                ({"words": str(top / "none")}, {"text": x}, "cannot be opened"),
                ({"words": str(top)}, {"text": x}, "is a directory"),
                ({"ops": "replace"}, {"text": x}, "needs their synonyms"),
                ({}, {"x": ids.astype(np.float32)}, "neither a text nor a list of tokens")):
            error, logs = host.run("eda", options, fields, range(many))
            c.within(f"eda {options}: refused", str(error), text)


def main():
    c, host = Checks(), Host(*sys.argv[2:4])
    against_torchvision(c, host)
    a_sample_is_its_own(c, host)
    shares(c, host)
    together(c, host)
    refused(c, host)
    numbers(c, host)
    words(c, host)
    host.close()
    c.done()


main()
