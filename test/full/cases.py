"""Every model that there are references for, as cases: what vitc is given, what goes in, what has to come out."""
import array
import glob
import json
import math
import os
from dataclasses import dataclass
from typing import Callable

import arrays

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "../data")


@dataclass
class Case:
    family: str
    name: str
    arguments: list  # of vitc, -o left out; "{tmp}" is a folder of the case's own
    input: Callable  # () -> (shape, values), [B, C, H, W]
    expected: list  # checks: output (shape, values) -> error, an absolute difference
    bound: float
    prepare: Callable = lambda folder: None  # writes into the case's folder what the arguments name


def setting(key, value):
    return f"--set={key}={value if isinstance(value, str) else json.dumps(value, separators=(',', ':'))}"


def moments(values):
    mean = math.fsum(values) / len(values)
    return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values)), max(abs(v) for v in values)


def difference(expected):
    """Of all elements; infinite where shapes differ or a value is not a number."""
    shape, reference = expected

    def error(output):
        if math.prod(output[0]) != math.prod(shape):
            return math.inf
        worst = max((abs(a - b) for a, b in zip(output[1], reference)), default=0.0)
        return worst if all(math.isfinite(v) for v in output[1]) else math.inf

    return error


def summary(count, first, mean, std, absmax=None):
    """Of a long output the first values, then what sums all of it up: no part of it can be wrong without showing."""

    def error(output):
        values = output[1]
        if len(values) != count or not all(math.isfinite(v) for v in values):
            return math.inf
        found = moments(values)
        errors = [abs(a - b) for a, b in zip(values, first)] + [abs(found[0] - mean), abs(found[1] - std)]
        return max(errors + ([abs(found[2] - absmax)] if absmax is not None else []))

    return error


#===------------------------------------------------------------------------------------------===#
# timm
#===------------------------------------------------------------------------------------------===#


def first_tags():
    """NAME to NAME.TAG: a few names without a tag are timm 0.6.13's, which had another class count (docs/config.md)."""
    with open(DATA + "/timm-presets.tsv") as f:
        return {model.split(".")[0]: model for model in (line.split("\t")[0] for line in f)}


def timm_now():
    """test/data/timm: every name, reduced to two blocks (scripts/make_timm_goldens.py)."""
    tagged = first_tags()
    for path in sorted(glob.glob(DATA + "/timm/*.jsonl")):
        family = os.path.basename(path).removesuffix(".jsonl")
        with open(path) as f:
            goldens = [json.loads(line) for line in f]
        for g in goldens:
            model = tagged.get(g["name"], g["name"])
            yield Case("timm-" + family, g["name"], [model, "--random-weights=0", *("--set=" + s for s in g["set"])],
                       lambda shape=g["input_shape"]: (shape, arrays.random_images(shape)),
                       [summary(math.prod(g["output_shape"]), g["first"], g["mean"], g["std"], g["absmax"])],
                       max(4 * g["f32_error"], 1e-4 * g["std"]))


def timm_0_6_13(shared):
    """The 78 names of timm 0.6.13 at full depth."""
    for path in sorted(glob.glob(shared + "/data/timm-goldens/*.json")):
        with open(path) as f:
            g = json.load(f)
        yield Case("timm-0.6.13", g["model"], [g["model"], "--random-weights=0"],
                   lambda shape=g["input_shape"]: (shape, arrays.random_images(shape)),
                   [summary(g["outputs"], g["logits"], g["output_mean"], g["output_std"])],
                   max(4 * g["f32_error"]["max_abs"], 1e-4 * g["output_std"]))


#===------------------------------------------------------------------------------------------===#
# transformers and torchvision
#===------------------------------------------------------------------------------------------===#

# What a class returns first, by the tensor's name in expected.safetensors.
OUTPUTS = ("logits", "image_embeds", "pooler_output", "last_hidden_state")


FULL_SIZE = {"vit-base-patch16-224": os.path.join(HERE, "../shared/Inputs/vit-base-patch16-224.json"), "vit_b_16": "vit_b_16",
             "vit_b_32": "vit_b_32"}


