#!/usr/bin/env python3
"""Writes the weights of one of test/data/huggingface's models as another framework calls and stores them; Python's standard library only.

    rename.py MODEL FRAMEWORK OUT.safetensors [--dtype=f32|f16|bf16] [--round=f16|bf16]

A tensor's value is that of --random-weights=0 for its name in the Hugging Face file (docs/random-weights.md), whatever it is renamed to.
--dtype is how it is stored, --round rounds it first.
"""
import argparse
import array
import json
import math
import os
import re
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../full"))
import arrays  # noqa: E402

WIDTH, HIDDEN, DEPTH, CLASSES, PATCHES, PROJECTED = 32, 64, 2, 10, 16, 24  # of every folder there


# ---- what the files of transformers hold: names and shapes --------------------------------------------------------------------------


def linear(name, outputs, inputs, bias=True):
    return {name + ".weight": (outputs, inputs), **({name + ".bias": (outputs,)} if bias else {})}


def norm(name):
    return {name + ".weight": (WIDTH,), name + ".bias": (WIDTH,)}


def vit(prefix="vit."):
    tensors = {f"{prefix}embeddings.cls_token": (1, 1, WIDTH), f"{prefix}embeddings.position_embeddings": (1, PATCHES + 1, WIDTH),
               f"{prefix}embeddings.patch_embeddings.projection.weight": (WIDTH, 3, 8, 8),
               f"{prefix}embeddings.patch_embeddings.projection.bias": (WIDTH,)}
    for layer in (f"{prefix}encoder.layer.{i}." for i in range(DEPTH)):
        tensors |= norm(layer + "layernorm_before") | norm(layer + "layernorm_after")
        for part in "query", "key", "value":
            tensors |= linear(layer + "attention.attention." + part, WIDTH, WIDTH)
        tensors |= linear(layer + "attention.output.dense", WIDTH, WIDTH)
        tensors |= linear(layer + "intermediate.dense", HIDDEN, WIDTH) | linear(layer + "output.dense", WIDTH, HIDDEN)
    return tensors | norm(prefix + "layernorm") | linear("classifier", CLASSES, WIDTH)


def beit(shared):
    tensors = vit("beit.")
    del tensors["beit.embeddings.position_embeddings"], tensors["beit.layernorm.weight"], tensors["beit.layernorm.bias"]
    table = (7 * 7 + 3, 2)
    for layer in (f"beit.encoder.layer.{i}." for i in range(DEPTH)):
        del tensors[layer + "attention.attention.key.bias"]
        tensors |= {layer + "lambda_1": (WIDTH,), layer + "lambda_2": (WIDTH,)}
        if not shared:
            tensors[layer + "attention.attention.relative_position_bias.relative_position_bias_table"] = table
    if shared:
        tensors["beit.encoder.relative_position_bias.relative_position_bias_table"] = table
    return tensors | norm("beit.pooler.layernorm")


