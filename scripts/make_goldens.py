#!/usr/bin/env python3
"""Makes test/data/goldens: small models, one for each switch of a config, with the answer that vitc has to give.

    pip install numpy
    python3 scripts/make_goldens.py [--out test/data/goldens]

NAME.json is a config as vitc reads it, NAME.expected.npy the answer to the input of that size, input-NxCxHxW.npy; NAME.outputs.npz holds
everything that vitc --take can return, by its names. Weights are those of
--random-weights=0 (random_weights.py), so they need no file; the folder of Hugging Face's format holds some, and fashion-mnist is the
shipped model (made only where Debian's dataset-fashion-mnist is installed).

The forward pass below is written from the papers and from timm's source in plain numpy, in double precision, and shares nothing with
vitc. Of the models that timm 0.6.13 can express it gives the logits of timm in double precision to 1e-14.
"""
import argparse
import gzip
import json
import math
import os
import struct

import numpy as np

import random_weights

IMAGES = 3
BASE = {"image_size": 32, "patch_size": 8, "in_channels": 3, "num_classes": 10, "embed_dim": 32, "depth": 2, "num_heads": 2}

# Keys as in docs/config.md. What is not named has the default of vit_base_patch16_224.
GOLDENS = {
    "plain": {},
    "odd-sizes": {"image_size": [29, 43], "embed_dim": 42, "num_heads": 3, "num_classes": 7, "mlp_ratio": 2.7},
    "grey": {"image_size": 28, "patch_size": 4, "in_channels": 1, "mean": [0.5], "std": [0.5]},
    "one-token": {"image_size": 8, "class_token": False, "pool": "avg"},
    "tokens-197": {"image_size": 56, "patch_size": 4, "embed_dim": 24, "num_heads": 1},
    "tokens-257": {"image_size": 64, "patch_size": 4, "embed_dim": 16, "num_heads": 1},
    "no-qkv-bias": {"qkv_bias": False},
    "clip": {"norm_pre": True, "patch_bias": False, "norm_eps": 1e-5, "activation": "quick_gelu"},
    "gelu-tanh": {"activation": "gelu_tanh"},
    "relu": {"activation": "relu"},
    "layer-scale": {"layer_scale": 1e-5},
    "parallel": {"parallel_branches": 2, "layer_scale": 1e-5},
    "post-norm": {"block": "post_norm"},
    "avg-fc-norm": {"pool": "avg", "fc_norm": True, "final_norm": False},
    "avg-no-class": {"pool": "avg", "class_token": False},
    "features": {"num_classes": 0},
    "registers": {"reg_tokens": 4},
    "position-on-patches": {"position_on": "patches"},
    "registers-on-patches": {"reg_tokens": 4, "position_on": "patches"},
    "head-dim": {"num_heads": 3, "head_dim": 24},
    "scale-by-heads": {"attention_scale": "heads"},
    "qk-norm": {"qk_norm": True},
    "swiglu": {"gated_mlp": True, "activation": "silu", "mlp_dim": 88},
    "rms-norm": {"norm": "rms"},
}
WITH_OUTPUTS = ["avg-fc-norm", "parallel", "registers"]


def pair(value):
    return tuple(value) if isinstance(value, (list, tuple)) else (value, value)


def erf(x):
    return np.array([math.erf(v) for v in x.ravel()]).reshape(x.shape)