def saved_folders(pattern):
    """Folders with their weights and expected.safetensors."""
    for path in sorted(glob.glob(pattern + "/*/expected.safetensors")):
        folder = os.path.dirname(path)
        if not os.path.exists(folder + "/config.json"):
            continue
        tensors = arrays.read_safetensors(path)
        expected = tensors[next(name for name in OUTPUTS if name in tensors)]
        yield Case("huggingface", os.path.basename(folder), [folder], lambda t=tensors: t["input"], [difference(expected)],
                   max(2e-5, 1e-4 * moments(expected[1])[1]))


def seeded_folders():
    """test/data/huggingface: configs alone (scripts/make_huggingface_goldens.py)."""
    for path in sorted(glob.glob(DATA + "/huggingface/*/expected.npy")):
        folder, expected = os.path.dirname(path), arrays.read_npy(path)
        yield Case("huggingface", "seeded/" + os.path.basename(folder), [folder, "--random-weights=0"],
                   lambda: arrays.read_npy(DATA + "/goldens/input-3x3x32x32.npy"), [difference(expected)], 1e-5)


def huggingface(shared):
    yield from saved_folders(shared + "/data/hf-goldens")
    yield from seeded_folders()
    for name, model in FULL_SIZE.items():
        path = f"{shared}/data/hf-goldens/{name}.json"
        if os.path.exists(path):
            with open(path) as f:
                g = json.load(f)
            logits = g["logits"][0] if isinstance(g["logits"][0], list) else g["logits"]
            yield Case("huggingface", name, [model, "--random-weights=0"],
                       lambda shape=g["input_shape"]: (shape, arrays.random_images(shape)),
                       [summary(len(logits), logits, g["output_mean"], g["output_std"])],
                       max(4 * g["f32_error"]["max_abs"], 1e-4 * g["output_std"]))
    torchvision = shared + "/data/hf-goldens/torchvision"
    if os.path.exists(torchvision):
        tensors = arrays.read_safetensors(torchvision + "/expected.safetensors")
        config = os.path.join(HERE, "../shared/Inputs/torchvision.json")
        for file in ("model.safetensors", "model.pth"):
            yield Case("huggingface", "torchvision-" + file, [config, f"--weights={torchvision}/{file}"], lambda: tensors["input"],
                       [difference(tensors["logits"])], 2e-5)


#===------------------------------------------------------------------------------------------===#
# The reference systems
#===------------------------------------------------------------------------------------------===#

PRESETS = {"000": "labml-vit", "001": "slides-vit", "002": "csdn-vit", "003": "notebook-vit", "004": "ViT-B_16",
           "timm": "vit_base_patch16_224"}
VALUES = {"gelu-erf": "gelu", "gelu-tanh": "gelu_tanh", "1/sqrt(head_dim)": "head_dim", "1/sqrt(heads)": "heads",
          "(q k v) per head": "heads", "q k v, heads inside": "parts", "sincos-1d": "sincos1d", "sincos-2d": "sincos2d"}

def preset(system, config):
    """Google's hybrids have stems of their own."""
    return "R50+ViT-B_16" if config.get("resnet") else PRESETS[system]


# Keys that the config has under the same or another name are passed on as they are; these are not.
UNUSED = {"patch_order", "input_layout", "head_bias_init", "dropout", "bias2"}


def settings(system, config):
    """A system's own configuration as `--set` takes it."""
    result = {}
    for key, value in config.items():
        value = VALUES.get(value, value) if isinstance(value, str) else value
        if key in UNUSED or (key == "first_coordinate" and not config["positions"].startswith("sincos")):
            continue
        if key == "bias1":
            result["mlp_bias"] = value
        elif key == "position_order":
            result["position_on"] = "patches" if value == "patches-only" else "all"
        elif key == "positions":
            result |= {"position": value, "position_on": "all" if value == "learned" else "patches"}
        elif key == "head":
            if system == "003":
                result["num_heads"] = value
            elif value in ("linear", "finetune"):
                result["head_hidden"] = None
        elif key in ("head_hidden", "pretrain_dim") and config["head"] in ("linear", "finetune"):
            continue
        elif key == "resnet":
            if value:
                result |= {"stem": "resnetv2", "stem_layers": value["num_layers"], "stem_width": value["width_factor"]}
        elif key == "add_position_embedding":
            if not value:
                result["position"] = "none"
        elif key == "num_classes":
            result["num_classes"] = value or 0
        else:
            result[key] = value
    return [setting(k, v) for k, v in result.items()]


