#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make augment_golden.json: what torchvision's transforms.v2 makes of the images of
augment_cases.py with the draws that our augmenters report. Needs torch, torchvision.

    augment_golden.py AUGMENT_HOST PLUGINS"""
import base64
import hashlib
import json
import pathlib
import sys
import zlib

import numpy as np
import torch
import torchvision
from torchvision.transforms.v2 import functional as F
from torchvision.transforms import v2
from augment_cases import CASES, Draws, Host


def number(log, name, none=None):
    return float(dict(log).get(name, none))


def color_jitter(x, log, o, row):
    ways = {"brightness": F.adjust_brightness, "contrast": F.adjust_contrast,
            "saturation": F.adjust_saturation, "hue": F.adjust_hue}
    for name, value in log:
        x = ways[name](x, float(value))
    return x


def solarize(x, log, o, row):
    t = number(log, "threshold")
    return F.solarize(x, 255 * t if x.dtype == torch.uint8 else t)


def how(o, default="bilinear"):
    return v2.InterpolationMode(o.get("interpolation", default))


def resized_crop(x, log, o, row):
    top, left, h, w = (int(number(log, n)) for n in ("top", "left", "height", "width"))
    return F.resized_crop(x, top, left, h, w, size=list(x.shape[-2:]), interpolation=how(o))


def affine(x, log, o, row):
    angle, tx, ty, sx, sy = (number(log, n, 0) for n in (
        "angle", "translate_x", "translate_y", "shear_x", "shear_y"))
    return F.affine(x, angle=angle, translate=[tx, ty], scale=number(log, "scale", 1),
                    shear=[sx, sy],
                    interpolation=how(o), fill=o.get("fill"))


def perspective(x, log, o, row):
    h, w = x.shape[-2:]
    end = [[int(number(log, f"x{k}")), int(number(log, f"y{k}"))] for k in range(4)]
    return F.perspective(x, [[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]], end,
                         interpolation=how(o))


def elastic(x, log, o, row):
    d, (h, w) = Draws(row), x.shape[-2:]
    d.uniform()
    kernel = int(8 * o["sigma"] + 1) | 1
    parts = []
    for alpha, size in zip(o["alpha"], (w, h)):
        v = np.array([d.uniform_f32() * np.float32(2) - np.float32(1) for _ in range(h * w)])
        v = torch.tensor(v.reshape(1, 1, h, w))
        parts.append(F.gaussian_blur(v, [kernel, kernel], [o["sigma"]] * 2) * alpha / size)
    return F.elastic(x, torch.concat(parts, 1).permute(0, 2, 3, 1), interpolation=how(o))


def gaussian_noise(x, log, o, row):
    d = Draws(row)
    d.uniform(), d.uniform()
    z = torch.tensor(d.normals(x.numel()).reshape(x.shape))
    kept = torch.randn_like
    torch.randn_like = lambda *a, **k: z
    try:
        return F.gaussian_noise(x, o.get("mean", 0.0), number(log, "sigma"),
                                o.get("clip", True))
    finally:
        torch.randn_like = kept


IDS = {"identity": "Identity", "shear_x": "ShearX", "shear_y": "ShearY",
       "translate_x": "TranslateX", "translate_y": "TranslateY", "rotate": "Rotate",
       "brightness": "Brightness", "color": "Color", "contrast": "Contrast",
       "sharpness": "Sharpness", "posterize": "Posterize", "solarize": "Solarize",
       "autocontrast": "AutoContrast", "equalize": "Equalize", "invert": "Invert"}


def known(space, name, magnitude, bins, size, at=None):
    """Is the magnitude one that torchvision has for the operation, its bin `at`?"""
    made, signed = space[IDS[name]]
    values = made(bins, *size)
    if values is None:
        return magnitude is None
    values = [float(v) for v in values][slice(at, at + 1) if at is not None else slice(None)]
    return any(abs(abs(magnitude) - v) <= 1e-6 * max(v, 1) for v in values) and \
        (signed or magnitude >= 0)


def steps(log):
    return [(name, float(value[0]) if value else None) for name, *value in log if name in IDS]


def policy(space, bins):
    def change(x, log, o, row):
        base = v2.RandAugment(interpolation="nearest")
        for name, m in steps(log):
            if not known(space, name, m, bins, x.shape[-2:]):
                raise SystemExit(f"{name} {m} of {bins} bins {tuple(x.shape)}: not torchvision's")
            x = base._apply_image_or_video_transform(
                x, IDS[name], m or 0.0, interpolation=how(o, "nearest"), fill={})
        return x
    return change


def aug_mix(x, log, o, row):
    mixed, share, chain = float(log[0][1]) * x.to(torch.float32), None, None
    for entry in log[1:] + [("share", "0")]:
        if entry[0] != "share":
            chain = policy(v2.AugMix._AUGMENTATION_SPACE, 10)(chain, [entry], o, row)
            continue
        if share is not None:
            mixed = mixed + share * chain
        share, chain = float(entry[1]), x
    return mixed.to(x.dtype)


WAYS = {"color_jitter": color_jitter, "solarize": solarize, "resized_crop": resized_crop,
        "affine": affine, "perspective": perspective, "elastic": elastic,
        "gaussian_noise": gaussian_noise, "aug_mix": aug_mix,
        "rand_augment": policy(v2.RandAugment._AUGMENTATION_SPACE, 31),
        "trivial_augment": policy(v2.TrivialAugmentWide._AUGMENTATION_SPACE, 31),
        "auto_augment": policy(v2.AutoAugment._AUGMENTATION_SPACE, 10),
        "grayscale": lambda x, log, o, row: F.rgb_to_grayscale(x, x.shape[0]),
        "posterize": lambda x, log, o, row: F.posterize(x, int(number(log, "bits"))),
        "equalize": lambda x, log, o, row: F.equalize(x),
        "autocontrast": lambda x, log, o, row: F.autocontrast(x),
        "invert": lambda x, log, o, row: F.invert(x),
        "sharpness": lambda x, log, o, row: F.adjust_sharpness(x, number(log, "factor")),
        "gaussian_blur": lambda x, log, o, row: F.gaussian_blur(
            x, [o.get("kernel", 5)] * 2, [number(log, "sigma")] * 2),
        "rot90": lambda x, log, o, row: torch.rot90(x, int(number(log, "turns")), (-2, -1)),
        "channel_shuffle": lambda x, log, o, row: x[[int(v) for _, v in log]],
        "jpeg": lambda x, log, o, row: F.jpeg(x, int(number(log, "quality")))}


def main():
    torch.set_num_threads(1)
    host = Host(*sys.argv[1:3])
    golden = {"made by": f"torch {torch.__version__}, torchvision {torchvision.__version__}, "
                         f"{torch.backends.cpu.get_cpu_capability()}"}
    for case in CASES:
        if not host.there(case.plugin):
            print("not there:", case.name)
            continue
        ours, logs = host.run(case.plugin, case.options, case.fields, case.ids)
        if logs is None:
            raise SystemExit(f"{case.name}: {ours}")
        x = case.fields["image"]
        want = np.stack([WAYS[case.plugin](torch.tensor(x[r]), logs[r], case.options, r).numpy()
                         if logs[r] else x[r] for r in range(case.rows)])
        assert want.shape == x.shape and want.dtype == x.dtype, case.name
        far = np.abs(ours["image"].astype(np.float64) - want)
        print(f"{case.name}: {np.mean(far > 0):.5f} of the pixels differ, by at most "
              f"{far.max():g}")
        entry = {"draws": hashlib.sha256(repr(logs).encode()).hexdigest()}
        if case.whole:
            entry["pixels"] = base64.b64encode(zlib.compress(want.tobytes(), 9)).decode()
        else:
            entry["rows"] = [hashlib.sha256(v.tobytes()).hexdigest()[:16] for v in want]
        golden[case.name] = entry
    host.close()
    path = pathlib.Path(__file__).with_name("augment_golden.json")
    path.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")


main()
