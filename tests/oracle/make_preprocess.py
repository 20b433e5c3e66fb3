"""Writes tests/data/preprocess: preprocess files and the network's input that transformers and open_clip make by them.

    python tests/oracle/make_preprocess.py        (torch, transformers, open_clip_torch, pillow; from the repository root)

cases.txt has one line per file, `family file json`: the family's model in tests/data/clip opens with this file beside it (open_clip: with this
preprocess_cfg). pixels.gz has for every line and every image of IMAGES (3, S, S) float32, S the model's image size.
"""
import gzip
import json
import os
import pathlib
import shutil
import tempfile

import numpy as np
import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

ROOT = pathlib.Path(__file__).resolve().parents[1] / "data"
OUT = ROOT / "preprocess"
IMAGES = ["rgb8.png", "tall.png", "one-row.png"]
PREPROCESSOR, PROCESSOR = "preprocessor_config.json", "processor_config.json"
MEAN = [0.48145466, 0.4578275, 0.40821073]

HUGGINGFACE = [
    # the two forms in which CLIPs are published, then every key
    (PREPROCESSOR, {"crop_size": 16, "do_center_crop": True, "do_normalize": True, "do_resize": True, "feature_extractor_type": "CLIPFeatureExtractor",
                    "image_mean": MEAN, "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 16}),
    (PROCESSOR, {"image_processor": {"crop_size": {"height": 16, "width": 16}, "data_format": "channels_first", "do_center_crop": True, "do_convert_rgb": True,
                                     "do_normalize": True, "do_rescale": True, "do_resize": True, "image_processor_type": "CLIPImageProcessorFast",
                                     "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 16}},
                 "processor_class": "CLIPProcessor"}),
    (PREPROCESSOR, {"size": {"shortest_edge": 21}, "crop_size": 16}),
    (PREPROCESSOR, {"size": {"shortest_edge": 16}, "crop_size": [16, 16], "resample": 2}),
    (PREPROCESSOR, {"size": {"height": 16, "width": 16}, "do_center_crop": False}),
    (PREPROCESSOR, {"size": [19, 25], "crop_size": 16}),
    (PREPROCESSOR, {"size": 16, "default_to_square": True, "do_center_crop": None, "resample": 2}),
    (PREPROCESSOR, {"size": {"shortest_edge": 16, "longest_edge": 23}, "crop_size": 16}),
    (PREPROCESSOR, {"size": {"shortest_edge": 13, "longest_edge": 39}, "crop_size": 16}),
    (PREPROCESSOR, {"size": {"shortest_edge": 9}, "crop_size": {"width": 16, "height": 16}}),
    (PREPROCESSOR, {"do_resize": False, "crop_size": 16}),
    (PREPROCESSOR, {"size": 16, "crop_size": 16, "do_rescale": False}),
    (PREPROCESSOR, {"size": 16, "crop_size": 16, "do_normalize": False, "image_mean": None}),
    (PREPROCESSOR, {"size": 16, "crop_size": 16, "do_normalize": None, "do_rescale": False}),
    (PREPROCESSOR, {"size": 16, "crop_size": 16, "rescale_factor": 0.0078, "image_mean": 1, "image_std": [0.5, 0.25, 0.125]}),
    (PREPROCESSOR, {"size": 16, "crop_size": 16, "do_pad": True, "pad_size": {"height": 16, "width": 16}}),
]
OPEN_CLIP = [
    None,
    {"size": 224, "mode": "RGB", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3], "interpolation": "bicubic", "resize_mode": "shortest", "fill_color": 0},
    {"size": [16, 99], "mean": 0.5, "std": 0.5, "interpolation": "bilinear", "resize_mode": "squash"},
    {"interpolation": "random", "resize_mode": "longest", "fill_color": None},
    {"mean": 0, "std": [], "interpolation": "bilinear", "resize_mode": "longest", "fill_color": 200},
    {"mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bicubic", "resize_mode": "squash", "mode": None},
]


def huggingface(name, config):
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / name).write_text(json.dumps(config))
        processor = CLIPImageProcessorPil.from_pretrained(folder)
    return lambda image: np.asarray(processor(image, return_tensors="np").pixel_values[0], np.float32)


def openclip(config):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "clip" / "openclip", folder, dirs_exist_ok=True)
        path = pathlib.Path(folder) / "open_clip_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "preprocess_cfg": config}))
        _, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    return lambda image: preprocess(image).numpy()


def main():
    torch.set_num_threads(1)
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    cases = [("hf", name, config, huggingface(name, config)) for name, config in HUGGINGFACE]
    cases += [("openclip", "open_clip_config.json", config, openclip(config)) for config in OPEN_CLIP]
    cases += [("openai", "-", None, lambda image: image_transform_v2(PreprocessCfg(size=8), is_train=False)(image).numpy())]
    lines, pixels = ["images " + " ".join(IMAGES) + "\n"], b""
    for family, name, config, preprocess in cases:
        lines.append(f"{family} {name} {json.dumps(config)}\n")
        for image in IMAGES:
            pixels += preprocess(Image.open(ROOT / "images" / image).convert("RGB")).astype("<f4").tobytes()
    (OUT / "cases.txt").write_text("".join(lines))
    (OUT / "pixels.gz").write_bytes(gzip.compress(pixels, 9, mtime=0))
    print(f"{len(cases)} files, {sum(f.stat().st_size for f in OUT.iterdir())} bytes")


main()
