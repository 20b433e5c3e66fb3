"""One piece of work in PyTorch, Hugging Face's CLIP and PEFT, timed in a process of its own: what compare_torch.py compares with.

usage: python tests/bench/torch_cases.py CASE --checkpoint DIR [--scratch DIR] [--threads T] [--batch B] [--classes N] [--repetitions R]

Prints one JSON object: ms, a list with an entry for each repetition after the warm-up; or nothing for a case that only prepares.

    checkpoint          writes DIR: a random ViT-B/16 CLIP in float32 with CLIP's own vocabulary (open_clip's package brings the file)
    reference           writes pixels.npy, image.npy, texts.txt, text.npy to the scratch directory: raw features that the tool's must equal
    export              writes vision-1.onnx or vision-8.onnx (for --batch) to the scratch directory
    sgemm               GFLOP/s of the product of an image tower's fc1
    step-out            full orthogonal A by the Cayley transform, in blocks of the width, on the attention outputs of both towers
    step-all            the same on q, k, v, out, fc1, fc2
    step-ffn            PEFT OFT, r = 4, on fc1 and fc2 of both towers, in its Cayley-Neumann approximation
    step-coop           16 learned context words, images forwarded in every step
    features            --batch images through the image tower
    texts               --classes prompts of 77 tokens through the text tower
    start               from the import to one image's features; whoever started the process takes the time

What a careful user of PyTorch would do is done: frozen weights have no gradients, frozen text features are computed once, and each rotated map rotates its
input or its weights, whichever costs less. float32, eager, transformers' own (scaled dot product) attention.
"""
import argparse
import json
import time

import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPConfig, CLIPModel

WARM_UP = 2
CONTEXT_WORDS = 16
KL_WEIGHT = 1.5


# ---- the checkpoint ------------------------------------------------------------------------------------------------------------


