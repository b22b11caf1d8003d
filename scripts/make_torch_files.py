#!/usr/bin/env python3
"""Makes test/data/torch: small files as torch.save writes them, for the tests of the reader.

    pip install torch numpy safetensors
    python3 scripts/make_torch_files.py [--out test/data/torch]

Element i of a tensor, counted in row-major order, is i - 2 (unsigned and boolean: i), so that the tests need no second file. The folder
hugging-face-vit-shards holds the weights of test/data/goldens/hugging-face-vit in two files and their index.
"""
import argparse
import collections
import io
import json
import math
import os
import shutil
import zipfile

import numpy as np
import safetensors.torch
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "test", "data")
SIGNED = ["float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8"]
UNSIGNED = ["uint8", "bool", "uint16", "uint32", "uint64"]


def ramp(shape, dtype=torch.float32):
    signed = str(dtype).split(".")[1] in SIGNED
    return (torch.arange(math.prod(shape)) - (2 if signed else 0)).to(dtype).reshape(shape)


def state_dict():
    state = collections.OrderedDict((name, ramp((2, 3), getattr(torch, name))) for name in SIGNED + UNSIGNED)
    state["complex64"] = torch.ones(2, dtype=torch.complex64)
    state["float8"] = torch.ones(2).to(torch.float8_e4m3fn)
    state["scalar"] = torch.tensor(3.0)
    state["empty"] = torch.empty(0, 3)
    state["parameter"] = torch.nn.Parameter(ramp((4,)))
    state["attributes"] = torch.nn.Parameter(ramp((4,)))
    state["attributes"].note = "with a state"
    state["transposed"] = ramp((3, 2)).t().contiguous().t()
    state["permuted"] = ramp((2, 3, 4)).permute(2, 0, 1).contiguous().permute(1, 2, 0)
    shared = torch.arange(24, dtype=torch.float32) - 6
    state["shared.0"], state["shared.1"] = shared[4:8], shared[4:].view(4, 5)[:, 1:4]
    state["repeated"] = torch.tensor([[1.0], [2.0]]).expand(2, 3)
    state._metadata = {"": {"version": 1}}
    return state


def save(out, name, value, **options):
    # Through memory: a file's own name would become the prefix of the archive's members.
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    with open(os.path.join(out, name), "wb") as file:
        file.write(buffer.getvalue())


LEGACY = {"_use_new_zipfile_serialization": False}


def rewrite(out, source, name, change):
    """An archive with each member's (name, bytes) changed."""
    with zipfile.ZipFile(os.path.join(out, source)) as old, zipfile.ZipFile(os.path.join(out, name), "w") as new:
        for member in old.namelist():
            path, data, method = change(member, old.read(member))
            new.writestr(zipfile.ZipInfo(path), data, method)


class RunsACommand:
    def __reduce__(self):
        return os.system, ("touch ran",)


class OfItsOwn:
    """An object whose class is the writer's own."""

    def __reduce__(self):
        return OfItsOwn, ()


def write_checkpoints(out):
    weights = collections.OrderedDict([("head.weight", ramp((2, 2))), ("head.bias", ramp((2,)))])
    wrapped = lambda prefix, offset=0: collections.OrderedDict((prefix + k, v + offset) for k, v in weights.items())
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))])
    optimizer.param_groups[0]["params"][0].grad = torch.ones(2)
    optimizer.step()
    beside = {"epoch": 7, "args": argparse.Namespace(lr=0.1, name="x"), "best": np.float64(0.5), "optimizer": optimizer.state_dict(),
              "schedule": OfItsOwn()}
    save(out, "checkpoint.pth", {"model": wrapped("module."), "model_ema": None, **beside})
    save(out, "ema.pth", {"state_dict": wrapped(""), "state_dict_ema": wrapped("_orig_mod.module.", 1), **beside})
    save(out, "dino.pth", {"student": wrapped("module.backbone.", 1), "teacher": wrapped("backbone."), "epoch": 7}, **LEGACY)
    save(out, "nested.pth", {"epoch": 1, "weights_of_mine": {"model": weights}})
    save(out, "flat.pth", {**weights, "epoch": 7, "args": argparse.Namespace(lr=0.1)})
    save(out, "command.pth", {"model": weights, "extra": RunsACommand()})
    save(out, "command-legacy.pth", {"model": weights, "extra": RunsACommand()}, **LEGACY)
    save(out, "object.pth", {**weights, "tail": OfItsOwn()})
    save(out, "module.pth", torch.nn.Linear(2, 2))
    save(out, "sparse.pth", {**weights, "tail": torch.eye(2).to_sparse()})
    save(out, "tensor.pth", ramp((2,)))
    save(out, "no-tensors.pth", {"epoch": 7, "names": ["a"]})


def write_shards(out):
    folder = os.path.join(out, "hugging-face-vit-shards")
    source = os.path.join(DATA, "goldens", "hugging-face-vit")
    os.makedirs(folder, exist_ok=True)
    for name in ["config.json", "preprocessor_config.json"]:
        shutil.copyfile(os.path.join(source, name), os.path.join(folder, name))
    weights = sorted(safetensors.torch.load_file(os.path.join(source, "model.safetensors")).items())
    files = [f"pytorch_model-0000{i}-of-00002.bin" for i in (1, 2)]
    halves = weights[: len(weights) // 2], weights[len(weights) // 2 :]
    index = {"metadata": {"total_size": sum(t.numel() * 4 for _, t in weights)}, "weight_map": {}}
    for name, half in zip(files, halves):
        save(folder, name, dict(half))
        index["weight_map"].update((tensor, name) for tensor, _ in half)
    with open(os.path.join(folder, "pytorch_model.bin.index.json"), "w") as file:
        json.dump(index, file, indent=1)
        file.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=os.path.join(DATA, "torch"))
    out = parser.parse_args().out
    os.makedirs(out, exist_ok=True)
    save(out, "zip.pth", state_dict())
    save(out, "legacy.pth", state_dict(), **LEGACY)
    save(out, "protocol5.pth", state_dict(), pickle_protocol=5)
    rewrite(out, "zip.pth", "deflated.pth", lambda path, data: (path, data, zipfile.ZIP_DEFLATED))
    small = {"head.weight": ramp((2, 2)), "head.bias": ramp((2,))}
    save(out, "small.pth", small)
    save(out, "small-legacy.pth", small, **LEGACY)

    def to_big_endian(path, data):
        if path.endswith("byteorder"):
            return path, b"big", zipfile.ZIP_STORED
        return path, np.frombuffer(data, "<f4").astype(">f4").tobytes() if "/data/" in path else data, zipfile.ZIP_STORED

    rewrite(out, "small.pth", "big-endian.pth", to_big_endian)
    rewrite(out, "small.pth", "torchscript.pt", lambda path, data: (path.replace("byteorder", "constants.pkl"), data, zipfile.ZIP_STORED))
    write_checkpoints(out)
    write_shards(out)


if __name__ == "__main__":
    main()
