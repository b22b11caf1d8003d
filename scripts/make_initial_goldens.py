#!/usr/bin/env python3
"""Moments of every tensor of freshly made models of timm 1.0.31, one of each class, narrow and with two blocks.

    python3 scripts/make_initial_goldens.py > test/data/initial-weights.tsv

Of tensors that are all alike in many blocks of a stem the first ones stand for the others.
"""
import re
import sys

import timm
import torch

MODELS = [
    "vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224", "beit_base_patch16_224", "eva02_tiny_patch14_224", "vit_tiny_r_s16_p8_224",
    "vit_small_r26_s32_224", "vit_small_resnet26d_224", "cait_xxs24_224", "samvit_base_patch16_224", "naflexvit_base_patch16_parfac_gap", "vit_base_mci_224",
    "vit_relpos_base_patch16_rpn_224", "vit_small_patch16_rope_mixed_224", "vit_base_patch16_siglip_224",
]
SMALL = {"depth": 2, "embed_dim": 192, "num_heads": 3, "num_classes": 100}
FIXED = ["vit_base_mci_224"]  # the stem makes its width


def main():
    torch.manual_seed(0)
    print("model\ttensor\telements\tleast\tmost\tmean\tdeviation")
    for model in MODELS:
        for name, value in timm.create_model(model, **(SMALL if model not in FIXED else {"depth": 2})).state_dict().items():
            if name.endswith("num_batches_tracked") or re.search(r"layer[2-4]|bn[12]|downsample|conv1\.[14]|block_token_only\.1", name):
                continue
            # torch's trunc_normal_ gives now and then an element of -2, the bound, where its uniform draw was 0.
            drawn = value[value != -2].double()
            numbers = drawn.min(), drawn.max(), drawn.mean(), drawn.std(correction=0)
            print(model, name, value.numel(), *(f"{x.item():.6g}" for x in numbers), sep="\t")
        print(model, file=sys.stderr)


if __name__ == "__main__":
    main()