def channels_first(system, images):
    return arrays.to_channels_first(*images) if system == "004" else images


def seeded_weights(path, tensors, constants):
    """The seed's tensors with constants put over those whose name begins so."""
    values = {}
    for name, shape in tensors.items():
        constant = next((v for prefix, v in constants.items() if name.startswith(prefix)), None)
        values[name] = shape, arrays.random_tensor(name, shape) if constant is None else [constant] * math.prod(shape)
    (arrays.write_npz if path.endswith(".npz") else arrays.write_safetensors)(path, values)


@dataclass
class Variant:
    """A small configuration of a system: images and logits as stored, images in the system's own order of axes."""
    name: str
    arguments: list
    images: tuple
    logits: tuple
    prepare: Callable = lambda folder: None


@dataclass
class SmallSystem:
    folder: str
    label: str
    system: str
    description: dict

    def variants(self):
        data = arrays.read_npz(self.folder + "/expected.npz")
        file = "weights.npz" if self.system == "004" else "weights.safetensors"

        def variant(name, config, values, weights, size=None, prepare=lambda folder: None):
            sizes = [setting("image_size", size)] if size else []
            return Variant(name, [preset(self.system, config), *settings(self.system, config), *sizes, weights],
                           values.get("input", data["input"]), values["logits_f64"], prepare)

        yield variant("stored", self.description["config"], data, f"--weights={self.folder}/{file}")
        yield variant("seeded", self.description["config"], data, "--random-weights=0")
        for name, v in self.description["variants"].items():
            values, size, constants = arrays.read_npz(f"{self.folder}/variants/{name}.npz"), v.get("size"), v.get("set")
            if not constants:
                yield variant(name, v["config"], values, "--random-weights=0", size)
                continue
            absent = v["tensors_absent"]
            tensors = {k: t for k, t in self.description["tensors"].items() if k not in absent} | v["tensors_unlike_the_main_case"]
            prepare = lambda to, t=tensors, c=constants: seeded_weights(f"{to}/{file}", t, c)
            yield variant(name, v["config"], values, f"--weights={{tmp}}/{file}", size, prepare)


def small_systems(shared):
    for path in sorted(glob.glob(shared + "/data/reference-systems/*-small/config.json")):
        folder = os.path.dirname(path)
        with open(path) as f:
            description = json.load(f)
        yield SmallSystem(folder, os.path.basename(folder), description["system"], description)


def small_cases(small):
    for v in small.variants():
        yield Case("reference-systems", f"{small.label}/{v.name}", v.arguments,
                   lambda images=v.images: channels_first(small.system, images), [difference(v.logits)], 1e-5, v.prepare)


def default_cases(path):
    """Full size, by the seed."""
    with open(path) as f:
        g = json.load(f)
    system, name = g["system"], os.path.basename(path).removesuffix(".json")
    rows = array.array("d", (v for row in g["logits_f64"] for v in row))
    yield Case("reference-systems", "default/" + name, [preset(system, g["config"]), *settings(system, g["config"]), "--random-weights=0"],
               lambda: channels_first(system, (g["input_shape"], arrays.random_images(g["input_shape"]))),
               [difference((g["output_shape"], rows))], 3e-4 if g["config"].get("resnet") else 3e-5)


def loading_cases(folder):
    """Published checkpoints read for another size and number of classes; features, because the new head is zero."""
    with open(folder + "/config.json") as f:
        description = json.load(f)
    for name, g in description["cases"].items():
        data = arrays.read_npz(f"{folder}/{name}.npz")
        config = {**g["config"], "num_classes": 0}
        yield Case("reference-systems", "004-load/" + name, [preset("004", config), *settings("004", config), f"--weights={folder}/{g['checkpoint']}"],
                   lambda d=data: channels_first("004", d["input"]), [difference(data["features_f64"])], 1e-5)


def reference_systems(shared):
    root = shared + "/data/reference-systems"
    for small in small_systems(shared):
        yield from small_cases(small)
    for path in sorted(glob.glob(root + "/default/*.json")):
        yield from default_cases(path)
    if os.path.exists(root + "/004-load"):
        yield from loading_cases(root + "/004-load")


def all_cases(shared):
    yield from timm_now()
    yield from timm_0_6_13(shared)
    yield from huggingface(shared)
    yield from reference_systems(shared)
