"""PEFT's OFT adapters with random settings and parameters, read, merged and exported by orthsr, against PEFT's own forward and merge.

usage: python tests/oracle/check_peft.py build/bin/orthsr [SEED]          (peft, torch, transformers, open_clip_torch, safetensors, numpy)
       python tests/oracle/check_peft.py --make FOLDER [SEED]             in an environment of any PEFT: its adapters and features
       python tests/oracle/check_peft.py build/bin/orthsr --made FOLDER   what that wrote, against orthsr

One line per case with the deviations of image and text features (embed --adapter against PEFT's forward; the merged checkpoint against it; merged
weights against merge_and_unload), `N passed, N failed` at the end. An adapter that orthsr cannot represent passes when it is refused by name.
"""
import dataclasses
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
import peft
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPModel

import tool as t
from check_formats import HuggingFace, hf_model, hf_write, open_clip_config, open_clip_model, open_clip_peer, open_clip_write

warnings.simplefilter("ignore")
PEFT_BAR = 1e-4  # the project's; what is observed is rounding
FIELDS = {f.name for f in dataclasses.fields(peft.OFTConfig)}
OURS = ("adapter_name", "second", "half", "ones")  # options that are not PEFT's
ALL = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]


# ---- adapters that PEFT makes ------------------------------------------------------------------------------------------------


def divided(r, blocks, size):
    return {"r": blocks, "oft_block_size": 0} if r.random() < 0.5 else {"r": 0, "oft_block_size": size}


def settings(r):
    """(name, options, word): word names what must be refused, "" when the adapter must be read."""
    for i in range(8):
        targets = r.sample(ALL, r.randint(1, 6))
        yield f"exact {i}", {**divided(r, r.randint(1, 9), r.randint(2, 40)), "target_modules": targets, "use_cayley_neumann": False}, ""
    for terms in range(1, 9):
        yield f"{terms} terms", {**divided(r, r.randint(1, 9), r.randint(2, 40)), "target_modules": r.sample(ALL, 3), "num_cayley_neumann_terms": terms}, ""
    for neumann in (False, True):
        kind = {"use_cayley_neumann": neumann}
        for i in range(3):
            yield f"block_share {neumann} {i}", {**divided(r, r.randint(2, 9), r.randint(2, 12)), "target_modules": r.sample(ALL, 2), "block_share": True, **kind}, ""
        for eps in (0.05, 0.5, 3.0):
            yield f"coft eps {eps} {neumann}", {**divided(r, 2, 4), "target_modules": ["fc2", "v_proj"], "coft": True, "eps": eps, "block_share": r.random() < 0.5, **kind}, ""
        yield f"regex {neumann}", {**divided(r, 3, 5), "target_modules": r".*(vision_model.*fc\d|text_model.*[qk]_proj)", **kind}, ""
        yield f"layers_to_transform {neumann}", {**divided(r, 2, 6), "target_modules": ["fc1"], "layers_to_transform": [0], "layers_pattern": "layers", **kind}, ""
        yield f"exclude_modules {neumann}", {**divided(r, 2, 6), "target_modules": ["fc1", "fc2"], "exclude_modules": r".*text_model.*", **kind}, ""
        yield f"module_dropout {neumann}", {**divided(r, 2, 6), "target_modules": ["fc1"], "module_dropout": 0.3, **kind}, ""
        yield f"another adapter's name {neumann}", {**divided(r, 2, 6), "target_modules": ["fc1"], "adapter_name": "cats", **kind}, ""
        yield f"a second adapter beside it {neumann}", {**divided(r, 2, 6), "target_modules": ["fc1"], "second": True, **kind}, ""
        yield f"half {neumann}", {**divided(r, 2, 6), "target_modules": ["fc1", "k_proj"], "half": True, **kind}, ""
    yield "blocks of size 1, exact", {"r": 0, "oft_block_size": 1, "target_modules": ["fc1"], "use_cayley_neumann": False}, ""
    yield "all-linear", {**divided(r, 2, 6), "target_modules": "all-linear", "use_cayley_neumann": False}, "projection"
    yield "the patch embedding", {**divided(r, 1, 12), "target_modules": ["patch_embedding"]}, "patch_embedding"
    yield "bias all", {**divided(r, 2, 6), "target_modules": ["fc1"], "bias": "all"}, "bias"
    yield "bias oft_only", {**divided(r, 2, 6), "target_modules": ["fc1"], "bias": "oft_only"}, "bias"
    yield "modules_to_save", {**divided(r, 2, 6), "target_modules": ["fc1"], "modules_to_save": ["visual_projection"]}, "modules_to_save"


