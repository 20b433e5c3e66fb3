"""Golden adapter files of each format version, written from docs/formats.md alone, and what they do: tests/data/adapter/.

usage: python tests/oracle/make_adapter.py        (numpy, safetensors; from the repository root)

A file of a released version is never written again: every later release must read it to the same numbers.
"""
import os

import numpy as np
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


os.makedirs(OUT, exist_ok=True)
write("v1-cayley", "cayley", {"blocks": "3"}, lambda n: 3)
write("v1-free", "free", {"block_size": "6"}, lambda n: n // 6)
