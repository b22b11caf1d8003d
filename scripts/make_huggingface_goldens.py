#!/usr/bin/env python3
"""Makes test/data/huggingface: switches of transformers' models, each the config.json of a small one and what that model returns.

    pip install transformers==5.23.0 torch safetensors
    python3 scripts/make_huggingface_goldens.py [NAME ...] [--out test/data/huggingface] [--weights]

expected.npy is the output in double precision, logits where the class has them, for test/data/goldens/input-3x3x32x32.npy. Weights are
those of --random-weights=0 by the names in the file that save_pretrained writes (docs/random-weights.md), so the folders do without;
--weights keeps model.safetensors too.

expected-HxW.npy is the output for a picture of another size, of which there is one, of the random images of docs/random-weights.md: with
interpolate_pos_encoding where the class asks for it.
"""
import argparse
import inspect
import os
import shutil
import tempfile
import types

import random_weights

IMAGE, LABELS = 32, 10
WIDTHS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": IMAGE, "patch_size": 8}
MLP = {**WIDTHS, "intermediate_size": 64}
TEXT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 32,
        "max_position_embeddings": 8, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
BEIT = {**MLP, "use_relative_position_bias": False, "use_shared_relative_position_bias": False, "use_absolute_position_embeddings": False,
        "num_labels": LABELS}

# Class of the model, class of its config, arguments.
GOLDENS = {
    "vit-no-qkv-bias": ("ViTForImageClassification", "ViTConfig", {**MLP, "qkv_bias": False, "hidden_act": "relu", "num_labels": LABELS}),
    "vit-pooler": ("ViTModel", "ViTConfig", {**MLP, "pooler_output_size": 24, "pooler_act": "sigmoid"}),
    "vit-gelu-new": ("ViTForImageClassification", "ViTConfig", {**MLP, "hidden_act": "gelu_new", "num_labels": LABELS}),
    "deit-model": ("DeiTModel", "DeiTConfig", MLP),
    "deit-distilled": ("DeiTForImageClassificationWithTeacher", "DeiTConfig", {**MLP, "num_labels": LABELS}),
    "beit-tables": ("BeitForImageClassification", "BeitConfig", {**BEIT, "use_relative_position_bias": True}),
    "beit-shared-table": ("BeitForImageClassification", "BeitConfig", {**BEIT, "use_shared_relative_position_bias": True}),
    "beit-absolute": ("BeitForImageClassification", "BeitConfig", {
        **BEIT, "use_absolute_position_embeddings": True, "layer_scale_init_value": 0.0}),
    "beit-class-token": ("BeitForImageClassification", "BeitConfig", {
        **BEIT, "use_relative_position_bias": True, "use_mean_pooling": False}),
    "beit-model": ("BeitModel", "BeitConfig", {**BEIT, "use_relative_position_bias": True}),
    "dinov2-model": ("Dinov2Model", "Dinov2Config", WIDTHS),
    "dinov2-swiglu": ("Dinov2ForImageClassification", "Dinov2Config", {**WIDTHS, "use_swiglu_ffn": True, "num_labels": LABELS}),
    "dinov2-registers": ("Dinov2WithRegistersForImageClassification", "Dinov2WithRegistersConfig", {**WIDTHS, "num_labels": LABELS}),
    "dinov3": ("DINOv3ViTModel", "DINOv3ViTConfig", {**MLP, "num_register_tokens": 4}),
    "dinov3-gated": ("DINOv3ViTModel", "DINOv3ViTConfig", {**MLP, "num_register_tokens": 4, "use_gated_mlp": True, "hidden_act": "silu"}),
    "dinov3-no-bias": ("DINOv3ViTModel", "DINOv3ViTConfig", {
        **MLP, "num_register_tokens": 2, "query_bias": False, "value_bias": False, "proj_bias": False, "mlp_bias": False}),
    "dinov3-all-biases": ("DINOv3ViTModel", "DINOv3ViTConfig", {**MLP, "num_register_tokens": 0, "key_bias": True}),
    "clip-vision": ("CLIPVisionModelWithProjection", "CLIPVisionConfig", {**MLP, "projection_dim": 24}),
    "clip-vision-gelu": ("CLIPVisionModelWithProjection", "CLIPVisionConfig", {**MLP, "projection_dim": 24, "hidden_act": "gelu"}),
    "clip-vision-model": ("CLIPVisionModel", "CLIPVisionConfig", MLP),
    "clip-both-towers": ("CLIPModel", "CLIPConfig", {"vision_config": MLP, "text_config": TEXT, "projection_dim": 24}),
    "clip-classifier": ("CLIPForImageClassification", "CLIPConfig", {"vision_config": MLP, "text_config": TEXT, "num_labels": LABELS}),
    "siglip-vision": ("SiglipVisionModel", "SiglipVisionConfig", MLP),
    "siglip-vision-gelu": ("SiglipVisionModel", "SiglipVisionConfig", {**MLP, "hidden_act": "gelu"}),
    "siglip-both-towers": ("SiglipModel", "SiglipConfig", {"vision_config": MLP, "text_config": TEXT}),
    "siglip-classifier": ("SiglipForImageClassification", "SiglipConfig", {
        "vision_config": MLP, "text_config": TEXT, "num_labels": LABELS}),
}