def old_settings(r):
    """For a PEFT whose OFT was another: what differs between releases."""
    for i in range(4):
        yield f"r {i}", {"r": r.randint(1, 9), "target_modules": r.sample(ALL, 3)}
    yield "r that divides", {"r": 2, "target_modules": ALL}
    yield "block_share", {"r": 3, "target_modules": ["fc1", "q_proj"], "block_share": True}
    for eps in (1e-3, 5e-2):
        yield f"coft {eps}", {"r": 3, "target_modules": ["fc1", "out_proj"], "coft": True, "eps": eps}
        yield f"coft block_share {eps}", {"r": 2, "target_modules": ["fc2", "k_proj"], "coft": True, "eps": eps, "block_share": True}
    yield "oft_s of ones", {"r": 2, "target_modules": ["fc1", "q_proj"], "ones": True}
    yield "rank_pattern", {"r": 2, "target_modules": ["fc1", "fc2"], "rank_pattern": {"fc2": 4}}
    if "oft_block_size" in FIELDS:
        yield "oft_block_size", {"r": 0, "oft_block_size": 6, "target_modules": ["fc1", "fc2", "v_proj"]}


@torch.no_grad()
def features(model, inputs):
    core = HuggingFace(model)
    return core.image(inputs["pixels"]).contiguous(), core.text(inputs["ids"].long()).contiguous()


def train(model, scale):
    """Parameters as large as long training leaves them: blocks that turn by about `scale`."""
    for name, p in model.named_parameters():
        if "oft_" in name and p.requires_grad:
            b = p.shape[-1] if p.ndim == 3 else (1 + math.sqrt(1 + 8 * p.shape[-1])) / 2
            p.data.normal_(0, scale / math.sqrt(b))
            if "oft_s" in name:
                p.data.normal_(1, 0.3)
        elif p.requires_grad:
            p.data.add_(0.3 * torch.randn_like(p))


def make(folder, seed):
    """Cases of the installed PEFT: model, adapter, expected.safetensors, and about.json beside them."""
    r = random.Random(seed)
    torch.manual_seed(seed)
    modern = "use_cayley_neumann" in FIELDS
    cases = settings(r) if modern else ((n, o, "") for n, o in old_settings(r))
    for i, (name, options, word) in enumerate(cases):
        options = {k: v for k, v in options.items() if k in FIELDS or k in OURS}
        share = options.get("block_share", False)
        path = f"{folder}/{i:03}"
        os.makedirs(f"{path}/model")
        t.small_vocabulary(f"{path}/model")
        model = hf_model(r)
        c = HuggingFace(model)
        model.save_pretrained(f"{path}/model")
        if "layers_to_transform" in options and model.config.text_config.num_hidden_layers > 1:
            options["layers_to_transform"] = [1] if model.config.vision_config.num_hidden_layers > 1 else options["layers_to_transform"]
        inputs = {"pixels": torch.randn(3, 3, c.size, c.size), "ids": torch.randint(0, c.vocabulary, (5, c.context))}
        inputs["ids"][torch.arange(5), torch.randint(0, c.context, (5,))] = t.VOCABULARY - 1
        adapter, second, half, ones = options.pop("adapter_name", "default"), options.pop("second", False), options.pop("half", False), options.pop("ones", False)
        tuned = peft.get_peft_model(model, peft.OFTConfig(**options), adapter_name=adapter)
        train(tuned, r.choice([0.3, 0.8]) if options.get("use_cayley_neumann", modern) else r.choice([0.5, 1.5]))
        if ones:
            for name_of, p in tuned.named_parameters():
                if "oft_s" in name_of:
                    p.data.fill_(1)
        if half:
            for p in tuned.parameters():
                if p.requires_grad:
                    p.data = p.data.half().float()
        if second:
            tuned.add_adapter("second", peft.OFTConfig(r=2, oft_block_size=0, target_modules=["fc2"]))
        tuned.eval()
        image, text = features(tuned.base_model.model, inputs)
        tuned.save_pretrained(f"{path}/adapter")
        where = "adapter" if adapter == "default" else f"adapter/{adapter}"
        if half:
            save_file({k: v.half() for k, v in load_file(f"{path}/{where}/adapter_model.safetensors").items()}, f"{path}/{where}/adapter_model.safetensors", {"format": "pt"})
        merged = tuned.merge_and_unload()
        merged_image, merged_text = features(merged, inputs)
        weights = {f"weight.{k}": v.clone() for k, v in merged.state_dict().items() if k.endswith("weight") and (".mlp." in k or "_proj" in k)}
        save_file({**inputs, "image": image, "text": text, "merged_image": merged_image, "merged_text": merged_text, **weights}, f"{path}/expected.safetensors")
        with open(f"{path}/about.json", "w") as f:
            json.dump({"name": name, "peft": peft.__version__, "adapter": where, "refuse": word, "modern": modern, "share": share}, f)


