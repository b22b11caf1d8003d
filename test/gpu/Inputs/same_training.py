"""Compares two training runs: same_training.py [--exact] EXPECTED ACTUAL, each a path without its endings:
.json, what vit-run train --json said; .gradients.npz; and a folder, the run's checkpoint with weights, moments and averages.

Losses and norms may differ by 2e-6 of themselves, numbers of a tensor by 1e-5 of its largest one, or of a hundredth of its kind's: some
gradients are zero but for rounding. With --exact nothing may differ.
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../full"))
import arrays

KINDS = ("parameter/", "first_moment/", "second_moment/", "average/")


def steps(path):
    with open(path + ".json") as file:
        return [line for line in map(json.loads, file) if "step" in line]


def compare(kind, expected, actual, tolerance):
    if not expected or {name: shape for name, (shape, _) in expected.items()} != {name: shape for name, (shape, _) in actual.items()}:
        sys.exit(f"{kind}: not the same tensors: {sorted(expected)} and {sorted(actual)}")
    floor = max(max(map(abs, values)) for _, values in expected.values()) / 100
    worst = 0.0
    for name, (_, values) in expected.items():
        bound = tolerance * max(max(map(abs, values)), floor)
        if bound:
            worst = max(worst, *(abs(a - b) / bound for a, b in zip(values, actual[name][1])))
        if not all(abs(a - b) <= bound for a, b in zip(values, actual[name][1])):
            sys.exit(f"{kind}: {name} differs by more than {bound}")
    print(f"{kind}: {len(expected)} tensors, the greatest difference is {worst:.2f} of its bound")


def main():
    exact = sys.argv[1] == "--exact"
    expected, actual = sys.argv[1 + exact :]
    of_steps, of_tensors = (0, 0) if exact else (2e-6, 1e-5)
    said = list(zip(steps(expected), steps(actual), strict=True))
    if len(said) < 2:
        sys.exit("fewer than two steps")
    for a, b in said:
        for key in ("loss", "grad_norm"):
            if not abs(a[key] - b[key]) <= of_steps * abs(a[key]):
                sys.exit(f"step {a['step']}: {key} is {b[key]}, expected {a[key]}")
    compare("gradients", *(arrays.read_npz(path + ".gradients.npz") for path in (expected, actual)), of_tensors)
    states = [arrays.read_safetensors(os.path.join(path, "last.state.safetensors")) for path in (expected, actual)]
    for kind in KINDS:
        parts = [{name: tensor for name, tensor in state.items() if name.startswith(kind)} for state in states]
        if any(parts):
            compare(kind, *parts, of_tensors)


if __name__ == "__main__":
    main()
