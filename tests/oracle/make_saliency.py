"""Maps over the patches of the tiny CLIPs as their own code gives them: tests/data/clip/{hf,openclip,openai}/saliency.safetensors.

usage: python tests/oracle/make_saliency.py        (torch, transformers, open_clip_torch, safetensors; from the repository root, after make_clip.py)

Pixels and texts are those of expected.safetensors: similarity (n, grid, grid) of image i with text feature i, attention (n, grid, grid) of the class token in
the last layer, the mean over heads.
"""
import json

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

ROOT = "tests/data/clip"


def save(name, tokens, attention, expected):
    """tokens (n, 1 + patches, embed), projected; attention (n, heads, 1 + patches, 1 + patches)."""
    n = len(tokens)
    grid = round((tokens.shape[1] - 1) ** 0.5)
    text = F.normalize(expected["text_features"][:n], dim=-1)
    similarity = torch.einsum("npe,ne->np", F.normalize(tokens[:, 1:], dim=-1), text)
    assert torch.allclose(tokens[:, 0], expected["image_features"], atol=1e-4)
    assert torch.allclose(attention.sum(-1), torch.ones(()), atol=1e-5)
    out = dict(similarity=similarity.view(n, grid, grid), attention=attention.mean(1)[:, 0, 1:].reshape(n, grid, grid))
    save_file({k: v.contiguous() for k, v in out.items()}, f"{ROOT}/{name}/saliency.safetensors")


@torch.no_grad()
def huggingface(name):
    from transformers import CLIPModel

    expected = load_file(f"{ROOT}/{name}/expected.safetensors")
    model = CLIPModel.from_pretrained(f"{ROOT}/{name}", attn_implementation="eager").eval()
    vision = model.vision_model(expected["pixels"], output_hidden_states=True, output_attentions=True)
    save(name, model.visual_projection(model.vision_model.post_layernorm(vision.hidden_states[-1])), vision.attentions[-1], expected)


@torch.no_grad()
def openclip(name, file, vision, text, embed, quick_gelu):
    import open_clip

    expected = load_file(f"{ROOT}/{name}/expected.safetensors")
    model = open_clip.model.CLIP(embed_dim=embed, vision_cfg=open_clip.model.CLIPVisionCfg(**vision), text_cfg=open_clip.model.CLIPTextCfg(**text),
                                 quick_gelu=quick_gelu).eval()
    model.load_state_dict({k: v.float() for k, v in load_file(f"{ROOT}/{name}/{file}").items()}, strict=False)
    block, seen = model.visual.transformer.resblocks[-1], {}
    block.register_forward_hook(lambda module, inputs, output: seen.update(x=inputs[0], y=output))
    model.encode_image(expected["pixels"])
    x = block.ln_1(seen["x"])
    batch_first = seen["x"].shape[0] == len(expected["pixels"])
    block.attn.batch_first = batch_first
    _, attention = block.attn(x, x, x, need_weights=True, average_attn_weights=False)
    y = seen["y"] if batch_first else seen["y"].transpose(0, 1)
    save(name, model.visual.ln_post(y) @ model.visual.proj, attention, expected)


huggingface("hf")
config = json.load(open(f"{ROOT}/openclip/open_clip_config.json"))["model_cfg"]
openclip("openclip", "open_clip_model.safetensors", config["vision_cfg"], config["text_cfg"], config["embed_dim"], False)
openclip("openai", "ViT-tiny.safetensors", dict(image_size=8, layers=1, width=64, patch_size=4), dict(context_length=10, vocab_size=70, width=64, heads=1, layers=2),
         12, True)