ACTIVATIONS = {
    "gelu": lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "quick_gelu": lambda x: x / (1 + np.exp(-1.702 * x)),
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


class Model:
    """The forward pass of a config. `weight(name, *shape)` gives a tensor by timm's name in double precision."""

    def __init__(self, config, weight):
        self.weight = weight
        self.image, self.patch = pair(config["image_size"]), pair(config["patch_size"])
        self.channels, self.classes, self.dim, self.depth, self.heads = (
            config[k] for k in ("in_channels", "num_classes", "embed_dim", "depth", "num_heads"))
        self.head_dim = config.get("head_dim", self.dim // self.heads)
        self.hidden = config.get("mlp_dim", int(self.dim * config.get("mlp_ratio", 4)))
        self.eps = config.get("norm_eps", 1e-6)
        self.activation = ACTIVATIONS[config.get("activation", "gelu")]
        self.config = config
        self.outputs = {}

    def has(self, key, default=False):
        return self.config.get(key, default)

    def linear(self, name, x, outputs, bias=True):
        y = x @ self.weight(name + ".weight", outputs, x.shape[-1]).T
        return y + self.weight(name + ".bias", outputs) if bias else y

    def norm(self, name, x):
        width = x.shape[-1]
        gain = self.weight(name + ".weight", width)
        if self.has("norm", "layer") == "rms":
            return gain * x / np.sqrt((x**2).mean(-1, keepdims=True) + self.eps)
        centred = x - x.mean(-1, keepdims=True)
        return gain * centred / np.sqrt((centred**2).mean(-1, keepdims=True) + self.eps) + self.weight(name + ".bias", width)

    def tokens(self, images):
        b, (p, q) = len(images), self.patch
        rows, columns = self.image[0] // p, self.image[1] // q
        x = images[:, :, : rows * p, : columns * q].reshape(b, self.channels, rows, p, columns, q)
        x = x.transpose(0, 2, 4, 1, 3, 5).reshape(b, rows * columns, -1)
        x = x @ self.weight("patch_embed.proj.weight", self.dim, self.channels, p, q).reshape(self.dim, -1).T
        if self.has("patch_bias", True):
            x = x + self.weight("patch_embed.proj.bias", self.dim)
        prefix = [self.weight("cls_token", 1, 1, self.dim)] if self.has("class_token", True) else []
        if self.has("reg_tokens", 0):
            prefix.append(self.weight("reg_token", 1, self.has("reg_tokens"), self.dim))
        self.prefix = sum(t.shape[1] for t in prefix)
        prefix = [np.broadcast_to(t, (b,) + t.shape[1:]) for t in prefix]
        if self.has("position_on", "all") == "patches":
            x = x + self.weight("pos_embed", 1, rows * columns, self.dim)
            return np.concatenate(prefix + [x], 1)
        return np.concatenate(prefix + [x], 1) + self.weight("pos_embed", 1, self.prefix + rows * columns, self.dim)

    def attention(self, name, x):
        b, t, _ = x.shape
        h, d = self.heads, self.head_dim
        q, k, v = self.linear(name + ".qkv", x, 3 * h * d, self.has("qkv_bias", True)).reshape(b, t, 3, h, d).transpose(2, 0, 3, 1, 4)
        if self.has("qk_norm"):
            q, k = self.norm(name + ".q_norm", q), self.norm(name + ".k_norm", k)
        scores = q @ k.swapaxes(2, 3) / math.sqrt(h if self.has("attention_scale") == "heads" else d)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights = weights / weights.sum(-1, keepdims=True)
        # "blocks.0.attn" is attention.0, "blocks.0.attns.1.attn" attention.0.1
        self.outputs["attention." + ".".join(part for part in name.split(".") if part.isdigit())] = weights
        heads = weights @ v
        return self.linear(name + ".proj", heads.transpose(0, 2, 1, 3).reshape(b, t, h * d), self.dim)

    def mlp(self, name, x):
        if self.has("gated_mlp"):
            hidden, gate = np.split(self.linear(name + ".fc1", x, 2 * self.hidden), 2, axis=-1)
            hidden = self.activation(hidden) * gate
        else:
            hidden = self.activation(self.linear(name + ".fc1", x, self.hidden))
        return self.linear(name + ".fc2", hidden, self.dim)

    def branch(self, function, name, norm, scale, x):
        y = self.norm(norm, function(name, x)) if self.has("block") == "post_norm" else function(name, self.norm(norm, x))
        return y * self.weight(scale + ".gamma", self.dim) if self.has("layer_scale") else y

    def block(self, name, x):
        branches = self.has("parallel_branches", 1)
        if branches > 1:
            x = x + sum(self.branch(self.attention, f"{a}.attn", f"{a}.norm", f"{a}.ls", x)
                        for a in (f"{name}.attns.{i}" for i in range(branches)))
            return x + sum(self.branch(self.mlp, f"{f}.mlp", f"{f}.norm", f"{f}.ls", x)
                           for f in (f"{name}.ffns.{i}" for i in range(branches)))
        x = x + self.branch(self.attention, name + ".attn", name + ".norm1", name + ".ls1", x)
        return x + self.branch(self.mlp, name + ".mlp", name + ".norm2", name + ".ls2", x)

    def __call__(self, images):
        x = self.tokens(images)
        if self.has("norm_pre"):
            x = self.norm("norm_pre", x)
        for i in range(self.depth):
            x = self.outputs[f"block.{i}"] = self.block(f"blocks.{i}", x)
        if self.has("final_norm", True):
            x = self.norm("norm", x)
            self.outputs["tokens"] = x
        x = x[:, self.prefix :].mean(1) if self.has("pool", "token") == "avg" else x[:, 0]
        if self.has("fc_norm"):
            x = self.norm("fc_norm", x)
        self.outputs["features"] = x
        if self.classes:
            x = self.outputs["logits"] = self.linear("head", x, self.classes)
        return x


def random_weight(name, *shape):
    return random_weights.tensor(name, shape).astype(np.float64)


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, t in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [offset, offset + t.nbytes]}
        offset += t.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(t.astype("<f4").tobytes() for t in tensors.values()))