def dinov2(prefix, classes, gated):
    hidden = (4 * WIDTH * 2 // 3 + 7) // 8 * 8 if gated else 4 * WIDTH
    tensors = {f"{prefix}embeddings.cls_token": (1, 1, WIDTH), f"{prefix}embeddings.position_embeddings": (1, PATCHES + 1, WIDTH),
               f"{prefix}embeddings.mask_token": (1, WIDTH),
               f"{prefix}embeddings.patch_embeddings.projection.weight": (WIDTH, 3, 8, 8),
               f"{prefix}embeddings.patch_embeddings.projection.bias": (WIDTH,)}
    for layer in (f"{prefix}encoder.layer.{i}." for i in range(DEPTH)):
        tensors |= norm(layer + "norm1") | norm(layer + "norm2")
        for part in "query", "key", "value":
            tensors |= linear(layer + "attention.attention." + part, WIDTH, WIDTH)
        tensors |= linear(layer + "attention.output.dense", WIDTH, WIDTH)
        if gated:
            tensors |= linear(layer + "mlp.weights_in", 2 * hidden, WIDTH) | linear(layer + "mlp.weights_out", WIDTH, hidden)
        else:
            tensors |= linear(layer + "mlp.fc1", hidden, WIDTH) | linear(layer + "mlp.fc2", WIDTH, hidden)
        tensors |= {layer + "layer_scale1.lambda1": (WIDTH,), layer + "layer_scale2.lambda1": (WIDTH,)}
    return tensors | norm(prefix + "layernorm") | (linear("classifier", CLASSES, 2 * WIDTH) if classes else {})


def dinov3(gated):
    tensors = {"embeddings.cls_token": (1, 1, WIDTH), "embeddings.register_tokens": (1, 4, WIDTH), "embeddings.mask_token": (1, 1, WIDTH),
               "embeddings.patch_embeddings.weight": (WIDTH, 3, 8, 8), "embeddings.patch_embeddings.bias": (WIDTH,)}
    for layer in (f"layer.{i}." for i in range(DEPTH)):
        tensors |= norm(layer + "norm1") | norm(layer + "norm2")
        for part, bias in ("q", True), ("k", False), ("v", True), ("o", True):
            tensors |= linear(f"{layer}attention.{part}_proj", WIDTH, WIDTH, bias)
        for part in ("gate", "up") if gated else ("up",):
            tensors |= linear(f"{layer}mlp.{part}_proj", HIDDEN, WIDTH)
        tensors |= linear(layer + "mlp.down_proj", WIDTH, HIDDEN)
        tensors |= {layer + "layer_scale1.lambda1": (WIDTH,), layer + "layer_scale2.lambda1": (WIDTH,)}
    return tensors | norm("norm")


def tower(prefix, tokens):
    tensors = {f"{prefix}embeddings.patch_embedding.weight": (WIDTH, 3, 8, 8),
               f"{prefix}embeddings.position_embedding.weight": (tokens, WIDTH)}
    for layer in (f"{prefix}encoder.layers.{i}." for i in range(DEPTH)):
        tensors |= norm(layer + "layer_norm1") | norm(layer + "layer_norm2")
        for part in "q_proj", "k_proj", "v_proj", "out_proj":
            tensors |= linear(layer + "self_attn." + part, WIDTH, WIDTH)
        tensors |= linear(layer + "mlp.fc1", HIDDEN, WIDTH) | linear(layer + "mlp.fc2", WIDTH, HIDDEN)
    return tensors | norm(prefix + "post_layernorm")


def clip():
    prefix = "vision_model."
    tensors = tower(prefix, PATCHES + 1) | norm(prefix + "pre_layrnorm")
    return tensors | {prefix + "embeddings.class_embedding": (WIDTH,)} | linear("visual_projection", PROJECTED, WIDTH, False)


def siglip():
    head = {"head.probe": (1, 1, WIDTH), "head.attention.in_proj_weight": (3 * WIDTH, WIDTH), "head.attention.in_proj_bias": (3 * WIDTH,)}
    head |= linear("head.attention.out_proj", WIDTH, WIDTH) | norm("head.layernorm")
    head |= linear("head.mlp.fc1", HIDDEN, WIDTH) | linear("head.mlp.fc2", WIDTH, HIDDEN)
    return tower("", PATCHES) | {"embeddings.patch_embedding.bias": (WIDTH,)} | head


MODELS = {"vit-gelu-new": vit, "beit-tables": lambda: beit(False), "beit-shared-table": lambda: beit(True),
          "dinov2-model": lambda: dinov2("", False, False), "dinov2-swiglu": lambda: dinov2("dinov2.", True, True),
          "dinov3": lambda: dinov3(False), "dinov3-gated": lambda: dinov3(True), "clip-vision": clip, "siglip-vision": siglip}

# ---- renaming: patterns, one after the other ------------------------------------------------------------------------------------------
# In a new name `@N` says: these rows behind those of @N-1; `A|B`: the first half of the rows is A's, the other B's; a final `^` transposes,
# a final `+` adds a first axis of 1.

MODULES = [(r"encoder\.layer\.", "layers."), (r"attention\.(query|key|value)", lambda m: m[1][0] + "_proj"),
           (r"attention\.output\.dense", "attention.o_proj"), (r"intermediate\.dense", "mlp.fc1"), (r"output\.dense", "mlp.fc2")]
TIMM = [(r"embeddings\.(cls_token|mask_token)", r"\1"), (r"embeddings\.position_embeddings", "pos_embed"),
        (r"embeddings\.patch_embeddings\.projection", "patch_embed.proj"), (r"encoder\.layer\.", "blocks."),
        (r"attention\.attention\.query", "attn.qkv@0"), (r"attention\.attention\.key", "attn.qkv@1"),
        (r"attention\.attention\.value", "attn.qkv@2"), (r"attention\.output\.dense", "attn.proj"), (r"layernorm_before", "norm1"),
        (r"layernorm_after", "norm2"), (r"intermediate\.dense", "mlp.fc1"), (r"output\.dense", "mlp.fc2"), (r"layernorm", "norm"),
        (r"layer_scale(\d)\.lambda1", r"ls\1.gamma"), (r"weights_in", "w12"), (r"weights_out", "w3"), (r"classifier", "head")]
OPEN_CLIP = [(r"vision_model\.", "visual."), (r"embeddings\.class_embedding", "class_embedding"),
             (r"embeddings\.position_embedding\.weight", "positional_embedding"), (r"embeddings\.patch_embedding", "conv1"),
             (r"pre_layrnorm", "ln_pre"), (r"post_layernorm", "ln_post"), (r"encoder\.layers\.", "transformer.resblocks."),
             (r"layer_norm", "ln_"), (r"self_attn\.out_proj", "attn.out_proj"),
             (r"self_attn\.([qkv])_proj\.", lambda m: f"attn.in_proj@{'qkv'.index(m[1])}_"), (r"mlp\.fc1", "mlp.c_fc"),
             (r"mlp\.fc2", "mlp.c_proj"), (r"visual_projection\.weight", "visual.proj^")]
TRUNK = [(r"embeddings\.position_embedding\.weight", "pos_embed+"), (r"embeddings\.patch_embedding", "patch_embed.proj"),
         (r"encoder\.layers\.", "blocks."), (r"layer_norm", "norm"), (r"self_attn\.out_proj", "attn.proj"),
         (r"self_attn\.([qkv])_proj", lambda m: f"attn.qkv@{'qkv'.index(m[1])}"), (r"post_layernorm", "norm"),
         (r"head\.probe", "attn_pool.latent"), (r"head\.attention\.in_proj_(\w+)", r"attn_pool.q.\1|attn_pool.kv.\1"),
         (r"head\.attention\.out_proj", "attn_pool.proj"), (r"head\.layernorm", "attn_pool.norm"), (r"head\.mlp", "attn_pool.mlp")]
DINOV3 = [(r"embeddings\.(cls_token|mask_token)", r"\1"), (r"embeddings\.register_tokens", "storage_tokens"),
          (r"embeddings\.patch_embeddings", "patch_embed.proj"), (r"^layer\.", "blocks."),
          (r"attention\.([qkv])_proj", lambda m: f"attn.qkv@{'qkv'.index(m[1])}"), (r"attention\.o_proj", "attn.proj"),
          (r"layer_scale(\d)\.lambda1", r"ls\1.gamma"), (r"mlp\.gate_proj", "mlp.w1")]
TORCHVISION = [(r"vit\.", ""), (r"embeddings\.cls_token", "class_token"), (r"embeddings\.position_embeddings", "encoder.pos_embedding"),
               (r"embeddings\.patch_embeddings\.projection", "conv_proj"), (r"encoder\.layer\.", "encoder.layers.encoder_layer_"),
               (r"attention\.attention\.(query|key|value)\.",
                lambda m: f"self_attention.in_proj@{['query', 'key', 'value'].index(m[1])}_"),
               (r"attention\.output\.dense", "self_attention.out_proj"), (r"layernorm_before", "ln_1"), (r"layernorm_after", "ln_2"),
               (r"intermediate\.dense", "mlp.0"), (r"output\.dense", "mlp.3"), (r"^layernorm", "encoder.ln"), (r"classifier", "heads.head")]

FRAMEWORKS = {
    "huggingface": [],
    "modules": MODULES,  # transformers 5's state dict of ViT
    "beit-modules": [(r"encoder\.relative_position_bias", "shared_position_bias"),
                     (r"attention\.attention\.(?=relative)", "")] + MODULES,
    "dinov2-modules": [(r"attention\.(query|key|value)", lambda m: m[1][0] + "_proj"), (r"attention\.output\.dense", "attention.o_proj"),
                       (r"(.*)weights_in(.*)", r"\1gate_proj\2|\1up_proj\2"), (r"weights_out", "down_proj")],
    "dinov3-modules": [(r"^layer\.", "model.layer.")],
    "timm": [(r"^(vit|dinov2)\.", "")] + TIMM,
    "dino-teacher": [(r"^", "module.backbone.")] + TIMM,
    "beit": [(r"^beit\.", ""), (r"attention\.attention\.(query|value)\.bias", lambda m: f"attn.{m[1][0]}_bias"),
             (r"encoder\.relative_position_bias\.", "rel_pos_bias."), (r"attention\.attention\.relative_position_bias\.", "attn."),
             (r"lambda_", "gamma_"), (r"pooler\.layernorm", "fc_norm")] + TIMM,
    "mae": [(r"^vit\.", "")] + TIMM,
    "torchvision": TORCHVISION,
    "open_clip": OPEN_CLIP,
    "open_clip-trunk": [(r"^", "visual.trunk.")] + TRUNK,
    "dinov3": DINOV3 + [(r"mlp\.up_proj", "mlp.fc1"), (r"mlp\.down_proj", "mlp.fc2")],
    "dinov3-gated": DINOV3 + [(r"mlp\.up_proj", "mlp.w2"), (r"mlp\.down_proj", "mlp.w3")],
}

# What such files hold besides; read by nobody.
EXTRA = {
    "mae": {"decoder_embed.weight": (16, WIDTH), "decoder_pos_embed": (1, 17, 16), "decoder_blocks.0.norm1.weight": (16,),
            "decoder_norm.weight": (16,), "decoder_pred.bias": (192,), "mask_token": (1, 1, 16)},
    "dino-teacher": {"module.head.last_layer.weight_g": (4, 1), "module.head.mlp.0.weight": (4, WIDTH)},
    "open_clip": {"text_projection": (16, PROJECTED), "transformer.resblocks.0.ln_1.weight": (16,), "token_embedding.weight": (9, 16),
                  "positional_embedding": (7, 16), "ln_final.bias": (16,), "logit_scale": ()},
    "open_clip-trunk": {"text.transformer.resblocks.0.ln_1.weight": (16,), "text.text_projection.bias": (16,), "logit_scale": (1,),
                        "logit_bias": (1,)},
    "dinov3": {"rope_embed.periods": (4,)} | {f"blocks.{i}.attn.qkv.bias_mask": (3 * WIDTH,) for i in range(DEPTH)},
    "beit": {f"blocks.{i}.attn.relative_position_index": (17, 17) for i in range(DEPTH)},
}
EXTRA["dinov3-gated"] = EXTRA["dinov3"]


def renamed(tensors, rules):
    result, parts = {}, {}
    for name, (shape, values) in tensors.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        if name.endswith("+"):
            name, shape = name[:-1], (1, *shape)
        if name.endswith("^"):
            name, values, shape = name[:-1], [values[j * shape[1] + i] for i in range(shape[1]) for j in range(shape[0])], shape[::-1]
        if found := re.search(r"@(\d)", name):
            parts.setdefault(name.replace(found[0], ""), {})[int(found[1])] = (shape, values)
        elif "|" in name:
            first, second = name.split("|")
            if not second.startswith(first[: first.index(".")]):  # the prefix stands before the first alone
                second = first[: first.index("attn_pool")] + second
            rows = shape[0] // 3 if "attn_pool" in name else shape[0] // 2
            at = rows * math.prod(shape[1:])
            result |= {first: ((rows, *shape[1:]), values[:at]), second: ((shape[0] - rows, *shape[1:]), values[at:])}
        else:
            result[name] = (shape, values)
    for name, rows in parts.items():
        shape = rows[0][0]
        unused = (shape, [9.0] * math.prod(shape))  # DINOv3's bias of the key, which its mask takes away
        ordered = [rows.get(i, unused) for i in range(3)]
        result[name] = ((3 * shape[0], *shape[1:]), [value for _, values in ordered for value in values])
    return result


def half_bits(value):
    return struct.unpack("<H", struct.pack("<e", value))[0]


def bfloat_bits(value):
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    return bits + 0x7FFF + (bits >> 16 & 1) >> 16


def rounded(value, kind):
    if kind == "f16":
        return struct.unpack("<e", struct.pack("<e", value))[0]
    return struct.unpack("<f", struct.pack("<I", bfloat_bits(value) << 16))[0] if kind == "bf16" else value


def write(path, tensors, dtype):
    if dtype == "f32":
        return arrays.write_safetensors(path, tensors)
    convert, header, data = {"f16": half_bits, "bf16": bfloat_bits}[dtype], {}, b""
    for name, (shape, values) in tensors.items():
        part = array.array("H", map(convert, values)).tobytes()
        header[name] = {"dtype": dtype.upper(), "shape": list(shape), "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("framework", choices=FRAMEWORKS)
    parser.add_argument("out")
    parser.add_argument("--dtype", choices=("f32", "f16", "bf16"), default="f32")
    parser.add_argument("--round", choices=("f16", "bf16"))
    options = parser.parse_args()
    tensors = {name: (shape, arrays.random_tensor(name, shape)) for name, shape in MODELS[options.model]().items()}
    tensors = renamed(tensors, FRAMEWORKS[options.framework])
    tensors |= {name: (shape, [0.5] * math.prod(shape)) for name, shape in EXTRA.get(options.framework, {}).items()}
    if options.round:
        tensors = {name: (shape, [rounded(value, options.round) for value in values]) for name, (shape, values) in tensors.items()}
    write(options.out, tensors, options.dtype)


if __name__ == "__main__":
    main()
