"""Features of one CLIP in every dtype, plain and adapted: tests/data/layouts/expected.safetensors.

usage: python tests/oracle/make_layouts.py      (torch, transformers, open_clip_torch, safetensors, numpy; from the repository root)

The weights are not stored: tests/test_layouts.c makes the same ones by the same numbers (noise of tests/util/check.h) and writes them in every layout.
Here they go into transformers' CLIPModel and open_clip's CLIP, CustomTextCLIP and OpenAI builder, which must agree.
"""
import numpy as np
import open_clip
import torch
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel

IMAGE, TEXT = dict(d=128, heads=2, mlp=96, layers=1), dict(d=64, heads=1, mlp=160, layers=2)
EMBED, SIZE, PATCH, CONTEXT, VOCABULARY = 24, 12, 4, 9, 50
torch.manual_seed(5)
torch.set_num_threads(1)


class Noise:
    def __init__(self, state):
        self.state = state

    def __call__(self, *shape):
        values = np.empty(int(np.prod(shape)))
        for i in range(len(values)):
            self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
            values[i] = (self.state >> 11) / 2.0**52 - 1.0
        return values.reshape(shape)


def open_weights():
    """The state of open_clip's CLIP, in the order of test_layouts.c."""
    noise, state = Noise(21), {}

    def add(name, center, scale, *shape):
        state[name] = torch.from_numpy((center + scale * noise(*shape)).astype(np.float32))

    def norm(name, d):
        add(f"{name}.weight", 1.0, 0.25, d)
        add(f"{name}.bias", 0.0, 0.5, d)

    def layers(stem, d, mlp, layers, **_):
        for i in range(layers):
            at = f"{stem}transformer.resblocks.{i}."
            norm(f"{at}ln_1", d)
            add(f"{at}attn.in_proj_weight", 0.0, 0.25, 3 * d, d)
            add(f"{at}attn.in_proj_bias", 0.0, 0.5, 3 * d)
            add(f"{at}attn.out_proj.weight", 0.0, 0.25, d, d)
            add(f"{at}attn.out_proj.bias", 0.0, 0.5, d)
            norm(f"{at}ln_2", d)
            add(f"{at}mlp.c_fc.weight", 0.0, 0.25, mlp, d)
            add(f"{at}mlp.c_fc.bias", 0.0, 0.5, mlp)
            add(f"{at}mlp.c_proj.weight", 0.0, 0.25, d, mlp)
            add(f"{at}mlp.c_proj.bias", 0.0, 0.5, d)

    d = IMAGE["d"]
    add("visual.class_embedding", 0.0, 0.5, d)
    add("visual.conv1.weight", 0.0, 0.25, d, 3, PATCH, PATCH)
    add("visual.positional_embedding", 0.0, 0.5, 1 + (SIZE // PATCH) ** 2, d)
    norm("visual.ln_pre", d)
    layers("visual.", **IMAGE)
    norm("visual.ln_post", d)
    add("visual.proj", 0.0, 0.25, d, EMBED)
    d = TEXT["d"]
    add("token_embedding.weight", 0.0, 0.5, VOCABULARY, d)
    add("positional_embedding", 0.0, 0.5, CONTEXT, d)
    layers("", **TEXT)
    norm("ln_final", d)
    add("text_projection", 0.0, 0.25, d, EMBED)
    state["logit_scale"] = torch.tensor(2.5)
    return state


def rounded(state, dtype):
    """mixed: what open_clip's convert_weights_to_lp makes float16."""
    def low(name):
        return any(part in name for part in ("conv1", "attn.", "mlp.", "proj"))
    kinds = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    return {k: v.to(kinds[dtype] if dtype != "mixed" else torch.float16 if low(k) else torch.float32).float() for k, v in state.items()}


def maps(state):
    """(map, tensor, first row, rows) in the order of a model's maps."""
    for tower, stem, c in (("image", "visual.", IMAGE), ("text", "", TEXT)):
        for i in range(c["layers"]):
            at, d = f"{stem}transformer.resblocks.{i}.", c["d"]
            for j, name in enumerate("qkv"):
                yield f"{tower}.{i}.{name}", f"{at}attn.in_proj_weight", j * d, d
            yield f"{tower}.{i}.out", f"{at}attn.out_proj.weight", 0, d
            yield f"{tower}.{i}.fc1", f"{at}mlp.c_fc.weight", 0, c["mlp"]
            yield f"{tower}.{i}.fc2", f"{at}mlp.c_proj.weight", 0, d


def adapted(state):
    """Every map turned, two blocks each: y = (x A) W^T."""
    noise, state = Noise(22), {k: v.double() for k, v in state.items()}
    for _, tensor, row, rows in maps(state):
        width = state[tensor].shape[1]
        b = width // 2
        s = torch.zeros(2, b, b, dtype=torch.float64)
        s[:, *torch.triu_indices(b, b, 1)] = torch.from_numpy((0.1 * noise(2, b * (b - 1) // 2)).astype(np.float32)).double()
        s, one = s - s.transpose(1, 2), torch.eye(b, dtype=torch.float64)
        a = torch.block_diag(*((one - s) @ torch.linalg.inv(one + s)))
        state[tensor][row : row + rows] = state[tensor][row : row + rows] @ a.T
    return state


def hf_state(state):
    names = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    fixed = {"visual.class_embedding": "vision_model.embeddings.class_embedding", "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
             "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight", "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
             "positional_embedding": "text_model.embeddings.position_embedding.weight", "logit_scale": "logit_scale"}
    out = {}
    for name, value in state.items():
        tower = "vision_model" if name.startswith("visual.") else "text_model"
        if name in fixed:
            out[fixed[name]] = value
        elif name in ("visual.proj", "text_projection"):
            out["visual_projection.weight" if "visual" in name else "text_projection.weight"] = value.T
        elif "in_proj" in name:
            layer = name.split("resblocks.")[1].split(".")[0]
            for part, third in zip("qkv", value.chunk(3)):
                out[f"{tower}.encoder.layers.{layer}.self_attn.{part}_proj.{name.rsplit('_', 1)[1]}"] = third
        elif "resblocks" in name:
            layer, rest = name.split("resblocks.")[1].split(".", 1)
            stem, _, kind = rest.rpartition(".")
            out[f"{tower}.encoder.layers.{layer}.{names[stem]}.{kind}"] = value
        else:
            stem, _, kind = name.rpartition(".")
            out[f"{tower}.{ {'visual.ln_pre': 'pre_layrnorm', 'visual.ln_post': 'post_layernorm', 'ln_final': 'final_layer_norm'}[stem]}.{kind}"] = value
    return out


@torch.no_grad()
def features(state, pixels, tokens):
    """transformers' features in float64, after all four classes have given the same."""
    def tower(c):
        return dict(hidden_size=c["d"], num_attention_heads=c["heads"], intermediate_size=c["mlp"], num_hidden_layers=c["layers"])

    state = {k: v.double() for k, v in state.items()}
    hf = CLIPModel(CLIPConfig(vision_config={**tower(IMAGE), "image_size": SIZE, "patch_size": PATCH}, projection_dim=EMBED,
                              text_config={**tower(TEXT), "vocab_size": VOCABULARY, "max_position_embeddings": CONTEXT, "eos_token_id": VOCABULARY - 1}))
    hf.double().eval().load_state_dict(hf_state(state))
    pixels = pixels.double()
    image, text = hf.visual_projection(hf.vision_model(pixels).pooler_output), hf.text_projection(hf.text_model(tokens).pooler_output)
    vision = dict(image_size=SIZE, patch_size=PATCH, width=IMAGE["d"], head_width=IMAGE["d"] // IMAGE["heads"], layers=IMAGE["layers"], mlp_ratio=IMAGE["mlp"] / IMAGE["d"])
    words = dict(context_length=CONTEXT, vocab_size=VOCABULARY, width=TEXT["d"], heads=TEXT["heads"], layers=TEXT["layers"], mlp_ratio=TEXT["mlp"] / TEXT["d"])
    for kind in (open_clip.model.CLIP, open_clip.model.CustomTextCLIP):
        peer = kind(EMBED, vision, words, quick_gelu=True).double().eval()
        peer.load_state_dict(open_clip.model.convert_to_custom_text_state_dict(state) if kind is open_clip.model.CustomTextCLIP else state)
        assert torch.allclose(peer.encode_image(pixels), image, rtol=1e-9, atol=1e-9) and torch.allclose(peer.encode_text(tokens), text, rtol=1e-9, atol=1e-9), kind
    return image.float(), text.float()


def main():
    pixels, tokens = torch.randn(3, 3, SIZE, SIZE), torch.zeros(5, CONTEXT, dtype=torch.int64)
    for i in range(5):
        tokens[i, : i + 2] = torch.randint(1, VOCABULARY - 2, (i + 2,))
        tokens[i, 0], tokens[i, i + 3] = VOCABULARY - 2, VOCABULARY - 1
    out = {"pixels": pixels, "tokens": tokens.int()}
    for dtype in ("F32", "F16", "BF16", "mixed"):
        state = rounded(open_weights(), dtype)
        out[f"{dtype}.image"], out[f"{dtype}.text"] = features(state, pixels, tokens)
        out[f"{dtype}.adapted_image"], out[f"{dtype}.adapted_text"] = features(adapted(state), pixels, tokens)
    save_file({k: v.contiguous() for k, v in out.items()}, "tests/data/layouts/expected.safetensors")
    print({k: tuple(v.shape) for k, v in out.items()})


if __name__ == "__main__":
    main()