# Models that are run on pictures of other sizes too: height and width.
SIZES = {"vit-gelu-new": (48, 40), "deit-distilled": (24, 56), "beit-tables": (48, 40), "beit-shared-table": (24, 24),
         "beit-absolute": (48, 40), "dinov2-model": (56, 40), "dinov2-registers": (16, 24), "dinov3": (24, 40), "clip-vision": (48, 40),
         "siglip-vision": (16, 56)}

# In the order in which a class's answer is looked for.
OUTPUTS = ("logits", "image_embeds", "pooler_output", "last_hidden_state")


def refill(path):
    """Gives every tensor of a safetensors file the value that its name has for seed 0."""
    import numpy as np
    from safetensors.numpy import load_file, save_file

    tensors = load_file(path)
    for name, t in tensors.items():
        if np.issubdtype(t.dtype, np.floating):
            tensors[name] = np.asarray(random_weights.tensor(name, t.shape), order="C").reshape(t.shape)
    save_file(tensors, path, metadata={"format": "pt"})


def answer(model, images, resized={}):
    if hasattr(model, "get_image_features"):
        output = model.get_image_features(pixel_values=images, **resized)
        output = types.SimpleNamespace(pooler_output=getattr(output, "pooler_output", output))
    else:
        output = model(pixel_values=images, **resized)
    return next(value for value in (getattr(output, name, None) for name in OUTPUTS) if value is not None)


def golden(name, out, keep_weights):
    import numpy as np
    import torch
    import transformers

    kind, config, arguments = GOLDENS[name]
    images = torch.from_numpy(random_weights.images((3, 3, IMAGE, IMAGE)))
    with tempfile.TemporaryDirectory() as folder:
        getattr(transformers, kind)(getattr(transformers, config)(**arguments)).save_pretrained(folder)
        refill(folder + "/model.safetensors")
        values = []
        for dtype in (torch.float32, torch.float64):
            model, loading = getattr(transformers, kind).from_pretrained(
                folder, dtype=dtype, attn_implementation="sdpa", output_loading_info=True)
            assert not loading["missing_keys"] and not loading["unexpected_keys"], loading
            with torch.no_grad():
                values.append(answer(model.eval(), images.to(dtype)).double().numpy())
        os.makedirs(f"{out}/{name}", exist_ok=True)
        for file in ["config.json"] + ["model.safetensors"] * keep_weights:
            shutil.copy(f"{folder}/{file}", f"{out}/{name}/{file}")
        np.save(f"{out}/{name}/expected.npy", values[1].astype(np.float32))
        if name in SIZES:
            height, width = SIZES[name]
            images = torch.from_numpy(random_weights.images((1, 3, height, width))).double()
            asks = "interpolate_pos_encoding" in inspect.signature(model.forward).parameters
            with torch.no_grad():
                resized = answer(model, images, {"interpolate_pos_encoding": True} if asks else {})
            np.save(f"{out}/{name}/expected-{height}x{width}.npy", resized.numpy().astype(np.float32))
    print(f"{name}: {values[1].shape}, std {values[1].std():.3f}, f32 error {abs(values[0] - values[1]).max():.2g}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../test/data/huggingface"))
    parser.add_argument("--weights", action="store_true", help="keep model.safetensors")
    options = parser.parse_args()
    for name in options.names or GOLDENS:
        golden(name, options.out, options.weights)


if __name__ == "__main__":
    main()
