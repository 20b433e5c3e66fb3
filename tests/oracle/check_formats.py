"""Random tiny checkpoints of every layout, read and merged by orthsr, against transformers' and open_clip's own features.

usage: python tests/oracle/check_formats.py build/bin/orthsr [SEED [DIRECTORY...]]    (torch, transformers, open_clip_torch, safetensors, pillow, numpy)

One line per case with the deviations (images, texts, token ids; relative to the largest feature), `N passed, N failed` at the end. A case whose
option this version does not have passes when it is refused by that option's name. DIRECTORY: a real model in open_clip's layout, to be compared too.
"""
import copy
import json
import math
import os
import random
import shutil
import sys
import tempfile
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import numpy as np
import torch
from PIL import Image

import tool as t

import open_clip
import transformers
from open_clip import transform as open_clip_transform
from transformers import CLIPConfig, CLIPModel

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
torch.set_num_threads(1)
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
MAPS = ["q", "k", "v", "out", "fc1", "fc2"]
EPSILON = {torch.float32: 2.0**-24, torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}  # largest relative rounding


class Check(t.Folders):
    def __init__(self, binary, seed, scratch):
        super().__init__(scratch)
        self.tool, self.report = t.Tool(binary, scratch), t.Report()
        self.random, self.numbers = random.Random(seed), np.random.default_rng(seed)
        torch.manual_seed(seed)

    # ---- comparing ----------------------------------------------------------------------------------------------------

    def deviations(self, path, peer, adapter=None):
        """peer: image(pixels), text(ids), size, context, vocabulary."""
        pixels = torch.randn(3, 3, peer.size, peer.size)
        texts, ids = self.tool.token_ids(path), torch.randint(0, peer.vocabulary, (6, peer.context))
        ids[torch.arange(6), torch.randint(0, peer.context, (6,))] = t.VOCABULARY - 1
        with torch.no_grad():
            pairs = [(self.tool.pixels(path, pixels, adapter), peer.image(pixels)), (self.tool.texts(path, adapter), peer.text(texts))]
            if not adapter:
                pairs.append((self.tool.tokens(path, ids), peer.text(ids)))
        return [t.deviation(a, b) for a, b in pairs]

    def same(self, name, path, peer):
        try:
            self.report.close(name, self.deviations(path, peer))
        except t.Refused as e:
            self.report.line(False, name, str(e))
        return path

    def refused(self, name, path, word):
        try:
            self.tool.run("info", path)
            self.report.line(False, name, f"accepted, though '{word}' changes the computation")
        except t.Refused as e:
            self.report.line(word in str(e), name, str(e).replace(self.scratch, "..."))

    def same_or_refused(self, name, path, peer, word):
        """Either the right features, or a complaint that names the option."""
        try:
            self.tool.run("info", path)
        except t.Refused:
            return self.refused(name, path, word)
        return self.same(name, path, peer)

    # ---- merging ------------------------------------------------------------------------------------------------------

    def merge(self, name, path, peer, reload, weights):
        """weights: the tensors an adapter reaches, name -> [(map, first row)]. reload(directory): the peer on the merged checkpoint."""
        try:
            self.check_merge(name, path, peer, reload, weights)
        except t.Refused as e:
            self.report.line(False, name, str(e))

    def check_merge(self, name, path, peer, reload, weights):
        widths = {m: peer.maps[m] for m in peer.maps}
        division = self.random.choice([{"blocks": math.gcd(*(w for w, _ in widths.values()))}, {"blocks": 1}, {"block_size": math.gcd(*(w for w, _ in widths.values()))}])
        if math.gcd(*(w for w, _ in widths.values())) in (1, *(w for w, _ in widths.values())):
            division = {"blocks": 1}
        kind = self.random.choice(["cayley", "cayley", "free"])
        adapter, out = f"{self.scratch}/adapter.safetensors", f"{self.scratch}/merged{self.count}"
        shutil.rmtree(out, ignore_errors=True)
        rotations = t.random_adapter(adapter, widths, self.numbers, kind, 0.8, **division)
        self.tool.run("merge", "--model", path, "--adapter", adapter, "--out", out)
        directory = path if os.path.isdir(path) else os.path.dirname(path)
        files = [os.path.basename(path)] if path != directory else sorted(f for f in os.listdir(path) if f.endswith(".safetensors"))
        if path == directory:
            missing = set(os.listdir(directory)) ^ set(os.listdir(out))
            assert not missing, missing
        worst_bit, dtypes = 0.0, set()
        for file in files:
            (before, old), (after, new) = t.tensors_of(f"{directory}/{file}"), t.tensors_of(f"{out}/{file}")
            assert list(before) == list(after) and old == new, "names or metadata differ"
            dtypes |= {value.dtype for value in before.values()}
            for tensor, value in before.items():
                merged = after[tensor]
                assert value.dtype == merged.dtype and value.shape == merged.shape, tensor
                if tensor not in weights:
                    assert torch.equal(value.reshape(-1).view(torch.uint8), merged.reshape(-1).view(torch.uint8)), f"{tensor} changed"
                    continue
                exact = value.double().numpy()
                for target, row in weights[tensor]:
                    rows = exact[row : row + widths[target][1]]
                    rows[:] = rows @ rotations[target].T
                rounding = np.abs(merged.double().numpy() - exact) / np.maximum(np.abs(exact), 1e-4)
                worst_bit = max(worst_bit, float(rounding.max()) / EPSILON[value.dtype])
        for other in set(os.listdir(directory)) - set(files) if path == directory else []:
            with open(f"{directory}/{other}", "rb") as a, open(f"{out}/{other}", "rb") as b:
                assert a.read() == b.read(), other
        again = reload(out if path == directory else f"{out}/{files[0]}")
        far = self.deviations(path, again)[:2]  # the adapter does something
        near = self.deviations(path, again, adapter)
        bar = 1e-4 if dtypes <= {torch.float32, torch.int64} else 3e-2 if torch.float16 in dtypes else 0.2
        good = max(near) <= bar and worst_bit <= 1.01 and min(far) > 0.05
        self.report.line(good, f"merge {name}", f"{kind} {division}: " + " ".join(f"{d:.1e}" for d in near) + f", rounding {worst_bit:.3f} of half a step")


