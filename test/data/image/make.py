"""Makes the pictures of this folder and what Pillow says of them; run with Pillow 13 and NumPy: python3 make.py

decode.tsv   file, width, height, channels, CRC-32 of the pixels that Image.open(file) converted to RGB (grey files: to L) has
resize.tsv   filter, width, height, CRC-32 of the pixels of picture.png resized to that
resize-floats.tsv  filter, antialias (0 or 1), width, height, of resize-floats.npy: picture.png resized without rounding, in f64, one
             result after another, [height, width, 3] each. TensorFlow's and torch's formulas, written down without their code.
jpeg/*.png   the pixels of jpeg/*.jpg (decoders may differ by a level, so no checksum); exif-*.png: as the orientation says
"""

import os
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))


def at(name):
    return os.path.join(HERE, name)


def pixels(width, height):
    """Gradients, a hard-edged corner and noise: [height, width, 3]."""
    y, x = np.mgrid[0:height, 0:width]
    gradient = np.stack([x * 191 // (width - 1), y * 191 // (height - 1), (x + y) * 191 // (width + height - 2)], -1)
    noise = np.random.RandomState(7).randint(0, 64, (height, width, 3))
    checks = ((x // 5 + y // 5) % 2 * 255)[..., None]
    corner = (x > width // 2) & (y > height // 2)
    return np.where(corner[..., None], checks, gradient + noise).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(name, samples, depth, color_type, interlaced=False, extra=b""):
    """Writes what Pillow cannot: any depth and Adam7. `samples` is [height, width, channels] of values below 2**depth."""
    height, width, channels = samples.shape
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)] if interlaced else [(0, 0, 1, 1)]
    raw = b""
    for top, left, down, right in passes:
        part = samples[top::down, left::right]
        for row in part if part.size else []:
            if depth == 16:
                data = row.astype(">u2").tobytes()
            elif depth == 8:
                data = row.astype(np.uint8).tobytes()
            else:
                bits = ((row.reshape(-1, 1) >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8)
                data = np.packbits(bits.reshape(-1)).tobytes()
            raw += b"\0" + data
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, int(interlaced))
    with open(at(name), "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def write_pngs():
    rgb = pixels(13, 11).astype(np.int64)
    alpha = (rgb[..., :1] * 3) % 256
    grey = rgb[..., :1]
    palette = chunk(b"PLTE", bytes((i * 37 + c * 85) % 256 for i in range(16) for c in range(3)))
    png("grey1.png", grey >> 7, 1, 0)
    png("grey2.png", grey >> 6, 2, 0)
    png("grey4.png", grey >> 4, 4, 0)
    png("grey8.png", grey, 8, 0)
    png("grey16.png", grey * 256 + alpha, 16, 0)
    png("grey-alpha8.png", np.concatenate([grey, alpha], -1), 8, 4)
    png("rgb8-interlaced.png", rgb, 8, 2, True)
    png("rgb16.png", rgb * 256 + alpha, 16, 2)
    png("rgba8.png", np.concatenate([rgb, alpha], -1), 8, 6)
    png("rgba16-interlaced.png", np.concatenate([rgb, alpha], -1) * 257, 16, 6, True)
    png("palette4.png", grey >> 4, 4, 3, extra=palette)
    png("palette4-transparent.png", grey >> 4, 4, 3, extra=palette + chunk(b"tRNS", bytes(range(0, 160, 10))))
    rows = []
    for name in sorted(f for f in os.listdir(HERE) if f.endswith(".png") and f != "picture.png"):
        image = Image.open(at(name))
        if name == "grey16.png":  # Pillow clips at 255; the high byte is what we want
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        image = image.convert("L" if name.startswith("grey") else "RGB")
        rows.append((name, image.width, image.height, len(image.getbands()), zlib.crc32(image.tobytes())))
    table("decode.tsv", rows)


def write_jpegs():
    os.makedirs(at("jpeg"), exist_ok=True)
    picture = Image.fromarray(pixels(29, 21))
    save = lambda name, image, **options: image.save(at(f"jpeg/{name}.jpg"), quality=85, **options)
    save("ycc420", picture, subsampling=2)
    save("ycc444-progressive", picture, subsampling=0, progressive=True)
    save("grey", picture.convert("L"))
    save("cmyk", picture.convert("CMYK"))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(f"exif-{orientation}", picture, exif=exif)
    for name in sorted(f[:-4] for f in os.listdir(at("jpeg")) if f.endswith(".jpg")):
        image = ImageOps.exif_transpose(Image.open(at(f"jpeg/{name}.jpg")))
        image.convert("L" if name == "grey" else "RGB").save(at(f"jpeg/{name}.png"), optimize=True)


def write_resizes():
    picture = Image.fromarray(pixels(37, 53))
    picture.save(at("picture.png"), optimize=True)
    rows = []
    for name in ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"):
        for width, height in ((16, 16), (80, 100), (37, 20), (20, 53), (36, 9), (90, 30), (1, 1)):
            resized = picture.resize((width, height), getattr(Image, name.upper()))
            rows.append((name, width, height, zlib.crc32(resized.tobytes())))
    table("resize.tsv", rows)


def two_pixels(source, size):
    """TensorFlow 2's tf.image.resize, bilinear, along the first axis: interpolation between the two nearest pixels' centres."""
    position = (np.arange(size) + 0.5) * len(source) / size - 0.5
    lower = np.maximum(np.floor(position), 0).astype(int)
    upper = np.minimum(np.ceil(position), len(source) - 1).astype(int)
    fraction = (position - np.floor(position))[:, None, None]
    return source[lower] * (1 - fraction) + source[upper] * fraction


def all_pixels(source, size, filter):
    """The antialiased resize of a float tensor in torch along the first axis: every pixel, weighted by its centre's distance."""
    scale = len(source) / size
    stretch = max(scale, 1.0)
    distance = np.abs((np.arange(len(source)) + 0.5)[None] - ((np.arange(size) + 0.5) * scale)[:, None]) / stretch
    if filter == "bilinear":
        weights = np.maximum(1 - distance, 0)
    else:  # Keys' cubic, a = -0.5
        near, far = 1.5 * distance**3 - 2.5 * distance**2 + 1, -0.5 * (distance**3 - 5 * distance**2 + 8 * distance - 4)
        weights = np.where(distance < 1, near, np.where(distance < 2, far, 0))
    weights /= weights.sum(1, keepdims=True)
    return np.einsum("ij,jkc->ikc", weights, source)


def write_float_resizes():
    picture = pixels(37, 53).astype(np.float64)
    rows, values = [], []
    for filter, antialias, width, height in (
        ("bilinear", 0, 16, 12),
        ("bilinear", 0, 50, 7),
        ("bilinear", 1, 16, 12),
        ("bilinear", 1, 40, 9),
        ("bicubic", 1, 11, 60),
    ):
        axis = (lambda source, size: all_pixels(source, size, filter)) if antialias else two_pixels
        resized = axis(axis(picture, height).transpose(1, 0, 2), width).transpose(1, 0, 2)
        rows.append((filter, antialias, width, height))
        values.append(resized.astype(np.float32).ravel())
    table("resize-floats.tsv", rows)
    np.save(at("resize-floats.npy"), np.concatenate(values))


def table(name, rows):
    with open(at(name), "w") as file:
        file.writelines("\t".join(map(str, row)) + "\n" for row in rows)


if __name__ == "__main__":
    write_pngs()
    write_jpegs()
    write_resizes()
    write_float_resizes()
