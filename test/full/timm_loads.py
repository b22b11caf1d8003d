#!/usr/bin/env python3
"""What vit-run train saves is what timm loads: trains models for two steps, loads the file strictly, compares logits.

    test/full/timm_loads.py --bin=build/bin [NAME ...]

Needs torch and timm; exit code 77 without them, 0 if all is equal, 1 if not.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import arrays

SKIPPED = 77
MODELS = ["vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224", "vit_small_patch14_reg4_dinov2", "vit_relpos_small_patch16_224"]
SETTINGS = {"depth": 2, "num_classes": 10, "image_size": 112}
BOUND = 2e-5


def check(name, binaries, folder, torch, timm):
    settings = [f"--set={key}={value}" for key, value in SETTINGS.items()]
    shape = (4, 3, SETTINGS["image_size"], SETTINGS["image_size"])
    images = arrays.random_images(shape)
    labels = [float(k == i) for i in range(shape[0]) for k in range(SETTINGS["num_classes"])]
    arrays.write_npz(f"{folder}/data.npz", {"images": (shape, images), "labels": ((shape[0], SETTINGS["num_classes"]), labels)})
    arrays.write_npy(f"{folder}/images.npy", shape, images)
    weights = f"{folder}/weights.safetensors"

    def run(tool, *arguments):
        subprocess.run([f"{binaries}/{tool}", *arguments], check=True, stdout=subprocess.DEVNULL)

    run("vitc", name, *settings, "--random-weights=0", "--train", "--optimizer=adamw", "-o", f"{folder}/train.vitx")
    run("vit-run", "train", f"{folder}/train.vitx", f"--data=tensors:{folder}/data.npz", "--batch=4", "--steps=2", f"--save={weights}")
    run("vitc", name, *settings, f"--weights={weights}", "-o", f"{folder}/infer.vitx")
    run("vit-run", "infer", f"{folder}/infer.vitx", f"--input={folder}/images.npy", f"--output={folder}/logits.npy")

    from safetensors.torch import load_file
    model = timm.create_model(name, pretrained=False, depth=SETTINGS["depth"], num_classes=SETTINGS["num_classes"],
                              img_size=SETTINGS["image_size"])
    model.load_state_dict(load_file(weights), strict=True)
    with torch.inference_mode():
        expected = model.eval()(torch.tensor(images).reshape(shape)).flatten().tolist()
    return max(abs(a - b) for a, b in zip(arrays.read_npy(f"{folder}/logits.npy")[1], expected))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", default=MODELS)
    parser.add_argument("--bin", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/bin"))
    options = parser.parse_args()
    try:
        import timm
        import torch
    except ImportError as missing:
        print(missing)
        return SKIPPED
    failed = 0
    for name in options.names:
        with tempfile.TemporaryDirectory(prefix="vitc-timm-") as folder:
            error = check(name, options.bin, folder, torch, timm)
        wrong = not error <= BOUND
        print(f"{name:40} logits differ by {error:.2e}{'  DIFFERS' if wrong else ''}", flush=True)
        failed += wrong
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