# ---- Hugging Face ---------------------------------------------------------------------------------------------------------------


class HuggingFace:
    def __init__(self, model):
        self.model, config = model.float().eval(), model.config
        size = config.vision_config.image_size
        self.size, self.context, self.vocabulary = size if isinstance(size, int) else size[0], config.text_config.max_position_embeddings, config.text_config.vocab_size
        self.maps = {}
        for tower, c in (("image", config.vision_config), ("text", config.text_config)):
            for i in range(c.num_hidden_layers):
                for m in MAPS:
                    d, mlp = c.hidden_size, c.intermediate_size
                    self.maps[f"{tower}.{i}.{m}"] = {"fc1": (d, mlp), "fc2": (mlp, d)}.get(m, (d, d))

    def image(self, pixels):
        return self.model.visual_projection(self.model.vision_model(pixels).pooler_output)

    def text(self, ids):
        return self.model.text_projection(self.model.text_model(ids).pooler_output)


def hf_weights(config, prefix=""):
    names = {"q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj", "out": "self_attn.out_proj", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}
    return {
        f"{prefix}{module}.encoder.layers.{i}.{names[m]}.weight": [(f"{tower}.{i}.{m}", 0)]
        for tower, module, c in (("image", "vision_model", config.vision_config), ("text", "text_model", config.text_config))
        for i in range(c.num_hidden_layers)
        for m in MAPS
    }


def hf_model(r, vision={}, text={}, **options):
    """A random architecture; vision, text and options replace parts of it."""

    def tower():
        heads, width = r.choice([1, 2, 3, 4, 6]), r.choice([4, 6, 8, 10])
        return dict(hidden_size=heads * width, num_attention_heads=heads, intermediate_size=r.choice([12, 20, 36, 64, 90]), num_hidden_layers=r.choice([1, 2, 3]),
                    hidden_act=r.choice(["quick_gelu", "gelu", "gelu_new", "gelu_pytorch_tanh"]), layer_norm_eps=r.choice([1e-5, 1e-6, 1e-3, 0.1, 1e-12]))

    patch = r.choice([1, 2, 3, 4, 5, 8])
    config = CLIPConfig(
        vision_config={**tower(), "patch_size": patch, "image_size": patch * r.choice([1, 2, 3, 5]), **vision},
        text_config={**tower(), "vocab_size": t.VOCABULARY + r.choice([0, 0, 7]), "max_position_embeddings": r.choice([12, 20, 33, 77]), "eos_token_id": r.choice([t.VOCABULARY - 1, 2]),
                     "bos_token_id": t.VOCABULARY - 2, "pad_token_id": r.choice([0, 1, t.VOCABULARY - 1]), **text},
        **{"projection_dim": r.choice([5, 16, 24, 31]), **options},
    )
    return t.randomize(CLIPModel(config)).eval()


def to_dtype(model, dtype, r):
    """mixed: every tensor for itself."""
    if dtype != "mixed":
        return model.to(DTYPES[dtype])
    for p in model.parameters():
        p.data = p.data.to(r.choice(list(DTYPES.values())))
    return model


def hf_write(check, state, config, prefix="", extra={}, config_edit=None, metadata={"format": "pt"}):
    """A checkpoint as other software writes it: own names, own config."""
    path = check.folder()
    t.write({**{prefix + k: v for k, v in state.items()}, **extra}, f"{path}/model.safetensors", metadata)
    config = config.to_dict()
    if config_edit:
        config_edit(config)
    with open(f"{path}/config.json", "w") as f:
        json.dump(config, f)
    return path


