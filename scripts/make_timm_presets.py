#!/usr/bin/env python3
# Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes compiler/model/presets/*.json and test/data/timm-presets.tsv from the classes of timm itself.

    pip install timm==1.0.31 && scripts/make_timm_presets.py

Every model is built on torch's meta device (no memory, no download). Its config is read off the modules that its constructor made, not off
the constructor's arguments, so that a default of timm cannot be missed. The table holds what a test compares with the presets: for the first
tag of each name the elements and the number of all tensors, and a digest of their names and shapes.

What timm has and vitc has no switch for is reported, and left out.
"""

import argparse
import json
import math
import pathlib
import sys

import timm
import torch
from timm.layers import RotaryEmbeddingCat, RotaryEmbeddingDinoV3, RotaryEmbeddingMixed
from timm.models import _registry as registry
from timm.models import cait

ROOT = pathlib.Path(__file__).resolve().parent.parent
VERSION = "1.0.31"

# Files by what is in a name, first match; then by timm's module.
NAMED_FILES = [
    ("test_vit", "vision_transformer"),
    ("dinov3", "dinov3"),
    ("_pe_", "perception_encoder"),
    ("_rope_", "rope"),
    ("eva", "eva"),
    ("beit3", "beit3"),
    ("aimv2", "aimv2"),
    ("flexivit", "flexivit"),
    ("dinov2", "dinov2"),
    ("tipsv2", "dinov2"),
    ("siglip", "siglip"),
    ("clip", "clip"),
    ("ijepa", "vision_transformer"),
    ("_reg", "sbb"),
    ("betwixt", "sbb"),
    ("_medium_patch16_gap", "sbb"),
]
MODULE_FILES = {
    "beit": "beit",
    "cait": "cait",
    "deit": "deit",
    "eva": "eva",
    "naflexvit": "naflexvit",
    "vision_transformer": "vision_transformer",
    "vision_transformer_hybrid": "hybrid",
    "vision_transformer_relpos": "relpos",
    "vision_transformer_sam": "sam",
}
TITLES = {
    "aimv2": "AIMv2 (Fini et al. 2024)",
    "beit": "BEiT and BEiT v2 (Bao et al. 2021, Peng et al. 2022)",
    "beit3": "BEiT-3's image tower (Wang et al. 2022)",
    "cait": "CaiT (Touvron et al. 2021)",
    "clip": "image towers of OpenCLIP, MetaCLIP, DFN and others",
    "deit": "DeiT and DeiT-3 (Touvron et al. 2021, 2022)",
    "dinov2": "DINOv2 with and without registers (Oquab et al. 2023), TIPSv2",
    "dinov3": "DINOv3 (Simeoni et al. 2025)",
    "eva": "EVA, EVA-02 and their CLIP towers (Fang et al. 2022, 2023)",
    "flexivit": "FlexiViT (Beyer et al. 2022)",
    "hybrid": "convolutions before the patches: ResNetV2, ResNet-D, ConvStem",
    "naflexvit": "NaFlexVit, at its default resolution",
    "perception_encoder": "Perception Encoder (Bolya et al. 2025)",
    "relpos": "relative positions by a small network",
    "rope": "rotary positions (Heo et al. 2024) and timm's own",
    "sam": "SAM's image encoder (Kirillov et al. 2023)",
    "sbb": "timm's searching-for-better-ViT-baselines models with registers or mean pooling",
    "siglip": "SigLIP, SigLIP 2, PaliGemma towers",
    "vision_transformer": "plain models and what has no file of its own",
}

# The compiler's own defaults (ModelConfig.h): keys with these values are not written.
DEFAULTS = {
    "family": "timm", "image_size": 224, "patch_size": 16, "in_channels": 3, "patch_bias": True, "stem": "none", "stem_layers": [],
    "stem_width": 1.0, "stem_norm_eps": 1e-5, "stem_standardize_eps": 1e-8, "patch_norm": False, "class_token": True,
    "distillation_token": False, "reg_tokens": 0, "position": "learned", "position_on": "all",
    "position_grid": None, "position_resize": "home", "position_square": False, "relative_position": "none",
    "relative_position_hidden": 512, "rope": "none", "rope_theta": 10000.0, "rope_offset": 0.0, "rope_indexing": "ij",
    "rope_rotate_half": False, "rope_reference_grid": None, "norm_pre": False, "embed_dim": 768, "depth": 12, "num_heads": 12,
    "mlp_dim": None, "block": "pre_norm", "parallel_fused": False, "attention": "softmax", "parallel_branches": 1, "qkv_bias": True,
    "qkv_fused": True, "qk_norm": False, "proj_bias": True, "attention_norm": False, "window_size": None, "global_blocks": [],
    "class_blocks": 0,
    "activation": "gelu", "gated_mlp": False, "gate_packed": True, "mlp_bias": True, "gate_bias": True, "mlp_norm": False,
    "norm": "layer", "norm_eps": 1e-6, "layer_scale": None, "final_norm": True, "final_norm_eps": None, "fc_norm": False, "pool": "token", "pool_heads": None,
    "pool_mlp_ratio": None, "pool_include_prefix": False, "neck_channels": None, "head_distillation": False, "num_classes": 1000,
    "crop_pct": 0.9, "crop_mode": "center", "interpolation": "bicubic", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
}  # fmt: skip


class Unsupported(Exception):
    """Names what of a model vitc has no switch for."""


def expect(fine, what):
    if not fine:
        raise Unsupported(what)


def absent(module):
    return module is None or isinstance(module, torch.nn.Identity)


def one(values, what):
    """The value that all blocks share."""
    expect(len(set(values)) == 1, f"{what} differs between blocks: {sorted(set(values))}")
    return values[0]


def side(size):
    height, width = size if isinstance(size, (tuple, list)) else (size, size)
    return height if height == width else [height, width]


def norm_of(module):
    kinds = {"LayerNorm": "layer", "LayerNorm2d": "layer", "RmsNorm": "rms"}
    kind = type(module).__name__
    expect(kind in kinds, f"normalization {kind}")
    return {"norm": kinds[kind], "norm_eps": module.eps}


def activation_of(module):
    kinds = {"GELU": "gelu", "GELUTanh": "gelu_tanh", "QuickGELU": "quick_gelu", "SiLU": "silu", "ReLU": "relu"}
    kind = type(module).__name__
    if kind == "GELU" and getattr(module, "approximate", "none") == "tanh":
        return "gelu_tanh"
    expect(kind in kinds, f"activation {kind}")
    return kinds[kind]


def mlp_of(mlp):
    kind = type(mlp).__name__
    config = {"mlp_dim": mlp.fc2.in_features, "activation": activation_of(mlp.act), "mlp_bias": mlp.fc2.bias is not None}
    config["mlp_norm"] = not absent(getattr(mlp, "norm", None))
    if kind == "Mlp":
        return config
    expect(kind in ("GluMlp", "SwiGLU"), f"mlp {kind}")
    expect(kind == "SwiGLU" or not mlp.gate_last, "a gate in the second half of fc1")
    first = mlp.fc1 if kind == "GluMlp" else mlp.fc1_g
    return config | {"gated_mlp": True, "gate_packed": kind == "GluMlp", "gate_bias": first.bias is not None}


def attention_of(attention):
    kind = type(attention).__name__
    known = ("Attention", "EvaAttention", "AttentionRope", "DiffAttention", "RelPosAttention", "TalkingHeadAttn")
    expect(kind in known, f"attention {kind}")
    config = {"num_heads": attention.num_heads, "proj_bias": attention.proj.bias is not None}
    expect(attention.proj.in_features == attention.proj.out_features, "heads of another width")
    qkv = getattr(attention, "qkv", None)
    if qkv is None:
        biases = [projection.bias is not None for projection in (attention.q_proj, attention.k_proj, attention.v_proj)]
        config["qkv_fused"] = False
        config["qkv_bias"] = {(True, False, True): "qv", (True, True, True): True, (False, False, False): False}[tuple(biases)]
    else:
        config["qkv_bias"] = "qv" if getattr(attention, "q_bias", None) is not None else qkv.bias is not None
    if kind == "DiffAttention":
        expect(not attention.dual_lambda, "two scalar lambdas")
        config["attention"] = "differential"
    if kind == "TalkingHeadAttn":
        config["attention"] = "talking_heads"
    config["qk_norm"] = not absent(getattr(attention, "q_norm", None))
    config["attention_norm"] = not absent(getattr(attention, "norm", None))
    expect(getattr(attention, "gate", None) is None, "gated attention")
    return config


def block_of(block):
    """Everything of a block; normalization apart, which the caller compares."""
    kind = type(block).__name__
    if kind in ("ParallelScalingBlock", "DiffParallelScalingBlock"):
        scale = None if absent(block.ls) else block.ls
        config = norm_of(block.in_norm) | {
            "block": "parallel", "parallel_fused": block.out_proj is not None, "num_heads": block.num_heads,
            "mlp_dim": block.in_split[0], "activation": activation_of(block.mlp_act), "qkv_bias": block.in_proj.bias is not None,
            "qk_norm": not absent(block.q_norm), "layer_scale": scale and scale.init_values,
        }  # fmt: skip
        if kind.startswith("Diff"):
            expect(not block.dual_lambda, "two scalar lambdas")
            config["attention"] = "differential"
        return config
    if kind == "ParallelThingsBlock":
        first = block.attns[0]
        return norm_of(first.norm) | attention_of(first.attn) | mlp_of(block.ffns[0].mlp) | {
            "parallel_branches": len(block.attns), "layer_scale": None if absent(first.ls) else first.ls.init_values
        }  # fmt: skip
    kinds = {"Block": "pre_norm", "CaitBlock": "pre_norm", "RelPosBlock": "pre_norm", "EvaBlock": "pre_norm", "ResPostBlock": "post_norm",
             "ResPostRelPosBlock": "post_norm", "EvaBlockPostNorm": "post_norm"}  # fmt: skip
    expect(kind in kinds, f"block {kind}")
    config = norm_of(block.norm1) | attention_of(block.attn) | mlp_of(block.mlp) | {"block": kinds[kind]}
    if kinds[kind] == "post_norm":
        return config  # init_values start its norms there
    if hasattr(block, "ls1"):
        config["layer_scale"] = None if absent(block.ls1) else block.ls1.init_values
        expect(absent(block.ls1) == absent(block.ls2), "LayerScale on one branch alone")
    elif getattr(block, "gamma_1", None) is not None:
        config["layer_scale"] = block.init_values
        expect(block.gamma_2 is not None, "LayerScale on one branch alone")
    return config


def stem_of(embed):
    """Of a hybrid's backbone."""
    kind = type(embed.backbone).__name__
    names = [name for name, _ in embed.backbone.named_parameters()]
    if kind == "ConvStem":  # its last convolution cuts the patches
        *stem, patches = embed.backbone
        widths, sizes = [stage.conv.out_channels for stage in stem], [stage.conv.kernel_size for stage in embed.backbone]
        expect(len(set(widths)) == 1, "a stem of several widths")
        expect(sizes == [stage.conv.stride for stage in embed.backbone], "convolutions that overlap")
        return {
            "stem": "convolutions", "stem_layers": [size[0] for size in sizes[:-1]], "stem_width": widths[0] / 64,
            "stem_norm_eps": stem[0].bn.eps, "patch_size": side(sizes[-1]), "patch_bias": patches.conv.bias is not None,
        }  # fmt: skip
    if any("conv1.0." in name for name in names):
        layers, stem = [], "resnetd"
        stages = {name.split(".")[0] for name in names if name.startswith("layer")}
        for stage in sorted(stages):
            layers.append(len({name.split(".")[1] for name in names if name.startswith(stage + ".")}))
    else:
        stem, layers = "resnetv2", []
        stages = {name.split(".")[1] for name in names if name.startswith("stages.")}
        for stage in sorted(stages):
            layers.append(len({name.split(".")[3] for name in names if name.startswith(f"stages.{stage}.blocks.")}))
    epsilons = {type(module).__name__: module.eps for module in embed.backbone.modules() if hasattr(module, "eps")}
    norm = epsilons.get("GroupNormAct", epsilons.get("BatchNorm2d"))
    config = {"stem": stem, "stem_layers": layers, "stem_norm_eps": norm}
    if stem == "resnetv2":
        config["stem_standardize_eps"] = epsilons["StdConv2dSame"]
    return config | {"patch_size": side(embed.proj.kernel_size), "patch_bias": embed.proj.bias is not None}


