"""PEFT's OFT adapters of every kind on the tiny Hugging Face model, with the features PEFT gives: tests/data/peft/<case>/.

usage: python tests/oracle/make_peft.py                (torch, transformers, peft, safetensors; after make_clip.py, from the repository root)
       python tests/oracle/make_peft.py --check DIR    (and open_clip_torch, for an export from that model)

Each case holds adapter_config.json, adapter_model.safetensors and expected.safetensors: image_features, text_features of the model after PEFT has loaded
the directory, on the inputs of the model's own expected.safetensors. Two cases are of releases that this PEFT no longer computes: their formulas are below.

--check DIR loads what orthsr_model_adapter_export_peft wrote, requires that PEFT uses every tensor of it and no other module, and writes PEFT's
features as DIR/expected.safetensors; tests/test_peft.c compares them with ours. To renew these exports before it:
    ORTHSR_EXPORT=tests/data/peft build/tests/test_peft
"""
import json
import math
import os
import shutil
import sys
import warnings

import torch
from peft import OFTConfig, PeftModel, get_peft_model
from peft.tuners.oft.layer import OFTRotationModule
from safetensors.torch import load_file, save_file
from transformers import CLIPModel

OUT = "tests/data/peft"
MODEL = "tests/data/clip/hf"
OPEN_CLIP = "tests/data/clip/openclip"
torch.manual_seed(11)
torch.set_num_threads(1)
warnings.simplefilter("ignore")


def base():
    return CLIPModel.from_pretrained(MODEL).eval()


@torch.no_grad()
def features(model):
    inputs = load_file(f"{MODEL}/expected.safetensors")
    image = model.visual_projection(model.vision_model(pixel_values=inputs["pixels"]).pooler_output)
    text = model.text_projection(model.text_model(input_ids=inputs["tokens"].long()).pooler_output)
    return {"image_features": image.contiguous(), "text_features": text.contiguous()}


def write(case, config, tensors, expected):
    path = os.path.join(OUT, case)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    with open(f"{path}/adapter_config.json", "w") as f:
        f.write(json.dumps(config, indent=2, sort_keys=True))
    save_file(tensors, f"{path}/adapter_model.safetensors", metadata={"format": "pt"})
    save_file(expected, f"{path}/expected.safetensors")
    print(case, sorted({tuple(t.shape) for t in tensors.values()}))


def saved(scale, **options):
    """A config and tensors as PEFT saves them, with random parameters; the set of target modules in a fixed order."""
    model = get_peft_model(base(), OFTConfig(**options))
    for name, p in model.named_parameters():
        if "oft_R" in name:
            p.data.normal_(0, scale)
    path = os.path.join(OUT, "tmp")
    model.save_pretrained(path)
    config, tensors = json.load(open(f"{path}/adapter_config.json")), load_file(f"{path}/adapter_model.safetensors")
    shutil.rmtree(path)
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    return config, tensors


def loaded(config, tensors):
    """The features of the model with this adapter, as PEFT loads it from files."""
    path = os.path.join(OUT, "tmp")
    os.makedirs(path)
    json.dump(config, open(f"{path}/adapter_config.json", "w"))
    save_file(tensors, f"{path}/adapter_model.safetensors", metadata={"format": "pt"})
    model = PeftModel.from_pretrained(base(), path).eval()
    shutil.rmtree(path)
    return features(model.base_model.model)


def make(case, scale, **options):
    config, tensors = saved(scale, **options)
    write(case, config, tensors, loaded(config, tensors))


def make_renamed():
    """Without the prefix, with an adapter's name, in float16."""
    config, tensors = saved(0.3, r=2, oft_block_size=0, target_modules=["fc1"], use_cayley_neumann=False)
    tensors = {k: v.half() for k, v in tensors.items()}
    expected = loaded(config, {k: v.float() for k, v in tensors.items()})
    renamed = {k.removeprefix("base_model.model.").replace("oft_R.weight", "oft_R.cats.weight"): v for k, v in tensors.items()}
    write("renamed", config, renamed, expected)


