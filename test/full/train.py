#!/usr/bin/env python3
"""Trains every reference system as its goldens say, through vitc and vit-run alone, and compares; Python's standard library only.

    test/full/train.py --bin=build/bin [PATTERN of names ...]

A line for each run: the largest error of its losses, rates, gradient norms and final weights or gradients, each over its bound ("How to
compare" of the goldens' README), so that 1 is the limit. The goldens lie in VITC_SHARED (default: ../shared), data/reference-systems;
--excerpt runs those of test/data/training instead: weights and images by the seed, and of the final weights norms and first values.
Exit codes: 0 all equal, 1 not, 2 bad usage, 77 nothing to do.
"""
import argparse
import array
import fnmatch
import glob
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile

import arrays
import cases
from check import SKIPPED, Failure, started_for_another_reason

# Bounds of the table.
LOSS, NORM, RATE = 2e-5, 5e-5, 1e-6
GRADIENT, GRADIENT_HYBRID = 1e-5, 3e-5
SGD, SGD_BF16, ADAM = 2e-6, 2e-4, 1e-3


def run(command):
    process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if process.returncode:
        lines = [line for line in process.stderr.splitlines() if "error" in line] or [f"exit code {process.returncode}"]
        raise Failure(f"{os.path.basename(command[0])}: {lines[0]}")
    return process.stdout


def read_tensors(path):
    return (arrays.read_npz if path.endswith(".npz") else arrays.read_safetensors)(path)


