#!/usr/bin/env python3
"""Trains the Vision Transformer that the repository ships, from nothing but Fashion-MNIST's 60,000 training images.

    apt-get install dataset-fashion-mnist
    pip install torch numpy safetensors
    python3 models/train_fashion_mnist.py --out models/fashion_mnist_vit

writes OUT.safetensors (timm's names, float32) and OUT.json (the config that vitc reads), and prints the accuracy on the 10,000
test images after every epoch. The test images choose nothing: what is written is the average of the weights after the last epoch,
or after the last one finished when the run is interrupted.
"""
import argparse
import gzip
import json
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

LABELS = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
MEAN, STD = 0.2860, 0.3530  # of the training images' pixels / 255
IMAGE, PATCH = 28, 4
EPS = 1e-6


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        with torch.autocast("cpu", enabled=False):  # in bfloat16 torch's backward pass of it is ten times slower on a CPU
            x = F.scaled_dot_product_attention(q.float(), k.float(), v.float())
        return self.proj(x.transpose(1, 2).reshape(b, t, d))


class Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, dim, heads, hidden, drop_path):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim, eps=EPS), Attention(dim, heads)
        self.norm2, self.mlp = nn.LayerNorm(dim, eps=EPS), Mlp(dim, hidden)
        self.drop_path = drop_path

    def residual(self, x, y):
        """x + y, where in training y is dropped for a random part of the images (stochastic depth)."""
        if self.training and self.drop_path > 0:
            keep = 1 - self.drop_path
            y = y * (torch.rand(len(y), 1, 1) < keep) / keep
        return x + y

    def forward(self, x):
        x = self.residual(x, self.attn(self.norm1(x)))
        return self.residual(x, self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.proj = nn.Conv2d(1, dim, PATCH, PATCH)

    def forward(self, x):
        """[B, 1, 28, 28] -> [B, 49, dim]; the convolution as one product, which a CPU does faster."""
        b, n = len(x), IMAGE // PATCH
        x = x.view(b, n, PATCH, n, PATCH).transpose(2, 3).reshape(b, n * n, PATCH * PATCH)
        return F.linear(x, self.proj.weight.flatten(1), self.proj.bias)


class VisionTransformer(nn.Module):
    """timm's vit, its module names and its forward pass (class token, learned positions, LayerNorm first)."""

    def __init__(self, dim, depth, heads, mlp_ratio, drop_path=0.0):
        super().__init__()
        tokens = (IMAGE // PATCH) ** 2 + 1
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, dim))
        self.patch_embed = PatchEmbed(dim)
        rates = [drop_path * i / max(1, depth - 1) for i in range(depth)]
        self.blocks = nn.ModuleList(Block(dim, heads, int(dim * mlp_ratio), r) for r in rates)
        self.norm = nn.LayerNorm(dim, eps=EPS)
        self.head = nn.Linear(dim, len(LABELS))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02 if module is self.head else dim**-0.5 * 0.5)
                nn.init.zeros_(module.bias)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.trunc_normal_(self.cls_token, std=0.02)

    def forward(self, x):
        x = self.patch_embed(x)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, 0]))


def read_idx(path):
    """An IDX file of bytes: two zeros, 8 (bytes), the number of axes, each axis as a big-endian u32, the data."""
    with gzip.open(path) as f:
        raw = f.read()
    shape = np.frombuffer(raw, ">u4", raw[3], 4)
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape).copy())


def load(folder, part):
    images = read_idx(f"{folder}/{part}-images-idx3-ubyte.gz").float().div_(255).sub_(MEAN).div_(STD)
    return images[:, None], read_idx(f"{folder}/{part}-labels-idx1-ubyte.gz").long()


def augment(x):
    """Random crop after padding by 2, and a horizontal flip of every second image; a different one for each image."""
    b, pad = len(x), 2
    x = F.pad(x, (pad,) * 4, value=-MEAN / STD)
    step = torch.arange(IMAGE)
    rows = torch.randint(0, 2 * pad + 1, (b, 1)) + step
    columns = torch.randint(0, 2 * pad + 1, (b, 1)) + step
    columns = torch.where(torch.rand(b, 1) < 0.5, columns.flip(1), columns)
    return x[torch.arange(b)[:, None, None], 0, rows[:, :, None], columns[:, None, :]][:, None]


@torch.inference_mode()
def accuracy(model, images, labels):
    model.eval()
    right = sum((model(x).argmax(1) == y).sum().item() for x, y in zip(images.split(500), labels.split(500)))
    model.train()
    return right / len(labels)


def write(path, weights, args):
    from safetensors.torch import save_file

    save_file({k: v.contiguous() for k, v in weights.items()}, path + ".tmp")
    os.replace(path + ".tmp", path + ".safetensors")
    config = {
        "image_size": IMAGE, "patch_size": PATCH, "in_channels": 1, "num_classes": len(LABELS),
        "embed_dim": args.dim, "depth": args.depth, "num_heads": args.heads, "mlp_ratio": args.mlp_ratio, "norm_eps": EPS,
        "mean": [MEAN], "std": [STD], "crop_pct": 1.0, "interpolation": "bilinear", "labels": LABELS,
    }
    with open(path + ".json", "w") as f:
        f.write("{\n" + ",\n".join(f'  "{k}": {json.dumps(v)}' for k, v in config.items()) + "\n}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("dim", 96), ("depth", 4), ("heads", 3), ("epochs", 20), ("batch", 128), ("seed", 0), ("threads", 1), ("steps", 0)):
        parser.add_argument("--" + name, type=int, default=default)
    for name, default in (("mlp-ratio", 4.0), ("lr", 1.5e-3), ("weight-decay", 0.05), ("smoothing", 0.1), ("drop-path", 0.0), ("ema", 0.999)):
        parser.add_argument("--" + name, type=float, default=default)
    parser.add_argument("--bf16", action="store_true", help="products in bfloat16 (weights stay float32)")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--out", default="fashion_mnist_vit")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    images, labels = load(args.data, "train")
    test = load(args.data, "t10k")
    model = VisionTransformer(args.dim, args.depth, args.heads, args.mlp_ratio, args.drop_path)
    average = VisionTransformer(args.dim, args.depth, args.heads, args.mlp_ratio)
    average.load_state_dict(model.state_dict())
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)

    def decays(name, p):
        return p.ndim >= 2 and name not in ("cls_token", "pos_embed")

    named = list(model.named_parameters())
    groups = [{"params": [p for n, p in named if decays(n, p)], "weight_decay": args.weight_decay},
              {"params": [p for n, p in named if not decays(n, p)], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.99), fused=True)
    per_epoch = len(images) // args.batch
    total, warmup = args.epochs * per_epoch, per_epoch
    step, begin = 0, time.time()
    for epoch in range(args.epochs):
        for index in torch.randperm(len(images))[: per_epoch * args.batch].split(args.batch):
            scale = (step + 1) / warmup if step < warmup else 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))
            for group in optimizer.param_groups:
                group["lr"] = args.lr * scale
            with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
                logits = model(augment(images[index]))
            loss = F.cross_entropy(logits.float(), labels[index], label_smoothing=args.smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            with torch.no_grad():  # the average starts short, so that the first epochs' weights do not linger
                decay = min(args.ema, (1 + step) / (10 + step))
                torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)
            if step == args.steps:
                print(f"{(time.time() - begin) / step * 1e3:.1f} ms a step, {(time.time() - begin) / step * per_epoch:.0f} s an epoch, loss {loss:.3f}")
                return
        top1 = accuracy(average, *test)
        write(args.out, average.state_dict(), args)
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}, test top-1 {100 * top1:.2f} %, {time.time() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