def rope_of(model):
    rope = getattr(model, "rope", None)
    if rope is None:
        return {}
    kinds = {RotaryEmbeddingCat: "cat", RotaryEmbeddingDinoV3: "dinov3", RotaryEmbeddingMixed: "mixed"}
    expect(type(rope) in kinds, f"rotary positions {type(rope).__name__}")
    config = {"rope": kinds[type(rope)], "rope_theta": float(rope.temperature), "rope_indexing": rope.grid_indexing}
    config["rope_rotate_half"] = bool(getattr(model.blocks[0].attn, "rotate_half", False))
    config["rope_offset"] = float(getattr(rope, "grid_offset", 0.0))
    reference = getattr(rope, "ref_feat_shape", None)
    config["rope_reference_grid"] = side(reference) if reference is not None else None
    if config["rope"] == "dinov3":
        expect(rope.normalize_coords == "separate" and rope.min_period is None, "another grid of DINOv3's coordinates")
    return config


def pooling_of(model):
    pool = model.global_pool
    if type(model).__name__ == "VisionTransformerSAM":
        pool = model.head.global_pool.pool_type or ""
    kinds = {"token": "token", "avg": "avg", "map": "map", "": "none"}
    expect(pool in kinds, f"pooling {pool!r}")
    config = {"pool": kinds[pool]}
    if pool == "map":
        head = model.attn_pool
        expect(type(head).__name__ == "AttentionPoolLatent" and head.latent_len == 1 and head.pool == "token", "another attention pooling")
        config["pool_heads"] = head.num_heads
        config["pool_mlp_dim"] = head.mlp.fc2.in_features
        config["pool_include_prefix"] = model.num_prefix_tokens > 0 and getattr(model, "pool_include_prefix", True)
    else:
        expect(not getattr(model, "pool_include_prefix", False), "a mean of prefix and patches")
    return config