def without_gradient(name, size):
    """Elements whose gradient is exactly 0, where any arithmetic computes noise: the bias of the keys."""
    if name.endswith(("key.linear.bias", "/key/bias")):
        return range(size)
    if name.endswith(("in_proj_bias", "attn.qkv.bias")):
        return range(size // 3, 2 * size // 3)
    return range(0)


def compared(name, values):
    left_out = without_gradient(name, len(values))
    return (i for i in range(len(values)) if i not in left_out)


#===------------------------------------------------------------------------------------------===#
# Command lines
#===------------------------------------------------------------------------------------------===#

# The goldens' runs are without dropout, which presets have as their systems do.
NO_DROPOUT = [cases.setting(key, 0) for key in ("dropout", "attention_dropout", "embedding_dropout", "drop_path")]


def optimizer_options(spec):
    """Of vitc, and of vit-run train."""
    kind = spec["kind"]
    compiled = ["--optimizer=" + ("sgd" if kind == "flax-sgd" else kind)]
    if spec.get("accumulator") == "bfloat16":
        compiled.append("--momentum-dtype=bf16")
    options = [f"--lr={spec['lr']}", f"--weight-decay={spec.get('weight_decay', 0)}", "--no-decay=" + (",".join(spec.get("no_decay", [])) or "none")]
    if "momentum" in spec:
        options.append(f"--momentum={spec['momentum']}")
    if "betas" in spec:
        options += [f"--beta1={spec['betas'][0]}", f"--beta2={spec['betas'][1]}"]
    if "eps" in spec:
        options.append(f"--eps={spec['eps']}")
    return compiled, options


def schedule_options(spec):
    if spec["kind"] == "constant":
        return []
    if spec["kind"] == "flax":
        end = [f"--min-lr={spec['linear_end']}"] if "linear_end" in spec else []
        return [f"--schedule={spec['decay']}", f"--t-max={spec['total_steps']}", f"--warmup-steps={spec['warmup_steps']}", *end]
    assert spec["kind"] == "CosineAnnealingLR", spec
    return ["--schedule=cosine-annealing", f"--t-max={spec['T_max']}", f"--min-lr={spec['eta_min']}", f"--schedule-every={spec['every']}"]


def freezing_options(tensors, trained):
    """Every tensor whose name begins with none of `trained`."""
    return [f"--freeze={name}" for name in tensors if trained and not name.startswith(tuple(trained))]


#===------------------------------------------------------------------------------------------===#
# Cases
#===------------------------------------------------------------------------------------------===#

def train(binaries, folder, golden, weights, batches, frozen, more):
    """Compiles, trains and compares what each step says. Returns errors over their bounds, and the weights at the end."""
    system, config = golden["system"], golden["config"]
    compiled, update = optimizer_options(golden["optimizer"])
    run([f"{binaries}/vitc", cases.preset(system, config), *cases.settings(system, config), *NO_DROPOUT, weights, "--train", *compiled, *frozen, "-o",
         f"{folder}/model.vitx"])
    clipping = [f"--clip-norm={golden['clip_norm']}", f"--clip-kind={golden.get('clip_kind', 'optax')}"] if golden["clip_norm"] else []
    saved = folder + ("/final.npz" if system == "004" else "/final.safetensors")
    output = run([f"{binaries}/vit-run", "train", f"{folder}/model.vitx", f"--data=tensors:{batches}", f"--batch={golden['batch']}",
                  f"--steps={len(golden['steps'])}", f"--accumulate={golden['accum_steps']}", *update,
                  *schedule_options(golden["schedule"]), *clipping, f"--save={saved}", "--json", *more])
    lines = [line for line in map(json.loads, output.splitlines()) if "step" in line]
    if len(lines) != len(golden["steps"]):
        raise Failure(f"{len(lines)} steps, expected {len(golden['steps'])}")
    pairs = list(zip(lines, golden["steps"]))
    return {"loss": max(abs(a["loss"] - b["loss_f64"]) for a, b in pairs) / LOSS,
            "rate": max(abs(a["lr"] - b["lr"]) / max(b["lr"], 1e-12) for a, b in pairs) / RATE,
            "norm": max(abs(a["grad_norm"] - b["grad_norm_f64"]) / b["grad_norm_f64"] for a, b in pairs) / NORM}, read_tensors(saved)


class Trajectory:
    """A run of some steps: losses, rates, norms, and the weights at its end."""

    def __init__(self, small, path):
        self.small, self.path = small, path.removesuffix(".json")
        self.name = f"{small.label}/{os.path.basename(self.path)}"

    def run(self, binaries, folder, more):
        with open(self.path + ".json") as f:
            golden = json.load(f)
        ending = ".npz" if self.small.system == "004" else ".safetensors"
        start = self.path + ".start" + ending
        if not os.path.exists(start):
            start = self.small.folder + "/weights" + ending
        before = read_tensors(start)
        errors, found = train(binaries, folder, golden, f"--weights={start}", self.path + ".batches.npz",
                              freezing_options(before, golden.get("trained")), more)
        return errors | {"weights": weight_error(golden["optimizer"], before, found, read_tensors(self.path + ".final" + ending))}


class Excerpt:
    """The same of a run that begins with the seed's weights, without files beside its JSON."""

    def __init__(self, path):
        self.path, self.name = path, "excerpt/" + os.path.basename(path).removesuffix(".json")

    def run(self, binaries, folder, more):
        with open(self.path) as f:
            golden = json.load(f)
        count, size, channels = len(golden["labels"]), golden["config"]["image_size"], golden["config"]["in_channels"]
        shape = (count, size, size, channels) if golden["system"] == "004" else (count, channels, size, size)
        images = cases.channels_first(golden["system"], (shape, arrays.random_images(shape)))
        arrays.write_npz(f"{folder}/batches.npz", {"images": images, "labels": ((count,), array.array("q", golden["labels"]))})
        errors, found = train(binaries, folder, golden, "--random-weights=0", f"{folder}/batches.npz", [], more)
        return errors | {"weights": summary_error(golden["optimizer"], found, golden["final"])}


def summary_error(optimizer, found, expected):
    """Over its bound: differences of a tensor's norm and of its first values. Adam's bound is a part of the tensor's largest movement, that
    of single entries wider, because those with tiny gradients go their own way."""
    if set(found) != set(expected):
        raise Failure("--save has other tensors than the framework's model")
    sgd = "sgd" in optimizer["kind"]
    worst = 0
    for name, golden in expected.items():
        values = found[name][1]
        if without_gradient(name, len(values)):
            continue
        bound = (SGD_BF16 if optimizer.get("accumulator") == "bfloat16" else SGD) if sgd else ADAM * golden["moved_max"] + 1e-7
        norm = abs(math.sqrt(math.fsum(v * v for v in values)) - golden["l2"]) / math.sqrt(len(values))
        first = max(abs(a - b) for a, b in zip(values, golden["first4"])) / (1 if sgd else 20)
        worst = max(worst, norm / bound, first / bound) if math.isfinite(norm) else math.inf
    return worst


def weight_error(optimizer, before, found, expected):
    """Over its bound: of SGD the largest difference, of Adam the rms difference over the rms change."""
    if set(found) != set(expected) or any(found[name][0] != expected[name][0] for name in expected):
        raise Failure("--save has other tensors or shapes than the framework's model")
    worst, away, moved = 0, 0, 0
    for name, (_, values) in expected.items():
        for i in compared(name, values):
            difference = abs(found[name][1][i] - values[i])
            if not math.isfinite(difference):
                return math.inf
            worst = max(worst, difference)
            away += difference ** 2
            moved += (values[i] - before[name][1][i]) ** 2
    if "sgd" in optimizer["kind"]:
        return worst / (SGD_BF16 if optimizer.get("accumulator") == "bfloat16" else SGD)
    return math.sqrt(away / moved) / ADAM


class Gradients:
    """The gradient of every parameter for one batch."""

    def __init__(self, small, name, config, weights, loss, read):
        self.small, self.name, self.config, self.weights, self.loss, self.read = small, f"{small.label}/{name}", config, weights, loss, read

    def run(self, binaries, folder, more):
        system = self.small.system
        data = arrays.read_npz(self.small.folder + "/expected.npz")
        expected, image = self.read()
        images = cases.channels_first(system, image or data["input"])
        labels = list(data["labels"][1])
        # Labels as distributions: the other form that `tensors:` data may have.
        classes = self.config.get("num_classes") or self.config.get("classes")
        rows = [float(label == k) for label in labels for k in range(classes)]
        arrays.write_npz(f"{folder}/batch.npz", {"images": images, "labels": ((len(labels), classes), rows)})
        run([f"{binaries}/vitc", cases.preset(system, self.config), *cases.settings(system, self.config), *NO_DROPOUT, self.weights,
             "--train", "--optimizer=sgd", "-o", f"{folder}/model.vitx"])
        output = run([f"{binaries}/vit-run", "train", f"{folder}/model.vitx", f"--data=tensors:{folder}/batch.npz", f"--batch={len(labels)}",
                      "--steps=1", f"--gradients={folder}/gradients.npz", "--json", *more])
        line = json.loads(output.splitlines()[0])
        found, bound = arrays.read_npz(f"{folder}/gradients.npz"), GRADIENT_HYBRID if self.config.get("resnet") else GRADIENT
        errors = {"gradients": max(gradient_error(name, found, tensor) for name, tensor in expected.items()) / bound}
        if self.loss is not None:
            errors["loss"] = abs(line["loss"] - self.loss) / LOSS
        return errors


def gradient_error(name, found, expected):
    """Of a tensor, over its largest entry."""
    shape, values = expected
    largest = max((abs(v) for v in values), default=0)
    if name not in found:  # vitc leaves out what no result depends on
        return 0 if largest == 0 else math.inf
    if found[name][0] != shape:
        raise Failure(f"--gradients: {name} is {found[name][0]}, expected {shape}")
    indices = list(compared(name, values))
    differences = [abs(found[name][1][i] - values[i]) for i in indices]
    if not all(math.isfinite(d) for d in differences):
        return math.inf
    return max(differences, default=0) / largest if largest and indices else max(differences, default=0)


def all_cases(shared):
    for small in cases.small_systems(shared):
        ending = ".npz" if small.system == "004" else ".safetensors"
        yield Gradients(small, "gradients", small.description["config"], f"--weights={small.folder}/weights{ending}",
                        small.description["gradient_check"]["loss_f64"], lambda s=small: (arrays.read_npz(s.folder + "/gradients.npz"), None))
        for name, variant in small.description["variants"].items():
            if not variant.get("gradients"):
                continue

            def read(path=f"{small.folder}/variants/{name}.npz"):
                data = arrays.read_npz(path)
                return {k.removeprefix("grad."): v for k, v in data.items() if k.startswith("grad.")}, data.get("input")

            loss = variant.get("gradient_check", {}).get("loss_f64")
            yield Gradients(small, name + "/gradients", variant["config"], "--random-weights=0", loss, read)
        for path in sorted(glob.glob(small.folder + "/trajectories/*.json")):
            yield Trajectory(small, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", metavar="NAME")
    parser.add_argument("--bin", default=os.path.join(cases.HERE, "../../build/bin"), help="folder of vitc and vit-run")
    parser.add_argument("--shared", default=os.path.join(cases.HERE, "../../../shared"))
    parser.add_argument("--excerpt", action="store_true", help="the runs of test/data/training")
    parser.add_argument("--threads", help="of vit-run train")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    options = parser.parse_args()
    if not options.excerpt and started_for_another_reason():
        print("the reference systems are trained by `ctest -L full`")
        return SKIPPED
    shared = os.environ.get("VITC_SHARED") or options.shared
    every = map(Excerpt, sorted(glob.glob(cases.DATA + "/training/*.json"))) if options.excerpt else all_cases(shared)
    chosen = [case for case in every if not options.patterns or any(fnmatch.fnmatch(case.name, p) for p in options.patterns)]
    if options.list:
        for case in chosen:
            print(case.name)
        return 0
    if not chosen:
        print(f"no references for {' '.join(options.patterns) or 'training'}")
        return SKIPPED
    more = [f"--threads={options.threads}"] if options.threads else []
    failed = 0
    for case in chosen:
        folder = tempfile.mkdtemp(prefix="vitc-train-")
        try:
            errors = case.run(options.bin, folder, more)
            wrong = not all(error <= 1 for error in errors.values())
            figures = "  ".join(f"{what} {error:.3f}" for what, error in errors.items())
            print(f"{case.name:45} {figures}{'  DIFFERS' if wrong else ''}", flush=True)
            failed += wrong
        except Failure as failure:
            print(f"{case.name:45} {failure}", flush=True)
            failed += 1
        finally:
            shutil.rmtree(folder)
    print(f"{len(chosen) - failed} of {len(chosen)} train as their reference")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
