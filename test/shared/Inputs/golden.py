#!/usr/bin/env python3
"""Turns goldens into the arrays that vit-run reads; standard library only.

  golden.py timm GOLDEN.json INPUT.npy EXPECTED.npy          the image of docs/random-weights.md and the stored logits
  golden.py tensors FILE.safetensors INPUT.npy EXPECTED.npy [OUTPUT]   tensors `input` and OUTPUT (default: logits)
  golden.py crops FOLDER COUNT INPUT.npy EXPECTED.npy        u8 NHWC crops, normalized to [-1, 1], and their logits
  golden.py top1 PREDICTIONS.jsonl IMAGES.tsv                how many of the images `vit-run classify --json` got right
"""
import array
import json
import math
import os
import struct
import sys


def write_npy(path, shape, values):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({', '.join(map(str, shape))},), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + array.array("f", values).tobytes())


def read_npy(path):
    with open(path, "rb") as f:
        raw = f.read()
    (length,) = struct.unpack_from("<H", raw, 8)
    shape = eval(raw[10 : 10 + length], {"__builtins__": {}})["shape"]
    return shape, raw[10 + length :]


def random_image(count):
    """The tensor `input` of seed 0, 2 u: splitmix64 of FNV-1a of its name and of the index."""
    mask = 2**64 - 1

    def splitmix64(x):
        x = (x + 0x9E3779B97F4A7C15) & mask
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & mask
        x = (x ^ x >> 27) * 0x94D049BB133111EB & mask
        return x ^ x >> 31

    key = 0xCBF29CE484222325
    for byte in b"input":
        key = (key ^ byte) * 0x100000001B3 & mask
    key ^= splitmix64(0)
    return [2 * ((splitmix64(key + i & mask) >> 40) * 2.0**-23 - 1) for i in range(count)]


def timm(golden, image, expected):
    with open(golden) as f:
        values = json.load(f)
    write_npy(image, values["input_shape"], random_image(math.prod(values["input_shape"])))
    logits = values["logits"]
    logits = logits[0] if isinstance(logits[0], list) else logits
    write_npy(expected, [1, len(logits)], logits)


def tensors(path, image, expected, output="logits"):
    with open(path, "rb") as f:
        raw = f.read()
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + length])
    for name, target in (("input", image), (output, expected)):
        begin, end = (8 + length + offset for offset in header[name]["data_offsets"])
        write_npy(target, header[name]["shape"], array.array("f", raw[begin:end]))


def crops(folder, count, image, expected):
    count = int(count)
    (_, height, width, channels), pixels = read_npy(folder + "/crops_u8_nhwc.npy")
    size = height * width * channels
    scale = [(v / 255 - 0.5) / 0.5 for v in range(256)]
    planes = (pixels[i * size + c : (i + 1) * size : channels] for i in range(count) for c in range(channels))
    write_npy(image, [count, channels, height, width], (scale[v] for plane in planes for v in plane))
    (_, classes), logits = read_npy(folder + "/logits_f32.npy")
    write_npy(expected, [count, classes], array.array("f", logits[: 4 * count * classes]))


def top1(predictions, images):
    with open(images) as f:
        names, *rows = (line.rstrip("\n").split("\t") for line in f)
    truth = {row[names.index("file")]: int(row[names.index("class")]) for row in rows}
    with open(predictions) as f:
        answers = {os.path.basename(p["path"]): p["classes"][0]["index"] for p in map(json.loads, f)}
    print(f"{sum(answers[name] == label for name, label in truth.items())} of {len(truth)}")


if __name__ == "__main__":
    {"timm": timm, "tensors": tensors, "crops": crops, "top1": top1}[sys.argv[1]](*sys.argv[2:])