def check_hf(check, n):
    r = check.random
    for i in range(n):
        dtype, sharded = ["fp32", "fp16", "bf16", "mixed"][i % 4], i % 3 == 0
        model = to_dtype(hf_model(r), dtype, r)
        path = check.folder()
        model.save_pretrained(path, max_shard_size="20KB" if sharded else "5GB")
        shards = len([f for f in os.listdir(path) if f.endswith(".safetensors")])
        stored = {}
        for f in os.listdir(path):
            if f.endswith(".safetensors"):
                stored.update(t.tensors_of(f"{path}/{f}")[0])
        with torch.no_grad():  # what is stored, in float32: from_pretrained would round it all to one dtype
            for name, p in model.named_parameters():
                if name in stored:
                    p.data = stored[name].float()
        c = model.config
        name = f"hf {dtype} {shards} file(s) {c.vision_config.hidden_act}/{c.text_config.hidden_act} eos {c.text_config.eos_token_id}"
        check.same(name, path, HuggingFace(model))
        check.merge(name, path, HuggingFace(model), lambda d, model=model: HuggingFace(hf_reload(d, model)), hf_weights(c))
    check_hf_reload(check)
    check_hf_names(check)
    check_hf_configs(check)
    check_hf_images(check)


def hf_reload(directory, like):
    """from_pretrained, and every tensor as it is stored."""
    model = CLIPModel.from_pretrained(directory, dtype=torch.float32)
    stored = {}
    for f in os.listdir(directory):
        if f.endswith(".safetensors"):
            stored.update(t.tensors_of(f"{directory}/{f}")[0])
    for name, p in model.named_parameters():
        assert torch.equal(p, stored[name].float()), name  # nothing missing, nothing newly initialised
    return model


def check_hf_reload(check):
    """The peer opens its own file: no other tensors than these are behind its features."""
    path = check.folder()
    hf_model(check.random).save_pretrained(path)
    check.same("hf as from_pretrained opens it", path, HuggingFace(CLIPModel.from_pretrained(path)))


def check_hf_names(check):
    r = check.random
    for prefix in ["clip.", "model.", "module.", "module.clip.", "model.clip_model.base.", "a_vision_model.", "text_model_wrapper."]:
        model = hf_model(r)
        path = hf_write(check, model.state_dict(), model.config, prefix, {"classifier.weight": torch.randn(3, 4), "classifier.bias": torch.randn(3)})
        check.same(f"hf prefix {prefix} and a head", path, HuggingFace(model))
        if prefix == "clip.":  # transformers' own prefix: it opens such a file itself
            check.merge(f"hf prefix {prefix}", path, HuggingFace(model), lambda d: HuggingFace(CLIPModel.from_pretrained(d)), hf_weights(model.config, prefix))
    model = hf_model(r)
    c = model.config
    positions = {"text_model.embeddings.position_ids": torch.arange(c.text_config.max_position_embeddings)[None],
                 "vision_model.embeddings.position_ids": torch.arange(model.vision_model.embeddings.num_positions)[None]}
    path = hf_write(check, model.state_dict(), c, extra=positions)
    check.same("hf position_ids of transformers before 4.31", path, HuggingFace(model))
    check.merge("hf position_ids", path, HuggingFace(model), lambda d: HuggingFace(CLIPModel.from_pretrained(d)), hf_weights(c))
    path = hf_write(check, model.state_dict(), c, extra={k: v.float() for k, v in positions.items()}, metadata=None)
    check.same("hf position_ids in float32, no metadata", path, HuggingFace(model))
    path = hf_write(check, {k: v for k, v in sorted(model.state_dict().items(), reverse=True)}, c)
    check.same("hf names in another order", path, HuggingFace(model))
    wrapped = {("image_encoder." if "vi" in k.split(".")[0] else "text_encoder." if "text" in k else "") + k: v for k, v in model.state_dict().items()}
    check.same_or_refused("hf towers in wrappers of their own", hf_write(check, wrapped, c), HuggingFace(model), "")
    one = {k: v for k, v in model.state_dict().items() if k.startswith("vi")}
    check.refused("hf the image tower alone", hf_write(check, one, c), "text_model")
    one = {k: v for k, v in model.state_dict().items() if not k.startswith("visual_projection")}
    check.refused("hf without a projection", hf_write(check, one, c), "visual_projection")
    path = check.folder()
    torch.save(model.state_dict(), f"{path}/pytorch_model.bin")
    check.refused("hf pytorch_model.bin alone", path, "model.safetensors")
    path = check.folder()
    model.save_pretrained(path)
    os.rename(f"{path}/model.safetensors", f"{path}/model.fp16.safetensors")
    check.same("hf a file by its own name", f"{path}/model.fp16.safetensors", HuggingFace(model))
    path = check.folder()
    model.half().save_pretrained(path)
    os.remove(f"{path}/config.json")
    check.refused("hf without a config", path, "config.json")