# ---- what earlier releases computed, in a few lines of numpy ---------------------------------------------------------------------


def old_weight(weight, parameters, scale, config, rank):
    """PEFT before 0.14 (no oft_block_size): W' = R^T W, R (out, out). 0.14 to 0.15.2: W' = diag(s) W R^T, R (in, in). The bias stays in both."""
    out, width = weight.shape
    before = "oft_block_size" not in config
    stored, b = parameters.shape[:2]
    blocks = rank if before else width // b
    a = parameters.astype(np.float64)
    if config.get("coft"):
        eps = config["eps"] * math.ceil(out / blocks) ** 2 / math.sqrt(stored)
        a = a * np.minimum(1, eps / np.maximum(np.sqrt((a**2).sum((1, 2))), 1e-300))[:, None, None]
    rotation = t.block_diagonal(np.resize(t.cayley((a - a.transpose(0, 2, 1)) / 2), (blocks, b, b)))
    if before:
        return rotation[:out, :out].T @ weight  # blocks of ceil(out / r), what is too much cut away
    return scale * (weight @ rotation.T)


def check_formula(report, name, path, about, expected):
    config, tensors = json.load(open(f"{path}/{about['adapter']}/adapter_config.json")), load_file(f"{path}/{about['adapter']}/adapter_model.safetensors")
    base, worst = load_file(f"{path}/model/model.safetensors"), 0.0
    for key, value in tensors.items():
        module = key.removeprefix("base_model.model.").rpartition(".oft_")[0]
        if ".oft_r" not in key:
            continue
        scale = tensors.get(key.replace(".oft_r", ".oft_s"))
        rank = next((v for k, v in (config.get("rank_pattern") or {}).items() if module.endswith(k)), config["r"])
        ours = old_weight(base[f"{module}.weight"].double().numpy(), value.numpy(), None if scale is None else scale.double().numpy(), config, rank)
        worst = max(worst, t.deviation(torch.from_numpy(ours), expected[f"weight.{module}.weight"].double()))
    report.close(f"{name}: the formula of docs", [worst], PEFT_BAR)


# ---- against ours ------------------------------------------------------------------------------------------------------------------


def compare(tool, report, folder):
    for case in sorted(os.listdir(folder)):
        path = f"{folder}/{case}"
        about, expected = json.load(open(f"{path}/about.json")), load_file(f"{path}/expected.safetensors")
        name, model, adapter = f"peft {about['peft']} {about['name']}", f"{path}/model", f"{path}/{about['adapter']}"
        if not about["refuse"]:
            report.close(f"{name}: PEFT's merge against its forward", [t.deviation(expected["merged_image"], expected["image"]), t.deviation(expected["merged_text"], expected["text"])], PEFT_BAR)
        if not about["modern"]:
            check_formula(report, name, path, about, expected)
        try:
            image, text = tool.pixels(model, expected["pixels"], adapter), tool.tokens(model, expected["ids"], adapter)
            out = f"{path}/merged"
            tool.run("merge", "--model", model, "--adapter", adapter, "--out", out)
            if json.loads(tool.run("info", adapter, "--model", model, "--json"))["block_share"] != about["share"]:
                report.line(False, name, "is read as if its blocks were shared, or were not")
        except t.Refused as e:
            words = [about["refuse"]] if about["modern"] else ["blocks do not divide", "rank_pattern"]
            report.line(all(words) and any(w in str(e) for w in words), name, str(e).replace(folder, "..."))
            continue
        with torch.no_grad():
            merged = features(CLIPModel.from_pretrained(out), expected)
        stored = load_file(f"{out}/model.safetensors")
        weights = [t.deviation(stored[k.removeprefix("weight.")], v) for k, v in expected.items() if k.startswith("weight.")]
        report.close(name, [t.deviation(image, expected["image"]), t.deviation(text, expected["text"]), t.deviation(merged[0], expected["image"]), t.deviation(merged[1], expected["text"]), max(weights)], PEFT_BAR)


