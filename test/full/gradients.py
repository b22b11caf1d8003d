#!/usr/bin/env python3
"""Compares the gradients of compiled kernels with those of the reference lowerings, for the models of test/switches: every switch of a
config, at a size that takes seconds. Python's standard library only.

    test/full/gradients.py --bin=build/bin [PATTERN of names ...]

A line for each model: the largest error of a tensor over the bound, so that 1 is the limit, or why it is not trained (an operation without
a gradient, no classifier). The gradients of reference lowerings are tested against central differences, each operation by itself
(test/unit/vit/GradientTest.cpp).
Exit codes: 0 all equal, 1 not, 2 bad usage.
"""
import argparse
import array
import fnmatch
import glob
import os
import random
import re
import subprocess
import sys
import tempfile

import arrays

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../training/Inputs"))
from same_gradients import relative_errors

# Of a tensor's largest value; behind the many ReLUs of a stem of residual blocks what is rounded otherwise may be 0 otherwise.
BOUND, BOUND_HYBRID = 2e-5, 2e-4


class Failure(Exception):
    pass


def run(command):
    process = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if process.returncode:
        raise Failure((process.stderr.strip().splitlines() or [f"exit code {process.returncode}"])[-1])


def read_test(path):
    """What vitc is given, and the shapes of the images and of what the model returns."""
    with open(path) as f:
        text = f.read().replace("%data", os.path.join(HERE, "../data")).replace("%models", os.path.join(HERE, "../../models"))
    arguments = re.search(r"^RUN: vitc (.*?) -o ", text, re.M).group(1).split()
    files = [re.search(rf"--{option}=(\S+)", text).group(1) for option in ("input", "expected")]
    return arguments, *(arrays.read_npy(file)[0] for file in files)


def gradients(binaries, folder, arguments, target, batch):
    program, result = f"{folder}/{target}.vitx", f"{folder}/{target}.npz"
    run([f"{binaries}/vitc", *arguments, "--train", f"--target={target}", "-o", program])
    run([f"{binaries}/vit-run", "train", program, f"--data=tensors:{folder}/data.npz", f"--batch={batch}", "--steps=1", f"--gradients={result}"])
    return arrays.read_npz(result)


def compare(binaries, path):
    """The largest error over its bound, and the tensor's name."""
    arguments, images, outputs = read_test(path)
    with tempfile.TemporaryDirectory() as folder:
        numbers = random.Random(0)
        labels = array.array("q", (numbers.randrange(outputs[1]) for _ in range(images[0])))
        arrays.write_npz(f"{folder}/data.npz", {"images": (images, arrays.random_images(images)), "labels": (images[:1], labels)})
        actual, expected = (gradients(binaries, folder, arguments, target, images[0]) for target in ("cpu", "reference"))
    if sorted(actual) != sorted(expected):
        raise Failure("not the same tensors")
    bound = BOUND_HYBRID if "hybrid" in path else BOUND
    return max((error / bound, name) for name, error in relative_errors(actual, expected).items())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("patterns", nargs="*", default=["*"])
    options = parser.parse_args()
    paths = {os.path.basename(path).removesuffix(".test"): path for path in sorted(glob.glob(f"{HERE}/../switches/*.test"))}
    names = [name for name in paths if any(fnmatch.fnmatch(name, pattern) for pattern in options.patterns)]
    if not names:
        parser.error(f"no model of test/switches is called {' or '.join(options.patterns)}")
    failed = 0
    for name in names:
        try:
            error, tensor = compare(options.bin, paths[name])
            failed += not error <= 1
            print(f"{name:28} {error:8.3f}  {tensor}", flush=True)
        except Failure as failure:
            expected = any(reason in str(failure) for reason in ("has no gradient", "has no classifier"))
            failed += not expected
            print(f"{name:28} {'       -' if expected else '  failed'}  {failure}", flush=True)
    print(f"{len(names) - failed} of {len(names)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