def old_series(self, Q, block_size, use_cayley_neumann=True, num_neumann_terms=5):
    """PEFT 0.16 and 0.17: every power has the coefficient 2."""
    S = self._pytorch_skew_symmetric(Q, block_size)
    R = torch.eye(block_size).repeat(Q.shape[0], 1, 1)
    power = R
    for _ in range(1, num_neumann_terms):
        power = power @ S
        R = R + 2 * power
    return R


def make_017():
    """As 0.17 wrote it: no peft_version."""
    config, tensors = saved(0.15, r=4, oft_block_size=0, target_modules=["fc1", "fc2"])
    del config["peft_version"]
    now = OFTRotationModule._cayley_batch
    OFTRotationModule._cayley_batch = old_series
    expected = loaded(config, tensors)
    OFTRotationModule._cayley_batch = now
    write("version-0.17", config, tensors, expected)


def make_013(case, r, coft):
    """As 0.7 to 0.13 wrote it: y = (x W^T) blockdiag(R) + bias, r blocks of the outputs."""
    model, eps = base(), 1e-3
    config = {
        "alpha_pattern": {}, "auto_mapping": None, "base_model_name_or_path": MODEL, "block_share": False, "coft": coft, "eps": eps, "inference_mode": True,
        "init_weights": True, "layers_pattern": None, "layers_to_transform": None, "module_dropout": 0.0, "modules_to_save": None, "peft_type": "OFT",
        "r": r, "rank_pattern": {}, "revision": None, "target_modules": ["fc1", "k_proj"], "task_type": None,
    }
    tensors = {}
    for name, module in model.named_modules():
        if not name.endswith(tuple(config["target_modules"])):
            continue
        b = module.out_features // r
        A = 0.3 * torch.randn(r, b, b)
        tensors[f"base_model.model.{name}.oft_r"] = A.clone()
        if coft:
            limit = eps * b**2 / math.sqrt(r)
            norm = A.norm(dim=(1, 2), keepdim=True)
            A = torch.where(norm <= limit, A, A * limit / norm)
            print("  ", name, "projected" if (norm > limit).all() else "kept" if (norm <= limit).all() else "some projected")
        S = 0.5 * (A - A.transpose(1, 2))
        R = torch.linalg.solve(torch.eye(b) + S, torch.eye(b) - S, left=False)
        module.weight.data = (module.weight.data.T @ torch.block_diag(*R)).T
    write(case, config, tensors, features(model))


def make_015(case, r, share, coft, scaled=False):
    """As 0.14 to 0.15.2 wrote it: W becomes (blockdiag(R) W^T)^T times oft_s, R = (I - S)(I + S)^-1 of S = (A - A^T)/2, A free and, with coft, projected."""
    model, eps = base(), 8e-3
    config = {
        "auto_mapping": None, "base_model_name_or_path": MODEL, "bias": "none", "block_share": share, "coft": coft, "eps": eps, "exclude_modules": None,
        "fan_in_fan_out": False, "inference_mode": True, "init_weights": True, "layers_pattern": None, "layers_to_transform": None, "module_dropout": 0.0,
        "modules_to_save": None, "oft_block_size": 0, "peft_type": "OFT", "r": r, "revision": None, "target_modules": ["fc1", "v_proj"],
        "task_type": None,
    }
    tensors = {}
    for name, module in model.named_modules():
        if not name.endswith(tuple(config["target_modules"])):
            continue
        b = module.in_features // r
        A = 0.3 * torch.randn(1 if share else r, b, b)
        tensors[f"base_model.model.{name}.oft_r"] = A.clone()
        scale = 1 + 0.2 * torch.randn(module.out_features, 1) if scaled else torch.ones(module.out_features, 1)
        tensors[f"base_model.model.{name}.oft_s"] = scale
        if coft:
            limit = eps * math.ceil(module.out_features / r) ** 2 / math.sqrt(len(A))
            norm = A.norm(dim=(1, 2), keepdim=True)
            A = torch.where(norm <= limit, A, A * limit / norm)
            print("  ", name, "projected" if (norm > limit).all() else "kept" if (norm <= limit).all() else "some projected")
        S = 0.5 * (A - A.transpose(1, 2))
        R = torch.linalg.solve(torch.eye(b) + S, torch.eye(b) - S, left=False)
        module.weight.data = (torch.block_diag(*(R[0 if share else i] for i in range(r))) @ module.weight.data.T).T * scale
    write(case, config, tensors, features(model))


