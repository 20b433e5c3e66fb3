"""Torchvision's crops of an 8-bit image and its fallback sizes: tests/data/augment.safetensors.

usage: python tests/oracle/make_augment.py        (torch, torchvision, pillow, safetensors; from the repository root)

image (31, 43, 3); crops (n, 6): left, top, width, height, flip, size; view.<i> (size, size, 3). fallback (n, 6): width and height of an image that no try
fits, and left, top, width, height of what RandomResizedCrop takes then. shares (3, 10): of 100,000 crops of a 640 x 480 image, how many have an area, a
logarithm of the ratio, and a horizontal place in each tenth of the range.
"""
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms import functional as F

rng = np.random.default_rng(7)
height, width = 31, 43
image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
picture = Image.fromarray(image)
crops = [(0, 0, 43, 31, 0, 16), (5, 3, 20, 24, 1, 16), (40, 2, 3, 4, 0, 16), (7, 9, 16, 16, 1, 16), (1, 0, 42, 13, 0, 8), (20, 30, 1, 1, 1, 5), (9, 4, 30, 27, 1, 28)]
out = dict(image=torch.from_numpy(image), crops=torch.tensor(crops, dtype=torch.int32))
for i, (left, top, w, h, flip, size) in enumerate(crops):
    view = F.resized_crop(picture, top, left, h, w, [size, size], InterpolationMode.BICUBIC, antialias=True)
    out[f"view.{i}"] = torch.from_numpy(np.array(F.hflip(view) if flip else view))
rows = []
for w, h in [(1, 90), (200, 3), (7, 1000), (5000, 20)]:
    blank = Image.new("RGB", (w, h))
    seen = {RandomResizedCrop.get_params(blank, (0.9999, 1.0), (3 / 4, 4 / 3)) for _ in range(20)}
    (i, j, ch, cw), = seen  # the same whatever was drawn
    rows.append((w, h, j, i, cw, ch))
out["fallback"] = torch.tensor(rows, dtype=torch.int32)
torch.manual_seed(1)
blank, counts, n = Image.new("RGB", (640, 480)), np.zeros((3, 10)), 100_000
for _ in range(n):
    i, j, h, w = RandomResizedCrop.get_params(blank, (0.08, 1.0), (3 / 4, 4 / 3))
    area, ratio, place = (w * h / (640 * 480) - 0.08) / 0.92, (np.log(w / h) - np.log(3 / 4)) / np.log(16 / 9), j / (640 - w + 1)
    for row, value in enumerate((area, ratio, place)):
        counts[row, min(max(int(10 * value), 0), 9)] += 1 / n
out["shares"] = torch.from_numpy(counts)
save_file({k: v.contiguous() for k, v in out.items()}, "tests/data/augment.safetensors")
