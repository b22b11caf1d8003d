#!/usr/bin/env python3
# Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes test/data/hub: small folders as timm and OpenCLIP save them, and what the libraries compute with them.

    pip install timm==1.0.31 open_clip_torch==3.3.0 safetensors && python3 scripts/make_hub_folders.py

Each folder has the library's config, its weights (drawn from a seed), and expected.npy: the answer to test/data/goldens/input-3x3x32x32.npy
in double precision.
"""
import json
import pathlib

import numpy as np
import open_clip
import timm
import torch
from safetensors.torch import save_file

DATA = pathlib.Path(__file__).resolve().parent.parent / "test/data"
IMAGES = torch.from_numpy(np.load(DATA / "goldens/input-3x3x32x32.npy"))

CLIP_PREPROCESSING = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28], "interpolation": "bicubic", "resize_mode": "squash"}
TEXT = {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}

TIMM = {
    # Arguments in place of the architecture's: a mean moves the norm behind it, pre_norm takes the patches' bias.
    "timm": {
        "architecture": "vit_tiny_patch16_224", "num_classes": 5, "num_features": 16, "global_pool": "avg",
        "model_args": {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 3.4, "init_values": 0.1,
                       "global_pool": "avg", "pre_norm": True, "reg_tokens": 2, "act_layer": "gelu_tanh", "dynamic_img_size": True},
        "pretrained_cfg": {"tag": "made", "custom_load": False, "input_size": [3, 32, 32], "fixed_input_size": True, "crop_pct": 0.8,
                           "interpolation": "bilinear", "crop_mode": "squash", "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6],
                           "num_classes": 7, "first_conv": "patch_embed.proj", "classifier": "head"},
        "label_names": ["ant", "bee", "cat", "dog", "elk"],
    },
}  # fmt: skip
OPEN_CLIP = {
    "open-clip": {
        "model_cfg": {"embed_dim": 12, "quick_gelu": True, "text_cfg": TEXT,
                      "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 16, "layers": 2, "head_width": 8, "mlp_ratio": 3.5,
                                     "ls_init_value": 0.3, "pool_type": "avg", "final_ln_after_pool": True}},
        "preprocess_cfg": CLIP_PREPROCESSING,
    },
}  # fmt: skip


def draw(model):
    """Values of the size that trained weights have; normalizations near the identity."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in sorted(model.state_dict().items()):
            noise = torch.randn(tensor.shape, generator=generator) * 0.2
            tensor.copy_(noise + 1 if name.endswith("weight") and tensor.dim() == 1 else noise)
    return model.eval()


def write(name, config_name, config, tensors, weights_name, answer):
    folder = DATA / "hub" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / config_name).write_text(json.dumps(config, indent=1) + "\n")
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / weights_name, metadata={"format": "pt"})
    with torch.no_grad():
        np.save(folder / "expected.npy", answer().float().numpy())


def main():
    for name, config in TIMM.items():
        arguments = {"num_classes": config["num_classes"]} | config["model_args"]
        model = draw(timm.create_model(config["architecture"], **arguments))
        tensors = model.state_dict()
        write(name, "config.json", config, tensors, "model.safetensors", lambda model=model: model.double()(IMAGES.double()))
    for name, config in OPEN_CLIP.items():
        model = draw(open_clip.CLIP(**config["model_cfg"]))
        tensors = {key: value.clone() for key, value in model.state_dict().items()}
        encode = lambda model=model: model.double().encode_image(IMAGES.double())  # noqa: E731
        write(name, "open_clip_config.json", config, tensors, "open_clip_model.safetensors", encode)


if __name__ == "__main__":
    main()
