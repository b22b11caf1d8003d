#!/usr/bin/env python3
"""Writes test/data/augmentation: what Pillow and torchvision make of a picture, and mixup, cutmix and smoothed labels of a small batch.

    python scripts/make_augmentation_goldens.py [MIXING]          (torchvision, numpy; the tests need neither)

pixels.tsv has a line for each operation, mode of the picture and parameter: CRC-32 of the result's bytes. With MIXING, a folder with
mixing.json and mixing.npz of the reference systems' training pieces, mixing.txt is made of them too; it is left alone otherwise.
"""
import json
import pathlib
import sys
import zlib

import numpy as np
import torchvision.transforms.functional as F
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.autoaugment import RandAugment, _apply_op

DATA = pathlib.Path(__file__).parent.parent / "test" / "data"
OUTPUT = DATA / "augmentation"
FACTORS = [0.0, 0.1, 0.37, 0.6, 1.0, 1.3, 1.9, 3.5]
HUES = [-0.5, -0.21, -0.01, 0.0, 0.07, 0.3, 0.5]
PIXEL_OPERATIONS = {
    "brightness": (F.adjust_brightness, FACTORS),
    "contrast": (F.adjust_contrast, FACTORS),
    "saturation": (F.adjust_saturation, FACTORS),
    "sharpness": (F.adjust_sharpness, FACTORS),
    "hue": (F.adjust_hue, HUES),
    "posterize": (lambda image, bits: F.posterize(image, int(bits)), [1, 3, 4, 8]),
    "solarize": (F.solarize, [0, 17.5, 128, 255]),
    "autocontrast": (lambda image, _: F.autocontrast(image), [0]),
    "equalize": (lambda image, _: F.equalize(image), [0]),
}
MAGNITUDES = [0, 1, 9, 14, 15, 22, 30]


def checksum(image):
    return f"{zlib.crc32(np.asarray(image).tobytes()):08x}"


def pictures():
    """A photograph, a part of it without strong contrast, every hue and grey level, and a grey picture."""
    color = Image.open(DATA / "image" / "picture.png").convert("RGB")
    yield "color", color
    yield "grey", color.convert("L")
    y, x = np.mgrid[0:64, 0:96]
    ramps = np.stack([x * 255 // 95, y * 4, (x * 7 + y * 5) % 256], axis=-1).astype(np.uint8)
    yield "ramps", Image.fromarray(ramps)
    yield "faint", Image.fromarray((ramps // 5 + 90).astype(np.uint8))


def pixel_lines():
    for name, picture in pictures():
        for operation, (function, parameters) in PIXEL_OPERATIONS.items():
            for parameter in parameters:
                yield f"{operation}\t{name}\t{parameter}\t{checksum(function(picture, parameter))}"
        # The operations of RandAugment as they are called there: by their magnitudes and signs.
        space = RandAugment()._augmentation_space(31, (picture.height, picture.width))
        for operation, (values, signed) in space.items():
            for magnitude in MAGNITUDES:
                value = float(values[magnitude]) if values.ndim else 0.0
                for sign in (1, -1) if signed else (1,):
                    image = _apply_op(picture, operation, sign * value, InterpolationMode.NEAREST, None)
                    yield f"{operation}\t{name}\t{sign * magnitude if magnitude else '-0' if sign < 0 else 0}\t{checksum(image)}"


def mixing_lines(folder):
    """Cases of [4, 3, 8, 8] images: name, lambda, smoothing, row and column of the box (-1 without), partners; then images and targets."""
    numbers, cases = np.load(folder / "mixing.npz"), json.loads((folder / "mixing.json").read_text())
    row = lambda values: " ".join(f"{v:.9g}" for v in np.asarray(values, np.float32).ravel())
    yield row(numbers["images"])
    yield " ".join(map(str, numbers["labels"]))
    for name, case in cases.items():
        y, x = case["centre_row_column"] or (-1, -1)
        yield f"{name} {case['lambda']} {case['smoothing']} {y} {x} {' '.join(map(str, case['partner']))} {case['lambda_used']}"
        yield row(numbers[name + ".images"])
        yield row(numbers[name + ".targets"])


OUTPUT.mkdir(exist_ok=True)
(OUTPUT / "pixels.tsv").write_text("\n".join(pixel_lines()) + "\n")
if len(sys.argv) > 1:
    (OUTPUT / "mixing.txt").write_text("\n".join(mixing_lines(pathlib.Path(sys.argv[1]))) + "\n")