def tokens_of(model):
    """Patches, prefix and absolute positions of all classes but NaFlexVit."""
    embed = model.patch_embed
    if type(embed).__name__ == "HybridEmbed":
        config = stem_of(embed)
    else:
        config = {"patch_size": side(embed.proj.kernel_size), "patch_bias": embed.proj.bias is not None}
        config["patch_norm"] = not absent(embed.norm)
    register = getattr(model, "reg_token", None)
    config["class_token"] = getattr(model, "cls_token", None) is not None
    config["distillation_token"] = getattr(model, "dist_token", None) is not None
    config["reg_tokens"] = 0 if register is None else register.shape[1]
    position = getattr(model, "pos_embed", None)
    config["position"] = "none" if position is None else "learned"
    prefix = config["class_token"] + config["distillation_token"] + config["reg_tokens"]
    if position is not None and prefix and getattr(model, "no_embed_class", False):
        config["position_on"] = "patches"
    return config


def naflex_tokens_of(model):
    embed = model.embeds
    expect(embed.is_linear and embed.norm_input is None and embed.channels_last, "another NaFlex patch embedding")
    config = {"family": "timm-naflex", "patch_size": side(embed.patch_size), "patch_bias": embed.proj.bias is not None,
              "patch_norm": not absent(embed.norm), "class_token": embed.cls_token is not None, "reg_tokens": embed.num_reg_tokens,
              "position": embed.pos_embed_type, "position_on": "patches", "position_square": embed.pos_embed_ar_preserving}  # fmt: skip
    if embed.pos_embed_type != "none":
        config["position_grid"] = side(embed.pos_embed_grid_size)
    if not config["class_token"] and not config["reg_tokens"]:
        del config["position_on"]
    mode = embed.pos_embed_interp_mode
    mode += "_aligned" if embed.pos_embed_align_corners else "_antialias" if embed.pos_embed_antialias else ""
    if mode != "bicubic_antialias":
        config["position_resize"] = mode
    return config