def check(path):
    tensors = load_file(f"{path}/adapter_model.safetensors")
    if not any(".resblocks." in name for name in tensors):
        model = base()
    else:
        import open_clip.model

        config = json.load(open(f"{OPEN_CLIP}/open_clip_config.json"))["model_cfg"]
        model = open_clip.model.CLIP(**config).eval()
        model.load_state_dict({k: v.float() for k, v in load_file(f"{OPEN_CLIP}/open_clip_model.safetensors").items()}, strict=False)
    tuned = PeftModel.from_pretrained(model, path).eval()
    used = {name.replace(".default", "") for name, _ in tuned.named_parameters() if "oft_" in name}
    assert used == set(tensors), used ^ set(tensors)
    for name, p in tuned.named_parameters():
        if "oft_" in name:
            assert torch.equal(p, tensors[name.replace(".default", "")]), name
    if isinstance(model, CLIPModel):
        expected = features(tuned.base_model.model)
    else:
        inputs, core = load_file(f"{OPEN_CLIP}/expected.safetensors"), tuned.base_model.model
        with torch.no_grad():
            expected = {"image_features": core.encode_image(inputs["pixels"]), "text_features": core.encode_text(inputs["tokens"].long())}
    save_file({k: v.contiguous() for k, v in expected.items()}, f"{path}/expected.safetensors")
    print(path, len(used), "tensors, all used")


if len(sys.argv) == 3 and sys.argv[1] == "--check":
    check(sys.argv[2])
else:
    FC = ["fc1", "fc2"]
    make("exact", 0.2, r=4, oft_block_size=0, target_modules=FC, use_cayley_neumann=False)
    make("blocks-of-8", 0.2, oft_block_size=8, target_modules=["q_proj", "k_proj", "v_proj", "out_proj", "fc1"], use_cayley_neumann=False)
    make("neumann-5", 0.15, r=4, oft_block_size=0, target_modules=FC)
    make("neumann-3", 0.15, oft_block_size=8, target_modules=FC, num_cayley_neumann_terms=3)
    make("share", 0.2, r=4, oft_block_size=0, target_modules=FC, block_share=True, use_cayley_neumann=False)
    make("coft", 0.2, r=4, oft_block_size=0, target_modules=FC, coft=True, eps=3.0, use_cayley_neumann=False)
    make("coft-neumann-share", 0.2, r=2, oft_block_size=0, target_modules=["out_proj"], coft=True, eps=0.5, block_share=True)
    make("regex", 0.2, r=4, oft_block_size=0, target_modules=r".*vision_model.*\.(q_proj|fc2)", use_cayley_neumann=False)
    make("layers", 0.2, r=4, oft_block_size=0, target_modules=FC, layers_to_transform=[1], layers_pattern="layers", use_cayley_neumann=False)
    make("adjusted-size", 0.2, oft_block_size=7, target_modules=FC, use_cayley_neumann=False)
    make("adjusted-r", 0.15, r=3, oft_block_size=0, target_modules=["q_proj", "fc1"])
    make_renamed()
    make_017()
    make_015("version-0.15", 4, False, False)
    make_015("version-0.15-coft", 2, True, True)
    make_015("version-0.15-scaled", 4, False, False, scaled=True)
    make_013("version-0.13", 4, False)
    make_013("version-0.13-coft", 2, True)
