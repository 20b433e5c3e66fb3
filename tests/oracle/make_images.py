"""Writes tests/data/images: small PNG and JPEG files of every kind and what PIL makes of them.

    python tests/oracle/make_images.py [--check FOLDER]

cases.txt has one line per expectation, `file operation a b width height`, where the operation is
    open            Image.open(file).convert("RGB")
    resize a b      .resize((a, b), BICUBIC)
    crop a          torchvision's Resize(a, BICUBIC), then CenterCrop(a), as CLIP prepares images
and pixels.gz has the RGB bytes (height, width, 3) of all lines, one after the other.
With --check the same is written to stdout for the images found below FOLDER (open and crop 224), for a comparison that is not committed.
"""
import argparse
import gzip
import io
import pathlib
import struct
import sys
import warnings
import zlib

import numpy as np
from PIL import Image
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

OUT = pathlib.Path(__file__).resolve().parents[1] / "data" / "images"
warnings.filterwarnings("ignore")
rng = np.random.default_rng(1)

# ---- PNG, written here: PIL cannot write most of the kinds ----------------------------------------------------------


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_row(samples, bits):
    """(n) samples to bytes, most significant bit first."""
    if bits == 16:
        return samples.astype(">u2").tobytes()
    if bits == 8:
        return samples.astype(np.uint8).tobytes()
    spread = (samples[:, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(spread.astype(np.uint8).reshape(-1)).tobytes()


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(samples, bits, color, interlaced=False, before=b"", filters=(0,)):
    """samples (height, width, channels)."""
    height, width, channels = samples.shape
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    raw = b""
    for x0, y0, dx, dy in passes:
        part = samples[y0::dy, x0::dx]
        if part.size == 0:
            continue
        above = None
        for y, row in enumerate(part):
            line = np.frombuffer(pack_row(row.reshape(-1), bits), np.uint8).astype(int)
            kind = filters[y % len(filters)]
            pixel = max(1, channels * bits // 8)
            left = np.concatenate([np.zeros(pixel, int), line])[: len(line)]
            up = np.zeros(len(line), int) if above is None else above
            corner = np.concatenate([np.zeros(pixel, int), up])[: len(line)]
            p = left + up - corner
            distance = np.abs(np.stack([p - left, p - up, p - corner]))
            paeth = np.choose(distance.argmin(0), [left, up, corner])
            predicted = [0, left, up, (left + up) // 2, paeth][kind]
            raw += bytes([kind]) + ((line - predicted) % 256).astype(np.uint8).tobytes()
            above = line
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")


def picture(height, width, channels, top):
    """A smooth pattern with some noise and hard edges, values 0..top."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    wave = 0.5 + 0.3 * np.sin(0.31 * x + 1.3 * c) + 0.3 * np.cos(0.23 * y - 0.7 * c) + 0.4 * ((x // 5 + y // 7) % 2 - 0.5) + 0.05 * rng.standard_normal(x.shape)
    return np.clip(np.round(wave * top), 0, top).astype(np.int64)


def png_files():
    colors = rng.integers(0, 256, 3 * 16, dtype=np.uint8).tobytes()
    palette = chunk(b"PLTE", colors)
    for bits in (1, 2, 4, 8, 16):
        yield f"gray{bits}.png", png(picture(21, 33, 1, 2**bits - 1), bits, 0)
        yield f"gray{bits}-interlaced.png", png(picture(13, 19, 1, 2**bits - 1), bits, 0, True)
    yield "gray16-low.png", png(picture(12, 17, 1, 520), 16, 0)
    yield "gray8-transparent.png", png(picture(9, 11, 1, 255), 8, 0, before=chunk(b"tRNS", b"\0\x20"))
    for bits in (1, 2, 4, 8):
        top = min(2**bits, 16) - 1
        part = chunk(b"PLTE", colors[: 3 * (top + 1)])
        yield f"palette{bits}.png", png(picture(15, 23, 1, top), bits, 3, before=part)
        yield f"palette{bits}-interlaced.png", png(picture(11, 14, 1, top), bits, 3, True, part)
    yield "palette-short.png", png(picture(9, 13, 1, 30), 8, 3, before=palette)
    yield "palette-alpha.png", png(picture(9, 13, 1, 15), 8, 3, before=palette + chunk(b"tRNS", bytes(range(0, 255, 17))))
    for bits in (8, 16):
        top = 2**bits - 1
        yield f"gray-alpha{bits}.png", png(picture(17, 12, 2, top), bits, 4, filters=(4, 1))
        yield f"rgb{bits}.png", png(picture(20, 31, 3, top), bits, 2, filters=(0, 1, 2, 3, 4))
        yield f"rgba{bits}.png", png(picture(14, 18, 4, top), bits, 6, filters=(3, 2))
        yield f"rgb{bits}-interlaced.png", png(picture(10, 15, 3, top), bits, 2, True, filters=(2, 4))
    yield "rgb8-transparent.png", png(picture(8, 9, 3, 255), 8, 2, before=chunk(b"tRNS", bytes(6)))
    yield "rgb8-gamma.png", png(picture(8, 9, 3, 255), 8, 2, before=chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"sBIT", b"\5\6\5"))
    yield "one-pixel.png", png(picture(1, 1, 3, 255), 8, 2)
    yield "one-row.png", png(picture(1, 41, 3, 255), 8, 2)
    yield "one-column.png", png(picture(41, 1, 3, 255), 8, 2, True)
    yield "wide.png", png(picture(5, 160, 3, 255), 8, 2)
    yield "checkers.png", png(np.indices((24, 24)).sum(0)[:, :, None] % 2 * np.full(3, 255), 8, 2)  # over- and undershoot


# ---- JPEG ----------------------------------------------------------------------------------------------------------


def jpeg(pixels, mode="RGB", **options):
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8).squeeze(), mode=None if mode != "CMYK" else mode).save(file, "JPEG", **{"quality": 85, **options})
    return file.getvalue()


def segments(data):
    """The marker segments before the first scan, then the rest."""
    at, parts = 2, [data[:2]]
    while data[at + 1] != 0xDA:
        size = 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
        parts.append(data[at : at + size])
        at += size
    return parts + [data[at:]]


def sampled(data, factors):
    """With the sampling factors of the first component replaced."""
    frame = next(s for s in segments(data) if s[1] in (0xC0, 0xC2))
    return data.replace(frame, frame[:11] + bytes([factors]) + frame[12:])


def jpeg_files():
    for name, sampling in (("444", 0), ("422", 1), ("420", 2)):
        yield f"ycc{name}.jpg", jpeg(picture(27, 35, 3, 255), subsampling=sampling)
    yield "progressive.jpg", jpeg(picture(30, 26, 3, 255), progressive=True)
    yield "progressive-420.jpg", jpeg(picture(17, 33, 3, 255), progressive=True, subsampling=2)
    yield "rgb.jpg", jpeg(picture(16, 16, 3, 255), keep_rgb=True)
    yield "gray.jpg", jpeg(picture(19, 25, 1, 255))
    yield "gray-progressive.jpg", jpeg(picture(19, 25, 1, 255), progressive=True)
    yield "restart.jpg", jpeg(picture(40, 24, 3, 255), restart_marker_rows=1)
    exif = Image.Exif()
    exif[0x112] = 6
    yield "rotated.jpg", jpeg(picture(12, 20, 3, 255), exif=exif)
    yield "one-pixel.jpg", jpeg(picture(1, 1, 3, 255))
    cmyk = jpeg(picture(18, 22, 4, 255), "CMYK")
    yield "cmyk.jpg", cmyk
    adobe = next(s for s in segments(cmyk) if s[1] == 0xEE)
    yield "cmyk-plain.jpg", cmyk.replace(adobe, b"")
    yield "ycck.jpg", cmyk.replace(adobe, adobe[:-1] + b"\2")  # the same numbers, now said to be YCCK
    yield "quality10.jpg", jpeg(picture(33, 29, 3, 255), quality=10)
    # The same coded blocks under other sampling factors that ask for as many of them.
    yield "ycc440.jpg", sampled(jpeg(picture(32, 32, 3, 255), subsampling=1), 0x12)
    yield "ycc411.jpg", sampled(jpeg(picture(32, 32, 3, 255), subsampling=2), 0x41)


def cases(name, path_or_bytes):
    source = io.BytesIO(path_or_bytes) if isinstance(path_or_bytes, bytes) else path_or_bytes
    image = Image.open(source).convert("RGB")
    width, height = image.size
    yield "open", 0, 0, image
    for a, b in ((7, 5), (width, 2 * height + 1), (3 * width - 1, height), (max(1, width // 2), 9), (1, 1)):
        if name.startswith(("rgb8.", "one", "checkers", "ycc420", "gray1.", "tall")):
            yield "resize", a, b, image.resize((a, b), Image.Resampling.BICUBIC)
    if name.startswith(("wide", "tall", "rgb", "one", "palette4.", "gray16", "ycc", "cmyk.", "checkers")):
        for a in (8, 16, 23):
            yield "crop", a, 0, CenterCrop(a)(Resize(a, InterpolationMode.BICUBIC)(image))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", metavar="FOLDER")
    folder = parser.parse_args().check
    if folder:
        for path in sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")):
            image = Image.open(path).convert("RGB")
            for operation, a, result in (("open", 0, image), ("crop", 224, CenterCrop(224)(Resize(224, InterpolationMode.BICUBIC)(image)))):
                sys.stdout.buffer.write(f"{path} {operation} {a} 0 {result.width} {result.height}\n".encode() + result.tobytes())
        return
    OUT.mkdir(parents=True, exist_ok=True)
    lines, pixels = [], b""
    tall = "tall.png", png(picture(61, 4, 3, 255), 8, 2)  # filtered down first, since Pillow 13
    for name, data in [*png_files(), *jpeg_files(), tall]:
        (OUT / name).write_bytes(data)
        for operation, a, b, image in cases(name, data):
            lines.append(f"{name} {operation} {a} {b} {image.width} {image.height}\n")
            pixels += image.tobytes()
    (OUT / "cases.txt").write_text("".join(lines))
    (OUT / "pixels.gz").write_bytes(gzip.compress(pixels, 9, mtime=0))
    print(f"{len(lines)} cases, {sum(f.stat().st_size for f in OUT.iterdir())} bytes")


main()
