"""Random models with adapters in their weights as GGUF files of orthsr, read by the gguf package and run by clip.cpp, against transformers and open_clip.

usage: python tests/oracle/check_gguf.py build/bin/orthsr [SEED]
       (gguf, torch, transformers, open_clip_torch, safetensors, numpy; clip_cpp where there is one)

Every tensor of every file is compared with the same weights of the transformers or open_clip model, rotated here in float64, and every key with
its config. With clip_cpp, the Python package of clip.cpp, features of models with as many tensors as a ViT-B (it knows models by that number) are
compared with transformers'.
"""
import json
import math
import os
import random
import sys
import tempfile
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import gguf
import numpy as np
import torch

import tool as t
from check_formats import HuggingFace, hf_model, hf_weights, hf_write, open_clip_config, open_clip_model, open_clip_peer, open_clip_write

warnings.simplefilter("ignore")
HALF, SINGLE = 2.0**-11, 2.0**-24  # largest relative roundings of float16 and float32
CLIP_CPP_BAR = 5e-3  # ggml has float16 in products and, by table, in activations; observed: 1e-3

# ---- names, from clip.cpp's loader -------------------------------------------------------------------------------------------

BESIDE = {
    "v.class_embd": "vision_model.embeddings.class_embedding",
    "v.patch_embd.weight": "vision_model.embeddings.patch_embedding.weight",
    "v.position_embd.weight": "vision_model.embeddings.position_embedding.weight",
    "v.pre_ln": "vision_model.pre_layrnorm",
    "v.post_ln": "vision_model.post_layernorm",
    "visual_projection.weight": "visual_projection.weight",
    "t.token_embd.weight": "text_model.embeddings.token_embedding.weight",
    "t.position_embd.weight": "text_model.embeddings.position_embedding.weight",
    "t.post_ln": "text_model.final_layer_norm",
    "text_projection.weight": "text_projection.weight",
}
LAYER = {"ln1": "layer_norm1", "ln2": "layer_norm2", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_out": "self_attn.out_proj",
         "ffn_down": "mlp.fc1", "ffn_up": "mlp.fc2"}


def expected_names(config):
    """{GGUF name: transformers' name}"""
    names = {k: v for k, v in BESIDE.items() if k.endswith(("weight", "embd"))}
    stems = {k: v for k, v in BESIDE.items() if k not in names}
    for letter, module, c in (("v", "vision_model", config.vision_config), ("t", "text_model", config.text_config)):
        for i in range(c.num_hidden_layers):
            stems.update({f"{letter}.blk.{i}.{ours}": f"{module}.encoder.layers.{i}.{theirs}" for ours, theirs in LAYER.items()})
    for ours, theirs in stems.items():
        names.update({f"{ours}.{part}": f"{theirs}.{part}" for part in ("weight", "bias")})
    return names


def check_keys(report, name, file, config, path, logit_scale):
    fields = {k: f.contents() for k, f in file.fields.items()}
    v, c = config.vision_config, config.text_config
    expected = {"general.architecture": "clip", "clip.has_text_encoder": True, "clip.has_vision_encoder": True, "clip.text.context_length": c.max_position_embeddings,
                "clip.vision.image_size": v.image_size, "clip.vision.patch_size": v.patch_size, "clip.use_gelu": v.hidden_act != "quick_gelu"}
    for tower, part in (("text", c), ("vision", v)):
        expected.update({f"clip.{tower}.embedding_length": part.hidden_size, f"clip.{tower}.feed_forward_length": part.intermediate_size,
                         f"clip.{tower}.projection_dim": config.projection_dim, f"clip.{tower}.attention.head_count": part.num_attention_heads,
                         f"clip.{tower}.block_count": part.num_hidden_layers, f"clip.{tower}.attention.layer_norm_epsilon": float(np.float32(part.layer_norm_eps))})
    wrong = [k for k, e in expected.items() if fields.get(k) != e]
    vocabulary = json.load(open(f"{path}/vocab.json"))
    tokens = sorted(vocabulary, key=vocabulary.get)
    if fields["tokenizer.ggml.tokens"][: len(tokens)] != tokens or len(fields["tokenizer.ggml.tokens"]) != c.vocab_size:
        wrong.append("tokenizer.ggml.tokens")
    if abs(fields["clip.logit_scale"] - math.exp(logit_scale)) > 1e-6 * math.exp(logit_scale):
        wrong.append("clip.logit_scale")
    report.line(not wrong, f"{name}: keys", ", ".join(wrong) or f"{len(fields)}")


