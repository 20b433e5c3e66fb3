"""Ten SGD steps of CoOp on the tiny Hugging Face model: tests/data/prompts/{end,middle,front,specific}.safetensors.

usage: python tests/oracle/make_prompts.py        (torch, transformers, safetensors; from the repository root, after make_clip.py)

CoOp as its trainers/coop.py has it (KaiyangZhou/CoOp): "X X X X name." is encoded, the embeddings of the X are replaced by the context, and the frozen text tower
reads the result. float64, cross-entropy alone, all images in one batch; context, losses and the class features of names that were never trained with.
"""
import os

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import CLIPModel, CLIPTokenizer

MODEL, OUT = "tests/data/clip/hf", "tests/data/prompts"
CLASSES, NEW = ["cat", "dog", "t-shirt"], ["photo", "a of"]
STEPS, LR, MOMENTUM, DECAY, CONTEXT = 10, 3.0, 0.9, 5e-4, 20
torch.set_num_threads(1)


class Prompt:
    def __init__(self, model, tokenizer, position, specific, init):
        self.model, self.tokenizer, self.position = model, tokenizer, position
        self.embedding = model.text_model.embeddings.token_embedding
        with torch.no_grad():
            ids = torch.tensor(tokenizer(init)["input_ids"][1:-1])
            ctx = self.embedding(ids).clone()
        self.words = len(ids)
        if specific:
            ctx = ctx.unsqueeze(0).repeat(len(CLASSES), 1, 1)
        self.context = torch.nn.Parameter(ctx)

    def features(self, names, context=None):
        model, n = self.model, self.words
        context = self.context if context is None else context
        text = [" ".join(["X"] * n) + " " + name + "." for name in names]
        ids = torch.tensor(self.tokenizer(text, padding="max_length", max_length=CONTEXT)["input_ids"])
        lengths = [len(self.tokenizer(name)["input_ids"]) - 2 for name in names]
        with torch.no_grad():
            e = self.embedding(ids)
        rows = []
        for i, length in enumerate(lengths):
            ctx = context if context.dim() == 2 else context[i]
            prefix, name, rest = e[i, :1], e[i, 1 + n : 1 + n + length], e[i, 1 + n + length :]
            half = n // 2
            parts = {"end": [prefix, ctx, name, rest], "middle": [prefix, ctx[:half], name, ctx[half:], rest], "front": [prefix, name, ctx, rest]}[self.position]
            rows.append(torch.cat(parts))
        x = torch.stack(rows)
        text_model = model.text_model
        x = x + text_model.embeddings.position_embedding(torch.arange(CONTEXT))
        mask = torch.full((CONTEXT, CONTEXT), float("-inf"), dtype=x.dtype).triu(1)[None, None]
        for layer in text_model.encoder.layers:
            x = layer(x, attention_mask=mask)
            x = x[0] if isinstance(x, tuple) else x
        x = text_model.final_layer_norm(x)
        end = (ids == self.tokenizer.eos_token_id).int().argmax(-1)
        return model.text_projection(x[torch.arange(len(names)), end])


def check_tower(model, tokenizer):
    """The layers walked here are the text tower: with the words' own embeddings the features are transformers'."""
    p = Prompt(model, tokenizer, "end", False, "a photo of a")
    ids = torch.tensor(tokenizer(["a photo of a " + c + "." for c in CLASSES], padding="max_length", max_length=CONTEXT)["input_ids"])
    with torch.no_grad():
        expected = model.text_projection(model.text_model(ids).pooler_output)
        assert torch.allclose(p.features(CLASSES), expected, atol=1e-10), (p.features(CLASSES) - expected).abs().max()


def run(name, model, tokenizer, data, position, specific):
    mean, std = torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    pixels = ((data["images"].float() / 255 - mean) / std).permute(0, 3, 1, 2).double()
    labels = data["labels"].long()
    with torch.no_grad():
        images = F.normalize(model.visual_projection(model.vision_model(pixels).pooler_output), dim=-1)
    prompt = Prompt(model, tokenizer, position, specific, "a photo of a")
    optimizer = torch.optim.SGD([prompt.context], lr=LR, momentum=MOMENTUM, weight_decay=DECAY)
    losses = []
    for _ in range(STEPS):
        logits = model.logit_scale.exp() * images @ F.normalize(prompt.features(CLASSES), dim=-1).T
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    names = CLASSES if specific else NEW
    with torch.no_grad():
        features = F.normalize(prompt.features(names), dim=-1)
    save_file(dict(loss=torch.tensor(losses, dtype=torch.float64), context=prompt.context.detach().float().contiguous(),
                   features=features.float().contiguous(), settings=torch.tensor([LR, MOMENTUM, DECAY], dtype=torch.float64)),
              os.path.join(OUT, name + ".safetensors"))
    print(name, losses[0], losses[-1])


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    clip = CLIPModel.from_pretrained(MODEL, attn_implementation="eager").eval().double()
    clip.requires_grad_(False)
    tok = CLIPTokenizer.from_pretrained(MODEL)
    trajectory = load_file(os.path.join(MODEL, "trajectory.safetensors"))
    check_tower(clip, tok)
    for where in ("end", "middle", "front"):
        run(where, clip, tok, trajectory, where, False)
    run("specific", clip, tok, trajectory, "end", True)