def hugging_face(folder, images):
    """What ViTForImageClassification.save_pretrained writes: query, key and value apart, other names, LayerNorm with 1e-12."""
    dim, depth, heads, hidden, size, patch, classes = 32, 2, 2, 64, 32, 8, 5
    tensors = {}

    def tensor(name, *shape):
        tensors[name] = random_weights.tensor(name, shape)
        return tensors[name].astype(np.float64)

    def weight(name, *shape):
        part, _, kind = name.rpartition(".")
        if name in ("cls_token", "pos_embed"):
            return tensor("vit.embeddings." + {"cls_token": "cls_token", "pos_embed": "position_embeddings"}[name], *shape)
        if part == "patch_embed.proj":
            return tensor("vit.embeddings.patch_embeddings.projection." + kind, *shape)
        if part in ("norm", "head"):
            return tensor({"norm": "vit.layernorm", "head": "classifier"}[part] + "." + kind, *shape)
        _, number, module = part.split(".", 2)
        layer = f"vit.encoder.layer.{number}."
        if module == "attn.qkv":
            third = (shape[0] // 3,) + shape[1:]
            return np.concatenate([tensor(f"{layer}attention.attention.{n}.{kind}", *third) for n in ("query", "key", "value")])
        names = {"norm1": "layernorm_before", "norm2": "layernorm_after", "attn.proj": "attention.output.dense",
                 "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense"}
        return tensor(f"{layer}{names[module]}.{kind}", *shape)

    config = {"image_size": size, "patch_size": patch, "in_channels": 3, "num_classes": classes, "embed_dim": dim, "depth": depth,
              "num_heads": heads, "mlp_dim": hidden, "norm_eps": 1e-12}
    logits = Model(config, weight)(images)
    os.makedirs(folder, exist_ok=True)
    write_safetensors(folder + "/model.safetensors", tensors)
    labels = ["ant", "bee", "cat", "dog", "elk"]
    write_json(folder + "/config.json", {
        "architectures": ["ViTForImageClassification"], "attention_probs_dropout_prob": 0.0, "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0, "hidden_size": dim, "id2label": {str(i): n for i, n in enumerate(labels)}, "image_size": size, "initializer_range": 0.02,
        "intermediate_size": hidden, "label2id": {n: i for i, n in enumerate(labels)}, "layer_norm_eps": 1e-12, "model_type": "vit",
        "num_attention_heads": heads, "num_channels": 3, "num_hidden_layers": depth, "patch_size": patch, "qkv_bias": True,
        "torch_dtype": "float32"})
    write_json(folder + "/preprocessor_config.json", {
        "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5, 0.5, 0.5],
        "image_processor_type": "ViTImageProcessor", "image_std": [0.5, 0.5, 0.5], "resample": 2, "rescale_factor": 1 / 255, "size": {"height": size, "width": size}})
    return logits


def read_safetensors(path):
    with open(path, "rb") as f:
        data = f.read()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    return {name: np.frombuffer(data, "<f4", int(np.prod(t["shape"])), 8 + length + t["data_offsets"][0]).reshape(t["shape"])
            for name, t in header.items()}


def shipped_model(out, models, dataset):
    """The first 8 test images of Fashion-MNIST, normalized as the config says, and the shipped model's logits."""
    with open(models + "/fashion_mnist_vit.json") as f:
        config = json.load(f)
    weights = read_safetensors(models + "/fashion_mnist_vit.safetensors")
    with gzip.open(dataset + "/t10k-images-idx3-ubyte.gz") as f:
        pixels = np.frombuffer(f.read(16 + 8 * 28 * 28), np.uint8, offset=16).reshape(8, 1, 28, 28)
    images = (pixels.astype(np.float32) / np.float32(255) - np.float32(config["mean"][0])) / np.float32(config["std"][0])
    np.save(out + "/input-fashion-mnist.npy", images)

    def weight(name, *shape):
        assert weights[name].shape == shape, name
        return weights[name].astype(np.float64)

    return Model(config, weight)(images.astype(np.float64))


def write_json(path, values):
    with open(path, "w") as f:
        f.write("{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in values.items()) + "\n}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../test/data/goldens"))
    out = parser.parse_args().out
    os.makedirs(out, exist_ok=True)

    def images(config):
        batch = random_weights.images((IMAGES, config["in_channels"]) + pair(config["image_size"]))
        np.save(f"{out}/input-{'x'.join(map(str, batch.shape))}.npy", batch)
        return batch.astype(np.float64)

    def finish(name, logits):
        np.save(f"{out}/{name}.expected.npy", logits.astype(np.float32))
        print(f"{name}: std {logits.std():.3f}, between images {logits.std(0).mean():.3f}")

    for name, changes in GOLDENS.items():
        config = {**BASE, **changes}
        write_json(f"{out}/{name}.json", config)
        model = Model(config, random_weight)
        finish(name, model(images(config)))
        if name in WITH_OUTPUTS:
            np.savez(f"{out}/{name}.outputs.npz", **{key: value.astype(np.float32) for key, value in model.outputs.items()})
    finish("hugging-face-vit", hugging_face(f"{out}/hugging-face-vit", images(BASE)))
    models, dataset = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../models"), "/usr/share/datasets/fashion-mnist"
    if os.path.isdir(dataset):
        finish("fashion-mnist", shipped_model(out, models, dataset))


if __name__ == "__main__":
    main()
