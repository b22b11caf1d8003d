#!/usr/bin/env python3
"""Takes switches of the five reference systems out of the optional data (VITC_SHARED) into test/data/switches, with a lit test for each.

    python3 scripts/make_reference_goldens.py [--shared ../shared] [--out test/data/switches] [--tests test/switches]

Logits in double precision of the systems as functions of named tensors (reference-systems/systems.py there), rounded to float32; of their
batch the first images. Weights and images are those of seed 0, the images of Google's Flax models drawn as [B, H, W, C].
"""
import argparse
import math
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + "/../test/full")
import arrays  # noqa: E402
import cases  # noqa: E402

# Case and variant; an empty variant is the case's own configuration.
GOLDENS = {
    "labml-class-first": ("000-small", "cls-first"),
    "labml-swiglu": ("000-small", "swiglu"),
    "slides-sincos-1d": ("001-small", "sincos-1d"),
    "slides-sincos-2d": ("001-small", "sincos-2d-image-24x40"),
    "slides-sincos-2d-row": ("001-small", "sincos-2d-x-row"),
    "slides-parts": ("001-small", "packing-qkv"),
    "slides-biases": ("001-small", "all-biases"),
    "csdn": ("002-small", ""),
    "csdn-finetune": ("002-small", "finetune-head"),
    "notebook": ("003-small", ""),
    "flax-representation": ("004-small", "representation"),
    "flax-token-unpooled": ("004-small", "token_unpooled"),
    "flax-no-position": ("004-small", "no-position"),
    "flax-no-transformer": ("004-small", "no-transformer-unpooled"),
    "flax-no-transformer-token": ("004-small", "no-transformer-token"),
    "flax-hybrid": ("004-hybrid-small", ""),
    "flax-hybrid-odd": ("004-small", "hybrid-image-45"),
    "flax-hybrid-stem": ("004-small", "hybrid-no-stages"),
}


def first(images, count):
    shape, values = images
    return (count, *shape[1:]), values[: count * math.prod(shape[1:])]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", default=os.environ.get("VITC_SHARED", HERE + "/../../shared"))
    parser.add_argument("--out", default=HERE + "/../test/data/switches")
    parser.add_argument("--tests", default=HERE + "/../test/switches")
    options = parser.parse_args()
    for name, (folder, variant) in GOLDENS.items():
        small = next(s for s in cases.small_systems(options.shared) if s.label == folder)
        case = next(c for c in small.variants() if c.name == (variant or "seeded"))
        count = 1 if small.system == "004" else 2
        shape, images = first(cases.channels_first(small.system, case.images), count)
        file = f"input-{'flax-' if small.system == '004' else ''}{'x'.join(map(str, shape))}.npy"
        if not os.path.exists(f"{options.out}/{file}"):
            arrays.write_npy(f"{options.out}/{file}", shape, images)
        arrays.write_npy(f"{options.out}/{name}.expected.npy", *first(case.logits, count))
        command = " ".join(argument.replace("--set=", "--set ") for argument in case.arguments)
        check = f"--input=%data/switches/{file} --expected=%data/switches/{name}.expected.npy --tolerance=1e-05"
        with open(f"{options.tests}/{name}.test", "w") as f:
            f.write("REQUIRES: compiler\n")
            for target, artifact in (("", "%t.vitx"), (" --target=reference", "%t.reference.vitx")):
                f.write(f"RUN: vitc {command}{target} -o {artifact}\nRUN: vit-run infer {artifact} {check}\n")


if __name__ == "__main__":
    main()
