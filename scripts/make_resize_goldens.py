#!/usr/bin/env python3
"""Writes test/data/resize/resize.npz: tables of positions, tables of distances and patch kernels, resized by the libraries themselves.

    python scripts/make_resize_goldens.py          (torch, timm >= 1.0, torchvision, scipy; the tests need none of them)

Keys: input.KIND.SIZE, and KIND.RULE.FROM.TO with sizes as HxW.
"""
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import zoom
from timm.layers import resample_abs_pos_embed, resample_patch_embed
from timm.layers.pos_embed_rel import resize_rel_pos_bias_table
from torchvision.models.vision_transformer import interpolate_embeddings

OUTPUT = pathlib.Path(__file__).parent.parent / "test" / "data" / "resize" / "resize.npz"
CHANNELS = 3
generator = np.random.default_rng(0)


def table(height, width):
    return torch.from_numpy(generator.standard_normal((1, height * width, CHANNELS)).astype(np.float32))


def plain(values, old, new, mode):
    grid = values.reshape(1, *old, CHANNELS).permute(0, 3, 1, 2)
    return F.interpolate(grid, size=new, mode=mode, align_corners=False).permute(0, 2, 3, 1)


def main():
    arrays = {}
    for old, new in (((7, 7), (12, 12)), ((14, 14), (10, 20)), ((9, 9), (4, 5)), ((5, 5), (1, 1))):
        sizes = f"{old[0]}x{old[1]}.{new[0]}x{new[1]}"
        values = table(*old)
        rules = {
            "bicubic": plain(values, old, new, "bicubic"),
            "bilinear": plain(values, old, new, "bilinear"),
            "bicubic_antialias": resample_abs_pos_embed(values, new, old, num_prefix_tokens=0),
            "bilinear_antialias": resample_abs_pos_embed(values, new, old, num_prefix_tokens=0, interpolation="bilinear"),
            "bilinear_aligned": zoom(values.numpy().reshape(*old, CHANNELS), (new[0] / old[0], new[1] / old[1], 1), order=1),
        }
        if new[0] == new[1] and new[0] > 1:
            state = {"encoder.pos_embedding": torch.cat([values[:, :1], values], 1)}
            resized = interpolate_embeddings(new[0] * 16, 16, state)["encoder.pos_embedding"]
            rules["bicubic_aligned"] = resized[:, 1:]
        arrays[f"input.position.{old[0]}x{old[1]}"] = values.numpy().reshape(*old, CHANNELS)
        for rule, result in rules.items():
            arrays[f"position.{rule}.{sizes}"] = np.asarray(result, dtype=np.float32).reshape(*new, CHANNELS)
    for old, new in (((7, 7), (12, 12)), ((7, 7), (5, 9))):
        distances = torch.from_numpy(generator.standard_normal(((2 * old[0] - 1) * (2 * old[1] - 1), CHANNELS)).astype(np.float32))
        sizes = f"{old[0]}x{old[1]}.{new[0]}x{new[1]}"
        target = ((2 * new[0] - 1) * (2 * new[1] - 1), CHANNELS)
        arrays[f"distance.geometric.{sizes}.in"] = distances.numpy().reshape(2 * old[0] - 1, 2 * old[1] - 1, CHANNELS)
        result = resize_rel_pos_bias_table(distances, new, target)
        arrays[f"distance.geometric.{sizes}"] = result.numpy().reshape(2 * new[0] - 1, 2 * new[1] - 1, CHANNELS)
    for old, new in (((8, 8), (6, 6)), ((8, 8), (12, 10))):
        kernel = torch.from_numpy(generator.standard_normal((CHANNELS, 1, *old)).astype(np.float32))
        sizes = f"{old[0]}x{old[1]}.{new[0]}x{new[1]}"
        arrays[f"patch.pinv.{sizes}.in"] = kernel.numpy()[:, 0].transpose(1, 2, 0)
        arrays[f"patch.pinv.{sizes}"] = resample_patch_embed(kernel, list(new)).numpy()[:, 0].transpose(1, 2, 0)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    np.savez(OUTPUT, **arrays)
    print(f"{OUTPUT.name}: {len(arrays)} arrays, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