def class_of(model):
    """What a class adds of its own."""
    kind = type(model).__name__
    if kind == "Eva":
        return {"family": "timm-eva"}
    if kind == "Beit":
        table = {"relative_position": "table"} if model.blocks[0].attn.relative_position_bias_table is not None else {}
        shared = {"relative_position": "shared_table"} if model.rel_pos_bias is not None else {}
        return {"family": "timm-beit"} | table | shared
    if kind == "VisionTransformerRelPos":
        shared = getattr(model, "shared_rel_pos", None)
        network = shared if shared is not None else model.blocks[0].attn.rel_pos
        expect(type(network).__name__ == "RelPosMlp", f"relative positions {type(network).__name__}")
        return {"relative_position": "mlp" if shared is None else "shared_mlp", "relative_position_hidden": network.mlp.fc1.out_features}
    if kind == "VisionTransformerSAM":
        windows = [block.window_size for block in model.blocks]
        config = {"family": "timm-sam", "window_size": max(windows) or None}
        config["global_blocks"] = [i for i, size in enumerate(windows) if size == 0] if max(windows) else []
        if model.blocks[0].attn.use_rel_pos:
            config["relative_position"] = "decomposed"
        if isinstance(model.neck, torch.nn.Sequential):
            config["neck_channels"] = model.neck[0].out_channels
        return config
    if kind == "Cait":
        expect(block_of(model.blocks[0])["mlp_dim"] == model.blocks_token_only[0].mlp.fc2.in_features, "another mlp of class blocks")
        return {"family": "timm-cait", "class_blocks": len(model.blocks_token_only), "position_on": "patches"}
    if kind == "VisionTransformerDistilled":
        return {"head_distillation": model.num_classes > 0}
    expect(kind in ("VisionTransformer", "NaFlexVit"), f"class {kind}")
    return {}


