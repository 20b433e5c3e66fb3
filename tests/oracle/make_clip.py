"""Tiny random CLIPs with the features their own code gives: tests/data/clip/{hf,openclip,openai}.

usage: python tests/oracle/make_clip.py        (torch, transformers, open_clip_torch, peft, safetensors; from the repository root)

hf        float32, Hugging Face layout, with a tokenizer, and 10-step PEFT OFT trajectories (trajectory.safetensors; trajectory-share.safetensors: block_share)
openclip  mixed float16/float32, no ln_pre, exact GELU, two eps, head_width 8
openai    bfloat16, OpenAI's names, no config: everything inferred from shapes
Each directory holds expected.safetensors: pixels (n, 3, S, S), tokens (n, context) int32, image_features, text_features (raw), logits.
"""
import json
import os
import shutil

import torch
import torch.nn.functional as F
from safetensors.torch import save_file as write_file

OUT = "tests/data/clip"
torch.manual_seed(3)
torch.set_num_threads(1)


def save_file(tensors, path, metadata=None):
    write_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata=metadata)


def fresh(name):
    path = os.path.join(OUT, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def randomize(model, scale=1.0):
    """Weights large enough that attention, norms and activations all matter."""
    for name, p in model.named_parameters():
        if name.endswith("logit_scale"):
            continue
        with torch.no_grad():
            if p.ndim == 1 and ("norm" in name or "ln" in name) and name.endswith("weight"):
                p.copy_(1 + 0.2 * torch.randn_like(p))
            else:
                p.copy_(scale * torch.randn_like(p) * (0.3 if p.ndim == 1 else 0.7 / p.shape[-1] ** 0.5 if "embedding" not in name else 0.5))


def tokens_like(n, context, vocab):
    """Start, ids, end at different positions, zeros after it."""
    ids = torch.zeros(n, context, dtype=torch.int64)
    for i in range(n):
        length = 2 + i % (context - 3)
        ids[i, 0] = vocab - 2
        ids[i, 1 : 1 + length] = torch.randint(1, vocab - 2, (length,))
        ids[i, 1 + length] = vocab - 1
    return ids


def logits(image, text, scale):
    return scale.exp() * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T


def small_vocabulary(path, merges):
    """CLIP's byte-level BPE with a handful of merges, as vocab.json and merges.txt."""
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    symbols = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    vocab = symbols + [s + "</w>" for s in symbols] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    with open(os.path.join(path, "vocab.json"), "w") as f:
        json.dump({t: i for i, t in enumerate(vocab)}, f, ensure_ascii=False)
    with open(os.path.join(path, "merges.txt"), "w") as f:
        f.write("#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in merges))
    return len(vocab)


def make_hf():
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    path = fresh("hf")
    merges = [("o", "f</w>"), ("p", "h"), ("ph", "o"), ("t", "o</w>"), ("pho", "to</w>"), ("c", "a"), ("ca", "t</w>"), ("d", "o"), ("do", "g</w>")]
    vocab = small_vocabulary(path, merges)
    config = CLIPConfig(
        projection_dim=16,
        vision_config=dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, image_size=16, patch_size=4, projection_dim=16),
        text_config=dict(hidden_size=24, intermediate_size=48, num_hidden_layers=2, num_attention_heads=3, vocab_size=vocab, max_position_embeddings=20,
                         eos_token_id=vocab - 1, bos_token_id=vocab - 2, pad_token_id=vocab - 1, projection_dim=16),
    )
    model = CLIPModel(config).eval()
    randomize(model)
    with torch.no_grad():
        model.logit_scale.fill_(2.0)
    model.save_pretrained(path)
    for extra in ("generation_config.json",):
        if os.path.exists(os.path.join(path, extra)):
            os.remove(os.path.join(path, extra))
    pixels, tokens = torch.randn(5, 3, 16, 16), tokens_like(7, 20, vocab)
    with torch.no_grad():
        out = model(input_ids=tokens, pixel_values=pixels)
        image = model.visual_projection(model.vision_model(pixels).pooler_output)
        text = model.text_projection(model.text_model(tokens).pooler_output)
        assert torch.allclose(out.logits_per_image, logits(image, text, model.logit_scale), atol=1e-4)
    save_file(dict(pixels=pixels, tokens=tokens.int(), image_features=image, text_features=text, logits=out.logits_per_image),
              os.path.join(path, "expected.safetensors"))
    images = torch.randint(0, 256, (12, 16, 16, 3), dtype=torch.uint8)
    for share in (False, True):
        trajectory(CLIPModel.from_pretrained(path).eval(), CLIPTokenizer.from_pretrained(path), path, images, share)


def trajectory(model, tokenizer, path, images, share):
    """Ten full-batch SGD steps of OrthSR with PEFT's exact OFT on fc1 and fc2 of both towers, in float64 so that the target is exact."""
    from peft import OFTConfig, get_peft_model

    classes, template = ["cat", "dog", "t-shirt"], "a photo of a {}."
    labels = torch.arange(12) % 3
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711])
    pixels = ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2).double()
    ids = torch.tensor(tokenizer([template.format(c) for c in classes], padding="max_length", max_length=20)["input_ids"])
    model = model.double()

    def features(m):
        clip = m.base_model.model if hasattr(m, "peft_config") else m
        image = clip.visual_projection(clip.vision_model(pixels).pooler_output)
        text = clip.text_projection(clip.text_model(ids).pooler_output)
        return logits(image, text, clip.logit_scale)

    with torch.no_grad():
        frozen = features(model).log_softmax(-1)
    rows, weight, lr, momentum, decay = {}, 1.5, 0.05 if share else 0.2, 0.9, 5e-4  # a shared block's gradient is a sum over 4 places
    tuned = get_peft_model(model, OFTConfig(r=4, oft_block_size=0, target_modules=["fc1", "fc2"], use_cayley_neumann=False, block_share=share)).double()
    optimizer = torch.optim.SGD([p for p in tuned.parameters() if p.requires_grad], lr=lr, momentum=momentum, weight_decay=decay)
    for step in range(10):
        log_p = features(tuned).log_softmax(-1)
        ce = F.nll_loss(log_p, labels)
        kl = (frozen.exp() * (frozen - log_p)).sum(-1).mean()
        loss = ce + weight * kl
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rows.setdefault("ce", []).append(ce.item())
        rows.setdefault("kl", []).append(kl.item())
        rows.setdefault("loss", []).append(loss.item())
    tensors = {k: torch.tensor(v, dtype=torch.float64) for k, v in rows.items()}
    tensors.update({} if share else dict(images=images, labels=labels.int()))
    tensors.update(settings=torch.tensor([weight, lr, momentum, decay], dtype=torch.float64))
    for name, p in tuned.named_parameters():
        if p.requires_grad:  # base_model.model.vision_model.encoder.layers.0.mlp.fc1.oft_R.default.weight
            parts = name.split(".")
            tower = "image" if "vision_model" in parts else "text"
            tensors[f"skew.{tower}.{parts[parts.index('layers') + 1]}.{parts[parts.index('mlp') + 1]}"] = p.detach().float()
    save_file(tensors, os.path.join(path, "trajectory-share.safetensors" if share else "trajectory.safetensors"))
    print("trajectory loss", rows["loss"])


