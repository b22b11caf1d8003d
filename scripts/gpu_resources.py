#!/usr/bin/env python3
"""What the GPU's kernels take of a multiprocessor: scripts/gpu_resources.py [--bin=build/bin] [--ptxas=FILE] [--update] test/gpu/resources.txt

The file has a line for each kernel of some models and of a training step: the first layer that it computes, registers of a thread and bytes
spilled, as ptxas says for the architecture, and threads and shared memory of a block, as the plan says. Without --update the program compares, and exits with 1 where a kernel spills, where
ptxas warns of what costs speed, or where a line differs; registers are compared only if ptxas is of the release that the file names. With it
the file is written.
"""
import argparse
import difflib
import os
import re
import subprocess
import sys
import tempfile

# What is of f32 is the same on sm_90a.
MODELS = {"infer": [(model, precision, architecture) for model in ("vit_tiny_patch16_224", "vit_base_patch16_224")
                    for precision, architecture in (("f32", "sm_80"), ("bf16", "sm_80"), ("bf16", "sm_90a"))],
          "train": [("vit_base_patch16_224", "bf16", architecture) for architecture in ("sm_80", "sm_90a")]}
MODELS["infer"] += [("vit_base_patch16_224", precision, architecture) for precision in ("f16", "tf32") for architecture in ("sm_80", "sm_90a")]
# Inserted waits of wgmma, and registers that it could not have.
WARNINGS = re.compile(r"C75(08|10|11|17|19)")
COLUMNS = "{:<21} {:<9} {:<12} {:<42} {:<12} {:>9} {:>7} {:>7} {:>7}"


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"error: {' '.join(command)}: exit code {result.returncode}: {result.stderr.strip()}")
    return result.stdout + result.stderr


def options(program, precision, architecture):
    return [f"--gpu-arch={architecture}", f"--precision={precision}"] + ["--train"] * (program == "train")


def planned(vitc, program, model, *how):
    """(layer, kind, threads, shared bytes) of each kernel of the programs of that name, by its symbol."""
    plan = run(vitc, model, "--random-weights=0", "--target=emulator", *options(program, *how), "--emit=plan", "-o", "-")
    plan = plan[plan.index(f"program @{program}:"):]
    layers = {}
    for layer, symbol, others in re.findall(r"^ +\d+  (\S+) +(\S+) +\S.* -> .*\n((?: +from .*\n)*)", plan, re.M):
        layers.setdefault(symbol, layer)
        for images, other in re.findall(r"from (\d+) images: (\S+)", others):
            layers.setdefault(other, f"{layer}, {images} images on")
    kernels = re.findall(r"^  (\S+) +(\S+) +scratch \d+  threads (\d+) shared (\d+)", plan, re.M)
    return {symbol: (layers[symbol], kind, threads, shared) for symbol, kind, threads, shared in kernels}


def assembled(vitc, ptxas, program, model, precision, architecture):
    """(registers, spilled bytes) of each kernel, by its symbol."""
    with tempfile.TemporaryDirectory() as folder:
        ptx = os.path.join(folder, "kernels.ptx")
        run(vitc, model, "--target=cuda", *options(program, precision, architecture), "--emit=ptx", "-o", ptx)
        report = run(ptxas, "-v", f"-arch={architecture}", ptx, "-o", os.path.join(folder, "cubin"))
    if WARNINGS.search(report):
        sys.exit(f"error: {model}, {program}, {precision}, {architecture}: ptxas warns: {report}")
    entry = r"entry function '(\w+)'.*?(\d+) bytes spill stores, (\d+) bytes spill loads.*?Used (\d+) registers"
    return {symbol: (registers, int(stores) + int(loads)) for symbol, stores, loads, registers in re.findall(entry, report, re.S)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="", help="folder of vitc (default: PATH)")
    parser.add_argument("--ptxas", default="ptxas")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("file")
    arguments = parser.parse_args()
    vitc = os.path.join(arguments.bin, "vitc")
    release = re.search(r"release ([\d.]+)", run(arguments.ptxas, "--version"))[1]

    lines = [f"# ptxas {release}; scripts/gpu_resources.py --update writes this file",
             COLUMNS.format("model", "precision", "architecture", "first layer", "kind", "registers", "spilled", "threads", "shared")]
    spilling = []
    for program, model in ((program, model) for program in MODELS for model in MODELS[program]):
        if program == "train" and "# training" not in lines:
            lines.append("# training")
        resources = assembled(vitc, arguments.ptxas, program, *model)
        for symbol, (layer, kind, threads, shared) in planned(vitc, program, *model).items():
            registers, spilled = resources[symbol]
            lines.append(COLUMNS.format(*model, layer, kind, registers, spilled, threads, shared))
            if spilled:
                spilling.append(lines[-1])
    if arguments.update:
        with open(arguments.file, "w") as file:
            file.write("\n".join(lines) + "\n")
    if spilling:
        print("error: kernels spill:\n" + "\n".join(spilling))
    with open(arguments.file) as file:
        known = file.read().splitlines()
    if known[0] != lines[0]:
        print(f"registers are not compared: ptxas is {release}, and {arguments.file} begins with '{known[0]}'")
        return bool(spilling)
    difference = list(difflib.unified_diff(known, lines, arguments.file, "now", lineterm="", n=0))
    if difference:
        print("\n".join(difference) + f"\nerror: kernels take something else of a multiprocessor; scripts/gpu_resources.py --update {arguments.file}")
    return bool(spilling or difference)


if __name__ == "__main__":
    sys.exit(main())