def config_of(model):
    """A model's config, training and preprocessing apart, as read off its modules."""
    is_naflex = type(model).__name__ == "NaFlexVit"
    config = dict(DEFAULTS) | (naflex_tokens_of(model) if is_naflex else tokens_of(model)) | class_of(model)
    blocks = [block_of(block) for block in model.blocks]
    for key in blocks[0]:
        config[key] = one([block[key] for block in blocks], key)
    config |= rope_of(model) | pooling_of(model)
    config |= {"embed_dim": model.embed_dim, "depth": len(model.blocks), "num_classes": model.num_classes}
    config["norm_pre"] = not absent(getattr(model, "norm_pre", None))
    if config["family"] == "timm-sam":
        config["final_norm"] = type(model.neck).__name__ == "LayerNorm2d"
        last = norm_of(model.neck if config["final_norm"] else model.neck[3])
        expect(last["norm"] == config["norm"], "normalizations of several kinds")
        config["final_norm_eps"] = last["norm_eps"] if last["norm_eps"] != config["norm_eps"] else None
    else:
        config["final_norm"] = not absent(model.norm)
        config["fc_norm"] = not absent(getattr(model, "fc_norm", None))
        kind = {key: config[key] for key in ("norm", "norm_eps")}
        for module in (model.norm, getattr(model, "fc_norm", None), getattr(model, "norm_pre", None)):
            expect(absent(module) or norm_of(module) == kind, "normalizations of several kinds")
    if config["pool"] == "map":
        width = config.pop("pool_mlp_dim")
        config["pool_heads"] = config["pool_heads"] if config["pool_heads"] != config["num_heads"] else None
        config["pool_mlp_ratio"] = width / config["embed_dim"] if width != config["mlp_dim"] else None
    config["mlp_dim"] = config["mlp_dim"] if config["mlp_dim"] != 4 * config["embed_dim"] else None
    return config


def preprocessing_of(cfg):
    """And the two things in which a tag changes the constructor: image size and class count."""
    return {
        "image_size": side(cfg.input_size[1:]), "num_classes": cfg.num_classes, "crop_pct": float(cfg.crop_pct),
        "crop_mode": cfg.crop_mode, "interpolation": cfg.interpolation, "mean": list(cfg.mean), "std": list(cfg.std),
    }  # fmt: skip


def tags_of(name):
    """Tags with their pretrained_cfg, the default one first; a model without any has the tag ''."""
    default = registry._model_default_cfgs.get(name)
    if default is None:
        return {"": timm.models.PretrainedCfg()}
    return {tag: default.cfgs[tag] for tag in default.tags}


class CaitBlock(cait.LayerScaleBlock):
    """Keeps what LayerScale begins with, which CaiT's blocks forget."""

    def __init__(self, *args, init_values, **kwargs):
        super().__init__(*args, init_values=init_values, **kwargs)
        self.init_values = init_values


def build(name):
    with torch.device("meta"):
        return timm.create_model(name, **({"block_layers": CaitBlock} if name.startswith("cait_") else {}))