def check_tensors(report, name, file, expected, half):
    """expected: {GGUF name: float64 tensor}. Every value may be off by one rounding of its type."""
    names = [x.name for x in file.tensors]
    if sorted(names) != sorted(expected):
        return report.line(False, name, f"names differ: {sorted(set(names) ^ set(expected))[:6]}")
    worst = 0.0
    for tensor in file.tensors:
        e = expected[tensor.name].double().numpy()
        kind = gguf.GGMLQuantizationType.F16 if half and e.ndim > 1 else gguf.GGMLQuantizationType.F32
        if tensor.tensor_type != kind or tensor.data.shape != e.shape or tensor.data_offset % 32 != 0:
            return report.line(False, name, f"{tensor.name}: {tensor.tensor_type.name} {tensor.data.shape}, not {kind.name} {e.shape}")
        bound = np.abs(e) * HALF + 2.0**-25 if kind == gguf.GGMLQuantizationType.F16 else np.abs(e) * SINGLE + 1e-12
        worst = max(worst, float(np.max(np.abs(tensor.data.astype(np.float64) - e) / bound)))
    report.line(worst <= 1.01, name, f"{len(names)} tensors, at most {worst:.2f} of a rounding")


# ---- cases ---------------------------------------------------------------------------------------------------------------------


ACTIVATIONS = ["quick_gelu", "gelu", "gelu_pytorch_tanh"]


def random_hf(r, act, layers=None, width=None):
    tower = {"hidden_act": act}
    if layers:
        tower.update(num_hidden_layers=layers, hidden_size=width, num_attention_heads=4, intermediate_size=2 * width, layer_norm_eps=1e-5)
    return hf_model(r, vision={**tower, **({"patch_size": 4, "image_size": 28} if layers else {})}, text=dict(tower))


def adapter_for(r, numbers, path, maps):
    chosen = dict(r.sample(sorted(maps.items()), r.randint(1, len(maps))))
    return t.random_adapter(path, chosen, numbers, "cayley", 1.0, blocks=1)


def merged_hf(model, rotations):
    """float64 weights by transformers' names."""
    state = {k: v.double() for k, v in model.state_dict().items()}
    for name, parts in hf_weights(model.config).items():
        for target, _ in parts:
            if target in rotations:
                state[name] = state[name] @ torch.from_numpy(rotations[target]).T
    return state


def check_hf(tool, report, folders, r, numbers, n=10):
    for i in range(n):
        model = random_hf(r, ACTIVATIONS[i % 3])
        path, peer = hf_write(folders, model.state_dict(), model.config), HuggingFace(model)
        rotations = adapter_for(r, numbers, f"{folders.scratch}/a.safetensors", peer.maps) if i % 4 else {}
        state, names = merged_hf(model, rotations), expected_names(model.config)
        for dtype in ("f32", "f16"):
            out, name = f"{folders.scratch}/{i}-{dtype}.gguf", f"hf {i} {dtype}, {len(rotations)} maps"
            tool.run("convert", "--to", "gguf", "--dtype", dtype, "--model", path, "--out", out, *(["--adapter", f"{folders.scratch}/a.safetensors"] if rotations else []))
            file = gguf.GGUFReader(out)
            check_keys(report, name, file, model.config, path, model.logit_scale.item())
            check_tensors(report, name, file, {ours: state[theirs] for ours, theirs in names.items()}, dtype == "f16")


