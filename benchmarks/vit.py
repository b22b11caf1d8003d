"""The Vision Transformers that are measured: sizes, arithmetic, weights, images and the answer in double precision.

Weights and images are functions of their names (scripts/random_weights.py), the same ones that `vitc --random-weights=0` takes.
"""
import json
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scripts"))
import make_goldens
import random_weights

MODELS = {f"vit_{name}_patch16_224": {"image_size": 224, "patch_size": 16, "in_channels": 3, "num_classes": 1000, "embed_dim": dim,
                                      "depth": depth, "num_heads": dim // 64}
          for name, dim, depth in (("tiny", 192, 12), ("small", 384, 12), ("base", 768, 12), ("large", 1024, 24))}


def full_name(name):
    return name if name in MODELS else f"vit_{name}_patch16_224"


def tokens(config):
    return (config["image_size"] // config["patch_size"]) ** 2 + 1


def flop(config, batch):
    """Two for each multiply-add of the products, attention's two among them; nothing else counts."""
    d, t = config["embed_dim"], tokens(config)
    block = 12 * t * d * d + 2 * t * t * d
    patches = (t - 1) * d * config["in_channels"] * config["patch_size"] ** 2
    return 2 * batch * (patches + config["depth"] * block + d * config["num_classes"])


def parameters(config):
    """(name, shape) of every tensor, by timm's names."""
    d, c, p = config["embed_dim"], config["in_channels"], config["patch_size"]
    linear = lambda name, outputs, inputs: [(name + ".weight", (outputs, inputs)), (name + ".bias", (outputs,))]
    norm = lambda name: [(name + ".weight", (d,)), (name + ".bias", (d,))]
    result = [("cls_token", (1, 1, d)), ("pos_embed", (1, tokens(config), d)), ("patch_embed.proj.weight", (d, c, p, p)),
              ("patch_embed.proj.bias", (d,))]
    for i in range(config["depth"]):
        b = f"blocks.{i}."
        result += norm(b + "norm1") + linear(b + "attn.qkv", 3 * d, d) + linear(b + "attn.proj", d, d)
        result += norm(b + "norm2") + linear(b + "mlp.fc1", 4 * d, d) + linear(b + "mlp.fc2", d, 4 * d)
    return result + norm("norm") + linear("head", config["num_classes"], d)


def weight_count(config):
    return sum(int(np.prod(shape)) for _, shape in parameters(config))


class Files:
    """What a measurement reads, made once in `folder`: NAME.safetensors, NAME.bN.input.npy and NAME.bN.logits64.npy."""

    def __init__(self, folder, name, batch):
        self.name, self.batch, self.config = name, batch, MODELS[name]
        self.folder, self.stem = folder, f"{folder}/{name}.b{batch}"
        self.weights, self.input, self.logits = f"{folder}/{name}.safetensors", self.stem + ".input.npy", self.stem + ".logits64.npy"

    def make(self):
        if not os.path.exists(self.weights):
            made = {name: random_weights.tensor(name, shape) for name, shape in parameters(self.config)}
            make_goldens.write_safetensors(self.weights, made)
        if not os.path.exists(self.input):
            size = self.config["image_size"]
            np.save(self.input, random_weights.images((self.batch, self.config["in_channels"], size, size)))
        if not os.path.exists(self.logits):
            read = self.tensors()
            model = make_goldens.Model(self.config, lambda name, *shape: read[name].astype(np.float64).reshape(shape))
            images = np.load(self.input).astype(np.float64)
            np.save(self.logits, np.concatenate([model(images[i:i + 1]) for i in range(self.batch)]))

    def tensors(self):
        """Views of the mapped weight file."""
        raw = np.memmap(self.weights, np.uint8, "r")
        size = int(raw[:8].view("<u8")[0])
        header, data = json.loads(bytes(raw[8:8 + size])), raw[8 + size:]
        return {name: data[slice(*entry["data_offsets"])].view("<f4").reshape(entry["shape"])
                for name, entry in header.items() if name != "__metadata__"}

    def error(self, logits):
        """The largest difference of any logit from double precision."""
        return float(np.abs(np.asarray(logits, np.float64).reshape(self.batch, -1) - np.load(self.logits)).max())