def check_hf_configs(check):
    r = check.random
    end = t.VOCABULARY - 1

    def case(name, edit, model=None, word=None, **options):
        model = model or hf_model(r, **options)
        path = hf_write(check, model.state_dict(), model.config, config_edit=edit)
        peer = CLIPModel.from_pretrained(path)
        if word:
            check.same_or_refused(f"hf {name}", path, HuggingFace(peer), word)
        else:
            check.same(f"hf {name}", path, HuggingFace(peer))

    def defaults(config):
        for tower in ("vision_config", "text_config"):
            for key in ("hidden_act", "layer_norm_eps", "projection_dim", "initializer_range", "model_type", "num_channels", "attention_dropout"):
                config[tower].pop(key, None)

    plain = dict(hidden_act="quick_gelu", layer_norm_eps=1e-5)
    case("config without its defaults", defaults, vision=plain, text=plain)
    case("projection_dim of the towers unlike the model's", None, vision={"projection_dim": 7}, text={"projection_dim": 9}, projection_dim=11)
    case("an eos_token_id in the middle of the vocabulary", None, text={"eos_token_id": 300, "vocab_size": t.VOCABULARY})
    case("an eos_token_id that no text holds", None, text={"eos_token_id": t.VOCABULARY, "vocab_size": t.VOCABULARY + 1})
    case("torch_dtype of an older config", lambda c: c.update(torch_dtype="float32", transformers_version="4.16.0", architectures=["CLIPModel"]))

    def twice(config):
        """As transformers before 4.26 wrote it: everything twice, the _dict the one that counts."""
        for tower in ("text_config", "vision_config"):
            config[f"{tower}_dict"] = {k: v for k, v in config[tower].items() if k != "model_type"}

    def overriding(config):
        twice(config)
        config["text_config"].update(layer_norm_eps=0.3, hidden_act="gelu", eos_token_id=2)
        config["vision_config"].update(layer_norm_eps=0.3, hidden_act="gelu")
        config["vision_config_dict"].pop("layer_norm_eps")

    def null(config):
        config["text_config_dict"] = config["vision_config_dict"] = None

    case("text_config_dict and vision_config_dict, the same", twice)
    case("text_config_dict and vision_config_dict null", null)
    case("text_config_dict and vision_config_dict that differ", overriding, vision=plain, text=dict(plain, hidden_act="gelu_new", eos_token_id=end), word="config_dict")
    model = hf_model(r, vision={"patch_size": 4, "image_size": 14})
    check.same_or_refused("hf image_size not a multiple of patch_size", hf_write(check, model.state_dict(), model.config), HuggingFace(model), "image_size")
    model = hf_model(r)
    size = model.config.vision_config.image_size  # transformers itself opens no list
    path = hf_write(check, model.state_dict(), model.config, config_edit=lambda c: c["vision_config"].update(image_size=[size, size]))
    check.same_or_refused("hf image_size as a list", path, HuggingFace(model), "image_size")
    model = hf_model(r, vision={"num_channels": 1})
    check.refused("hf one channel", hf_write(check, model.state_dict(), model.config), "num_channels")
    for act in ("relu", "silu", "gelu_fast", "gelu_10", "gelu_python", "quick_gelu", "gelu_accurate", "mish"):
        model = hf_model(r, text={"hidden_act": act})
        check.same_or_refused(f"hf hidden_act {act}", hf_write(check, model.state_dict(), model.config), HuggingFace(model), act)
    for kind in ("siglip", "chinese_clip", "clipseg", "clip_vision_model"):
        model = hf_model(r)
        check.refused(f"hf model_type {kind}", hf_write(check, model.state_dict(), model.config, config_edit=lambda c: c.update(model_type=kind)), kind)
    model = hf_model(r)
    check.refused("hf a layer fewer in the config", hf_write(check, model.state_dict(), model.config, config_edit=lambda c: c["text_config"].update(num_hidden_layers=c["text_config"]["num_hidden_layers"] + 1)), "layers")
    tied = hf_model(r).to(torch.float64)
    path = hf_write(check, tied.state_dict(), tied.config)
    check.same("hf float64", path, HuggingFace(tied))
    model = hf_model(r)
    strange = {k: v.to(torch.float8_e4m3fn) if "fc1.weight" in k else v for k, v in model.state_dict().items()}
    check.refused("hf float8", hf_write(check, strange, model.config), "F8_E4M3")