def write_vocabulary(directory):
    """vocab.json and merges.txt of open_clip's bpe_simple_vocab_16e6.txt.gz, as OpenAI's tokenizer counts them."""
    import gzip
    import importlib.util
    import os

    package = importlib.util.find_spec("open_clip").submodule_search_locations[0]
    with gzip.open(os.path.join(package, "bpe_simple_vocab_16e6.txt.gz"), "rt", encoding="utf-8") as f:
        merges = f.read().split("\n")[1 : 49152 - 256 - 2 + 1]
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    symbols = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    vocabulary = symbols + [s + "</w>" for s in symbols] + [m.replace(" ", "") for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    with open(f"{directory}/vocab.json", "w", encoding="utf-8") as f:
        json.dump({t: i for i, t in enumerate(vocabulary)}, f, ensure_ascii=False)
    with open(f"{directory}/merges.txt", "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "".join(m + "\n" for m in merges))


def checkpoint(o):
    """transformers' own random start, which keeps activations of order 1."""
    torch.manual_seed(0)
    text = {"vocab_size": 49408, "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 8}
    image = {"image_size": 224, "patch_size": 16, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    text.update(max_position_embeddings=77, bos_token_id=49406, eos_token_id=49407, hidden_act="quick_gelu")
    image.update(hidden_act="quick_gelu")
    CLIPModel(CLIPConfig(text_config=text, vision_config=image, projection_dim=512)).save_pretrained(o.checkpoint)
    write_vocabulary(o.checkpoint)


def load(o):
    return CLIPModel.from_pretrained(o.checkpoint, dtype=torch.float32).eval().requires_grad_(False)


# ---- inputs --------------------------------------------------------------------------------------------------------------------


def pixels(o):
    return torch.randn(o.batch, 3, 224, 224, generator=torch.Generator().manual_seed(1))


def prompts(o, context_words=0):
    """("a photo of a <class>." as a text, its 77 ids) for --classes; or with that many words to be learned in place of "a photo of a".

    The classes are single words of the vocabulary, so that a prompt has 8 tokens, and ids need no tokenizer."""
    with open(f"{o.checkpoint}/vocab.json", encoding="utf-8") as f:
        vocabulary = json.load(f)
    names = [t[:-4] for t in vocabulary if t.endswith("</w>") and len(t) > 8 and t[:-4].isascii() and t[:-4].isalpha()][: o.classes]
    texts, ids = [], torch.full((o.classes, 77), vocabulary["<|endoftext|>"])
    for row, name in zip(ids, names):
        words = ["x"] * context_words or ["a", "photo", "of", "a"]
        tokens = [vocabulary["<|startoftext|>"]] + [vocabulary[w + "</w>"] for w in [*words, name, "."]]
        row[: len(tokens)] = torch.tensor(tokens)
        texts.append(" ".join([*words, name]) + ".")
    return texts, ids


def image_features(model, x):
    return model.get_image_features(pixel_values=x).pooler_output


def text_features(model, ids):
    return model.get_text_features(input_ids=ids).pooler_output


# ---- timing --------------------------------------------------------------------------------------------------------------------


def timed(o, work):
    """Milliseconds of every repetition."""
    ms = []
    for i in range(WARM_UP + o.repetitions):
        begin = time.perf_counter()
        work()
        if i >= WARM_UP:
            ms.append(1e3 * (time.perf_counter() - begin))
    return {"ms": ms}


def steps(o, model, tuned, optimizer, frozen=None):
    """Times training steps. tuned() is (image, text) features with gradients; frozen (images, text features) anchors them, where given."""
    scale, labels = model.logit_scale.exp(), torch.arange(o.batch) % o.classes
    parameters = [p for group in optimizer.param_groups for p in group["params"]]

    def logits(image, text):
        return scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T

    def step():
        y = logits(*tuned())
        loss = F.cross_entropy(y, labels)
        if frozen:
            images, texts = frozen
            with torch.no_grad():
                anchor = logits(images(), texts)
            loss = loss + KL_WEIGHT * F.kl_div(y.log_softmax(-1), anchor.log_softmax(-1), log_target=True, reduction="batchmean")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if not torch.isfinite(loss):
            raise FloatingPointError("the loss is not finite")

    result = timed(o, step)
    if any(p.grad is None for p in parameters):
        raise RuntimeError("a parameter has no gradient: the step left something out")
    return result | {"parameters": sum(p.numel() for p in parameters)}


# ---- orthogonal maps by the Cayley transform -----------------------------------------------------------------------------------


class Rotated(nn.Module):
    """y = (x A) W^T + b, A block-diagonal, blocks (I - S)(I + S)^-1, S = U - U^T of a trained upper triangle U (size, size)."""

    def __init__(self, linear, size):
        super().__init__()
        self.linear, self.size, self.on = linear, size, True
        self.upper = nn.ParameterList(torch.zeros(size, size) for _ in range(linear.in_features // size))

    def blocks(self):
        eye = torch.eye(self.size)
        skew = [u.triu(1) - u.triu(1).T for u in self.upper]
        return [torch.linalg.solve(eye + s, eye - s) for s in skew]  # one by one: torch's batched solve of large matrices can hang

    def forward(self, x):  # x (batch, tokens, in)
        if not self.on:
            return self.linear(x)
        w, b, n = self.linear.weight, self.linear.bias, self.linear.out_features
        tokens = x.shape[0] * x.shape[1]
        blocks = self.blocks()
        if 6 * tokens < 4 * n + 2 * tokens * n / self.size:  # products of in x size, forward and backward: rotate x, or W and its gradient
            return F.linear(torch.cat([p @ a for p, a in zip(x.split(self.size, -1), blocks)], -1), w, b)
        return F.linear(x, torch.cat([p @ a.T for p, a in zip(w.split(self.size, 1), blocks)], 1), b)


def rotated_step(o, maps):
    model = load(o)
    rotated = []
    for tower, width in ((model.vision_model, 768), (model.text_model, 512)):
        for layer in tower.encoder.layers:
            for part in (layer.self_attn, layer.mlp):
                for name, linear in [c for c in part.named_children() if c[0] in maps]:
                    rotated.append(Rotated(linear, width))
                    setattr(part, name, rotated[-1])
    x, (_, ids) = pixels(o), prompts(o)

    def switched(on, work):
        for r in rotated:
            r.on = on
        return work()

    with torch.no_grad():
        texts = switched(False, lambda: text_features(model, ids))
    optimizer = torch.optim.AdamW([p for r in rotated for p in r.parameters() if p.requires_grad], lr=1e-5)
    tuned = lambda: switched(True, lambda: (image_features(model, x), text_features(model, ids)))
    return steps(o, model, tuned, optimizer, (lambda: switched(False, lambda: image_features(model, x)), texts))


def step_out(o):
    return rotated_step(o, ["out_proj"])


def step_all(o):
    return rotated_step(o, ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"])


# ---- the other cases -----------------------------------------------------------------------------------------------------------


def step_ffn(o):
    import peft

    config = peft.OFTConfig(r=4, oft_block_size=0, target_modules=["fc1", "fc2"], use_cayley_neumann=True)
    outer = peft.get_peft_model(load(o), config)
    model, x, (_, ids) = outer.base_model.model, pixels(o), prompts(o)

    def frozen():
        with outer.disable_adapter():
            return image_features(model, x)

    with torch.no_grad(), outer.disable_adapter():
        texts = text_features(model, ids)
    optimizer = torch.optim.AdamW([p for p in outer.parameters() if p.requires_grad], lr=1e-5)
    return steps(o, model, lambda: (image_features(model, x), text_features(model, ids)), optimizer, (frozen, texts))


class Context(nn.Module):
    """Token embeddings with the words after the start token learned (CoOp, one context for all classes)."""

    def __init__(self, embedding):
        super().__init__()
        self.embedding, self.words = embedding, nn.Parameter(0.02 * torch.randn(CONTEXT_WORDS, embedding.embedding_dim))

    def forward(self, ids):
        e = self.embedding(ids)
        return torch.cat([e[:, :1], self.words.expand(len(e), -1, -1), e[:, 1 + CONTEXT_WORDS :]], 1)


def step_coop(o):
    model, x, (_, ids) = load(o), pixels(o), prompts(o, CONTEXT_WORDS)
    context = Context(model.text_model.embeddings.token_embedding)
    model.text_model.embeddings.token_embedding = context

    def tuned():
        with torch.no_grad():
            image = image_features(model, x)
        return image, text_features(model, ids)

    return steps(o, model, tuned, torch.optim.SGD([context.words], lr=2e-3, momentum=0.9))


def features(o):
    model, x = load(o), pixels(o)
    with torch.inference_mode():
        return timed(o, lambda: image_features(model, x))


def texts(o):
    model, (_, ids) = load(o), prompts(o)
    with torch.inference_mode():
        return timed(o, lambda: text_features(model, ids))


def start(o):
    import numpy as np

    with torch.inference_mode():
        return {"norm": image_features(load(o), torch.from_numpy(np.load(f"{o.scratch}/pixels.npy"))).norm().item()}


def sgemm(o):
    x, w = torch.randn(1576, 768), torch.randn(3072, 768)
    o.repetitions = 20
    return {"gflops": 2e-6 * 1576 * 768 * 3072 / min(timed(o, lambda: F.linear(x, w))["ms"])}


def reference(o):
    import numpy as np

    o.batch, o.classes = 1, 4
    model, x, (words, ids) = load(o), pixels(o), prompts(o)
    with torch.inference_mode():
        arrays = {"pixels": x, "image": image_features(model, x), "text": text_features(model, ids)}
    for name, array in arrays.items():
        np.save(f"{o.scratch}/{name}.npy", array.numpy())
    with open(f"{o.scratch}/texts.txt", "w") as f:
        f.write("".join(w + "\n" for w in words))


def export(o):
    class Tower(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, x):
            return image_features(self.model, x)

    torch.onnx.export(Tower(load(o)).eval(), (pixels(o),), f"{o.scratch}/vision-{o.batch}.onnx", dynamo=True, verbose=False, input_names=["pixels"])


CASES = {"step-out": step_out, "step-all": step_all, "step-ffn": step_ffn, "step-coop": step_coop, "features": features, "texts": texts, "start": start}
CASES |= {"checkpoint": checkpoint, "reference": reference, "export": export, "sgemm": sgemm}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("case", choices=CASES)
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--scratch")
    for name, value in (("threads", 2), ("batch", 8), ("classes", 16), ("repetitions", 5)):
        p.add_argument(f"--{name}", type=int, default=value)
    o = p.parse_args()
    torch.set_num_threads(o.threads)
    result = CASES[o.case](o)
    if result:
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
