#!/usr/bin/env python3
"""Makes test/data/timm/FAMILY.jsonl: what timm's own code gives for every name of its ViT families, one JSON object a line.

    pip install timm==1.0.31
    python3 scripts/make_timm_goldens.py [NAME ...] [--out test/data/timm] [--redo]

Without names: all of the families below that the files lack. Of each name:

  name, timm        the model and the version of timm
  parameters        number of parameters of the model as the name says
  tensors, digest   of the floating-point tensors that its checkpoint holds: their number, and the FNV-1a-64 of the lines
                    "NAME D0xD1x...\\n" sorted by name ("NAME \\n" for a scalar)
  preprocessing     of the name's default tag (default_cfg)
  set               what makes it cheap to run, as `vitc --set` takes it: two blocks
  input_shape       the input is the image of docs/random-weights.md, seed 0, as it is (no normalization); so are the weights
  output_shape, mean, std, absmax, first    what the reduced model returns in double precision; the first 64 values in row-major order
  f32_error         the largest difference of torch's single precision from it
"""
import argparse
import json
import os
import sys

import random_weights

# What a module of timm.models is called here.
FAMILIES = {"beit": "beit", "cait": "cait", "deit": "deit", "eva": "eva", "naflexvit": "naflexvit",
            "vision_transformer": "vision_transformer", "vision_transformer_hybrid": "hybrid", "vision_transformer_relpos": "relpos",
            "vision_transformer_sam": "sam"}

# Two blocks tell as much as forty: every block of a model is built alike. Where blocks differ, one of each kind is kept.
REDUCED = {"depth": 2}
REDUCED_BY_NAME = {"samvit": {"depth": 2, "global_attn_indexes": [1]}}

PREPROCESSING = ("input_size", "num_classes", "mean", "std", "crop_pct", "crop_mode", "interpolation")


def fnv1a(lines):
    h = 0xCBF29CE484222325
    for byte in "".join(lines).encode():
        h = ((h ^ byte) * 0x100000001B3) & (2**64 - 1)
    return f"{h:016x}"


def digits(value):
    return float(f"{float(value):.9g}")


def state(name):
    """Of the whole model, without its memory."""
    import timm
    import torch

    with torch.device("meta"):
        model = timm.create_model(name)
    tensors = {n: tuple(t.shape) for n, t in model.state_dict().items() if t.is_floating_point()}
    config = model.pretrained_cfg
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "tensors": len(tensors),
        "digest": fnv1a(f"{n} {'x'.join(map(str, tensors[n]))}\n" for n in sorted(tensors)),
        "preprocessing": {k: config[k] for k in PREPROCESSING if k in config},
    }


def fill(model):
    """Gives every floating-point tensor of the model's state dict its value of seed 0."""
    import numpy as np
    import torch

    with torch.no_grad():
        for name, t in model.state_dict().items():
            if t.is_floating_point():
                t.copy_(torch.from_numpy(np.ascontiguousarray(random_weights.tensor(name, tuple(t.shape)))).reshape(t.shape))
    return model


def run(name, shape, arguments):
    import timm
    import torch

    model = fill(timm.create_model(name, **arguments).eval())
    with torch.no_grad():
        images = torch.from_numpy(random_weights.images(shape))
        single = model(images).double()
        value = model.double()(images.double())
    return {
        "output_shape": list(value.shape), "mean": digits(value.mean()), "std": digits(value.std(correction=0)),
        "absmax": digits(value.abs().max()), "f32_error": float(f"{(single - value).abs().max().item():.3g}"),
        "first": [digits(v) for v in value.flatten()[:64]],
    }


def golden(name):
    import timm

    arguments = next((a for prefix, a in REDUCED_BY_NAME.items() if name.startswith(prefix)), REDUCED)
    values = {"name": name, "timm": timm.__version__, **state(name)}
    values["set"] = [f"{k}={json.dumps(v, separators=(',', ':'))}" for k, v in arguments.items()]
    values["input_shape"] = [1] + list(values["preprocessing"]["input_size"])
    return {**values, **run(name, values["input_shape"], arguments)}


def read(path):
    if not os.path.exists(path):
        return {}
    with open(path) as f:
        return {values["name"]: values for values in map(json.loads, f)}


def main():
    import timm
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../test/data/timm"))
    parser.add_argument("--redo", action="store_true", help="also what the files have")
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.makedirs(options.out, exist_ok=True)
    family = {name: file for module, file in FAMILIES.items() for name in timm.list_models(module=module)}
    failed = False
    for name in options.names or family:
        path = f"{options.out}/{family[name]}.jsonl"
        if name in read(path) and not options.redo:
            continue
        try:
            values = golden(name)
        except Exception as error:  # the others are worth having all the same
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            failed = True
            continue
        goldens = {**read(path), name: values}
        with open(path + ".new", "w") as f:
            f.writelines(json.dumps(goldens[n], separators=(",", ":")) + "\n" for n in sorted(goldens))
        os.replace(path + ".new", path)
        print(f"{name}: {values['parameters']} parameters, std {values['std']:.3g}, f32 error {values['f32_error']}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