def check_exports(tool, report, scratch, seed, n=12):
    """Adapters of ours to PEFT: Hugging Face models with all maps, open_clip's with fc1 and fc2 (the others PEFT cannot reach)."""
    r, numbers = random.Random(seed), np.random.default_rng(seed)
    folders = t.Folders(f"{scratch}/models")
    for i in range(n):
        family = ["hf", "open_clip", "CustomTextCLIP"][i % 3]
        if family == "hf":
            model = hf_model(r)
            path, peer = hf_write(folders, model.state_dict(), model.config), HuggingFace(model)
            maps = dict(r.sample(sorted(peer.maps.items()), r.randint(1, len(peer.maps))))
        else:
            config = open_clip_config(r)
            model = open_clip_model(config, family == "CustomTextCLIP")
            path, peer = open_clip_write(folders, model, config), open_clip_peer(model, config)
            maps = {m: w for m, w in peer.maps.items() if m.endswith(("fc1", "fc2"))}
        adapter, exported = f"{scratch}/ours.safetensors", f"{scratch}/exported{i}"
        common = math.gcd(*(w for w, _ in maps.values()))
        division = r.choice([{"blocks": 1}, {"blocks": common} if all(w > common for w, _ in maps.values()) else {"blocks": 1}, {"block_size": common} if common > 1 else {"blocks": 1}])
        share = i % 2 == 1 and common > 1
        if share:  # several places for each block
            prime = next(p for p in range(2, common + 1) if common % p == 0)
            division = r.choice([{"block_size": prime}, {"blocks": prime}]) if all(w > prime for w, _ in maps.values()) else {"block_size": prime}
        t.random_adapter(adapter, maps, numbers, "cayley", 1.2, **division, share=share)
        pixels, ids = torch.randn(3, 3, peer.size, peer.size), torch.randint(0, peer.vocabulary, (5, peer.context))
        ids[:, -1] = t.VOCABULARY - 1
        ours = tool.pixels(path, pixels, adapter), tool.tokens(path, ids, adapter)
        tool.export_peft(path, adapter, exported)
        again = tool.pixels(path, pixels, exported), tool.tokens(path, ids, exported)
        tuned = peft.PeftModel.from_pretrained(model, exported).eval()
        used = {k for k, _ in tuned.named_parameters() if "oft_R" in k}
        with torch.no_grad():
            forward = peer.image(pixels), peer.text(ids)  # PEFT has put its layers into the same model
            tuned.merge_and_unload()
            merged = peer.image(pixels), peer.text(ids)
        deviations = [t.deviation(a, b) for other in (forward, merged, again) for a, b in zip(ours, other)]
        if len(used) != len(maps):
            report.line(False, f"export {family}", f"PEFT uses {len(used)} of {len(maps)}")
        elif tuned.peft_config["default"].block_share != share or json.loads(tool.run("info", exported, "--model", path, "--json"))["block_share"] != share:
            report.line(False, f"export {family}", "blocks became shared, or are no more")
        else:
            report.close(f"export {family} {len(maps)} maps {division}{', shared' if share else ''}", deviations, PEFT_BAR)


def check_open_clip(tool, report, scratch, seed, n=6):
    """What PEFT trains inside open_clip's models."""
    r = random.Random(seed)
    folders = t.Folders(f"{scratch}/trained")
    for i in range(n):
        config = open_clip_config(r)
        model = open_clip_model(config, i % 2 == 1)
        path, peer = open_clip_write(folders, model, config), open_clip_peer(model, config)
        tuned = peft.get_peft_model(model, peft.OFTConfig(**divided(r, 3, 6), target_modules=["c_fc", "c_proj"], use_cayley_neumann=i % 3 == 0, block_share=i > 2))
        train(tuned, 0.5)
        tuned.save_pretrained(f"{path}/tuned")
        pixels, ids = torch.randn(3, 3, peer.size, peer.size), torch.randint(0, peer.vocabulary, (5, peer.context))
        ids[:, -1] = t.VOCABULARY - 1
        with torch.no_grad():
            theirs = peer.image(pixels), peer.text(ids)
        try:
            ours = tool.pixels(path, pixels, f"{path}/tuned"), tool.tokens(path, ids, f"{path}/tuned")
            report.close(f"open_clip {'CustomTextCLIP' if i % 2 else 'CLIP'} trained by PEFT", [t.deviation(a, b) for a, b in zip(ours, theirs)], PEFT_BAR)
        except t.Refused as e:
            report.line(False, "open_clip trained by PEFT", str(e))


def main():
    if sys.argv[1] == "--make":
        os.makedirs(sys.argv[2])
        make(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1)
        return
    report = t.Report()
    with tempfile.TemporaryDirectory() as scratch:
        tool = t.Tool(sys.argv[1], scratch)
        if len(sys.argv) > 2 and sys.argv[2] == "--made":
            compare(tool, report, sys.argv[3])
        else:
            seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
            make(f"{scratch}/cases", seed)
            compare(tool, report, f"{scratch}/cases")
            check_open_clip(tool, report, scratch, seed)
            check_exports(tool, report, scratch, seed)
    report.end()


if __name__ == "__main__":
    main()
