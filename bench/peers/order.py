# SPDX-License-Identifier: Apache-2.0
"""runner's order of training samples, and what it changes in them, for peers that shall
take the same batches."""
import numpy as np


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011) over arrays of counters; four words of each."""
    c = [np.asarray(x, np.uint64) for x in np.broadcast_arrays(*counter)]
    k0, k1 = key
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> shift) ^ c[1] ^ np.uint64(k0), p1 & low,
             (p0 >> shift) ^ c[3] ^ np.uint64(k1), p0 & low]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


def key(seed, purpose):
    """core/data/split.c: data_key."""
    mask, h = (1 << 64) - 1, 0xCBF29CE484222325
    for byte in purpose.encode():
        h = ((h ^ byte) * 0x100000001B3) & mask
    h ^= (seed * 0x9E3779B97F4A7C15) & mask
    return h & 0xFFFFFFFF, h >> 32


def order(rows, seed, epoch):
    """core/data/split.c: data_shuffle with the key of "data.order"."""
    i = np.arange(rows, 1, -1, dtype=np.uint64)
    a, b, *_ = philox((i, 0 * i, epoch + 0 * i, 0 * i), key(seed, "data.order"))
    picks = ((b << np.uint64(32)) | a) % i
    v = list(range(rows))
    for n, k in zip(i.tolist(), picks.tolist()):
        v[n - 1], v[k] = v[k], v[n - 1]
    return np.array(v)


def batches(rows, batch, seed, steps):
    """The samples of each step, and the epoch; an epoch's last batch has what is left."""
    epoch, found = 0, []
    while len(found) < steps:
        found += [(ids, epoch) for ids in
                  np.split(order(rows, seed, epoch), range(batch, rows, batch))]
        epoch += 1
    return found[:steps]


def changes(ids, epoch, seed, padding):
    """[mirrored, dy, dx] of each sample: plugins/augment/{flip,crop}.c, the first of two
    augmenters alternating, the second with this padding."""
    ids, none = np.asarray(ids, np.uint64), np.zeros(len(ids), np.uint64)
    first = philox((none, ids, none, none), key(seed, "augment.0"))[0]
    mirrored = ((first >> np.uint64(8)) < (1 << 23)) ^ (epoch % 2 == 1)
    words = philox((none + np.uint64(epoch), ids, none, none), key(seed, "augment.1"))
    moved = [(w * np.uint64(2 * padding + 1) >> np.uint64(32)).astype(np.int64) - padding
             for w in words[1:3]]
    return np.stack([mirrored, *moved], 1).astype(np.int64)


def drawn(rng, n, padding):
    """As many at random, for steps that nobody compares."""
    moved = rng.integers(-padding, padding + 1, (n, 2))
    return np.concatenate([rng.integers(0, 2, (n, 1)), moved], 1)