def skip_initialization():
    """Nothing is drawn: tensors on the meta device hold no values."""
    keep = lambda tensor, *args, **kwargs: tensor  # noqa: E731
    for name in dir(torch.nn.init):
        if name.endswith("_") and not name.startswith("_"):
            setattr(torch.nn.init, name, keep)
    torch.Tensor.normal_ = torch.Tensor.uniform_ = torch.Tensor.erfinv_ = torch.Tensor.clamp_ = keep


def signature(model):
    """Elements and number of the floating-point tensors of a checkpoint, and the FNV-1a-64 of their names and shapes, sorted by name."""
    tensors = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
    digest = 0xCBF29CE484222325
    for name, shape in sorted(tensors.items()):
        for byte in f"{name} {'x'.join(map(str, shape))}\n".encode():
            digest = ((digest ^ byte) * 0x100000001B3) % 2**64
    return sum(math.prod(shape) for shape in tensors.values()), len(tensors), f"{digest:016x}"


def file_of(name, module):
    if module in ("vision_transformer", "eva"):
        for part, file in NAMED_FILES:
            if part in name:
                return file
    return MODULE_FILES[module]


def entry_of(name, config):
    """One model's object: what differs from the defaults, and its tags by what differs from the first one."""
    tags = {tag: preprocessing_of(cfg) for tag, cfg in tags_of(name).items()}
    first = next(iter(tags.values()))
    expect(config["num_classes"] == first["num_classes"], f"{config['num_classes']} classes, {first['num_classes']} in its tag")
    config = config | first
    entry = {key: config[key] for key in DEFAULTS if config[key] != DEFAULTS[key]}
    if config["mlp_dim"] is None and "mlp_dim" in entry:
        del entry["mlp_dim"]
    changes = {tag: {key: values[key] for key in values if values[key] != first[key]} for tag, values in tags.items()}
    if any(changes):
        entry["tags"] = changes
    return entry


def factor_out(entries):
    """What all models of a file share, as its base."""
    shared = {}
    for key in DEFAULTS:
        values = [entry.get(key, DEFAULTS[key]) for entry in entries.values()]
        if all(value == values[0] for value in values) and values[0] != DEFAULTS[key]:
            shared[key] = values[0]
    rest = {name: {key: value for key, value in entry.items() if key == "tags" or key not in shared} for name, entry in entries.items()}
    return shared, rest


def write_json(path, title, entries):
    """A model on one line, its tags a line each."""
    base, models = factor_out(entries)
    lines = []
    for name, entry in models.items():
        tags = entry.pop("tags", {})
        text = json.dumps(entry)
        if tags:
            rows = ",\n".join(f"      {json.dumps(tag)}: {json.dumps(change)}" for tag, change in tags.items())
            text = text[:-1] + (", " if entry else "") + '"tags": {\n' + rows + "}}"
        lines.append(f"    {json.dumps(name)}: {text}")
    header = {"about": f"{title}; written by scripts/make_timm_presets.py from timm {VERSION}", "base": base}
    text = "{\n" + "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in header.items())
    path.write_text(text + '  "models": {\n' + ",\n".join(lines) + "}\n}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "compiler/model/presets", help="folder of the preset files")
    parser.add_argument("--table", type=pathlib.Path, default=ROOT / "test/data/timm-presets.tsv", help="file of counts and digests")
    arguments = parser.parse_args()
    if timm.__version__ != VERSION:
        sys.exit(f"timm {timm.__version__} is installed, expected {VERSION}: other versions have other models and defaults")
    skip_initialization()
    files, rows, missing = {}, [], []
    for module in MODULE_FILES:
        for name in timm.list_models(module=module):
            try:
                model = build(name)
                files.setdefault(file_of(name, module), {})[name] = entry_of(name, config_of(model))
            except Unsupported as what:
                missing.append(f"{name}: {what}")
                continue
            tag = next(iter(tags_of(name)))
            rows.append("\t".join(map(str, [f"{name}.{tag}" if tag else name, *signature(model)])))
    arguments.output.mkdir(parents=True, exist_ok=True)
    for file, entries in sorted(files.items()):
        write_json(arguments.output / f"{file}.json", TITLES[file], dict(sorted(entries.items())))
    arguments.table.write_text("model\telements\ttensors\tdigest\n" + "".join(row + "\n" for row in sorted(rows)))
    print(f"{len(rows)} models in {len(files)} files")
    print("\n".join(["left out:"] + missing) if missing else "none left out")


if __name__ == "__main__":
    main()
