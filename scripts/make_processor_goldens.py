#!/usr/bin/env python3
"""Makes test/data/processors: preprocessor_config.json files, each with what a small ViT answers to a picture that transformers prepared.

    pip install transformers==5.23.0 torch torchvision Pillow==13.0.0
    python3 scripts/make_processor_goldens.py [NAME ...] [--out test/data/processors]

The picture is test/data/image/picture.png, 37 x 53 pixels; processors are those with Pillow, DINOv3's that with tensors, as it has no other.
NAME.expected.json holds the softmax of the logits of config.json's model in double precision, with the weights of --random-weights=0.
"""
import argparse
import json
import os
import sys
import tempfile

import make_huggingface_goldens
from make_huggingface_goldens import LABELS, MLP

HERE = os.path.dirname(os.path.abspath(__file__))
SQUARE, MEAN, STD = {"height": 32, "width": 32}, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

# Class, and the fields of its file.
PROCESSORS = {
    "vit": ("ViT", {"size": SQUARE}),
    "vit-number": ("ViT", {"size": 32, "image_mean": MEAN, "image_std": STD}),
    "vit-lanczos": ("ViT", {"size": SQUARE, "resample": 1}),
    "vit-not-normalized": ("ViT", {"size": SQUARE, "do_normalize": False}),
    "beit": ("Beit", {"size": SQUARE}),
    "beit-crop": ("Beit", {"size": {"height": 45, "width": 41}, "crop_size": SQUARE, "do_center_crop": True}),
    "deit": ("DeiT", {"size": {"height": 37, "width": 37}, "crop_size": SQUARE}),
    "clip": ("CLIP", {"size": {"shortest_edge": 32}, "crop_size": SQUARE}),
    "clip-numbers": ("CLIP", {"size": 37, "crop_size": 32}),
    "clip-padded": ("CLIP", {"size": {"shortest_edge": 21}, "crop_size": SQUARE}),
    "bit": ("Bit", {"size": {"shortest_edge": 37}, "crop_size": SQUARE, "image_mean": MEAN, "image_std": STD}),
    "siglip": ("Siglip", {"size": SQUARE}),
    "dinov3": ("DINOv3ViT", {"size": SQUARE}),
}


def golden(name, out):
    import numpy as np
    import torch
    import transformers
    from PIL import Image

    kind, fields = PROCESSORS[name]
    processor = getattr(transformers, kind + "ImageProcessor" + ("" if kind == "DINOv3ViT" else "Pil"))(**fields)
    picture = Image.open(os.path.join(HERE, "../test/data/image/picture.png"))
    pixels = processor(picture, return_tensors="pt").pixel_values
    with tempfile.TemporaryDirectory() as folder:
        transformers.ViTForImageClassification(transformers.ViTConfig(**MLP, num_labels=LABELS)).save_pretrained(folder)
        make_huggingface_goldens.refill(folder + "/model.safetensors")
        model = transformers.ViTForImageClassification.from_pretrained(folder, dtype=torch.float64).eval()
        with torch.no_grad():
            probabilities = model(pixels.double()).logits[0].softmax(-1).numpy()
        os.makedirs(out, exist_ok=True)
        with open(folder + "/config.json") as source, open(f"{out}/config.json", "w") as target:
            target.write(source.read())
    for file, value in ((name, {"image_processor_type": kind + "ImageProcessor", **fields}),
                        (name + ".expected", [float(f"{p:.9g}") for p in probabilities])):
        with open(f"{out}/{file}.json", "w") as target:
            target.write(json.dumps(value) + "\n")
    print(f"{name}: pixels {np.asarray(pixels).min():.3f} to {np.asarray(pixels).max():.3f}, probabilities up to {probabilities.max():.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--out", default=os.path.join(HERE, "../test/data/processors"))
    options = parser.parse_args()
    for name in options.names or PROCESSORS:
        golden(name, options.out)


if __name__ == "__main__":
    sys.exit(main())