def check_hf_images(check):
    """Every way a preprocessor_config.json asks for pixels, with the processor of transformers that works on PIL images."""
    model = hf_model(check.random, vision={"image_size": 16, "patch_size": 4})
    for name, options, word in [
        ("defaults", {}, None),
        ("an integer size, as transformers before 4.22 wrote it", {"size": 16, "crop_size": 16}, None),
        ("shortest edge 16", {"size": {"shortest_edge": 16}, "crop_size": {"height": 16, "width": 16}, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.25, 0.3]}, None),
        ("size without crop", {"size": {"height": 16, "width": 16}, "do_center_crop": False}, "do_center_crop"),
        ("size with crop", {"size": {"height": 16, "width": 16}, "crop_size": {"height": 16, "width": 16}}, "size"),
        ("shortest edge 20, crop 16", {"size": {"shortest_edge": 20}, "crop_size": {"height": 16, "width": 16}}, "size"),
        ("no normalisation", {"size": {"shortest_edge": 16}, "crop_size": 16, "do_normalize": False}, "do_normalize"),
        ("no rescaling", {"size": {"shortest_edge": 16}, "crop_size": 16, "do_rescale": False}, "do_rescale"),
        ("another rescale_factor", {"size": {"shortest_edge": 16}, "crop_size": 16, "rescale_factor": 1 / 127.5}, "rescale_factor"),
        ("bilinear", {"size": {"shortest_edge": 16}, "crop_size": 16, "resample": 2}, "resample"),
    ]:
        path = check.folder()
        model.save_pretrained(path)
        given = {"size": {"shortest_edge": 16}, "crop_size": {"height": 16, "width": 16}, **options}
        processor = transformers.CLIPImageProcessorPil(**given)
        with open(f"{path}/preprocessor_config.json", "w") as f:
            json.dump({"do_resize": True, "do_center_crop": True, "do_normalize": True, "resample": 3, "image_processor_type": "CLIPImageProcessor",
                       "image_mean": list(processor.image_mean), "image_std": list(processor.image_std), **given}, f)
        complaint = check_images(check, f"hf images, {name}", path, HuggingFace(model), lambda image: processor(image, return_tensors="pt")["pixel_values"][0])
        if complaint:
            check.report.line(word is not None and word in complaint, f"hf images, {name}", complaint.replace(check.scratch, "..."))


# ---- open_clip and OpenAI -----------------------------------------------------------------------------------------------------------


class OpenClip:
    def __init__(self, model, vocabulary, context):
        self.model = model.float().eval()
        size = model.visual.image_size
        self.size, self.vocabulary, self.context = size if isinstance(size, int) else size[0], vocabulary, context
        text = model.text.transformer if hasattr(model, "text") else model.transformer
        self.maps, self.weights = {}, {}
        for tower, stem, transformer in (("image", "visual.", model.visual.transformer), ("text", "text." if hasattr(model, "text") else "", text)):
            for i, block in enumerate(transformer.resblocks):
                names = [("attn.in_proj_weight", ["q", "k", "v"]), ("attn.out_proj.weight", ["out"]), ("mlp.c_fc.weight", ["fc1"]), ("mlp.c_proj.weight", ["fc2"])]
                for name, maps in names:
                    at, tensor = block, name.split(".")
                    for part in tensor:
                        at = getattr(at, part, None)
                    if at is None:
                        continue
                    rows = at.shape[0] // len(maps)
                    self.weights[f"{stem}transformer.resblocks.{i}.{name}"] = [(f"{tower}.{i}.{m}", j * rows) for j, m in enumerate(maps)]
                    self.maps.update({f"{tower}.{i}.{m}": (at.shape[1], rows) for m in maps})

    def image(self, pixels):
        return self.model.encode_image(pixels)

    def text(self, ids):
        return self.model.encode_text(ids)


def open_clip_config(r, vision={}, text={}, **options):
    def eps():
        return r.choice([{}, {}, {"norm_kwargs": {"eps": r.choice([1e-6, 1e-3, 0.05])}}, {"norm_kwargs": None}])

    head, heads, patch = r.choice([4, 6, 8, 10]), r.choice([1, 2, 3, 4]), r.choice([1, 2, 3, 4, 7])
    text_heads = r.choice([1, 2, 4])
    return {
        "embed_dim": r.choice([5, 16, 24]),
        "vision_cfg": {"layers": r.choice([1, 2, 3]), "width": head * heads, "head_width": head, "patch_size": patch, "image_size": patch * r.choice([1, 2, 4]),
                       "mlp_ratio": r.choice([4.0, 3.0, 2.7, 4.9231]), **({"no_ln_pre": True} if r.random() < 0.3 else {}), **eps(), **vision},
        "text_cfg": {"context_length": r.choice([8, 16, 32, 77]), "vocab_size": t.VOCABULARY + r.choice([0, 0, 5]), "width": text_heads * r.choice([4, 8, 11]), "heads": text_heads,
                     "layers": r.choice([1, 2]), **({"mlp_ratio": 3.3} if r.random() < 0.3 else {}), **eps(), **text},
        **({"quick_gelu": True} if r.random() < 0.5 else {}),
        **options,
    }


