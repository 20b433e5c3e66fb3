"""What the check_*.py scripts share: the orthsr tool and library, random weights, adapters of our own format, and a count of what passed."""
import ctypes
import json
import os
import subprocess
import sys

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

MERGES = [("o", "f</w>"), ("p", "h"), ("ph", "o"), ("t", "o</w>"), ("pho", "to</w>"), ("c", "a"), ("ca", "t</w>"), ("d", "o"), ("do", "g</w>")]
TEXTS = ["a photo of a cat", "dog", "", "a photo of a very long and winding road of no end", "photo to do", "of a dog, a cat and 3 phones!"]
BAR = 2e-5  # features in float32 arithmetic, relative to the largest


class Report:
    """One line per case; the last one says how many passed."""

    def __init__(self):
        self.passed, self.failed = 0, 0

    def line(self, good, name, text):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        print(f"{'ok  ' if good else 'FAIL'} {name:64} {text}", flush=True)

    def close(self, name, deviations, bar=BAR):
        self.line(max(deviations) <= bar, name, " ".join(f"{d:.1e}" for d in deviations))

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(self.failed > 0)


class Refused(Exception):
    """The tool's one line of complaint."""


class Tool:
    def __init__(self, binary, scratch):
        self.binary, self.scratch = os.path.abspath(binary), scratch
        self.library = ctypes.CDLL(os.path.join(os.path.dirname(self.binary), "..", "lib", "liborthsr.so"))
        np.save(f"{scratch}/none.npy", np.zeros(1))
        with open(f"{scratch}/texts.txt", "w") as f:
            f.write("".join(t + "\n" for t in TEXTS))

    def run(self, *arguments):
        done = subprocess.run([self.binary, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            raise Refused(done.stderr.strip() or f"exit status {done.returncode}")
        return done.stdout

    def embed(self, model, *options, adapter=None):
        out = f"{self.scratch}/out.npy"
        self.run("embed", "--raw", "--model", model, "--out", out, *options, *(["--adapter", adapter] if adapter else []))
        return torch.from_numpy(np.load(out))

    def pixels(self, model, pixels, adapter=None):
        np.save(f"{self.scratch}/pixels.npy", pixels.numpy())
        return self.embed(model, "--pixels", f"{self.scratch}/pixels.npy", adapter=adapter)

    def texts(self, model, adapter=None):
        return self.embed(model, "--text", f"{self.scratch}/texts.txt", adapter=adapter)

    def token_ids(self, model):
        answer = json.loads(self.run("tokenize", "--json", "--model", model, "--text", f"{self.scratch}/texts.txt"))
        return torch.tensor(answer["tokens"] if "tokens" in answer else next(v for v in answer.values() if isinstance(v, list)))

    # ---- the C interface, for what the tool has no option for --------------------------------------------------------

    def call(self, function, *arguments):
        error = ctypes.create_string_buffer(1024)
        if getattr(self.library, function)(*arguments, error) != 0:
            raise Refused(error.value.decode())

    def open(self, model):
        handle = ctypes.c_void_p()
        self.call("orthsr_model_open", ctypes.byref(handle), os.fsencode(str(model)))
        return handle

    def tokens(self, model, ids, adapter=None):
        """Raw features (n, embed) of token ids (n, context)."""
        handle, loaded, session = self.open(model), ctypes.c_void_p(), ctypes.c_void_p()
        self.library.orthsr_model_embed_dim.restype = ctypes.c_size_t
        out = np.empty((len(ids), self.library.orthsr_model_embed_dim(handle)), np.float32)
        ids = np.ascontiguousarray(ids.numpy().astype(np.int32))
        try:
            if adapter:
                self.call("orthsr_model_adapter_load", handle, ctypes.byref(loaded), os.fsencode(adapter))
            self.call("orthsr_session_new", ctypes.byref(session), handle, loaded)
            self.call("orthsr_session_encode_tokens", session, out.ctypes.data_as(ctypes.c_void_p), ids.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(len(ids)))
        finally:
            self.library.orthsr_session_free(session)
            self.library.orthsr_adapter_free(loaded)
            self.library.orthsr_model_free(handle)
        return torch.from_numpy(out)

    def export_peft(self, model, adapter, directory):
        handle, loaded = self.open(model), ctypes.c_void_p()
        self.call("orthsr_model_adapter_load", handle, ctypes.byref(loaded), os.fsencode(adapter))
        try:
            self.call("orthsr_model_adapter_export_peft", handle, loaded, os.fsencode(directory))
        finally:
            self.library.orthsr_adapter_free(loaded)
            self.library.orthsr_model_free(handle)


def deviation(ours, peers):
    return ((ours - peers).abs().max() / peers.abs().max()).item() if ours.shape == peers.shape else float("inf")


def small_vocabulary(path):
    """CLIP's byte-level BPE with a handful of merges; its last id is the end of a text."""
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    symbols = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    vocab = symbols + [s + "</w>" for s in symbols] + ["".join(m) for m in MERGES] + ["<|startoftext|>", "<|endoftext|>"]
    with open(f"{path}/vocab.json", "w") as f:
        json.dump({t: i for i, t in enumerate(vocab)}, f, ensure_ascii=False)
    with open(f"{path}/merges.txt", "w") as f:
        f.write("#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in MERGES))


class Folders:
    """Fresh folders for models, with a vocabulary in each."""

    def __init__(self, scratch):
        self.scratch, self.count = scratch, 0

    def folder(self):
        self.count += 1
        path = f"{self.scratch}/model{self.count}"
        os.makedirs(path)
        small_vocabulary(path)
        return path


VOCABULARY = 512 + len(MERGES) + 2


@torch.no_grad()
def randomize(model):
    """Weights large enough that attention, norms and activations all matter."""
    for name, p in model.named_parameters():
        if name.endswith("logit_scale"):
            continue
        noise = torch.randn_like(p)
        if p.ndim == 0:
            p.copy_(noise)
        elif p.ndim == 1 and name.endswith("weight"):
            p.copy_(1 + 0.2 * noise)
        elif p.ndim == 1:
            p.copy_(0.3 * noise)
        else:
            p.copy_(noise * (0.5 if "embedding" in name else 0.7 / p[0].numel() ** 0.5))
    return model


def tensors_of(path):
    """Names in order, tensors, and metadata of a safetensors file."""
    with safe_open(path, "pt") as f:
        return {k: f.get_tensor(k) for k in f.keys()}, f.metadata()


def write(tensors, path, metadata=None):
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata=metadata)


# ---- adapters of our own format -----------------------------------------------------------------------------------------


def skew_matrices(vectors, b):
    """(blocks, b, b) float64 of (blocks, b(b-1)/2): the upper triangle row by row."""
    s = np.zeros((len(vectors), b, b))
    s[:, *np.triu_indices(b, 1)] = vectors
    return s - s.transpose(0, 2, 1)


def cayley(s):
    return (np.eye(s.shape[-1]) - s) @ np.linalg.inv(np.eye(s.shape[-1]) + s)


def block_diagonal(blocks):
    return torch.block_diag(*torch.from_numpy(np.ascontiguousarray(blocks))).numpy()


def random_adapter(path, widths, rng, parametrization="cayley", norm=1.0, blocks=None, block_size=None, share=False):
    """An adapter far from the identity on maps {name: (in, out)}; its A, (in, in) float64 by name. norm: of each row of S, or of A - I."""
    metadata = {"format": "orthsr-adapter", "format_version": "2" if share else "1", "parametrization": parametrization, "fingerprint": ""}
    metadata.update({"blocks": str(blocks)} if blocks else {"block_size": str(block_size)})
    metadata.update({"block_share": "true"} if share else {})
    tensors, rotations = {}, {}
    for i, (name, (width, out)) in enumerate(widths.items()):
        metadata[f"target:{i}"] = f"{width},{out},{name}"
        b = width // blocks if blocks else block_size
        stored = 1 if share else width // b
        shape = (stored, b * (b - 1) // 2) if parametrization == "cayley" else (stored, b, b)
        values = (rng.standard_normal(shape) * norm / b**0.5).astype(np.float32)
        tensors[f"{name}.{'skew' if parametrization == 'cayley' else 'free'}"] = torch.from_numpy(values)
        exact = np.repeat(values.astype(np.float64), width // b // stored, axis=0)
        rotations[name] = block_diagonal(cayley(skew_matrices(exact, b)) if parametrization == "cayley" else np.eye(b) + exact)
    save_file(tensors, path, metadata=metadata)
    return rotations
