# SPDX-License-Identifier: Apache-2.0
"""Cases of augmenters, and the host that runs them: augment_golden.py stores what
torchvision makes of the same draws, augment.py compares."""
import pathlib
import subprocess

import numpy as np

KEY, EPOCH = (11, 22), 3
TYPES = {"u8": np.uint8, "f32": np.float32, "i32": np.int32, "i64": np.int64, "i8": np.int8,
         "bool": np.bool_}


def picture(shape=(3, 14, 17), kind="smooth", dtype="u8", rows=1, seed=0):
    """Images made of integers alone, [rows, *shape]: smooth with edges, or noise."""
    n, (c, h, w) = rows, ((1,) + tuple(shape))[-3:]
    r, k, y, x = np.meshgrid(*map(np.arange, (n, c, h, w)), indexing="ij")
    if kind == "smooth":
        v = (r * 37 + k * 61 + y * 9 + x * 11 + 40 * ((x + r) // 5 % 2) + (y * x) // 3) % 256
        v = np.where((y // 4 + x // 6) % 3 == 0, v // 3 + 60, v)
    elif kind == "flat":
        v = 90 + 0 * x
    else:
        v = (((r * 7919 + k * 104729 + y * 1299709 + x * 15485863 + 12345 + seed) *
              2654435761) % 2**32) >> 24
    v = v.reshape((n,) + tuple(shape)).astype(np.uint8)
    return v if dtype == "u8" else (v / np.float32(255)).astype(np.float32)


class Host:
    """Runs augmenters through their ABI: augment_host.c, one process."""

    def __init__(self, program, plugins):
        self.plugins = pathlib.Path(plugins)
        self.p = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True)

    def there(self, name):
        return (self.plugins / "augment" / f"{name}.so").exists()

    def run(self, name, options, fields, ids, epoch=EPOCH, key=KEY):
        """fields: {name: [rows, ...]}. The changed fields and, of each row, the draws as
        [(name, text)] or [(name,)]; or the text of an error."""
        lines = [f"plugin {self.plugins}/augment/{name}.so"]
        for path, value in options.items():
            values = value if isinstance(value, (list, tuple)) else [value]
            words = [str(v).lower() if isinstance(v, bool) else
                     repr(float(v)) if isinstance(v, float) else str(v) for v in values]
            lines += [f"option {path}.{i} {v}" for i, v in enumerate(words)] \
                if isinstance(value, (list, tuple)) else [f"option {path} {words[0]}"]
        for field, v in fields.items():
            dtype = "text" if field == "text" else \
                next(k for k, t in TYPES.items() if v.dtype == t)
            lines.append(f"field {field} {dtype} {v.ndim - 1} "
                         f"{' '.join(map(str, v.shape[1:]))} {v.tobytes().hex()}")
        lines.append(f"run {len(ids)} {epoch} {key[0]} {key[1]} {' '.join(map(str, ids))}")
        self.p.stdin.write("\n".join(lines) + "\n")
        self.p.stdin.flush()
        logs, out, error = [[] for _ in ids], [], None
        while (line := self.p.stdout.readline().strip()) != "done":
            word, _, rest = line.partition(" ")
            if word == "log":
                row, what, *value = rest.split(" ", 2)
                logs[int(row)].append((what, *value))
            elif word == "field":
                out.append(bytes.fromhex(rest))
            elif word == "error":
                error = rest
            else:
                raise RuntimeError(f"augment_host: {line!r}")
        if error:
            return error, None
        return {f: np.frombuffer(b, v.dtype).reshape(v.shape)
                for (f, v), b in zip(fields.items(), out)}, logs

    def close(self):
        self.p.stdin.close()
        self.p.wait()


# ------------------------------------------------------------------- random numbers

def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011)."""
    c, k, mask = list(counter), list(key), 0xFFFFFFFF
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & mask, (p0 >> 32) ^ c[3] ^ k[1], p0 & mask]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    return c


class Draws:
    """The draws of a row (rn_scene_draws of sdk/scene.h)."""

    def __init__(self, sample, epoch=EPOCH, key=KEY):
        self.key = philox((epoch, sample, 0, 255), key)[:2]
        self.at, self.words = 0, []

    def word(self):
        if not self.words:
            self.words = philox((0, 0, 0, self.at), self.key)
            self.at += 1
        return self.words.pop(0)

    def uniform(self):
        low, high = self.word(), self.word()
        return (((high << 32 | low) >> 12) + 0.5) / 2**52

    def below(self, n):
        low, high = self.word(), self.word()
        return (high << 32 | low) % n

    def between(self, low, high):
        return low + (high - low) * self.uniform()

    def uniform_f32(self):
        return np.float32(self.word() >> 8) * np.float32(2**-24)

    def normal(self):
        a, b = self.word(), self.word()
        u1, u2 = ((a >> 8) + 1) / 2**24, (b >> 8) / 2**24
        return np.float32(np.sqrt(-2 * np.log(u1)) * np.cos(2 * np.pi * u2))

    def normals(self, n):
        """Two of each pair of words: the cosine's and the sine's half."""
        out = []
        while len(out) < n:
            a, b = self.word(), self.word()
            r = np.sqrt(-2 * np.log(((a >> 8) + 1) / 2**24))
            turn = 2 * np.pi * ((b >> 8) / 2**24)
            out += [np.float32(r * np.cos(turn)), np.float32(r * np.sin(turn))]
        return np.array(out[:n])


# ---------------------------------------------------------------------------- cases

RGB, GREY = (3, 14, 17), (1, 14, 17)


class Case:
    """off: the share of u8 pixels that may differ, by at most 1 (0: equal to the bit); of
    f32, far: the largest difference. whole: store the pixels, else their hash."""

    def __init__(self, plugin, options=None, shape=RGB, kind="smooth", dtype="u8", rows=2,
                 off=0.0, far=2e-6, name="", whole=True, seed=0):
        self.plugin, self.options = plugin, options or {}
        self.off, self.far, self.whole, self.rows = off, far, whole, rows
        self.fields = {"image": picture(shape, kind, dtype, rows, seed)}
        self.dtype = dtype
        self.name = " ".join(filter(None, [
            plugin, name or " ".join(f"{k}={v}" for k, v in self.options.items()),
            "grey" if shape == GREY else "", kind if kind != "smooth" else "",
            dtype if dtype != "u8" else ""]))
        self.ids = list(range(rows))


def everywhere(plugin, options=None, grey=True, **more):
    yield Case(plugin, options, **more)
    yield Case(plugin, options, kind="noise", **more)
    if grey:
        yield Case(plugin, options, shape=GREY, **more)
    yield Case(plugin, options, dtype="f32", rows=1, **more)


def all_cases():
    for part, ranges in {"brightness": [[0.6, 0.6], 0.8], "contrast": [[0.4, 0.4], 0.9],
                         "saturation": [[0.0, 0.0], 0.7], "hue": [[0.25, 0.25], 0.5]}.items():
        for v in ranges:
            yield from everywhere("color_jitter", {part: v}, grey=part != "hue", far=3e-6)
    yield Case("color_jitter", {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4,
                                "hue": 0.1}, rows=24, whole=False, name="all parts")
    yield from everywhere("grayscale", {"p": 1})
    yield from everywhere("solarize", {"p": 1, "threshold": [0.2, 0.9]})
    yield from everywhere("posterize", {"p": 1, "bits": [0, 8]})
    for plugin in ("equalize", "autocontrast", "invert"):
        yield from everywhere(plugin, {"p": 1})
        yield Case(plugin, {"p": 1}, kind="flat")
    yield Case("equalize", {"p": 1}, shape=(3, 40, 41), whole=False, name="large")
    yield from everywhere("sharpness", {"p": 1, "factor": [0, 3]})
    yield from everywhere("gaussian_blur", {"p": 1}, off=1e-3, far=1e-6)
    yield Case("gaussian_blur", {"p": 1, "kernel": 9, "sigma": [1, 4]}, off=1e-3)
    yield from everywhere("rot90", shape=(3, 15, 15), grey=False)
    yield Case("rot90", {"turns": 2})
    yield from everywhere("resized_crop", far=1e-6)
    yield Case("resized_crop", {"interpolation": "nearest"})
    yield Case("resized_crop", {"scale": [0.9, 1], "ratio": [4, 5]}, name="fallback")
    wild = {"degrees": 40, "translate": [0.2, 0.3], "scale": [0.7, 1.3],
            "shear": [-20, 20, -15, 15]}
    for how in ("nearest", "bilinear"):
        yield from everywhere("affine", wild | {"interpolation": how}, name=how, far=2e-4,
                              off=0.01 if how == "bilinear" else 0)
        yield from everywhere("perspective", {"p": 1, "interpolation": how}, name=how,
                              far=2e-4, off=0.01 if how == "bilinear" else 0)
        yield Case("elastic", {"sigma": 1.5, "alpha": [30, 20], "interpolation": how},
                   name=how, off=0.01)
    yield Case("affine", wild | {"interpolation": "nearest", "fill": 77}, name="fill")
    yield Case("gaussian_noise", {"sigma": [0.1, 0.3], "mean": 0.05}, rows=1)
    yield Case("gaussian_noise", {"sigma": 0.2}, dtype="f32", rows=1)
    yield Case("gaussian_noise", {"sigma": 0.2, "clip": False}, dtype="f32", rows=1)
    yield Case("channel_shuffle", rows=6, whole=False)
    for quality in (10, 50, 95):
        yield Case("jpeg", {"quality": quality}, shape=(3, 32, 40), off=0.02, rows=1)
    yield Case("jpeg", {"quality": [5, 60]}, shape=(1, 32, 40), off=0.02)
    for shape in (RGB, GREY, (3, 32, 32)):
        name = "x".join(map(str, shape))
        yield Case("rand_augment", rows=60, shape=shape, whole=False, name=name)
        yield Case("rand_augment", {"magnitude": 30, "ops": 1}, rows=60, shape=shape,
                   whole=False, name=name + " most")
        yield Case("trivial_augment", rows=120, shape=shape, whole=False, name=name)
        for policy in ("imagenet", "cifar10", "svhn"):
            yield Case("auto_augment", {"policy": policy}, rows=60, shape=shape, whole=False,
                       name=f"{policy} {name}")
    yield Case("aug_mix", {"interpolation": "nearest"}, rows=3, off=0.01)


CASES = list(all_cases())
assert len({case.name for case in CASES}) == len(CASES)