def open_clip_model(config, custom=False):
    config = copy.deepcopy({k: v for k, v in config.items() if k != "custom_text"})
    return t.randomize((open_clip.model.CustomTextCLIP if custom else open_clip.model.CLIP)(**config)).eval()


def open_clip_write(check, model, config, prefix="", preprocess=None, state=None):
    path = check.folder()
    state = {prefix + k: v for k, v in (state or model.state_dict()).items()}
    t.write(state, f"{path}/open_clip_model.safetensors", {"format": "pt"})
    with open(f"{path}/open_clip_config.json", "w") as f:
        json.dump({"model_cfg": config, "preprocess_cfg": preprocess or {"mean": [0.48, 0.45, 0.40], "std": [0.26, 0.26, 0.27], "interpolation": "bicubic", "resize_mode": "shortest"}}, f)
    return path


def lower(model, dtype):
    """lp-*: as open_clip saves a model of precision fp16 or bf16; pure-*: all of it."""
    if dtype.startswith("lp-"):
        open_clip.model.convert_weights_to_lp(model, DTYPES[dtype[3:]])
    elif dtype.startswith("pure-"):
        model.to(DTYPES[dtype[5:]])
    return model


def open_clip_peer(model, config):
    return OpenClip(model, config["text_cfg"]["vocab_size"], config["text_cfg"]["context_length"])


def open_clip_reload(path, config, custom, prefix=""):
    file = path if os.path.isfile(path) else f"{path}/open_clip_model.safetensors"
    model = open_clip_model(config, custom)
    model.load_state_dict({k.removeprefix(prefix): v.float() for k, v in t.tensors_of(file)[0].items()})
    return open_clip_peer(model, config)


def check_open_clip(check, n):
    r = check.random
    for i in range(n):
        custom, dtype = i % 2 == 1, ["fp32", "lp-fp16", "lp-bf16", "pure-fp16", "pure-bf16"][i % 5]
        config = open_clip_config(r, **({"custom_text": True} if custom else {}))
        model = lower(open_clip_model(config, custom), dtype)
        path = open_clip_write(check, model, config)
        peer = open_clip_peer(model, config)
        name = f"open_clip {'CustomTextCLIP' if custom else 'CLIP'} {dtype}" + "".join(f" {k}" for k in ("no_ln_pre", "norm_kwargs") if config["vision_cfg"].get(k))
        check.same(name, path, peer)
        check.merge(name, path, peer, lambda d: open_clip_reload(d, config, custom), peer.weights)
    for prefix in ("module.", "clip.", "model."):
        config = open_clip_config(r)
        model = open_clip_model(config, prefix == "model.")
        path = open_clip_write(check, model, config, prefix)
        peer = open_clip_peer(model, config)
        check.same(f"open_clip prefix {prefix}", path, peer)
        check.merge(f"open_clip prefix {prefix}", path, peer, lambda d: open_clip_reload(d, config, prefix == "model.", prefix), {prefix + k: v for k, v in peer.weights.items()})
    check_open_clip_loader(check)
    check_open_clip_options(check)


def check_open_clip_loader(check):
    """Through open_clip's own factory, as its users open a directory; and images through its own transform."""
    config = open_clip_config(check.random, {"image_size": 16, "patch_size": 4}, quick_gelu=True)
    preprocess = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3], "interpolation": "bicubic", "resize_mode": "shortest"}
    path = open_clip_write(check, open_clip_model(config), config, preprocess=preprocess)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{path}")
    peer = open_clip_peer(model, config)
    check.same("open_clip through its factory", path, peer)
    for mode in ("shortest", "squash"):
        preprocess["resize_mode"] = mode
        path = open_clip_write(check, model, config, preprocess=preprocess)
        transform = open_clip.create_model_and_transforms(f"local-dir:{path}")[2]
        complaint = check_images(check, f"open_clip images, {mode}", path, peer, transform)
        if complaint:
            check.report.line(False, f"open_clip images, {mode}", complaint)