def open_clip_model(vision, text, embed, quick_gelu):
    import open_clip

    return open_clip.model.CLIP(embed_dim=embed, vision_cfg=open_clip.model.CLIPVisionCfg(**vision), text_cfg=open_clip.model.CLIPTextCfg(**text), quick_gelu=quick_gelu).eval()


def save_features(model, path, size, context, vocab):
    pixels, tokens = torch.randn(5, 3, size, size), tokens_like(7, context, vocab)
    with torch.no_grad():
        image, text = model.encode_image(pixels), model.encode_text(tokens)
    save_file(dict(pixels=pixels, tokens=tokens.int(), image_features=image, text_features=text, logits=logits(image, text, model.logit_scale)),
              os.path.join(path, "expected.safetensors"))


def make_openclip():
    path = fresh("openclip")
    vision = dict(image_size=24, layers=2, width=32, head_width=8, patch_size=8, mlp_ratio=3.0, no_ln_pre=True, norm_kwargs={"eps": 1e-3})
    text = dict(context_length=12, vocab_size=90, width=16, heads=2, layers=1)
    model = open_clip_model(vision, text, 20, False)
    randomize(model)
    state = {k: v.half() if "ln" not in k and "positional" not in k and k != "logit_scale" else v for k, v in model.state_dict().items() if k != "attn_mask"}
    model.load_state_dict({k: v.float() for k, v in state.items()}, strict=False)
    save_file(state, os.path.join(path, "open_clip_model.safetensors"), metadata={"format": "pt"})
    config = dict(model_cfg=dict(embed_dim=20, vision_cfg=vision, text_cfg=text),
                  preprocess_cfg=dict(mean=[0.5, 0.4, 0.3], std=[0.2, 0.25, 0.3], interpolation="bicubic", resize_mode="shortest"))
    with open(os.path.join(path, "open_clip_config.json"), "w") as f:
        json.dump(config, f, indent=2)
    save_features(model, path, 24, 12, 90)


def make_openai():
    path = fresh("openai")
    vision = dict(image_size=8, layers=1, width=64, patch_size=4)
    text = dict(context_length=10, vocab_size=70, width=64, heads=1, layers=2)
    model = open_clip_model(vision, text, 12, True)
    randomize(model)
    state = {k: v.bfloat16() for k, v in model.state_dict().items() if k != "attn_mask"}
    model.load_state_dict({k: v.float() for k, v in state.items()}, strict=False)
    save_file(state, os.path.join(path, "ViT-tiny.safetensors"))
    save_features(model, path, 8, 10, 70)


if __name__ == "__main__":
    make_hf()
    make_openclip()
    make_openai()
    for root, _, files in os.walk(OUT):
        for f in files:
            print(os.path.getsize(os.path.join(root, f)), os.path.join(root, f))
