"""Position embeddings at other sizes, by the interpolation that open_clip and transformers use, alone and in whole models.

usage: python tests/oracle/make_positions.py        -> tests/data/positions.safetensors (from the repository root, after make_clip.py)
"""
import open_clip
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file

torch.manual_seed(4)
WIDTH = 3
out = {}
for size_from in (1, 2, 4, 7):
    rows = torch.randn(1 + size_from**2, WIDTH)
    out[f"grid{size_from}"] = rows
    grid = rows[1:].reshape(1, size_from, size_from, WIDTH).permute(0, 3, 1, 2)
    for size_to in (1, 2, 3, 5, 7, 12):
        for name, antialias in (("bicubic", False), ("antialias", True)):
            if antialias and size_from == size_to:
                continue
            new = F.interpolate(grid, size=(size_to, size_to), mode="bicubic", align_corners=False, antialias=antialias)
            out[f"{name}.{size_from}.{size_to}"] = torch.cat([rows[:1], new.permute(0, 2, 3, 1).reshape(-1, WIDTH)]).contiguous()
line = torch.randn(9, WIDTH)
out["line"] = line
for size_to in (1, 4, 8, 9, 10, 25):
    new = F.interpolate(line.T[None], size=size_to, mode="linear", align_corners=False)
    out[f"linear.{size_to}"] = new[0].T.contiguous()

# Whole models: 2 images of 40 and of 8 pixels, where the checkpoints take 24 (open_clip) and what config.json says (Hugging Face).
hf = transformers.CLIPModel.from_pretrained("tests/data/clip/hf").eval()
for size in (40, 8):
    pixels = torch.randn(2, 3, size, size)
    out[f"pixels{size}"] = pixels
    with torch.no_grad():
        features = hf.vision_model(pixel_values=pixels, interpolate_pos_encoding=True).pooler_output
        out[f"hf{size}"] = hf.visual_projection(features)
        model = open_clip.create_model("local-dir:tests/data/clip/openclip", force_image_size=size, precision="fp32", pretrained=True).eval()
        out[f"openclip{size}"] = model.encode_image(pixels)
save_file({k: v.contiguous() for k, v in out.items()}, "tests/data/positions.safetensors", metadata={"format": "pt"})