def check_open_clip(tool, report, folders, r, numbers, n=6):
    """Their weights in transformers' layout: q, k, v apart, projections transposed."""
    for i in range(n):
        config = open_clip_config(r)
        config["vision_cfg"].pop("no_ln_pre", None)
        model = open_clip_model(config)
        path, peer = open_clip_write(folders, model, config), open_clip_peer(model, config)
        rotations = adapter_for(r, numbers, f"{folders.scratch}/a.safetensors", peer.maps)
        state, expected = {k: v.double() for k, v in model.state_dict().items()}, {}
        for letter, tower, prefix in (("v", "image", "visual."), ("t", "text", "")):
            for layer in range(1 + max(int(m.split(".")[1]) for m in peer.maps if m.startswith(tower))):
                block, ours = f"{prefix}transformer.resblocks.{layer}.", f"{letter}.blk.{layer}."
                weights = dict(zip(("attn_q", "attn_k", "attn_v"), state[block + "attn.in_proj_weight"].chunk(3)))
                biases = dict(zip(("attn_q", "attn_k", "attn_v"), state[block + "attn.in_proj_bias"].chunk(3)))
                for name, theirs in {"attn_out": "attn.out_proj", "ffn_down": "mlp.c_fc", "ffn_up": "mlp.c_proj", "ln1": "ln_1", "ln2": "ln_2"}.items():
                    weights[name], biases[name] = state[f"{block}{theirs}.weight"], state[f"{block}{theirs}.bias"]
                for name, m in {"attn_q": "q", "attn_k": "k", "attn_v": "v", "attn_out": "out", "ffn_down": "fc1", "ffn_up": "fc2"}.items():
                    if f"{tower}.{layer}.{m}" in rotations:
                        weights[name] = weights[name] @ torch.from_numpy(rotations[f"{tower}.{layer}.{m}"]).T
                expected.update({f"{ours}{k}.weight": v for k, v in weights.items()} | {f"{ours}{k}.bias": v for k, v in biases.items()})
        for stem, theirs in {"v.pre_ln": "visual.ln_pre", "v.post_ln": "visual.ln_post", "t.post_ln": "ln_final"}.items():
            expected.update({f"{stem}.{part}": state[f"{theirs}.{part}"] for part in ("weight", "bias")})
        expected.update({"v.class_embd": state["visual.class_embedding"], "v.patch_embd.weight": state["visual.conv1.weight"],
                         "v.position_embd.weight": state["visual.positional_embedding"], "visual_projection.weight": state["visual.proj"].T,
                         "t.token_embd.weight": state["token_embedding.weight"], "t.position_embd.weight": state["positional_embedding"],
                         "text_projection.weight": state["text_projection"].T})
        for dtype in ("f32", "f16"):
            out = f"{folders.scratch}/open{i}-{dtype}.gguf"
            tool.run("convert", "--to", "gguf", "--dtype", dtype, "--model", path, "--out", out, "--adapter", f"{folders.scratch}/a.safetensors")
            check_tensors(report, f"open_clip {i} {dtype}, {len(rotations)} maps", gguf.GGUFReader(out), expected, dtype == "f16")


def check_clip_cpp(tool, report, folders, r, numbers, n=3):
    try:
        from clip_cpp import clip as peer
    except ImportError:
        return print("clip_cpp is not installed: files were read by the gguf package only")
    import ctypes

    for i in range(n):
        model = random_hf(r, ACTIVATIONS[i % 3], layers=12, width=32)
        path, core = hf_write(folders, model.state_dict(), model.config), HuggingFace(model)
        rotations, out = adapter_for(r, numbers, f"{folders.scratch}/a.safetensors", core.maps), f"{folders.scratch}/clip{i}.gguf"
        tool.run("convert", "--to", "gguf", "--model", path, "--out", out, "--adapter", f"{folders.scratch}/a.safetensors")
        state = {k: v.float() for k, v in merged_hf(model, rotations).items()}
        model.load_state_dict(state)
        theirs = peer.Clip(out)
        pixels, worst = torch.randn(3, 28, 28), []
        data = np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())
        image, vector = peer.ClipImageF32(28, 28, data.ctypes.data_as(ctypes.POINTER(ctypes.c_float))), (ctypes.c_float * model.config.projection_dim)()
        with torch.no_grad():
            peer.clip_image_encode(theirs.ctx, 1, ctypes.pointer(image), vector, False)
            worst.append(t.deviation(torch.tensor(list(vector)), core.image(pixels[None])[0]))
            ids = [t.VOCABULARY - 2, *torch.randint(0, 500, (7,)).tolist(), t.VOCABULARY - 1]
            worst.append(t.deviation(torch.tensor(theirs.encode_text(ids, 1, False)), core.text(torch.tensor([ids]))[0]))
        report.close(f"clip.cpp {i}, {model.config.vision_config.hidden_act}, {len(rotations)} maps: image and text features", worst, CLIP_CPP_BAR)


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    r, numbers = random.Random(seed), np.random.default_rng(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        tool, report, folders = t.Tool(sys.argv[1], scratch), t.Report(), t.Folders(scratch)
        check_hf(tool, report, folders, r, numbers)
        check_open_clip(tool, report, folders, r, numbers)
        check_clip_cpp(tool, report, folders, r, numbers)
        report.end()


main()
