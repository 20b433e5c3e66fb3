"""Golden adapter files of each format version, written from docs/formats.md alone, and what they do: tests/data/adapter/.

usage: python tests/oracle/make_adapter.py        (numpy, scipy, safetensors; from the repository root)

A file of a released version is never written again: every later release must read it to the same numbers.
"""
import os

import numpy as np
import scipy.linalg
from safetensors.numpy import save_file

OUT = "tests/data/adapter"
random = np.random.default_rng(5)
TARGETS = [("image.0.fc1", 12, 20), ("text.1.out, with a comma", 18, 18)]


def cayley(v, b):
    s = np.zeros((b, b))
    s[np.triu_indices(b, 1)] = v.astype(np.float64)
    s -= s.T
    return (np.eye(b) - s) @ np.linalg.inv(np.eye(b) + s)


def write(name, parametrization, division, blocks_of):
    metadata = {"format": "orthsr-adapter", "format_version": "1", "parametrization": parametrization, "fingerprint": "orthsr1:0123456789abcdef"} | division
    tensors, expected = {}, {}
    for i, (target, n_in, n_out) in enumerate(TARGETS):
        metadata[f"target:{i}"] = f"{n_in},{n_out},{target}"
        blocks = blocks_of(n_in)
        b = n_in // blocks
        x = random.standard_normal((3, n_in)).astype(np.float32)
        if parametrization == "cayley":
            values = (0.5 * random.standard_normal((blocks, b * (b - 1) // 2))).astype(np.float32)
            a = [cayley(v, b) for v in values]
            tensors[f"{target}.skew"] = values
        else:
            values = (0.5 * random.standard_normal((blocks, b, b))).astype(np.float32)
            a = [np.eye(b) + v.astype(np.float64) for v in values]
            tensors[f"{target}.free"] = values
        expected[f"x{i}"] = x
        expected[f"y{i}"] = np.concatenate([x[:, k * b : (k + 1) * b].astype(np.float64) @ a[k] for k in range(blocks)], axis=1).astype(np.float32)
        expected[f"parameters{i}"] = values.reshape(-1)
    save_file(tensors, f"{OUT}/{name}.safetensors", metadata=metadata)
    save_file(expected, f"{OUT}/{name}-expected.safetensors")


def skew(v, b):
    s = np.zeros((b, b))
    s[np.triu_indices(b, 1)] = v.astype(np.float64)
    return s - s.T


def householder(p, b):
    a, i = np.eye(b), np.arange(b) + 0.5
    for k, row in enumerate(p.astype(np.float64)):
        u = np.sqrt(2 / b) * np.cos(np.pi / b * i * (k // 2 + 0.5)) + row
        a = a @ (np.eye(b) - 2 * np.outer(u, u) / (u @ u))
    return a


def butterfly(v, b, s):
    a = np.eye(b)
    for factor, values in enumerate(v):
        units = np.arange(b).reshape(-1, 2 * 2**factor, s // 2)  # groups, units, rows
        places = np.concatenate([units[:, 0::2], units[:, 1::2]], axis=1).reshape(-1)  # of row r in the block-diagonal matrix
        blocks = scipy.linalg.block_diag(*(cayley(x, s) for x in values))
        a = blocks[np.ix_(places, places)] @ a
    return a


def write_2(name, keys, suffix, shape_of, build, start=None, file=None, stored=3):
    """Version 2: the parametrisations that came later, and one block for all."""
    metadata = {"format": "orthsr-adapter", "format_version": "2", "parametrization": name, "fingerprint": "orthsr1:0123456789abcdef", "blocks": "3"} | keys
    tensors, expected = {}, {}
    for i, (target, n_in, n_out) in enumerate([("image.0.fc1", 12, 20), ("text.1.out, with a comma", 36, 18)]):
        metadata[f"target:{i}"] = f"{n_in},{n_out},{target}"
        b = n_in // 3
        x = random.standard_normal((3, n_in)).astype(np.float32)
        values = (0.5 * random.standard_normal((stored, *shape_of(b)))).astype(np.float32)
        if start:
            values = np.stack([start(v.astype(np.float64)) for v in values]).astype(np.float32)
        tensors[f"{target}.{suffix}"] = values
        expected[f"x{i}"] = x
        expected[f"y{i}"] = np.concatenate([x[:, k * b : (k + 1) * b].astype(np.float64) @ build(values[k % stored], b) for k in range(3)], axis=1).astype(np.float32)
        expected[f"parameters{i}"] = values.reshape(-1)
    save_file(tensors, f"{OUT}/v2-{file or name}.safetensors", metadata=metadata)
    save_file(expected, f"{OUT}/v2-{file or name}-expected.safetensors")


os.makedirs(OUT, exist_ok=True)
write("v1-cayley", "cayley", {"blocks": "3"}, lambda n: 3)
write("v1-free", "free", {"block_size": "6"}, lambda n: n // 6)
write_2("expm", {}, "expm", lambda b: (b * (b - 1) // 2,), lambda v, b: scipy.linalg.expm(skew(v, b)))
write_2("householder", {"reflections": "6"}, "normals", lambda b: (6, b), householder)
write_2("butterfly", {"butterfly": "2,2"}, "butterfly", lambda b: (2, b // 2, 1), lambda v, b: butterfly(v, b, 2))
write_2("manifold", {}, "orthogonal", lambda b: (b, b), lambda v, b: v.astype(np.float64), lambda v: scipy.linalg.polar(v)[0])
write_2("cayley", {"block_share": "true"}, "skew", lambda b: (b * (b - 1) // 2,), lambda v, b: cayley(v, b), file="shared", stored=1)
