#!/usr/bin/env python3
"""Makes test/data/switches: timm's own models, cut down to kilobytes, one for each switch that tells a family from another.

    pip install timm==1.0.31
    python3 scripts/make_switch_goldens.py [NAME ...] [--out test/data/switches] [--tests test/switches]

NAME.expected.npy is what the model returns in double precision for input-NxCxHxW.npy, NAME.test the lit test that compiles the same model
from its preset with `--set` and compares. The grid of patches is not square, so that rows and columns cannot be taken for each other.
Weights are those of --random-weights=0 (docs/random-weights.md).
"""
import argparse
import json
import os

import random_weights
from make_timm_goldens import fill

BASE = {"img_size": [24, 40], "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2, "num_classes": 10}

# The stem of a hybrid decides its stride and most of its size.
STEM = {"img_size": [64, 96], "embed_dim": 32, "depth": 2, "num_heads": 2, "num_classes": 10}

# The preset, timm's arguments beside BASE, and what vitc calls them where that is not the same name and value.
SWITCHES = {
    "deit-distilled": ("deit_tiny_distilled_patch16_224", {}),
    "deit3": ("deit3_small_patch16_224", {}),
    "dinov2": ("vit_small_patch14_dinov2", {}),
    "dinov2-registers": ("vit_small_patch14_reg4_dinov2", {}),
    "dinov2-swiglu": ("vit_giant_patch14_reg4_dinov2", {}),
    "tipsv2": ("vit_base_patch14_reg1_tipsv2", {}),
    "clip": ("vit_base_patch16_clip_224", {}),
    "clip-quickgelu": ("vit_base_patch16_clip_quickgelu_224", {}),
    "siglip-map": ("vit_base_patch16_siglip_224", {}),
    "siglip-gap": ("vit_base_patch16_siglip_gap_224", {}),
    "siglip-so400m": ("vit_so400m_patch16_siglip_256", {}),
    "flexivit": ("flexivit_small", {}),
    "registers-gap": ("vit_medium_patch16_reg4_gap_256", {}),
    "so150m-map": ("vit_so150m_patch16_reg4_map_256", {}),
    "so150m2": ("vit_so150m2_patch16_reg1_gap_256", {}),
    "intern": ("vit_intern300m_patch14_448", {}),
    "aimv2": ("aimv2_large_patch14_224", {}),
    "beit3": ("beit3_base_patch16_224", {}),
    "xp": ("vit_base_patch16_xp_224", {}),
    "wee": ("vit_wee_patch16_reg1_gap_256", {}),
    "pwee": ("vit_pwee_patch16_reg1_gap_256", {}),
    "dwee": ("vit_dwee_patch16_reg1_gap_256", {}),
    "dpwee": ("vit_dpwee_patch16_reg1_gap_256", {}),
    "test-vit": ("test_vit", {}),
    "test-vit2": ("test_vit2", {}),
    "test-vit3": ("test_vit3", {}),
    "test-vit4": ("test_vit4", {}),
    "eva02-fused": ("eva02_tiny_patch14_224", {}),
    "eva02-unfused": ("eva02_base_patch14_224", {}),
    "eva02-clip": ("eva02_base_patch16_clip_224", {}),
    "eva-post-norm": ("eva02_enormous_patch14_clip_224", {}),
    "eva-giant": ("eva_giant_patch14_224", {}),
    "rope": ("vit_small_patch16_rope_224", {}),
    "rope-ape": ("vit_small_patch16_rope_ape_224", {}),
    "rope-mixed": ("vit_small_patch16_rope_mixed_224", {}),
    "rope-mixed-ape": ("vit_small_patch16_rope_mixed_ape_224", {}),
    "rope-registers-gap": ("vit_betwixt_patch16_rope_reg4_gap_256", {}),
    "dinov3": ("vit_small_patch16_dinov3", {}),
    "dinov3-qkv-bias": ("vit_small_patch16_dinov3_qkvb", {}),
    "dinov3-gated": ("vit_small_plus_patch16_dinov3", {}),
    "pe-core": ("vit_pe_core_tiny_patch16_384", {}),
    "pe-core-no-class": ("vit_pe_core_gigantic_patch14_448", {}),
    "pe-spatial": ("vit_pe_spatial_tiny_patch16_512", {}),
    "pe-lang": ("vit_pe_lang_large_patch14_448", {}),
    "beit": ("beit_base_patch16_224", {}),
    "beitv2": ("beitv2_base_patch16_224", {}),
    "beit-shared": ("beit_base_patch16_224", {"use_rel_pos_bias": False, "use_shared_rel_pos_bias": True},
                    {"relative_position": "shared_table"}),
    "relpos": ("vit_relpos_small_patch16_224", {}),
    "relpos-class": ("vit_relpos_base_patch16_cls_224", {}),
    "relpos-class-gap": ("vit_relpos_base_patch16_clsgap_224", {}),
    "relpos-post-norm": ("vit_relpos_small_patch16_rpn_224", {}),
    "relpos-shared": ("vit_srelpos_small_patch16_224", {}),
    "relpos-plus": ("vit_relpos_base_patch16_plus_240", {}),
    "naflex-gap": ("naflexvit_base_patch16_gap", {}),
    "naflex-map": ("naflexvit_base_patch16_map", {}),
    "naflex-aspect": ("naflexvit_base_patch16_par_gap", {}),
    "naflex-factorized": ("naflexvit_base_patch16_parfac_gap", {}),
    "naflex-siglip": ("naflexvit_base_patch16_siglip", {}),
    "naflex-registers-map": ("naflexvit_so150m2_patch16_reg1_map", {}),
    "sam": ("samvit_base_patch16", {"window_size": 2, "global_attn_indexes": [1], "neck_chans": 16, "num_classes": 0}),
    "sam-classifier": ("samvit_base_patch16_224", {"window_size": 2, "global_attn_indexes": [1], "neck_chans": 16}, {"final_norm": False}),
    "cait": ("cait_xxs24_224", {}),
    "hybrid-resnetv2": ("vit_small_r26_s32_224", STEM),
    "hybrid-stem-only": ("vit_tiny_r_s16_p8_224", STEM),
    "hybrid-resnetd": ("vit_small_resnet26d_224", STEM),
    "hybrid-mobileclip": ("vit_base_mci_224", {"img_size": [64, 96], "depth": 2, "num_classes": 10}),
}


def hidden_width(model, dim):
    """Of the mlps; a preset may state it instead of its ratio to embed_dim."""
    for name, module in model.blocks[0].named_modules():
        if name.split(".")[-1] in ("fc2", "mlp_out_proj"):
            return module.in_features
    return model.blocks[0].out_proj.in_features - dim  # beside the heads


def logits(name, arguments, images):
    import timm
    import torch

    model = fill(timm.create_model(name, **arguments).eval())
    with torch.no_grad():
        single = model(torch.from_numpy(images)).double()
        value = model.double()(torch.from_numpy(images).double())
    error = (single - value).abs().max().item()
    print(f"std {value.std().item():.3f}, f32 error {error:.2g}")
    width = hidden_width(model, model.embed_dim)
    return value.numpy(), error, {"mlp_dim": width} if width != 4 * model.embed_dim else {}


def lit_test(name, model, arguments, keys, shape, error):
    """What vitc is told: `keys` in place of the arguments that have no key of the same meaning."""
    base = {k.replace("img_size", "image_size"): v for k, v in arguments.items() if not k.startswith("use_")}
    values = {k: v if isinstance(v, str) else json.dumps(v, separators=(",", ":")) for k, v in {**base, **keys}.items()}
    changes = " ".join(f"--set {k}={v}" for k, v in values.items())
    tolerance = max(1e-5, 4 * error)
    check = f"--input=%data/switches/input-{shape}.npy --expected=%data/switches/{name}.expected.npy --tolerance={tolerance:.0e}"
    lines = ["REQUIRES: compiler"]
    for target, file in (("", "%t.vitx"), (" --target=reference", "%t.reference.vitx")):
        lines += [f"RUN: vitc {model} {changes} --random-weights=0{target} -o {file}", f"RUN: vit-run infer {file} {check}"]
    return "\n".join(lines) + "\n"


def main():
    import numpy as np
    import torch

    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--out", default=here + "/../test/data/switches")
    parser.add_argument("--tests", default=here + "/../test/switches")
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.makedirs(options.out, exist_ok=True)
    os.makedirs(options.tests, exist_ok=True)
    for name in options.names or SWITCHES:
        model, changes, *keys = SWITCHES[name]
        arguments = {**({} if "img_size" in changes else BASE), **changes}
        images = random_weights.images((1 if arguments["img_size"][0] >= 64 else 2, 3, *arguments["img_size"]))
        shape = "x".join(map(str, images.shape))
        np.save(f"{options.out}/input-{shape}.npy", images)
        print(name, end=": ", flush=True)
        expected, error, width = logits(model, arguments, images)
        np.save(f"{options.out}/{name}.expected.npy", expected.astype(np.float32))
        with open(f"{options.tests}/{name}.test", "w") as f:
            f.write(lit_test(name, model, arguments, {**width, **(keys[0] if keys else {})}, shape, error))


if __name__ == "__main__":
    main()
