#!/usr/bin/env python3
"""Fine-tunes ViT-Ti/16 on half of 100 photographs with vit-run and with PyTorch, and prints both losses and accuracies.

    benchmarks/fine_tune.py --bin=build/bin [--epochs=4] [--freeze]

The weights and photographs' crops are the optional data (VITC_SHARED, default ../shared): vit-tiny-tinyimagenet200. With --freeze the head
alone is trained, else all weights are. Both sides see the same batches in the same order, so the losses can be compared step by step.
Needs torch, timm and numpy. Exit codes: 0 the losses agree within 1e-3, 1 not, 77 no data.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import timm
import torch
import torch_training
from safetensors.torch import load_file

parser = argparse.ArgumentParser()
parser.add_argument("--bin", default="build/bin")
parser.add_argument("--epochs", type=int, default=4)
parser.add_argument("--batch", type=int, default=10)
parser.add_argument("--lr", type=float, default=1e-4)
parser.add_argument("--freeze", action="store_true")
options = parser.parse_args()
folder = os.path.join(os.environ.get("VITC_SHARED", "../shared"), "data/vit-tiny-tinyimagenet200")
if not os.path.isdir(folder):
    print(f"{folder} is not there", file=sys.stderr)
    sys.exit(77)

with open(f"{folder}/images.tsv") as table:
    labels = np.array([int(line.split("\t")[0]) for line in list(table)[1:]], dtype=np.int64)
crops = np.load(f"{folder}/crops_u8_nhwc.npy").transpose(0, 3, 1, 2).astype(np.float32)
images = np.ascontiguousarray((crops / 255 - 0.5) / 0.5, dtype=np.float32)
train, held = slice(0, None, 2), slice(1, None, 2)
steps = options.epochs * len(labels[train]) // options.batch

with tempfile.TemporaryDirectory() as work:
    np.savez(f"{work}/train.npz", images=images[train], labels=labels[train])
    np.save(f"{work}/held.npy", images[held])
    freeze = [f"--freeze={pattern}" for pattern in ("cls_token", "pos_embed", "patch_embed.*", "blocks.*", "norm.*")] if options.freeze else []
    model = ["vit_tiny_patch16_224", "--set=num_classes=200", "--set=norm_eps=1e-12"]
    subprocess.run([f"{options.bin}/vitc", *model, f"--weights={folder}/model.safetensors", "--train", *freeze, "-o", f"{work}/t.vitx"], check=True)
    output = subprocess.run([f"{options.bin}/vit-run", "train", f"{work}/t.vitx", f"--data=tensors:{work}/train.npz", f"--batch={options.batch}",
                             f"--steps={steps}", f"--lr={options.lr}", "--weight-decay=0.05", "--no-decay=none", "--json", f"--save={work}/w.safetensors"],
                            check=True, stdout=subprocess.PIPE, text=True).stdout
    ours = [line["loss"] for line in map(json.loads, output.splitlines()) if "step" in line]
    subprocess.run([f"{options.bin}/vitc", *model, f"--weights={work}/w.safetensors", "-o", f"{work}/i.vitx"], check=True)
    subprocess.run([f"{options.bin}/vit-run", "infer", f"{work}/i.vitx", f"--input={work}/held.npy", f"--output={work}/out.npy"], check=True)
    our_logits = np.load(f"{work}/out.npy")

network = timm.create_model("vit_tiny_patch16_224", num_classes=200)
network.load_state_dict(load_file(f"{folder}/model.safetensors"), strict=True)
for module in network.modules():
    if isinstance(module, torch.nn.LayerNorm):
        module.eps = 1e-12
parameters = list(network.head.parameters()) if options.freeze else list(network.parameters())
for parameter in network.parameters():
    parameter.requires_grad_(any(parameter is trained for trained in parameters))
theirs = torch_training.train(network, parameters, images[train], labels[train], steps, options.batch, options.lr)
with torch.no_grad():
    their_logits = network(torch.from_numpy(images[held])).numpy()

for step, (a, b) in enumerate(zip(ours, theirs)):
    print(f"step {step:3}  vitc {a:.6f}  PyTorch {b:.6f}  difference {a - b:+.1e}")
right = [int((logits.argmax(1) == labels[held]).sum()) for logits in (our_logits, their_logits)]
print(f"held back: {right[0]} of {len(labels[held])} right with vitc, {right[1]} with PyTorch; logits differ by {abs(our_logits - their_logits).max():.1e}")
sys.exit(0 if max(abs(a - b) for a, b in zip(ours, theirs)) < 1e-3 else 1)
