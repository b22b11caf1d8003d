#!/usr/bin/env python3
"""Trains a small ViT on CIFAR-10 for some epochs with vit-run and with PyTorch, and draws both losses into one picture.

    benchmarks/cifar10.py --data=FOLDER [--bin=build/bin] [--epochs=3] [--svg=docs/images/cifar10-loss.svg]

FOLDER has one folder a class with JPEGs in train/. Both sides start from the same weights and see the same batches in one random order, so
the curves coincide until rounding has been amplified. Needs torch, timm, Pillow and numpy.
"""
import argparse
import json
import os
import subprocess
import tempfile

import numpy as np
import timm
import torch
import torch_training
from PIL import Image
from safetensors.torch import save_file

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--bin", default="build/bin")
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--lr", type=float, default=1e-3)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--svg", default="docs/images/cifar10-loss.svg")
options = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(options.threads)

classes = sorted(os.listdir(f"{options.data}/train"))
files = [(f"{options.data}/train/{name}/{file}", label) for label, name in enumerate(classes) for file in
         sorted(os.listdir(f"{options.data}/train/{name}"))]
order = np.random.default_rng(0).permutation(len(files))
images = np.stack([np.asarray(Image.open(files[i][0]).convert("RGB"), dtype=np.float32) for i in order]).transpose(0, 3, 1, 2)
images = np.ascontiguousarray((images / 255 - 0.5) / 0.5, dtype=np.float32)
labels = np.array([files[i][1] for i in order], dtype=np.int64)
steps = options.epochs * (len(labels) // options.batch)

shape = {"img_size": 32, "patch_size": 4, "embed_dim": 64, "depth": 3, "num_heads": 2, "num_classes": 10}
network = timm.models.vision_transformer.VisionTransformer(**shape)
sets = ["image_size=32", "patch_size=4", "embed_dim=64", "depth=3", "num_heads=2", "num_classes=10"]
with tempfile.TemporaryDirectory() as work:
    save_file(network.state_dict(), f"{work}/start.safetensors")
    np.savez(f"{work}/data.npz", images=images, labels=labels)
    subprocess.run([f"{options.bin}/vitc", "vit_tiny_patch16_224", *[f"--set={entry}" for entry in sets], f"--weights={work}/start.safetensors",
                    "--train", "-o", f"{work}/t.vitx"], check=True)
    output = subprocess.run([f"{options.bin}/vit-run", "train", f"{work}/t.vitx", f"--data=tensors:{work}/data.npz", f"--batch={options.batch}",
                             f"--steps={steps}", f"--lr={options.lr}", "--weight-decay=0.05", "--no-decay=none", "--json",
                             f"--threads={options.threads}"], check=True, stdout=subprocess.PIPE, text=True).stdout
ours = [line["loss"] for line in map(json.loads, output.splitlines()) if "step" in line]

theirs = torch_training.train(network, network.parameters(), images, labels, steps, options.batch, options.lr)

WIDTH, HEIGHT, LEFT, BELOW = 640, 320, 50, 40


def smooth(losses, window=20):
    return [sum(losses[max(0, i - window + 1):i + 1]) / min(i + 1, window) for i in range(len(losses))]


def path(losses, low, high):
    points = smooth(losses)
    return " ".join(f"{LEFT + (WIDTH - LEFT) * i / (len(points) - 1):.1f},{(HEIGHT - BELOW) * (high - v) / (high - low):.1f}"
                    for i, v in enumerate(points) if i % 3 == 0)


low, high = 1.0, 2.4
lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 10} {HEIGHT}" font-family="sans-serif" font-size="12">',
         f'<rect width="{WIDTH + 10}" height="{HEIGHT}" fill="white"/>']
for tick in range(8):
    value = low + 0.2 * tick
    y0 = (HEIGHT - BELOW) * (high - value) / (high - low)
    lines.append(f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y0:.1f}" y2="{y0:.1f}" stroke="#ddd"/><text x="{LEFT - 8}" y="{y0 + 10 if tick == 7 else y0 + 4:.1f}" text-anchor="end">{value:.1f}</text>')
for epoch in range(options.epochs + 1):
    x0 = LEFT + (WIDTH - LEFT) * epoch / options.epochs
    lines.append(f'<text x="{x0:.0f}" y="{HEIGHT - BELOW + 16}" text-anchor="middle">{epoch}</text>')
lines += [f'<polyline points="{path(theirs, low, high)}" fill="none" stroke="#e69f00" stroke-width="4"/>',
          f'<polyline points="{path(ours, low, high)}" fill="none" stroke="#0072b2" stroke-width="1.5"/>',
          f'<text x="{WIDTH / 2}" y="{HEIGHT - 6}" text-anchor="middle">epochs</text>',
          f'<text x="{WIDTH - 180}" y="24" fill="#0072b2">vit-run train (thin)</text>',
          f'<text x="{WIDTH - 180}" y="42" fill="#e69f00">PyTorch (wide)</text>',
          f'<text x="{LEFT + 10}" y="{HEIGHT - BELOW - 10}">loss on CIFAR-10, mean of 20 steps</text>', "</svg>"]
with open(options.svg, "w") as svg:
    svg.write("\n".join(lines) + "\n")
gap = max(abs(a - b) for a, b in zip(ours[:100], theirs[:100]))
print(f"{steps} steps: largest difference of the first 100 losses {gap:.1e}, last 100 on average {np.mean(ours[-100:]):.4f} and {np.mean(theirs[-100:]):.4f}")