def check_images(check, name, path, peer, transform):
    """No image much taller than wide: Pillow 13 filters their columns before their rows, and rounds differently from all Pillows before it."""
    files = []
    for i, (w, h, mode, kind) in enumerate([(40, 31, "RGB", "png"), (40, 59, "RGB", "jpg"), (16, 16, "L", "png"), (9, 7, "RGBA", "png"), (100, 100, "RGB", "jpg")]):
        noise = Image.fromarray(check.numbers.integers(0, 256, (h // 4 + 2, w // 4 + 2, 3), dtype=np.uint8)).resize((w, h), Image.BICUBIC).convert(mode)
        files.append(f"{check.scratch}/image{i}.{kind}")
        noise.save(files[-1])
    try:
        ours = check.tool.embed(path, "--images", *files)
        with torch.no_grad():
            peers = peer.image(torch.stack([transform(Image.open(f).convert("RGB")) for f in files]))
        check.report.close(name, [t.deviation(a[None], b[None]) for a, b in zip(ours, peers)])
    except t.Refused as e:
        return str(e)


def check_directory(check, path):
    """A real model: images and texts through open_clip's own transform and tokenizer."""
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{path}", precision="fp32")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{path}")
    peer = OpenClip(model, 0, 0)
    with torch.no_grad():
        pixels = torch.randn(3, 3, peer.size, peer.size)
        pairs = [(check.tool.pixels(path, pixels), peer.image(pixels)), (check.tool.texts(path), peer.text(tokenizer(t.TEXTS)))]
    check.report.close(f"{os.path.basename(path)}: pixels, texts", [t.deviation(a, b) for a, b in pairs], 1e-4)
    complaint = check_images(check, f"{os.path.basename(path)}: images", path, peer, transform)
    if complaint:
        check.report.line(False, f"{os.path.basename(path)}: images", complaint)


def check_open_clip_options(check):
    r = check.random
    for name, vision, text, options, word in [
        ("image_size [h, w], equal", {"image_size": [12, 12], "patch_size": 3}, {}, {}, "image_size"),
        ("image_size [h, w], unequal", {"image_size": [6, 12], "patch_size": 3}, {}, {}, "image_size"),
        ("image_size not a multiple of patch_size", {"image_size": 11, "patch_size": 3}, {}, {}, "image_size"),
        ("patch_dropout", {"patch_dropout": 0.5}, {}, {}, "patch_dropout"),
        ("ls_init_value of the image tower", {"ls_init_value": 0.3}, {}, {}, "ls_init_value"),
        ("ls_init_value of the text tower", {}, {"ls_init_value": 0.3}, {}, "ls_init_value"),
        ("attentional_pool", {"attentional_pool": True, "attn_pooler_heads": 1}, {}, {"embed_dim": 16}, "attentional_pool"),
        ("pool_type avg", {"pool_type": "avg"}, {}, {}, "pool_type"),
        ("final_ln_after_pool with tok", {"final_ln_after_pool": True}, {}, {}, "final_ln_after_pool"),
        ("final_ln_after_pool with avg", {"final_ln_after_pool": True, "pool_type": "avg"}, {}, {}, "final_ln_after_pool"),
        ("pos_embed_type sin_cos_2d", {"pos_embed_type": "sin_cos_2d", "width": 16, "head_width": 8}, {}, {}, "pos_embed_type"),
        ("act_kwargs", {"act_kwargs": {"approximate": "tanh"}}, {}, {"quick_gelu": False}, "act_kwargs"),
        ("act_kwargs of the text tower", {}, {"act_kwargs": {"approximate": "tanh"}}, {"quick_gelu": False}, "act_kwargs"),
        ("text pool_type first", {}, {"pool_type": "first"}, {}, "pool_type"),
        ("text pool_type last", {}, {"pool_type": "last"}, {}, "pool_type"),
        ("text pool_type eos", {}, {"pool_type": "eos", "eos_id": t.VOCABULARY - 1}, {}, "pool_type"),
        ("text pool_type eos, eos_id left out", {}, {"pool_type": "eos"}, {}, "pool_type"),
        ("text eos_id and pad_id without use", {}, {"eos_id": 5, "pad_id": 3}, {}, ""),
        ("text embed_cls", {}, {"embed_cls": True}, {"custom_text": True}, "embed_cls"),
        ("text no_causal_mask", {}, {"no_causal_mask": True}, {}, "no_causal_mask"),
        ("text proj_bias", {}, {"proj_bias": True}, {}, "proj_bias"),
        ("text proj_type none", {}, {"proj_type": "none", "width": 16}, {"embed_dim": 16}, "proj_type"),
        ("text final_ln_after_pool", {}, {"final_ln_after_pool": True}, {}, "final_ln_after_pool"),
        ("nonscalar_logit_scale", {}, {}, {"nonscalar_logit_scale": True}, ""),
        ("init_logit_bias", {}, {}, {"init_logit_bias": -10.0}, "init_logit_bias"),
        ("init_logit_bias 0", {}, {}, {"init_logit_bias": 0.0}, "logit_bias"),
        ("norm_kwargs without affine", {"norm_kwargs": {"eps": 1e-4, "elementwise_affine": False}}, {}, {}, ""),
        *((f"{k} of the {tower} tower", {k: True} if tower == "image" else {}, {k: True} if tower == "text" else {}, {}, k)
          for tower in ("image", "text") for k in ("qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn", "scale_fc")),
        ("block_type default", {"block_type": "default"}, {"block_type": "default"}, {}, ""),
        ("block_type custom", {"block_type": "custom"}, {}, {}, "block_type"),
        ("block_type custom of the text tower", {}, {"block_type": "custom"}, {}, "block_type"),
    ]:
        config = open_clip_config(r, vision, text, **options)
        model = open_clip_model(config, "custom_text" in config)
        if name == "image_size [h, w], unequal":
            check.refused(f"open_clip {name}", open_clip_write(check, model, config), word)
        else:
            check.same_or_refused(f"open_clip {name}", open_clip_write(check, model, config), open_clip_peer(model, config), word)
    config = open_clip_config(r)
    model = open_clip_model(config)
    for name, edit, word in [
        ("timm_model_name", {"vision_cfg": {**config["vision_cfg"], "timm_model_name": "vit_base_patch16_224"}}, "timm_model_name"),
        ("hf_model_name", {"text_cfg": {**config["text_cfg"], "hf_model_name": "roberta-base"}}, "hf_model_name"),
        ("a ResNet", {"vision_cfg": {**config["vision_cfg"], "layers": [3, 4, 6, 3]}}, "ResNet"),
        ("multimodal_cfg", {"multimodal_cfg": {"width": 8}}, "multimodal_cfg"),
        ("an option of a later release", {"vision_cfg": {**config["vision_cfg"], "rope_theta": 100.0}}, "rope_theta"),
        ("an option of a later release at the top", {"gated_towers": True}, "gated_towers"),
    ]:
        check.refused(f"open_clip {name}", open_clip_write(check, model, {**config, **edit}), word)
    defaults = {"embed_dim": 6, "vision_cfg": {"layers": 1, "width": 64, "image_size": 16}, "text_cfg": {"layers": 1, "width": 16, "vocab_size": t.VOCABULARY, "context_length": 77}}
    model = open_clip_model(defaults)
    check.same("open_clip defaults left out", open_clip_write(check, model, defaults), open_clip_peer(model, defaults))


def check_openai(check, n):
    r = check.random
    for i in range(n):
        dtype, patch = ["fp32", "lp-fp16", "pure-bf16", "pure-fp16"][i % 4], r.choice([2, 3, 4])
        config = {"embed_dim": r.choice([8, 20]), "quick_gelu": True, "vision_cfg": {"layers": r.choice([1, 2]), "width": 64 * r.choice([1, 2, 3]), "patch_size": patch, "image_size": patch * r.choice([1, 2, 3])},
                  "text_cfg": {"layers": r.choice([1, 2]), "width": 64 * r.choice([1, 2]), "context_length": r.choice([10, 77]), "vocab_size": t.VOCABULARY}}
        config["text_cfg"]["heads"] = config["text_cfg"]["width"] // 64
        model = lower(open_clip_model(config), dtype)
        state = model.state_dict()
        if i % 2 == 1:  # a JIT archive's
            state.update(input_resolution=torch.tensor(config["vision_cfg"]["image_size"]), context_length=torch.tensor(config["text_cfg"]["context_length"]), vocab_size=torch.tensor(t.VOCABULARY))
        prefix = ["", "", "", "", "module.", "clip_model."][i % 6]
        path = check.folder()
        state = {prefix + k: v for k, v in state.items()}
        t.write(state, f"{path}/ViT.safetensors", None if i % 2 else {"format": "pt"})
        built = open_clip.model.build_model_from_openai_state_dict({k.removeprefix(prefix): v.float() for k, v in state.items()}, cast_dtype=torch.float32).float()
        built.load_state_dict({k: v.float() for k, v in model.state_dict().items()})
        peer = open_clip_peer(built, config)
        name = f"openai {dtype}{' JIT scalars' if i % 2 else ''} {prefix}"
        check.same(name, f"{path}/ViT.safetensors", peer)

        def reload(file):
            again = copy.deepcopy(built)
            stored = {k.removeprefix(prefix): v.float() for k, v in t.tensors_of(file)[0].items()}
            again.load_state_dict({k: v for k, v in stored.items() if k not in ("input_resolution", "context_length", "vocab_size")})
            return open_clip_peer(again, config)

        check.merge(name, f"{path}/ViT.safetensors", peer, reload, {prefix + k: v for k, v in peer.weights.items()})
        if i == 0:
            os.rename(f"{path}/ViT.safetensors", f"{path}/model.safetensors")
            check.same("openai in a directory as model.safetensors", path, peer)
    narrow = open_clip_config(r, {"width": 36, "head_width": 12}, {"width": 24, "heads": 2})
    path = check.folder()
    t.write(open_clip_model(narrow).state_dict(), f"{path}/ViT.safetensors")
    check.refused("openai names of a width that 64 does not divide", f"{path}/ViT.safetensors", "")
    custom = open_clip_config(r)
    path = check.folder()
    t.write(open_clip_model(custom, True).state_dict(), f"{path}/ViT.safetensors")
    check.refused("CustomTextCLIP without its config", f"{path}/ViT.safetensors", "")


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as scratch:
        check = Check(sys.argv[1], seed, scratch)
        check_hf(check, 16)
        check_open_clip(check, 20)
        check_openai(check, 12)
        for path in sys.argv[3:]:
            check_directory(check, path)
    check.report.end()


if __name__ == "__main__":
    main()
